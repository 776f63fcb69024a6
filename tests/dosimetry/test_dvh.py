"""Dose-volume figures: published definition, closed forms, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ytterby.dosimetry.dvh import DoseVolume, dose_volume, segment_dose_volume
from ytterby.errors import DomainError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

HUNDRED = dose_volume(np.arange(1.0, 101.0), 0.1)  # 1, 2, ... 100 Gy, 10 mL


def test_d70_of_1_to_100_gy_lies_between_30_and_31_gy() -> None:
    # By whole voxels it is 31 Gy; between volume midpoints 30.5: physics takes 30 to 31.
    assert HUNDRED.dose_reached_gy(0.70) == pytest.approx(30.5, abs=1e-9)
    assert HUNDRED.dose_reached_gy(0.98) == pytest.approx(2.5, abs=1e-9)
    assert HUNDRED.dose_reached_gy(0.50) == pytest.approx(50.5, abs=1e-9)
    assert HUNDRED.dose_reached_gy(0.02) == pytest.approx(98.5, abs=1e-9)
    assert HUNDRED.dose_reached_gy(0.705) == pytest.approx(30.0, abs=1e-9)  # a midpoint: the sample's own dose


def test_beyond_the_outer_midpoints_the_outer_doses_hold() -> None:
    assert HUNDRED.dose_reached_gy(1.0) == 1.0
    assert HUNDRED.dose_reached_gy(0.996) == 1.0
    assert HUNDRED.dose_reached_gy(0.004) == 100.0


def test_absolute_volumes() -> None:
    assert HUNDRED.total_volume_ml == pytest.approx(10.0)
    assert HUNDRED.dose_reached_by_volume_gy(7.0) == pytest.approx(30.5, abs=1e-9)
    assert HUNDRED.dose_reached_by_volume_gy(10.0) == 1.0
    assert HUNDRED.volume_reaching_ml(91.0) == pytest.approx(1.0)


def test_v_d_counts_the_samples_that_reach_it() -> None:
    assert HUNDRED.volume_fraction(100.0) == pytest.approx(0.01)
    assert HUNDRED.volume_fraction(31.0) == pytest.approx(0.70)
    assert HUNDRED.volume_fraction(31.0001) == pytest.approx(0.69)
    assert HUNDRED.volume_fraction(0.0) == 1.0
    assert HUNDRED.volume_fraction(100.0001) == 0.0


def test_mean_and_spread() -> None:
    assert HUNDRED.mean_gy == pytest.approx(50.5)
    assert HUNDRED.sd_gy == pytest.approx(np.sqrt((100**2 - 1) / 12))  # of 1 to n, over all of them
    assert (HUNDRED.minimum_gy, HUNDRED.maximum_gy) == (1.0, 100.0)
    weighted = dose_volume(np.array([40.0, 10.0]), np.array([1.0, 3.0]))
    assert weighted.mean_gy == pytest.approx(17.5)
    assert weighted.sd_gy == pytest.approx(30 * np.sqrt(0.25 * 0.75))


def test_unequal_volumes_have_unequal_midpoints() -> None:
    # 3 mL at 10 Gy and 1 mL at 40 Gy: midpoints at 1.5 and 3.5 mL, so that 2.5 mL below is half way.
    weighted = dose_volume(np.array([40.0, 10.0]), np.array([1.0, 3.0]))
    assert weighted.dose_reached_by_volume_gy(1.5) == pytest.approx(25.0)
    assert weighted.dose_reached_gy(0.7) == 10.0


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("dose", [100.1, 0.0, 1e-3])
def test_a_uniform_dose_is_every_d_and_all_reach_it(dose: float, kind: type) -> None:
    uniform = dose_volume(np.full(7, dose, dtype=kind), 0.3)
    for share in (0.001, 0.02, 0.5, 0.98, 1.0):
        assert uniform.dose_reached_gy(share) == kind(dose)
    assert uniform.volume_fraction(dose) == 1.0
    assert uniform.sd_gy == pytest.approx(0.0, abs=1e-5)


def test_a_step_stays_a_step() -> None:
    # Nine tenths at 50 Gy in many voxels: D70 and D50 are 50 Gy, not a mixture with the rest at 200 Gy.
    two = dose_volume(np.repeat([50.0, 200.0], [900, 100]), 0.01)
    assert two.dose_reached_gy(0.70) == two.dose_reached_gy(0.50) == two.dose_reached_gy(0.11) == 50.0
    assert two.dose_reached_gy(0.09) == 200.0


def test_a_linear_gradient_has_a_straight_histogram() -> None:
    ramp = dose_volume(np.linspace(200, 0, 20001), 0.001)
    curve = ramp.histogram("ramp", Role.TUMOUR)
    np.testing.assert_allclose(curve.volume_fraction[:-1], 1 - curve.dose_gy[:-1] / 200, atol=1e-4)
    assert curve.total_volume_ml == pytest.approx(20.001)
    for share in (0.98, 0.95, 0.5, 0.02):
        assert ramp.dose_reached_gy(share) == pytest.approx(200 * (1 - share), abs=0.01)


def test_samples_without_volume_do_not_count() -> None:
    with_nothing = dose_volume(np.array([1.0, 999.0, 3.0]), np.array([1.0, 0.0, 1.0]))
    assert with_nothing.maximum_gy == 3.0
    assert with_nothing.dose_gy.size == 2


def test_arrays_cannot_be_written_and_the_input_is_left_alone() -> None:
    given_doses, given_volumes = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    segment = dose_volume(given_doses, given_volumes)
    given_doses[0] = 7.0
    given_volumes[0] = 7.0
    assert segment.maximum_gy == 3.0
    assert segment.total_volume_ml == 6.0
    for array in (segment.dose_gy, segment.volume_ml, HUNDRED.volume_ml):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


samples = arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 2000))
shares = st.floats(0.001, 1.0)


@st.composite
def weighted_samples(draw: st.DrawFn) -> DoseVolume:
    doses = draw(samples)
    volumes = draw(arrays(np.float64, doses.shape, elements=st.floats(0.001, 10.0)))
    return dose_volume(doses, volumes)


@given(weighted_samples())
def test_a_histogram_falls_from_one_to_nothing(segment: DoseVolume) -> None:
    curve = segment.histogram("s", Role.TUMOUR)
    assert curve.volume_fraction[0] == 1.0
    assert curve.volume_fraction[-1] == 0.0
    assert (np.diff(curve.volume_fraction) <= 0).all()
    assert len(curve.dose_gy) < 1003


@given(weighted_samples(), shares, shares)
def test_d_falls_with_the_volume_and_stays_within_the_doses(segment: DoseVolume, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert segment.dose_reached_gy(high) <= segment.dose_reached_gy(low)
    for share in (one, other):
        assert segment.minimum_gy <= segment.dose_reached_gy(share) <= segment.maximum_gy


@given(samples, shares)
def test_v_of_d_is_the_share_within_one_sample(doses: np.ndarray, share: float) -> None:
    # The strict side (more than D) and the counting side (D or more) hold the share between them, within one sample.
    segment = dose_volume(doses, 0.5)
    dose = segment.dose_reached_gy(share)
    one = 1.0 / doses.size
    assert segment.volume_fraction(dose) >= share - one - 1e-9
    assert segment.volume_fraction(np.nextafter(dose, np.inf)) <= share + one + 1e-9


@given(weighted_samples(), st.randoms(use_true_random=False))
def test_order_does_not_matter(segment: DoseVolume, random) -> None:
    order = np.array(random.sample(range(segment.dose_gy.size), segment.dose_gy.size))
    mixed = dose_volume(segment.dose_gy[order], segment.volume_ml[order])
    assert np.array_equal(mixed.dose_gy, segment.dose_gy)
    assert np.array_equal(mixed.volume_ml, segment.volume_ml)


@given(weighted_samples(), shares, st.floats(0.01, 100.0))
def test_scaling_of_dose_and_volume(segment: DoseVolume, share: float, by: float) -> None:
    hotter = dose_volume(segment.dose_gy * by, segment.volume_ml)
    larger = dose_volume(segment.dose_gy, segment.volume_ml * by)
    assert hotter.dose_reached_gy(share) == pytest.approx(by * segment.dose_reached_gy(share), rel=1e-9, abs=1e-9)
    assert hotter.mean_gy == pytest.approx(by * segment.mean_gy)
    assert hotter.sd_gy == pytest.approx(by * segment.sd_gy, rel=1e-6, abs=1e-6)
    assert larger.mean_gy == pytest.approx(segment.mean_gy)
    assert larger.total_volume_ml == pytest.approx(by * segment.total_volume_ml)


@given(weighted_samples(), weighted_samples(), st.floats(0, 2000))
def test_two_parts_make_the_whole(one: DoseVolume, other: DoseVolume, dose: float) -> None:
    whole = dose_volume(np.concatenate((one.dose_gy, other.dose_gy)), np.concatenate((one.volume_ml, other.volume_ml)))
    assert whole.total_volume_ml == pytest.approx(one.total_volume_ml + other.total_volume_ml)
    assert whole.volume_reaching_ml(dose) == pytest.approx(
        one.volume_reaching_ml(dose) + other.volume_reaching_ml(dose), abs=1e-9
    )
    assert whole.mean_gy * whole.total_volume_ml == pytest.approx(
        one.mean_gy * one.total_volume_ml + other.mean_gy * other.total_volume_ml, abs=1e-9
    )


@given(samples)
def test_one_volume_for_all_is_the_same_volume_for_each(doses: np.ndarray) -> None:
    one, each = dose_volume(doses, 0.25), dose_volume(doses, np.full(doses.shape, 0.25))
    for share in (0.98, 0.7, 0.5, 0.02):
        assert one.dose_reached_gy(share) == each.dose_reached_gy(share)
    assert one.mean_gy == pytest.approx(each.mean_gy, rel=1e-12, abs=1e-12)
    assert one.sd_gy == pytest.approx(each.sd_gy, rel=1e-9, abs=1e-9)


def test_negative_doses_of_a_reconstruction_are_kept() -> None:
    noisy = dose_volume(np.array([-2.0, 1.0, 4.0]), 1.0)
    assert noisy.minimum_gy == -2.0
    assert noisy.mean_gy == 1.0
    assert noisy.histogram("n", Role.OTHER).volume_fraction[0] == pytest.approx(2 / 3)
    below = dose_volume(np.array([-2.0, -1.0]), 1.0).histogram("n", Role.OTHER)
    assert below.volume_fraction.tolist() == [0.0, 0.0]


def test_impossible_questions_are_refused() -> None:
    for share in (70, 0.0, -0.1, float("nan")):
        with pytest.raises(DomainError, match="volume_fraction"):
            HUNDRED.dose_reached_gy(share)
    for volume in (0.0, 10.1, float("nan")):
        with pytest.raises(DomainError, match="volume_ml"):
            HUNDRED.dose_reached_by_volume_gy(volume)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_doses_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(DomainError, match="not finite"):
        dose_volume(np.array([1.0, bad, 3.0]), 1.0)
    # where the segment has no volume nobody asks
    assert dose_volume(np.array([1.0, bad]), np.array([1.0, 0.0])).maximum_gy == 1.0


def test_volumes_that_cannot_be_are_refused() -> None:
    for volumes in (-1.0, np.nan, np.array([1.0, -0.1]), np.array([1.0, np.nan]), np.array([1.0, np.inf])):
        with pytest.raises(DomainError, match="volume"):
            dose_volume(np.array([1.0, 2.0]), volumes)
    for doses, nothing in ((np.array([]), 1.0), (np.array([1.0]), 0.0), (np.array([1.0]), np.array([0.0]))):
        with pytest.raises(SegmentError):
            dose_volume(doses, nothing)
    with pytest.raises(GeometryError, match="shape"):
        dose_volume(np.array([1.0, 2.0]), np.array([1.0]))


def test_a_segment_on_the_dose_map_has_the_maps_own_voxels() -> None:
    grid = Grid.axis_aligned((6, 5, 4), (2.0, 2.0, 3.0))
    dose = Volume(np.arange(120.0).reshape(6, 5, 4).astype(np.float32), grid, Quantity.DOSE)
    mask = np.zeros((6, 5, 4), dtype=bool)
    mask[2:4, 1:3, 1:3] = True
    segment = segment_dose_volume(dose, Segment("a", Role.TUMOUR, mask, grid))
    assert segment.dose_gy.tolist() == sorted(dose.array[mask].tolist())
    assert segment.total_volume_ml == pytest.approx(8 * 0.012)
    with pytest.raises(SegmentError):
        segment_dose_volume(dose, Segment("b", Role.TUMOUR, np.zeros((6, 5, 4), dtype=bool), grid))


def test_a_segment_beside_the_dose_map_is_refused() -> None:
    dose = Volume(np.ones((4, 4, 4)), Grid.axis_aligned((4, 4, 4), (2.0, 2.0, 2.0)), Quantity.DOSE)
    fine = Grid.axis_aligned((8, 8, 8), (1.0, 1.0, 1.0), origin_mm=(1.5, 0.5, 0.5))
    half = segment_dose_volume(dose, Segment("half", Role.TUMOUR, np.ones((8, 8, 8), dtype=bool), fine))
    assert 0.0 < half.mean_gy < 0.5  # what lies outside has no dose
    far = Grid.axis_aligned((8, 8, 8), (1.0, 1.0, 1.0), origin_mm=(50.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="outside"):
        segment_dose_volume(dose, Segment("far", Role.TUMOUR, np.ones((8, 8, 8), dtype=bool), far))
