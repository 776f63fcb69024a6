"""Comparisons between groups: Mann-Whitney, Kruskal-Wallis and the Cochran-Armitage trend, each with its convention."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.samples import FloatArray, IntArray, finite_sample, same_length

__all__ = ["KruskalWallis", "MannWhitney", "TrendTest", "cochran_armitage", "kruskal_wallis", "mann_whitney"]

# As R's wilcox.test: below this size in both groups, and without ties, p is exact.
EXACT_BELOW = 50
# Above this many steps of enumeration the exact trend test is left out; the normal approximation is good there.
TREND_STEPS = 500_000


@dataclass(frozen=True)
class MannWhitney:
    """Two-sided rank-sum test; ``u`` counts the pairs in which the first group is higher, ties half (R's W)."""

    u: float
    p: float
    method: Literal["exact", "asymptotic"]
    n: tuple[int, int]


@dataclass(frozen=True)
class KruskalWallis:
    """Rank test of several groups, corrected for ties, against the chi-squared distribution."""

    h: float
    df: int
    p: float


@dataclass(frozen=True)
class TrendTest:
    """Trend of proportions over ordered groups; ``z`` is positive where the proportion rises with the score."""

    chi2: float
    z: float
    p: float
    exact_p: float


def _midranks(pooled: FloatArray) -> tuple[FloatArray, IntArray]:
    """Ranks from 1, ties sharing their mean, and the sizes of the tied sets."""
    _, inverse, sizes = np.unique(pooled, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2.0
    return ranks[inverse], sizes.astype(np.int64)


def _tie_sum(sizes: IntArray) -> float:
    counted = sizes.astype(np.float64)
    return float((counted**3 - counted).sum())


def mann_whitney(a: ArrayLike, b: ArrayLike) -> MannWhitney:
    """Two-sided Mann-Whitney test (Wilcoxon rank-sum test) of two groups.

    Raises
    ------
    DomainError
        A group is empty, or holds a value that is missing or infinite.
    EstimationError
        All values of both groups are equal.

    Notes
    -----
    As R's ``wilcox.test``: exact where no values are tied and both groups have fewer than 50 members (twice the smaller
    tail of the permutation distribution of U, at most 1), else the normal approximation with continuity correction 0.5
    and variance corrected for ties. Mann and Whitney 1947, doi:10.1214/aoms/1177730491.

    Examples
    --------
    >>> mann_whitney([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    MannWhitney(u=0.0, p=0.1, method='exact', n=(3, 3))
    """
    first, second = finite_sample(a, "a"), finite_sample(b, "b")
    m, n = first.size, second.size
    ranks, ties = _midranks(np.concatenate((first, second)))
    u = float(ranks[:m].sum()) - m * (m + 1) / 2
    if ties.size == m + n and max(m, n) < EXACT_BELOW:
        smaller = int(min(u, m * n - u))
        p = min(1.0, 2.0 * float(_rank_sum_probabilities(m, n)[: smaller + 1].sum()))
        return MannWhitney(u, p, "exact", (m, n))
    if ties.size == 1:
        raise EstimationError("all values of both groups are equal", where="a and b", remedy="there is nothing to rank")
    total = m + n
    sigma = math.sqrt(m * n / 12.0 * ((total + 1) - _tie_sum(ties) / (total * (total - 1))))
    distance = max(0.0, abs(u - m * n / 2) - 0.5)
    return MannWhitney(u, min(1.0, float(2.0 * ndtr(-distance / sigma))), "asymptotic", (m, n))


def _rank_sum_probabilities(m: int, n: int) -> FloatArray:
    """Probabilities of U = 0 ... m n without ties: ways to choose the first group's ranks, by its size and rank sum."""
    ways = np.zeros((m + 1, m * n + 1))
    ways[0, 0] = 1.0
    for rank in range(1, m + n + 1):
        for size in range(min(rank, m), 0, -1):
            # U grows by the number of second-group members below: rank less the first-group members so far.
            shift = rank - size
            if shift <= n:
                ways[size, shift:] += ways[size - 1, : m * n + 1 - shift]
    probabilities: FloatArray = ways[m] / float(ways[m].sum())
    return probabilities


def kruskal_wallis(groups: Sequence[ArrayLike]) -> KruskalWallis:
    """Kruskal-Wallis test of two or more groups.

    Raises DomainError for fewer than two groups, an empty group or values that are missing or infinite, and EstimationError
    where all values are equal. Kruskal and Wallis 1952, doi:10.1080/01621459.1952.10483441; as R's ``kruskal.test``.
    """
    samples = [finite_sample(values, f"group {number}") for number, values in enumerate(groups, start=1)]
    if len(samples) < 2:
        raise DomainError(f"{len(samples)} group(s) given", where="groups", remedy="give two or more")
    pooled = np.concatenate(samples)
    ranks, ties = _midranks(pooled)
    if ties.size == 1:
        raise EstimationError("all values of all groups are equal", where="groups", remedy="there is nothing to rank")
    total = pooled.size
    bounds = np.cumsum([0] + [sample.size for sample in samples])
    sums = np.add.reduceat(ranks, bounds[:-1])
    h = 12.0 * float((sums**2 / np.diff(bounds)).sum()) / (total * (total + 1)) - 3.0 * (total + 1)
    h = max(0.0, h / (1.0 - _tie_sum(ties) / (float(total) ** 3 - total)))
    df = len(samples) - 1
    return KruskalWallis(h, df, float(chdtrc(df, h)))


def cochran_armitage(successes: ArrayLike, totals: ArrayLike, *, scores: ArrayLike | None = None) -> TrendTest:
    """Cochran-Armitage test for a linear trend of proportions over ordered groups.

    Parameters
    ----------
    successes, totals
        Counts of each of the k groups.
    scores
        Positions of the groups; 1 ... k when not given.

    Raises
    ------
    DomainError
        Counts that are no counts, more successes than subjects, fewer than two groups.
    EstimationError
        Nobody or everybody succeeds, or all subjects have one score: there is no trend to test.

    Notes
    -----
    T = sum s_i x_i; z = (T - E T) / sqrt(V) with the variance p (1 - p) (sum n_i s_i^2 - (sum n_i s_i)^2 / N) of R's
    ``prop.trend.test`` (Armitage 1955, doi:10.2307/3001775), two-sided.

    ``exact_p`` is the probability, over all tables with these group sizes and this number of successes (multivariate
    hypergeometric), of a T at least as far from its mean as the one observed; enumerated in integers, scores taken as the
    decimals that they print as. It is nan where the enumeration would take more than half a million steps.

    Examples
    --------
    >>> trend = cochran_armitage([1, 3, 5], [5, 5, 5])
    >>> f"{trend.chi2:.4f} {trend.p:.4f} {trend.exact_p:.4f}"
    '6.6667 0.0098 0.0240'
    """
    hits, sizes = finite_sample(successes, "successes"), finite_sample(totals, "totals")
    same_length(hits, sizes, "successes and totals")
    if hits.size < 2:
        raise DomainError("a trend needs two or more groups", where="totals")
    for name, counts in (("successes", hits), ("totals", sizes)):
        if (counts < 0).any() or (counts != np.floor(counts)).any():
            raise DomainError(f"{name} must be counts", where=name)
    if (hits > sizes).any():
        raise DomainError("a group has more successes than subjects", where="successes")
    positions = np.arange(1.0, hits.size + 1) if scores is None else finite_sample(scores, "scores")
    same_length(positions, sizes, "scores and totals")
    if hits.sum() in (0.0, sizes.sum()):
        raise EstimationError("nobody or everybody succeeds", where="successes", remedy="there is no trend to test")
    if np.unique(positions[sizes > 0]).size < 2:
        raise EstimationError("all subjects have one score", where="scores", remedy="there is no trend to test")
    # Fractions, because a T at its mean must give 0 and not what rounding leaves of it.
    return _trend([int(x) for x in hits], [int(n) for n in sizes], [Fraction(repr(float(s))) for s in positions])


def _trend(hits: list[int], sizes: list[int], positions: list[Fraction]) -> TrendTest:
    total, successes = sum(sizes), sum(hits)
    rate = Fraction(successes, total)
    moment = sum((n * s for n, s in zip(sizes, positions, strict=True)), Fraction(0))
    spread = sum((n * s * s for n, s in zip(sizes, positions, strict=True)), Fraction(0)) - moment * moment / total
    distance = sum((x * s for x, s in zip(hits, positions, strict=True)), Fraction(0)) - rate * moment
    chi2 = float(distance * distance / (rate * (1 - rate) * spread))
    z = math.copysign(math.sqrt(chi2), distance)
    return TrendTest(chi2, z, float(2.0 * ndtr(-abs(z))), _exact_trend(hits, sizes, positions))


def _exact_trend(hits: list[int], sizes: list[int], positions: list[Fraction]) -> float:
    """Probability of a trend statistic at least as far from its mean, by convolution over the groups."""
    denominator = math.lcm(*(position.denominator for position in positions))
    scores = [int((position - min(positions)) * denominator) for position in positions]
    successes, total = sum(hits), sum(sizes)
    if _trend_steps(sizes, successes, max(scores)) > TREND_STEPS:
        return math.nan
    # (successes so far, statistic so far) -> number of ways
    ways: dict[tuple[int, int], int] = {(0, 0): 1}
    remaining = total
    for size, score in zip(sizes, scores, strict=True):
        remaining -= size
        following: defaultdict[tuple[int, int], int] = defaultdict(int)
        choices = [math.comb(size, x) for x in range(min(size, successes) + 1)]
        for (so_far, statistic), count in ways.items():
            for x in range(max(0, successes - so_far - remaining), min(size, successes - so_far) + 1):
                following[so_far + x, statistic + score * x] += count * choices[x]
        ways = following
    mean = successes * sum(size * score for size, score in zip(sizes, scores, strict=True))
    observed = abs(total * sum(x * score for x, score in zip(hits, scores, strict=True)) - mean)
    extreme = sum(count for (_, statistic), count in ways.items() if abs(total * statistic - mean) >= observed)
    return extreme / math.comb(total, successes)


def _trend_steps(sizes: list[int], successes: int, widest: int) -> int:
    """Upper bound of the steps of the enumeration: states so far times choices, summed over the groups."""
    distinct = (successes + 1) * (successes * widest + 1)
    steps, states = 0, 1
    for size in sizes:
        choices = min(size, successes) + 1
        steps += states * choices
        states = min(states * choices, distinct)
    return steps
