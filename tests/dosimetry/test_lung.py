"""Lung dose and planar lung shunt (physics.md, section 2.4)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.lung import activity_for_lung_dose_gbq, lung_dose_gy, planar_lung_shunt
from ytterby.errors import DomainError

PLANAR = {
    "anterior_lung_counts": 20e3,
    "posterior_lung_counts": 25e3,
    "anterior_liver_counts": 400e3,
    "posterior_liver_counts": 350e3,
}


def test_worked_lung_dose_and_limit():
    # physics.md section 2.4.
    assert round(lung_dose_gy(3, 0.05, lung_mass_kg=1, energy_j_per_gbq=49.67), 4) == 7.4505
    assert round(activity_for_lung_dose_gbq(30, 0.1, lung_mass_kg=1, energy_j_per_gbq=49.67), 4) == 6.0399


def test_activity_limit_of_the_instructions_for_use():
    # physics.md section 2.4: 0.61 GBq in lungs of 1 kg are 30.3 to 30.5 Gy, by K 49.67 to 50.
    assert round(lung_dose_gy(6.1, 0.1, lung_mass_kg=1, energy_j_per_gbq=49.67), 1) == 30.3
    assert round(lung_dose_gy(6.1, 0.1, lung_mass_kg=1, energy_j_per_gbq=50), 1) == 30.5


def test_worked_planar_shunt():
    # physics.md section 2.4, whose formula gives sqrt(5e8) / (sqrt(5e8) + sqrt(1.4e11)) = 5.6391 % (5.6397 % is printed there).
    shunt = planar_lung_shunt(**PLANAR)
    by_hand = math.sqrt(20e3 * 25e3) / (math.sqrt(20e3 * 25e3) + math.sqrt(400e3 * 350e3))
    assert shunt.lung_shunt_fraction == pytest.approx(by_hand, rel=1e-12)
    assert round(100 * shunt.lung_shunt_fraction, 4) == 5.6391
    assert "geometric mean" in shunt.method


def test_trap_planar_shunt_is_no_arithmetic_mean():
    assert planar_lung_shunt(**PLANAR).lung_shunt_fraction < 45e3 / 795e3


@given(st.floats(1e-3, 1e3))
def test_planar_shunt_does_not_depend_on_exposure(exposure):
    scaled = planar_lung_shunt(**{name: exposure * counts for name, counts in PLANAR.items()})
    assert scaled.lung_shunt_fraction == pytest.approx(planar_lung_shunt(**PLANAR).lung_shunt_fraction)


@given(st.floats(0.1, 20), st.floats(0.001, 0.5), st.floats(0.3, 2), st.floats(0, 0.2))
def test_lung_limit_is_the_inverse_of_lung_dose(activity, shunt, mass, residual):
    terms = {"lung_mass_kg": mass, "energy_j_per_gbq": 50, "residual_fraction": residual}
    dose = lung_dose_gy(activity, shunt, **terms)
    assert activity_for_lung_dose_gbq(dose, shunt, **terms) == pytest.approx(activity)


def test_no_shunt_no_dose_and_no_limit():
    assert lung_dose_gy(3, 0, lung_mass_kg=1, energy_j_per_gbq=50) == 0
    with pytest.raises(DomainError, match="lung_shunt_fraction"):
        activity_for_lung_dose_gbq(30, 0, lung_mass_kg=1, energy_j_per_gbq=50)


@pytest.mark.parametrize(
    "change", [{"anterior_lung_counts": -1}, {"posterior_liver_counts": 0}, {"anterior_liver_counts": math.nan}]
)
def test_counts_out_of_range_are_named(change):
    with pytest.raises(DomainError, match=r"liver|lung"):
        planar_lung_shunt(**PLANAR | change)
