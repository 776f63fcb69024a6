"""DICOM objects without the identity of the patient (DICOM PS3.15 Annex E), and still fit for dosimetry."""

from __future__ import annotations

from ytterby.dicom.deidentify.folder import Outcome, deidentify_folder
from ytterby.dicom.deidentify.profile import Choices

__all__ = ["Choices", "Outcome", "deidentify_folder"]
