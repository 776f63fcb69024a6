"""Closed polygons to masks and masks to closed polygons, in one plane; and the shape between two planes.

Positions are in voxels, (n, 2), in the order of the mask's axes; a voxel's centre has whole numbers. A polygon's last point
is joined to its first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ytterby.errors import DomainError
from ytterby.model.segment import BoolArray
from ytterby.model.volume import FloatArray

__all__ = ["MAX_CROSSINGS", "between", "enclosed_area", "filled", "outlines"]

MAX_CROSSINGS = 50_000_000
"""A polygon that crosses more lines of voxels is refused: it would fill them for minutes, and no outline does."""

_AT_ONCE = 4_000_000


def enclosed_area(polygon: FloatArray) -> float:
    """Area that a polygon (n, 2) encloses, signed by its sense of rotation; loops that run against each other cancel."""
    x, y = polygon[:, 0] - polygon[0, 0], polygon[:, 1] - polygon[0, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2.0


def filled(polygons: Sequence[FloatArray], shape: tuple[int, int]) -> BoolArray:
    """Mask of ``shape``: voxels whose centre lies in an odd number of the polygons' turns (even-odd rule).

    A polygon inside another is thus a hole, and a channel of no width that leads to an inner loop and back is none. Of a centre
    on an outline, the side of the lower indices belongs to it and the other not, so that polygons which share an edge
    share no voxel and leave none out.

    Raises
    ------
    DomainError
        A position is not finite, or a polygon crosses more lines than ``MAX_CROSSINGS``.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    for polygon in polygons:
        points = np.asarray(polygon, dtype=np.float64)
        if not np.all(np.isfinite(points)):
            raise DomainError("a polygon's position is not finite", where="polygon", remedy="check the contours")
        if len(points) >= 3:
            _toggle(mask, points)
    return mask


def _toggle(mask: BoolArray, points: FloatArray) -> None:
    """Invert the voxels inside one polygon."""
    rows, columns = mask.shape
    # Lines and columns that the polygon can reach; what lies to the left of the mask acts as if it lay on its edge.
    first, last = (np.clip(np.ceil(edge), 0, rows).astype(int) for edge in (points[:, 0].min(), points[:, 0].max()))
    left, right = (np.clip(np.ceil(edge), 0, columns).astype(int) for edge in (points[:, 1].min(), points[:, 1].max()))
    if first >= last or left >= right:
        return
    after = np.roll(points, -1, axis=0)
    # Both directions of an edge reckon with the same numbers, so that they cross at the same place to the last bit.
    rising = (points[:, 0] <= after[:, 0])[:, None]
    low, high = np.where(rising, points, after), np.where(rising, after, points)
    start, stop = (np.clip(np.ceil(end[:, 0]), first, last).astype(np.int64) for end in (low, high))
    crossed = stop - start
    if int(crossed.sum()) > MAX_CROSSINGS:
        raise DomainError(
            f"a polygon of {len(points)} points crosses {int(crossed.sum())} lines of voxels",
            where="polygon",
            remedy="simplify the contour",
        )
    width = int(right - left) + 1
    turns = np.zeros(int(last - first) * width, dtype=np.uint8)
    edges = np.flatnonzero(crossed)
    total = np.cumsum(crossed[edges])
    for part in np.split(edges, np.flatnonzero(np.diff(total // _AT_ONCE)) + 1):
        which = np.repeat(part, crossed[part])
        row = start[which] + np.arange(which.size) - np.repeat(np.cumsum(crossed[part]) - crossed[part], crossed[part])
        slope = (high[which, 1] - low[which, 1]) / (high[which, 0] - low[which, 0])
        at = low[which, 1] + (row - low[which, 0]) * slope
        column = np.clip(np.ceil(at), left, right).astype(np.int64) - left
        turns ^= (np.bincount((row - first) * width + column, minlength=turns.size) & 1).astype(np.uint8)
    inside = np.bitwise_xor.accumulate(turns.reshape(-1, width), axis=1)[:, :-1]
    mask[first:last, left:right] ^= inside.view(np.bool_)


def between(lower: BoolArray, upper: BoolArray, upper_fraction: float, *, spacing_mm: tuple[float, float]) -> BoolArray:
    """Shape at ``upper_fraction`` (0 to 1) of the way from one plane's mask to another's, by their signed distances.

    Where the two do not meet, little or nothing lies between them.

    Source: Raya and Udupa 1990, shape-based interpolation of multidimensional objects, doi:10.1109/42.52980.
    """
    either = lower | upper
    if not either.any():
        return either
    inner = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    box = tuple(slice(int(found[0]), int(found[-1]) + 1) for found in inner)
    distance = (1.0 - upper_fraction) * _depth_mm(lower[box], spacing_mm) + upper_fraction * _depth_mm(
        upper[box], spacing_mm
    )
    result = np.zeros_like(either)
    result[box] = distance > 0
    return result


def _depth_mm(mask: BoolArray, spacing_mm: tuple[float, float]) -> FloatArray:
    """Distance of each voxel's centre from the mask's edge, positive inside; half a voxel where it lies beside it."""
    half = min(spacing_mm) / 2.0
    # A rim of background: what touches the end of the box has an edge there.
    wide = np.pad(mask, 1)
    if not mask.any():
        # Nothing there: as far away as the box is wide.
        return np.full(mask.shape, -float(np.hypot(*(np.array(mask.shape) * spacing_mm))))
    inside = ndimage.distance_transform_edt(wide, sampling=spacing_mm)
    outside = ndimage.distance_transform_edt(~wide, sampling=spacing_mm)
    return np.asarray(np.where(wide, inside - half, half - outside)[1:-1, 1:-1])


# Directions along the edges of voxels, in turning order: +column, +row, -column, -row.
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
# From the corner where an edge begins to the voxel on its inner side, for each direction.
_INNER = ((0, 0), (0, -1), (-1, -1), (-1, 0))


def outlines(mask: BoolArray) -> list[FloatArray]:
    """Outlines of a mask along the edges of its voxels: one polygon (n, 2) for each piece, corners alone.

    Voxels that touch at a corner are pieces of their own. A hole is joined to the outline around it by a channel of no width
    (keyhole), so that each polygon stands for itself. ``filled`` makes the same mask of them.
    """
    if not mask.any():
        return []
    spans = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    corner = np.array([spans[0][0], spans[1][0]], dtype=np.float64) - 0.5
    box = mask[spans[0][0] : spans[0][-1] + 1, spans[1][0] : spans[1][-1] + 1]
    pieces, _ = ndimage.label(box)
    outer: dict[int, FloatArray] = {}
    holes: dict[int, list[FloatArray]] = {}
    for loop, inner in _loops(box):
        piece = int(pieces[inner])
        # Outlines turn one way and holes the other.
        if enclosed_area(loop) < 0:
            outer[piece] = loop
        else:
            holes.setdefault(piece, []).append(loop)
    return [corner + _keyholed(loop, holes.get(piece, [])) for piece, loop in sorted(outer.items())]


def _loops(mask: BoolArray) -> list[tuple[FloatArray, tuple[int, int]]]:
    """Closed walks along the edges of a mask, its inside to the right: corners (n, 2), and a voxel beside them."""
    wide = np.pad(mask, 1)
    inside, above, left, before = wide[1:, 1:], wide[:-1, 1:], wide[1:, :-1], wide[:-1, :-1]
    # Whether an edge of each direction begins at a corner: the voxel on its right is inside, the one on its left is not.
    begins = np.stack([inside & ~above, left & ~inside, before & ~left, above & ~before])
    direction, row, column = np.nonzero(begins)
    steps = np.array(_STEPS)
    end_row, end_column = row + steps[direction, 0], column + steps[direction, 1]
    straight = begins[direction, end_row, end_column]
    turn_right = begins[(direction + 1) % 4, end_row, end_column]
    onward = np.where(turn_right, (direction + 1) % 4, np.where(straight, direction, (direction + 3) % 4))
    number = np.full(begins.shape, -1, dtype=np.int64)
    number[direction, row, column] = np.arange(direction.size)
    following = number[onward, end_row, end_column].tolist()
    bends = (onward != direction).tolist()
    ends = np.column_stack([end_row, end_column]).astype(np.float64)
    seen = bytearray(direction.size)
    found: list[tuple[FloatArray, tuple[int, int]]] = []
    for start in range(direction.size):
        if seen[start]:
            continue
        walk, edge = [], start
        while not seen[edge]:
            seen[edge] = 1
            if bends[edge]:
                walk.append(edge)
            edge = following[edge]
        beside = _INNER[direction[start]]
        found.append((ends[walk], (int(row[start]) + beside[0], int(column[start]) + beside[1])))
    return found


def _keyholed(outer: FloatArray, holes: Sequence[FloatArray]) -> FloatArray:
    """One closed walk around an outline, which enters each hole from the outline's corner nearest to it and comes back.

    The way there runs along the edges of voxels too: no centre lies on it, so that readers cannot differ about one.
    """
    if not holes:
        return outer
    tree = cKDTree(outer)
    visits: dict[int, list[FloatArray]] = {}
    for hole in holes:
        distances, corners = (np.asarray(found) for found in tree.query(hole))
        entry = int(np.argmin(distances))
        corner = int(corners[entry])
        around = np.concatenate([np.roll(hole, -entry, axis=0), hole[entry : entry + 1]])
        bend = np.array([[outer[corner, 0], hole[entry, 1]]])
        visits.setdefault(corner, []).append(np.concatenate([bend, around, bend, outer[corner : corner + 1]]))
    parts = []
    for corner, point in enumerate(outer):
        parts.append(point[None, :])
        parts += visits.get(corner, [])
    return np.concatenate(parts)
