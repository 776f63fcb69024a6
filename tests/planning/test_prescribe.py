"""Treatment windows against worked numbers (physics.md, section 3, oracle 3)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.compartment import activity_for_dose_gbq, mass_kg
from ytterby.errors import DomainError
from ytterby.physics.nuclides import decay_factor
from ytterby.planning.prescribe import treatment_window

GLASS = {"half_life_hours": 64.1, "latest_hours": 288.0}
PRESCRIBED_GBQ = activity_for_dose_gbq(
    120, mass_kg(1735.4, density_g_ml=1.03), energy_j_per_gbq=50, lung_shunt_fraction=0.029, residual_fraction=0.01
)


def test_worked_activities_of_the_tolerance():
    assert [round(PRESCRIBED_GBQ * factor, 5) for factor in (0.9, 1.0, 1.1)] == [4.01639, 4.46266, 4.90892]


@pytest.mark.parametrize(
    ("vial", "feasible", "start", "end", "nominal"),
    [(3, False, -45.54, -26.98, -36.73), (5, True, 1.70, 20.26, 10.51), (10, True, 65.80, 84.36, 74.61)],
)
def test_worked_windows(vial, feasible, start, end, nominal):
    window = treatment_window(vial, PRESCRIBED_GBQ, tolerance_fraction=0.1, **GLASS)
    assert window.feasible is feasible
    assert round(window.from_hours, 2) == start
    assert round(window.to_hours, 2) == end
    assert round(window.nominal_hours, 2) == nominal


def test_a_small_vial_says_that_it_is_too_small():
    window = treatment_window(3, PRESCRIBED_GBQ, tolerance_fraction=0.1, **GLASS)
    assert "too small" in window.explanation
    assert "4.01639" in window.explanation


def test_a_large_vial_outlives_its_shelf_life():
    window = treatment_window(20, 0.5, tolerance_fraction=0.1, **GLASS)
    assert not window.feasible
    assert window.from_hours > 288
    assert "too large" in window.explanation


def test_a_window_is_cut_at_calibration_and_at_the_shelf_life():
    early = treatment_window(4.46, 4.46, tolerance_fraction=0.1, **GLASS)
    assert early.feasible
    assert early.from_hours == 0.0
    assert early.nominal_hours == 0.0
    at_end = 10 * decay_factor(288, half_life_hours=64.1)
    late = treatment_window(10, at_end, tolerance_fraction=0.1, **GLASS)
    assert late.feasible
    assert late.to_hours == 288.0


@given(st.floats(0.5, 20), st.floats(0.1, 20), st.floats(0, 0.5))
def test_the_vial_holds_the_activity_at_the_ends_of_the_window(vial, activity, tolerance):
    window = treatment_window(vial, activity, tolerance_fraction=tolerance, **GLASS)
    assert window.from_hours <= window.to_hours
    at_nominal = vial * decay_factor(window.nominal_hours, half_life_hours=64.1)
    assert math.isclose(at_nominal, activity, rel_tol=1e-9)
    if window.feasible:
        assert 0 <= window.from_hours <= window.to_hours <= 288
        for hours in (window.from_hours, window.to_hours):
            held = vial * decay_factor(hours, half_life_hours=64.1)
            assert activity * (1 - tolerance) * (1 - 1e-9) <= held <= activity * (1 + tolerance) * (1 + 1e-9)
    else:
        assert window.to_hours < 0 or window.from_hours > 288


@pytest.mark.parametrize(
    ("vial", "activity", "tolerance"),
    [(0, 3, 0.1), (3, -1, 0.1), (3, 3, 1.0), (3, 3, 10), (math.nan, 3, 0.1), (3, 5e-324, 0.9)],
)
def test_numbers_out_of_range_are_refused(vial, activity, tolerance):
    with pytest.raises(DomainError):
        treatment_window(vial, activity, tolerance_fraction=tolerance, **GLASS)
