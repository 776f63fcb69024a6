"""Tables of the response analysis and of toxicity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ytterby.report.figures_roc import SIGN
from ytterby.report.numbers import NOT_AVAILABLE, fixed, interval, p_text, percent, plain
from ytterby.report.tables import Row, Table

__all__ = ["diagnostic_table", "response_table", "toxicity_table"]

_LEVELS = {"lesion": "Per lesion", "patient": "Per patient"}
_SOURCES = {"youden": "Youden", "fixed": "fixed"}
_METHODS = {"clopper_pearson": "Clopper–Pearson", "mercaldo_logit": "logit (Mercaldo)", "wilson": "Wilson"}
_FIGURES = (
    ("sensitivity", "Sensitivity"),
    ("specificity", "Specificity"),
    ("ppv", "Positive predictive value"),
    ("npv", "Negative predictive value"),
    ("accuracy", "Accuracy"),
)


def response_table(results: Mapping[str, Any]) -> Table:
    """Doses of responders and non-responders, and how well the dose tells them apart."""
    rows = []
    for name, title in _LEVELS.items():
        level = results["response"][name]
        medians, ranges = level["median_gy"], level["range_gy"]
        test = level["mann_whitney_responders"]
        rows.append(
            Row(
                (
                    title,
                    f"{level['responders']}/{level['n']}",
                    _median(medians["responder"], ranges["responder"]),
                    _median(medians["non_responder"], ranges["non_responder"]),
                    NOT_AVAILABLE if test is None else p_text(test["p"]),
                    f"{fixed(level['auc'], 2)} ({interval(level['auc_ci'], 2)})",
                    p_text(level["auc_p"]),
                )
            )
        )
    return Table(
        name="response",
        title="Mean absorbed dose and response",
        header=(
            "",
            "Responders",
            "Responders: median (range), Gy",
            "Non-responders: median (range), Gy",
            "Mann–Whitney P",
            "AUC (95% CI)",
            "AUC P",
        ),
        rows=tuple(rows),
        notes=("AUC = area under the ROC curve; interval and P (against 0.5) after DeLong.",),
        numeric=(False, True, True, True, True, True, True),
    )


def _median(median_gy: float | None, range_gy: list[float | None] | None) -> str:
    return f"{fixed(median_gy, 1)} ({interval(range_gy, 1)})"


def diagnostic_table(results: Mapping[str, Any]) -> Table:
    """Sensitivity, specificity, predictive values and accuracy at each cut-off, with their intervals."""
    columns: list[tuple[str, Mapping[str, Any]]] = []
    for name, title in _LEVELS.items():
        level = results["response"][name]
        sign = SIGN[level["cutoff_convention"]]
        columns += [
            (f"{title}, {sign} {fixed(at['cutoff_gy'], 1)} Gy ({_SOURCES[at['source']]})", at)
            for at in level["at_cutoffs"]
        ]
    rows = [
        Row(
            (
                "TP/FP/TN/FN (n)",
                *(f"{at['tp']}/{at['fp']}/{at['tn']}/{at['fn']}" for _, at in columns),
            )
        )
    ]
    rows += [Row((f"{title} (%)", *(_proportion(at[name]) for _, at in columns))) for name, title in _FIGURES]
    methods = sorted({at[name]["method"] for _, at in columns for name, _ in _FIGURES})
    listed = ", ".join(_METHODS.get(method, method) for method in methods)
    return Table(
        name="diagnostic",
        title="Response predicted by the mean absorbed dose",
        header=("", *(title for title, _ in columns)),
        rows=tuple(rows),
        notes=(
            "TP, FP, TN, FN = true and false positives, true and false negatives. Values are percentages (k/n; 95% CI); "
            f"intervals: {listed}. A Youden cut-off is scored on the data that chose it, so its figures are optimistic.",
        ),
        numeric=(False, *(True for _ in columns)),
    )


def _proportion(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return NOT_AVAILABLE
    bounds = [100.0 * bound for bound in figure["ci"]]
    return f"{percent(figure['value'])} ({figure['k']}/{figure['n']}; {interval(bounds, 1)})"


def toxicity_table(results: Mapping[str, Any]) -> Table | None:
    """Patients by worst grade of each laboratory test; None where there are no grades."""
    toxicity = results["toxicity"]
    if toxicity is None:
        return None
    names = {"ast": "Aspartate aminotransferase", "alt": "Alanine aminotransferase"}
    grades = [str(grade) for grade in range(5)]
    window = toxicity["window_months"]
    within = f" within {plain(window)} months" if window is not None else ""
    return Table(
        name="toxicity",
        title=f"Patients by worst CTCAE grade{within} (n = {toxicity['n']})",
        header=("Test", *(f"Grade {grade}" for grade in grades)),
        rows=tuple(
            Row((names.get(test, test.capitalize()), *(str(counts[grade]) for grade in grades)))
            for test, counts in toxicity["by_test"].items()
        ),
        notes=(f"Patients with grade 3 or more in any test: {toxicity['grade_3_plus']}.",),
        numeric=(False, *(True for _ in grades)),
    )
