"""Hypothesis strategies of geometry: grids in any orientation, and images on them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ytterby.model.volume import Grid, Quantity, Volume

__all__ = ["grids", "hu_volumes", "orientations", "same_in_space", "values_at"]


@st.composite
def orientations(draw: st.DrawFn) -> np.ndarray:
    """Orthonormal matrices: along the axes of the patient in any order and sign, or oblique; right- or left-handed."""
    if draw(st.booleans()):
        order = draw(st.permutations(range(3)))
        signs = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
        return np.eye(3)[:, order] * np.array(signs)
    # A quaternion of whole numbers: any turn, and no two the same by rounding.
    w, x, y, z = draw(st.tuples(*[st.integers(-9, 9)] * 4).filter(any))
    a, b, c, d = np.array([w, x, y, z]) / np.sqrt(w * w + x * x + y * y + z * z)
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d],
        ]
    )
    return turn * np.array([1.0, 1.0, draw(st.sampled_from([-1.0, 1.0]))])


@st.composite
def grids(draw: st.DrawFn, *, most: int = 5) -> Grid:
    """Upright grids of 1 to ``most`` columns and rows and 2 to ``most`` slices, of any spacing, orientation and place."""
    shape = (draw(st.integers(1, most)), draw(st.integers(1, most)), draw(st.integers(2, most)))
    spacing = draw(st.tuples(*[st.floats(0.25, 12.0)] * 3))
    affine = np.eye(4)
    affine[:3, :3] = draw(orientations()) * np.array(spacing)
    affine[:3, 3] = draw(st.tuples(*[st.floats(-900.0, 900.0)] * 3))
    return Grid(shape, affine)


@st.composite
def hu_volumes(draw: st.DrawFn) -> Volume:
    """Images in HU on any grid, whose voxels differ."""
    grid = draw(grids())
    count = int(np.prod(grid.shape))
    first = draw(st.integers(-1024, 3000 - count))
    seed = draw(st.integers(0, 2**16))
    values = first + np.random.default_rng(seed).permutation(count)
    return Volume(values.reshape(grid.shape).astype(np.int16), grid, Quantity.HU)


def values_at(volume: Volume, grid: Grid, *, tolerance_mm: float) -> np.ndarray:
    """Values of ``volume`` at the voxel centres of ``grid``, whose shape they have; fails where a centre is no centre of both."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    places = grid.positions_mm(index)
    there = np.rint(volume.grid.indices(places)).astype(int)
    assert np.abs(volume.grid.positions_mm(there) - places).max() <= tolerance_mm
    return volume.array[tuple(there.T)].reshape(grid.shape)


def same_in_space(one: Volume, other: Volume, *, tolerance_mm: float = 1e-6) -> None:
    """Fail unless both images have the same values at the same places, whatever the order of their axes."""
    assert sorted(one.grid.shape) == sorted(other.grid.shape)
    np.testing.assert_array_equal(values_at(other, one.grid, tolerance_mm=tolerance_mm), one.array)
