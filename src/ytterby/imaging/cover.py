"""One set of sample points for many segments: what is sampled once need not be sampled again for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ytterby.model.segment import BoolArray, SamplePoints, Segment, union
from ytterby.model.volume import Grid

__all__ = ["Cover", "covers"]

Box = tuple[slice, slice, slice]
Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Cover:
    """Segments of one grid, the points that stand for all of them, and which of the points are whose."""

    segments: tuple[Segment, ...]
    points: SamplePoints = field(repr=False)
    _covered: BoolArray = field(repr=False)
    _box: Box

    def of(self, segment: Segment, values: npt.NDArray[Sample]) -> npt.NDArray[Sample]:
        """The ``values`` (n,) at ``points`` that belong to one of the cover's segments.

        They are those that sampling the segment on its own would give, in the same order.
        """
        chosen = segment.mask[self._box][self._covered]
        parts = len(values) // len(chosen)
        return values[chosen] if parts == 1 else values.reshape(-1, parts)[chosen].ravel()


def covers(segments: Sequence[Segment], grids: Sequence[Grid]) -> tuple[Cover, ...]:
    """The segments by the grids on which they lie, in the order given; points are as fine as the finest of ``grids`` asks for."""
    groups: list[list[Segment]] = []
    for segment in segments:
        for group in groups:
            if group[0].grid.same_as(segment.grid):
                group.append(segment)
                break
        else:
            groups.append([segment])
    found = []
    for group in groups:
        whole = group[0] if len(group) == 1 else union(tuple(group), "all", group[0].role)
        box = whole.bounding_box()
        found.append(Cover(tuple(group), whole.points(grids=grids), np.ascontiguousarray(whole.mask[box]), box))
    return tuple(found)
