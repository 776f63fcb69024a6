"""Dose and response: medians, rank tests, ROC with Youden's cut-off, and the figures at each cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ytterby.cohort.columns import median_and_range, numbers, texts
from ytterby.cohort.notices import Notices
from ytterby.cohort.plan import AnalysisPlan
from ytterby.cohort.table import RESPONDING, RESPONSE_CATEGORIES, AnalysisTables
from ytterby.errors import EstimationError
from ytterby.stats.diagnostic import confusion_matrix, diagnostic_figures
from ytterby.stats.groups import mann_whitney
from ytterby.stats.roc import delong, roc_curve, youden_cutoff

__all__ = ["response_analysis", "response_lesions", "response_patients"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def response_patients(tables: AnalysisTables) -> tuple[FloatArray, BoolArray, list[str] | None]:
    """MAD, whether responding, and category (None without that column) of the evaluable patients with a response."""
    rows = tables.patients[numbers(tables.patients, "evaluable") == 1.0]
    dose_gy, responder = numbers(rows, "mad_gy"), numbers(rows, "hepatic_responder")
    known = ~np.isnan(dose_gy) & ~np.isnan(responder)
    categories = None
    if "hepatic_response" in rows.columns:
        categories = [text for text, kept in zip(texts(rows, "hepatic_response"), known, strict=True) if kept]
    return dose_gy[known], responder[known] == 1.0, categories


def response_lesions(tables: AnalysisTables) -> tuple[FloatArray, BoolArray, list[str]]:
    """MAD, whether responding, and category of the assessed lesions of the evaluable patients."""
    ids, evaluable = texts(tables.patients, "patient_id"), numbers(tables.patients, "evaluable")
    included = {patient for patient, flag in zip(ids, evaluable, strict=True) if flag == 1.0}
    dose_gy = numbers(tables.lesions, "mad_gy")
    categories = texts(tables.lesions, "response")
    kept = [
        patient in included and category in RESPONSE_CATEGORIES and not np.isnan(dose)
        for patient, category, dose in zip(texts(tables.lesions, "patient_id"), categories, dose_gy, strict=True)
    ]
    chosen = [category for category, keep in zip(categories, kept, strict=True) if keep]
    positive = np.array([category in RESPONDING for category in chosen], dtype=np.bool_)
    return dose_gy[np.array(kept, dtype=np.bool_)], positive, chosen


def response_analysis(tables: AnalysisTables, plan: AnalysisPlan, notices: Notices) -> dict[str, Any]:
    """Results per lesion and per patient, with the keys of ``response`` in results.json."""
    lesion_gy, lesion_positive, lesion_categories = response_lesions(tables)
    _left_out("lesions", len(tables.lesions) - lesion_gy.size, notices)
    patient_gy, patient_positive, patient_categories = response_patients(tables)
    evaluable = int((numbers(tables.patients, "evaluable") == 1.0).sum())
    _left_out("patients", evaluable - patient_gy.size, notices)
    if patient_categories is None:
        notices.warn(
            "column_missing",
            "analysis_patients.csv has no hepatic_response: doses by category and their Mann-Whitney tests are left out "
            "per patient",
        )
    lesion = _level("lesion", lesion_gy, lesion_positive, lesion_categories, plan, notices)
    patient = _level("patient", patient_gy, patient_positive, patient_categories, plan, notices)
    return {"lesion": {**lesion, "clustered": None, "bootstrap": None}, "patient": {**patient, "bootstrap": None}}


def _left_out(what: str, count: int, notices: Notices) -> None:
    if count:
        notices.warn(
            "response_incomplete",
            f"{count} {what} without a dose, without a response, or not in the response analysis are left out of it",
        )


def _level(
    level: str,
    dose_gy: FloatArray,
    positive: BoolArray,
    categories: Sequence[str] | None,
    plan: AnalysisPlan,
    notices: Notices,
) -> dict[str, Any]:
    responding, other = median_and_range(dose_gy[positive]), median_and_range(dose_gy[~positive])
    result: dict[str, Any] = {
        "n": int(dose_gy.size),
        "responders": int(positive.sum()),
        "median_gy": {"responder": responding[0], "non_responder": other[0]},
        "range_gy": {"responder": responding[1], "non_responder": other[1]},
        "by_category": None if categories is None else _by_category(dose_gy, categories),
    }
    result |= _roc(level, dose_gy, positive, plan, notices)
    result["mann_whitney"] = None if categories is None else _pairs(level, dose_gy, categories, notices)
    result["mann_whitney_responders"] = _test(
        level, ("responder", "non_responder"), dose_gy[positive], dose_gy[~positive], notices
    )
    return result


def _of_category(dose_gy: FloatArray, categories: Sequence[str], category: str) -> FloatArray:
    return dose_gy[np.array([one == category for one in categories], dtype=np.bool_)]


def _by_category(dose_gy: FloatArray, categories: Sequence[str]) -> dict[str, Any]:
    summary = {}
    for category in RESPONSE_CATEGORIES:
        doses = _of_category(dose_gy, categories, category)
        median, extent = median_and_range(doses)
        summary[category] = {"n": int(doses.size), "median_gy": median, "range_gy": extent}
    return summary


def _pairs(level: str, dose_gy: FloatArray, categories: Sequence[str], notices: Notices) -> list[dict[str, Any]]:
    present = [category for category in RESPONSE_CATEGORIES if category in categories]
    tests = []
    for first, second in combinations(present, 2):
        a, b = _of_category(dose_gy, categories, first), _of_category(dose_gy, categories, second)
        test = _test(level, (first, second), a, b, notices)
        if test is not None:
            tests.append(test)
    return tests


def _test(level: str, groups: tuple[str, str], a: FloatArray, b: FloatArray, notices: Notices) -> dict[str, Any] | None:
    if a.size == 0 or b.size == 0:
        return None
    try:
        test = mann_whitney(a, b)
    except EstimationError as error:
        notices.warn("not_estimable", f"Mann-Whitney test per {level}, {groups[0]} against {groups[1]}: {error}")
        return None
    return {"groups": list(groups), "u": test.u, "p": test.p, "method": test.method, "n": list(test.n)}


def _roc(level: str, dose_gy: FloatArray, positive: BoolArray, plan: AnalysisPlan, notices: Notices) -> dict[str, Any]:
    """AUC, cut-offs and what follows from them; None wherever a class is missing."""
    convention = plan.cutoff_convention
    names = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    result: dict[str, Any] = {
        "auc": None,
        "auc_ci": None,
        "auc_p": None,
        "auc_se": None,
        "auc_method": plan.auc_ci,
        "cutoff_convention": str(convention),
        "cutoff_gy": None,
        "youden_index": None,
        **dict.fromkeys(("tp", "fp", "tn", "fn", *names)),
        "at_cutoffs": [],
        "roc": None,
    }
    if dose_gy.size == 0:
        notices.warn("not_estimable", f"ROC analysis per {level}: there is nothing to analyse")
        return result
    try:
        curve = roc_curve(dose_gy, positive, convention=convention)
        youden = youden_cutoff(dose_gy, positive, convention=convention)
    except EstimationError as error:
        notices.warn("not_estimable", f"ROC analysis per {level}: {error}")
    else:
        result["auc"] = curve.auc
        result["roc"] = {
            "cutoff_gy": curve.thresholds,
            "sensitivity": curve.sensitivity,
            "specificity": curve.specificity,
            "tp": curve.tp,
            "fp": curve.fp,
        }
        result["cutoff_gy"], result["youden_index"] = youden.cutoff, youden.index
        if youden.n_optima > 1:
            notices.warn(
                "youden_ties",
                f"per {level}, {youden.n_optima} cut-offs share the greatest Youden index "
                f"({youden.index:.4f}); the lowest, {youden.cutoff:g} Gy, is reported",
            )
        at_youden = _figures("youden", youden.cutoff, dose_gy, positive, plan)
        result |= {key: at_youden[key] for key in ("tp", "fp", "tn", "fn", *names)}
        result["at_cutoffs"].append(at_youden)
        try:
            estimate = delong(dose_gy, positive)
        except EstimationError as error:
            notices.warn("not_estimable", f"interval of the AUC per {level}: {error}")
        else:
            result |= {"auc_ci": estimate.ci, "auc_p": estimate.p, "auc_se": estimate.se}
    for cutoff_gy in plan.fixed_cutoffs_gy.get(level, ()):
        result["at_cutoffs"].append(_figures("fixed", cutoff_gy, dose_gy, positive, plan))
    return result


def _figures(
    source: str, cutoff_gy: float, dose_gy: FloatArray, positive: BoolArray, plan: AnalysisPlan
) -> dict[str, Any]:
    matrix = confusion_matrix(dose_gy, positive, cutoff_gy, convention=plan.cutoff_convention)
    figures = diagnostic_figures(matrix, proportions=plan.proportions, predictive_values=plan.predictive_values)
    return {"source": source, "cutoff_gy": cutoff_gy, **asdict(matrix), **asdict(figures)}
