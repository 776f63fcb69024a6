"""A small study of one patient who is named everywhere, and the secret under which it is de-identified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from ytterby.dicom.deidentify.clean import Patient
from ytterby.dicom.deidentify.secret import Secret

CT = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.8.498.7"


def _ct_object(number: int = 1, **changes: Any) -> Dataset:
    """A valid CT slice of Anna Zwölfer; ``changes`` set further attributes, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.3.{number}"
    dataset.file_meta.SourceApplicationEntityTitle = "ZWOELFERS_CT"
    dataset.preamble = b"Zwoelfer".ljust(128, b"\0")
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT,
        "SOPInstanceUID": f"{ROOT}.3.{number}",
        "StudyDate": "20240301",
        "SeriesDate": "20240301",
        "AcquisitionDate": "20240302",
        "ContentDate": "20240301",
        "StudyTime": "101500.25",
        "AcquisitionTime": "093000",
        "ContentTime": "101500",
        "AccessionNumber": "ACC-778812",
        "Modality": "CT",
        "Manufacturer": "Maker",
        "InstitutionName": "Saint Example Hospital",
        "ReferringPhysicianName": "Quackenbush^Ida",
        "StudyDescription": "Liver of Zwölfer, Anna",
        "SeriesDescription": "portal venous",
        "PatientName": "Zwölfer^Anna",
        "PatientID": "4711-0815",
        "PatientBirthDate": "19510704",
        "PatientSex": "F",
        "PatientAge": "072Y",
        "PatientWeight": "70",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.2",
        "StudyID": "1",
        "SeriesNumber": 2,
        "AcquisitionNumber": 1,
        "InstanceNumber": number,
        "Laterality": "",
        "ImagePositionPatient": [0, 0, 3 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "FrameOfReferenceUID": f"{ROOT}.4",
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "KVP": "120",
        "SliceThickness": "3",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 6,
        "PixelSpacing": [1, 1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "PixelData": np.random.default_rng(number).integers(-1000, 1000, (4, 6)).astype("<i2").tobytes(),
    }
    for keyword, value in {**values, **changes}.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def _item(**values: Any) -> Dataset:
    """A sequence's item."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _save(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.fixture(scope="session")
def ct_object() -> Callable[..., Dataset]:
    return _ct_object


@pytest.fixture(scope="session")
def item() -> Callable[..., Dataset]:
    return _item


@pytest.fixture(scope="session")
def save() -> Callable[[Dataset, Path], Path]:
    return _save


@pytest.fixture
def secret() -> Secret:
    return Secret(bytes(range(32)))


@pytest.fixture
def patient() -> Patient:
    return Patient("P0001", -100)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of three slices, whose paths name the patient."""
    for number in (1, 2, 3):
        reference = Sequence([_item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=f"{ROOT}.3.1")])
        _save(
            _ct_object(number, ReferencedImageSequence=reference), tmp_path / "src" / "Zwoelfer_Anna" / f"{number}.dcm"
        )
    return tmp_path / "src"


@pytest.fixture
def results(tmp_path: Path) -> Callable[[], list[Dataset]]:
    """The objects of the new folder, in the order of their names."""
    return lambda: [pydicom.dcmread(path) for path in sorted((tmp_path / "dst").rglob("*.dcm"))]
