"""Readers of DICOM objects, gathered: from files into the model."""

from __future__ import annotations

from ytterby.dicom.read.document import read_document
from ytterby.dicom.read.dosereport import read_dose_report
from ytterby.dicom.read.identity import StudyIdentity, read_identity
from ytterby.dicom.read.measurements import read_measurements
from ytterby.dicom.read.planar import paired_views, read_view, read_views
from ytterby.dicom.read.registration import read_registration
from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.read.structures import read_structures
from ytterby.dicom.read.surrogate import y90_pet_volume
from ytterby.dicom.read.volume import read_volume

__all__ = [
    "StudyIdentity",
    "paired_views",
    "read_document",
    "read_dose_report",
    "read_identity",
    "read_measurements",
    "read_registration",
    "read_segments",
    "read_structures",
    "read_view",
    "read_views",
    "read_volume",
    "y90_pet_volume",
]
