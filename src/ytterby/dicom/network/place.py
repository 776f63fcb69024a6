"""Where a received object stands in a folder: names that no sender can steer."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ytterby.dicom.header import UNFINISHED, Header, text
from ytterby.errors import DicomError

__all__ = ["Instance", "checked_uid", "file_name", "instance_of", "is_uid", "synced"]

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_NAME_LENGTH = 48


@dataclass(frozen=True)
class Instance:
    """What one object is called: UIDs that are safe as names, and the patient's ID as the object has it."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str

    def below(self, folder: Path, *, finished: bool = True) -> Path:
        """Place of the object: ``folder``/patient/study/series/object.dcm."""
        return folder / file_name(self.patient_id) / self.study_uid / self.in_study(finished=finished)

    def in_study(self, *, finished: bool = True) -> Path:
        """Place of the object in its study: series/object.dcm, with the mark of a part where it is not ``finished``."""
        return Path(self.series_uid) / f"{self.sop_uid}.dcm{'' if finished else UNFINISHED}"


def is_uid(text: str) -> bool:
    """True for digits and points, 64 characters at most (DICOM PS3.5 section 9.1): such a UID is safe as the name of a file."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def checked_uid(text: str, what: str) -> str:
    """The UID itself; DicomError when it is none."""
    if not is_uid(text):
        shown = "".join(letter if letter.isprintable() else "?" for letter in text[:70])
        raise DicomError(f"the {what} is no UID: {shown!r}", where=what, remedy="export the object again")
    return text


def file_name(words: str) -> str:
    """Name of a folder that follows from ``words``: letters, digits, points, hyphens and underscores of ASCII alone.

    Words that had to be changed carry a part of their SHA-256, so that different words have different names.
    """
    if not words:
        return "no-patient-id"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", words)[:_NAME_LENGTH].strip("._-")
    if plain == words:
        return plain
    mark = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{plain}-{mark}" if plain else mark


def instance_of(header: Header) -> Instance:
    """Names of an object from its header; DicomError when a UID is missing or is none."""
    dataset = header.dataset
    return Instance(
        patient_id=text(dataset, "PatientID"),
        study_uid=checked_uid(text(dataset, "StudyInstanceUID"), "Study Instance UID"),
        series_uid=checked_uid(text(dataset, "SeriesInstanceUID"), "Series Instance UID"),
        sop_uid=checked_uid(text(dataset, "SOPInstanceUID"), "SOP Instance UID"),
        sop_class=checked_uid(text(dataset, "SOPClassUID"), "SOP Class UID"),
    )


def synced(folder: Path) -> None:
    """Write the entries of a folder to the disk: what was renamed in it stays renamed when the power fails."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
