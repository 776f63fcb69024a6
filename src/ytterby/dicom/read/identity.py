"""Whose object it is, and of which study: what results need to stand beside their images in an archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ytterby.dicom.header import open_until_pixels, quiet, text

__all__ = ["StudyIdentity", "read_identity"]

_DATE = re.compile(r"^\d{8}$")
_TIME = re.compile(r"^\d{6}(\.\d{1,6})?$")
_UID = re.compile(r"^[0-9]+(\.[0-9]+)+$")
_MOST_LETTERS = 64


@dataclass(frozen=True)
class StudyIdentity:
    """The patient and the study of an object, as its header has them; what it lacks is empty."""

    patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    study_uid: str
    study_id: str
    study_date: str
    study_time: str
    study_description: str
    accession_number: str

    @property
    def names_a_study(self) -> bool:
        """True when study UID, date and time are such that another object can be put into the study."""
        return bool(
            _UID.match(self.study_uid)
            and len(self.study_uid) <= _MOST_LETTERS
            and _DATE.match(self.study_date)
            and _TIME.match(self.study_time)
        )


@quiet()
def read_identity(path: Path) -> StudyIdentity:
    """Patient and study of a DICOM file (DICOM PS3.3 C.7.1.1, C.7.2.1).

    Raises
    ------
    DicomError
        It is no DICOM file, or damaged.
    """
    dataset = open_until_pixels(path)

    def words(keyword: str) -> str:
        return "".join(letter for letter in text(dataset, keyword) if letter.isprintable())[:_MOST_LETTERS]

    birth_date, sex = words("PatientBirthDate"), words("PatientSex").upper()
    return StudyIdentity(
        patient_id=words("PatientID"),
        patient_name=words("PatientName"),
        patient_birth_date=birth_date if _DATE.match(birth_date) else "",
        patient_sex=sex if sex in ("M", "F", "O") else "",
        study_uid=text(dataset, "StudyInstanceUID"),
        study_id=words("StudyID")[:16],
        study_date=words("StudyDate"),
        study_time=words("StudyTime"),
        study_description=words("StudyDescription"),
        accession_number=words("AccessionNumber")[:16],
    )
