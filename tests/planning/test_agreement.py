"""Agreement: the published peak-flow example, closed forms, coverage, and what too few pairs give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError
from ytterby.planning.agreement import agreement, concordance, ratio_agreement

# Bland and Altman 1986, Lancet 327:307-310, doi:10.1016/S0140-6736(86)90837-8, Table 1: first readings of peak expiratory flow
# (L/min) of 17 subjects by the large and the mini Wright meter.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_the_published_example() -> None:
    found = agreement(MINI, LARGE)  # large - mini, as published
    assert found.n == 17
    assert found.bias is not None
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.spread is not None
    assert found.spread.value == pytest.approx(38.8, abs=0.05)
    # Published interval of the bias: -22.0 to 17.8, from t = 2.12 and a standard error of 9.4.
    assert found.bias.interval == pytest.approx((-22.0, 17.8), abs=0.15)
    # Published with 2 s: -79.7 and 75.5; 1.96 s makes them 1.55 narrower.
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower.value == pytest.approx(-79.7 + 0.04 * 38.8, abs=0.1)
    assert found.upper.value == pytest.approx(75.5 - 0.04 * 38.8, abs=0.1)
    # Published standard error of a limit: 16.3 by s sqrt(3 / n); the form of 1999 gives 16.4.
    assert found.lower.interval is not None
    half = (found.lower.interval[1] - found.lower.interval[0]) / 2
    assert half / 2.12 == pytest.approx(16.3, abs=0.15)
    assert found.correlation is not None
    assert found.correlation.value == pytest.approx(0.94, abs=0.005)


def test_concordance_is_lins_closed_form() -> None:
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 3.0, 4.0, 5.0])
    found = concordance(first, second)
    assert found is not None
    # A shift of 1 on a variance of 1.25: 2 * 1.25 / (1.25 + 1.25 + 1).
    assert found.value == pytest.approx(2.5 / 3.5)
    stretched = concordance(first, 2 * first)
    assert stretched is not None
    # s12 = 2.5, s1^2 = 1.25, s2^2 = 5, shift 2.5.
    assert stretched.value == pytest.approx(5.0 / (6.25 + 6.25))


def test_a_line_that_is_not_the_diagonal_correlates_and_does_not_concord() -> None:
    doses = np.linspace(50.0, 400.0, 8)
    found = agreement(doses, 0.5 * doses)
    assert found.correlation is not None
    assert found.concordance is not None
    assert found.correlation.value == pytest.approx(1.0)
    assert found.concordance.value < 0.6


def test_equal_pairs_agree_perfectly() -> None:
    doses = [120.0, 80.0, 310.0, 45.0]
    for found in (agreement(doses, doses), ratio_agreement(doses, doses)):
        same = 1.0 if found.is_ratio else 0.0
        for estimate in (found.bias, found.lower, found.upper):
            assert estimate is not None
            assert estimate.value == same
            assert estimate.interval == (same, same)
        assert found.concordance is not None
        assert found.concordance.value == pytest.approx(1.0)


@given(st.floats(0.2, 5.0), st.integers(3, 12))
def test_a_constant_ratio_is_found_with_limits_that_do_not_spread(ratio: float, n: int) -> None:
    doses = np.linspace(40.0, 500.0, n)
    found = ratio_agreement(doses, ratio * doses)
    for estimate in (found.bias, found.lower, found.upper):
        assert estimate is not None
        assert estimate.value == pytest.approx(ratio, rel=1e-9)


def test_the_ratio_turns_over_with_the_order() -> None:
    rng = np.random.default_rng(8)
    one, other = rng.gamma(4.0, 50.0, 9), rng.gamma(4.0, 60.0, 9)
    there, back = ratio_agreement(one, other), ratio_agreement(other, one)
    assert there.bias is not None
    assert back.bias is not None
    assert there.lower is not None
    assert back.upper is not None
    assert there.bias.value == pytest.approx(1.0 / back.bias.value)
    assert there.lower.value == pytest.approx(1.0 / back.upper.value)


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(20240621)
    held = {"bias": 0, "lower": 0, "concordance": 0}
    runs, n = 1500, 20
    # Truths of the simulated pairs: bias 10, standard deviation 20 of the differences, on doses with one of 80.
    true_concordance = 2 * 80.0**2 / (80.0**2 + (80.0**2 + 20.0**2) + 10.0**2)
    for _ in range(runs):
        one = rng.normal(200.0, 80.0, n)
        found = agreement(one, one + rng.normal(10.0, 20.0, n))
        truths = {"bias": 10.0, "lower": 10.0 - 1.959964 * 20.0, "concordance": true_concordance}
        for name, truth in truths.items():
            interval = getattr(found, name).interval
            held[name] += interval[0] <= truth <= interval[1]
    assert held["bias"] / runs == pytest.approx(0.95, abs=0.017)
    assert held["lower"] / runs == pytest.approx(0.95, abs=0.02)  # an approximation: Bland and Altman say so
    assert held["concordance"] / runs == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_pairs_have_no_limits(n: int) -> None:
    found = agreement([100.0, 50.0][:n], [110.0, 70.0][:n])
    assert (found.n, found.lower, found.upper, found.spread) == (n, None, None, None)
    assert (found.bias is None) == (n == 0)
    if found.bias is not None:
        assert found.bias.value == {1: 10.0, 2: 15.0}[n]
        assert found.bias.interval is None


def test_what_is_refused() -> None:
    with pytest.raises(DomainError, match="2 numbers cannot be paired with 1"):
        agreement([1.0, 2.0], [1.0])
    with pytest.raises(DomainError, match="finite"):
        agreement([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(DomainError, match="above 0"):
        ratio_agreement([1.0, 0.0], [1.0, 2.0])
