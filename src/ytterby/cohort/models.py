"""Cox models of one endpoint: each covariate alone, then those that the plan's rule lets into one model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ytterby.cohort.covariates import HUNDRED_GY, CodedCovariate, coded
from ytterby.cohort.notices import Notices
from ytterby.cohort.plan import AnalysisPlan, Entry
from ytterby.errors import ConfigurationError, EstimationError
from ytterby.stats.cox import CoxTerm, cox

__all__ = ["EVENTS_PER_VARIABLE", "cox_models"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EVENTS_PER_VARIABLE = 10.0
"""Below this many events a term, coefficients are biased and intervals too narrow (doi:10.1016/0895-4356(95)00048-8)."""


@dataclass(frozen=True, eq=False)
class _Sample:
    """Times and events of one endpoint, with what is said about them."""

    months: FloatArray
    event: BoolArray
    endpoint: str
    ties: str
    notices: Notices

    def fit(self, covariates: list[CodedCovariate], *, model: str) -> list[dict[str, Any]] | None:
        """Terms of the model on the complete rows; None, with a warning, where the estimate does not exist."""
        complete = np.logical_and.reduce([covariate.complete for covariate in covariates])
        missing = int((~complete).sum())
        if missing:
            self.notices.warn(
                "missing_values", f"{self.endpoint}, {model}: {missing} patients with a missing value are left out"
            )
        matrix = np.hstack([covariate.matrix for covariate in covariates])[complete]
        names = [term for covariate in covariates for term in covariate.terms]
        if not complete.any():
            self.notices.warn("not_estimable", f"{self.endpoint}, {model}: no patient is complete")
            return None
        try:
            fitted = cox(self.months[complete], self.event[complete], matrix, names=names, ties=self.ties)
        except EstimationError as error:
            self.notices.warn("not_estimable", f"{self.endpoint}, {model}: {error}")
            return None
        terms = iter(fitted.terms)
        return [
            record
            for covariate in covariates
            for _ in covariate.terms
            for record in _records(next(terms), covariate, fitted.n, fitted.n_events)
        ]

    def events_among(self, covariates: list[CodedCovariate]) -> int:
        complete = np.logical_and.reduce([covariate.complete for covariate in covariates])
        return int(self.event[complete].sum())


def _records(term: CoxTerm, covariate: CodedCovariate, n: int, events: int) -> list[dict[str, Any]]:
    record: dict[str, Any] = {
        "term": term.name,
        "covariate": covariate.name,
        "hr": term.hr,
        "ci": list(term.ci),
        "p": term.p,
        "coefficient": term.coefficient,
        "se": term.se,
        "n": n,
        "events": events,
        "rescaled_from": None,
    }
    if not covariate.rescaled:
        return [record]
    twin = {
        **record,
        "term": covariate.rescaled,
        "hr": _power(term.hr),
        "ci": [_power(bound) for bound in term.ci],
        "coefficient": HUNDRED_GY * term.coefficient,
        "se": HUNDRED_GY * term.se,
        "rescaled_from": term.name,
    }
    return [record, twin]


def _power(ratio: float) -> float:
    """The hazard ratio of 100 units; infinite where a float cannot hold it."""
    try:
        return math.pow(ratio, HUNDRED_GY)
    except OverflowError:
        return math.inf


def cox_models(
    rows: pd.DataFrame, months: FloatArray, event: BoolArray, *, endpoint: str, plan: AnalysisPlan, notices: Notices
) -> dict[str, Any]:
    """Keys ``univariate``, ``multivariate``, ``entry`` and ``epv`` of an endpoint.

    Raises ConfigurationError for a rule that this version does not know, or a covariate that is no column.
    """
    if plan.entry is Entry.PENALISED:
        raise ConfigurationError(
            "the entry rule 'penalised' is not in this version",
            where=f"{plan.name}, cox.entry",
            remedy="choose paper, by_term or all_prespecified",
        )
    sample = _Sample(months, event, endpoint, plan.ties, notices)
    covariates: list[CodedCovariate] = []
    univariate: list[dict[str, Any]] = []
    for covariate in plan.covariates:
        try:
            columns = coded(rows, covariate)
        except EstimationError as error:
            notices.warn("not_estimable", f"{endpoint}, univariate model of {covariate.name}: {error}")
            continue
        covariates.append(columns)
        univariate += sample.fit([columns], model=f"univariate model of {columns.name}") or []
    entering = _entering(covariates, univariate, plan)
    multivariate: list[dict[str, Any]] | None = []
    epv = None
    if entering:
        multivariate = sample.fit(entering, model="multivariate model")
        terms = sum(len(covariate.terms) for covariate in entering)
        epv = sample.events_among(entering) / terms
        if epv < EVENTS_PER_VARIABLE:
            notices.warn(
                "events_per_variable",
                f"{endpoint}: the multivariate model has {epv:.1f} events for each of its {terms} terms; below "
                f"{EVENTS_PER_VARIABLE:g} its hazard ratios are unstable",
            )
    return {
        "univariate": univariate,
        "multivariate": multivariate,
        "entry": {
            "rule": plan.entry.value,
            "entry_p": plan.entry_p,
            "rule_in_words": _rule(plan),
            "covariates": [covariate.name for covariate in entering],
            "entered": [term for covariate in entering for term in covariate.terms],
            "explanation": _explanation(entering, plan),
        },
        "epv": epv,
    }


def _entering(
    covariates: list[CodedCovariate], univariate: list[dict[str, Any]], plan: AnalysisPlan
) -> list[CodedCovariate]:
    """Covariates of the multivariate model, in the plan's order."""
    if plan.entry is Entry.ALL_PRESPECIFIED:
        return covariates
    significant = {record["term"] for record in univariate if record["p"] < plan.entry_p}
    chosen = []
    for covariate in covariates:
        kept = [column for column, term in enumerate(covariate.terms) if term in significant]
        if not kept:
            continue
        if plan.entry is Entry.BY_TERM:
            terms = tuple(covariate.terms[column] for column in kept)
            chosen.append(CodedCovariate(covariate.name, terms, covariate.matrix[:, kept], covariate.rescaled))
        else:
            chosen.append(covariate)
    return chosen


def _rule(plan: AnalysisPlan) -> str:
    return {
        Entry.PAPER: f"a covariate with any univariate P below {plan.entry_p:g} enters with all its terms",
        Entry.BY_TERM: f"a term with univariate P below {plan.entry_p:g} enters",
        Entry.ALL_PRESPECIFIED: "every covariate of the plan enters",
    }[plan.entry]


def _explanation(entering: list[CodedCovariate], plan: AnalysisPlan) -> str:
    rule, names = _rule(plan), [covariate.name for covariate in entering]
    if not names:
        return f"{rule}; none did, so there is no multivariate model"
    if len(names) == 1:
        return f"{rule}; {names[0]} alone did, so the model is that of {names[0]}"
    return f"{rule}; these did: {', '.join(names)}"
