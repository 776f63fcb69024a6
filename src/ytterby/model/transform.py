"""Transforms between frames of reference: rigid or affine, in LPS millimetres."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

import numpy as np

from ytterby.errors import GeometryError
from ytterby.model.segment import Segment
from ytterby.model.volume import FloatArray, Grid, Volume

__all__ = ["Transform", "TransformKind", "transform_between"]

_ORTHOGONAL_TOLERANCE = 1e-4
Placed = TypeVar("Placed", Volume, Segment)


class TransformKind(StrEnum):
    """What a matrix may do: turn and shift; scale along its axes too; shear too (the names are DICOM's)."""

    RIGID = "RIGID"
    RIGID_SCALE = "RIGID_SCALE"
    AFFINE = "AFFINE"


@dataclass(frozen=True, eq=False)
class Transform:
    """A map from one frame of reference to another: point in ``to_frame`` = ``matrix`` @ point in ``from_frame``.

    ``matrix`` is 4x4, in LPS millimetres, read-only.

    Raises
    ------
    GeometryError
        The matrix is no finite, invertible 4x4 matrix with last row 0 0 0 1, or it mirrors the patient.
    """

    from_frame: str
    to_frame: str
    matrix: FloatArray = field(repr=False)
    source: str = ""

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)) or not np.allclose(matrix[3], [0, 0, 0, 1]):
            raise GeometryError(
                "the transform is no finite 4x4 matrix with last row 0 0 0 1",
                where=self.source,
                remedy="export the registration again",
            )
        volume = float(np.linalg.det(matrix[:3, :3]))
        if not 1e-3 < volume < 1e3:
            what = "mirrors the patient" if volume < 0 else f"changes volumes by a factor of {volume:.3g}"
            raise GeometryError(f"the transform {what}", where=self.source, remedy="register the images again")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @property
    def kind(self) -> TransformKind:
        """The narrowest kind that the matrix is of."""
        linear = self.matrix[:3, :3]
        lengths = np.linalg.norm(linear, axis=0)
        if np.abs((linear / lengths).T @ (linear / lengths) - np.eye(3)).max() > _ORTHOGONAL_TOLERANCE:
            return TransformKind.AFFINE
        return (
            TransformKind.RIGID if np.abs(lengths - 1.0).max() <= _ORTHOGONAL_TOLERANCE else TransformKind.RIGID_SCALE
        )

    @property
    def inverse(self) -> Transform:
        """The way back."""
        return Transform(self.to_frame, self.from_frame, np.asarray(np.linalg.inv(self.matrix)), self.source)

    def then(self, other: Transform) -> Transform:
        """Both transforms as one: first this, then ``other``.

        Raises
        ------
        GeometryError
            ``other`` does not begin in the frame of reference in which this one ends.
        """
        if other.from_frame != self.to_frame:
            raise GeometryError(
                f"a transform to {self.to_frame} cannot go on with one from {other.from_frame}", where=self.source
            )
        return Transform(self.from_frame, other.to_frame, np.asarray(other.matrix @ self.matrix), self.source)

    def points_mm(self, positions_mm: FloatArray) -> FloatArray:
        """LPS positions, shape (n, 3), of ``to_frame`` for positions (n, 3) of ``from_frame``."""
        return np.asarray(np.asarray(positions_mm) @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def carried(self, placed: Placed) -> Placed:
        """A volume or segment in the other frame of reference: its samples are untouched, its grid is moved.

        Raises
        ------
        GeometryError
            It does not lie in ``from_frame``.
        """
        if placed.frame_of_reference != self.from_frame:
            raise GeometryError(
                f"it lies in frame of reference {placed.frame_of_reference or 'not stated'}, the transform begins in "
                f"{self.from_frame}",
                where=placed.source,
                remedy="give the registration of this image",
            )
        grid = Grid(placed.grid.shape, np.asarray(self.matrix @ placed.grid.affine))
        return replace(placed, grid=grid, frame_of_reference=self.to_frame)


def transform_between(transforms: Sequence[Transform], from_frame: str, to_frame: str) -> Transform | None:
    """The shortest chain of ``transforms`` and their inverses between two frames of reference; None where there is none."""
    steps = [*transforms, *(one.inverse for one in transforms)]
    reached: dict[str, Transform | None] = {from_frame: None}
    waiting = deque([from_frame])
    while waiting and to_frame not in reached:
        here = waiting.popleft()
        so_far = reached[here]
        for step in steps:
            if step.from_frame == here and step.to_frame not in reached:
                reached[step.to_frame] = step if so_far is None else so_far.then(step)
                waiting.append(step.to_frame)
    return reached.get(to_frame)
