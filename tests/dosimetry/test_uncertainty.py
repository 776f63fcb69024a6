"""Budgets by the law of propagation: published numbers, parts that add up, errors that are drawn and counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from ytterby.dosimetry.recovery import (
    FWHM_PER_SIGMA,
    effective_fwhm_mm,
    equivalent_diameter_mm,
    gaussian_sphere_edge,
    gaussian_sphere_recovery,
)
from ytterby.dosimetry.transfer import table_share
from ytterby.dosimetry.uncertainty import (
    corrected_dose_budget,
    delivery_fractions,
    measured_dose_budget,
    noise_fraction_of_mean,
    volume_sd_fraction,
)
from ytterby.errors import DomainError, MissingMeasurement
from ytterby.model.uncertainty import Delivery, UncertaintyInputs, UncertaintyTerm, diameter_sd_mm
from ytterby.model.volume import Grid

IMAGE = Grid.axis_aligned((40, 40, 40), (4.42, 4.42, 4.42))
ONE = [Delivery(lung_shunt_fraction=0.05, residual_fraction=0.01)]
ALL = UncertaintyInputs(
    fwhm_mm=12.0,
    fwhm_uncertainty_mm=0.6,
    activity_fraction=0.06,
    calibration_fraction=0.03,
    lung_shunt_sd_fraction=0.019,
    residual_sd_fraction=0.01,
    boundary_mm=1.0,
    registration_mm=2.0,
    noise_fraction=0.1,
)
ML_40_MM = math.pi * 40.0**3 / 6000.0


def sphere_share(volume_ml: float):
    diameter = equivalent_diameter_mm(volume_ml)
    recovery = gaussian_sphere_recovery(diameter, fwhm_mm=effective_fwhm_mm(12.0, voxel_mm=IMAGE.spacing_mm))
    mean = recovery * 200.0 + (1 - recovery) * 40.0
    return table_share("L", mean_gy=mean, background_gy=40.0, recovery_fraction=recovery)


def test_the_published_example_of_a_40_mm_lesion() -> None:
    """40 mm, voxels of 4.42 mm, FWHM 12 mm: u(d) = 7.43 mm, u(V)/V = 55.7 %."""
    sd = diameter_sd_mm(voxel_mm=4.42, fwhm_mm=12.0)
    assert sd == pytest.approx(7.43, abs=0.005)
    stated = UncertaintyInputs(fwhm_mm=12.0, delineation_voxel_mm=4.42, delineation_fwhm_mm=12.0)
    assert stated.boundary_sd_mm == pytest.approx(sd / 2)
    assert volume_sd_fraction(ML_40_MM, boundary_sd_mm=stated.boundary_sd_mm) == pytest.approx(0.557, abs=0.0005)


def test_two_blurred_edges_in_voxels_spread_as_the_law_says() -> None:
    rng = np.random.default_rng(1)
    edges = rng.normal(0.0, 12.0 / FWHM_PER_SIGMA, (2, 400_000)) + rng.uniform(-2.21, 2.21, (2, 400_000))
    assert np.std(edges[1] - edges[0]) == pytest.approx(diameter_sd_mm(voxel_mm=4.42, fwhm_mm=12.0), rel=5e-3)


def test_delivery_terms_of_one_session_and_of_several() -> None:
    one = delivery_fractions(ALL, ONE)
    assert one == pytest.approx({"activity": 0.06, "lung_shunt": 0.019 / 0.95, "residual": 0.01 / 0.99})
    two = delivery_fractions(ALL, [Delivery(0.05, 0.01, 1.0), Delivery(0.05, 0.01, 1.0)])
    assert two["activity"] == pytest.approx(0.06 / math.sqrt(2))
    uneven = delivery_fractions(ALL, [Delivery(0.05, 0.01, 0.9), Delivery(0.05, 0.01, 0.1)])
    assert uneven["activity"] == pytest.approx(0.06 * math.hypot(0.9, 0.1))
    with pytest.raises(DomainError, match="no session"):
        delivery_fractions(ALL, [])


def test_the_volume_acts_through_counts_recovery_and_mass_and_leaves_half_of_phi_over_recovery() -> None:
    """Numerically: C/(RC V) of a fixed lesion, seen in a contour that grows, with the recovery and mass of the contour."""
    share = sphere_share(ML_40_MM)
    budget = corrected_dose_budget(
        share, corrected_gy=200.0, volume_ml=ML_40_MM, inputs=ALL, deliveries=ONE, image=IMAGE
    )
    gross = budget.of("volume_gross").standard_fraction
    assert gross == pytest.approx(6.0 * 1.0 / 40.0)
    fwhm = effective_fwhm_mm(12.0, voxel_mm=IMAGE.spacing_mm)
    phi = 2 * gaussian_sphere_edge(40.0, fwhm_mm=fwhm) / gaussian_sphere_recovery(40.0, fwhm_mm=fwhm)
    contrast = 1 - 40.0 / 200.0
    assert budget.of("volume").standard_fraction == pytest.approx(contrast * phi / 2 * gross)
    assert budget.of("volume_through_counts").standard_fraction == pytest.approx(phi / 2 * gross)
    assert budget.of("volume_through_recovery").standard_fraction == pytest.approx((phi - 1) * gross)
    assert budget.of("volume").standard_fraction < gross


def test_parts_are_shown_and_not_added_again() -> None:
    share = sphere_share(ML_40_MM)
    budget = corrected_dose_budget(
        share, corrected_gy=200.0, volume_ml=ML_40_MM, inputs=ALL, deliveries=ONE, image=IMAGE
    )
    summed = [term for term in budget.terms if not term.part_of]
    assert {term.name for term in summed} == {
        "volume", "recovery", "registration", "calibration", "noise", "activity", "lung_shunt", "residual",
    }  # fmt: skip
    assert budget.combined_fraction == pytest.approx(math.sqrt(sum(term.standard_fraction**2 for term in summed)))
    assert budget.combined_gy == pytest.approx(200.0 * budget.combined_fraction)
    assert all(term.standard_gy == pytest.approx(200.0 * term.standard_fraction) for term in budget.terms)
    assert budget.left_out == ()
    with pytest.raises(MissingMeasurement, match="no term 'weather'"):
        budget.of("weather")


def test_what_is_not_stated_is_left_out_and_said() -> None:
    stated = UncertaintyInputs(fwhm_mm=12.0, activity_fraction=0.05)
    share = sphere_share(ML_40_MM)
    budget = corrected_dose_budget(
        share, corrected_gy=200.0, volume_ml=ML_40_MM, inputs=stated, deliveries=ONE, image=IMAGE
    )
    assert budget.terms == (UncertaintyTerm("activity", 0.05, 10.0),)
    assert budget.left_out == (
        "calibration", "lung_shunt", "residual", "recovery", "volume", "registration", "noise",
    )  # fmt: skip


def test_the_interval_lies_about_the_dose_on_the_logarithm() -> None:
    stated = UncertaintyInputs(fwhm_mm=12.0, activity_fraction=0.05)
    budget = corrected_dose_budget(
        sphere_share(ML_40_MM), corrected_gy=200.0, volume_ml=ML_40_MM, inputs=stated, deliveries=ONE, image=IMAGE
    )
    low, high = budget.interval_gy(factor=1.96)
    assert low * high == pytest.approx(200.0**2)
    assert math.log(high / 200.0) == pytest.approx(1.96 * 0.05)


def test_a_misplaced_image_takes_on_average_what_a_blur_by_the_shifts_takes() -> None:
    stated = UncertaintyInputs(fwhm_mm=12.0, registration_mm=1.0)
    diameter, fwhm = 40.0, effective_fwhm_mm(12.0, voxel_mm=IMAGE.spacing_mm)
    share = table_share(
        "L", mean_gy=100.0, background_gy=0.0, recovery_fraction=gaussian_sphere_recovery(diameter, fwhm_mm=fwhm)
    )
    budget = corrected_dose_budget(
        share, corrected_gy=200.0, volume_ml=ML_40_MM, inputs=stated, deliveries=ONE, image=IMAGE
    )
    wider = gaussian_sphere_recovery(diameter, fwhm_mm=math.hypot(fwhm, FWHM_PER_SIGMA))
    lost = 1 - wider / gaussian_sphere_recovery(diameter, fwhm_mm=fwhm)
    assert budget.expected_loss_fraction == pytest.approx(lost, rel=0.03)
    assert budget.of("registration").standard_fraction == pytest.approx(math.sqrt(15) / 3 * lost, rel=0.03)
    low, high = budget.interval_gy(factor=1.0)
    assert math.sqrt(low * high) == pytest.approx(200.0 * math.exp(budget.expected_loss_fraction))


def test_noise_of_a_mean_is_that_of_drawn_images() -> None:
    step, fwhm, radius = 2.0, 12.0, 10.0
    axis = (np.arange(40) - 19.5) * step
    ball = sum(a**2 for a in np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)) <= radius**2
    rng = np.random.default_rng(7)
    means, spread = [], []
    for _ in range(400):
        image = ndimage.gaussian_filter(rng.normal(size=ball.shape), fwhm / FWHM_PER_SIGMA / step, mode="wrap")
        means.append(image[ball].mean())
        spread.append(image.var())
    volume_ml = ball.sum() * step**3 / 1000.0
    expected = noise_fraction_of_mean(0.1, volume_ml=volume_ml, fwhm_mm=fwhm)
    assert 0.1 * np.std(means) / np.sqrt(np.mean(spread)) == pytest.approx(expected, rel=0.10)


def test_a_measured_dose_has_no_recovery_term_and_large_organs_are_hardly_touched_by_their_border() -> None:
    liver = measured_dose_budget(
        "liver", mean_gy=50.0, surrounding_gy=0.0, volume_ml=1800.0, inputs=ALL, deliveries=ONE, image=IMAGE
    )
    lesion = measured_dose_budget(
        "L1", mean_gy=120.0, surrounding_gy=40.0, volume_ml=4.2, inputs=ALL, deliveries=ONE, image=IMAGE
    )
    assert "recovery" in liver.left_out
    assert liver.of("volume").standard_fraction < 0.05 < lesion.of("volume").standard_fraction
    assert liver.of("noise").standard_fraction < 0.01
    # In uniform surroundings the border does not matter: counts grow like the volume.
    flat = measured_dose_budget(
        "L", mean_gy=40.0, surrounding_gy=40.0, volume_ml=4.2, inputs=ALL, deliveries=ONE, image=IMAGE
    )
    assert flat.of("volume").standard_fraction == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "stated",
    [
        {"boundary_mm": 1.0, "delineation_fwhm_mm": 3.0, "delineation_voxel_mm": 1.0},
        {"delineation_fwhm_mm": 3.0},
        {"registration_mm": -1.0},
        {"activity_fraction": math.nan},
    ],
)
def test_contradictory_or_impossible_statements_are_refused(stated: dict[str, float]) -> None:
    with pytest.raises(DomainError):
        UncertaintyInputs(fwhm_mm=12.0, **stated)
