"""Samples of a volume at points, and volumes on other grids; everything goes by affine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ytterby.model.segment import BoolArray, SamplePoints
from ytterby.model.volume import FloatArray, Grid, Volume

__all__ = ["Samples", "resample", "sample_linear"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Values (n,) of a volume at points, and which of the points lie in its field of view; outside it a value is 0."""

    values: FloatArray
    in_view: BoolArray

    @property
    def outside_fraction(self) -> float:
        """Share of the points that lie outside the field of view."""
        return 1.0 - float(np.count_nonzero(self.in_view)) / max(1, self.in_view.size)


def sample_linear(volume: Volume, points: SamplePoints) -> Samples:
    """Trilinear samples of ``volume`` at ``points``, in float64.

    The field of view reaches to the outer faces of the outer voxels; between an outer centre and its face the outer sample holds.
    """
    index = points.columns_on(volume.grid)
    in_view = np.ones(index.shape[1], dtype=np.bool_)
    for row, size in zip(index, volume.grid.shape, strict=True):
        in_view &= (row >= -0.5) & (row <= size - 0.5)
    values = ndimage.map_coordinates(volume.array, index, output=np.float64, order=1, mode="nearest")
    if not in_view.all():
        values[~in_view] = 0.0
    return Samples(values, in_view)


def resample(volume: Volume, grid: Grid) -> Volume:
    """``volume`` on another grid by trilinear interpolation, float32; 0 outside its field of view."""
    if volume.grid.same_as(grid):
        return volume
    matrix = grid.index_map_to(volume.grid)
    padded = np.pad(np.asarray(volume.array, dtype=np.float32), 1, mode="edge")
    linear: FloatArray = matrix[:3, :3]
    if np.count_nonzero(linear) == 3 and np.all(np.diag(linear)):
        linear = np.diag(linear)  # parallel axes: a scaling, which is faster
    moved = ndimage.affine_transform(
        padded, linear, offset=matrix[:3, 3] + 1.0, output_shape=grid.shape, order=1, mode="constant", cval=0.0
    )
    outside = _outside(matrix, grid.shape, volume.grid.shape)
    if outside is not None:
        moved[outside] = 0.0
    return Volume(moved, grid, volume.quantity, volume.frame_of_reference, volume.reference_time, volume.source)


def _outside(matrix: FloatArray, shape: tuple[int, int, int], source_shape: tuple[int, int, int]) -> BoolArray | None:
    """Voxels of a grid of ``shape`` whose centres lie outside the outer faces of the source grid; None where there is none."""
    last = np.array(shape, dtype=np.float64) - 1.0
    corners = np.array([[i, j, k] for i in (0.0, last[0]) for j in (0.0, last[1]) for k in (0.0, last[2])])
    far = corners @ matrix[:3, :3].T + matrix[:3, 3]
    if np.all(far >= -0.5) and np.all(far <= np.array(source_shape) - 0.5):
        return None
    axes = np.ogrid[: shape[0], : shape[1], : shape[2]]
    outside = np.zeros(shape, dtype=np.bool_)
    for row, size in enumerate(source_shape):
        # Only the axes that move this index: with parallel axes one, and a line is compared in place of a volume.
        here = sum((matrix[row, a] * axes[a] for a in np.flatnonzero(matrix[row, :3])), start=np.array(matrix[row, 3]))
        outside |= (here < -0.5) | (here > size - 0.5)
    return outside
