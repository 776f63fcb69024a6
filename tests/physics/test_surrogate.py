"""Decay and branching of a surrogate isotope, undone and redone: against numerical integration of what a scanner counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from ytterby.errors import DomainError
from ytterby.physics.surrogate import (
    Y90_AS_EMITTER,
    PositronEmitter,
    decay_correction_factor,
    frame_mean_factor,
    isotope_factor,
)

GERMANIUM = PositronEmitter(270.95 * 24, 0.891)


def mean(start_hours: float, duration_hours: float, half_life_hours: float) -> float:
    """Mean of a unit activity (at hour 0) over a frame."""
    decay = math.log(2) / half_life_hours
    total, _ = quad(lambda t: math.exp(-decay * t), start_hours, start_hours + duration_hours, epsrel=1e-13)
    return float(total / duration_hours)


@given(
    start_hours=st.floats(-30, 60),
    duration_hours=st.floats(0.01, 3),
    half_life_hours=st.floats(1.0, 3e4),
    positron_fraction=st.floats(1e-5, 1.0),
)
def test_the_true_activity_is_found(
    start_hours: float, duration_hours: float, half_life_hours: float, positron_fraction: float
) -> None:
    set_to = PositronEmitter(half_life_hours, positron_fraction)
    truth = 1.7e6
    positrons = truth * Y90_AS_EMITTER.positron_fraction * mean(start_hours, duration_hours, 64.1)
    # The scanner's own correction, by the definition of a decay correction: value at the reference over mean of the frame.
    applied = 1 / mean(start_hours, duration_hours, half_life_hours)
    shown = positrons / positron_fraction * applied
    factor = isotope_factor(set_to, start_hours=start_hours, duration_hours=duration_hours, decay_ratio=applied)
    assert shown * factor == pytest.approx(truth, rel=1e-9)


def test_a_frame_of_no_length_and_a_very_short_one() -> None:
    assert frame_mean_factor(0.0, half_life_hours=64.1) == 1.0
    assert frame_mean_factor(1e-9, half_life_hours=64.1) == pytest.approx(1.0, abs=1e-10)
    assert decay_correction_factor(2.0, 0.0, half_life_hours=1.0) == 4.0


def test_the_long_lived_surrogate_hides_the_decay_of_90y() -> None:
    # 20 h after the reference, 68Ge has hardly decayed: the value is wrong by the whole decay of 90Y.
    applied = decay_correction_factor(20, 0.5, half_life_hours=GERMANIUM.half_life_hours)
    factor = isotope_factor(GERMANIUM, start_hours=20, duration_hours=0.5, decay_ratio=applied)
    branching = 0.891 / 31.86e-6
    assert factor / branching == pytest.approx(2 ** (20.25 / 64.1), rel=3e-3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: PositronEmitter(0.0, 0.5),
        lambda: PositronEmitter(1.0, 1.2),
        lambda: PositronEmitter(1.0, 0.0),
        lambda: frame_mean_factor(-1.0, half_life_hours=1.0),
        lambda: frame_mean_factor(1.0, half_life_hours=0.0),
        lambda: isotope_factor(GERMANIUM, start_hours=0, duration_hours=1, decay_ratio=0.0),
        lambda: isotope_factor(GERMANIUM, start_hours=math.nan, duration_hours=1, decay_ratio=1.0),
    ],
    ids=["half-life", "fraction", "no-positron", "frame", "no-half-life", "factor", "start"],
)
def test_numbers_out_of_range_are_refused(call) -> None:
    with pytest.raises(DomainError):
        call()
