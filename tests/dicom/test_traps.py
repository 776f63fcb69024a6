"""Traps written by hand: files that are valid enough to be opened, and ask for too much or for nonsense."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, RLELossless

from ytterby.dicom.read import read_segments, read_structures, read_views, read_volume
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, write_ct, write_dose, write_nm_recon_tomo, write_segmentation
from ytterby.errors import InputError
from ytterby.model.segment import Segment
from ytterby.model.volume import Volume
from ytterby.workflow.inspect import inspect

SECONDS = 5.0
MEBIBYTES = 512


def refused(path: Path, *readers: Callable[[Path], object], named: str = "") -> str:
    """What the readers say of a file, all of which refuse it, soon and in little memory."""
    said = ""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    for reader in readers:
        with pytest.raises(InputError) as caught:
            reader(path)
        said = str(caught.value)
        assert (named or path.name) in said
        assert caught.value.remedy
    assert time.perf_counter() - begin < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEBIBYTES
    inspect(path.parent)  # a folder with it is still told
    return said


@pytest.fixture
def spect(counts: Volume, header: DicomHeader, tmp_path: Path) -> Path:
    return write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)


def changed(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_a_few_bytes_that_stand_for_a_gigabyte(syntax: str, spect: Path) -> None:
    size = struct.pack(">8IH3B", 32000, 32000, 0, 0, 32000, 32000, 0, 0, 1, 15, 1, 1)
    frame = b"\xff\x4f\xff\x51" + struct.pack(">HH", 41, 0) + size + b"\xff\xd9"
    if syntax == RLELossless:
        frame = struct.pack("<16I", 2, 64, 68, *[0] * 13) + b"\x81\x00\x81\x00" * 2

    def bomb(dataset: Dataset) -> None:
        dataset.Rows = dataset.Columns = 32000
        dataset.NumberOfFrames = 1
        dataset.SliceVector = [1]
        dataset.NumberOfSlices = 1
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax

    assert "cannot be decoded" in refused(changed(spect, bomb), read_volume)


@pytest.mark.parametrize("depth", [20, 2000, 20000])
def test_sequences_without_end(depth: int, spect: Path) -> None:
    begin = struct.pack("<HH2sHI", 0x0054, 0x0022, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    content = spect.read_bytes()
    place = content.index(struct.pack("<HH", 0x0054, 0x0022))
    spect.write_bytes(content[:place] + begin * depth)
    refused(spect, scan, read_volume)


def test_a_hundred_megabytes_of_zeros(spect: Path) -> None:
    content = spect.read_bytes()
    spect.write_bytes(content[: content.index(struct.pack("<HH", 0x0054, 0x0022))] + bytes(100_000_000))
    assert "more than 20000 elements" in refused(spect, scan, read_volume, read_segments)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", ["1e300", "0", "0"]),
        ("ImagePositionPatient", ["0", "0"]),
        ("ImageOrientationPatient", ["0", "0", "0", "0", "0", "0"]),
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"]),
    ],
)
def test_places_that_are_none(keyword: str, value: list[str], spect: Path) -> None:
    refused(
        changed(spect, lambda dataset: setattr(dataset.DetectorInformationSequence[0], keyword, value)), read_volume
    )


@pytest.mark.parametrize("value", [["0", "0"], ["-4", "4"], ["1e-300", "1e-300"], ["1e300", "1e300"]])
def test_pixels_without_a_size(value: list[str], spect: Path) -> None:
    refused(changed(spect, lambda dataset: setattr(dataset, "PixelSpacing", value)), read_volume)


@pytest.mark.parametrize("value", ["0", "1e-300", "1e300"])
def test_slices_without_a_distance(value: str, spect: Path) -> None:
    refused(changed(spect, lambda dataset: setattr(dataset, "SpacingBetweenSlices", value)), read_volume)


def test_a_character_set_of_no_name_does_no_harm(spect: Path) -> None:
    path = changed(spect, lambda dataset: setattr(dataset, "SpecificCharacterSet", "ISO_IR 192"))
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 192", b"KLINGON 42"))
    assert read_volume(path).array.size > 0


def test_names_that_would_steer_a_terminal_or_a_path(spect: Path) -> None:
    path = changed(spect, lambda dataset: setattr(dataset, "PatientID", "../../etc\x1b[2J"))
    assert scan(path).series[0].patient_id.startswith("../../etc")  # as it stands: what shows or writes it cleans it
    assert read_volume(path).array.size > 0


def test_slices_at_the_ends_of_the_world(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path / "ct", header)
    changed(paths[-1], lambda dataset: setattr(dataset, "ImagePositionPatient", ["0", "0", "1e30"]))
    refused(tmp_path / "ct", read_volume)


def test_a_dose_of_frames_without_end(dose: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = write_dose(dose, tmp_path / "dose.dcm", header)
    refused(changed(path, lambda dataset: setattr(dataset, "GridFrameOffsetVector", ["0"] * 5)), read_volume)
    refused(changed(path, lambda dataset: setattr(dataset, "NumberOfFrames", 99_000)), read_volume)
    refused(changed(path, lambda dataset: setattr(dataset, "NumberOfFrames", 2**31 - 1)), read_volume, scan)


def test_segments_that_lie_far_apart(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    path = write_segmentation(segments, tmp_path / "seg.dcm", header)

    def torn(dataset: Dataset) -> None:
        frame = dataset.PerFrameFunctionalGroupsSequence[-1]
        place = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        normal = np.cross(
            *np.array(
                dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient,
                dtype=float,
            ).reshape(2, 3)
        )
        frame.PlanePositionSequence[0].ImagePositionPatient = [f"{value:.9g}" for value in place + 3e6 * normal]

    refused(changed(path, torn), read_segments)


def test_segments_without_number(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    path = write_segmentation(segments, tmp_path / "seg.dcm", header)

    def many(dataset: Dataset) -> None:
        item = dataset.SegmentSequence[0]
        dataset.Rows = dataset.Columns = 30000
        dataset.SegmentSequence = Sequence([item] * 3000)

    refused(changed(path, many), read_segments)


def test_files_of_another_kind_under_the_name_of_one(spect: Path) -> None:
    for modality, reader in (("SEG", read_segments), ("RTSTRUCT", read_structures), ("NM", read_views)):
        refused(changed(spect, lambda dataset, name=modality: setattr(dataset, "Modality", name)), reader)
