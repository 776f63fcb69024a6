"""Table 2: uni- and multivariate hazard ratios of the endpoints in the layout of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ytterby.report.figures_survival import ENDPOINT_TITLES, endpoints_in_text
from ytterby.report.numbers import NOT_AVAILABLE, fixed, interval, p_text, plain, range_text
from ytterby.report.tables import Row, Table

__all__ = ["cox_table", "survival_table"]

_FACTOR_TITLES = {"grade": "NEN grade"}
_CONTRAST_TITLES = {"origin": "Tumour origin"}
_UNIT_TITLES = {"gy": "Gy", "100 gy": "100 Gy", "gbq": "GBq", "ml": "mL"}
_NAME_TITLES = {"mad": "MAD"}
_PER_UNIT_DECIMALS = 3
_DECIMALS = 2


def cox_table(results: Mapping[str, Any]) -> Table:
    """Table 2; a covariate that did not enter the multivariate model has empty cells there."""
    rows: list[Row] = []
    endpoints = [name for name in ENDPOINT_TITLES if results["survival"].get(name)]
    for name in endpoints:
        rows += _endpoint_rows(ENDPOINT_TITLES[name], results["survival"][name], results["options"]["covariates"])
    return Table(
        name="table2",
        title=f"Uni- and multivariate Cox proportional hazards regression of {endpoints_in_text(endpoints)}",
        header=(
            "Survival type",
            "Variable",
            "Univariate HR (95% CI)",
            "Univariate P",
            "Multivariate HR (95% CI)",
            "Multivariate P",
        ),
        rows=tuple(rows),
        notes=_notes(results, endpoints),
        numeric=(False, False, True, True, True, True),
    )


def _endpoint_rows(title: str, endpoint: Mapping[str, Any], covariates: Sequence[Mapping[str, str]]) -> list[Row]:
    multivariate = {record["term"]: record for record in endpoint["multivariate"] or []}
    failed = endpoint["multivariate"] is None
    entered = set(endpoint["entry"]["entered"])
    rows: list[Row] = []

    def first() -> str:
        return title if not rows else ""

    for covariate in covariates:
        name = covariate["name"]
        records = [record for record in endpoint["univariate"] if record["covariate"] == name]
        is_factor = covariate["kind"] == "factor"
        heading = _FACTOR_TITLES.get(name, _plain_name(name))
        if is_factor:
            rows.append(Row((first(), heading, "", "", "", ""), heading=True))
        if not records:
            label = "any level" if is_factor else _contrast_title(covariate)
            rows.append(Row((first(), label, "not estimable", NOT_AVAILABLE, "", ""), level=int(is_factor)))
        for record in records:
            if failed and (record["term"] in entered or record["rescaled_from"] in entered):
                right = ("not estimable", NOT_AVAILABLE)
            else:
                right = _cells(multivariate.get(record["term"]))
            rows.append(Row((first(), _term_title(record, covariate), *_cells(record), *right), level=int(is_factor)))
    return rows


def _cells(record: Mapping[str, Any] | None) -> tuple[str, str]:
    if record is None:
        return "", ""
    per_unit = " per " in record["term"] and record["rescaled_from"] is None
    decimals = _PER_UNIT_DECIMALS if per_unit else _DECIMALS
    return f"{fixed(record['hr'], decimals)} ({interval(record['ci'], decimals)})", p_text(record["p"])


def _plain_name(name: str) -> str:
    return _NAME_TITLES.get(name, name.replace("_", " ").capitalize())


def _contrast_title(covariate: Mapping[str, str]) -> str:
    name = covariate["name"]
    if covariate["kind"] != "contrast":
        return _plain_name(name)
    return f"{_CONTRAST_TITLES.get(name, _plain_name(name))} ({covariate['level']} vs. other)"


def _term_title(record: Mapping[str, Any], covariate: Mapping[str, str]) -> str:
    if covariate["kind"] == "contrast":
        return _contrast_title(covariate)
    if covariate["kind"] == "factor":
        return _plain_name(str(record["term"])).replace(" vs ", " vs. ")
    base, _, unit = str(record["term"]).partition(" per ")
    return f"{_plain_name(base)} (per {_UNIT_TITLES.get(unit, unit)})"


def _notes(results: Mapping[str, Any], endpoints: Sequence[str]) -> tuple[str, ...]:
    survival = results["survival"]
    numbers = "; ".join(
        f"{ENDPOINT_TITLES[name]}, {survival[name]['n']} patients and {survival[name]['events']} events"
        for name in endpoints
    )
    rule = survival[endpoints[0]]["entry"]["rule_in_words"] if endpoints else ""
    entered = "; ".join(
        f"{ENDPOINT_TITLES[name]}, {', '.join(survival[name]['entry']['covariates']) or 'none'}" for name in endpoints
    )
    ties = results["options"]["cox"]["ties"].capitalize()
    return (
        f"{numbers}. HR = hazard ratio; data in parentheses are 95% CIs; P values of Wald tests; ties after {ties}. MAD = mean "
        "absorbed dose to all tumours of a patient, shown per Gy and, the same model, per 100 Gy.",
        f"Multivariate model: {rule}. Entered: {entered}." if endpoints else "",
    )


def survival_table(results: Mapping[str, Any]) -> Table:
    """Events, Kaplan-Meier medians and raw medians of the endpoints."""
    rows = []
    for name, title in ENDPOINT_TITLES.items():
        endpoint = results["survival"].get(name)
        if not endpoint:
            continue
        cohort = results["survival_evaluable"][name]
        bounds = endpoint["median_ci"]
        median = "not reached" if endpoint["median_months"] is None else plain(endpoint["median_months"])
        interval_text = (
            "" if bounds is None else f" ({' to '.join('not reached' if b is None else plain(b) for b in bounds)})"
        )
        rows.append(
            Row(
                (
                    title,
                    str(endpoint["n"]),
                    str(endpoint["events"]),
                    f"{median}{interval_text}",
                    f"{plain(endpoint['raw_median_months'])} ({range_text(endpoint['range_months'])})",
                    f"{plain(cohort['raw_median_months'])} ({range_text(cohort['range_months'])})",
                )
            )
        )
    follow_up = results["survival"]["follow_up"]
    reverse = follow_up["reverse_kaplan_meier_median_months"]
    potential = "not reached" if reverse is None else f"{plain(reverse)} months"
    return Table(
        name="survival",
        title="Times to event (months)",
        header=(
            "Endpoint",
            "Patients",
            "Events",
            "Kaplan–Meier median (95% CI)",
            "Median of times (range)",
            "The same, response subcohort",
        ),
        rows=tuple(rows),
        notes=(
            f"Follow-up: {plain(follow_up['median_months'])} months (range, {range_text(follow_up['range_months'])}), "
            f"{follow_up['method']}; by reverse Kaplan–Meier {potential}. The median of times ignores censoring and is shown "
            "because published series give it.",
        ),
        numeric=(False, True, True, True, True, True),
    )
