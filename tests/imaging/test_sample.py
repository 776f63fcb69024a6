"""Sampling and resampling against SimpleITK, and at the edge of the field of view."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from ytterby.imaging.sample import resample, sample_linear
from ytterby.model.segment import SamplePoints
from ytterby.model.volume import Grid, Quantity, Volume


def as_itk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array.transpose(2, 1, 0)).astype(np.float64))
    spacing = np.array(volume.grid.spacing_mm)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(volume.grid.affine[:3, 3].tolist())
    image.SetDirection((volume.grid.affine[:3, :3] / spacing).ravel().tolist())
    return image


@pytest.fixture
def oblique() -> Volume:
    turn = math.radians(20)
    rotation = np.array([[math.cos(turn), 0, math.sin(turn)], [0, -1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([4.0, 3.0, 2.0])
    affine[:3, 3] = [-40, 30, -15]
    array = np.random.default_rng(7).uniform(0, 100, (20, 22, 24))
    return Volume(array, Grid(array.shape, affine), Quantity.COUNTS)  # type: ignore[arg-type]


def test_resampling_agrees_with_simpleitk(oblique: Volume) -> None:
    target = Grid.axis_aligned((30, 31, 32), (2.1, 1.9, 2.3), origin_mm=(-35, -30, -35))
    reference = sitk.Image(target.shape, sitk.sitkUInt8)
    reference.SetSpacing(target.spacing_mm)
    reference.SetOrigin(target.affine[:3, 3].tolist())
    theirs = sitk.GetArrayFromImage(
        sitk.Resample(as_itk(oblique), reference, sitk.Transform(), sitk.sitkLinear, 0.0)
    ).transpose(2, 1, 0)
    ours = resample(oblique, target)
    assert ours.array.any()
    np.testing.assert_allclose(ours.array, theirs, atol=2e-3)
    points = SamplePoints(np.argwhere(np.ones(target.shape, bool)).T.astype(float), target, target.voxel_volume_ml)
    np.testing.assert_allclose(sample_linear(oblique, points).values.reshape(target.shape), theirs, atol=1e-9)


def test_the_field_of_view_ends_at_the_outer_faces() -> None:
    grid = Grid.axis_aligned((3, 3, 3), (2, 2, 2), origin_mm=(0, 0, 0))
    volume = Volume(np.full(grid.shape, 5.0), grid, Quantity.COUNTS)
    points = SamplePoints(np.array([[0, 0, 0], [-0.5, 0, 0], [-0.51, 0, 0], [2.5, 1, 1], [2.6, 1, 1]]).T, grid, 1.0)
    samples = sample_linear(volume, points)
    assert samples.in_view.tolist() == [True, True, False, True, False]
    assert samples.values.tolist() == [5, 5, 0, 5, 0]
    assert samples.outside_fraction == pytest.approx(0.4)


def test_there_and_back_keeps_a_linear_field() -> None:
    grid = Grid.axis_aligned((12, 12, 12), (3, 3, 3))
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)
    ramp = (index @ np.array([1.0, 2.0, -3.0])).astype(np.float32)
    volume = Volume(ramp, grid, Quantity.COUNTS)
    finer = Grid.axis_aligned((24, 24, 24), (1.4, 1.4, 1.4))
    back = resample(resample(volume, finer), grid)
    inner = (slice(4, 8),) * 3
    np.testing.assert_allclose(back.array[inner], ramp[inner], atol=1e-4)


def test_the_same_grid_is_the_same_volume(oblique: Volume) -> None:
    assert resample(oblique, oblique.grid) is oblique
