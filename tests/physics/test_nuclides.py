"""Decay and energy constants against the reference table (physics.md, section 1)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError
from ytterby.physics.nuclides import (
    ENERGY_CONSTANTS,
    HO166,
    ICRP107,
    NUCLIDES,
    TC99M,
    Y90,
    decay_factor,
    decays_per_gbq,
    energy_j_per_gbq,
)

# physics.md section 1, oracle 1a: days 0 to 12 at 64.1 h.
DAILY = (
    *(1, 0.771418, 0.595086, 0.459060, 0.354127, 0.273180, 0.210736),
    *(0.162566, 0.125406, 0.096741, 0.074627, 0.057569, 0.044410),
)


@pytest.mark.parametrize(("day", "factor"), list(enumerate(DAILY)))
def test_daily_decay_of_yttrium(day, factor):
    assert round(decay_factor(24.0 * day, half_life_hours=Y90.half_life_hours), 6) == factor


def test_published_loss_between_measurement_and_injection():
    # physics.md section 1, oracle 1b: Hoang et al., median 2.20 h, 2.35 % lost.
    factor = decay_factor(2.2, half_life_hours=64.1)
    assert round(factor, 5) == 0.97649
    assert round(100 * (1 - factor), 2) == 2.35


@pytest.mark.parametrize(("hours", "factor"), [(1, 0.89116), (2, 0.79416), (6, 0.50087)])
def test_decay_of_technetium(hours, factor):
    # physics.md section 1, oracle 1c.
    assert round(decay_factor(hours, half_life_hours=TC99M.half_life_hours), 5) == factor


def test_half_life_spread_matters():
    # physics.md section 1: at 11 d the 64.1 against 64.2 h ratio is 1.0045.
    ratio = decay_factor(264, half_life_hours=64.2) / decay_factor(264, half_life_hours=64.1)
    assert round(ratio, 4) == 1.0045


@pytest.mark.parametrize(
    ("half_life_hours", "mev", "constant", "digits"),
    [
        # physics.md section 1, table of K.
        (64.1, 0.93290, 49.7600, 4),
        (64.1, 0.93311, 49.7712, 4),
        (64.1, 0.9336, 49.7974, 4),
        (64.0, 0.9327, 49.6717, 4),
        (64.04, 0.9267, 49.3831, 4),
        (64.2, 0.94, 50.217, 3),
        (64.1, 0.9367, 49.963, 3),
    ],
)
def test_energy_constant_from_half_life_and_energy(half_life_hours, mev, constant, digits):
    nuclide = replace(Y90, half_life_hours=half_life_hours, energy_per_decay_mev=mev)
    assert round(energy_j_per_gbq(nuclide), digits) == constant


def test_decays_of_one_gigabecquerel():
    assert float(f"{decays_per_gbq(64.1):.5e}") == 3.32916e14  # physics.md section 1


def test_named_constants_spread_by_little_over_one_percent():
    values = sorted(constant.energy_j_per_gbq for constant in ENERGY_CONSTANTS.values())
    assert values[:2] == [49.38, 49.67]
    assert values[3] == 50.0
    assert round(ICRP107.energy_j_per_gbq, 2) == 49.76
    assert 0.012 < values[-1] / values[0] - 1 < 0.013
    assert all(constant.source for constant in ENERGY_CONSTANTS.values())


def test_half_lives():
    assert {name: nuclide.half_life_hours for name, nuclide in NUCLIDES.items()} == {
        "Y-90": 64.1,
        "Tc-99m": 6.015,
        "Ho-166": 26.80,
    }
    assert HO166.source


@given(st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_decay_composes(first, second):
    both = decay_factor(first, half_life_hours=64.1) * decay_factor(second, half_life_hours=64.1)
    assert math.isclose(decay_factor(first + second, half_life_hours=64.1), both, rel_tol=1e-12)


@pytest.mark.parametrize(("hours", "half_life"), [(math.nan, 64.1), (1, 0), (1, -2), (math.inf, 64.1), (-1e6, 64.1)])
def test_decay_of_nonsense_is_refused(hours, half_life):
    with pytest.raises(DomainError):
        decay_factor(hours, half_life_hours=half_life)
