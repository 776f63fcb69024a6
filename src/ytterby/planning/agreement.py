"""Agreement of two methods that measure the same thing: bias and limits of agreement, concordance, correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from ytterby.errors import DomainError
from ytterby.model.volume import FloatArray

__all__ = ["FEWEST_FOR_LIMITS", "Agreement", "Estimate", "agreement", "concordance", "ratio_agreement"]

FEWEST_FOR_LIMITS = 3
"""Pairs below which no limits of agreement are given: two differences say nothing about a spread."""

_CONFIDENCE = 0.975


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % confidence interval, in the unit of what was compared; None: it cannot be had."""

    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Agreement:
    """Agreement of n pairs: differences second - first.

    ``bias`` is the mean difference, ``spread`` their standard deviation, ``lower`` and ``upper`` the limits between which 95 %
    of differences are expected. ``concordance`` is Lin's coefficient, ``correlation`` Pearson's. For ratios (``is_ratio``) the
    differences are those of natural logarithms and ``bias`` and limits are given as ratios second / first. None: too few pairs.
    """

    n: int
    is_ratio: bool
    bias: Estimate | None
    spread: Estimate | None
    lower: Estimate | None
    upper: Estimate | None
    concordance: Estimate | None
    correlation: Estimate | None


def agreement(first: npt.ArrayLike, second: npt.ArrayLike) -> Agreement:
    """Bias and 95 % limits of agreement of pairs, in their own unit.

    The limits are bias - 1.96 s and bias + 1.96 s. Intervals are those of Student's t with n - 1 degrees of freedom and the
    variances s^2 / n of the bias and s^2 (1/n + 1.96^2 / (2 (n - 1))) of a limit. They take pairs as independent and
    differences as normal; several lesions of one patient are not quite independent.

    Raises
    ------
    DomainError
        The two have different lengths, or a number is not finite.

    References
    ----------
    Bland JM, Altman DG. Stat Methods Med Res 1999;8:135-160, doi:10.1177/096228029900800204.
    """
    one, other = _pairs(first, second)
    return _agreement(other - one, one, other, is_ratio=False)


def ratio_agreement(first: npt.ArrayLike, second: npt.ArrayLike) -> Agreement:
    """Bias and 95 % limits of agreement of pairs as ratios second / first: the same, on logarithms.

    Right where differences grow with what is measured, as dose differences do.

    Raises
    ------
    DomainError
        As ``agreement``, or a number is not above 0.

    References
    ----------
    Bland JM, Altman DG. Stat Methods Med Res 1999;8:135-160, doi:10.1177/096228029900800204 (section on logarithms).
    """
    one, other = _pairs(first, second)
    if one.size and min(float(one.min()), float(other.min())) <= 0.0:
        raise DomainError("a ratio needs numbers above 0", remedy="leave out pairs without a dose, and say so")
    return _agreement(np.log(other) - np.log(one), np.log(one), np.log(other), is_ratio=True)


def concordance(first: npt.ArrayLike, second: npt.ArrayLike) -> Estimate | None:
    """Lin's concordance correlation coefficient, 2 s12 / (s1^2 + s2^2 + (m1 - m2)^2), moments over n; None below 2 pairs.

    It is Pearson's coefficient times a factor below 1 for a shift or a stretch, so that only equal numbers give 1. The interval
    is that of its inverse hyperbolic tangent, asymptotic, for 4 pairs or more.

    Raises
    ------
    DomainError
        As ``agreement``.

    References
    ----------
    Lin LI. Biometrics 1989;45:255-268, doi:10.2307/2532051; the variance with the correction of Biometrics 2000;56:324-325.

    Examples
    --------
    >>> concordance([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).value
    1.0
    """
    one, other = _pairs(first, second)
    if one.size < 2:
        return None
    shift = float(one.mean() - other.mean())
    spreads = float(one.var() + other.var()) + shift**2
    if spreads <= 0.0:
        return Estimate(1.0)  # all numbers are one number
    found = 2.0 * float(((one - one.mean()) * (other - other.mean())).mean()) / spreads
    r = _pearson(one, other)
    if one.size < 4 or r is None or abs(r) in (0.0, 1.0) or abs(found) >= 1.0 - 1e-12:
        return Estimate(found)
    location = shift**2 / math.sqrt(float(one.var() * other.var()))
    below = 1.0 - found**2
    variance = (
        (1.0 - r**2) * found**2 / (below * r**2)
        + 2.0 * found**3 * (1.0 - found) * location / (r * below**2)
        - found**4 * location**2 / (2.0 * r**2 * below**2)
    ) / (one.size - 2)
    if variance <= 0.0:
        return Estimate(found)
    half = float(special.ndtri(_CONFIDENCE)) * math.sqrt(variance)
    middle = math.atanh(found)
    return Estimate(found, (math.tanh(middle - half), math.tanh(middle + half)))


def _agreement(differences: FloatArray, one: FloatArray, other: FloatArray, *, is_ratio: bool) -> Agreement:
    n = int(differences.size)
    r = _pearson(one, other)
    correlation = None if r is None else Estimate(r, _fisher(r, n))
    shown = math.exp if is_ratio else float
    if n < FEWEST_FOR_LIMITS:
        bias = Estimate(shown(float(differences.mean()))) if n else None
        return Agreement(n, is_ratio, bias, None, None, None, None, None)
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    t = float(special.stdtrit(n - 1, _CONFIDENCE))
    z = float(special.ndtri(_CONFIDENCE))
    of_limit = sd * math.sqrt(1.0 / n + z**2 / (2.0 * (n - 1)))
    high, low = float(special.chdtri(n - 1, 1.0 - _CONFIDENCE)), float(special.chdtri(n - 1, _CONFIDENCE))

    def around(parts: tuple[float, float]) -> Estimate:
        middle, half = parts
        return Estimate(shown(middle), (shown(middle - half), shown(middle + half)))

    return Agreement(
        n,
        is_ratio,
        bias=around((mean, t * sd / math.sqrt(n))),
        spread=Estimate(sd, (sd * math.sqrt((n - 1) / high), sd * math.sqrt((n - 1) / low))),
        lower=around((mean - z * sd, t * of_limit)),
        upper=around((mean + z * sd, t * of_limit)),
        concordance=concordance(one, other),
        correlation=correlation,
    )


def _pairs(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    one, other = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    if one.size != other.size:
        raise DomainError(f"{one.size} numbers cannot be paired with {other.size}", remedy="give pairs")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise DomainError("pairs must be finite numbers", remedy="leave out pairs of which one is missing")
    return one, other


def _pearson(one: FloatArray, other: FloatArray) -> float | None:
    """Pearson's coefficient; None where one of the two does not vary."""
    if one.size < 2:
        return None
    centred, beside = one - one.mean(), other - other.mean()
    scale = math.sqrt(float((centred**2).sum() * (beside**2).sum()))
    if scale <= 0.0:
        return None
    return min(1.0, max(-1.0, float((centred * beside).sum()) / scale))


def _fisher(correlation: float, n: int) -> tuple[float, float] | None:
    """95 % interval of a correlation, by Fisher's transformation; None below 4 pairs or where it is 1."""
    if n < 4 or abs(correlation) >= 1.0 - 1e-15:
        return None
    half = float(special.ndtri(_CONFIDENCE)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(correlation) - half), math.tanh(math.atanh(correlation) + half)
