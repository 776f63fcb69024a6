"""Rank tests and the trend of proportions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.groups import cochran_armitage, kruskal_wallis, mann_whitney

values = st.lists(st.integers(0, 12), min_size=1, max_size=20)
distinct = st.lists(st.integers(0, 1000), min_size=2, max_size=24, unique=True)


@given(distinct, st.data())
def test_exact_rank_sum_is_scipys(pooled, data):
    split = data.draw(st.integers(1, len(pooled) - 1))
    a, b = pooled[:split], pooled[split:]
    ours = mann_whitney(a, b)
    theirs = scipy_stats.mannwhitneyu(a, b, method="exact")
    assert ours.method == "exact"
    assert (ours.u, ours.p) == (theirs.statistic, pytest.approx(theirs.pvalue, rel=1e-10))


def test_exact_rank_sum_by_all_arrangements():
    a, b = [1.0, 4.0, 7.0], [2.0, 3.0, 5.0, 6.0]
    us = [sum(x > y for x in chosen for y in set(a + b) - set(chosen)) for chosen in itertools.combinations(a + b, 3)]
    observed = mann_whitney(a, b)
    assert observed.u == 6
    assert observed.p == min(1.0, 2 * sum(u <= 6 for u in us) / len(us))


@given(values, values)
def test_ranks_do_not_see_a_rising_transform_and_mirror_on_swapping(a, b):
    if len({*a, *b}) == 1:
        with pytest.raises(EstimationError, match="all values of both groups are equal"):
            mann_whitney(a, b)
        return
    test, swapped = mann_whitney(a, b), mann_whitney(b, a)
    assert mann_whitney(np.exp(a), np.exp(b)) == test
    assert swapped.u == len(a) * len(b) - test.u
    assert swapped.p == pytest.approx(test.p, rel=1e-12)
    assert 0.0 < test.p <= 1.0


@given(values, values)
def test_two_groups_by_kruskal_wallis_are_mann_whitney_without_continuity(a, b):
    if len({*a, *b}) == 1:
        return
    expected = scipy_stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False).pvalue
    test = kruskal_wallis([a, b])
    assert (test.df, test.p) == (1, pytest.approx(expected, rel=1e-7, abs=1e-12))


@given(st.lists(values, min_size=2, max_size=5))
def test_kruskal_wallis_is_scipys_in_any_order_of_groups(groups):
    if len(set(itertools.chain(*groups))) == 1:
        return
    expected = scipy_stats.kruskal(*groups)
    test = kruskal_wallis(groups)
    assert (test.h, test.p) == (pytest.approx(expected.statistic, abs=1e-9), pytest.approx(expected.pvalue, rel=1e-8))
    assert kruskal_wallis(groups[::-1]).h == pytest.approx(test.h, abs=1e-9)


tables = st.lists(
    st.integers(0, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=4
).filter(lambda rows: 0 < sum(x for x, _ in rows) < sum(n for _, n in rows) and sum(n > 0 for _, n in rows) > 1)


@given(tables)
def test_trend_is_the_correlation_of_score_and_success(rows):
    hits, sizes = (list(column) for column in zip(*rows, strict=True))
    test = cochran_armitage(hits, sizes)
    position = np.repeat(np.arange(len(sizes)), sizes)
    success = np.concatenate([np.repeat([1, 0], [x, n - x]) for x, n in rows])
    # chi2 = N r^2
    correlation = np.corrcoef(position, success)[0, 1]
    assert test.chi2 == pytest.approx(position.size * correlation**2, abs=1e-9)
    assert math.copysign(1.0, test.z) == math.copysign(1.0, correlation) or abs(correlation) < 1e-12
    assert 0.0 < test.exact_p <= 1.0


@given(tables, st.floats(0.5, 3.0), st.integers(-4, 4))
def test_trend_does_not_see_the_unit_of_the_scores(rows, scale, shift):
    hits, sizes = (list(column) for column in zip(*rows, strict=True))
    plain = cochran_armitage(hits, sizes)
    scale = round(scale, 2)
    moved = cochran_armitage(hits, sizes, scores=[round(scale * k + shift, 2) for k in range(len(sizes))])
    mirrored = cochran_armitage(hits[::-1], sizes[::-1])
    assert (moved.chi2, moved.exact_p) == (pytest.approx(plain.chi2), pytest.approx(plain.exact_p))
    assert (mirrored.z, mirrored.exact_p) == (pytest.approx(-plain.z), pytest.approx(plain.exact_p))


def test_exact_trend_of_two_groups_is_a_permutation_of_labels():
    # With two groups the statistic is the count of the second: a hypergeometric tail on both sides.
    test = cochran_armitage([1, 5], [6, 7])
    law = scipy_stats.hypergeom(13, 6, 7)
    far = abs(5 - 6 * 7 / 13) - 1e-12
    assert test.exact_p == pytest.approx(sum(law.pmf(k) for k in range(8) if abs(k - 6 * 7 / 13) >= far))


def test_exact_trend_is_left_out_where_it_would_take_long():
    test = cochran_armitage([3000, 3100, 3300], [6000, 6000, 6000])
    assert math.isnan(test.exact_p)
    assert test.p < 1e-6


@pytest.mark.parametrize(
    ("hits", "sizes", "scores", "error", "text"),
    [
        ([1, 2], [3, 3, 3], None, DomainError, "successes and totals differ in length"),
        ([1], [3], None, DomainError, "two or more groups"),
        ([1, 4], [3, 3], None, DomainError, "more successes than subjects"),
        ([0.5, 1], [3, 3], None, DomainError, "successes must be counts"),
        ([1, 1], [-3, 3], None, DomainError, "totals must be counts"),
        ([1, 1], [3, 3], [1], DomainError, "scores and totals differ in length"),
        ([0, 0], [3, 3], None, EstimationError, "nobody or everybody"),
        ([3, 3], [3, 3], None, EstimationError, "nobody or everybody"),
        ([1, 0], [3, 0], None, EstimationError, "all subjects have one score"),
        ([1, 2], [3, 3], [2, 2], EstimationError, "all subjects have one score"),
    ],
)
def test_wrong_trend_is_told(hits, sizes, scores, error, text):
    with pytest.raises(error, match=text):
        cochran_armitage(hits, sizes, scores=scores)


def test_wrong_groups_are_told():
    with pytest.raises(DomainError, match="b is empty"):
        mann_whitney([1.0], [])
    with pytest.raises(DomainError, match="group 2 holds 1 value"):
        kruskal_wallis([[1.0], [math.nan]])
    with pytest.raises(DomainError, match="1 group"):
        kruskal_wallis([[1.0, 2.0]])
    with pytest.raises(EstimationError, match="all values of all groups are equal"):
        kruskal_wallis([[1.0, 1.0], [1.0]])
