"""Smoothing: widths add in quadrature on any grid, sums are kept, and only the sharper image changes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ytterby.errors import DomainError, GeometryError
from ytterby.imaging.smooth import (
    FWHM_PER_SIGMA,
    Smoothed,
    matched_resolution,
    quadrature_difference_mm,
    smooth,
)
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume


def gaussian(grid: Grid, fwhm_mm: float) -> Volume:
    positions = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T)
    sigma = fwhm_mm / FWHM_PER_SIGMA
    values = np.exp(-(positions**2).sum(axis=1) / (2 * sigma**2)).reshape(grid.shape)
    return Volume(values, grid, Quantity.DOSE)


def point(grid: Grid) -> Volume:
    array = np.zeros(grid.shape)
    array[tuple(n // 2 for n in grid.shape)] = 1.0
    return Volume(array, grid, Quantity.DOSE)


def variances_mm2(volume: Volume) -> FloatArray:
    """Variance along each index axis, from second moments."""
    weights = volume.array / volume.array.sum()
    found = []
    for axis, side in enumerate(volume.grid.spacing_mm):
        profile = weights.sum(axis=tuple(a for a in range(3) if a != axis))
        place = np.arange(profile.size) * side
        mean = (profile * place).sum()
        found.append((profile * (place - mean) ** 2).sum())
    return np.array(found)


def width_at_half_mm(profile: FloatArray, side_mm: float) -> float:
    """Full width at half maximum of a profile, linear between samples."""
    half = profile.max() / 2
    above = np.flatnonzero(profile >= half)
    left, right = above[0], above[-1]
    start = left - (profile[left] - half) / (profile[left] - profile[left - 1])
    stop = right + (profile[right] - half) / (profile[right] - profile[right + 1])
    return float((stop - start) * side_mm)


@pytest.mark.parametrize("fwhm_mm", [1.0, 3.0, 6.6, 12.0, 20.0])
def test_a_point_gets_the_width_also_where_voxels_are_coarse_and_uneven(fwhm_mm: float) -> None:
    # 1 mm on voxels of 4.8 mm is 0.09 voxels: a Gaussian read off at the voxels would not widen at all.
    blurred = smooth(point(Grid.axis_aligned((61, 51, 41), (2.0, 4.8, 6.0))), fwhm_mm)
    assert variances_mm2(blurred) == pytest.approx([(fwhm_mm / FWHM_PER_SIGMA) ** 2] * 3, rel=1e-5)


def test_the_width_of_a_point_at_half_maximum_is_the_width_asked_for() -> None:
    blurred = smooth(point(Grid.axis_aligned((81, 81, 41), (1.0, 1.0, 2.0))), 12.0)
    assert width_at_half_mm(blurred.array[:, 40, 20], 1.0) == pytest.approx(12.0, rel=0.005)
    assert width_at_half_mm(blurred.array[40, 40, :], 2.0) == pytest.approx(12.0, rel=0.015)


def test_widths_add_in_quadrature() -> None:
    grid = Grid.axis_aligned((61, 61, 41), (1.5, 1.5, 2.5))
    blurred = smooth(gaussian(grid, 5.0), 12.0)
    wide = gaussian(grid, 13.0)
    expected = wide.array * (blurred.array.max() / wide.array.max())
    np.testing.assert_allclose(blurred.array, expected, atol=0.004 * blurred.array.max())
    assert width_at_half_mm(blurred.array[:, 30, 20], 1.5) == pytest.approx(13.0, rel=0.005)
    assert quadrature_difference_mm(13.0, 5.0) == 12.0


def test_two_steps_are_one() -> None:
    # The property of Gaussians that are a voxel wide or more.
    volume = point(Grid.axis_aligned((51, 51, 51), (2.0, 2.0, 2.0)))
    once, twice = smooth(volume, 10.0), smooth(smooth(volume, 6.0), 8.0)
    np.testing.assert_allclose(twice.array, once.array, atol=1e-5 * once.array.max())


def test_sum_and_uniform_images_are_kept() -> None:
    grid = Grid.axis_aligned((12, 9, 7), (3.0, 4.0, 5.0))
    noise = Volume(np.random.default_rng(5).normal(20.0, 30.0, grid.shape), grid, Quantity.DOSE)
    assert smooth(noise, 15.0).array.sum() == pytest.approx(noise.array.sum(), rel=1e-12)
    flat = Volume(np.full(grid.shape, 7.0), grid, Quantity.DOSE)
    np.testing.assert_allclose(smooth(flat, 15.0).array, 7.0, rtol=1e-12)


def test_the_axes_may_be_turned_and_mirrored() -> None:
    straight = Grid.axis_aligned((21, 17, 15), (2.0, 3.0, 4.0))
    turn = np.array([[math.cos(0.4), -math.sin(0.4), 0], [math.sin(0.4), math.cos(0.4), 0], [0, 0, -1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ straight.affine[:3, :3]
    turned = Grid(straight.shape, affine)
    array = np.random.default_rng(2).random(straight.shape)
    one = smooth(Volume(array, straight, Quantity.DOSE), 7.0)
    other = smooth(Volume(array, turned, Quantity.DOSE), 7.0)
    np.testing.assert_allclose(one.array, other.array, atol=1e-12)


def test_only_the_sharper_image_is_smoothed_and_by_the_difference() -> None:
    grid = Grid.axis_aligned((41, 41, 41), (2.0, 2.0, 2.0))
    sharp, blurred = gaussian(grid, 5.0), gaussian(grid, 13.0)
    found = matched_resolution(sharp, blurred, predicted_fwhm_mm=5.0, delivered_fwhm_mm=13.0)
    assert (found.smoothed, found.kernel_fwhm_mm) == (Smoothed.PREDICTED, 12.0)
    assert found.delivered is blurred
    assert variances_mm2(found.predicted) == pytest.approx(variances_mm2(blurred), rel=0.01)
    other = matched_resolution(blurred, sharp, predicted_fwhm_mm=13.0, delivered_fwhm_mm=5.0)
    assert other.smoothed is Smoothed.DELIVERED
    np.testing.assert_array_equal(other.delivered.array, found.predicted.array)
    same = matched_resolution(sharp, sharp, predicted_fwhm_mm=5.0, delivered_fwhm_mm=5.0)
    assert (same.smoothed, same.kernel_fwhm_mm) == (Smoothed.NEITHER, 0.0)
    assert same.predicted is sharp


def test_no_width_is_the_image_itself() -> None:
    volume = point(Grid.axis_aligned((5, 5, 5), (2.0, 2.0, 2.0)))
    assert smooth(volume, 0.0) is volume


def test_what_is_refused() -> None:
    volume = point(Grid.axis_aligned((5, 5, 5), (2.0, 2.0, 2.0)))
    with pytest.raises(DomainError, match="fwhm_mm must not be below 0"):
        smooth(volume, -1.0)
    with pytest.raises(DomainError, match="cannot be smoothed to 5 mm"):
        quadrature_difference_mm(5.0, 6.0)
    with pytest.raises(DomainError, match="delivered_fwhm_mm must be above 0"):
        matched_resolution(volume, volume, predicted_fwhm_mm=5.0, delivered_fwhm_mm=0.0)
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    skew = Volume(np.zeros((5, 5, 5)), Grid((5, 5, 5), sheared), Quantity.DOSE, source="skew.nii")
    with pytest.raises(GeometryError, match=r"skew\.nii: the axes of the image are not at right angles"):
        smooth(skew, 3.0)
