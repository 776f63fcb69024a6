"""The methods paragraph of a report, written from the plan that was carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ytterby.report.figures_survival import endpoints_in_text

__all__ = ["methods_paragraphs"]

_CUTOFFS = {
    "above_observed": "a dose above an observed value counts as positive",
    "midpoint": "cut-offs lie midway between observed values, and a dose above counts as positive",
    "at_observed": "a dose at or above an observed value counts as positive",
}
_PROPORTIONS = {"clopper_pearson": "exact (Clopper–Pearson)", "wilson": "Wilson", "mercaldo_logit": "logit (Mercaldo)"}
_SCALES = {"log_log": "log–log", "log": "log", "plain": "plain"}
_ENTRY = {
    "paper": "Covariates with a univariate P below {p:g} for any of their terms entered the multivariate model whole.",
    "by_term": "Terms with a univariate P below {p:g} entered the multivariate model.",
    "all_prespecified": "All covariates entered the multivariate model.",
}
_DEATHS = {
    "censor_progression": "a death without progression censors progression-free survival",
    "event": "a death without progression is an event of progression-free survival",
}
_TIME_ZERO = {
    "first_administration": "the first administration",
    "last_administration": "the last administration",
}


def methods_paragraphs(results: Mapping[str, Any]) -> tuple[str, ...]:
    """What was done, in words, with every convention on which programs differ."""
    options, software = results["options"], results["software"]
    roc, intervals, model = options["roc"], options["intervals"], options["cox"]
    response = (
        "Mean absorbed doses (MAD) of response categories were compared in pairs by the two-sided Mann–Whitney U test "
        "(exact without ties in groups below 50, else with continuity correction), without correction for multiple "
        "comparisons. Response (CR + PR) was predicted from the MAD by receiver operating characteristic analysis per lesion "
        "and per patient; lesions of one patient were taken as independent. The area under the curve has DeLong's interval and "
        f"test. The cut-off maximises the Youden index ({_CUTOFFS[roc['cutoff']]}; of equal optima, the lowest)"
        f"{_fixed(roc['fixed_cutoffs_gy'])}. Intervals of sensitivity, specificity and accuracy are "
        f"{_PROPORTIONS[intervals['proportions']]}, of predictive values {_PROPORTIONS[intervals['predictive_values']]}."
    )
    covariates = "; ".join(_covariate(covariate) for covariate in options["covariates"])
    endpoints = endpoints_in_text(options["endpoints"]["names"])
    survival = (
        f"Endpoints: {endpoints}, as they stand in the patients' table. "
        f"By the plan, time runs from {_TIME_ZERO[options['endpoints']['time_zero']]} and "
        f"{_DEATHS[options['endpoints']['deaths']]}. Survival was estimated after Kaplan and Meier with "
        f"{_SCALES[intervals['kaplan_meier']]} intervals. Cox proportional hazards models (ties after "
        f"{model['ties'].capitalize()}; Wald intervals and tests) took the covariates: {covariates}. "
        f"{_ENTRY[model['entry']].format(p=model['entry_p'])} Patients with a missing value are left out of the models that "
        "need it."
    )
    groups = (
        "Hepatic response by tumour grade was tested by the Cochran–Armitage test for trend, MAD by grade by the Kruskal–Wallis "
        "test. Tests are two-sided; P below 0.05 is called significant. Numbers are rounded for print only; results.json holds "
        f"them in full. Computed with {software['name'].capitalize()} {software['version']}."
    )
    return response, survival, groups


def _fixed(cutoffs_gy: Mapping[str, list[float]]) -> str:
    named = [
        f"{' and '.join(f'{value:g}' for value in values)} Gy per {level}"
        for level, values in cutoffs_gy.items()
        if values
    ]
    return f"; fixed cut-offs of the plan are {', '.join(named)}" if named else ""


def _covariate(covariate: Mapping[str, str]) -> str:
    name = covariate["name"]
    if covariate["kind"] == "factor":
        return f"{name} (levels against {covariate['reference']})"
    if covariate["kind"] == "contrast":
        return f"{name} ({covariate['level']} against all others)"
    return f"{name} (linear)"
