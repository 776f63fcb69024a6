"""Decay and energy constants against the reference table (physics.md, section 1)."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError
from ytterby.physics.nuclides import (
    ENERGY_CONSTANTS,
    HO166,
    HO166_ENERGY_CONSTANTS,
    HOLMIUM_TRIAL,
    ICRP107,
    ICRP107_HO166,
    JOULE_PER_MEV,
    NUCLIDES,
    TC99M,
    Y90,
    decay_factor,
    decays_per_gbq,
    energy_constant,
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


# tests/oracles/icrp107.py: what two packages hold of ICRP Publication 107.
with (Path(__file__).parents[1] / "oracles" / "icrp107.csv").open(encoding="utf-8", newline="") as _file:
    ICRP = {row["nuclide"]: row for row in csv.DictReader(_file)}


@pytest.mark.parametrize("name", sorted(NUCLIDES))
def test_nuclides_are_those_of_icrp_107(name):
    row, nuclide = ICRP[name], NUCLIDES[name]
    assert nuclide.half_life_hours == float(row["half_life_hours_icrp107_database"])
    assert nuclide.half_life_hours == float(row["half_life_hours_radioactivedecay"])
    for ours, theirs in (
        (nuclide.beta_mev, row["beta_mev"]),
        (nuclide.conversion_electron_mev, row["ie_mev"]),
        (nuclide.auger_electron_mev, row["auger_mev"]),
    ):
        assert ours == pytest.approx(float(theirs), abs=1e-9)


def test_energy_per_decay_is_what_its_source_says():
    assert Y90.energy_per_decay_mev == pytest.approx(Y90.beta_mev, abs=1e-5)
    for nuclide in (TC99M, HO166):
        electrons = nuclide.beta_mev + nuclide.conversion_electron_mev + nuclide.auger_electron_mev
        assert nuclide.energy_per_decay_mev == pytest.approx(electrons, abs=5e-6)
    # physics.md section 1: sum of betas 0.932905, of all charged particles 0.93311 MeV.
    assert round(Y90.beta_mev, 6) == 0.932905
    assert round(Y90.beta_mev + Y90.conversion_electron_mev, 5) == 0.93311
    # 0.02 %, as the source of Y90 says.
    assert round(100 * Y90.conversion_electron_mev / Y90.beta_mev, 2) == 0.02


def test_holmium_constants():
    # physics.md section 2.1: A(MBq) = M 3780 for 60 Gy, so 60 Gy kg / 3.78 GBq = 15.873 J/GBq.
    assert round(HOLMIUM_TRIAL.energy_j_per_gbq, 3) == 15.873
    assert 60 / HOLMIUM_TRIAL.energy_j_per_gbq == pytest.approx(3.780)
    by_hand = 1e9 * 26.80 * 3600 / math.log(2) * 0.69634 * 1.602176634e-13
    assert ICRP107_HO166.energy_j_per_gbq == pytest.approx(by_hand, rel=1e-12)
    assert round(ICRP107_HO166.energy_j_per_gbq, 2) == 15.53
    assert 0.022 < HOLMIUM_TRIAL.energy_j_per_gbq / ICRP107_HO166.energy_j_per_gbq - 1 < 0.0225
    # The trial's constant is above all electrons and below electrons and photons together.
    photons = float(ICRP["Ho-166"]["gamma_mev"]) + float(ICRP["Ho-166"]["x_mev"])
    everything = decays_per_gbq(26.80) * (HO166.energy_per_decay_mev + photons) * JOULE_PER_MEV
    assert ICRP107_HO166.energy_j_per_gbq < HOLMIUM_TRIAL.energy_j_per_gbq < everything


def test_trap_holmium_needs_three_times_the_activity():
    # The constant of 90Y with an activity of 166Ho would give 3.1 times the dose.
    assert 3.1 < ICRP107.energy_j_per_gbq / HOLMIUM_TRIAL.energy_j_per_gbq < 3.2


def test_constants_by_name():
    for name, constant in {**ENERGY_CONSTANTS, **HO166_ENERGY_CONSTANTS}.items():
        assert energy_constant(name) is constant
        assert constant.name == name
    with pytest.raises(DomainError, match="partition_model"):
        energy_constant("kernel")


@given(st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_decay_composes(first, second):
    both = decay_factor(first, half_life_hours=64.1) * decay_factor(second, half_life_hours=64.1)
    assert math.isclose(decay_factor(first + second, half_life_hours=64.1), both, rel_tol=1e-12)


@pytest.mark.parametrize(("hours", "half_life"), [(math.nan, 64.1), (1, 0), (1, -2), (math.inf, 64.1), (-1e6, 64.1)])
def test_decay_of_nonsense_is_refused(hours, half_life):
    with pytest.raises(DomainError):
        decay_factor(hours, half_life_hours=half_life)
