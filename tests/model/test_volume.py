"""Grids and volumes: geometry by affine, read-only arrays, typed errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import GeometryError
from ytterby.model.volume import Grid, Quantity, Volume

angles = st.floats(-math.pi, math.pi)
spacings = st.tuples(*[st.floats(0.3, 9.0)] * 3)


def oblique(angle: float, spacing: tuple[float, float, float], flip: int = 1) -> Grid:
    c, s = math.cos(angle), math.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, flip]]) @ np.diag(spacing)
    affine[:3, 3] = [10, -20, 30]
    return Grid((5, 6, 7), affine)


@given(angles, spacings, st.sampled_from([1, -1]))
def test_an_index_goes_to_the_patient_and_back(angle: float, spacing: tuple[float, float, float], flip: int) -> None:
    grid = oblique(angle, spacing, flip)
    index = np.array([[0, 0, 0], [4, 5, 6], [1.5, 2.25, 3.75]])
    np.testing.assert_allclose(grid.indices(grid.positions_mm(index)), index, atol=1e-9)
    assert grid.spacing_mm == pytest.approx(spacing)
    assert grid.voxel_volume_ml == pytest.approx(math.prod(spacing) / 1000)


def test_grids_are_compared_by_place_not_by_shape() -> None:
    grid = Grid.axis_aligned((10, 10, 10), (2, 2, 2))
    moved = Grid(grid.shape, grid.affine + np.array([[0, 0, 0, 1.0]] + [[0] * 4] * 3))
    assert grid.same_as(Grid(grid.shape, grid.affine.copy()))
    assert not grid.same_as(moved)
    # A rotation too small to move the first voxel still moves the last one.
    tilted = grid.affine.copy()
    tilted[0, 2] = 1e-3
    assert not grid.same_as(Grid(grid.shape, tilted))


def test_a_centred_grid_has_its_middle_at_the_origin() -> None:
    grid = Grid.axis_aligned((4, 5, 6), (2, 3, 4))
    np.testing.assert_allclose(grid.positions_mm([[1.5, 2, 2.5]]), [[0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize(
    "affine",
    [np.zeros((4, 4)), np.eye(3), np.diag([1, 1, 0, 1]), np.diag([1, 1, np.nan, 1]), np.diag([1.0, 1, 1, 2])],
)
def test_an_impossible_affine_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="affine"):
        Grid((2, 2, 2), affine)


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(GeometryError, match="three sides"):
        Grid((2, 0, 2), np.eye(4))


def test_arrays_are_read_only_and_must_fit() -> None:
    grid = Grid.axis_aligned((2, 3, 4), (1, 1, 1))
    volume = Volume(np.zeros(grid.shape), grid, Quantity.COUNTS)
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 1
    with pytest.raises(GeometryError, match=r"\(2, 3, 5\) does not fit"):
        Volume(np.zeros((2, 3, 5)), grid, Quantity.COUNTS)
