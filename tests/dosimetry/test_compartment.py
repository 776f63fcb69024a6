"""Compartment models against worked numbers (physics.md, section 2), wrong public formulas, and conservation laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.compartment import (
    Compartment,
    activity_for_dose_gbq,
    arrived_fraction,
    mass_kg,
    mean_dose_gy,
    multicompartment_doses_gy,
    partition_activity_gbq,
    partition_doses,
    single_compartment_dose_gy,
    tumour_to_normal_ratio,
)
from ytterby.errors import DomainError
from ytterby.physics.nuclides import HOLMIUM_TRIAL

amount = st.floats(1e-2, 20)
share = st.floats(0, 0.6)
parts = st.lists(st.tuples(st.floats(1e-3, 3), st.floats(1, 1e6)), min_size=1, max_size=6)


def compartments(pairs):
    return [Compartment(str(number), mass, counts) for number, (mass, counts) in enumerate(pairs)]


# ---------------------------------------------------------------- physics.md section 2.1


def test_worked_single_compartment_dose():
    dose = single_compartment_dose_gy(
        3.0,
        mass_kg(1500, density_g_ml=1.03),
        energy_j_per_gbq=50,
        lung_shunt_fraction=0.05,
        residual_fraction=0.01,
    )
    assert round(dose, 4) == 91.3107


def test_worked_single_compartment_activity():
    activity = activity_for_dose_gbq(
        120,
        mass_kg(1735.4, density_g_ml=1.03),
        energy_j_per_gbq=50,
        lung_shunt_fraction=0.029,
        residual_fraction=0.01,
    )
    assert round(activity, 5) == 4.46266


def test_published_medians_compose_to_about_the_published_dose():
    # 3.9 GBq, 1735.4 mL, LSF 2.9 % give 105.93 Gy; the published median of the doses is 107.1 Gy.
    dose = single_compartment_dose_gy(
        3.9, mass_kg(1735.4, density_g_ml=1.03), energy_j_per_gbq=50, lung_shunt_fraction=0.029
    )
    # fails if density, K or the shunt enter in another way
    assert dose == pytest.approx(105.93, abs=0.02)


# ---------------------------------------------------------------- physics.md section 2.2


@pytest.mark.parametrize(("energy", "normal", "tumour"), [(49.67, 52.4294, 262.1472), (50, 52.7778, 263.8889)])
def test_worked_partition(energy, normal, tumour):
    doses = partition_doses(
        3, 5, tumour_mass_kg=0.3, normal_mass_kg=1.2, energy_j_per_gbq=energy, lung_shunt_fraction=0.05
    )
    assert round(doses.normal_dose_gy, 4) == normal
    assert round(doses.tumour_dose_gy, 4) == tumour
    assert doses.tumour_dose_gy * 0.3 + doses.normal_dose_gy * 1.2 == pytest.approx(energy * 3 * 0.95)


def test_trap_activity_multiplied_by_the_share_that_arrives():
    # TRAP, physics.md section 2.2: a public calculator has A = D M (1 - LSF) / 49.67; a shunt needs more activity, not less.
    wrong = 120 * 1.5 * (1 - 0.1) / 49.67
    right = activity_for_dose_gbq(120, 1.5, energy_j_per_gbq=49.67, lung_shunt_fraction=0.1)
    assert right == pytest.approx(wrong / 0.9**2)
    assert right > activity_for_dose_gbq(120, 1.5, energy_j_per_gbq=49.67)
    # Energy: what arrives of the right activity is D M; of the wrong one, 19 % are missing.
    assert 49.67 * right * 0.9 == pytest.approx(120 * 1.5)
    assert 49.67 * wrong * 0.9 == pytest.approx(0.81 * 120 * 1.5)


def test_trap_partition_activity_with_tn_plus_one_times_normal_mass():
    # TRAP, physics.md section 2.2: D_N M_N (T/N + 1)(1 - LSF) / K in place of D_N (T/N m_t + m_n) / (K (1 - LSF)).
    wrong = 52.4294 * 1.2 * (5 + 1) * (1 - 0.05) / 49.67
    right = partition_activity_gbq(
        52.4294, 5, tumour_mass_kg=0.3, normal_mass_kg=1.2, energy_j_per_gbq=49.67, lung_shunt_fraction=0.05
    )
    assert right == pytest.approx(3.0, abs=1e-4)
    assert abs(wrong - right) > 1.0
    # Energy: what arrives of the right activity is D_t m_t + D_n m_n; the wrong one brings 2.17 times as much.
    joule = 52.4294 * (5 * 0.3 + 1.2)
    assert 49.67 * right * 0.95 == pytest.approx(joule)
    assert 49.67 * wrong * 0.95 / joule == pytest.approx(7.2 / 2.7 * 0.95**2)


# ---------------------------------------------------------------- physics.md section 2.3

LIVER = (
    Compartment("tumour", mass_kg(200, density_g_ml=1.03), 400e3),
    Compartment("perfused normal", mass_kg(1000, density_g_ml=1.03), 500e3),
    Compartment("unperfused", mass_kg(600, density_g_ml=1.03), 100e3),
)
SESSION = {"energy_j_per_gbq": 49.67, "lung_shunt_fraction": 0.05, "residual_fraction": 0.01}


def test_worked_multicompartment():
    doses = multicompartment_doses_gy(3, LIVER, **SESSION)
    assert {name: round(dose, 2) for name, dose in doses.items()} == {
        "tumour": 272.12,
        "perfused normal": 68.03,
        "unperfused": 22.68,
    }
    normal = Compartment("normal", mass_kg(1600, density_g_ml=1.03), 600e3)
    assert round(multicompartment_doses_gy(3, (LIVER[0], normal), **SESSION)["normal"], 2) == 51.02
    whole = Compartment("liver", mass_kg(1800, density_g_ml=1.03), 1e6)
    assert round(multicompartment_doses_gy(3, (whole,), **SESSION)["liver"], 2) == 75.59
    assert tumour_to_normal_ratio(LIVER[0], LIVER[1]) == pytest.approx(4.0)


def test_trap_unperfused_liver_belongs_to_the_denominator():
    # Leaving its counts out of C_liver would raise every dose by 11 %.
    without = multicompartment_doses_gy(3, LIVER[:2], **SESSION)
    assert without["tumour"] == pytest.approx(272.12 / 0.9, abs=0.02)
    # With the doses of the whole denominator for the unperfused part beside them, more energy is there than was given.
    whole = multicompartment_doses_gy(3, LIVER, **SESSION)
    joule = sum(without[part.name] * part.mass_kg for part in LIVER[:2]) + whole["unperfused"] * LIVER[2].mass_kg
    assert joule == pytest.approx(49.67 * 3 * 0.95 * 0.99 * 1.1)


def test_trap_lungs_do_not_belong_to_the_liver_s_counts():
    # Counting the lungs into the denominator after the shunt has been taken off takes it off twice.
    lungs = Compartment("lungs", 1.0, 0.05 / 0.95 * 1e6)
    twice = multicompartment_doses_gy(3, (*LIVER, lungs), **SESSION)
    assert twice["tumour"] == pytest.approx(0.95 * multicompartment_doses_gy(3, LIVER, **SESSION)["tumour"])


def test_trap_a_shunt_and_a_residual_multiply():
    # 1 - F - R in place of (1 - F)(1 - R) loses the product.
    assert arrived_fraction(0.1, 0.2) == pytest.approx(0.72)
    assert arrived_fraction(0.1, 0.2) != pytest.approx(0.70)


# ---------------------------------------------------------------- laws


@given(amount, share, share, parts)
def test_energy_is_conserved(activity, shunt, residual, pairs):
    liver = compartments(pairs)
    doses = multicompartment_doses_gy(
        activity, liver, energy_j_per_gbq=50, lung_shunt_fraction=shunt, residual_fraction=residual
    )
    energy = sum(doses[part.name] * part.mass_kg for part in liver)
    assert math.isclose(energy, 50 * activity * (1 - shunt) * (1 - residual), rel_tol=1e-9)


@given(amount, share, share, st.floats(0.01, 1), st.floats(0.01, 2), st.floats(0, 2), st.floats(1, 30))
def test_perfused_dose_is_made_of_tumour_and_perfused_normal(activity, shunt, residual, tumour, normal, other, ratio):
    # D_perfused M_perfused = MAD M_tumour + D_perfused_normal M_perfused_normal, whatever lies unperfused beside it.
    terms = {"energy_j_per_gbq": 49.67, "lung_shunt_fraction": shunt, "residual_fraction": residual}
    parts = (Compartment("tumour", tumour, 1e3 * ratio * tumour), Compartment("normal", normal, 1e3 * normal))
    rest = Compartment("unperfused", other + 0.1, 50.0 * other)
    doses = multicompartment_doses_gy(activity, (*parts, rest), **terms)
    perfused = Compartment("perfused", tumour + normal, parts[0].counts + parts[1].counts)
    whole = multicompartment_doses_gy(activity, (perfused, rest), **terms)
    joule = doses["tumour"] * tumour + doses["normal"] * normal
    assert math.isclose(whole["perfused"] * (tumour + normal), joule, rel_tol=1e-9)
    # Normal liver as a whole: perfused and unperfused by their masses, never above the perfused part here.
    merged = Compartment("normal liver", normal + rest.mass_kg, parts[1].counts + rest.counts)
    whole_normal = multicompartment_doses_gy(activity, (parts[0], merged), **terms)["normal liver"]
    by_mass = (doses["normal"] * normal + doses["unperfused"] * rest.mass_kg) / (normal + rest.mass_kg)
    assert math.isclose(whole_normal, by_mass, rel_tol=1e-9)
    assert whole_normal <= doses["normal"]


@given(amount, share, share, st.floats(0.01, 5), st.floats(1, 1e7))
def test_one_compartment_is_the_single_compartment_model(activity, shunt, residual, mass, counts):
    terms = {"energy_j_per_gbq": 49.67, "lung_shunt_fraction": shunt, "residual_fraction": residual}
    (dose,) = multicompartment_doses_gy(activity, [Compartment("liver", mass, counts)], **terms).values()
    assert math.isclose(dose, single_compartment_dose_gy(activity, mass, **terms), rel_tol=1e-12)


@given(st.floats(0.1, 1000), st.floats(0.01, 5), share, share)
def test_activity_is_the_inverse_of_dose(dose, mass, shunt, residual):
    terms = {"energy_j_per_gbq": 49.67, "lung_shunt_fraction": shunt, "residual_fraction": residual}
    activity = activity_for_dose_gbq(dose, mass, **terms)
    assert math.isclose(single_compartment_dose_gy(activity, mass, **terms), dose, rel_tol=1e-12)


@given(amount, st.floats(0.1, 30), st.floats(0.01, 2), st.floats(0.1, 3), share)
def test_partition_agrees_with_counts_and_inverts(activity, ratio, tumour, normal, shunt):
    terms = {"energy_j_per_gbq": 49.67, "lung_shunt_fraction": shunt}
    masses = {"tumour_mass_kg": tumour, "normal_mass_kg": normal}
    doses = partition_doses(activity, ratio, **masses, **terms)
    liver = (Compartment("tumour", tumour, 1e3 * ratio * tumour), Compartment("normal", normal, 1e3 * normal))
    by_counts = multicompartment_doses_gy(activity, liver, **terms)
    assert math.isclose(by_counts["tumour"], doses.tumour_dose_gy, rel_tol=1e-9)
    assert math.isclose(by_counts["normal"], doses.normal_dose_gy, rel_tol=1e-9)
    assert math.isclose(partition_activity_gbq(doses.normal_dose_gy, ratio, **masses, **terms), activity, rel_tol=1e-9)


@given(amount, st.floats(0.01, 5), st.floats(1, 10))
def test_dose_is_linear_in_activity(activity, mass, factor):
    one = mean_dose_gy(activity, mass, energy_j_per_gbq=50)
    assert math.isclose(mean_dose_gy(factor * activity, mass, energy_j_per_gbq=50), factor * one, rel_tol=1e-12)


@pytest.mark.parametrize("energy", [50, 49.67, 49.38, 49.76])
def test_energy_of_the_microspheres_is_that_of_tissue_and_lungs(energy):
    # physics.md section 2.2, invariant: K A (1 - F) = D_t m_t + D_n m_n, and the lungs hold the rest.
    doses = partition_doses(
        3, 5, tumour_mass_kg=0.3, normal_mass_kg=1.2, energy_j_per_gbq=energy, lung_shunt_fraction=0.05
    )
    liver = doses.tumour_dose_gy * 0.3 + doses.normal_dose_gy * 1.2
    lungs = mean_dose_gy(3 * 0.05, 1.0, energy_j_per_gbq=energy)
    assert liver + lungs == pytest.approx(energy * 3)


def test_worked_local_deposition():
    # physics.md section 4.1: 1 MBq/mL, decayed to the last, K 49.67, 1.03 g/mL.
    assert round(mean_dose_gy(1.0, mass_kg(1000, density_g_ml=1.03), energy_j_per_gbq=49.67), 2) == 48.22


def test_worked_holmium_activity():
    # physics.md section 2.1: 3780 MBq for 60 Gy in 1 kg.
    constant = HOLMIUM_TRIAL.energy_j_per_gbq
    assert activity_for_dose_gbq(60, 1.0, energy_j_per_gbq=constant) == pytest.approx(3.780, rel=1e-12)


def test_a_mass_without_activity_has_no_dose():
    assert mean_dose_gy(0.0, 1.0, energy_j_per_gbq=50) == 0.0


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: single_compartment_dose_gy(0, 1, energy_j_per_gbq=50), "activity_gbq"),
        (lambda: single_compartment_dose_gy(3, 0, energy_j_per_gbq=50), "mass_kg"),
        (lambda: single_compartment_dose_gy(3, math.nan, energy_j_per_gbq=50), "mass_kg"),
        (lambda: single_compartment_dose_gy(3, 1, energy_j_per_gbq=-1), "energy_j_per_gbq"),
        (lambda: single_compartment_dose_gy(3, 1, energy_j_per_gbq=50, lung_shunt_fraction=2.9), "not percent"),
        (lambda: single_compartment_dose_gy(3, 1, energy_j_per_gbq=50, residual_fraction=1), "residual_fraction"),
        (lambda: multicompartment_doses_gy(3, (), energy_j_per_gbq=50), "at least one"),
        (lambda: multicompartment_doses_gy(3, LIVER[:1] * 2, energy_j_per_gbq=50), "one name each"),
        (lambda: multicompartment_doses_gy(3, [Compartment("a", 1, 0)], energy_j_per_gbq=50), "no counts"),
        (lambda: multicompartment_doses_gy(3, [Compartment("a", 1, -1)], energy_j_per_gbq=50), "counts of 'a'"),
        (lambda: multicompartment_doses_gy(3, [Compartment("a", 0, 1)], energy_j_per_gbq=50), "mass_kg of 'a'"),
        (lambda: mass_kg(-5, density_g_ml=1.03), "volume_ml"),
    ],
)
def test_numbers_out_of_range_are_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()
