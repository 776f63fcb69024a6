"""BED, EQD2 and equivalent uniform dose: worked numbers, closed forms, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from ytterby.dosimetry.radiobiology import (
    bed_gy,
    eqd2_gy,
    eud_gy,
    geud_gy,
    mean_bed_gy,
    repair_share,
    sessions_bed_gy,
)
from ytterby.errors import DomainError, SegmentError

LIVER = {"alpha_beta_gy": 2.5, "repair_half_life_hours": 2.5, "half_life_hours": 64.1}
TUMOUR = {"alpha_beta_gy": 10.0, "repair_half_life_hours": 1.5, "half_life_hours": 64.1}


@pytest.mark.parametrize(("hours", "share"), [(1.5, 0.022866), (2.5, 0.037538)])
def test_worked_repair_share(hours, share):
    assert round(repair_share(repair_half_life_hours=hours, half_life_hours=64.1), 6) == share  # physics.md section 5


@pytest.mark.parametrize(
    ("dose", "tissue", "bed"),
    [(100, LIVER, 250.1502), (40, LIVER, 64.0240), (120, LIVER, 336.2162), (200, TUMOUR, 291.4634)],
)
def test_worked_bed(dose, tissue, bed):
    assert round(bed_gy(dose, **tissue), 4) == bed  # physics.md section 5, oracle


def test_trap_liver_with_the_tumours_parameters():
    # TRAP, physics.md section 5: public code uses alpha/beta 10 for both tissues and swaps the repair times.
    assert bed_gy(100.0, **LIVER) > 1.8 * bed_gy(
        100.0, alpha_beta_gy=10, repair_half_life_hours=1.5, half_life_hours=64.1
    )


def test_trap_repair_times_swapped():
    # The same code: 2.5 h for the tumour and 1.5 h for liver make the tumour's BED too high and the liver's too low.
    tumour = bed_gy(200.0, alpha_beta_gy=10.0, repair_half_life_hours=2.5, half_life_hours=64.1)
    liver = bed_gy(40.0, alpha_beta_gy=10.0, repair_half_life_hours=1.5, half_life_hours=64.1)
    assert round(tumour, 2) == 350.15
    assert tumour > 1.2 * bed_gy(200.0, **TUMOUR)
    assert liver < 0.7 * bed_gy(40.0, **LIVER)


def test_arrays_keep_their_shape():
    doses = np.array([[0.0, 40.0], [100.0, 120.0]])
    np.testing.assert_allclose(bed_gy(doses, **LIVER), [[0, 64.0240], [250.1502, 336.2162]], atol=5e-5)
    assert isinstance(bed_gy(100.0, **LIVER), float)


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=30))
def test_mean_bed_is_at_least_the_bed_of_the_mean(doses):
    samples = np.array(doses)
    assert mean_bed_gy(samples, **LIVER) >= bed_gy(float(samples.mean()), **LIVER) * (1 - 1e-9)


def test_mean_bed_is_not_the_bed_of_the_mean_dose():
    # By hand: (0 + 100 + 100^2 x 0.0150150) / 2, against 50 + 50^2 x 0.0150150.
    assert mean_bed_gy(np.array([0.0, 100.0]), **LIVER) == pytest.approx(250.1502 / 2, abs=1e-4)
    assert bed_gy(50.0, **LIVER) == pytest.approx(87.5375, abs=1e-4)


def test_two_sessions_do_less_than_one_of_the_summed_dose():
    assert 2 * bed_gy(60.0, **LIVER) < bed_gy(120.0, **LIVER)


@pytest.mark.parametrize("dose", [-1.0, math.nan, np.array([1.0, -1.0]), np.array([np.inf]), 1e300])
def test_doses_out_of_range_are_refused(dose):
    with pytest.raises(DomainError, match="dose"):
        bed_gy(dose, **LIVER)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(DomainError, match="alpha_beta_gy"):
        bed_gy(1.0, **LIVER | {"alpha_beta_gy": 0})
    with pytest.raises(SegmentError):
        mean_bed_gy(np.array([]), **LIVER)


def test_sessions_are_summed_after_their_bed():
    first, second = np.array([[40.0, 0.0]]), np.array([[100.0, 120.0]])
    liver = {"alpha_beta_gy": 2.5, "repair_half_life_hours": 2.5}
    bed = sessions_bed_gy([first, second], half_life_hours=[64.1, 64.1], **liver)
    # physics.md section 5, oracle: 64.0240 + 250.1502 and 336.2162.
    np.testing.assert_allclose(bed, [[314.1742, 336.2162]], atol=1e-4)
    # The BED of the summed dose is more by 2 G D1 D2 / (alpha/beta).
    excess = bed_gy(140.0, half_life_hours=64.1, **liver) - bed[0, 0]
    assert excess == pytest.approx(2 * (2.5 / 66.6) * 40 * 100 / 2.5)


def test_one_session_is_its_own_bed():
    doses = np.array([0.0, 40.0, 120.0])
    alone = sessions_bed_gy([doses], alpha_beta_gy=2.5, repair_half_life_hours=2.5, half_life_hours=[64.1])
    np.testing.assert_array_equal(alone, bed_gy(doses, **LIVER))


def test_sessions_may_have_nuclides_of_their_own():
    # Repair matters more in 26.8 h (166Ho) than in 64.1 h (90Y).
    dose = np.array([60.0])
    liver = {"alpha_beta_gy": 2.5, "repair_half_life_hours": 2.5}
    both = sessions_bed_gy([dose, dose], half_life_hours=[64.1, 26.8], **liver)
    assert both[0] == pytest.approx(
        bed_gy(60.0, half_life_hours=64.1, **liver) + bed_gy(60.0, half_life_hours=26.8, **liver)
    )
    assert both[0] > 2 * bed_gy(60.0, half_life_hours=64.1, **liver)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=20))
def test_the_sum_of_the_sessions_is_never_above_the_bed_of_the_sum(doses):
    pairs = np.array(doses)
    apart = sessions_bed_gy(
        [pairs[:, 0], pairs[:, 1]], alpha_beta_gy=2.5, repair_half_life_hours=2.5, half_life_hours=[64.1, 64.1]
    )
    together = bed_gy(pairs.sum(axis=1), **LIVER)
    assert np.all(apart <= together * (1 + 1e-12))
    assert np.all(apart >= pairs.sum(axis=1) * (1 - 1e-12))


@pytest.mark.parametrize(
    ("doses", "half_lives"), [([], []), ([np.ones(2)], []), ([np.ones(2), np.ones(3)], [64.1, 64.1])]
)
def test_sessions_that_do_not_fit_are_refused(doses, half_lives):
    with pytest.raises(DomainError, match="sessions"):
        sessions_bed_gy(doses, alpha_beta_gy=2.5, repair_half_life_hours=2.5, half_life_hours=half_lives)


@pytest.mark.parametrize("fractions", [1, 5, 30])
def test_eqd2_of_2_gy_fractions_is_their_dose(fractions):
    # BED of n fractions of d (full repair between them, Fowler 1989): n d (1 + d / (alpha/beta)).
    bed = fractions * 2.0 * (1 + 2.0 / 3.0)
    assert eqd2_gy(bed, 3.0) == pytest.approx(2.0 * fractions)


def test_worked_eqd2():
    assert round(eqd2_gy(250.1502, 2.5), 4) == 138.9723  # by hand: 250.1502 / 1.8
    np.testing.assert_allclose(eqd2_gy(np.array([[0.0, 291.4634]]), 10.0), [[0.0, 242.8862]], atol=5e-5)
    with pytest.raises(DomainError, match="alpha_beta_gy"):
        eqd2_gy(1.0, 0.0)
    with pytest.raises(DomainError, match="bed_gy"):
        eqd2_gy(-1.0, 2.5)


def test_worked_eud():
    assert round(eud_gy(np.array([100.0, 200.0, 300.0]), alpha_per_gy=0.002), 4) == 193.3554  # physics.md section 5


@given(st.lists(st.floats(0, 5000), min_size=1, max_size=30), st.floats(1e-4, 2.0))
def test_eud_lies_between_the_least_dose_and_the_mean(doses, alpha):
    samples = np.array(doses)
    eud = eud_gy(samples, alpha_per_gy=alpha)
    assert samples.min() * (1 - 1e-12) - 1e-9 <= eud <= samples.mean() * (1 + 1e-12) + 1e-9


@pytest.mark.parametrize("alpha", [1e-4, 0.002, 0.35])
@pytest.mark.parametrize("dose", [0.0, 37.0, 5000.0])
def test_a_uniform_dose_is_its_own_equivalent(dose, alpha):
    # 5000 Gy at 0.35/Gy: exp(-1750) is 0 in float64.
    assert eud_gy(np.full(11, dose), alpha_per_gy=alpha) == pytest.approx(dose, abs=1e-9)
    assert geud_gy(np.full(11, dose), exponent=-10.0) == pytest.approx(dose)
    assert geud_gy(np.full(11, dose), exponent=100.0) == pytest.approx(dose)


def test_eud_of_a_gaussian_spread():
    # Closed form for a normal distribution of doses: mean - alpha var / 2.
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    doses = 200.0 + 20.0 * ndtri(quantiles)
    assert eud_gy(doses, alpha_per_gy=0.01) == pytest.approx(200.0 - 0.01 * 400.0 / 2, abs=2e-3)


def test_volumes_weigh_the_samples():
    doses, repeated = np.array([50.0, 150.0]), np.array([50.0, 50.0, 50.0, 150.0])
    assert eud_gy(doses, np.array([3.0, 1.0]), alpha_per_gy=0.01) == pytest.approx(eud_gy(repeated, alpha_per_gy=0.01))
    assert geud_gy(doses, np.array([3.0, 1.0]), exponent=4.0) == pytest.approx(geud_gy(repeated, exponent=4.0))
    # A sample without volume does not count, however cold.
    assert eud_gy(np.array([0.0, 80.0]), np.array([0.0, 1.0]), alpha_per_gy=1.0) == pytest.approx(80.0)
    assert geud_gy(np.array([0.0, 80.0]), np.array([0.0, 1.0]), exponent=-1.0) == pytest.approx(80.0)


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=30))
def test_geud_rises_with_its_exponent_from_the_least_to_the_greatest_dose(doses):
    samples = np.array(doses)
    figures = [geud_gy(samples, exponent=a) for a in (-1000.0, -10.0, -1.0, 1.0, 2.0, 10.0, 1000.0)]
    assert np.all(np.diff(figures) >= -1e-9 * samples.max())
    assert figures[3] == pytest.approx(samples.mean())
    assert samples.min() <= figures[0] * (1 + 1e-9)
    assert figures[-1] <= samples.max() * (1 + 1e-9)
    # Harmonic mean.
    assert figures[2] == pytest.approx(samples.size / np.sum(1 / samples))


def test_a_cold_sample_makes_the_geud_of_a_tumour_0():
    assert geud_gy(np.array([0.0, 100.0]), exponent=-10.0) == 0.0
    assert geud_gy(np.array([0.0, 0.0]), exponent=2.0) == 0.0


def test_equivalent_uniform_doses_that_do_not_exist_are_refused():
    with pytest.raises(DomainError, match="alpha_per_gy"):
        eud_gy(np.array([1.0]), alpha_per_gy=0.0)
    with pytest.raises(DomainError, match="exponent"):
        geud_gy(np.array([1.0]), exponent=0.0)
    for figure, parameter in ((eud_gy, {"alpha_per_gy": 0.1}), (geud_gy, {"exponent": 2.0})):
        with pytest.raises(SegmentError):
            figure(np.array([]), **parameter)
        with pytest.raises(SegmentError):
            figure(np.array([1.0]), np.array([0.0]), **parameter)
        with pytest.raises(DomainError, match="volumes"):
            figure(np.array([1.0, 2.0]), np.array([1.0]), **parameter)
        with pytest.raises(DomainError, match="dose"):
            figure(np.array([-1.0]), **parameter)
        with pytest.raises(DomainError, match="volume"):
            figure(np.array([1.0]), np.array([math.nan]), **parameter)
