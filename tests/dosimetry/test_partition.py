"""Partition with several tumours and several infusions: worked numbers, conservation, agreement with the simpler models."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.compartment import (
    Compartment,
    multicompartment_doses_gy,
    partition_activity_gbq,
    partition_doses,
    single_compartment_dose_gy,
)
from ytterby.dosimetry.partition import (
    Infusion,
    PartitionedTumour,
    multi_tumour_partition_activity_gbq,
    multi_tumour_partition_doses,
    territory_doses,
    tumours_by_counts,
)
from ytterby.errors import DomainError

amount = st.floats(0.1, 20)
mass = st.floats(0.01, 2)
share = st.floats(0, 0.5)
several = st.lists(st.tuples(mass, st.floats(0.1, 30)), min_size=1, max_size=6)


def tumours(pairs):
    return tuple(PartitionedTumour(f"t{n}", kg, ratio) for n, (kg, ratio) in enumerate(pairs))


def test_worked_single_tumour():
    # physics.md section 2.2: 3 GBq, F 0.05, 0.3 and 1.2 kg, T/N 5.
    doses = multi_tumour_partition_doses(
        3, tumours([(0.3, 5)]), normal_mass_kg=1.2, energy_j_per_gbq=49.67, lung_shunt_fraction=0.05
    )
    assert round(doses.normal_dose_gy, 4) == 52.4294
    assert round(doses.tumour_doses_gy["t0"], 4) == 262.1472


def test_two_tumours_by_hand():
    # 50 x 3 / (1.2 + 5 x 0.2 + 3 x 0.1) = 60 Gy; all tumours: (300 x 0.2 + 180 x 0.1) / 0.3 = 260 Gy.
    doses = multi_tumour_partition_doses(3, tumours([(0.2, 5), (0.1, 3)]), normal_mass_kg=1.2, energy_j_per_gbq=50)
    assert doses.normal_dose_gy == pytest.approx(60)
    assert dict(doses.tumour_doses_gy) == pytest.approx({"t0": 300, "t1": 180})
    assert doses.tumours_dose_gy == pytest.approx(260)


def test_trap_one_mean_ratio_hides_the_cold_tumour():
    # With all tumours as one the cold tumour would be given the mean dose, 44 % above its own; normal liver is the same.
    pair = [(0.2, 5), (0.1, 3)]
    apart = multi_tumour_partition_doses(3, tumours(pair), normal_mass_kg=1.2, energy_j_per_gbq=50)
    ratio = sum(kg * tn for kg, tn in pair) / 0.3
    as_one = partition_doses(3, ratio, tumour_mass_kg=0.3, normal_mass_kg=1.2, energy_j_per_gbq=50)
    assert as_one.normal_dose_gy == pytest.approx(apart.normal_dose_gy)
    assert as_one.tumour_dose_gy == pytest.approx(apart.tumours_dose_gy)
    assert as_one.tumour_dose_gy / apart.tumour_doses_gy["t1"] == pytest.approx(260 / 180)


@given(amount, several, mass, share, share)
def test_energy_is_conserved(activity, pairs, normal, shunt, residual):
    parts = tumours(pairs)
    doses = multi_tumour_partition_doses(
        activity,
        parts,
        normal_mass_kg=normal,
        energy_j_per_gbq=49.67,
        lung_shunt_fraction=shunt,
        residual_fraction=residual,
    )
    joule = sum(doses.tumour_doses_gy[part.name] * part.mass_kg for part in parts) + doses.normal_dose_gy * normal
    assert math.isclose(joule, 49.67 * activity * (1 - shunt) * (1 - residual), rel_tol=1e-9)


@given(amount, mass, st.floats(0.1, 30), mass, share, share)
def test_one_tumour_is_the_partition_model(activity, kg, ratio, normal, shunt, residual):
    terms = {"energy_j_per_gbq": 50, "lung_shunt_fraction": shunt, "residual_fraction": residual}
    several = multi_tumour_partition_doses(activity, tumours([(kg, ratio)]), normal_mass_kg=normal, **terms)
    single = partition_doses(activity, ratio, tumour_mass_kg=kg, normal_mass_kg=normal, **terms)
    assert math.isclose(several.tumour_doses_gy["t0"], single.tumour_dose_gy, rel_tol=1e-12)
    assert math.isclose(several.normal_dose_gy, single.normal_dose_gy, rel_tol=1e-12)
    assert math.isclose(
        multi_tumour_partition_activity_gbq(40, tumours([(kg, ratio)]), normal_mass_kg=normal, **terms),
        partition_activity_gbq(40, ratio, tumour_mass_kg=kg, normal_mass_kg=normal, **terms),
        rel_tol=1e-12,
    )


@given(amount, st.lists(st.tuples(mass, st.floats(10, 1e6)), min_size=1, max_size=5), mass, st.floats(10, 1e6), share)
def test_ratios_by_counts_are_the_multicompartment_model(activity, pairs, normal_kg, normal_counts, shunt):
    parts = [Compartment(f"t{n}", kg, counts) for n, (kg, counts) in enumerate(pairs)]
    normal = Compartment("normal", normal_kg, normal_counts)
    terms = {"energy_j_per_gbq": 49.67, "lung_shunt_fraction": shunt}
    doses = multi_tumour_partition_doses(activity, tumours_by_counts(parts, normal), normal_mass_kg=normal_kg, **terms)
    by_counts = multicompartment_doses_gy(activity, (*parts, normal), **terms)
    assert math.isclose(doses.normal_dose_gy, by_counts["normal"], rel_tol=1e-9)
    for part in parts:
        assert math.isclose(doses.tumour_doses_gy[part.name], by_counts[part.name], rel_tol=1e-9)


@given(several, mass)
def test_ratios_of_one_are_the_single_compartment_model(pairs, normal):
    parts = tumours([(kg, 1.0) for kg, _ in pairs])
    doses = multi_tumour_partition_doses(3, parts, normal_mass_kg=normal, energy_j_per_gbq=50)
    whole = single_compartment_dose_gy(3, normal + sum(part.mass_kg for part in parts), energy_j_per_gbq=50)
    assert math.isclose(doses.normal_dose_gy, whole, rel_tol=1e-9)
    assert math.isclose(doses.tumours_dose_gy, whole, rel_tol=1e-9)


@given(st.floats(1, 200), several, mass, share)
def test_activity_is_the_inverse_of_dose(dose, pairs, normal, shunt):
    terms = {"normal_mass_kg": normal, "energy_j_per_gbq": 49.67, "lung_shunt_fraction": shunt}
    activity = multi_tumour_partition_activity_gbq(dose, tumours(pairs), **terms)
    assert math.isclose(
        multi_tumour_partition_doses(activity, tumours(pairs), **terms).normal_dose_gy, dose, rel_tol=1e-9
    )


# ---------------------------------------------------------------- territories

RIGHT = Infusion("right", 2.0, (PartitionedTumour("a", 0.2, 5.0), PartitionedTumour("b", 0.1, 3.0)), 0.8, 0.05, 0.01)
LEFT = Infusion("left", 1.0, (PartitionedTumour("b", 0.05, 4.0),), 0.4, 0.05, 0.02)
TERMS = {"energy_j_per_gbq": 49.67, "unperfused_mass_kg": 0.3}


def joule_of(infusion):
    return 49.67 * infusion.activity_gbq * (1 - infusion.lung_shunt_fraction) * (1 - infusion.residual_fraction)


def test_one_infusion_is_its_own_partition_model():
    doses = territory_doses([RIGHT], **TERMS)
    alone = multi_tumour_partition_doses(
        2.0, RIGHT.tumours, normal_mass_kg=0.8, energy_j_per_gbq=49.67, lung_shunt_fraction=0.05, residual_fraction=0.01
    )
    assert doses.infusions == (alone,)
    assert dict(doses.tumour_doses_gy) == pytest.approx(dict(alone.tumour_doses_gy))
    assert doses.perfused_normal_dose_gy == pytest.approx(alone.normal_dose_gy)
    assert doses.normal_dose_gy == pytest.approx(alone.normal_dose_gy * 0.8 / 1.1)


def test_energy_is_conserved_over_territories():
    doses = territory_doses([RIGHT, LEFT], **TERMS)
    joule = doses.tumour_doses_gy["a"] * 0.2 + doses.tumour_doses_gy["b"] * 0.15 + doses.normal_dose_gy * 1.5
    assert joule == pytest.approx(joule_of(RIGHT) + joule_of(LEFT), rel=1e-12)
    assert doses.perfused_normal_dose_gy * 1.2 == pytest.approx(doses.normal_dose_gy * 1.5)


def test_a_tumour_with_parts_in_two_territories_counts_as_a_whole():
    doses = territory_doses([RIGHT, LEFT], **TERMS)
    right, left = (infusion.tumour_doses_gy["b"] for infusion in doses.infusions)
    assert doses.tumour_doses_gy["b"] == pytest.approx((0.1 * right + 0.05 * left) / 0.15)


def test_two_infusions_of_one_territory_add_up_in_the_same_tissue():
    again = replace(RIGHT, activity_gbq=0.5, tumours=tuple(replace(part, tn_ratio=2.0) for part in RIGHT.tumours))
    doses = territory_doses([RIGHT, again], **TERMS)
    assert doses.tumour_doses_gy["a"] == pytest.approx(sum(part.tumour_doses_gy["a"] for part in doses.infusions))
    assert doses.perfused_normal_dose_gy == pytest.approx(sum(part.normal_dose_gy for part in doses.infusions))


def test_trap_doses_of_different_territories_do_not_add_up():
    # The sum of the doses of normal liver would count each territory's energy over a part of the mass.
    doses = territory_doses([RIGHT, LEFT], **TERMS)
    right, left = (part.normal_dose_gy for part in doses.infusions)
    summed = right + left
    assert doses.perfused_normal_dose_gy == pytest.approx((0.8 * right + 0.4 * left) / 1.2)
    assert doses.perfused_normal_dose_gy < max(part.normal_dose_gy for part in doses.infusions) < summed


@given(amount, amount, st.floats(1, 20), st.floats(1, 20))
def test_order_of_infusions_does_not_matter(first, second, one, other):
    infusions = [
        replace(RIGHT, activity_gbq=first, tumours=(PartitionedTumour("a", 0.2, one),)),
        replace(LEFT, activity_gbq=second, tumours=(PartitionedTumour("a", 0.1, other),)),
    ]
    forth, back = territory_doses(infusions, **TERMS), territory_doses(infusions[::-1], **TERMS)
    assert forth.tumour_doses_gy["a"] == pytest.approx(back.tumour_doses_gy["a"])
    assert forth.normal_dose_gy == pytest.approx(back.normal_dose_gy)


# ---------------------------------------------------------------- what is refused


def doses_of(parts, **change):
    return multi_tumour_partition_doses(3, parts, **{"normal_mass_kg": 1.2, "energy_j_per_gbq": 50} | change)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: doses_of(()), "at least one"),
        (lambda: doses_of((PartitionedTumour("", 0.1, 2),)), "one name each"),
        (lambda: doses_of(tumours([(0.1, 2)]) * 2), "one name each"),
        (lambda: doses_of(tumours([(0.1, 0)])), "tn_ratio of 't0'"),
        (lambda: doses_of(tumours([(0, 2)])), "mass_kg of 't0'"),
        (lambda: doses_of(tumours([(0.1, 2)]), normal_mass_kg=0), "normal_mass_kg"),
        (lambda: doses_of(tumours([(0.1, 2)]), lung_shunt_fraction=5), "not percent"),
        (lambda: territory_doses([], **TERMS), "no infusion"),
        (lambda: territory_doses([RIGHT], energy_j_per_gbq=50, unperfused_mass_kg=-1), "unperfused_mass_kg"),
        (lambda: territory_doses([RIGHT, replace(RIGHT, normal_mass_kg=0.9)], **TERMS), "disagree"),
        (lambda: territory_doses([RIGHT, replace(RIGHT, tumours=RIGHT.tumours[:1])], **TERMS), "disagree"),
        (lambda: tumours_by_counts([Compartment("t", 1, 0)], Compartment("n", 1, 1)), "T/N of 't'"),
    ],
)
def test_numbers_out_of_range_are_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()
