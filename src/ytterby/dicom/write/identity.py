"""Who and what a written DICOM object says it is: patient, study, dates, and UIDs derived from content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, ExplicitVRLittleEndian

from ytterby import __version__
from ytterby.errors import ConfigurationError, DicomError, GeometryError
from ytterby.model.volume import FloatArray, Grid, Volume

__all__ = [
    "DicomHeader",
    "Frames",
    "decimal",
    "frames_of",
    "image_object",
    "save",
    "settle_dates",
    "treatment_object",
    "volume_frames",
]

_DATE = re.compile(r"^\d{8}$")
_TIME = re.compile(r"^\d{6}(\.\d{1,6})?$")
_OFFSET = re.compile(r"^([+-]\d{4})?$")
_UID = re.compile(r"^[0-9]+(\.[0-9]+)+$")


@dataclass(frozen=True)
class DicomHeader:
    """What all objects of a study share. Nothing is taken from the clock.

    ``study_date`` is YYYYMMDD and ``study_time`` HHMMSS; series have ``series_date`` and ``series_time``, else the study's.
    ``uid_seed`` separates objects that would be the same otherwise (of two patients with one image).
    ``frame_of_reference_uid`` may be left empty where the volume has its own.

    Raises
    ------
    ConfigurationError
        A date, time, offset or UID is not written as DICOM wants it.
    """

    patient_id: str
    patient_name: str
    patient_sex: str
    study_uid: str
    study_date: str
    study_time: str
    uid_seed: str
    frame_of_reference_uid: str = ""
    series_description: str = ""
    study_description: str = ""
    study_id: str = ""
    accession_number: str = ""
    series_number: int = 1
    series_date: str = ""
    series_time: str = ""
    timezone_offset: str = ""
    patient_birth_date: str = ""
    patient_position: str = "HFS"
    body_part: str = "LIVER"
    simulated: bool = False

    def __post_init__(self) -> None:
        for name, pattern in (
            ("study_date", _DATE),
            ("study_time", _TIME),
            ("series_date", _DATE),
            ("series_time", _TIME),
            ("timezone_offset", _OFFSET),
            ("study_uid", _UID),
            ("frame_of_reference_uid", _UID),
        ):
            value = getattr(self, name)
            optional = name not in ("study_date", "study_time", "study_uid")
            if not (optional and not value) and not pattern.match(value):
                raise ConfigurationError(
                    f"'{value}' cannot be written as {name}",
                    where="DICOM header",
                    remedy="dates are YYYYMMDD, times HHMMSS, offsets +0100, UIDs digits and dots",
                )

    def frame_of_reference(self, other: str, *, where: str) -> str:
        """The one frame of reference of header and image; GeometryError when they differ or neither has one."""
        mine = self.frame_of_reference_uid
        if mine and other and mine != other:
            raise GeometryError(
                f"the image lies in frame of reference {other}, the header says {mine}",
                where=where,
                remedy="register the image first, or give its own frame of reference",
            )
        if not (mine or other):
            raise GeometryError(
                "there is no frame of reference to write", where=where, remedy="give DicomHeader.frame_of_reference_uid"
            )
        return mine or other


@dataclass(frozen=True, eq=False)
class Frames:
    """Pixels (k, rows, columns) in DICOM's order: k runs along row x column, which DICOM asks for; and their geometry."""

    pixels: npt.NDArray[Any]
    grid: Grid
    orientation: list[str]
    spacing: list[str]
    step_mm: float

    def position(self, k: int) -> list[str]:
        """ImagePositionPatient of slice k."""
        return [decimal(value) for value in self.grid.affine[:3, 3] + k * self.grid.affine[:3, 2]]


def decimal(value: float) -> str:
    """A number as DICOM's decimal string: at most 16 characters, as exact as they allow."""
    for digits in range(17, 5, -1):
        text = f"{value + 0.0:.{digits}g}"
        if len(text) <= 16:
            return text
    raise DicomError(f"{value} cannot be written as a decimal string", remedy="check the geometry")


def frames_of(array: npt.NDArray[np.generic], grid: Grid, *, where: str) -> Frames:
    """Frames of an (i, j, k) array on a grid; slices are reversed where k runs against row x column.

    Raises
    ------
    GeometryError
        The axes of the grid are not at right angles: DICOM cannot say that.
    """
    affine: FloatArray = np.array(grid.affine)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / lengths
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-4:
        raise GeometryError(
            "the axes of the grid are not at right angles", where=where, remedy="resample it to an upright grid first"
        )
    pixels = array.transpose(2, 1, 0)
    if np.linalg.det(axes) < 0:
        pixels = pixels[::-1]
        affine[:3, 3] += affine[:3, 2] * (grid.shape[2] - 1)
        affine[:3, 2] *= -1
    return Frames(
        pixels,
        Grid(grid.shape, affine),
        [decimal(round(float(value), 12)) for value in (*axes[:, 0], *axes[:, 1])],
        [decimal(float(lengths[1])), decimal(float(lengths[0]))],
        float(lengths[2]),
    )


def volume_frames(volume: Volume, *, where: str) -> Frames:
    """Frames of a volume, in DICOM's order."""
    return frames_of(volume.array, volume.grid, where=where)


def image_object(header: DicomHeader, *, sop_class: str, modality: str, series_uid: str, instance_uid: str) -> Dataset:
    """Dataset with the patient, study, series, equipment and general modules of one object."""
    dataset = Dataset()
    dataset.file_meta = _file_meta(sop_class, instance_uid)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance_uid
    dataset.PatientName, dataset.PatientID = header.patient_name, header.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = header.patient_birth_date, header.patient_sex
    dataset.StudyInstanceUID, dataset.StudyID = header.study_uid, header.study_id
    dataset.StudyDate, dataset.StudyTime = header.study_date, header.study_time
    dataset.AccessionNumber, dataset.ReferringPhysicianName = header.accession_number, ""
    if header.study_description:
        dataset.StudyDescription = header.study_description
    dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesNumber = modality, series_uid, header.series_number
    dataset.BodyPartExamined = header.body_part
    if header.series_description:
        dataset.SeriesDescription = header.series_description
    dataset.SeriesDate = dataset.ContentDate = header.series_date or header.study_date
    dataset.SeriesTime = dataset.ContentTime = header.series_time or header.study_time
    if header.timezone_offset:
        dataset.TimezoneOffsetFromUTC = header.timezone_offset
    dataset.Manufacturer, dataset.ManufacturerModelName = "Ytterby developers", "ytterby"
    dataset.SoftwareVersions, dataset.DeviceSerialNumber = __version__, "0"
    if header.simulated:
        dataset.ImageComments = "Simulated image: no patient. Research use only."
    return dataset


def treatment_object(
    header: DicomHeader, *, sop_class: str, modality: str, series_uid: str, instance_uid: str
) -> Dataset:
    """Dataset with the modules of a radiotherapy object that is no image: what only images have is left out."""
    dataset = image_object(
        header, sop_class=sop_class, modality=modality, series_uid=series_uid, instance_uid=instance_uid
    )
    for keyword in ("BodyPartExamined", "ImageComments", "ContentDate", "ContentTime"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.OperatorsName = ""
    return dataset


def _file_meta(sop_class: str, instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = "YTTERBY"
    return meta


def save(dataset: Dataset, path: Path) -> Path:
    """Write one object as Explicit VR Little Endian; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def settle_dates(document: Dataset, header: DicomHeader) -> None:
    """Set the dates of an object that highdicom made, which takes the clock, from the header."""
    document.SpecificCharacterSet = "ISO_IR 192"
    document.SeriesDate = document.ContentDate = document.InstanceCreationDate = header.series_date or header.study_date
    document.SeriesTime = document.ContentTime = document.InstanceCreationTime = header.series_time or header.study_time
    if header.timezone_offset:
        document.TimezoneOffsetFromUTC = header.timezone_offset
    if header.study_description:
        document.StudyDescription = header.study_description
    for item in document.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = document.ContentDate + document.ContentTime
