"""Response and dose by tumour grade: Cochran-Armitage trend and Kruskal-Wallis test."""

from __future__ import annotations

from typing import Any

import numpy as np

from ytterby.cohort.columns import levels, numbers, texts
from ytterby.cohort.notices import Notices
from ytterby.cohort.table import AnalysisTables
from ytterby.errors import EstimationError
from ytterby.stats.groups import cochran_armitage, kruskal_wallis

__all__ = ["by_grade"]


def by_grade(tables: AnalysisTables, notices: Notices) -> dict[str, Any]:
    """Trend of hepatic response and differences of MAD over the grades; None where there is nothing to test."""
    return {"grade_response_trend": _response_trend(tables, notices), "grade_mad": _dose(tables, notices)}


def _response_trend(tables: AnalysisTables, notices: Notices) -> dict[str, Any] | None:
    rows = tables.patients[numbers(tables.patients, "evaluable") == 1.0]
    responder, grade = numbers(rows, "hepatic_responder"), numbers(rows, "grade")
    known = ~np.isnan(responder) & ~np.isnan(grade)
    present = np.unique(grade[known])
    successes = [int(responder[known & (grade == level)].sum()) for level in present]
    totals = [int((known & (grade == level)).sum()) for level in present]
    if len(present) < 2:
        notices.warn("not_estimable", "trend of response by grade: fewer than two grades have a response")
        return None
    try:
        trend = cochran_armitage(successes, totals, scores=present)
    except EstimationError as error:
        notices.warn("not_estimable", f"trend of response by grade: {error}")
        return None
    return {
        "chi2": trend.chi2,
        "p": trend.p,
        "exact_p": trend.exact_p,
        "responders": {str(int(level)): count for level, count in zip(present, successes, strict=True)},
        "totals": {str(int(level)): count for level, count in zip(present, totals, strict=True)},
    }


def _dose(tables: AnalysisTables, notices: Notices) -> dict[str, Any] | None:
    dose_gy, grade = numbers(tables.patients, "mad_gy"), texts(tables.patients, "grade")
    samples = []
    for level in levels(grade):
        doses = dose_gy[np.array([one == level for one in grade], dtype=np.bool_)]
        samples.append(doses[~np.isnan(doses)])
    samples = [sample for sample in samples if sample.size]
    if len(samples) < 2:
        notices.warn("not_estimable", "MAD by grade: fewer than two grades have a dose")
        return None
    try:
        test = kruskal_wallis(samples)
    except EstimationError as error:
        notices.warn("not_estimable", f"MAD by grade: {error}")
        return None
    return {"h": test.h, "df": test.df, "p": test.p}
