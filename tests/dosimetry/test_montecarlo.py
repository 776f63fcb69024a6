"""Monte Carlo intervals: one error at a time against its closed form, determinism, limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ytterby.dosimetry.montecarlo import dose_interval
from ytterby.dosimetry.recovery import (
    effective_fwhm_mm,
    equivalent_diameter_mm,
    gaussian_sphere_recovery,
)
from ytterby.dosimetry.transfer import TumourShare, table_share
from ytterby.dosimetry.uncertainty import corrected_dose_budget
from ytterby.errors import DomainError
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.segment import Role, Segment
from ytterby.model.uncertainty import Delivery, DoseInterval, UncertaintyInputs
from ytterby.model.volume import Grid

IMAGE = Grid.axis_aligned((40, 40, 40), (4.42, 4.42, 4.42))
ONE = [Delivery(lung_shunt_fraction=0.05, residual_fraction=0.01)]
FWHM_MM = effective_fwhm_mm(12.0, voxel_mm=IMAGE.spacing_mm)
TRUE_GY, BACKGROUND_GY = 200.0, 40.0


def ball(radius_mm: float, step_mm: float = 1.0) -> Segment:
    n = int(2 * radius_mm / step_mm) + 8
    grid = Grid.axis_aligned((n, n, n), (step_mm,) * 3)
    axis = grid.affine[0, 3] + step_mm * np.arange(n) - 0.3
    mask = sum(a**2 for a in np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)) <= radius_mm**2
    return Segment("L", Role.TUMOUR, mask, grid)


def share_of(segment: Segment, background_gy: float = BACKGROUND_GY) -> TumourShare:
    recovery = gaussian_sphere_recovery(equivalent_diameter_mm(segment.volume_ml), fwhm_mm=FWHM_MM)
    mean = recovery * TRUE_GY + (1 - recovery) * background_gy
    return table_share("L", mean_gy=mean, background_gy=background_gy, recovery_fraction=recovery)


def interval(
    segment: Segment, *, background_gy: float = BACKGROUND_GY, seed: int = 1, draws: int = 2000, **stated: float
) -> DoseInterval:
    return dose_interval(
        segment,
        share_of(segment, background_gy),
        corrected_gy=TRUE_GY,
        inputs=UncertaintyInputs(fwhm_mm=12.0, **stated),
        deliveries=ONE,
        image=IMAGE,
        seed=seed,
        draws=draws,
    )


def overlap(drawn_mm: float, true_mm: float) -> float:
    """Mean in a drawn ball of a blurred ball of another radius about the same centre, by summing over shells."""
    sigma = FWHM_MM / FWHM_PER_SIGMA
    r = np.linspace(1e-3, drawn_mm, 400)
    a, b = (true_mm - r) / sigma, (true_mm + r) / sigma
    erf = np.vectorize(math.erf)
    blurred = 0.5 * (erf(a / 2**0.5) + erf(b / 2**0.5)) - sigma / (r * (2 * np.pi) ** 0.5) * (
        np.exp(-0.5 * a**2) - np.exp(-0.5 * b**2)
    )
    return float(np.trapezoid(blurred * r**2, r) / np.trapezoid(r**2, r))


def test_without_any_stated_error_the_interval_is_the_dose() -> None:
    found = interval(ball(10.0))
    assert (found.low_gy, found.median_gy, found.high_gy) == pytest.approx((TRUE_GY,) * 3, rel=1e-9)
    assert found.standard_gy == pytest.approx(0.0, abs=1e-9)
    assert len(found.left_out) == 8


@pytest.mark.parametrize(("radius", "sd"), [(8.0, 0.4), (8.0, 1.0), (12.0, 1.5), (25.0, 0.5), (25.0, 2.0)])
def test_the_boundary_alone_gives_the_doses_of_its_own_percentiles(radius: float, sd: float) -> None:
    segment = ball(radius)
    drawn = equivalent_diameter_mm(segment.volume_ml) / 2
    measured = overlap(drawn, drawn)

    def dose_if(true_mm: float) -> float:
        return BACKGROUND_GY + (TRUE_GY - BACKGROUND_GY) * measured / overlap(drawn, true_mm)

    found = interval(segment, boundary_mm=sd)
    assert found.low_gy == pytest.approx(dose_if(drawn + 1.96 * sd), rel=0.02)
    assert found.high_gy == pytest.approx(dose_if(drawn - 1.96 * sd), rel=0.03)
    assert found.median_gy == pytest.approx(TRUE_GY, rel=0.01)


def test_activity_and_noise_alone_give_their_own_percentiles() -> None:
    found = interval(ball(15.0), activity_fraction=0.05)
    assert found.high_gy == pytest.approx(TRUE_GY * (1 + 1.96 * 0.05), rel=2e-3)
    assert found.low_gy == pytest.approx(TRUE_GY * (1 - 1.96 * 0.05), rel=2e-3)
    assert found.standard_gy == pytest.approx(TRUE_GY * 0.05, rel=0.01)

    segment = ball(15.0)
    inputs = UncertaintyInputs(fwhm_mm=12.0, noise_fraction=0.1)
    budget = corrected_dose_budget(
        share_of(segment), corrected_gy=TRUE_GY, volume_ml=segment.volume_ml, inputs=inputs, deliveries=ONE, image=IMAGE
    )
    assert interval(segment, noise_fraction=0.1).standard_gy == pytest.approx(budget.combined_gy, rel=0.03)


def test_the_resolution_alone_moves_the_dose_as_the_recovery_of_a_sphere() -> None:
    segment = ball(10.0)
    diameter = equivalent_diameter_mm(segment.volume_ml)

    def dose_if(fwhm: float) -> float:
        at = gaussian_sphere_recovery(diameter, fwhm_mm=effective_fwhm_mm(fwhm, voxel_mm=IMAGE.spacing_mm))
        stated = gaussian_sphere_recovery(diameter, fwhm_mm=FWHM_MM)
        return BACKGROUND_GY + (TRUE_GY - BACKGROUND_GY) * stated / at

    found = interval(segment, fwhm_uncertainty_mm=0.5)
    assert found.high_gy == pytest.approx(dose_if(12.0 + 1.96 * 0.5), rel=0.01)
    assert found.low_gy == pytest.approx(dose_if(12.0 - 1.96 * 0.5), rel=0.01)


def test_misplacement_alone_raises_the_dose_as_a_blur_by_the_shifts_does() -> None:
    found = interval(ball(8.0), registration_mm=2.0, background_gy=0.0, draws=4000)
    assert found.low_gy >= TRUE_GY * 0.999  # a misplaced image can only have lost counts
    diameter = equivalent_diameter_mm(ball(8.0).volume_ml)
    lost = gaussian_sphere_recovery(diameter, fwhm_mm=math.hypot(FWHM_MM, 2.0 * FWHM_PER_SIGMA)) / (
        gaussian_sphere_recovery(diameter, fwhm_mm=FWHM_MM)
    )
    # The median of a squared shift is 2.366 sd^2, its mean 3 sd^2.
    assert math.log(found.median_gy / TRUE_GY) == pytest.approx(-math.log(lost) * 2.366 / 3, rel=0.10)


def test_both_methods_agree_where_errors_are_small_and_the_lesion_is_large() -> None:
    segment = ball(25.0, 1.5)
    stated = {"activity_fraction": 0.05, "boundary_mm": 0.5, "fwhm_uncertainty_mm": 0.3, "lung_shunt_sd_fraction": 0.01}
    inputs = UncertaintyInputs(fwhm_mm=12.0, **stated)
    budget = corrected_dose_budget(
        share_of(segment), corrected_gy=TRUE_GY, volume_ml=segment.volume_ml, inputs=inputs, deliveries=ONE, image=IMAGE
    )
    found = interval(segment, **stated)
    assert found.standard_gy == pytest.approx(budget.combined_gy, rel=0.05)
    assert (found.low_gy, found.high_gy) == pytest.approx(budget.interval_gy(factor=1.96), rel=0.02)


def test_the_same_seed_gives_the_same_numbers_and_another_nearly_the_same() -> None:
    stated = {"boundary_mm": 1.0, "activity_fraction": 0.05, "registration_mm": 2.0, "noise_fraction": 0.1}
    one, again, other = (interval(ball(12.0), seed=seed, **stated) for seed in (1, 1, 2))
    assert one == again
    assert one.high_gy != other.high_gy
    assert one.high_gy == pytest.approx(other.high_gy, rel=0.03)


def test_a_lesion_that_would_vanish_is_told_and_no_number_is_infinite() -> None:
    found = interval(ball(5.0), boundary_mm=3.7)
    assert [one.code for one in found.notices] == ["boundary_floor"]
    assert math.isfinite(found.high_gy)
    assert not interval(ball(10.0), boundary_mm=1.0).notices


def test_several_sessions_average_their_own_errors() -> None:
    segment = ball(15.0)
    two = [Delivery(0.05, 0.01, 0.5), Delivery(0.05, 0.01, 0.5)]
    inputs = UncertaintyInputs(fwhm_mm=12.0, activity_fraction=0.06)
    found = dose_interval(
        segment, share_of(segment), corrected_gy=TRUE_GY, inputs=inputs, deliveries=two, image=IMAGE, seed=1
    )
    assert found.standard_gy == pytest.approx(TRUE_GY * 0.06 / math.sqrt(2), rel=0.04)


def test_too_few_draws_or_no_delivery_are_refused() -> None:
    with pytest.raises(DomainError, match="draws"):
        interval(ball(10.0), draws=50)
    with pytest.raises(DomainError, match="no session"):
        dose_interval(
            ball(10.0), share_of(ball(10.0)), corrected_gy=TRUE_GY, inputs=UncertaintyInputs(fwhm_mm=12.0),
            deliveries=[], image=IMAGE, seed=1,
        )  # fmt: skip
