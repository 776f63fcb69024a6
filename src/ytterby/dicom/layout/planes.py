"""Where DICOM slices lie: position, orientation and spacing to a Grid, whatever their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import numbers
from ytterby.errors import GeometryError
from ytterby.model.volume import FloatArray, Grid

__all__ = [
    "FARTHEST_MM",
    "TOLERATED_FRACTION",
    "UNEVEN_FRACTION",
    "Plane",
    "Stack",
    "in_plane",
    "plane_of",
    "slice_direction",
    "stack",
    "stepped_grid",
]

UNEVEN_FRACTION = 0.01
"""Slices that lie off an even row by less than this share of their spacing are taken for even."""
TOLERATED_FRACTION = 0.1
"""Slices that lie off an even row by more than this share of their spacing are an error; by less, a note."""

FARTHEST_MM = 1e6
"""Places further from the origin than this (a kilometre) are damage."""

_FINEST_MM, _COARSEST_MM = 1e-3, 1e4
_SAME_DIRECTION = 1e-3
_SAME_PLACE_MM = 1e-3
_SAME_SPACING = 1e-4
_SMALL_STRAY_MM = 0.1
_UNEVEN_REMEDY = "reconstruct or export the series with one spacing, or give the folder of its evenly spaced part"
_REMEDY = "export the series again, complete; keep other orientations and repeats in series of their own"


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice: position of its first pixel, row and column direction, spacing of rows and columns, and its size."""

    name: str
    position_mm: FloatArray
    row: FloatArray
    column: FloatArray
    spacing_mm: tuple[float, float]
    size: tuple[int, int]

    @property
    def normal(self) -> FloatArray:
        """Row direction x column direction."""
        return np.asarray(np.cross(self.row, self.column))


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order: ``order`` lists them along their normal; ``tilt_degrees`` is a gantry's tilt (0: none).

    ``stray_mm`` is how far a slice lies from its place on the grid at most, where that is worth a note, else 0.
    """

    order: tuple[int, ...]
    grid: Grid
    tilt_degrees: float
    stray_mm: float = 0.0


def in_plane(name: str, position: Dataset, orientation: Dataset, measures: Dataset, *, size: tuple[int, int]) -> Plane:
    """Plane from the datasets that hold position, orientation and pixel spacing; ``size`` is (rows, columns).

    Raises
    ------
    GeometryError
        One of the three is missing or makes no sense.
    """
    place = numbers(position, "ImagePositionPatient")
    directions = numbers(orientation, "ImageOrientationPatient")
    spacing = numbers(measures, "PixelSpacing")
    for keyword, values, wanted in (
        ("ImagePositionPatient", place, 3),
        ("ImageOrientationPatient", directions, 6),
        ("PixelSpacing", spacing, 2),
    ):
        if len(values) != wanted:
            raise GeometryError(f"{keyword} is missing", where=name, remedy="export the series with its geometry")
    lengths = math.hypot(*directions[:3]), math.hypot(*directions[3:])
    across = sum(a * b for a, b in zip(directions[:3], directions[3:], strict=True))
    if max(map(abs, place)) > FARTHEST_MM:
        raise GeometryError(
            f"ImagePositionPatient is {max(map(abs, place)):.3g} mm away, in no room",
            where=name,
            remedy="export the series with its geometry",
        )
    if (
        min(spacing) < _FINEST_MM
        or max(spacing) > _COARSEST_MM
        or abs(across) > 1e-2
        or max(abs(length - 1) for length in lengths) > 1e-2
    ):
        raise GeometryError(
            "PixelSpacing or ImageOrientationPatient makes no sense",
            where=name,
            remedy="export the series with its geometry",
        )
    if min(size) < 1:
        raise GeometryError("Rows or Columns is missing", where=name, remedy="export the series again")
    row, column = np.array(directions[:3]) / lengths[0], np.array(directions[3:]) / lengths[1]
    return Plane(name, np.array(place), row, column, (spacing[0], spacing[1]), size)


def plane_of(dataset: Dataset, name: str) -> Plane:
    """Plane of a single-frame image."""
    rows, columns = numbers(dataset, "Rows"), numbers(dataset, "Columns")
    size = (int(rows[0]) if rows else 0, int(columns[0]) if columns else 0)
    return in_plane(name, dataset, dataset, dataset, size=size)


def stepped_grid(plane: Plane, step_mm: FloatArray, n_slices: int) -> Grid:
    """Grid of slices like ``plane``, each ``step_mm`` (a vector) after the one before.

    Raises
    ------
    GeometryError
        The distance of the slices is none that a scanner has.
    """
    if not _FINEST_MM <= float(np.linalg.norm(step_mm)) <= _COARSEST_MM:
        raise GeometryError(
            f"slices {float(np.linalg.norm(step_mm)):.3g} mm apart make no sense",
            where=plane.name,
            remedy="export the series with its geometry",
        )
    affine = np.eye(4)
    affine[:3, 0] = plane.row * plane.spacing_mm[1]
    affine[:3, 1] = plane.column * plane.spacing_mm[0]
    affine[:3, 2] = step_mm
    affine[:3, 3] = plane.position_mm
    # + 0.0 makes 0.0 of -0.0.
    return Grid((plane.size[1], plane.size[0], n_slices), affine + 0.0)


def _require_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    turned = np.abs([[plane.row - first.row, plane.column - first.column] for plane in planes]).max(axis=(1, 2))
    if turned.max() > _SAME_DIRECTION:
        other = planes[int(np.argmax(turned > _SAME_DIRECTION))]
        raise GeometryError(f"several orientations in one series ({first.name} and {other.name})", remedy=_REMEDY)
    spacings = np.array([plane.spacing_mm for plane in planes])
    unlike = np.abs(spacings / spacings[0] - 1).max(axis=1) > _SAME_SPACING
    unlike |= [plane.size != first.size for plane in planes]
    if unlike.any():
        other = planes[int(np.argmax(unlike))]
        raise GeometryError(
            f"several pixel spacings or sizes in one series ({first.name} and {other.name})", remedy=_REMEDY
        )


def stack(planes: Sequence[Plane]) -> Stack:
    """Order and grid of slices given in any order, sorted by their projection on the normal.

    The spacing comes from the positions, never from SliceThickness: the grid runs evenly from the first slice to the last.
    Slices that lie off their place there by more than ``TOLERATED_FRACTION`` of the spacing are refused: a missing slice, or two
    spacings in one series, would put voxels where they are not.

    Raises
    ------
    GeometryError
        One slice alone; several orientations, spacings or sizes; duplicate, missing or uneven slices (named).
    """
    if len(planes) < 2:
        raise GeometryError(
            "one slice alone has no spacing between slices",
            where=planes[0].name if planes else "",
            remedy="give the folder with the whole series",
        )
    _require_alike(planes)
    positions = np.array([plane.position_mm for plane in planes])
    along = positions @ planes[0].normal
    order = tuple(int(index) for index in np.argsort(along, kind="stable"))
    gaps = np.diff(along[list(order)])
    # Of two in the middle the smaller, which is a gap that there is.
    spacing = float(np.sort(gaps)[(gaps.size - 1) // 2])

    def pair(gap: int) -> str:
        return f"{planes[order[gap]].name} and {planes[order[gap + 1]].name}"

    duplicates = np.flatnonzero(gaps < max(_SAME_PLACE_MM, UNEVEN_FRACTION * spacing))
    if duplicates.size:
        raise GeometryError(
            f"{duplicates.size} duplicate slice{'s' * (duplicates.size > 1)}: {pair(int(duplicates[0]))} lie at one place",
            remedy=_REMEDY,
        )
    off = np.abs(gaps - spacing)
    if off.max() > TOLERATED_FRACTION * spacing:
        gap = int(np.argmax(off))
        many = gaps[gap] / spacing
        what = "missing slice" if many > 1.5 and abs(many - round(many)) < 0.05 else "uneven spacing"
        others = int(np.count_nonzero(off > TOLERATED_FRACTION * spacing)) - 1
        more = f", and {others} more such gap{'s' * (others > 1)}" if others else ""
        raise GeometryError(
            f"{what}: {gaps[gap]:.4g} mm between {pair(gap)}, where others are {spacing:.4g} mm apart{more}",
            remedy=_REMEDY if what == "missing slice" else _UNEVEN_REMEDY,
        )
    ends = positions[order[-1]] - positions[order[0]]
    step = ends / (len(planes) - 1)
    row_of_slices = positions[order[0]] + np.arange(len(planes))[:, None] * step
    strays = np.linalg.norm(positions[list(order)] - row_of_slices, axis=1)
    stray = float(strays.max())
    if stray > max(_SMALL_STRAY_MM, TOLERATED_FRACTION * spacing):
        raise GeometryError(
            f"slices lie up to {stray:.3g} mm ({planes[order[int(strays.argmax())]].name}) from an even, straight row",
            remedy=_UNEVEN_REMEDY,
        )
    noted = off.max() > UNEVEN_FRACTION * spacing or stray > max(_SMALL_STRAY_MM, 2 * UNEVEN_FRACTION * spacing)
    cosine = min(1.0, float(step @ planes[0].normal) / float(np.linalg.norm(step)))
    tilt = float(np.degrees(np.arccos(cosine)))
    grid = stepped_grid(planes[order[0]], step, len(planes))
    return Stack(order, grid, tilt if tilt > 0.05 else 0.0, stray if noted else 0.0)


def slice_direction(grid: Grid) -> str:
    """In words, where the third axis of a grid leads ("towards the head")."""
    step = grid.affine[:3, 2] / np.linalg.norm(grid.affine[:3, 2])
    axis = int(np.argmax(np.abs(step)))
    ways = (("right", "left"), ("front", "back"), ("feet", "head"))
    way = "towards the " + ("patient's " if axis == 0 else "") + ways[axis][int(step[axis] > 0)]
    return way if abs(step[axis]) > 0.999 else f"{way}, oblique"
