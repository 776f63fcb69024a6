"""Headers read in one pass are those that pydicom reads, or are left to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from ytterby.dicom.header import DAMAGE, quiet, texts
from ytterby.dicom.plain import plain_header
from ytterby.dicom.write import DicomHeader, write_ct
from ytterby.errors import DicomError
from ytterby.model.volume import Volume

KEYWORDS = [
    "SOPClassUID",
    "SpecificCharacterSet",
    "PatientName",
    "ImageType",
    "Rows",
    "PixelSpacing",
    "ImagePositionPatient",
]
WANTED = {int(tag): BaseTag(tag) for tag in map(pydicom.datadict.tag_for_keyword, KEYWORDS) if tag is not None}


def general(path: Path) -> tuple[Dataset, int]:
    with path.open("rb") as stream:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(KEYWORDS))
        return dataset, stream.tell()


def rewritten(source: Path, target: Path, *, implicit: bool, little: bool = True) -> Path:
    """The same object with nested sequences of undefined and of stated length, in another transfer syntax."""
    dataset = pydicom.dcmread(source)
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "x"
    outer.PurposeOfReferenceCodeSequence = Sequence([inner, inner])
    outer.PurposeOfReferenceCodeSequence.is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    dataset.ReferencedImageSequence = Sequence([outer, outer, Dataset()])
    dataset["ReferencedImageSequence"].is_undefined_length = True
    dataset.ReferencedStudySequence = Sequence([inner])
    dataset.PatientName, dataset.SpecificCharacterSet = "Müller^Jürgen", "ISO_IR 100"
    kind = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = kind if little else pydicom.uid.ExplicitVRBigEndian
    pydicom.dcmwrite(target, dataset, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return target


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
def test_it_is_what_pydicom_reads(implicit: bool, hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = rewritten(write_ct(hu, tmp_path / "ct", header)[0], tmp_path / "x.dcm", implicit=implicit)
    dataset, place = general(path)
    found = plain_header(path.read_bytes(), WANTED)
    assert found is not None
    assert found[1] == place
    assert found[0] == dataset
    assert str(found[0].PatientName) == "Müller^Jürgen"
    assert found[0].file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID


def test_what_is_not_plain_is_left_alone(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    source = write_ct(hu, tmp_path / "ct", header)[0]
    big = rewritten(source, tmp_path / "big.dcm", implicit=False, little=False).read_bytes()
    assert plain_header(big, WANTED) is None
    plain = rewritten(source, tmp_path / "x.dcm", implicit=False).read_bytes()
    sequence = BaseTag(pydicom.datadict.tag_for_keyword("ReferencedImageSequence") or 0)
    for start, wanted in (
        (plain, {**WANTED, int(sequence): sequence}),
        (plain[:600], WANTED),  # the header goes on behind what was read
        (plain[:140], WANTED),
        (bytes(600), WANTED),
        (plain.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00??"), WANTED),
    ):
        assert plain_header(start, wanted) is None


def said(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Values, or what is said of their damage."""
    try:
        return texts(dataset, keyword)
    except DicomError as error:
        return (error.what,)


@quiet()
def test_damage_is_never_read_in_another_way(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    source = write_ct(hu, tmp_path / "ct", header)[0]
    path, agreed = tmp_path / "x.dcm", 0
    originals = [
        rewritten(source, tmp_path / f"{name}.dcm", implicit=name == "implicit").read_bytes()
        for name in ("explicit", "implicit")
    ]
    for number in range(400):
        content = np.frombuffer(originals[number % 2], dtype=np.uint8).copy()
        content[rng.integers(132, 1500, size=3)] = rng.integers(0, 256, size=3)
        path.write_bytes(content.tobytes())
        found = plain_header(content.tobytes(), WANTED)
        if found is None:
            continue
        try:
            dataset, place = general(path)
        except DAMAGE:  # what pydicom cannot read at all, the checks of values will tell
            continue
        assert (place, set(dataset.keys())) == (found[1], set(found[0].keys()))
        assert [said(dataset, keyword) for keyword in KEYWORDS] == [said(found[0], keyword) for keyword in KEYWORDS]
        agreed += 1
    assert agreed > 100
