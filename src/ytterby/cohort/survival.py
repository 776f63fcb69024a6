"""Times to event: Kaplan-Meier, follow-up, and Cox models by the plan's entry rule, for each endpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ytterby.cohort.columns import levels, median_and_range, numbers, texts
from ytterby.cohort.models import cox_models
from ytterby.cohort.notices import Notices
from ytterby.cohort.plan import AnalysisPlan, CovariateKind
from ytterby.cohort.table import ENDPOINTS, AnalysisTables
from ytterby.errors import ConfigurationError, EstimationError
from ytterby.stats.survival import KaplanMeier, kaplan_meier, log_rank, reverse_kaplan_meier_median

__all__ = ["follow_up", "survival_analysis", "survival_evaluable"]

FloatArray = NDArray[np.float64]


def survival_analysis(tables: AnalysisTables, plan: AnalysisPlan, notices: Notices) -> dict[str, Any]:
    """Results of each endpoint with the keys of ``survival`` in results.json; None for those the plan does not name.

    Raises ConfigurationError for an endpoint that the tables do not carry.
    """
    unknown = [name for name in plan.endpoints if name not in ENDPOINTS]
    if unknown:
        raise ConfigurationError(
            f"the endpoint '{unknown[0]}' is not known",
            where=f"{plan.name}, endpoints.names",
            remedy=f"choose among {', '.join(ENDPOINTS)}",
        )
    result: dict[str, Any] = {"follow_up": follow_up(tables, notices)}
    for endpoint in ENDPOINTS:
        named = endpoint in plan.endpoints
        result[endpoint] = _endpoint(tables.patients, endpoint, plan, notices) if named else None
    return result


def _times(patients: pd.DataFrame, endpoint: str) -> tuple[FloatArray, FloatArray]:
    return numbers(patients, f"{endpoint}_months"), numbers(patients, f"{endpoint}_event")


def follow_up(tables: AnalysisTables, notices: Notices) -> dict[str, Any]:
    """Median and range of the observed times, and the median potential follow-up by reverse Kaplan-Meier."""
    months, died = _times(tables.patients, "os")
    median, extent = median_and_range(months)
    known = ~np.isnan(months) & ~np.isnan(died)
    reverse = None
    if known.any():
        reverse = reverse_kaplan_meier_median(months[known], died[known])
        if np.isnan(reverse):
            notices.warn("not_estimable", "the reverse Kaplan-Meier median of the follow-up is not reached")
    return {
        "median_months": median,
        "range_months": extent,
        "method": "median of the observed times to death or last contact",
        "reverse_kaplan_meier_median_months": reverse,
    }


def survival_evaluable(tables: AnalysisTables) -> dict[str, Any]:
    """Raw medians and ranges of the times of the patients in the response analysis."""
    rows = tables.patients[numbers(tables.patients, "evaluable") == 1.0]
    result: dict[str, Any] = {"n": len(rows)}
    for endpoint in ENDPOINTS:
        months, event = _times(rows, endpoint)
        median, extent = median_and_range(months)
        result[endpoint] = {
            "n": int((~np.isnan(months)).sum()),
            "events": int(np.nansum(event)),
            "raw_median_months": median,
            "range_months": extent,
        }
    return result


def _endpoint(patients: pd.DataFrame, endpoint: str, plan: AnalysisPlan, notices: Notices) -> dict[str, Any]:
    months, event = _times(patients, endpoint)
    known = ~np.isnan(months) & ~np.isnan(event)
    if not known.all():
        notices.warn("survival_incomplete", f"{endpoint}: {int((~known).sum())} patients without a time or an event")
    rows, months, event = patients[known], months[known], event[known] == 1.0
    raw_median, extent = median_and_range(months)
    curve = None
    if months.size:
        curve = kaplan_meier(months, event, interval=plan.kaplan_meier)
    return {
        "n": int(months.size),
        "events": int(event.sum()),
        "median_months": None if curve is None else curve.median,
        "median_ci": None if curve is None else curve.median_ci,
        "median_ci_method": plan.kaplan_meier,
        "raw_median_months": raw_median,
        "range_months": extent,
        "ties": plan.ties,
        **cox_models(rows, months, event, endpoint=endpoint, plan=plan, notices=notices),
        "firth": None,
        "ph_test": None,
        "competing": None,
        "kaplan_meier": None if curve is None else _curve(curve),
        "by_group": _by_group(rows, months, event, endpoint, plan, notices),
    }


def _curve(curve: KaplanMeier) -> dict[str, Any]:
    return {
        "months": curve.times,
        "survival": curve.survival,
        "lower": curve.lower,
        "upper": curve.upper,
        "at_risk": curve.at_risk,
        "events": curve.events,
        "censored": curve.censored,
    }


def _by_group(
    rows: pd.DataFrame,
    months: FloatArray,
    event: NDArray[np.bool_],
    endpoint: str,
    plan: AnalysisPlan,
    notices: Notices,
) -> dict[str, Any] | None:
    """Curves and log-rank test by the first factor of the plan; None where it has none."""
    factors = [c.name for c in plan.covariates if c.kind is CovariateKind.FACTOR and c.name in rows.columns]
    if not factors or not months.size:
        return None
    labels = np.array(texts(rows, factors[0]), dtype=object)
    present = levels(labels.tolist())
    groups = {}
    for level in present:
        chosen = labels == level
        curve = kaplan_meier(months[chosen], event[chosen], interval=plan.kaplan_meier)
        groups[level] = {
            "n": int(chosen.sum()),
            "events": int(event[chosen].sum()),
            "median_months": curve.median,
            "median_ci": curve.median_ci,
            "kaplan_meier": _curve(curve),
        }
    known = np.array([label != "" for label in labels], dtype=np.bool_)
    try:
        test = log_rank(months[known], event[known], labels[known].astype(str))
    except EstimationError as error:
        notices.warn("not_estimable", f"{endpoint}: log-rank test by {factors[0]}: {error}")
        tested = None
    else:
        tested = {"chi2": test.chi2, "df": test.df, "p": test.p}
    return {"variable": factors[0], "groups": groups, "log_rank": tested}
