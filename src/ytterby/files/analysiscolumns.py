"""The columns of the analysis tables: the one list from which they are checked, written and explained in the codebook."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from ytterby.cohort.table import RESPONSE_CATEGORIES
from ytterby.files.cells import Column, Kind
from ytterby.files.studycolumns import CHARACTERISTICS, GRADE, ORIGIN

__all__ = ["EXCLUSION_COLUMNS", "LESIONS", "PATIENTS", "TABLES", "TOXICITY_COLUMNS", "declared"]


def _dose(name: str, meaning: str) -> Column:
    return Column(name, Kind.NUMBER, meaning, "Gy", minimum=0, maximum=1e6)


def _months(name: str, meaning: str) -> Column:
    return Column(name, Kind.NUMBER, meaning, "months of 30.4375 days", minimum=0, maximum=1200)


def _event(name: str, meaning: str) -> Column:
    return Column(name, Kind.FLAG, meaning)


def _grade(test: str) -> Column:
    return Column(f"{test}_grade", Kind.INTEGER, f"worst CTCAE grade of {test} in the window", minimum=0, maximum=4)


_PATIENT = Column("patient_id", Kind.TEXT, "the patient")
_SIMULATED = Column("simulated", Kind.FLAG, "1: the row comes from a simulation, not from a patient").optional()

_REQUIRED = (
    _PATIENT,
    GRADE,
    ORIGIN,
    _dose("mad_gy", "mean absorbed dose: energy to all tumour segments over their mass, summed over sessions"),
    _event("evaluable", "belongs to the response analysis"),
    replace(_event("hepatic_responder", "the liver responds (CR or PR); empty: not evaluable"), filled=False),
    _months("hepatic_pfs_months", "time to progression in the liver, or to its censoring"),
    _event("hepatic_pfs_event", "1: hepatic_pfs_months ends with the event, 0: censored"),
    _months("global_pfs_months", "time to progression anywhere, or to its censoring"),
    _event("global_pfs_event", "1: global_pfs_months ends with the event, 0: censored"),
    _months("os_months", "time to death, or to last contact"),
    _event("os_event", "1: os_months ends with death, 0: censored"),
)
_FURTHER = (
    Column("hepatic_response", Kind.CATEGORY, "response of the liver", categories=RESPONSE_CATEGORIES),
    _dose("ntl_whole_gy", "mean absorbed dose of the non-tumour liver"),
    _dose("ntl_perfused_gy", "mean absorbed dose of the perfused non-tumour liver"),
    _dose("mird_gy", "single-compartment dose of the perfused volume"),
    Column("extent", Kind.CATEGORY, "part of the liver treated", categories=("right", "right_plus_4", "whole")),
    Column("n_sessions", Kind.INTEGER, "number of sessions", minimum=1, maximum=99),
    Column("treated_volume_ml", Kind.NUMBER, "volume of the perfused liver", "mL", above=0),
    Column("treated_fraction", Kind.NUMBER, "perfused share of the liver", minimum=0),
    Column("administered_activity_gbq", Kind.NUMBER, "administered activity, all sessions", "GBq", above=0),
    Column("lung_shunt_fraction", Kind.NUMBER, "share of the activity that passes to the lungs", minimum=0, below=1),
    Column("portal_vein_thrombosis", Kind.TEXT, "thrombosis of the portal vein"),
    Column("days_from_calibration", Kind.NUMBER, "days from calibration to administration", "days"),
    _event("toxicity_evaluable", "has the laboratory values that the grades need"),
    _grade("ast"),
    _grade("alt"),
    _grade("bilirubin"),
    _grade("albumin"),
    _months("months_to_grade3", "time to the first value of grade 3 or more; empty: none"),
    _months("follow_up_months", "time to last contact"),
    _SIMULATED,
)

PATIENTS = (*_REQUIRED, *CHARACTERISTICS, *(column.optional() for column in _FURTHER))

LESIONS = (
    _PATIENT,
    Column("lesion_id", Kind.TEXT, "the lesion"),
    _dose("mad_gy", "mean absorbed dose of the lesion, summed over sessions"),
    Column("response", Kind.CATEGORY, "response of the lesion", categories=RESPONSE_CATEGORIES),
    Column("volume_ml", Kind.NUMBER, "volume of the lesion's segment", "mL", above=0).optional(),
    Column("diameter_mm", Kind.NUMBER, "longest diameter before treatment", "mm", minimum=0).optional(),
    _dose("mad_uncertainty_gy", "standard uncertainty of mad_gy").optional(),
    _dose("mad_corrected_gy", "mad_gy corrected for partial volume").optional(),
    _dose("mad_corrected_uncertainty_gy", "standard uncertainty of mad_corrected_gy").optional(),
    _SIMULATED,
)

EXCLUSION_COLUMNS = (
    Column("reason", Kind.TEXT, "why patients were not analysed"),
    Column("n", Kind.INTEGER, "number of patients", minimum=0),
    _SIMULATED,
)

TOXICITY_COLUMNS = (
    _PATIENT,
    Column("test", Kind.TEXT, "laboratory test"),
    Column("grade", Kind.INTEGER, "worst CTCAE grade in the window", minimum=0, maximum=4),
    Column(
        "window_months", Kind.NUMBER, "length of the window after treatment", "months of 30.4375 days", above=0
    ).optional(),
    _SIMULATED,
)

TABLES = MappingProxyType(
    {"patients": PATIENTS, "lesions": LESIONS, "exclusions": EXCLUSION_COLUMNS, "toxicity": TOXICITY_COLUMNS}
)
"""Columns by the name of the table in ``AnalysisTables``."""


def declared(table: str, name: str) -> Column | None:
    """The declaration of a column of a table; None where nobody declared it."""
    return next((column for column in TABLES.get(table, ()) if column.name == name), None)
