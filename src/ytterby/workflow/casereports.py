"""Dose reports of the hot laboratory that a case names: what its sessions take from them, and where they disagree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ytterby.dicom.read import read_dose_report
from ytterby.errors import CalibrationError, ConfigurationError
from ytterby.files.casefile import CaseFile
from ytterby.files.caseparts import CaseSession
from ytterby.model.administration import DoseRecord
from ytterby.model.dose import Notice
from ytterby.model.treatment import Device

__all__ = ["Reported", "with_dose_reports"]

_NUCLIDES = {Device.GLASS: "90Y", Device.RESIN: "90Y", Device.HOLMIUM: "166Ho"}
# What a person writes down is rounded; what is further away is another number.
_ACTIVITY_TOLERANCE_FRACTION = 0.01
_RESIDUAL_TOLERANCE_FRACTION = 0.005
_SAME_MOMENT_SECONDS = 60.0


@dataclass(frozen=True)
class Reported:
    """The record of one session's dose report."""

    session_id: str
    record: DoseRecord

    def as_stated(self) -> dict[str, Any]:
        """What was taken from the report, for the record of the case."""
        return {
            "file": self.record.source,
            "radionuclide": self.record.radionuclide,
            "vial_activity_gbq": self.record.vial_activity_gbq,
            "residual_activity_gbq": self.record.residual_activity_gbq,
            "administered_activity_gbq": self.record.administered_activity_gbq,
            "started_at": self.record.started_at.isoformat(),
        }


def with_dose_reports(file: CaseFile) -> tuple[CaseFile, tuple[Reported, ...], tuple[Notice, ...]]:
    """The case with activity, moment and residual of each session that names a dose report, and what has to be told.

    Where vial and residual were measured, the session has the vial's activity at the start and the residual's share of it; else
    the administered activity of the report, which is net, with a residual of 0. What the session states beside it stays, and must
    agree.

    Raises
    ------
    DicomError, MissingMeasurement
        A report cannot be read, or lacks what is needed.
    CalibrationError
        A report is of another nuclide than the session's microspheres carry.
    ConfigurationError
        The session states another activity, moment or residual than its report.
    """
    sessions: list[CaseSession] = []
    reported: list[Reported] = []
    notices: list[Notice] = []
    for name, session in zip(file.session_names, file.sessions, strict=True):
        if session.dose_report is None:
            sessions.append(session)
            continue
        record = read_dose_report(session.dose_report, time_zone=file.time_zone)
        wanted = _NUCLIDES[session.device]
        if record.radionuclide != wanted:
            raise CalibrationError(
                f"the dose report is of {record.radionuclide}, the session's {session.device.value} microspheres carry {wanted}",
                where=f"{record.source}, session '{name}'",
                remedy="name the report of the treatment, not that of the surrogate, or correct device",
            )
        reported.append(Reported(name, record))
        sessions.append(_filled(session, record, name))
        notices += [Notice("dose_report", f"Session {name}, {record.source}: {doubt}.") for doubt in record.doubts]
        if record.patient_id != file.patient_id:
            text = f"Session {name}: the dose report {record.source} is of patient '{record.patient_id}'."
            notices.append(Notice("dose_report_patient", text))
    return file.model_copy(update={"sessions": tuple(sessions)}), tuple(reported), tuple(notices)


def _filled(session: CaseSession, record: DoseRecord, name: str) -> CaseSession:
    """The session with what its report states, where it does not state it itself and agrees."""
    vial, residual = record.vial_activity_gbq, record.residual_fraction
    if vial is None or residual is None:
        vial, residual = record.administered_activity_gbq, 0.0
    activity_gbq, stated = session.administered_activity_gbq, session.residual_fraction
    if record.residual_fraction is None and activity_gbq is not None and stated is not None:
        # The report knows the net activity alone, and the session says how it came about.
        _require_activity(activity_gbq * (1.0 - stated), vial, "net activity", record, name)
        vial, residual = activity_gbq, stated
    if activity_gbq is not None:
        _require_activity(activity_gbq, vial, "administered_activity_gbq", record, name)
    if stated is not None and abs(stated - residual) > _RESIDUAL_TOLERANCE_FRACTION:
        raise _disagreement("residual_fraction", f"{stated:.4g}", f"{residual:.4g}", record, name)
    _require_moment(session.administered_at, record, name)
    return session.model_copy(
        update={
            "administered_activity_gbq": vial if activity_gbq is None else activity_gbq,
            "residual_fraction": residual if stated is None else stated,
            "administered_at": session.administered_at or record.started_at,
        }
    )


def _require_activity(stated_gbq: float, reported_gbq: float, what: str, record: DoseRecord, name: str) -> None:
    if abs(stated_gbq / reported_gbq - 1.0) > _ACTIVITY_TOLERANCE_FRACTION:
        raise _disagreement(what, f"{stated_gbq:.4g} GBq", f"{reported_gbq:.4g} GBq", record, name)


def _require_moment(stated: datetime | None, record: DoseRecord, name: str) -> None:
    if stated is not None and abs((stated - record.started_at).total_seconds()) > _SAME_MOMENT_SECONDS:
        raise _disagreement("administered_at", stated.isoformat(), record.started_at.isoformat(), record, name)


def _disagreement(what: str, stated: str, reported: str, record: DoseRecord, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}: the case states {stated}, the dose report {record.source} {reported}",
        where=f"sessions, {name}",
        remedy="take it out of the case, so that the report's is used, or correct one of them",
    )
