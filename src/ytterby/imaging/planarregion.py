"""Regions drawn on a planar view, as rectangles and polygons, to masks of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ytterby.errors import DomainError, GeometryError
from ytterby.model.planar import PlanarView
from ytterby.model.segment import BoolArray
from ytterby.units import finite

__all__ = ["MAX_VERTICES", "Polygon", "polygon_mask", "rectangle", "region_mask"]

MAX_VERTICES = 10_000
"""Outlines with more corners are refused."""


@dataclass(frozen=True)
class Polygon:
    """A closed outline: corners (x, y), x along the columns to the right and y along the rows downwards.

    (0, 0) is the centre of the first pixel. Corners are in pixels, or in millimetres with ``in_mm``.

    Raises
    ------
    DomainError
        There are fewer than 3 corners or more than ``MAX_VERTICES``, or a number is not finite.
    """

    corners: tuple[tuple[float, float], ...]
    in_mm: bool = False

    def __post_init__(self) -> None:
        if not 3 <= len(self.corners) <= MAX_VERTICES:
            raise DomainError(
                f"an outline has 3 to {MAX_VERTICES} corners, not {len(self.corners)}", remedy="draw the region again"
            )
        for x, y in self.corners:
            finite(x, "x of a corner")
            finite(y, "y of a corner")


def rectangle(sides: tuple[float, float, float, float], *, in_mm: bool = False) -> Polygon:
    """The outline of an upright rectangle with the ``sides`` (left, top, right, bottom).

    Examples
    --------
    >>> rectangle((1, 2, 3, 5)).corners
    ((1, 2), (3, 2), (3, 5), (1, 5))
    """
    left, top, right, bottom = sides
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), in_mm)


def polygon_mask(polygon: Polygon, shape: tuple[int, int], spacing_mm: tuple[float, float] | None) -> BoolArray:
    """Pixels, shape (rows, columns), whose centres lie within an outline or on it (even-odd rule).

    Raises
    ------
    GeometryError
        The outline is in millimetres, and the view has no pixel spacing.
    """
    corners = np.array(polygon.corners, dtype=np.float64)
    if polygon.in_mm:
        if spacing_mm is None:
            raise GeometryError(
                "the region is in millimetres, and the view has no pixel spacing", remedy="draw it in pixels"
            )
        corners = corners / np.array([spacing_mm[1], spacing_mm[0]])
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    inside = np.zeros(shape, dtype=np.bool_)
    on_outline = np.zeros(shape, dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        # Twice the area of the triangle of edge and pixel: 0 on the edge's line, its sign says the side.
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        length = float(np.hypot(x1 - x0, y1 - y0))
        between = (x >= min(x0, x1) - 1e-9) & (x <= max(x0, x1) + 1e-9)
        between &= (y >= min(y0, y1) - 1e-9) & (y <= max(y0, y1) + 1e-9)
        on_outline |= between & (np.abs(side) <= 1e-9 * max(length, 1.0))
        # An edge is crossed by the ray to the right where it passes the pixel's height on the right of the pixel.
        if y0 <= y1:
            inside ^= (y0 <= y) & (y < y1) & (side > 0)
        else:
            inside ^= (y1 <= y) & (y < y0) & (side < 0)
    return inside | on_outline


def region_mask(polygons: Sequence[Polygon], view: PlanarView, *, name: str) -> BoolArray:
    """Pixels of a region of one or several outlines on a view.

    Raises
    ------
    GeometryError
        The region holds no pixel, or reaches beyond the view; or it is in millimetres and the view has no spacing.
    """
    rows, columns = view.array.shape
    mask = np.zeros((rows, columns), dtype=np.bool_)
    for polygon in polygons:
        sides = (1.0, 1.0) if not polygon.in_mm or view.spacing_mm is None else view.spacing_mm
        corners = np.array(polygon.corners) / np.array([sides[1], sides[0]])
        # Half a pixel of grace: the outermost pixels end there.
        if corners.min() < -0.5 or corners[:, 0].max() > columns - 0.5 or corners[:, 1].max() > rows - 0.5:
            raise GeometryError(
                f"the region '{name}' reaches beyond the view of {columns} columns and {rows} rows",
                where=view.source,
                remedy="draw it on the anterior view, in pixels from 0 (or in mm)",
            )
        mask |= polygon_mask(polygon, (rows, columns), view.spacing_mm)
    if not mask.any():
        raise GeometryError(
            f"the region '{name}' holds no pixel centre", where=view.source, remedy="draw it larger, or in mm"
        )
    return mask
