"""Receiver operating characteristic: the curve, its area with DeLong's standard error, Youden's cut-off.

A higher score always speaks for the positive class; no function here turns the direction round by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from ytterby.errors import EstimationError
from ytterby.stats.samples import (
    FloatArray,
    IntArray,
    classified_sample,
    named_option,
    normal_quantile,
    read_only,
)

__all__ = ["AucEstimate", "CutoffConvention", "RocCurve", "YoudenCutoff", "delong", "roc_curve", "youden_cutoff"]


class CutoffConvention(StrEnum):
    """Which numbers stand for the cut-offs between observed scores, and on which side a subject is positive."""

    ABOVE_OBSERVED = "above_observed"
    """Positive is a score greater than an observed value (MedCalc's ">" criterion)."""
    MIDPOINT = "midpoint"
    """Positive is a score greater than the mean of two neighbouring observed values (pROC)."""
    AT_OBSERVED = "at_observed"
    """Positive is a score greater than or equal to an observed value (scikit-learn)."""


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points of a ROC curve, from nothing positive to everything positive, with both end points.

    The arrays have one element more than there are distinct scores. ``thresholds`` fall; an end is infinite where the
    convention has no observed value for it.
    """

    thresholds: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray
    tp: IntArray
    fp: IntArray
    auc: float
    n_positive: int
    n_negative: int
    convention: CutoffConvention


@dataclass(frozen=True)
class AucEstimate:
    """Area under the ROC curve with DeLong's standard error, Wald interval and two-sided z test against 0.5."""

    auc: float
    se: float
    ci: tuple[float, float]
    z: float
    p: float
    n_positive: int
    n_negative: int
    confidence: float = 0.95


@dataclass(frozen=True)
class YoudenCutoff:
    """The cut-off with the greatest sensitivity + specificity - 1 (``index``); ``n_optima`` cut-offs share it."""

    cutoff: float
    index: float
    sensitivity: float
    specificity: float
    n_optima: int
    convention: CutoffConvention = CutoffConvention.ABOVE_OBSERVED


@dataclass(frozen=True, eq=False)
class _ScoreCounts:
    """Distinct scores, falling, with the numbers of positive and of negative subjects at each."""

    values: FloatArray
    positives: IntArray
    negatives: IntArray

    @property
    def n_positive(self) -> int:
        return int(self.positives.sum())

    @property
    def n_negative(self) -> int:
        return int(self.negatives.sum())

    @property
    def auc(self) -> float:
        # Twice the Mann-Whitney count is an integer: the area is exact up to its last division.
        below = self.n_negative - np.cumsum(self.negatives)
        doubled = int((self.positives * (2 * below + self.negatives)).sum())
        return doubled / (2 * self.n_positive * self.n_negative)


def _score_counts(score: ArrayLike, positive: ArrayLike) -> _ScoreCounts:
    scores, classes = classified_sample(score, positive)
    values, inverse = np.unique(-scores, return_inverse=True)
    positives = np.bincount(inverse[classes], minlength=values.size).astype(np.int64)
    negatives = np.bincount(inverse[~classes], minlength=values.size).astype(np.int64)
    return _ScoreCounts(-values, positives, negatives)


def roc_curve(
    score: ArrayLike,
    positive: ArrayLike,
    *,
    convention: CutoffConvention | str = CutoffConvention.ABOVE_OBSERVED,
) -> RocCurve:
    """ROC curve of a score against a class, one point for each distinct score and the end points.

    Parameters
    ----------
    score, positive
        Length n; ``positive`` is boolean or 0/1.
    convention
        What the thresholds are; the points of the curve are the same for all three.

    Raises
    ------
    DomainError
        Lengths differ, a value is missing or infinite, or a class is not 0 or 1.
    EstimationError
        Only one class is present.

    Notes
    -----
    The area is the Mann-Whitney count over the number of pairs, a tied pair counting half (Hanley and McNeil 1982,
    doi:10.1148/radiology.143.1.7063747), which is the area under the curve by trapezoids.

    Examples
    --------
    >>> curve = roc_curve([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1])
    >>> curve.thresholds.tolist(), curve.tp.tolist(), curve.fp.tolist(), curve.auc
    ([4.0, 3.0, 2.0, 1.0, -inf], [0, 1, 1, 2, 2], [0, 0, 1, 1, 2], 0.75)
    """
    chosen = named_option(CutoffConvention, convention, "convention")
    return _curve(_score_counts(score, positive), chosen)


def _curve(counts: _ScoreCounts, convention: CutoffConvention) -> RocCurve:
    tp = np.concatenate(([0], np.cumsum(counts.positives)))
    fp = np.concatenate(([0], np.cumsum(counts.negatives)))
    return RocCurve(
        thresholds=read_only(_thresholds(counts.values, convention)),
        sensitivity=read_only(tp / counts.n_positive),
        specificity=read_only((counts.n_negative - fp) / counts.n_negative),
        tp=read_only(tp),
        fp=read_only(fp),
        auc=counts.auc,
        n_positive=counts.n_positive,
        n_negative=counts.n_negative,
        convention=convention,
    )


def _thresholds(falling: FloatArray, convention: CutoffConvention) -> FloatArray:
    if convention is CutoffConvention.ABOVE_OBSERVED:
        return np.concatenate((falling, [-np.inf]))
    if convention is CutoffConvention.AT_OBSERVED:
        return np.concatenate(([np.inf], falling))
    upper, lower = falling[:-1], falling[1:]
    middle = 0.5 * upper + 0.5 * lower
    # Between two neighbouring floating-point numbers there is no middle; "greater than the lower one" divides them.
    middle = np.where(middle >= upper, lower, middle)
    return np.concatenate(([np.inf], middle, [-np.inf]))


def delong(score: ArrayLike, positive: ArrayLike, *, confidence: float = 0.95) -> AucEstimate:
    """Area under the ROC curve with its standard error after DeLong, DeLong and Clarke-Pearson.

    Parameters
    ----------
    score, positive
        Length n; ``positive`` is boolean or 0/1.
    confidence
        Of the Wald interval on the plain scale, clipped to [0, 1] (as pROC's ``ci.auc``).

    Raises
    ------
    DomainError
        Lengths differ, a value is missing or infinite, or a class is not 0 or 1.
    EstimationError
        Fewer than two subjects in a class: the variance is not defined.

    Notes
    -----
    Each positive's placement is the share of negatives below it (ties half), each negative's the share of positives above
    it; the variance is the sum of the two sample variances, each over its class size (doi:10.2307/2531595). Computed
    with one sort, equal to the algorithm of Sun and Xu (doi:10.1109/LSP.2014.2337313). ``p`` is two-sided, of
    (auc - 0.5) / se against the normal distribution.

    Where the classes do not overlap, or all scores are equal, every placement is the same and the estimated standard error
    is 0: the interval shrinks to the point, and there is no Wald test (``z`` and ``p`` are nan).
    """
    counts = _score_counts(score, positive)
    m, n = counts.n_positive, counts.n_negative
    if min(m, n) < 2:
        raise EstimationError(
            f"the variance of the AUC needs two subjects of each class; there are {m} positive and {n} negative",
            where="positive",
        )
    quantile = normal_quantile(confidence)
    below = n - np.cumsum(counts.negatives)
    above = np.cumsum(counts.positives) - counts.positives
    of_positives = (below + 0.5 * counts.negatives) / n
    of_negatives = (above + 0.5 * counts.positives) / m
    auc = counts.auc
    variance = (
        float((counts.positives * (of_positives - auc) ** 2).sum()) / (m - 1) / m
        + float((counts.negatives * (of_negatives - auc) ** 2).sum()) / (n - 1) / n
    )
    se = math.sqrt(variance)
    z = (auc - 0.5) / se if se > 0.0 else math.nan
    return AucEstimate(
        auc=auc,
        se=se,
        ci=(max(0.0, auc - quantile * se), min(1.0, auc + quantile * se)),
        z=z,
        p=float(2.0 * ndtr(-abs(z))),
        n_positive=m,
        n_negative=n,
        confidence=confidence,
    )


def youden_cutoff(
    score: ArrayLike,
    positive: ArrayLike,
    *,
    convention: CutoffConvention | str = CutoffConvention.ABOVE_OBSERVED,
) -> YoudenCutoff:
    """The cut-off that maximises Youden's index, the lowest one where several do.

    Raises
    ------
    DomainError
        Lengths differ, a value is missing or infinite, or a class is not 0 or 1.
    EstimationError
        Only one class is present, or all scores are equal.

    Notes
    -----
    J = sensitivity + specificity - 1 (Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3).
    The end points of the curve divide nobody and are no candidates, so that the cut-off is finite; where no cut-off is
    better than chance the index is 0 or below. Ties are found in integers, free of rounding.
    """
    chosen = named_option(CutoffConvention, convention, "convention")
    curve = _curve(_score_counts(score, positive), chosen)
    if curve.thresholds.size < 3:
        raise EstimationError("all scores are equal, no cut-off divides them", where="score")
    scaled = curve.tp[1:-1] * curve.n_negative - curve.fp[1:-1] * curve.n_positive
    best = np.flatnonzero(scaled == scaled.max())
    at = int(best[-1]) + 1  # thresholds fall: the last of the tied points has the lowest
    return YoudenCutoff(
        cutoff=float(curve.thresholds[at]),
        index=int(scaled.max()) / (curve.n_positive * curve.n_negative),
        sensitivity=float(curve.sensitivity[at]),
        specificity=float(curve.specificity[at]),
        n_optima=int(best.size),
        convention=chosen,
    )
