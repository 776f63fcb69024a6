"""Times to event: Kaplan-Meier with its intervals, the median, median follow-up and the log-rank test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.samples import (
    TIME_TOLERANCE,
    FloatArray,
    IntArray,
    named_option,
    normal_quantile,
    read_only,
    same_length,
    time_to_event_sample,
)

__all__ = [
    "KaplanMeier",
    "LogRank",
    "SurvivalInterval",
    "kaplan_meier",
    "log_rank",
    "reverse_kaplan_meier_median",
]


class SurvivalInterval(StrEnum):
    """Scale on which the interval of a survival probability is symmetric."""

    LOG_LOG = "log_log"
    """ln(-ln S): stays within 0 and 1; Prism's default."""
    LOG = "log"
    """ln S, cut at 1; the default of R's survfit."""
    PLAIN = "plain"
    """S itself, cut at 0 and 1 (Greenwood)."""


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """Kaplan-Meier estimate at each distinct time, events or not; before the first time it is 1.

    ``at_risk`` counts just before each time. ``lower`` and ``upper`` are nan where the interval does not exist: S = 0, and
    with ``log_log`` S = 1 as well. ``median`` and its bounds are nan where they are not reached.
    """

    times: FloatArray
    survival: FloatArray
    lower: FloatArray
    upper: FloatArray
    at_risk: IntArray
    events: IntArray
    censored: IntArray
    median: float
    median_ci: tuple[float, float]
    interval: SurvivalInterval
    confidence: float = 0.95


@dataclass(frozen=True)
class LogRank:
    """Log-rank test of two or more groups."""

    chi2: float
    df: int
    p: float


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    *,
    interval: SurvivalInterval | str = SurvivalInterval.LOG_LOG,
    confidence: float = 0.95,
) -> KaplanMeier:
    """Kaplan-Meier estimate with pointwise intervals, and the median with its interval.

    Parameters
    ----------
    time, event
        Length n; times from 0 in any one unit, events boolean or 0/1 (0: censored).

    Raises
    ------
    DomainError
        Lengths differ, a value is missing or infinite, a time is negative, an event is not 0 or 1.

    Notes
    -----
    Kaplan and Meier 1958 (doi:10.1080/01621459.1958.10501452), Greenwood's variance; as R's ``survfit``. A subject censored
    at the time of an event is at risk for it. The median is the time at which the curve reaches 0.5; where it stands at
    exactly 0.5 (to 1.5e-8), the middle between that time and the next fall, or the last time observed if there is none. Its
    interval follows in the same way from the pointwise bounds (Brookmeyer and Crowley 1982, doi:10.2307/2530286). All
    as R's ``quantile`` of a survfit.

    Examples
    --------
    >>> curve = kaplan_meier([2.0, 4.0, 4.0, 7.0], [1, 1, 0, 1])
    >>> curve.survival.tolist(), curve.at_risk.tolist(), curve.median
    ([0.75, 0.5, 0.0], [4, 3, 1], 5.5)
    """
    scale = named_option(SurvivalInterval, interval, "interval")
    quantile = normal_quantile(confidence)
    times, at_risk, events, censored = _life_table(*time_to_event_sample(time, event))
    survival: FloatArray = np.cumprod((at_risk - events) / at_risk, dtype=np.float64)
    with np.errstate(divide="ignore"):
        # Infinite from the time at which the last subject has the event: no interval there.
        log_se: FloatArray = np.sqrt(np.cumsum(events / (at_risk * (at_risk - events)), dtype=np.float64))
    lower, upper = _bounds(survival, log_se, quantile, scale)
    return KaplanMeier(
        times=read_only(times),
        survival=read_only(survival),
        lower=read_only(lower),
        upper=read_only(upper),
        at_risk=read_only(at_risk),
        events=read_only(events),
        censored=read_only(censored),
        median=_time_at_half(times, survival),
        median_ci=(_time_at_half(times, lower), _time_at_half(times, upper)),
        interval=scale,
        confidence=confidence,
    )


def _life_table(times: FloatArray, events: np.ndarray) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    distinct, inverse, leaving = np.unique(times, return_inverse=True, return_counts=True)
    events_at = np.bincount(inverse[events], minlength=distinct.size).astype(np.int64)
    at_risk = (times.size - np.cumsum(leaving) + leaving).astype(np.int64)
    return distinct, at_risk, events_at, (leaving - events_at).astype(np.int64)


def _bounds(
    survival: FloatArray, log_se: FloatArray, quantile: float, scale: SurvivalInterval
) -> tuple[FloatArray, FloatArray]:
    lower, upper = np.full_like(survival, np.nan), np.full_like(survival, np.nan)
    exists = survival > 0.0
    if scale is SurvivalInterval.LOG_LOG:
        exists &= survival < 1.0
    s, half = survival[exists], quantile * log_se[exists]
    if scale is SurvivalInterval.PLAIN:
        lower[exists], upper[exists] = np.maximum(s - s * half, 0.0), np.minimum(s + s * half, 1.0)
    elif scale is SurvivalInterval.LOG:
        lower[exists], upper[exists] = np.exp(np.log(s) - half), np.minimum(np.exp(np.log(s) + half), 1.0)
    else:
        hazard = -np.log(s)
        with np.errstate(over="ignore"):
            lower[exists] = np.exp(-hazard * np.exp(half / hazard))
        upper[exists] = np.exp(-hazard * np.exp(-half / hazard))
    return lower, upper


def _time_at_half(times: FloatArray, curve: FloatArray) -> float:
    """Time at which a curve that starts at 1 reaches 0.5, as ``findq`` of R's survival package; nan if it never does."""
    fallen = np.concatenate(([0.0], 1.0 - curve))
    when = np.concatenate(([0.0], times))
    last_time = float(when[-1])
    # The first time of each level, whether or not the bound is monotone.
    _, first = np.unique(fallen, return_index=True, equal_nan=True)
    first.sort()
    fallen, when = fallen[first], when[first]
    ends_at_half = abs(float(fallen[-1]) - 0.5) < TIME_TOLERANCE
    known = ~np.isnan(fallen)
    fallen, when = fallen[known], when[known]
    order = np.argsort(fallen, kind="stable")
    fallen, when = fallen[order], when[order]
    reached = np.flatnonzero(fallen + TIME_TOLERANCE >= 0.5)
    if reached.size == 0:
        return math.nan
    start = float(when[reached[0]])
    if ends_at_half:
        return (start + last_time) / 2.0
    passed = np.flatnonzero(fallen - TIME_TOLERANCE >= 0.5)
    return (start + float(when[passed[0]])) / 2.0 if passed.size else math.nan


def reverse_kaplan_meier_median(time: ArrayLike, event: ArrayLike) -> float:
    """Median follow-up: the Kaplan-Meier median with events and censorings exchanged; nan where it is not reached.

    Schemper and Smith 1996, doi:10.1016/0197-2456(96)00075-X. Raises DomainError as ``kaplan_meier``.
    """
    times, events = time_to_event_sample(time, event)
    return kaplan_meier(times, ~events).median


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> LogRank:
    """Log-rank test that groups have one hazard.

    Parameters
    ----------
    time, event, group
        Length n; ``group`` holds labels of any one kind.

    Raises
    ------
    DomainError
        Lengths differ, or times and events are not what they must be.
    EstimationError
        Fewer than two groups have a subject at risk at the time of an event.

    Notes
    -----
    Observed less expected events with the hypergeometric variance (Mantel 1966; Peto and Peto 1972,
    doi:10.2307/2344317), as R's ``survdiff`` with rho = 0. Groups that are never at risk at an event do not count.
    """
    times, events = time_to_event_sample(time, event)
    labels = np.asarray(group)
    if labels.ndim != 1:
        raise DomainError(f"group has {labels.ndim} dimensions where 1 is needed", where="group")
    same_length(times, labels, "time and group")
    names, membership = np.unique(labels, return_inverse=True)
    distinct, at_risk, events_at, _ = _life_table(times, events)
    k = names.size
    slot = np.searchsorted(distinct, times)
    leaving = np.bincount(slot * k + membership, minlength=distinct.size * k).reshape(distinct.size, k)
    in_group = np.cumsum(leaving[::-1], axis=0)[::-1]
    happens = events_at > 0
    d, n, n_group = events_at[happens, None], at_risk[happens, None], in_group[happens]
    share = n_group / n
    expected = (d * share).sum(axis=0)
    counted = expected > 0
    df = int(counted.sum()) - 1
    if df < 1:
        raise EstimationError(
            f"{df + 1} group(s) have a subject at risk at the time of an event", where="group", remedy="two are needed"
        )
    observed = np.bincount(membership[events], minlength=k)
    weight = d * (n - d) / np.maximum(n - 1, 1)
    variance = np.diag((weight * share).sum(axis=0)) - (weight * share).T @ share
    kept = np.flatnonzero(counted)[1:]
    difference = (observed - expected)[kept]
    try:
        chi2 = float(difference @ np.linalg.solve(variance[np.ix_(kept, kept)], difference))
    except np.linalg.LinAlgError as error:
        raise EstimationError("the variance of the log-rank statistic is singular", where="group") from error
    return LogRank(chi2, df, float(chdtrc(df, chi2)))
