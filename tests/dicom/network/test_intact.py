"""Files that were cut off are known before they are sent, wherever the cut is; whole ones pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from ytterby.dicom.network.store import outgoing
from ytterby.errors import DicomError

CT = "1.2.840.10008.5.1.4.1.1.2"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"


def written(path: Path, syntax: str, sop_class: str = CT, **content: object) -> Path:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, "1.2.3.4"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.Modality = "1.2.3", "1.2.3.1", "CT"
    for keyword, value in content.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = sop_class, "1.2.3.4"
    made.save_as(path, enforce_file_format=True)
    return path


def image(path: Path, syntax: str) -> Path:
    pixels = np.arange(64, dtype=">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
    if syntax in (RLELossless, JPEG2000Lossless):
        pixels = encapsulate([pixels])
    nested = Dataset()
    nested.CodeValue = "1"
    outer = Dataset()
    outer.ProcedureCodeSequence = [nested, nested]
    outer["ProcedureCodeSequence"].is_undefined_length = True
    return written(
        path,
        syntax,
        RequestAttributesSequence=[outer],
        Rows=8,
        Columns=8,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=0,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        PixelData=pixels,
    )


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEG2000Lossless]
)
def test_an_image_that_is_cut_off_anywhere_is_known(syntax, tmp_path) -> None:
    whole = image(tmp_path / "whole.dcm", syntax)
    assert outgoing(whole).sop_uid == "1.2.3.4"
    content = whole.read_bytes()
    cut = tmp_path / "cut.dcm"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(DicomError):
            outgoing(cut)
    for padding in (1, 2, 512):
        cut.write_bytes(content + bytes(padding))
        outgoing(cut)


def test_the_reason_says_where_the_file_ends(tmp_path) -> None:
    content = image(tmp_path / "whole.dcm", ExplicitVRLittleEndian).read_bytes()
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(content[:-30])
    with pytest.raises(DicomError, match=r"truncated: it ends within element \(7FE0,0010\), 30 bytes are missing"):
        outgoing(cut)
    packed = image(tmp_path / "packed.dcm", RLELossless).read_bytes()
    cut.write_bytes(packed[:-8])  # all fragments, without the end of their sequence
    with pytest.raises(DicomError, match=r"truncated: it ends within element \(7FE0,0010\)"):
        outgoing(cut)


def test_an_element_that_is_shorter_than_the_image_is_known(tmp_path) -> None:
    path = image(tmp_path / "short.dcm", ExplicitVRLittleEndian)
    made = pydicom.dcmread(path)
    made.Rows = 9
    made.save_as(path)
    with pytest.raises(DicomError, match="the pixel data is truncated: 16 bytes are missing"):
        outgoing(path)


@pytest.mark.parametrize("undefined", [False, True])
def test_an_object_without_pixels_has_to_have_its_last_element(undefined, tmp_path) -> None:
    region = Dataset()
    region.ROINumber, region.ROIName = 1, "LIVER"
    path = written(
        tmp_path / "structures.dcm", ExplicitVRLittleEndian, STRUCTURES, StructureSetROISequence=[region, region]
    )
    made = pydicom.dcmread(path)
    made["StructureSetROISequence"].is_undefined_length = undefined
    made.save_as(path)
    outgoing(path)
    content = path.read_bytes()
    # Before the sequence a cut between two elements leaves what might be an object of its own.
    begin = content.index(b"\x06\x30\x20\x00SQ")
    for length in range(begin + 1, len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DicomError):
            outgoing(path)


def test_a_cut_file_of_pydicom_is_known() -> None:
    with pytest.raises(DicomError, match="62 bytes are missing"):
        outgoing(Path(str(get_testdata_file("MR_truncated.dcm"))))


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "liver_1frame.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "reportsi.dcm",
    ],
)
def test_whole_files_of_pydicom_pass(name) -> None:
    assert outgoing(Path(str(get_testdata_file(name, download=False)))).sop_uid


def test_sequences_without_end_are_no_trouble(tmp_path) -> None:
    path = image(tmp_path / "deep.dcm", ImplicitVRLittleEndian)
    deeper = b"\x40\x00\x75\x02\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(path.read_bytes() + deeper * 500)
    with pytest.raises(DicomError, match=r"do not end|damaged"):
        outgoing(path)
