"""AnalysisTables: the two analysis tables and what may lie beside them, as the statistics take them.

The columns are those of docs/reference; a missing value is NaN (numbers) or an empty text. Grade and the 0/1 columns are
numbers. Units stand in the names of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

__all__ = [
    "ENDPOINTS",
    "LESION_COLUMNS",
    "ORIGINS",
    "PATIENT_COLUMNS",
    "RESPONDING",
    "RESPONSE_CATEGORIES",
    "AnalysisTables",
]

ENDPOINTS = ("hepatic_pfs", "global_pfs", "os")
"""Endpoints that the tables carry, each as ``<name>_months`` and ``<name>_event``."""

RESPONSE_CATEGORIES = ("CR", "PR", "SD", "PD")
RESPONDING = ("CR", "PR")
ORIGINS = ("pancreas", "gastrointestinal", "unknown")

PATIENT_COLUMNS = (
    "patient_id",
    "grade",
    "origin",
    "mad_gy",
    "evaluable",
    "hepatic_responder",
    "hepatic_pfs_months",
    "hepatic_pfs_event",
    "global_pfs_months",
    "global_pfs_event",
    "os_months",
    "os_event",
)
"""Columns that analysis_patients.csv must have."""

LESION_COLUMNS = ("patient_id", "lesion_id", "mad_gy", "response")
"""Columns that analysis_lesions.csv must have."""


@dataclass(frozen=True, eq=False)
class AnalysisTables:
    """One row a patient, one row a lesion; exclusions (reason, n) and toxicity (patient_id, test, grade) where given.

    ``source`` says where the tables came from, for messages and captions. ``simulated`` marks everything made from them.
    """

    patients: pd.DataFrame
    lesions: pd.DataFrame
    exclusions: pd.DataFrame | None
    toxicity: pd.DataFrame | None
    simulated: bool
    source: str
