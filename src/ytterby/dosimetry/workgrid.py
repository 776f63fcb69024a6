"""Working grid of the partial-volume correction: the masks' own grid, voxels joined or divided, in a box round the organ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ytterby.errors import SegmentError
from ytterby.model.segment import Segment
from ytterby.model.volume import FloatArray, Grid

__all__ = ["Box", "WorkGrid", "common", "inner"]

_REACH = 4.0  # standard deviations after which a Gaussian is 0 here
_WIDTH_PER_SIGMA = 0.43  # of a working voxel: 2.2 mm for an FWHM of 12 mm
_LEAST_MM = 1.5  # no narrower, so that a sharp PET's working grid does not outgrow the memory

Box = tuple[slice, slice, slice]


def inner(box: Box, outer: Box) -> Box:
    """``box`` as seen from the first voxel of ``outer``, which holds it."""
    sides = [slice(one.start - o.start, one.stop - o.start) for one, o in zip(box, outer, strict=True)]
    return sides[0], sides[1], sides[2]


def common(box: Box, other: Box) -> Box | None:
    """What two boxes share; None where they lie apart."""
    sides = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other, strict=True)]
    return None if any(side.start >= side.stop for side in sides) else (sides[0], sides[1], sides[2])


@dataclass(frozen=True, eq=False)
class WorkGrid:
    """The masks' own grid in a box, voxels joined or divided so that they are narrow beside the blur.

    ``origin`` is the box's first voxel on the masks' grid ``base``; along each axis ``joined`` of its voxels make ``divided``
    working voxels. ``sigma_mm`` is the blur along each axis that is left when what voxels and linear samples do is taken out.
    """

    grid: Grid
    base: Grid
    origin: tuple[int, int, int]
    joined: tuple[int, int, int]
    divided: tuple[int, int, int]
    sigma_mm: tuple[float, float, float]

    @classmethod
    def around(
        cls, tumours: Sequence[Segment], tissues: Sequence[Segment], image: Grid, *, sigma_mm: float
    ) -> WorkGrid:
        """Working grid that holds all segments and the reach of a blur of ``sigma_mm`` round them."""
        base = tissues[0].grid
        spacing = np.array(base.spacing_mm)
        target = max(_WIDTH_PER_SIGMA * sigma_mm, _LEAST_MM)
        joined = np.maximum(1, np.floor(1.1 * target / spacing)).astype(int)
        divided = np.maximum(1, np.ceil(0.9 * spacing / (2.0 * target))).astype(int)
        boxes = [segment.on_grid(base).bounding_box() for segment in (*tumours, *tissues)]
        margin = np.ceil((_REACH + 1.0) * sigma_mm / spacing).astype(int)
        low = np.min([[side.start for side in box] for box in boxes], axis=0) - margin
        high = np.max([[side.stop for side in box] for box in boxes], axis=0) + margin
        shape = np.ceil((high - low) / joined).astype(int) * divided
        scale = joined / divided
        affine = base.affine.copy()
        affine[:3, :3] = base.affine[:3, :3] * scale
        affine[:3, 3] = base.positions_mm([low + (scale - 1.0) / 2.0])[0]
        grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
        # Voxels joined or divided blur source and measurement alike, linear samples blur the image: by known variances.
        variance = sigma_mm**2 + _linear_variance(base, image) - np.abs(np.square(grid.spacing_mm) - spacing**2) / 6.0
        sides = np.sqrt(np.maximum(variance, (0.5 * sigma_mm) ** 2))
        return cls(
            grid,
            base,
            _three(low),
            _three(joined),
            _three(divided),
            (float(sides[0]), float(sides[1]), float(sides[2])),
        )

    def occupancies(self, segments: Sequence[Segment]) -> tuple[list[FloatArray], list[Box]]:
        """Share of each working voxel that belongs to each segment and to none before it, with its box on the working grid."""
        claimed = np.zeros(self.base.shape, dtype=np.bool_)
        parts, boxes = [], []
        for segment in segments:
            here = segment.require_voxels().on_grid(self.base)
            box = here.bounding_box()
            mask = here.mask[box] & ~claimed[box]
            if not mask.any():
                raise SegmentError(
                    "every voxel of the segment belongs to segments before it as well",
                    where=f"segment '{segment.name}'",
                    remedy="give tumours that do not cover each other, and tissues that are not all tumour",
                )
            claimed[box] |= mask
            start = [(side.start - o) // j for side, o, j in zip(box, self.origin, self.joined, strict=True)]
            stop = [-((o - side.stop) // j) for side, o, j in zip(box, self.origin, self.joined, strict=True)]
            padded = np.zeros([(b - a) * j for a, b, j in zip(start, stop, self.joined, strict=True)], dtype=np.float32)
            offset = [
                side.start - o - a * j for side, o, a, j in zip(box, self.origin, start, self.joined, strict=True)
            ]
            padded[tuple(slice(o, o + size) for o, size in zip(offset, mask.shape, strict=True))] = mask
            shape = [size for a, b, j in zip(start, stop, self.joined, strict=True) for size in (b - a, j)]
            part = padded.reshape(shape).mean(axis=(1, 3, 5))
            for axis, parts_of_one in enumerate(self.divided):
                part = np.repeat(part, parts_of_one, axis=axis)
            parts.append(part)
            sides = [slice(a * d, b * d) for a, b, d in zip(start, stop, self.divided, strict=True)]
            boxes.append((sides[0], sides[1], sides[2]))
        return parts, boxes

    def widened(self, box: Box) -> Box:
        """The box and the reach of the blur round it, within the working grid."""
        reach = [math.ceil(_REACH * s / step) for s, step in zip(self.sigma_mm, self.grid.spacing_mm, strict=True)]
        sides = [
            slice(max(0, side.start - r), min(size, side.stop + r))
            for side, r, size in zip(box, reach, self.grid.shape, strict=True)
        ]
        return sides[0], sides[1], sides[2]

    def blurred(self, field_: FloatArray) -> FloatArray:
        """A field on the working grid's voxels after the blur."""
        sigma = [s / step for s, step in zip(self.sigma_mm, self.grid.spacing_mm, strict=True)]
        return np.asarray(ndimage.gaussian_filter(field_, sigma, mode="constant", truncate=_REACH))


def _linear_variance(base: Grid, image: Grid) -> FloatArray:
    """Variance (3,) in mm^2 that linear samples of the image add along each axis of the masks."""
    axes = base.affine[:3, :3] / np.array(base.spacing_mm)
    steps = image.affine[:3, :3]
    return np.asarray(np.square(axes.T @ steps).sum(axis=1) / 6.0)


def _three(values: FloatArray) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])
