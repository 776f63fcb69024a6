"""Rows of the tables of a study folder, and of its truth, for virtual patients."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from ytterby.model.outcome import LesionMeasurement
from ytterby.virtual.cohort import VirtualPatient
from ytterby.virtual.plan import CohortPlan

__all__ = ["COLUMNS", "Cell", "Row", "patient_rows", "person_rows"]

Cell = str | int | float | None
Row = dict[str, Cell]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sessions.csv": (
        "patient_id",
        "session_id",
        "device",
        "territory",
        "calibrated_at",
        "calibrated_activity_gbq",
        "administered_at",
        "administered_activity_gbq",
        "residual_fraction",
        "lung_shunt_fraction",
        "image",
    ),
    "lesions.csv": (
        "patient_id",
        "lesion_id",
        "segment",
        "baseline_diameter_mm",
        "baseline_hu",
        "follow_up_diameter_mm",
        "follow_up_hu",
        "new_lesion",
    ),
    "labs.csv": ("patient_id", "date", "test", "value", "unit", "lower_limit", "upper_limit"),
    "follow_up.csv": (
        "patient_id",
        "treated_on",
        "hepatic_progression_on",
        "global_progression_on",
        "died_on",
        "last_contact_on",
    ),
    "truth/lesions.csv": (
        "patient_id",
        "lesion_id",
        "segment",
        "longest_diameter_mm",
        "volume_ml",
        "mass_kg",
        "tumour_to_normal",
        "activity_gbq",
        "mad_gy",
        "response_probability",
        "response",
    ),
    "truth/patients.csv": (
        "patient_id",
        "evaluable",
        "liver_volume_ml",
        "perfused_volume_ml",
        "tumour_volume_ml",
        "net_activity_gbq",
        "liver_activity_gbq",
        "tumour_activity_gbq",
        "lung_activity_gbq",
        "mad_gy",
        "normal_liver_gy",
        "perfused_normal_gy",
        "perfused_gy",
        "lung_gy",
        "ast_grade",
        "alt_grade",
        "bilirubin_grade",
        "albumin_grade",
    ),
}
"""Columns of each table that is filled patient by patient (patients.csv has those of the plan)."""


def person_rows(plan: CohortPlan) -> tuple[tuple[str, ...], list[Row]]:
    """Columns and rows of patients.csv: everybody screened, the excluded with their reason."""
    attributes = list(plan.enrolled[0].attributes)
    columns = ("patient_id", *attributes, "extent", "exclusion_reason")
    rows: list[Row] = [
        {"patient_id": patient.patient_id, **patient.attributes, "extent": patient.extent, "exclusion_reason": ""}
        for patient in plan.enrolled
    ]
    rows += [
        {"patient_id": patient.patient_id, **patient.attributes, "exclusion_reason": patient.exclusion_reason}
        for patient in plan.excluded
    ]
    return columns, rows


def patient_rows(subject: VirtualPatient) -> dict[str, list[Row]]:
    """Rows of one patient for each table of ``COLUMNS``."""
    return {
        "sessions.csv": _sessions(subject),
        "lesions.csv": _lesions(subject),
        "labs.csv": _labs(subject),
        "follow_up.csv": _follow_up(subject),
        "truth/lesions.csv": _true_lesions(subject),
        "truth/patients.csv": [_true_patient(subject)],
    }


def _sessions(subject: VirtualPatient) -> list[Row]:
    return [
        {
            "patient_id": subject.patient.patient_id,
            "session_id": session.session_id,
            "device": session.device.value,
            "territory": ";".join(session.perfused),
            "calibrated_at": _iso(session.vial.calibrated_at) if session.vial else None,
            "calibrated_activity_gbq": session.vial.calibrated_activity_gbq if session.vial else None,
            "administered_at": _iso(session.administered_at),
            "administered_activity_gbq": session.administered_activity_gbq,
            "residual_fraction": session.residual_fraction,
            "lung_shunt_fraction": session.lung_shunt_fraction,
            "image": None,
        }
        for session in subject.patient.sessions
    ]


def _lesions(subject: VirtualPatient) -> list[Row]:
    return [
        {
            "patient_id": subject.patient.patient_id,
            "lesion_id": lesion.lesion_id,
            "segment": lesion.segment,
            **_measurement("baseline", lesion.baseline),
            **_measurement("follow_up", lesion.follow_up),
            "new_lesion": int(lesion.new_lesion) if lesion.follow_up else None,
        }
        for lesion in subject.patient.lesions
    ]


def _measurement(visit: str, measurement: LesionMeasurement | None) -> Row:
    return {
        f"{visit}_diameter_mm": measurement.diameter_mm if measurement else None,
        f"{visit}_hu": measurement.hu if measurement else None,
    }


def _labs(subject: VirtualPatient) -> list[Row]:
    return [
        {
            "patient_id": subject.patient.patient_id,
            "date": lab.day.isoformat(),
            "test": lab.test,
            "value": lab.value,
            "unit": lab.unit,
            "lower_limit": lab.lower_limit,
            "upper_limit": lab.upper_limit,
        }
        for lab in subject.patient.labs
    ]


def _follow_up(subject: VirtualPatient) -> list[Row]:
    course = subject.patient.follow_up
    if course is None:
        return []
    days: dict[str, date | None] = {name: getattr(course, name) for name in COLUMNS["follow_up.csv"][1:]}
    return [
        {
            "patient_id": subject.patient.patient_id,
            **{name: day.isoformat() if day else None for name, day in days.items()},
        }
    ]


def _true_lesions(subject: VirtualPatient) -> list[Row]:
    return [
        {
            "patient_id": subject.patient.patient_id,
            "lesion_id": lesion.lesion_id,
            "segment": lesion.segment,
            "longest_diameter_mm": lesion.longest_diameter_mm,
            "volume_ml": lesion.volume_ml,
            "mass_kg": lesion.mass_kg,
            "tumour_to_normal": lesion.tumour_to_normal,
            "activity_gbq": lesion.activity_gbq,
            "mad_gy": lesion.mad_gy,
            "response_probability": response.probability,
            "response": response.response.value,
        }
        for lesion, response in zip(subject.truth.lesions, subject.responses, strict=True)
    ]


def _true_patient(subject: VirtualPatient) -> Row:
    truth = subject.truth
    names = COLUMNS["truth/patients.csv"]
    return {
        "patient_id": subject.patient.patient_id,
        "evaluable": int(subject.plan.is_evaluable),
        **{name: getattr(truth, name) for name in names[2:-4]},
        **{f"{test}_grade": grade for test, grade in subject.toxicity_grades.items()},
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
