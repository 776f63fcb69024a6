"""The planes that contours in space lie in, and lattices for them: that of an image, reaching as far as they do, or their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ytterby.errors import GeometryError
from ytterby.model.volume import FloatArray, Grid

__all__ = [
    "FLAT_MM",
    "SAME_PLANE_MM",
    "LatticeContours",
    "along_axis",
    "extended",
    "extent",
    "flat_normal",
    "own_lattice",
]

FLAT_MM = 0.25
"""A contour whose points lie further than this from its plane is not planar."""
SAME_PLANE_MM = 0.1
"""Contours at most so far apart lie in one plane."""

_FLAT_STEPS = 0.1
_FINEST_MM = 0.5
_MOST_VOXELS = 2**24
_LARGEST_VOXELS = 2**30
_MOST_SLICES = 20_000
_ROUNDING = 1e-4  # of a voxel: coordinates are written with few decimals


@dataclass(frozen=True, eq=False)
class LatticeContours:
    """Contours in voxels of a lattice: ``axis`` is that of the slices; ``places`` (in slices) and polygons (n, 2) go together.

    The columns of a polygon are the other axes, the higher one first (row, column).
    """

    axis: int
    places: tuple[float, ...]
    polygons: tuple[FloatArray, ...] = field(repr=False)


def flat_normal(polygon: FloatArray) -> FloatArray | None:
    """Unit normal of a flat polygon (n, 3), its largest component positive; None where it is not flat, or has no area."""
    centred = polygon - polygon.mean(axis=0)
    spread, axes = np.linalg.eigh(centred.T @ centred)
    normal = axes[:, 0]
    if spread[1] <= 1e-9 * max(spread[2], 1e-12) or np.abs(centred @ normal).max() > FLAT_MM:
        return None
    largest = int(np.argmax(np.abs(normal)))
    normal = normal * np.sign(normal[largest])
    # Planes across an axis of the patient are the rule: without the rounding of the points.
    return np.eye(3)[largest] if 1 - normal[largest] < 1e-6 else np.asarray(normal)


def along_axis(polygons: Sequence[FloatArray], grid: Grid) -> LatticeContours | None:
    """Contours (n, 3) in LPS in voxels of ``grid``, where all of them lie along its slices in one direction; else None."""
    index = [grid.indices(polygon) for polygon in polygons]
    spreads = np.array([np.ptp(one, axis=0) for one in index])
    flat = np.flatnonzero(np.all(spreads <= _FLAT_STEPS, axis=0))
    if flat.size == 0:
        return None
    axis = int(flat[np.argmin(spreads[:, flat].max(axis=0))])
    others = [a for a in (2, 1, 0) if a != axis]
    return LatticeContours(
        axis, tuple(float(one[:, axis].mean()) for one in index), tuple(one[:, others] for one in index)
    )


def own_lattice(polygons: Sequence[FloatArray], normal: FloatArray, *, distance_mm: float, ends_mm: float) -> Grid:
    """Lattice for planar contours (n, 3) in LPS, across ``normal``: slices on their planes where these are evenly spaced.

    ``distance_mm`` is the usual one between planes, ``ends_mm`` how far a structure reaches beyond its last plane. Voxels are
    0.5 mm wide within the planes, or twice that, again and again, until they are no more than 2**24.

    Raises
    ------
    GeometryError
        The contours spread over more voxels than can be.
    """
    # Rows run along the patient's axis that lies most nearly in the planes: left, else posterior.
    row = np.eye(3)[0 if abs(normal[0]) < 0.8 else 1]
    row = row - (row @ normal) * normal
    row = row / np.linalg.norm(row)
    column = np.cross(normal, row)
    axes = np.column_stack([row, column, normal])
    points = np.concatenate(polygons) @ axes
    low, high = points.min(axis=0), points.max(axis=0)
    origin, step_mm = _even(np.array([(polygon @ normal).mean() for polygon in polygons]), distance_mm)
    slices = np.array(
        [np.floor((low[2] - ends_mm - origin) / step_mm), np.ceil((high[2] + ends_mm - origin) / step_mm)]
    )
    width_mm = _FINEST_MM
    sides = _sides(low, high, width_mm, slices)
    while float(np.prod(sides)) > _MOST_VOXELS and width_mm < 100.0:
        width_mm *= 2
        sides = _sides(low, high, width_mm, slices)
    if float(np.prod(sides)) > _MOST_VOXELS or sides[2] > _MOST_SLICES:
        raise GeometryError(
            f"the contours spread over {sides[2]:.0f} planes",
            remedy="check the structure set; keep structures of one patient",
        )
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array([width_mm, width_mm, step_mm])
    affine[:3, 3] = axes @ np.array([low[0] - width_mm / 2, low[1] - width_mm / 2, origin + slices[0] * step_mm])
    return Grid((int(sides[0]), int(sides[1]), int(sides[2])), affine + 0.0)


def _sides(low: FloatArray, high: FloatArray, width_mm: float, slices: FloatArray) -> FloatArray:
    within = np.ceil((high[:2] - low[:2]) / width_mm) + 2
    return np.array([within[0], within[1], slices[1] - slices[0] + 1])


def _even(places_mm: FloatArray, distance_mm: float) -> tuple[float, float]:
    """First place and step of a lattice along the normal: that of the planes where they are even, else finer than them."""
    places = np.unique(places_mm)
    places = places[np.concatenate([[True], np.diff(places) > SAME_PLANE_MM])]
    steps = np.rint((places - places[0]) / distance_mm)
    if steps[-1] < 1:
        return float(places[0]), distance_mm
    even = float(places[-1] - places[0]) / float(steps[-1])  # over the whole length, so that rounding does not run off
    if np.abs((places - places[0]) / even - steps).max() <= 0.05:
        return float(places[0]), even
    return float(places[0]), distance_mm / 2


def extent(contours: LatticeContours, *, ends_slices: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Index box (start, stop) of the voxels that contours can hold; ``ends_slices`` is how far they reach beyond a plane."""
    others = [a for a in (2, 1, 0) if a != contours.axis]
    points = np.concatenate(contours.polygons)
    low, high = np.empty(3), np.empty(3)
    low[others], high[others] = points.min(axis=0), points.max(axis=0)
    low[contours.axis], high[contours.axis] = min(contours.places) - ends_slices, max(contours.places) + ends_slices
    start, stop = np.ceil(low - _ROUNDING), np.floor(high + _ROUNDING) + 1
    stop[contours.axis] = np.ceil(high[contours.axis] - _ROUNDING)
    return start.astype(np.int64), stop.astype(np.int64)


def extended(grid: Grid, boxes: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]) -> Grid:
    """The lattice of ``grid``, extended where an index box (start, stop) reaches beyond it.

    Raises
    ------
    GeometryError
        There would be more voxels than can be.
    """
    start = np.min([np.zeros(3, dtype=np.int64), *(box[0] for box in boxes)], axis=0)
    stop = np.max([np.array(grid.shape), *(box[1] for box in boxes)], axis=0)
    sides = (stop - start).astype(np.float64)
    if float(np.prod(sides)) > _LARGEST_VOXELS or sides.max() > _MOST_SLICES:
        raise GeometryError(
            "the contours lie far outside the image", remedy="check that the structure set belongs to this image"
        )
    if not start.any() and tuple(stop) == grid.shape:
        return grid
    i, j, k = (slice(int(low), int(high)) for low, high in zip(start, stop, strict=True))
    return grid.cropped((i, j, k))
