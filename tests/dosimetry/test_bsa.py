"""Body surface area and the activity of resin microspheres: worked numbers, steps of the lung shunt, what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry import compartment
from ytterby.dosimetry.bsa import (
    bsa_activity_gbq,
    bsa_m2,
    lobar_bsa_activity_gbq,
    lung_shunt_reduction_fraction,
    reduced_for_lung_shunt_gbq,
)
from ytterby.errors import DomainError


def test_worked_body_surface():
    # physics.md section 2.1.
    surface = bsa_m2(1.75, 70)
    assert round(surface, 5) == 1.84812
    assert round(bsa_activity_gbq(surface, tumour_ml=300, liver_ml=1800), 5) == 1.81479


def test_the_formula_is_du_bois_in_centimetres():
    # Published as 0.007184 cm^0.725 kg^0.425; 0.20247 is that times 100^0.725, to its five digits.
    assert bsa_m2(1.75, 70) == pytest.approx(0.007184 * 175**0.725 * 70**0.425, rel=3e-5)


def test_the_old_place_of_the_names_still_has_them():
    assert compartment.bsa_m2 is bsa_m2
    assert compartment.bsa_activity_gbq is bsa_activity_gbq


@pytest.mark.parametrize(
    ("shunt", "reduction"),
    # physics.md section 2.1, with both sides of each boundary.
    [(0, 0), (0.05, 0), (0.0999, 0), (0.10, 0.2), (0.12, 0.2), (0.1499, 0.2), (0.15, 0.4), (0.18, 0.4), (0.20, 0.4)],
)
def test_steps_of_the_lung_shunt(shunt, reduction):
    assert lung_shunt_reduction_fraction(shunt) == reduction
    assert reduced_for_lung_shunt_gbq(2.0, shunt) == pytest.approx(2.0 * (1 - reduction))


@pytest.mark.parametrize("shunt", [0.2001, 0.25, 0.9])
def test_above_twenty_percent_there_is_no_activity(shunt):
    with pytest.raises(DomainError, match="contraindicated"):
        reduced_for_lung_shunt_gbq(2.0, shunt)


@given(st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_greater_shunt_never_gives_more(first, second):
    low, high = sorted((first, second))
    assert reduced_for_lung_shunt_gbq(1.0, low) >= reduced_for_lung_shunt_gbq(1.0, high)


def test_trap_the_reduction_is_no_proportion():
    # The steps are a rule of thumb: they are not A (1 - F), which belongs to the dose of the liver.
    assert reduced_for_lung_shunt_gbq(1.0, 0.12) == pytest.approx(0.8)
    assert reduced_for_lung_shunt_gbq(1.0, 0.12) != pytest.approx(0.88)


def test_worked_lobe():
    # ((1.84812 - 0.2) + 300/1200) 1200/1800, by hand.
    surface = bsa_m2(1.75, 70)
    activity = lobar_bsa_activity_gbq(surface, lobe_tumour_ml=300, lobe_ml=1200, liver_ml=1800)
    assert activity == pytest.approx((surface - 0.2 + 0.25) * 2 / 3, rel=1e-12)
    assert round(activity, 5) == 1.26541


@given(
    st.floats(1.2, 2.6),
    st.lists(st.tuples(st.floats(50, 1500), st.floats(0, 1)), min_size=1, max_size=4),
)
def test_lobes_add_up_to_the_liver(surface, lobes):
    liver_ml = math.fsum(lobe for lobe, _ in lobes)
    parts = [
        lobar_bsa_activity_gbq(surface, lobe_tumour_ml=share * lobe, lobe_ml=lobe, liver_ml=liver_ml)
        for lobe, share in lobes
    ]
    tumour_ml = math.fsum(share * lobe for lobe, share in lobes)
    whole = bsa_activity_gbq(surface, tumour_ml=min(tumour_ml, liver_ml), liver_ml=liver_ml)
    assert math.isclose(math.fsum(parts), whole, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bsa_m2(175, 70), "1.75"),
        (lambda: bsa_m2(1.75, 0), "weight_kg"),
        (lambda: bsa_activity_gbq(1.8, tumour_ml=2000, liver_ml=1800), "with its tumours"),
        (lambda: bsa_activity_gbq(0.1, tumour_ml=0, liver_ml=1800), "no activity"),
        (lambda: lobar_bsa_activity_gbq(1.8, lobe_tumour_ml=0, lobe_ml=1900, liver_ml=1800), "more than liver_ml"),
        (lambda: lobar_bsa_activity_gbq(1.8, lobe_tumour_ml=900, lobe_ml=800, liver_ml=1800), "with its tumours"),
        (lambda: lung_shunt_reduction_fraction(12), "not percent"),
        (lambda: lung_shunt_reduction_fraction(-0.1), "lung_shunt_fraction"),
        (lambda: reduced_for_lung_shunt_gbq(0, 0.1), "activity_gbq"),
    ],
)
def test_numbers_out_of_range_are_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()
