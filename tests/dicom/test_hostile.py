"""Damaged and hostile files: told in words, never a crash, never a link followed out of the folder."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ytterby.dicom.read import read_volume
from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.series import scan, total_counts
from ytterby.dicom.write import DicomHeader, write_ct, write_dose, write_nm_recon_tomo, write_segmentation
from ytterby.errors import DicomError, InputError
from ytterby.model.segment import Segment
from ytterby.model.volume import Volume

# The package gives its name to the function.
scan_module = importlib.import_module("ytterby.dicom.series.scan")

GARBAGE = {
    "empty": b"",
    "short": b"DICM",
    "text": b"patient_id,grade\nP1,2\n" * 20,
    "preamble_only": bytes(128) + b"DICM",
    "preamble_and_noise": bytes(128) + b"DICM" + np.random.default_rng(5).bytes(5000),
    "preamble_and_zeros": bytes(128) + b"DICM" + bytes(500),
    "huge_length": bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\xff\xff" + b"\x08\x00\x60\x00OB\x00\x00\xf0\xff\xff\xff",
    "deflated": bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99" + bytes(40),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_skipped_in_a_folder_and_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(GARBAGE[name])
    found = scan(tmp_path)
    assert found.series == ()
    assert [file.path for file in found.skipped] == [path]
    assert found.skipped[0].reason
    for reader in (scan, read_volume, read_segments):
        with pytest.raises(DicomError) as caught:
            reader(path)
        assert str(path) in str(caught.value)
        assert caught.value.remedy


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no such file or folder"):
        scan(tmp_path / "absent")
    with pytest.raises(DicomError, match="no such file"):
        read_segments(tmp_path / "absent")


def test_truncated_pixels_are_told_by_scan_and_refused(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    path.write_bytes(path.read_bytes()[:-100])
    series = scan(path).series[0]
    assert any("truncated" in problem.message for problem in series.problems if problem.level == "red")
    with pytest.raises(DicomError, match=r"nm.dcm"):
        read_volume(path)
    with pytest.raises(DicomError, match=r"nm.dcm"):
        total_counts(series)


def test_a_header_without_pixels_is_told(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    assert any("no pixel data" in problem.message for problem in scan(path).series[0].problems)
    with pytest.raises(DicomError, match="cannot be decoded"):
        read_volume(path)


def test_images_too_large_to_be_true_are_refused(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(path)
    assert any("the most that is read" in problem.message for problem in scan(path).series[0].problems)
    with pytest.raises(DicomError, match="cannot be read as an image"):
        read_volume(path)


def refusal(reader: Callable[[Path], object], path: Path) -> str:
    """What a reader says of a file it refuses; "" when it takes it."""
    try:
        reader(path)
    except InputError as error:
        return str(error) or "nothing is said"
    return ""


def test_flipped_bytes_never_crash(
    hu: Volume, counts: Volume, dose: Volume, segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path
) -> None:
    originals = [
        write_ct(hu, tmp_path / "ct", header)[0],
        write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header),
        write_dose(dose, tmp_path / "dose.dcm", header),
        write_segmentation(segments, tmp_path / "seg.dcm", header),
    ]
    rng = np.random.default_rng(7)
    path = tmp_path / "flipped.dcm"
    said = []
    for number in range(120):
        content = np.frombuffer(originals[number % 4].read_bytes(), dtype=np.uint8).copy()
        places = rng.integers(132, len(content), size=rng.integers(1, 9))
        content[places] = rng.integers(0, 256, size=places.size)
        end = rng.integers(200, len(content)) if number % 3 == 0 else len(content)
        path.write_bytes(content[:end].tobytes())
        said += [refusal(reader, path) for reader in (scan, read_volume, read_segments)]
    assert "nothing is said" not in said
    assert said.count("") > 20  # most flips hit a name or a pixel: the file is still read


def test_links_out_of_the_folder_are_not_followed(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    paths = write_ct(hu, outside, header)
    write_ct(hu, inside / "ct", header)
    (inside / "link.dcm").symlink_to(paths[0])
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "nowhere").symlink_to(inside / "absent")
    os.mkfifo(inside / "pipe")
    found = scan(inside)
    assert [series.path for series in found.series] == [inside / "ct"]
    reasons = {file.path.name: file.reason for file in found.skipped}
    assert reasons == {
        "link.dcm": "a link that leads out of the folder: not followed",
        "folder": "a link to a folder: not followed",
        "loop": "a link to a folder: not followed",
        "nowhere": "not a regular file",
        "pipe": "not a regular file",
    }
    assert scan(inside / "folder").series[0].shape == hu.grid.shape  # what the user names is taken


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MAX_FILES", 3)
    monkeypatch.setattr(scan_module, "MAX_DEPTH", 1)
    for k in range(3):
        (tmp_path / f"{k}").write_text("x")
    (tmp_path / "a" / "b").mkdir(parents=True)
    found = scan(tmp_path)
    assert [file.reason for file in found.skipped][-1] == "more than 1 folders deep: not entered"
    (tmp_path / "4").write_text("x")
    with pytest.raises(DicomError, match="more than 3 files"):
        scan(tmp_path)


def test_one_damaged_series_does_not_hide_the_others(
    hu: Volume, counts: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    write_ct(hu, tmp_path / "ct", header)
    path = write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    content = path.read_bytes()
    place = content.index(b"\x28\x00\x08\x00IS") + 8  # NumberOfFrames, which says 5
    path.write_bytes(content[:place] + b"x " + content[place + 2 :])
    found = scan(tmp_path)
    assert [series.kind for series in found.series] == ["ct"]
    assert [file.path for file in found.skipped] == [path]
    assert found.skipped[0].reason.startswith(("NumberOfFrames is not a number", "the DICOM file is damaged"))
