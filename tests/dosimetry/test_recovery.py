"""Recovery of blurred spheres: published-style tables, closed forms against each other and against sums over voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, ndimage

from ytterby.dosimetry.recovery import (
    GearRecovery,
    RecoveryTable,
    corrected_mean_gy,
    effective_fwhm_mm,
    equivalent_diameter_mm,
    fitted_recovery,
    gaussian_sphere_centre,
    gaussian_sphere_edge,
    gaussian_sphere_recovery,
    size_notices,
)
from ytterby.errors import DomainError, EstimationError
from ytterby.imaging.smooth import FWHM_PER_SIGMA

# Mean in the true volume and value at the centre, computed apart from this code on voxels (hot sphere, cold surroundings). They
# differ from the integral by up to 0.0014; the integral itself is tested to 1e-9 below.
DIAMETERS_MM = (10, 13, 17, 20, 22, 28, 37, 50)
MEANS = {
    8: (0.311, 0.432, 0.546, 0.609, 0.641, 0.715, 0.782, 0.838),
    12: (0.151, 0.248, 0.368, 0.444, 0.485, 0.585, 0.680, 0.759),
    20: (0.044, 0.086, 0.157, 0.215, 0.254, 0.363, 0.488, 0.610),
}
CENTRES = {
    8: (0.461, 0.699, 0.900, 0.966, 0.985, 0.999, 1.0, 1.0),
    12: (0.190, 0.347, 0.574, 0.722, 0.801, 0.944, 0.996, 1.0),
    20: (0.049, 0.100, 0.199, 0.291, 0.358, 0.563, 0.809, 0.966),
}
CASES = [(fwhm, *row) for fwhm in MEANS for row in zip(DIAMETERS_MM, MEANS[fwhm], CENTRES[fwhm], strict=True)]
TABLE = RecoveryTable((10.0, 20.0, 37.0), (0.15, 0.45, 0.68), "a phantom")


@pytest.mark.parametrize(("fwhm", "diameter", "mean", "centre"), CASES)
def test_spheres_recover_as_tabulated(fwhm: float, diameter: float, mean: float, centre: float) -> None:
    assert gaussian_sphere_recovery(diameter, fwhm_mm=fwhm) == pytest.approx(mean, abs=1.5e-3)
    assert gaussian_sphere_centre(diameter, fwhm_mm=fwhm) == pytest.approx(centre, abs=1.1e-3)


@pytest.mark.parametrize("diameter", [0.5, 2.0, 10.0, 40.0, 120.0])
def test_the_closed_form_is_the_integral_over_spatial_frequencies(diameter: float) -> None:
    """RC = 1/(2 pi^2 V) integral of k^2 |F(k)|^2 exp(-sigma^2 k^2 / 2), F the transform of a ball: no distances, no pairs."""
    radius, sigma = diameter / 2, 12.0 / FWHM_PER_SIGMA

    def density(k: float) -> float:
        form = 4 * math.pi * (math.sin(k * radius) - k * radius * math.cos(k * radius)) / k**3
        return k**2 * form**2 * math.exp(-0.5 * (sigma * k) ** 2)

    whole, _ = integrate.quad(density, 1e-9, 10 / sigma, limit=500, epsabs=0, epsrel=1e-11)
    expected = whole / (2 * math.pi**2 * 4 / 3 * math.pi * radius**3)
    assert gaussian_sphere_recovery(diameter, fwhm_mm=12.0) == pytest.approx(
        expected, rel=1e-4 if diameter < 1 else 1e-9
    )


def test_mean_centre_and_edge_agree_with_a_blurred_sphere_of_voxels() -> None:
    step, radius, fwhm = 0.5, 9.0, 12.0
    axis = (np.arange(100) - 49.5) * step
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)))
    sphere = np.clip(0.5 + (radius - distance) / step, 0, 1)
    image = ndimage.gaussian_filter(sphere, fwhm / FWHM_PER_SIGMA / step, truncate=6)
    mean = np.sum(image * sphere) / np.sum(sphere)
    near = np.abs(distance - radius) < 0.05
    assert gaussian_sphere_recovery(2 * radius, fwhm_mm=fwhm) == pytest.approx(mean, rel=3e-3)
    assert gaussian_sphere_edge(2 * radius, fwhm_mm=fwhm) == pytest.approx(image[near].mean(), rel=5e-3)
    assert gaussian_sphere_centre(2 * radius, fwhm_mm=fwhm) == pytest.approx(image[distance < 0.5].mean(), rel=5e-3)


@given(st.floats(1.0, 200.0), st.floats(2.0, 30.0))
def test_recovery_follows_the_volume_as_twice_the_edge_over_recovery_less_one(diameter: float, fwhm: float) -> None:
    """The overlap of a growing sphere with itself grows by both of its roles: d ln RC / d ln V = phi / RC - 1."""
    h = 1e-4
    more, less = (math.log(gaussian_sphere_recovery(diameter * (1 + s), fwhm_mm=fwhm)) for s in (h, -h))
    edge = gaussian_sphere_edge(diameter, fwhm_mm=fwhm)
    expected = 2 * edge / gaussian_sphere_recovery(diameter, fwhm_mm=fwhm) - 1
    assert (more - less) / (6 * h) == pytest.approx(expected, abs=2e-3)


def test_the_closed_form_goes_over_into_that_of_a_small_sphere() -> None:
    limit = 0.2 * 12.0 / FWHM_PER_SIGMA
    below, above = (gaussian_sphere_recovery(limit * f, fwhm_mm=12.0) for f in (1 - 1e-9, 1 + 1e-9))
    assert below == pytest.approx(above, rel=1e-4)


@given(st.floats(0.5, 300.0), st.floats(1.0, 40.0))
def test_recovery_lies_between_0_and_1_and_rises_with_size(diameter: float, fwhm: float) -> None:
    one, larger = (gaussian_sphere_recovery(d, fwhm_mm=fwhm) for d in (diameter, 1.1 * diameter))
    assert 0 < one < larger < 1
    assert 0 < gaussian_sphere_edge(diameter, fwhm_mm=fwhm) < 0.5


def test_linear_samples_widen_the_resolution_by_a_triangle() -> None:
    """Linear interpolation of samples of a Gaussian, averaged over the place of the lattice, has its variance + h^2/6."""
    step, sigma = 4.42, 12.0 / FWHM_PER_SIGMA
    x = np.arange(-60, 60, 0.01)
    second = []
    for phase in np.arange(0, 1, 0.05) * step:
        lattice = np.arange(-80, 80, step) + phase
        y = np.interp(x, lattice, np.exp(-0.5 * (lattice / sigma) ** 2))
        second.append(np.sum(x**2 * y) / np.sum(y))
    expected = effective_fwhm_mm(12.0, voxel_mm=(step, step, step)) / FWHM_PER_SIGMA
    assert np.sqrt(np.mean(second)) == pytest.approx(expected, rel=1e-4)


def test_a_mean_is_corrected_for_spill_out_and_for_background() -> None:
    measured = 0.444 * 200.0 + (1 - 0.444) * 40.0
    assert corrected_mean_gy(measured, 40.0, recovery_fraction=0.444) == pytest.approx(200.0)
    assert corrected_mean_gy(40.0, 40.0, recovery_fraction=0.444) == pytest.approx(40.0)
    with pytest.raises(DomainError, match="explain more"):
        corrected_mean_gy(10.0, 40.0, recovery_fraction=0.2)
    with pytest.raises(DomainError, match="recovery coefficient"):
        corrected_mean_gy(10.0, 0.0, recovery_fraction=0.0)


def test_a_table_is_interpolated_and_never_extrapolated_below() -> None:
    assert TABLE.recovery_at(15.0) == pytest.approx(0.30)
    assert TABLE.recovery_at(50.0) == 0.68
    with pytest.raises(DomainError, match="smaller than the smallest sphere"):
        TABLE.recovery_at(9.9)


@pytest.mark.parametrize(
    ("diameters", "values", "what"),
    [
        ((10.0,), (0.2,), "no table"),
        ((10.0, 20.0), (0.2,), "no table"),
        ((20.0, 10.0), (0.2, 0.4), "rise"),
        ((10.0, 20.0), (0.4, 0.2), "not fall"),
        ((10.0, 20.0), (0.2, 1.2), "not fall"),
    ],
)
def test_a_wrong_table_is_refused(diameters: tuple[float, ...], values: tuple[float, ...], what: str) -> None:
    with pytest.raises(DomainError, match=what):
        RecoveryTable(diameters, values, "a phantom")


def test_the_curve_of_gear_is_found_again_from_its_own_values() -> None:
    curve = GearRecovery(alpha_ml=6.0, exponent=np.float64(0.8))
    diameters = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)
    table = RecoveryTable(diameters, tuple(curve.recovery_at(d) for d in diameters), "the curve")
    found = fitted_recovery(table)
    assert (found.alpha_ml, found.exponent) == pytest.approx((6.0, 0.8))
    assert curve.recovery_at(float(equivalent_diameter_mm(6.0))) == pytest.approx(0.5)
    with pytest.raises(EstimationError):
        fitted_recovery(RecoveryTable((10.0, 20.0), (0.3, 1.0), "a phantom"))


def test_small_lesions_are_flagged_by_the_smaller_of_both_diameters() -> None:
    def codes(volume_ml: float, longest_mm: float | None, fwhm_mm: float) -> list[str]:
        return [one.code for one in size_notices("L1", volume_ml=volume_ml, longest_mm=longest_mm, fwhm_mm=fwhm_mm)]

    assert codes(4.0, None, 6.0) == ["lesion_under_20_mm"]  # 19.7 mm
    assert codes(4.0, None, 12.0) == ["lesion_under_20_mm", "lesion_under_2_5_fwhm"]
    assert codes(10.0, 40.0, 12.0) == ["lesion_under_2_5_fwhm"]  # 26.7 mm
    assert codes(10.0, 19.0, 6.0) == ["lesion_under_20_mm"]
    assert codes(33.6, 45.0, 12.0) == []
