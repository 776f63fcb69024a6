"""Cox's proportional hazards model by Newton's method on the partial likelihood, ties after Efron or Breslow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from scipy.linalg import eigh, qr
from scipy.special import chdtrc, ndtr

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.samples import (
    FloatArray,
    finite_sample,
    named_option,
    normal_quantile,
    read_only,
    same_length,
    time_to_event_sample,
)
from ytterby.stats.separation import separated_terms

__all__ = ["CoxFit", "CoxTerm", "LikelihoodRatio", "Ties", "cox"]

MAX_ITERATIONS = 60
# Newton's last step, in standard deviations of the covariates. Convergence is quadratic: the estimate is far nearer.
STEP_TOLERANCE = 1e-9
LIKELIHOOD_TOLERANCE = 1e-12
# Information left in the worst direction, relative to that at zero, below which separation is looked for.
INFORMATION_FLOOR = 1e-9
# Below this nothing is left in that direction, in double precision.
SINGULAR = 1e-14
# Relative size below which a covariate, given the others, counts as a combination of them.
COLLINEAR = 1e-10


class Ties(StrEnum):
    """How events at one time enter the partial likelihood."""

    EFRON = "efron"
    BRESLOW = "breslow"


@dataclass(frozen=True)
class CoxTerm:
    """One covariate: coefficient (ln HR for one unit), standard error, hazard ratio with interval, Wald test."""

    name: str
    coefficient: float
    se: float
    hr: float
    ci: tuple[float, float]
    z: float
    p: float


@dataclass(frozen=True)
class LikelihoodRatio:
    """Likelihood-ratio test of the whole model against no covariate."""

    chi2: float
    df: int
    p: float


@dataclass(frozen=True, eq=False)
class CoxFit:
    """A fitted model; ``covariance`` is of the coefficients, in the order of ``terms``."""

    terms: tuple[CoxTerm, ...]
    log_likelihood: float
    log_likelihood_null: float
    likelihood_ratio: LikelihoodRatio
    n: int
    n_events: int
    ties: Ties
    iterations: int
    covariance: FloatArray
    confidence: float = 0.95


@njit(cache=True)
def _partial_likelihood(
    time: FloatArray, event: np.ndarray, z: FloatArray, score: FloatArray, efron: bool
) -> tuple[float, FloatArray, FloatArray]:
    """Log partial likelihood, its gradient and information, in one pass over rows sorted by falling time.

    ``score`` is the linear predictor less its maximum, so that no exponential overflows; the likelihood does not change.
    """
    n, p = z.shape
    log_likelihood = 0.0
    gradient = np.zeros(p)
    information = np.zeros((p, p))
    # Sums over the risk set (s) and over the events of the present time (d): of weights, weighted rows, outer products.
    s0 = 0.0
    s1 = np.zeros(p)
    s2 = np.zeros((p, p))
    d1 = np.zeros(p)
    d2 = np.zeros((p, p))
    mean = np.zeros(p)
    first = 0
    while first < n:
        d0 = 0.0
        events = 0
        d1[:] = 0.0
        d2[:, :] = 0.0
        row = first
        while row < n and time[row] == time[first]:
            weight = math.exp(score[row])
            s0 += weight
            for a in range(p):
                weighted = weight * z[row, a]
                s1[a] += weighted
                for b in range(a + 1):
                    s2[a, b] += weighted * z[row, b]
            if event[row]:
                events += 1
                log_likelihood += score[row]
                d0 += weight
                for a in range(p):
                    weighted = weight * z[row, a]
                    gradient[a] += z[row, a]
                    d1[a] += weighted
                    for b in range(a + 1):
                        d2[a, b] += weighted * z[row, b]
            row += 1
        for number in range(events):
            share = number / events if efron else 0.0
            total = s0 - share * d0
            if not total > 0.0:
                # All weights vanish beside that of a row which has left the risk set: too long a step.
                return -math.inf, gradient, information
            log_likelihood -= math.log(total)
            for a in range(p):
                mean[a] = (s1[a] - share * d1[a]) / total
                gradient[a] -= mean[a]
                for b in range(a + 1):
                    information[a, b] += (s2[a, b] - share * d2[a, b]) / total - mean[a] * mean[b]
        first = row
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return log_likelihood, gradient, information


@dataclass(frozen=True, eq=False)
class _Sample:
    """Rows by falling time, covariates centred and divided by their standard deviations."""

    time: FloatArray
    event: np.ndarray
    z: FloatArray
    efron: bool

    def at(self, beta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        score = self.z @ beta
        score -= score.max()
        value, gradient, information = _partial_likelihood(self.time, self.event, self.z, score, self.efron)
        return float(value), gradient, information


def cox(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    names: Sequence[str],
    ties: Ties | str = Ties.EFRON,
    confidence: float = 0.95,
) -> CoxFit:
    """Cox proportional hazards fit with Wald intervals and tests of each covariate.

    Parameters
    ----------
    time, event
        Length n; times from 0 in any one unit, events boolean or 0/1 (0: censored).
    covariates
        Shape (n, p); factors as columns of 0 and 1.
    names
        The p names of the columns, which errors and results use.
    ties
        ``efron`` (default, as R's coxph) or ``breslow``.

    Raises
    ------
    DomainError
        Shapes do not fit, a value is missing or infinite, a name is given twice.
    EstimationError
        No event; a covariate that is constant (among those at risk), or a combination of others; a monotone likelihood,
        where a hazard ratio runs to 0 or infinity. The message names the covariate.

    Notes
    -----
    Cox 1972 (doi:10.1111/j.2517-6161.1972.tb00899.x); Efron 1977 (doi:10.1080/01621459.1977.10480613); Breslow 1974
    (doi:10.2307/2529620). Newton's method from zero with step halving. It has converged when the log likelihood changes by
    less than 1e-12 of itself and the step is less than 1e-9 standard deviations. Standard errors are from the inverse
    information at the estimate.

    Examples
    --------
    >>> fit = cox([1, 2, 3, 4, 5], [1, 1, 1, 0, 1], [[1.0], [0.0], [1.0], [0.0], [0.0]], names=["exposed"])
    >>> f"{fit.terms[0].hr:.4f} {fit.likelihood_ratio.chi2:.4f}"
    '4.2154 1.4645'
    """
    method = named_option(Ties, ties, "ties")
    quantile = normal_quantile(confidence)
    times, events = time_to_event_sample(time, event)
    x = finite_sample(covariates, "covariates", dimensions=2)
    same_length(times, x, "time and covariates")
    labels = _checked_names(names, x.shape[1])
    if not events.any():
        raise EstimationError(f"none of the {times.size} subjects has an event", where="event", remedy="nothing to fit")
    centred, spread = _centred(x, labels)
    order = np.argsort(-times, kind="stable")
    sample = _Sample(times[order], events[order], np.ascontiguousarray((centred / spread)[order]), method is Ties.EFRON)
    start = sample.at(np.zeros(len(labels)))
    _check_information(start[2], labels)
    beta, value, information, iterations = _newton(sample, start, labels)
    covariance = np.linalg.inv(information) / np.outer(spread, spread)
    statistic = max(0.0, 2.0 * (value - start[0]))
    return CoxFit(
        terms=tuple(
            _term(label, float(b), math.sqrt(float(v)), quantile)
            for label, b, v in zip(labels, beta / spread, np.diag(covariance), strict=True)
        ),
        log_likelihood=value,
        log_likelihood_null=start[0],
        likelihood_ratio=LikelihoodRatio(statistic, len(labels), float(chdtrc(len(labels), statistic))),
        n=times.size,
        n_events=int(events.sum()),
        ties=method,
        iterations=iterations,
        covariance=read_only(covariance),
        confidence=confidence,
    )


def _term(name: str, coefficient: float, se: float, quantile: float) -> CoxTerm:
    with np.errstate(over="ignore"):
        hr, lower, upper = np.exp([coefficient, coefficient - quantile * se, coefficient + quantile * se])
    z = coefficient / se
    return CoxTerm(name, coefficient, se, float(hr), (float(lower), float(upper)), z, float(2.0 * ndtr(-abs(z))))


def _checked_names(names: Sequence[str], columns: int) -> tuple[str, ...]:
    labels = tuple(names)
    if columns == 0 or len(labels) != columns:
        raise DomainError(
            f"{len(labels)} names for {columns} covariates", where="names", remedy="give one to each column"
        )
    if len(set(labels)) != len(labels):
        raise DomainError("a covariate's name is given twice", where="names", remedy="give each column its own name")
    return labels


def _centred(x: FloatArray, labels: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Covariates less their means, and their standard deviations."""
    for column, label in enumerate(labels):
        if x[:, column].min() == x[:, column].max():
            raise EstimationError(
                f"covariate {label!r} is {x[0, column]:g} in all {x.shape[0]} subjects",
                where=label,
                remedy="leave it out",
            )
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    # Pivoting puts last the columns that the others explain.
    _, triangle, pivots = qr(centred / spread, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    explained = [
        labels[pivots[k]] for k in range(len(labels)) if k >= diagonal.size or diagonal[k] < COLLINEAR * diagonal[0]
    ]
    if explained:
        raise _redundant(explained)
    return centred, spread


def _redundant(explained: Sequence[str]) -> EstimationError:
    listed = ", ".join(repr(label) for label in explained)
    return EstimationError(
        f"covariate {listed} is a linear combination of the others", where=explained[0], remedy="leave it out"
    )


def _check_information(information: FloatArray, labels: tuple[str, ...]) -> None:
    """Raise EstimationError for covariates that do not vary, or not on their own, among those at risk at events."""
    diagonal = np.diag(information)
    for column, label in enumerate(labels):
        if diagonal[column] < COLLINEAR:
            raise EstimationError(
                f"covariate {label!r} does not differ between subjects at risk at the time of an event",
                where=label,
                remedy="leave it out",
            )
    scale = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] < COLLINEAR:
        raise _redundant([labels[int(np.argmax(np.abs(vectors[:, 0])))]])


def _newton(
    sample: _Sample, start: tuple[float, FloatArray, FloatArray], labels: tuple[str, ...]
) -> tuple[FloatArray, float, FloatArray, int]:
    """Coefficients (per standard deviation), log likelihood and information at the maximum, and the iterations taken."""
    beta = np.zeros(len(labels))
    value, gradient, information = start
    looked_for_separation = False
    for iteration in range(1, MAX_ITERATIONS + 1):
        step = np.linalg.solve(information, gradient)
        fraction = 1.0
        tried = sample.at(beta + step)
        while not tried[0] >= value - LIKELIHOOD_TOLERANCE * abs(value) and fraction > 1e-6:
            fraction /= 2.0
            tried = sample.at(beta + fraction * step)
        change = abs(tried[0] - value)
        beta = beta + fraction * step
        value, gradient, information = tried
        left = eigh(information, start[2], eigvals_only=True)[0] if math.isfinite(value) else 0.0
        if left < INFORMATION_FLOOR:
            if not looked_for_separation:
                _raise_if_separated(sample, gradient=start[1], labels=labels)
                looked_for_separation = True
            if left <= SINGULAR:
                break
        if change <= LIKELIHOOD_TOLERANCE * abs(value) and np.abs(fraction * step).max() <= STEP_TOLERANCE:
            return beta, value, information, iteration
    _raise_if_separated(sample, gradient=start[1], labels=labels)
    worst = labels[int(np.argmax(np.abs(beta)))]
    raise EstimationError(
        f"the fit did not converge; the largest coefficient is that of {worst!r}",
        where=worst,
        remedy="look at this covariate's distribution among those with and without the event",
    )


def _raise_if_separated(sample: _Sample, *, gradient: FloatArray, labels: tuple[str, ...]) -> None:
    terms = separated_terms(sample.time, sample.event, sample.z, gradient)
    if terms:
        listed = ", ".join(repr(labels[term]) for term in terms)
        raise EstimationError(
            f"monotone likelihood (separation): the hazard ratio of {listed} runs to 0 or infinity, because at every event "
            "the subject who has it is the most extreme of those at risk",
            where=labels[terms[0]],
            remedy="merge levels, leave the covariate out, or use a penalised (Firth) fit",
        )
