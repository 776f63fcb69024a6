"""CONSORT flow: who was screened, who was excluded and why, who was analysed."""

from __future__ import annotations

from typing import Any

from ytterby.cohort.columns import numbers, texts
from ytterby.cohort.notices import Notices
from ytterby.cohort.response import response_lesions
from ytterby.cohort.table import AnalysisTables

__all__ = ["cohort_sizes", "consort_flow"]


def cohort_sizes(tables: AnalysisTables) -> dict[str, int]:
    """Numbers of patients analysed, of patients in the response analysis, and of their lesions."""
    return {
        "analysed": len(tables.patients),
        "evaluable_patients": int((numbers(tables.patients, "evaluable") == 1.0).sum()),
        "evaluable_lesions": len(response_lesions(tables)[2]),
    }


def consort_flow(tables: AnalysisTables, notices: Notices) -> dict[str, Any] | None:
    """The flow with the keys of results.json; None, with a warning, without a table of exclusions."""
    if tables.exclusions is None:
        notices.warn(
            "table_missing", "there is no exclusions.csv: the flow of patients starts with those who were analysed"
        )
        return None
    counts = [int(n) for n in numbers(tables.exclusions, "n")]
    excluded = [
        {"reason": reason, "n": n} for reason, n in zip(texts(tables.exclusions, "reason"), counts, strict=True)
    ]
    return {"screened": len(tables.patients) + sum(counts), "excluded": excluded, **cohort_sizes(tables)}
