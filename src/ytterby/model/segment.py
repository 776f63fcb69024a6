"""Segment: a volume of interest (VOI), its role, set operations, and its fractional occupancy of another grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, reduce

import numpy as np
import numpy.typing as npt

from ytterby.errors import GeometryError, SegmentError
from ytterby.model.volume import FloatArray, Grid, read_only

__all__ = ["BoolArray", "Role", "SamplePoints", "Segment", "union"]

BoolArray = npt.NDArray[np.bool_]


class Role(StrEnum):
    """What a segment is for the dosimetry."""

    LIVER = "liver"
    TUMOUR = "tumour"
    PERFUSED = "perfused"
    LUNGS = "lungs"
    NORMAL_LIVER = "normal_liver"
    PERFUSED_NORMAL = "perfused_normal"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Segment:
    """A named set of voxels on a grid, with its role.

    ``mask`` is boolean, has the grid's shape and is read-only. ``method`` says how the segment came about ("imported",
    "percent of maximum, 41 %", "liver - tumours"); results repeat it.

    Raises
    ------
    GeometryError
        The mask does not have the grid's shape.
    """

    name: str
    role: Role
    mask: BoolArray = field(repr=False)
    grid: Grid
    method: str = "imported"
    frame_of_reference: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.mask.shape != self.grid.shape:
            raise GeometryError(
                f"a mask of shape {self.mask.shape} does not fit a grid of shape {self.grid.shape}",
                where=f"segment '{self.name}'",
                remedy="read the segmentation again from its file",
            )
        object.__setattr__(self, "mask", read_only(np.asarray(self.mask, dtype=np.bool_)))

    @property
    def is_empty(self) -> bool:
        """True when no voxel belongs to the segment."""
        return self._box is None

    @property
    def volume_ml(self) -> float:
        """Volume of the segment's voxels."""
        return self._voxels * self.grid.voxel_volume_ml

    @cached_property
    def _voxels(self) -> int:
        return int(np.count_nonzero(self.mask))

    def require_voxels(self) -> Segment:
        """The segment itself, or SegmentError when it is empty."""
        if self.is_empty:
            raise SegmentError(
                "the segment is empty: no voxel belongs to it",
                where=f"segment '{self.name}'" + (f" of {self.source}" if self.source else ""),
                remedy="draw it, or take its name out of the roles",
            )
        return self

    def _on_same_grid(self, other: Segment) -> BoolArray:
        if self.grid.same_as(other.grid):
            return other.mask
        return other.on_grid(self.grid).mask

    def union(self, other: Segment) -> Segment:
        """Voxels of either segment, on this segment's grid (``other`` is carried over where its grid differs)."""
        return replace(self, mask=self.mask | self._on_same_grid(other))

    def intersection(self, other: Segment) -> Segment:
        """Voxels of both segments, on this segment's grid."""
        if self.is_apart(other):
            return replace(self, mask=np.zeros(self.grid.shape, dtype=np.bool_))
        return replace(self, mask=self.mask & self._on_same_grid(other))

    def difference(self, other: Segment) -> Segment:
        """Voxels of this segment that are not of ``other``, on this segment's grid."""
        if self.is_apart(other):
            return self
        return replace(self, mask=self.mask & ~self._on_same_grid(other))

    def relabelled(self, name: str, role: Role, method: str) -> Segment:
        """The same voxels under another name, role and method."""
        return replace(self, name=name, role=role, method=method)

    def bounding_box(self) -> tuple[slice, slice, slice]:
        """Smallest index box that holds every voxel of the segment; SegmentError when it is empty."""
        if self._box is None:
            self.require_voxels()
        assert self._box is not None
        return self._box

    @cached_property
    def _box(self) -> tuple[slice, slice, slice] | None:
        """The bounding box, found once; None where the segment is empty. Each axis looks at what the ones before left over."""
        box = [slice(0, size) for size in self.grid.shape]
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            filled = np.flatnonzero(self.mask[tuple(box)].any(axis=others))
            if filled.size == 0:
                return None
            box[axis] = slice(int(filled[0]), int(filled[-1]) + 1)
        return box[0], box[1], box[2]

    def is_apart(self, other: Segment) -> bool:
        """True when both lie on one grid and their bounding boxes do not meet: they share no voxel."""
        if not self.grid.same_as(other.grid):
            return False
        if self._box is None or other._box is None:
            return True
        return any(a.stop <= b.start or b.stop <= a.start for a, b in zip(self._box, other._box, strict=True))

    def on_grid(self, grid: Grid) -> Segment:
        """The segment on another grid: a voxel belongs where its centre lies in a voxel of the segment."""
        if self.grid.same_as(grid):
            return replace(self, grid=grid)
        mask = np.zeros(grid.shape, dtype=np.bool_)
        box = self.box_on(grid)
        mask[box] = self._at(grid, box, (0.0, 0.0, 0.0))
        return replace(self, mask=mask, grid=grid)

    def occupancy_on(self, grid: Grid) -> FloatArray:
        """Share of each voxel of ``grid`` that the segment fills, shape of ``grid``, 0 to 1.

        Each voxel of ``grid`` is looked at in a lattice of 2 to 5 places along each axis, as fine as the segment's own voxels
        where that is not finer than a fifth.
        """
        if self.grid.same_as(grid):
            return self.mask.astype(np.float64)
        share = np.zeros(grid.shape, dtype=np.float64)
        box = self.box_on(grid)
        lattice = [
            (np.arange(n) + 0.5) / n - 0.5 for n in (min(max(parts, 2), 5) for parts in _divisions(grid, self.grid))
        ]
        for i in lattice[0]:
            for j in lattice[1]:
                for k in lattice[2]:
                    share[box] += self._at(grid, box, (float(i), float(j), float(k)))
        return share / float(np.prod([len(places) for places in lattice]))

    def box_on(self, grid: Grid) -> tuple[slice, slice, slice]:
        """Index box of ``grid`` that holds every voxel which the segment can touch; empty sides where it touches none."""
        if self.is_empty:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        sides = self.bounding_box()
        corners = np.array(
            [
                [i, j, k]
                for i in (sides[0].start - 0.5, sides[0].stop - 0.5)
                for j in (sides[1].start - 0.5, sides[1].stop - 0.5)
                for k in (sides[2].start - 0.5, sides[2].stop - 0.5)
            ]
        )
        there = grid.indices(self.grid.positions_mm(corners))
        low = np.clip(np.floor(there.min(axis=0)), 0, grid.shape).astype(int)
        high = np.clip(np.ceil(there.max(axis=0)) + 1, low, grid.shape).astype(int)
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])

    def _at(self, grid: Grid, box: tuple[slice, slice, slice], offset: tuple[float, float, float]) -> BoolArray:
        """Whether the places ``offset`` (in voxels) beside the centres of ``grid``'s voxels in ``box`` lie in the segment."""
        matrix = grid.index_map_to(self.grid)
        axes = np.ogrid[box]
        inside = np.ones([side.stop - side.start for side in box], dtype=np.bool_)
        index = []
        for row, size in enumerate(self.grid.shape):
            start = matrix[row, 3] + float(matrix[row, :3] @ np.array(offset)) + 0.5
            here = np.floor(sum((matrix[row, a] * axes[a] for a in range(3)), start=np.array(start))).astype(np.int64)
            inside &= (here >= 0) & (here < size)
            index.append(np.clip(here, 0, size - 1))
        return np.asarray(inside & self.mask[index[0], index[1], index[2]])

    def points(self, *, grids: Sequence[Grid] = ()) -> SamplePoints:
        """Centres of the segment's voxels, divided where they are coarser than the voxels of the finest of ``grids``.

        Returns
        -------
        SamplePoints
            Index positions on the segment's own grid and the volume that each point stands for.
        """
        box = self.bounding_box()
        found = np.nonzero(self.mask[box])
        divisions = np.max([(1, 1, 1), *(_divisions(self.grid, grid) for grid in grids)], axis=0)
        columns = np.empty((3, found[0].size), dtype=np.float64)
        for axis, (here, side) in enumerate(zip(found, box, strict=True)):
            np.add(here, side.start, out=columns[axis])
        if divisions.max() > 1:
            offsets = np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in divisions], indexing="ij")
            columns = np.stack(
                [(columns[axis][:, None] + offsets[axis].ravel()).ravel() for axis in range(3)], dtype=np.float64
            )
        return SamplePoints(columns, self.grid, self.grid.voxel_volume_ml / int(np.prod(divisions)))


@dataclass(frozen=True, eq=False)
class SamplePoints:
    """Points that stand for a segment: index positions (3, n) on ``grid``, a row an axis; each stands for ``volume_ml``."""

    columns: FloatArray
    grid: Grid
    volume_ml: float

    def __len__(self) -> int:
        return int(self.columns.shape[1])

    @property
    def index(self) -> FloatArray:
        """Index positions, shape (n, 3), of the points on their own grid."""
        return self.columns.T

    def index_on(self, grid: Grid) -> FloatArray:
        """Fractional index positions, shape (n, 3), of the points on another grid."""
        return self.columns_on(grid).T

    def columns_on(self, grid: Grid) -> FloatArray:
        """Fractional index positions, shape (3, n), of the points on another grid."""
        matrix = self.grid.index_map_to(grid)
        found = np.empty_like(self.columns)
        for row in range(3):
            # Grids with parallel axes are the rule: what is multiplied by 0 need not be added.
            found[row] = matrix[row, 3]
            for axis in np.flatnonzero(matrix[row, :3]):
                found[row] += matrix[row, axis] * self.columns[axis]
        return found

    @property
    def total_volume_ml(self) -> float:
        """Volume of all points together."""
        return len(self) * self.volume_ml


def _divisions(grid: Grid, other: Grid) -> tuple[int, int, int]:
    """Into how many parts a voxel of ``grid`` is cut along each axis so that no part is wider than a voxel of ``other``."""
    steps = np.abs(grid.index_map_to(other)[:3, :3])  # one step along each axis, in voxels of the other grid
    parts = np.maximum(1, np.ceil(steps.max(axis=0) - 1e-6)).astype(int)
    return int(parts[0]), int(parts[1]), int(parts[2])


def union(segments: tuple[Segment, ...], name: str, role: Role) -> Segment:
    """All voxels of ``segments`` as one segment, on the grid of the first; SegmentError when there is none."""
    if not segments:
        raise SegmentError("there is no segment to join", where=name, remedy="name at least one segment")
    joined = reduce(Segment.union, segments)
    return joined.relabelled(name, role, "union of " + ", ".join(segment.name for segment in segments))
