"""Whether a case and its files are of one patient, and of which study its results are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ytterby.dicom.read import StudyIdentity, read_identity
from ytterby.errors import DicomError
from ytterby.model.dose import Notice

__all__ = ["identity_notices", "identity_of"]


def identity_of(path: Path | None) -> StudyIdentity | None:
    """Patient and study of a file; None where it is no DICOM file, or there is none."""
    if path is None or not path.is_file():
        return None
    try:
        return read_identity(path)
    except DicomError:
        return None


def identity_notices(patient_id: str, found: Mapping[str, StudyIdentity | None]) -> tuple[Notice, ...]:
    """What is told where files are of another patient than the image, or the image than the case.

    ``found`` holds, by what it is ("the CT"), the identity of a file; the image's own comes first. Patient IDs themselves are
    not repeated: a case may have a pseudonym.
    """
    known = {what: one.patient_id for what, one in found.items() if one is not None and one.patient_id}
    if not known:
        return ()
    first, own = next(iter(known.items()))
    notices = [
        Notice("other_patient", f"The files of {what} and of {first} have different patient IDs: check whose they are.")
        for what, one in known.items()
        if one != own
    ]
    if own != patient_id:
        text = (
            f"{first[0].upper()}{first[1:]} has another patient ID than the case: the DICOM objects carry that of the case, in a "
            "study of their own."
        )
        notices.append(Notice("patient_id_of_case", text))
    return tuple(notices)
