"""Two-by-two tables: sensitivity, specificity, predictive values and accuracy with their confidence intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike
from scipy.special import betaincinv, expit

from ytterby.errors import DomainError
from ytterby.stats.roc import CutoffConvention
from ytterby.stats.samples import binary_sample, finite_sample, named_option, normal_quantile, same_length

__all__ = [
    "ConfusionMatrix",
    "DiagnosticFigures",
    "PredictiveInterval",
    "Proportion",
    "ProportionInterval",
    "confusion_matrix",
    "diagnostic_figures",
    "proportion",
]


class ProportionInterval(StrEnum):
    """Interval of a proportion of a fixed number of subjects."""

    CLOPPER_PEARSON = "clopper_pearson"
    WILSON = "wilson"


class PredictiveInterval(StrEnum):
    """Interval of a predictive value."""

    MERCALDO_LOGIT = "mercaldo_logit"
    CLOPPER_PEARSON = "clopper_pearson"
    WILSON = "wilson"


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of true and false, positive and negative calls."""

    tp: int
    fp: int
    tn: int
    fn: int

    def __post_init__(self) -> None:
        for name in ("tp", "fp", "tn", "fn"):
            if getattr(self, name) < 0:
                raise DomainError(f"{name} is {getattr(self, name)}", where="confusion matrix", remedy="give counts")


@dataclass(frozen=True)
class Proportion:
    """k of n with its interval and the ``method`` that gave it; value and interval are nan where n is 0."""

    value: float
    ci: tuple[float, float]
    k: int
    n: int
    method: str


@dataclass(frozen=True)
class DiagnosticFigures:
    """The five figures of a two-by-two table."""

    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    accuracy: Proportion


def confusion_matrix(
    score: ArrayLike,
    positive: ArrayLike,
    cutoff: float,
    *,
    convention: CutoffConvention | str = CutoffConvention.ABOVE_OBSERVED,
) -> ConfusionMatrix:
    """Counts at a cut-off: called positive is score > cutoff, or score >= cutoff under ``at_observed``.

    One class alone is allowed: the figures of the other then have n = 0. Raises DomainError for unequal lengths, values
    that are missing or infinite, classes other than 0 and 1, or a cut-off that is nan.
    """
    chosen = named_option(CutoffConvention, convention, "convention")
    scores = finite_sample(score, "score")
    classes = binary_sample(positive, "positive")
    same_length(scores, classes, "score and positive")
    if math.isnan(cutoff):
        raise DomainError("the cut-off is nan", where="cutoff")
    called = scores >= cutoff if chosen is CutoffConvention.AT_OBSERVED else scores > cutoff
    return ConfusionMatrix(
        tp=int((called & classes).sum()),
        fp=int((called & ~classes).sum()),
        tn=int((~called & ~classes).sum()),
        fn=int((~called & classes).sum()),
    )


def proportion(
    k: int,
    n: int,
    *,
    interval: ProportionInterval | str = ProportionInterval.CLOPPER_PEARSON,
    confidence: float = 0.95,
) -> Proportion:
    """The proportion k of n with its confidence interval.

    Notes
    -----
    Clopper and Pearson 1934 (doi:10.1093/biomet/26.4.404): the exact interval from beta quantiles, 0 and 1 at the ends.
    Wilson 1927 (doi:10.1080/01621459.1927.10502953): the score interval without continuity correction.

    Examples
    --------
    >>> share = proportion(5, 7)
    >>> f"{share.value:.3f} ({share.ci[0]:.3f}-{share.ci[1]:.3f}) {share.method}"
    '0.714 (0.290-0.963) clopper_pearson'
    """
    chosen = named_option(ProportionInterval, interval, "interval")
    if not 0 <= k <= n:
        raise DomainError(f"{k} of {n} is no proportion", where="proportion", remedy="give 0 <= k <= n")
    quantile = normal_quantile(confidence)
    if n == 0:
        return Proportion(math.nan, (math.nan, math.nan), k, n, chosen.value)
    share = k / n
    if chosen is ProportionInterval.CLOPPER_PEARSON:
        tail = (1.0 - confidence) / 2.0
        lower = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
        upper = float(betaincinv(k + 1, n - k, 1.0 - tail)) if k < n else 1.0
    else:
        spread = quantile * quantile / n
        centre = (share + spread / 2.0) / (1.0 + spread)
        half = math.sqrt(share * (1.0 - share) * spread + spread * spread / 4.0) / (1.0 + spread)
        # At the ends the formula gives 0 and 1 up to rounding.
        lower = centre - half if k > 0 else 0.0
        upper = centre + half if k < n else 1.0
    return Proportion(share, (lower, upper), k, n, chosen.value)


def diagnostic_figures(
    matrix: ConfusionMatrix,
    *,
    proportions: ProportionInterval | str = ProportionInterval.CLOPPER_PEARSON,
    predictive_values: PredictiveInterval | str = PredictiveInterval.MERCALDO_LOGIT,
    confidence: float = 0.95,
) -> DiagnosticFigures:
    """Sensitivity, specificity, predictive values and accuracy with their confidence intervals.

    Parameters
    ----------
    proportions
        Interval of sensitivity, specificity and accuracy.
    predictive_values
        Interval of the predictive values. The logit interval takes the prevalence of the sample as known.

    Notes
    -----
    Mercaldo, Lau and Zhou 2007 (doi:10.1002/sim.2677), at the prevalence of the sample: logit(PPV) = ln(TP / FP) with variance
    (1 - Se) / (Se n1) + Sp / ((1 - Sp) n0), and logit(NPV) = ln(TN / FN) with variance Se / ((1 - Se) n1) +
    (1 - Sp) / (Sp n0). It does not exist where the predictive value is 0 or 1 (TP or FP is 0; TN or FN is 0): that value
    then gets the Clopper-Pearson interval, as MedCalc does, and its ``method`` says so. The defaults are MedCalc's.
    A figure without subjects (n = 0) is nan.
    """
    chosen = named_option(PredictiveInterval, predictive_values, "predictive_values")
    positives, negatives = matrix.tp + matrix.fn, matrix.tn + matrix.fp

    def plain(k: int, n: int) -> Proportion:
        return proportion(k, n, interval=proportions, confidence=confidence)

    def predictive(right: int, wrong: int, right_class: int, wrong_class: int) -> Proportion:
        if chosen is not PredictiveInterval.MERCALDO_LOGIT:
            return proportion(right, right + wrong, interval=chosen.value, confidence=confidence)
        if right == 0 or wrong == 0:
            return proportion(right, right + wrong, confidence=confidence)
        # (1 - Se) / (Se n1) = 1 / TP - 1 / n1, and the like for the other three terms.
        variance = 1 / right - 1 / right_class + 1 / wrong - 1 / wrong_class
        centre = math.log(right / wrong)
        half = normal_quantile(confidence) * math.sqrt(max(variance, 0.0))
        return Proportion(
            value=right / (right + wrong),
            ci=(float(expit(centre - half)), float(expit(centre + half))),
            k=right,
            n=right + wrong,
            method=chosen.value,
        )

    return DiagnosticFigures(
        sensitivity=plain(matrix.tp, positives),
        specificity=plain(matrix.tn, negatives),
        ppv=predictive(matrix.tp, matrix.fp, positives, negatives),
        npv=predictive(matrix.tn, matrix.fn, negatives, positives),
        accuracy=plain(matrix.tp + matrix.tn, positives + negatives),
    )
