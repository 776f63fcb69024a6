"""From patients and their doses to the two analysis tables: one row a patient, one row an evaluable lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ytterby.cohort.table import AnalysisTables
from ytterby.errors import MissingMeasurement, SegmentError
from ytterby.model.dose import CaseDose
from ytterby.model.outcome import Response
from ytterby.model.patient import Lesion, Patient
from ytterby.model.segment import Role
from ytterby.response.choi import evaluable_lesions, lesion_response, patient_response
from ytterby.response.endpoints import endpoints
from ytterby.response.toxicity import worst_grades
from ytterby.units import HOURS_PER_DAY

__all__ = ["AssessmentRules", "PatientRecord", "analysis_tables", "marked", "patient_record"]


@dataclass(frozen=True)
class AssessmentRules:
    """How response, toxicity and endpoints are assessed; ``toxicity_tests`` is empty where toxicity is not asked for.

    Endpoints count from the first administration, or, ``from_last_session``, from the last.
    """

    minimum_diameter_mm: float
    maximum_lesions: int
    deaths: str
    from_last_session: bool = False
    toxicity_tests: tuple[str, ...] = ()
    toxicity_window_months: float = 0.0


@dataclass(frozen=True)
class PatientRecord:
    """Rows of one patient: of the patients' table, of the lesions' table, of the toxicity table."""

    patient: Mapping[str, Any]
    lesions: tuple[Mapping[str, Any], ...]
    toxicity: tuple[Mapping[str, Any], ...]


def patient_record(patient: Patient, dose: CaseDose, rules: AssessmentRules) -> PatientRecord:
    """Rows of one patient: doses, response by Choi, toxicity by CTCAE, endpoints.

    Raises
    ------
    MissingMeasurement
        The patient has no follow-up.
    SegmentError
        A lesion names a segment that has no dose.
    """
    if patient.follow_up is None:
        raise MissingMeasurement(
            "the patient has no row in follow_up.csv",
            where=f"patient '{patient.patient_id}'",
            remedy="add the dates of treatment and last contact, or give the patient an exclusion_reason",
        )
    limits: dict[str, Any] = {
        "minimum_diameter_mm": rules.minimum_diameter_mm,
        "maximum_lesions": rules.maximum_lesions,
    }
    assessed = (_lesion_row(patient, lesion, dose) for lesion in evaluable_lesions(patient.lesions, **limits))
    lesions = [found for found in assessed if found is not None]
    response = patient_response(patient.lesions, **limits)
    evaluable = bool(lesions) and response.response is not Response.NE
    follow_up = patient.follow_up
    if rules.from_last_session:
        follow_up = replace(follow_up, treated_on=max(session.administered_at.date() for session in patient.sessions))
    months = endpoints(follow_up, deaths=rules.deaths)
    row: dict[str, Any] = {"patient_id": patient.patient_id}
    row |= {name: value for name, value in patient.attributes.items() if value is not None}
    row |= _dose_columns(patient, dose)
    row |= {
        "evaluable": int(evaluable),
        "hepatic_response": response.response.value if evaluable else None,
        "hepatic_responder": int(response.response.is_responder) if evaluable else None,
        "hepatic_pfs_months": months.hepatic_pfs.months,
        "hepatic_pfs_event": int(months.hepatic_pfs.event),
        "global_pfs_months": months.global_pfs.months,
        "global_pfs_event": int(months.global_pfs.event),
        "os_months": months.os.months,
        "os_event": int(months.os.event),
        "follow_up_months": months.os.months,
    }
    toxicity: tuple[Mapping[str, Any], ...] = ()
    if rules.toxicity_tests:
        columns, toxicity = _toxicity(patient, rules)
        row |= columns
    return PatientRecord(row, tuple(lesions) if evaluable else (), toxicity)


def analysis_tables(
    records: Sequence[PatientRecord], *, exclusions: Mapping[str, int], simulated: bool, source: str
) -> AnalysisTables:
    """The analysis tables of a study, in the order of ``records``; a simulated study says so in every row."""
    patients = _frame([record.patient for record in records], simulated)
    lesions = _frame([row for record in records for row in record.lesions], simulated)
    toxicity = [row for record in records for row in record.toxicity]
    return AnalysisTables(
        patients=patients,
        lesions=lesions,
        exclusions=_frame([{"reason": reason, "n": n} for reason, n in exclusions.items()], simulated),
        toxicity=_frame(toxicity, simulated) if toxicity else None,
        simulated=simulated,
        source=source,
    )


def _lesion_row(patient: Patient, lesion: Lesion, dose: CaseDose) -> dict[str, Any] | None:
    assessment = lesion_response(lesion.baseline, lesion.follow_up)
    if assessment.response is Response.NE:
        return None
    found = [row for row in dose.doses if row.segment == lesion.segment and row.role is Role.TUMOUR]
    if not found:
        raise SegmentError(
            f"the lesion names the segment '{lesion.segment}', which has no dose as a tumour",
            where=f"patient '{patient.patient_id}', lesion '{lesion.lesion_id}' of lesions.csv",
            remedy="use one of: " + ", ".join(row.segment for row in dose.doses if row.role is Role.TUMOUR),
        )
    accuracy = {
        "mad_uncertainty_gy": found[0].mean_dose_uncertainty_gy,
        "mad_corrected_gy": found[0].corrected_mean_dose_gy,
        "mad_corrected_uncertainty_gy": found[0].corrected_mean_dose_uncertainty_gy,
    }
    return {
        "patient_id": patient.patient_id,
        "lesion_id": lesion.lesion_id,
        "mad_gy": found[0].mean_dose_gy,
        "response": assessment.response.value,
        "volume_ml": found[0].volume_ml,
        "diameter_mm": None if lesion.baseline is None else lesion.baseline.diameter_mm,
        "explanation": assessment.explanation,
        **{name: value for name, value in accuracy.items() if value is not None},
    }


def _dose_columns(patient: Patient, dose: CaseDose) -> dict[str, Any]:
    by_role = {role: [row for row in dose.doses if row.role is role] for role in Role}
    normal = by_role[Role.NORMAL_LIVER][0].mean_dose_gy if by_role[Role.NORMAL_LIVER] else None
    perfused = by_role[Role.PERFUSED_NORMAL][0].mean_dose_gy if by_role[Role.PERFUSED_NORMAL] else normal
    whole_treatment = dose.single_compartment[-1] if dose.single_compartment else None
    liver_ml = sum(row.volume_ml for row in by_role[Role.LIVER])
    first = patient.sessions[0]
    administered = sum(session.administered_activity_gbq for session in patient.sessions)
    columns: dict[str, Any] = {
        "mad_gy": dose.tumour_mean_dose_gy,
        "ntl_whole_gy": normal,
        "ntl_perfused_gy": perfused,
        "n_sessions": len(patient.sessions),
        "administered_activity_gbq": administered,
        # One figure for a patient: the share of the net activity of all sessions that went to the lungs.
        "lung_shunt_fraction": sum(session.lung_activity_gbq for session in patient.sessions)
        / sum(session.net_activity_gbq for session in patient.sessions),
    }
    if whole_treatment is not None and liver_ml > 0:
        columns |= {
            "mird_gy": whole_treatment.mean_dose_gy,
            "treated_volume_ml": whole_treatment.volume_ml,
            "treated_fraction": min(1.0, whole_treatment.volume_ml / liver_ml),
        }
    if first.vial is not None:
        hours = (first.administered_at - first.vial.calibrated_at).total_seconds() / 3600.0
        columns["days_from_calibration"] = hours / HOURS_PER_DAY
    if columns["mad_gy"] is None:
        raise SegmentError(
            "no segment has the role tumour, so the patient has no MAD",
            where=f"patient '{patient.patient_id}'",
            remedy="name the tumour segments in study.yaml (roles.tumour), or exclude the patient",
        )
    return columns


def _toxicity(patient: Patient, rules: AssessmentRules) -> tuple[dict[str, Any], tuple[Mapping[str, Any], ...]]:
    assert patient.follow_up is not None
    found = worst_grades(
        patient.labs,
        treated_on=patient.follow_up.treated_on,
        window_months=rules.toxicity_window_months,
        tests=rules.toxicity_tests,
    )
    columns: dict[str, Any] = {"toxicity_evaluable": int(found.evaluable)}
    rows = []
    for grade in found.grades:
        columns[f"{grade.test}_grade"] = grade.grade if found.evaluable else None
        if found.evaluable:
            rows.append(
                {
                    "patient_id": patient.patient_id,
                    "test": grade.test,
                    "grade": grade.grade,
                    "window_months": found.window_months,
                }
            )
    columns["months_to_grade3"] = found.months_to_grade3
    return columns, tuple(rows)


def marked(table: pd.DataFrame, simulated: bool) -> pd.DataFrame:
    """The table, with a column ``simulated`` of ones where the data are simulated."""
    return table.assign(simulated=1) if simulated else table


def _frame(rows: Sequence[Mapping[str, Any]], simulated: bool) -> pd.DataFrame:
    return marked(pd.DataFrame([dict(row) for row in rows]), simulated)
