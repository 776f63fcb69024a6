"""Closed contours of one structure, plane by plane, to a mask on a lattice whose slices need not lie on the planes.

A slice takes the contours of the plane that it lies on. Between two planes it takes the shape between theirs, as long as they are
no further apart than a missing plane would put them; beyond, and at both ends, a plane reaches half the usual distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np

from ytterby.imaging.contours import between, filled
from ytterby.model.segment import BoolArray
from ytterby.model.volume import FloatArray

__all__ = ["LARGEST_GAP", "ContourPlane", "Gap", "StackedMask", "grouped_planes", "planimetric_volume", "stacked_mask"]

LARGEST_GAP = 2.5
"""Neighbouring planes up to so many usual distances apart belong together, and the shape between them is found."""

_ON_PLANE = 0.05  # of the usual distance
_TOLD_GAP = 1.5
_ROUNDING = 1e-6
_FINER = 8
_MOST_COMPARED = 50  # contours of one plane that are compared with each other: no clinical structure has more


@dataclass(frozen=True, eq=False)
class ContourPlane:
    """Polygons (n, 2) of one plane in voxels of the lattice, and the plane's place along the slices, in slices."""

    place_slices: float
    polygons: tuple[FloatArray, ...] = field(repr=False)


@dataclass(frozen=True)
class Gap:
    """Two neighbouring planes that lie further apart than usual, in slices; ``is_bridged``: the shape between them was found."""

    lower_slices: float
    upper_slices: float
    is_bridged: bool


@dataclass(frozen=True, eq=False)
class StackedMask:
    """Mask (slice, row, column), and what is to be told of its planes."""

    mask: BoolArray = field(repr=False)
    gaps: tuple[Gap, ...]
    partly_overlapping: int
    repeated: int


def grouped_planes(
    polygons: Sequence[FloatArray], places: Sequence[float], *, tolerance: float
) -> tuple[ContourPlane, ...]:
    """Polygons gathered into planes, in the order of places; places within ``tolerance`` of the one before are one plane."""
    order = np.argsort(np.asarray(places), kind="stable")
    groups: list[list[int]] = []
    for index in order:
        if groups and places[index] - places[groups[-1][-1]] <= tolerance:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return tuple(
        ContourPlane(float(np.mean([places[i] for i in group])), tuple(polygons[i] for i in sorted(group)))
        for group in groups
    )


def stacked_mask(
    planes: Sequence[ContourPlane],
    shape: tuple[int, int, int],
    *,
    distance_slices: float,
    spacing_mm: tuple[float, float],
) -> StackedMask:
    """Mask of ``shape`` (slice, row, column) of planes in the order of their places.

    ``distance_slices`` is the usual one between planes; ``spacing_mm`` that of rows and columns.

    Raises
    ------
    DomainError
        A polygon is not finite, or winds without end.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    plane_shape = (shape[1], shape[2])
    distinct = [_distinct(plane.polygons) for plane in planes]

    @lru_cache(maxsize=2)
    def drawn(plane: int) -> BoolArray:
        return filled(distinct[plane], plane_shape)

    places = np.array([plane.place_slices for plane in planes])
    half = distance_slices / 2.0
    first = max(0, int(np.ceil(places[0] - half - _ROUNDING)))
    last = min(shape[0] - 1, int(np.ceil(places[-1] + half - _ROUNDING)) - 1)
    for k in range(first, last + 1):
        above = int(np.searchsorted(places, k))
        near = min((i for i in (above - 1, above) if 0 <= i < len(places)), key=lambda i: abs(float(places[i]) - k))
        if abs(places[near] - k) <= _ON_PLANE * distance_slices or not 0 < above < len(places):
            mask[k] = drawn(near)
        elif places[above] - places[above - 1] <= LARGEST_GAP * distance_slices:
            share = float((k - places[above - 1]) / (places[above] - places[above - 1]))
            mask[k] = between(drawn(above - 1), drawn(above), share, spacing_mm=spacing_mm)
        elif -half - _ROUNDING <= k - places[near] < half - _ROUNDING:
            mask[k] = drawn(near)
    gaps = tuple(
        Gap(float(lower), float(upper), bool(upper - lower <= LARGEST_GAP * distance_slices))
        for lower, upper in pairwise(places)
        if upper - lower > _TOLD_GAP * distance_slices
    )
    repeated = sum(len(plane.polygons) for plane in planes) - sum(len(polygons) for polygons in distinct)
    return StackedMask(mask, gaps, sum(_partly_overlap(polygons, plane_shape) for polygons in distinct), repeated)


def planimetric_volume(planes: Sequence[ContourPlane], *, distance_slices: float) -> float:
    """Volume in voxels by the areas of the contours, each plane as thick as half the way to its neighbours.

    ``distance_slices`` is the usual one between planes; it stands for neighbours that are missing. Areas come from a raster
    eight times finer than the lattice.
    """
    places = np.array([plane.place_slices for plane in planes])
    gaps = np.diff(places)
    halves = np.where(gaps <= LARGEST_GAP * distance_slices, gaps, distance_slices) / 2.0
    thickness = np.concatenate([[distance_slices / 2], halves]) + np.concatenate([halves, [distance_slices / 2]])
    volume = 0.0
    for plane, thick in zip(planes, thickness, strict=True):
        polygons = _distinct(plane.polygons)
        points = np.concatenate(polygons)
        low, sides = points.min(axis=0), np.ceil(np.ptp(points, axis=0) * _FINER).astype(int) + 2
        fine = filled([(polygon - low) * _FINER + 0.5 for polygon in polygons], (int(sides[0]), int(sides[1])))
        volume += float(np.count_nonzero(fine)) / _FINER**2 * float(thick)
    return volume


def _distinct(polygons: Sequence[FloatArray]) -> list[FloatArray]:
    """Polygons of one plane without repeats: a contour that is there twice counts once, and does not cancel itself."""
    found: dict[bytes, FloatArray] = {}
    for polygon in polygons:
        found.setdefault(np.ascontiguousarray(polygon).tobytes(), polygon)
    return list(found.values())


def _partly_overlap(polygons: Sequence[FloatArray], shape: tuple[int, int]) -> bool:
    """Whether two of the polygons share some of their voxels, but neither lies in the other: their rule is not certain."""
    polygons = polygons[:_MOST_COMPARED]
    boxes = [(polygon.min(axis=0), polygon.max(axis=0)) for polygon in polygons]
    masks: dict[int, BoolArray] = {}
    for a, b in combinations(range(len(polygons)), 2):
        if np.any(boxes[a][0] > boxes[b][1]) or np.any(boxes[b][0] > boxes[a][1]):
            continue
        for one in (a, b):
            if one not in masks:
                masks[one] = filled([polygons[one]], shape)
        shared = int(np.count_nonzero(masks[a] & masks[b]))
        if 0 < shared < min(int(np.count_nonzero(masks[one])) for one in (a, b)):
            return True
    return False
