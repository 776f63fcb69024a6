"""Doses of analytic cases: known activity in known volumes, one and two sessions, counts and Bq/mL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.case import ImagedSessions, case_dose
from ytterby.errors import CalibrationError, GeometryError, SegmentError
from ytterby.model.dose import CaseDose, DoseOptions, Radiobiology, Tissue
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Device, Session
from ytterby.model.volume import Grid, Quantity, Volume

NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)
OPTIONS = DoseOptions(energy_j_per_gbq=49.67, tissue_density_g_ml=1.03, lung_mass_kg=1.0)
GRID = Grid.axis_aligned((30, 26, 20), (4, 4, 4))
SESSION = Session("1", Device.GLASS, 3.0, NOON, residual_fraction=0.01, lung_shunt_fraction=0.05)


def box(name: str, role: Role, *sides: tuple[int, int], grid: Grid = GRID) -> Segment:
    mask = np.zeros(grid.shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return Segment(name, role, mask, grid)


LIVER = box("liver", Role.LIVER, (5, 25), (5, 21), (4, 16))
TUMOUR = box("Tumour 1", Role.TUMOUR, (8, 12), (8, 12), (6, 10))
RIGHT = box("right", Role.PERFUSED, (5, 15), (5, 21), (4, 16))
LEFT = box("left", Role.PERFUSED, (15, 25), (5, 21), (4, 16))


def counts(tumour_to_normal: float = 5.0, outside: float = 0.0) -> Volume:
    array = np.full(GRID.shape, outside)
    array[LIVER.mask] = 100.0
    array[TUMOUR.mask] = 100.0 * tumour_to_normal
    return Volume(array, GRID, Quantity.COUNTS)


def imaged(*sessions: Session, image: Volume | None = None) -> list[ImagedSessions]:
    return [ImagedSessions(image or counts(), sessions or (SESSION,), 64.1)]


def dosed(
    patient_id: str, parts: list[ImagedSessions], segments: list[Segment], **changes: Any
) -> tuple[CaseDose, Volume, tuple[Segment, ...]]:
    """The dose of a case, its map on the first image's grid, and all segments."""
    found = case_dose(patient_id, parts, segments, **changes)
    return found.dose, found.map_on(parts[0].image.grid), found.segments


def test_the_multicompartment_doses_are_the_formula() -> None:
    dose, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR], options=OPTIONS)
    image = counts().array
    for name, mask in (("Tumour 1", TUMOUR.mask), ("normal_liver", LIVER.mask & ~TUMOUR.mask), ("liver", LIVER.mask)):
        share = image[mask].sum() / image[LIVER.mask].sum()
        mass_kg = mask.sum() * 0.064 * 1.03 / 1000
        expected_gy = 49.67 * 3.0 * 0.95 * 0.99 * share / mass_kg
        # On the image's own grid every sample is a voxel centre: exact but for rounding.
        assert dose.of(name).mean_dose_gy == pytest.approx(expected_gy, rel=1e-12)
        assert dose.of(name).volume_ml == pytest.approx(mask.sum() * 0.064)
        assert dose.of(name).activity_fraction == pytest.approx(0.95 * share)


def test_one_compartment_is_mird() -> None:
    dose, _, _ = dosed("P1", imaged(), [LIVER], options=OPTIONS)
    assert dose.of("liver").mean_dose_gy == pytest.approx(dose.single_compartment[0].mean_dose_gy, rel=1e-12)


@given(st.floats(0.2, 20), st.floats(0, 0.4), st.floats(0, 0.2), st.floats(0.1, 20))
def test_the_activity_balance_closes(ratio: float, shunt: float, residual: float, activity: float) -> None:
    session = replace(
        SESSION, administered_activity_gbq=activity, lung_shunt_fraction=shunt, residual_fraction=residual
    )
    dose, dose_map, _ = dosed("P1", imaged(session, image=counts(ratio)), [LIVER, TUMOUR], options=OPTIONS)
    assert abs(dose.balance.closure_fraction) < 1e-9
    # Energy in the dose map is that of the activity that stays in the liver, known from outside the program.
    joule = dose_map.array[LIVER.mask].astype(float).sum() * 0.064e-3 * 1.03
    assert joule == pytest.approx(49.67 * activity * (1 - residual) * (1 - shunt), rel=1e-5)


def test_the_dose_is_linear_in_activity() -> None:
    one, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR], options=OPTIONS)
    two, _, _ = dosed("P1", imaged(replace(SESSION, administered_activity_gbq=6.0)), [LIVER, TUMOUR], options=OPTIONS)
    assert two.of("Tumour 1").mean_dose_gy == pytest.approx(2 * one.of("Tumour 1").mean_dose_gy)


def test_two_sessions_share_an_image_by_their_territories() -> None:
    first = replace(SESSION, session_id="1", administered_activity_gbq=2.0, perfused=("right",))
    second = replace(
        SESSION, session_id="2", administered_activity_gbq=1.0, perfused=("left",), lung_shunt_fraction=0.1
    )
    segments = [LIVER, TUMOUR, RIGHT, LEFT]
    dose, dose_map, _ = dosed("P1", imaged(first, second), segments, options=OPTIONS)
    image = counts().array
    right_gbq, left_gbq = 2.0 * 0.95 * 0.99, 1.0 * 0.90 * 0.99
    tumour_gbq = right_gbq * image[TUMOUR.mask].sum() / image[RIGHT.mask].sum()
    mass_kg = TUMOUR.volume_ml * 1.03 / 1000
    assert dose.of("Tumour 1").mean_dose_gy == pytest.approx(49.67 * tumour_gbq / mass_kg, rel=1e-12)
    assert dose.of("left").mean_dose_gy == pytest.approx(49.67 * left_gbq / (LEFT.volume_ml * 1.03 / 1000), rel=1e-12)
    assert abs(dose.balance.closure_fraction) < 1e-12
    assert dose.balance.liver_gbq == pytest.approx(right_gbq + left_gbq)
    assert [row.session_id for row in dose.single_compartment] == ["1", "2", "all"]
    np.testing.assert_allclose(dose_map.array[TUMOUR.mask].mean(), dose.of("Tumour 1").mean_dose_gy, rtol=1e-5)
    np.testing.assert_allclose(dose_map.array[LEFT.mask].mean(), dose.of("left").mean_dose_gy, rtol=1e-5)


def test_the_territory_of_a_single_session_does_not_change_the_denominator() -> None:
    whole, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR, RIGHT], options=OPTIONS)
    named, _, _ = dosed("P1", imaged(replace(SESSION, perfused=("right",))), [LIVER, TUMOUR, RIGHT], options=OPTIONS)
    assert named.of("Tumour 1").mean_dose_gy == whole.of("Tumour 1").mean_dose_gy
    # Single-compartment MIRD is what the territory does change.
    assert named.single_compartment[0].mean_dose_gy == pytest.approx(2 * whole.single_compartment[0].mean_dose_gy)


def test_liver_outside_all_territories_gets_no_dose_and_is_told() -> None:
    upper = box("upper", Role.PERFUSED, (5, 15), (5, 21), (10, 16))
    lower = box("lower", Role.PERFUSED, (5, 15), (5, 21), (4, 10))
    sessions = [
        replace(SESSION, session_id=name, perfused=(name,), lung_shunt_fraction=0.0) for name in ("upper", "lower")
    ]
    dose, dose_map, _ = dosed("P1", imaged(*sessions), [LIVER, TUMOUR, upper, lower], options=OPTIONS)
    untreated = LIVER.mask & ~upper.mask & ~lower.mask
    assert dose_map.array[untreated].max() == 0.0
    expected = counts().array[untreated].sum() / counts().array[LIVER.mask].sum()
    assert dose.balance.counts_outside_territories_fraction == pytest.approx(expected)
    assert "counts_outside_territories" in {notice.code for notice in dose.notices}


def test_overlapping_territories_of_one_image_are_refused() -> None:
    wide = box("wide", Role.PERFUSED, (5, 17), (5, 21), (4, 16))
    sessions = [
        replace(SESSION, session_id="a", perfused=("wide",)),
        replace(SESSION, session_id="b", perfused=("left",)),
    ]
    with pytest.raises(SegmentError, match=r"'wide' and 'left' overlap by \d+\.\d mL"):
        dosed("P1", imaged(*sessions), [LIVER, wide, LEFT], options=OPTIONS)


def test_a_session_on_a_shared_image_needs_a_territory() -> None:
    sessions = [replace(SESSION, session_id="a"), replace(SESSION, session_id="b", perfused=("left",))]
    with pytest.raises(SegmentError, match="session 'a'"):
        dosed("P1", imaged(*sessions), [LIVER, LEFT], options=OPTIONS)


def test_a_finer_mask_keeps_its_resolution() -> None:
    fine_grid = Grid.axis_aligned((120, 104, 80), (1, 1, 1))
    liver = LIVER.on_grid(fine_grid)
    # A tumour of 3 mm width, thinner than the image's voxels.
    thin = box("thin", Role.TUMOUR, (40, 43), (40, 50), (30, 40), grid=fine_grid)
    dose, _, _ = dosed("P1", imaged(image=counts(1.0)), [liver, thin], options=OPTIONS)
    assert dose.of("thin").volume_ml == pytest.approx(0.3)
    # Deep in a uniform liver its dose is the liver's (whose own mean is less: samples at the rim see the empty neighbours).
    assert dose.of("thin").mean_dose_gy == pytest.approx(dose.of("liver").d50_gy, rel=1e-9)


def test_counts_outside_the_liver_are_reported_and_flagged() -> None:
    dose, _, _ = dosed("P1", imaged(image=counts(1.0, outside=50.0)), [LIVER], options=OPTIONS)
    inside, voxels = LIVER.mask.sum() * 100.0, LIVER.mask.size
    outside = (voxels - LIVER.mask.sum()) * 50.0
    assert dose.balance.counts_outside_fraction == pytest.approx(outside / (inside + outside))
    assert any(notice.code == "counts_outside" for notice in dose.notices)
    clean, _, _ = dosed("P1", imaged(image=counts(1.0)), [LIVER], options=OPTIONS)
    assert clean.balance.counts_outside_fraction == pytest.approx(0.0, abs=1e-12)
    assert not clean.notices


def test_a_lung_segment_gets_its_dose_from_the_shunt_alone() -> None:
    lungs = box("Lungs", Role.LUNGS, (5, 25), (5, 21), (16, 20))
    array = counts().array.copy()
    array[lungs.mask] = 7e4
    dose, _, _ = dosed("P1", imaged(image=counts().with_array(array)), [LIVER, lungs], options=OPTIONS)
    assert dose.of("Lungs").mean_dose_gy == pytest.approx(49.67 * 3.0 * 0.99 * 0.05 / 1.0)
    assert dose.of("Lungs").d70_gy is None
    assert dose.lungs[0].mean_dose_gy == pytest.approx(dose.of("Lungs").mean_dose_gy)
    without, _, _ = dosed("P1", imaged(), [LIVER], options=OPTIONS)
    assert dose.of("liver").mean_dose_gy == pytest.approx(without.of("liver").mean_dose_gy, rel=1e-12)


def test_without_a_lung_mass_no_lung_dose_is_given() -> None:
    lungs = box("Lungs", Role.LUNGS, (5, 25), (5, 21), (16, 20))
    dose, _, _ = dosed("P1", imaged(), [LIVER, lungs], options=replace(OPTIONS, lung_mass_kg=None))
    assert dose.lungs == ()
    assert "Lungs" not in {row.segment for row in dose.doses}
    assert "no_lung_mass" in {notice.code for notice in dose.notices}
    assert dose.balance.lung_gbq == pytest.approx(3.0 * 0.99 * 0.05)


def test_an_image_in_bq_ml_is_decayed_to_the_administration() -> None:
    later = NOON + timedelta(hours=64.1)
    array = np.where(LIVER.mask, 2.0e6, 0.0)
    image = Volume(array, GRID, Quantity.CONCENTRATION, reference_time=later)
    dose, _, _ = dosed("P1", imaged(image=image), [LIVER], options=OPTIONS)
    # 2 MBq/mL one half-life after the administration was 4 MBq/mL: neither shunt nor residual is taken off.
    assert dose.of("liver").mean_dose_gy == pytest.approx(4 * 48.2233, rel=1e-5)
    recovered = 4e-3 * LIVER.volume_ml / (3.0 * 0.99)
    assert dose.balance.recovered_fraction == pytest.approx(recovered)
    assert any(notice.code == "recovery" for notice in dose.notices)


def test_bq_ml_without_a_reference_time_or_with_two_sessions_is_refused() -> None:
    image = Volume(np.where(LIVER.mask, 2.0e6, 0.0), GRID, Quantity.CONCENTRATION)
    with pytest.raises(CalibrationError, match="reference time"):
        dosed("P1", imaged(image=image), [LIVER], options=OPTIONS)
    with pytest.raises(CalibrationError, match="several sessions"):
        dosed("P1", imaged(SESSION, replace(SESSION, session_id="2"), image=image), [LIVER], options=OPTIONS)


def test_bq_ml_without_a_liver_is_dosed_with_a_warning() -> None:
    image = Volume(np.where(LIVER.mask, 2.0e6, 0.0), GRID, Quantity.CONCENTRATION, reference_time=NOON)
    dose, _, _ = dosed("P1", imaged(image=image), [TUMOUR], options=OPTIONS)
    assert dose.of("Tumour 1").mean_dose_gy == pytest.approx(2 * 48.2233, rel=1e-5)
    assert "no_liver" in {notice.code for notice in dose.notices}


def test_what_cannot_be_dosed_is_told() -> None:
    with pytest.raises(SegmentError, match="no segment has the role liver"):
        dosed("P1", imaged(), [TUMOUR], options=OPTIONS)
    with pytest.raises(CalibrationError, match="unstated"):
        dosed("P1", imaged(image=replace(counts(), quantity=Quantity.UNSTATED)), [LIVER], options=OPTIONS)
    with pytest.raises(CalibrationError, match="no counts in the segment"):
        dosed("P1", imaged(image=counts().with_array(np.zeros(GRID.shape))), [LIVER], options=OPTIONS)
    with pytest.raises(SegmentError, match=r"'nowhere', which does not exist.*liver"):
        dosed("P1", imaged(replace(SESSION, perfused=("nowhere",))), [LIVER], options=OPTIONS)
    away = Grid.axis_aligned((5, 5, 5), (4, 4, 4), origin_mm=(900, 900, 900))
    with pytest.raises(GeometryError, match="segment 'far'"):
        dosed("P1", imaged(), [LIVER, Segment("far", Role.OTHER, np.ones(away.shape, bool), away)], options=OPTIONS)


def test_a_tumour_outside_the_liver_is_told() -> None:
    poking = box("poking", Role.TUMOUR, (3, 7), (8, 12), (6, 10))
    dose, _, _ = dosed("P1", imaged(), [LIVER, poking], options=OPTIONS)
    [notice] = [notice for notice in dose.notices if notice.code == "tumour_outside_liver"]
    assert "50.0% of 'poking'" in notice.message


def test_the_map_holds_a_tumour_beyond_the_liver_as_its_row_does() -> None:
    poking = box("poking", Role.TUMOUR, (3, 7), (8, 12), (6, 10))
    dose, dose_map, _ = dosed("P1", imaged(image=counts(1.0, outside=40.0)), [LIVER, poking], options=OPTIONS)
    assert dose_map.array[poking.mask].mean() == pytest.approx(dose.of("poking").mean_dose_gy, rel=1e-6)


def test_two_tumours_that_share_voxels_do_not_break_the_balance() -> None:
    other = box("Tumour 2", Role.TUMOUR, (10, 14), (8, 12), (6, 10))
    dose, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR, other], options=OPTIONS)
    assert abs(dose.balance.closure_fraction) < 1e-12
    assert "tumours_overlap" in {notice.code for notice in dose.notices}


def test_bed_is_given_only_where_the_case_states_the_parameters() -> None:
    plain, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR], options=OPTIONS)
    assert plain.of("Tumour 1").bed_mean_gy is None
    biology = Radiobiology(tumour=Tissue(10.0, 1.5))
    dose, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR], options=OPTIONS, radiobiology=biology)
    mean = dose.of("Tumour 1").mean_dose_gy
    factor = 1.5 / (1.5 + 64.1) / 10
    assert dose.of("Tumour 1").bed_mean_gy == pytest.approx(mean * (1 + factor * mean), rel=1e-9)
    assert dose.of("liver").bed_mean_gy is None


def test_negative_samples_are_set_to_zero_and_told() -> None:
    array = counts(1.0).array.copy()
    array[LIVER.mask & (np.indices(GRID.shape)[0] == 5)] = -50.0
    dose, dose_map, _ = dosed("P1", imaged(image=counts().with_array(array)), [LIVER], options=OPTIONS)
    assert dose_map.array.min() == 0.0
    assert dose.of("liver").min_dose_gy == 0.0
    assert "negative_counts" in {notice.code for notice in dose.notices}


def test_a_liver_that_leaves_out_its_tumours_is_refused() -> None:
    without = LIVER.difference(TUMOUR)
    with pytest.raises(SegmentError, match="segment 'Tumour 1': 100% of the tumour lies outside the liver"):
        dosed("P1", imaged(), [without, TUMOUR], options=OPTIONS)


def cut(image: Volume) -> Volume:
    """The half of an image with x below 0."""
    half = image.array[:15]
    return Volume(half, Grid(half.shape, image.grid.affine), image.quantity)  # type: ignore[arg-type]


def test_a_second_image_that_holds_half_the_liver_is_told() -> None:
    second = replace(SESSION, session_id="2")
    parts = [*imaged(SESSION), *imaged(second, image=cut(counts()))]
    for order in (parts, parts[::-1]):
        dose, _, _ = dosed("P1", order, [LIVER, TUMOUR], options=OPTIONS)
        [notice] = [notice for notice in dose.notices if notice.code == "liver_cut"]
        assert "50.0% of the liver lies outside the image of session 2" in notice.message


def test_the_order_of_the_images_does_not_matter() -> None:
    second = replace(SESSION, session_id="2", administered_activity_gbq=1.0)
    finer = Volume(counts(3.0).array.repeat(2, 0), Grid((60, 26, 20), _halved(GRID)), Quantity.COUNTS)
    coarse = LIVER.on_grid(Grid.axis_aligned((12, 10, 8), (10, 10, 10)))
    parts = [*imaged(SESSION), *imaged(second, image=finer)]
    one, _, _ = dosed("P1", parts, [coarse], options=OPTIONS)
    two, _, _ = dosed("P1", parts[::-1], [coarse], options=OPTIONS)
    assert one.of("liver").mean_dose_gy == pytest.approx(two.of("liver").mean_dose_gy, rel=1e-9)
    assert abs(one.balance.closure_fraction) < 0.01


def _halved(grid: Grid) -> np.ndarray:
    affine = grid.affine @ np.diag([0.5, 1, 1, 1])
    affine[:3, 3] -= grid.affine[:3, 0] / 4
    return np.asarray(affine)


def test_the_balance_is_made_of_the_rows() -> None:
    dose, _, _ = dosed("P1", imaged(), [LIVER, TUMOUR], options=OPTIONS)
    rows = [dose.of(name) for name in ("Tumour 1", "normal_liver")]
    joule = sum(row.mean_dose_gy * row.mass_kg for row in rows)
    assert dose.balance.liver_gbq == pytest.approx(joule / 49.67, rel=1e-12)


def test_counts_and_bq_ml_sessions_add_up() -> None:
    measured = Volume(
        np.where(LIVER.mask, 1e9 / LIVER.volume_ml, 0.0), GRID, Quantity.CONCENTRATION, reference_time=NOON
    )
    second = replace(SESSION, session_id="2", administered_activity_gbq=1.0 / 0.99)
    parts = [*imaged(SESSION), *imaged(second, image=measured)]
    dose, _, _ = dosed("P1", parts, [LIVER, TUMOUR], options=OPTIONS)
    assert dose.balance.recovered_fraction == pytest.approx(1.0)
    assert dose.balance.lung_gbq == pytest.approx(3.0 * 0.99 * 0.05)
    assert abs(dose.balance.closure_fraction) < 1e-9


def test_an_energy_constant_of_another_nuclide_is_told() -> None:
    holmium = replace(SESSION, device=Device.HOLMIUM)
    near = replace(OPTIONS, energy_j_per_gbq=16.5)
    dose, _, _ = dosed("P1", imaged(holmium), [LIVER], options=near)
    assert "energy_constant" in {notice.code for notice in dose.notices}
    # That of 90Y would make its doses three times too high, and 0.9336 is MeV, not joule.
    with pytest.raises(CalibrationError, match=r"holmium microspheres carry Ho-166, whose decays release 15\.53 J/GBq"):
        dosed("P1", imaged(holmium), [LIVER], options=OPTIONS)
    with pytest.raises(CalibrationError, match=r"options\.energy_j_per_gbq is|energy_j_per_gbq is 0\.9336"):
        dosed("P1", imaged(), [LIVER], options=replace(OPTIONS, energy_j_per_gbq=0.9336))


def test_an_image_that_is_mostly_below_0_is_no_image_of_counts() -> None:
    image = counts()
    negative = image.with_array(np.where(LIVER.mask & ~TUMOUR.mask, -50.0, image.array))
    with pytest.raises(CalibrationError, match="this is no image of counts"):
        dosed("P1", imaged(image=negative), [LIVER, TUMOUR], options=OPTIONS)


def test_two_lung_segments_share_one_mass() -> None:
    right = box("Lung R", Role.LUNGS, (5, 15), (5, 21), (16, 20))
    left = box("Lung L", Role.LUNGS, (15, 20), (5, 21), (16, 20))
    dose, _, _ = dosed("P1", imaged(), [LIVER, right, left], options=OPTIONS)
    assert dose.of("Lung R").mass_kg + dose.of("Lung L").mass_kg == pytest.approx(1.0)
    assert dose.of("Lung R").mean_dose_gy == dose.of("Lung L").mean_dose_gy


def test_noise_below_0_in_bq_ml_stays_in_the_mean() -> None:
    array = np.where(LIVER.mask, 2.0e6, 0.0)
    array[6, 6, 5] = -4.0e6
    image = Volume(array, GRID, Quantity.CONCENTRATION, reference_time=NOON)
    biology = Radiobiology(normal=Tissue(2.5, 2.5))
    dose, _, _ = dosed("P1", imaged(image=image), [LIVER], options=OPTIONS, radiobiology=biology)
    n = LIVER.mask.sum()
    assert dose.of("liver").mean_dose_gy == pytest.approx(48.2233 * (2 * (n - 1) - 4) / n, rel=1e-5)
    assert dose.of("liver").min_dose_gy < 0


def test_the_map_holds_the_activity_that_was_given_and_lungs_get_none() -> None:
    lungs = box("Lungs", Role.LUNGS, (5, 25), (5, 21), (16, 20))
    _, dose_map, _ = dosed("P1", imaged(image=counts(3.0, outside=30.0)), [LIVER, TUMOUR, lungs], options=OPTIONS)
    assert dose_map.array[lungs.mask].max() == 0.0
    gbq = dose_map.array.sum(dtype=float) * 0.064 / 1000 * 1.03 / 49.67
    assert gbq == pytest.approx(3.0 * 0.99 * 0.95, rel=1e-5)


def test_the_map_on_a_finer_grid_is_what_the_rows_are_made_of() -> None:
    fine = Grid.axis_aligned((120, 104, 80), (1, 1, 1))
    liver, tumour = LIVER.on_grid(fine), TUMOUR.on_grid(fine)
    found = case_dose("P1", imaged(image=counts(4.0, outside=10.0)), [liver, tumour], options=OPTIONS)
    on_ct = found.map_on(fine)
    assert on_ct.array[tumour.mask].mean(dtype=float) == pytest.approx(found.dose.of("Tumour 1").mean_dose_gy, rel=1e-6)
    assert on_ct.array[liver.mask].mean(dtype=float) == pytest.approx(found.dose.of("liver").mean_dose_gy, rel=1e-6)
