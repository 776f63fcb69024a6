"""Lung dose, of a session and over several, and the lung shunt of planar and SPECT images (physics.md, section 2.4)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.lung import (
    LUNG_DOSE_LIMITS,
    LungDoseLimit,
    activity_for_lung_dose_gbq,
    activity_within_lung_limit,
    counts_lung_shunt_fraction,
    cumulative_lung_dose_gy,
    lung_dose_gy,
    planar_lung_shunt,
    spect_lung_shunt,
)
from ytterby.errors import CalibrationError, DomainError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Device, Session
from ytterby.model.volume import Grid, Quantity, Volume

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


# ---------------------------------------------------------------- several sessions

TERMS = {"lung_mass_kg": 1.0, "energy_j_per_gbq": 49.67}


def session(activity, shunt, residual=0.0, day=0):
    moment = datetime(2024, 3, 8, 11, tzinfo=UTC) + timedelta(days=day)
    return Session(f"S{day}", Device.GLASS, activity, moment, residual, shunt)


def test_lung_doses_of_sessions_add_up():
    # 7.4505 Gy (physics.md section 2.4) and 49.67 x 2 x 0.99 x 0.1 by hand.
    sessions = (session(3, 0.05), session(2, 0.1, 0.01, day=40))
    total = cumulative_lung_dose_gy(sessions, prior_dose_gy=0.0, **TERMS)
    assert total == pytest.approx(7.4505 + 49.67 * 2 * 0.99 * 0.1)
    assert cumulative_lung_dose_gy(sessions, prior_dose_gy=12.5, **TERMS) == pytest.approx(total + 12.5)
    assert cumulative_lung_dose_gy((), prior_dose_gy=4.0, **TERMS) == 4.0


def test_trap_sessions_do_not_share_a_mean_shunt():
    # Mean shunt times all activity is another number, unless the activities are equal.
    sessions = (session(3, 0.02), session(1, 0.20, day=40))
    wrong = 49.67 * 4 * 0.11
    assert cumulative_lung_dose_gy(sessions, prior_dose_gy=0.0, **TERMS) == pytest.approx(49.67 * 0.26)
    assert wrong > 1.6 * cumulative_lung_dose_gy(sessions, prior_dose_gy=0.0, **TERMS)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 0.3), st.floats(0, 0.2)), max_size=5), st.floats(0, 40))
def test_cumulative_dose_is_the_sum_of_single_ones(pairs, prior):
    sessions = [session(activity, shunt, residual, day) for day, (activity, shunt, residual) in enumerate(pairs)]
    single = sum(
        lung_dose_gy(activity, shunt, residual_fraction=residual, **TERMS) for activity, shunt, residual in pairs
    )
    total = cumulative_lung_dose_gy(sessions, prior_dose_gy=prior, **TERMS)
    assert math.isclose(total, prior + single, rel_tol=1e-12)


# ---------------------------------------------------------------- limits

USUAL = LUNG_DOSE_LIMITS["usual"]


def test_limits_of_the_lungs():
    # physics.md section 2.4: 30 Gy in one session, 50 Gy in all; 25 Gy in one is more careful, and an assumption.
    assert (USUAL.session_dose_gy, USUAL.cumulative_dose_gy) == (30.0, 50.0)
    assert LUNG_DOSE_LIMITS["careful"].session_dose_gy == 25.0
    assert LUNG_DOSE_LIMITS["careful"].assumptions
    assert all(limit.source for limit in LUNG_DOSE_LIMITS.values())


@pytest.mark.parametrize(
    ("prior", "left", "binding"),
    [(0, 30, "session"), (20, 30, "session"), (20.5, 29.5, "cumulative"), (45, 5, "cumulative"), (50, 0, "cumulative")],
)
def test_what_a_limit_leaves(prior, left, binding):
    allowed = activity_within_lung_limit(USUAL, 0.1, prior_dose_gy=prior, **TERMS)
    assert allowed.lung_dose_gy == pytest.approx(left)
    assert allowed.binding == binding
    assert allowed.activity_gbq == pytest.approx(left / (49.67 * 0.1))


def test_nothing_is_left_beyond_the_limit():
    allowed = activity_within_lung_limit(USUAL, 0.1, prior_dose_gy=70, **TERMS)
    assert (allowed.activity_gbq, allowed.lung_dose_gy) == (0.0, 0.0)


@given(st.floats(0, 49), st.floats(0.005, 0.3), st.floats(0, 0.2), st.floats(0.4, 1.5))
def test_allowed_activity_keeps_both_limits(prior, shunt, residual, mass):
    terms = {"lung_mass_kg": mass, "energy_j_per_gbq": 49.67, "residual_fraction": residual}
    allowed = activity_within_lung_limit(USUAL, shunt, prior_dose_gy=prior, **terms)
    dose = lung_dose_gy(allowed.activity_gbq, shunt, **terms)
    assert dose == pytest.approx(allowed.lung_dose_gy)
    assert dose <= 30 * (1 + 1e-9)
    assert prior + dose <= 50 * (1 + 1e-9)
    # One of them is reached.
    assert dose == pytest.approx(30) or prior + dose == pytest.approx(50)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LungDoseLimit("odd", 60, 50, "none"),
        lambda: LungDoseLimit("odd", 0, 50, "none"),
        lambda: activity_within_lung_limit(USUAL, 0.0, prior_dose_gy=0, **TERMS),
        lambda: activity_within_lung_limit(USUAL, 0.1, prior_dose_gy=-1, **TERMS),
        lambda: activity_within_lung_limit(USUAL, 10.0, prior_dose_gy=60, **TERMS),
        lambda: cumulative_lung_dose_gy((), prior_dose_gy=-1, **TERMS),
        lambda: counts_lung_shunt_fraction(5, 0),
        lambda: counts_lung_shunt_fraction(-5, 10),
    ],
)
def test_limits_and_doses_out_of_range(call):
    with pytest.raises(DomainError):
        call()


# ---------------------------------------------------------------- SPECT/CT

GRID = Grid.axis_aligned((24, 20, 30), (4.0, 4.0, 5.0))


def boxes(*, overlap=0):
    """Liver and lungs as boxes of 12 x 12 x 8 and 16 x 12 x 10 voxels, the liver's top ``overlap`` slices within the lungs."""
    liver, lungs = np.zeros(GRID.shape, dtype=bool), np.zeros(GRID.shape, dtype=bool)
    liver[4:16, 4:16, 4:12] = True
    lungs[4:20, 4:16, 12 - overlap : 22] = True
    return (
        Segment("Liver", Role.LIVER, liver, GRID),
        Segment("Lungs", Role.LUNGS, lungs, GRID),
    )


def spect(liver_counts, lung_counts, *, overlap=0):
    liver, lungs = boxes(overlap=overlap)
    array = np.zeros(GRID.shape)
    array[lungs.mask] = lung_counts
    array[liver.mask] = liver_counts
    return Volume(array, GRID, Quantity.COUNTS), liver, lungs


def test_spect_shunt_of_uniform_boxes():
    # 1152 voxels of 95 and 1920 voxels of 3: F = 5760 / (5760 + 109440) = 5 %.
    image, liver, lungs = spect(95.0, 3.0)
    shunt = spect_lung_shunt(image, liver=liver, lungs=lungs)
    assert shunt.lung_shunt_fraction == pytest.approx(0.05, rel=1e-12)
    assert shunt.method.startswith("SPECT/CT")
    assert "outside" not in shunt.method


def test_voxels_in_both_count_once_as_liver():
    # The lungs reach 2 slices into the liver; without the rule its dome would triple the shunt.
    image, liver, lungs = spect(95.0, 3.0, overlap=2)
    inside_both = int((liver.mask & lungs.mask).sum())
    assert inside_both == 288
    free = int(lungs.mask.sum()) - inside_both
    expected = 3.0 * free / (3.0 * free + 95.0 * 1152)
    shunt = spect_lung_shunt(image, liver=liver, lungs=lungs).lung_shunt_fraction
    assert shunt == pytest.approx(expected, rel=1e-12)
    twice = (3.0 * free + 95.0 * inside_both) / (3.0 * free + 95.0 * inside_both + 95.0 * 1152)
    assert twice > 3 * shunt


def test_spect_and_planar_agree_where_nothing_is_attenuated():
    # Without attenuation both views hold the same counts, and the geometric mean is the sum of the voxels.
    image, liver, lungs = spect(95.0, 7.0)
    counts = [float(image.array[segment.mask].sum()) for segment in (lungs, liver)]
    planar = planar_lung_shunt(
        anterior_lung_counts=counts[0],
        posterior_lung_counts=counts[0],
        anterior_liver_counts=counts[1],
        posterior_liver_counts=counts[1],
    )
    by_voxels = spect_lung_shunt(image, liver=liver, lungs=lungs)
    assert by_voxels.lung_shunt_fraction == pytest.approx(planar.lung_shunt_fraction, rel=1e-12)


def test_planar_overestimates_where_the_liver_attenuates_more():
    # Transmission of half the depth: liver exp(-0.15 x 10) in each view, lungs exp(-0.05 x 10). SPECT corrects, planar does not.
    image, liver, lungs = spect(95.0, 3.0)
    lung, whole = (float(image.array[segment.mask].sum()) for segment in (lungs, liver))
    planar = planar_lung_shunt(
        anterior_lung_counts=lung * math.exp(-0.5),
        posterior_lung_counts=lung * math.exp(-0.5),
        anterior_liver_counts=whole * math.exp(-1.5),
        posterior_liver_counts=whole * math.exp(-1.5),
    )
    assert planar.lung_shunt_fraction > 2 * spect_lung_shunt(image, liver=liver, lungs=lungs).lung_shunt_fraction


@given(st.floats(1e-3, 1e6))
def test_spect_shunt_does_not_depend_on_the_unit(scale):
    image, liver, lungs = spect(95.0, 3.0)
    scaled = Volume(image.array * scale, GRID, Quantity.CONCENTRATION)
    assert spect_lung_shunt(scaled, liver=liver, lungs=lungs).lung_shunt_fraction == pytest.approx(0.05)


def test_samples_below_zero_count_nothing():
    image, liver, lungs = spect(95.0, 3.0)
    array = np.array(image.array)
    array[lungs.mask & (np.arange(GRID.shape[2]) >= 20)] = -50.0
    shunt = spect_lung_shunt(Volume(array, GRID, Quantity.COUNTS), liver=liver, lungs=lungs).lung_shunt_fraction
    kept = 3.0 * 16 * 12 * 8
    assert shunt == pytest.approx(kept / (kept + 95.0 * 1152))


def test_a_flipped_image_has_the_same_shunt():
    image, liver, lungs = spect(95.0, 3.0)
    affine = np.array(GRID.affine)
    affine[:3, 3] += affine[:3, 2] * (GRID.shape[2] - 1)
    affine[:3, 2] *= -1.0
    flipped = Volume(np.array(image.array)[:, :, ::-1], Grid(GRID.shape, affine), Quantity.COUNTS)
    assert spect_lung_shunt(flipped, liver=liver, lungs=lungs).lung_shunt_fraction == pytest.approx(0.05, rel=1e-9)


def test_lungs_beyond_the_image_are_told():
    image, liver, lungs = spect(95.0, 3.0)
    cut = Volume(np.array(image.array)[:, :, :17], Grid((24, 20, 17), GRID.affine), Quantity.COUNTS)
    shunt = spect_lung_shunt(cut, liver=liver, lungs=lungs)
    assert shunt.lung_shunt_fraction < 0.05
    assert "50.0 % of 'Lungs' lies outside the image" in shunt.method


def test_what_has_no_shunt_is_refused():
    image, liver, lungs = spect(95.0, 3.0)
    empty = Segment("Lungs", Role.LUNGS, np.zeros(GRID.shape, dtype=bool), GRID)
    within = Segment("Lungs", Role.LUNGS, liver.mask, GRID)
    far = Segment("Lungs", Role.LUNGS, lungs.mask, Grid.axis_aligned(GRID.shape, (4, 4, 5), origin_mm=(5e3, 0, 0)))
    with pytest.raises(SegmentError, match="empty"):
        spect_lung_shunt(image, liver=liver, lungs=empty)
    with pytest.raises(SegmentError, match="wholly in"):
        spect_lung_shunt(image, liver=liver, lungs=within)
    with pytest.raises(GeometryError, match="wholly outside"):
        spect_lung_shunt(image, liver=liver, lungs=far)
    with pytest.raises(CalibrationError, match="no counts in the liver"):
        spect_lung_shunt(spect(0.0, 3.0)[0], liver=liver, lungs=lungs)
    with pytest.raises(CalibrationError, match="image of activity"):
        spect_lung_shunt(image.with_array(image.array, Quantity.HU), liver=liver, lungs=lungs)
