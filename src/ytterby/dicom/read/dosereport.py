"""Radiopharmaceutical radiation dose reports (SR) to the record of an administration."""

from __future__ import annotations

from pathlib import Path

from ytterby.dicom.header import DAMAGE, naming, quiet
from ytterby.dicom.layout.administration import dose_record
from ytterby.dicom.layout.content import open_report
from ytterby.errors import DicomError, InputError
from ytterby.model.administration import DoseRecord

__all__ = ["read_dose_report"]


@quiet()
def read_dose_report(path: Path | str, *, time_zone: str | None = None) -> DoseRecord:
    """The administration that a dose report of a hot laboratory describes (DICOM PS3.16 TID 10021), activities in GBq.

    The SOP class may be Radiopharmaceutical Radiation Dose SR, or any other structured report with that title. ``time_zone``
    (IANA name) serves moments without an offset from UTC.

    Raises
    ------
    DicomError
        The file is no dose report, damaged, too large, or describes no administration or several.
    MissingMeasurement
        Nuclide, half-life, start or administered activity is absent.
    CalibrationError
        A unit, a moment or an activity cannot be used, or contradicts another.
    """
    path = Path(path)
    try:
        with naming(path):
            return dose_record(open_report(path), path.name, time_zone=time_zone)
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise DicomError(
            f"the dose report is damaged ({error})"[:300], where=str(path), remedy="export the report again"
        ) from error
