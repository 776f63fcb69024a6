"""Axial, coronal and sagittal planes of the patient: where they lie, and samples of volumes and masks on them.

Planes are axis-aligned in LPS, whatever the axes of the volumes are: every sample goes through the inverse affine. They are
shown in the radiological convention: the patient's left on the viewer's right, anterior at the top of the axial and at the left
of the sagittal plane, the head at the top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ytterby.model.dose import CaseDose
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Grid, Volume

__all__ = ["Plane", "Region", "View", "display_region", "focus_mm", "planes_through", "sample_mask", "sample_volume"]

MARGIN_MM = 30.0
_PIXEL_MM = 1.0
_MOST_PIXELS = 420  # along one side: a mask that reaches through a whole body is shown coarser, not refused


@dataclass(frozen=True)
class View:
    """A direction of looking: which LPS axis runs across, which down, and the letters at the four edges.

    ``down_sign`` is -1 where the axis grows towards the top of the picture.
    """

    name: str
    across_axis: int
    down_axis: int
    down_sign: int
    left: str
    right: str
    top: str
    bottom: str

    @property
    def normal_axis(self) -> int:
        """The LPS axis that the plane cuts."""
        return 3 - self.across_axis - self.down_axis


VIEWS = (
    View("Axial", 0, 1, 1, "R", "L", "A", "P"),
    View("Coronal", 0, 2, -1, "R", "L", "H", "F"),
    View("Sagittal", 1, 2, -1, "A", "P", "H", "F"),
)


@dataclass(frozen=True)
class Plane:
    """A plane on a lattice of square pixels: LPS coordinates of its columns (left to right) and rows (top to bottom)."""

    view: View
    position_mm: float
    across_mm: FloatArray = field(repr=False)
    down_mm: FloatArray = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.down_mm), len(self.across_mm)

    @property
    def pixel_mm(self) -> float:
        """Side of a pixel."""
        return float(self.across_mm[1] - self.across_mm[0])

    @property
    def width_mm(self) -> float:
        """Length across, outer edge to outer edge."""
        return len(self.across_mm) * self.pixel_mm

    @property
    def height_mm(self) -> float:
        """Length down, outer edge to outer edge."""
        return len(self.down_mm) * self.pixel_mm

    @property
    def edges_mm(self) -> tuple[float, float, float, float]:
        """LPS coordinates of the outer edges: left, right, bottom, top."""
        half = self.pixel_mm / 2
        sign = self.view.down_sign
        return (
            float(self.across_mm[0]) - half,
            float(self.across_mm[-1]) + half,
            float(self.down_mm[-1]) + sign * half,
            float(self.down_mm[0]) - sign * half,
        )

    def indices_on(self, grid: Grid) -> FloatArray:
        """Fractional indices, shape (3, rows, columns), of the pixels on ``grid``."""
        inverse = np.linalg.inv(grid.affine)
        start = inverse[:3, 3] + inverse[:3, self.view.normal_axis] * self.position_mm
        across = inverse[:3, self.view.across_axis, None, None] * self.across_mm[None, None, :]
        down = inverse[:3, self.view.down_axis, None, None] * self.down_mm[None, :, None]
        return np.asarray(start[:, None, None] + across + down)


@dataclass(frozen=True)
class Region:
    """A box in LPS millimetres: the part of the patient that is shown."""

    lower_mm: tuple[float, float, float]
    upper_mm: tuple[float, float, float]

    def length_mm(self, axis: int) -> float:
        """Length along an LPS axis."""
        return self.upper_mm[axis] - self.lower_mm[axis]


def display_region(segments: Sequence[Segment], grid: Grid, *, margin_mm: float = MARGIN_MM) -> Region:
    """The box around the liver with a margin; around all segments where there is no liver; else all of ``grid``."""
    drawn = [segment for segment in segments if not segment.is_empty]
    chosen = [segment for segment in drawn if segment.role is Role.LIVER] or drawn
    if not chosen:
        corners = _corners_mm(grid, tuple(slice(0, n) for n in grid.shape))
        margin_mm = 0.0
    else:
        corners = np.concatenate([_corners_mm(segment.grid, segment.bounding_box()) for segment in chosen])
    lower, upper = corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm
    return Region(
        (float(lower[0]), float(lower[1]), float(lower[2])), (float(upper[0]), float(upper[1]), float(upper[2]))
    )


def _corners_mm(grid: Grid, box: tuple[slice, ...]) -> FloatArray:
    """LPS positions (8, 3) of the outer corners of an index box."""
    ends = [(side.start - 0.5, side.stop - 0.5) for side in box]
    return grid.positions_mm([[a, b, c] for a in ends[0] for b in ends[1] for c in ends[2]])


def focus_mm(dose: CaseDose, segments: Sequence[Segment], dose_map: Volume) -> tuple[float, float, float]:
    """LPS point that the planes go through.

    The voxel of the hottest tumour (by mean dose) that is nearest to its centroid; where there is no tumour, the same of the
    liver; else the hottest voxel of the dose map.
    """
    drawn = {segment.name: segment for segment in segments if not segment.is_empty}
    tumours = [row for row in dose.doses if row.role is Role.TUMOUR and row.segment in drawn]
    tumours = [row for row in tumours if math.isfinite(row.mean_dose_gy)]
    if tumours:
        hottest = max(tumours, key=lambda row: row.mean_dose_gy)
        return _centre_mm(drawn[hottest.segment])
    for role in (Role.TUMOUR, Role.LIVER):
        for segment in drawn.values():
            if segment.role is role:
                return _centre_mm(segment)
    peak = np.unravel_index(int(np.argmax(np.nan_to_num(dose_map.array))), dose_map.grid.shape)
    return _point(dose_map.grid.positions_mm(np.array(peak, dtype=np.float64))[0])


def _centre_mm(segment: Segment) -> tuple[float, float, float]:
    """The voxel of a segment nearest to its centroid: a ring or a crescent is cut through its wall, not through its hole."""
    box = segment.bounding_box()
    index = np.argwhere(segment.mask[box]) + np.array([side.start for side in box])
    positions = segment.grid.positions_mm(index)
    nearest = int(np.argmin(((positions - positions.mean(axis=0)) ** 2).sum(axis=1)))
    return _point(positions[nearest])


def _point(position_mm: FloatArray) -> tuple[float, float, float]:
    return float(position_mm[0]), float(position_mm[1]), float(position_mm[2])


def planes_through(point_mm: tuple[float, float, float], region: Region) -> tuple[Plane, Plane, Plane]:
    """The axial, coronal and sagittal plane through a point, on pixels of 1 mm (coarser where the region is very large)."""
    longest = max(region.length_mm(axis) for axis in range(3))
    pixel_mm = max(_PIXEL_MM, longest / _MOST_PIXELS)
    axes = []
    for axis in range(3):
        count = max(2, math.ceil(region.length_mm(axis) / pixel_mm))
        middle = (region.lower_mm[axis] + region.upper_mm[axis]) / 2
        axes.append(middle + (np.arange(count) - (count - 1) / 2) * pixel_mm)
    made = [
        Plane(view, point_mm[view.normal_axis], axes[view.across_axis], axes[view.down_axis][:: view.down_sign])
        for view in VIEWS
    ]
    return made[0], made[1], made[2]


def sample_volume(volume: Volume, plane: Plane, *, outside: float = 0.0) -> FloatArray:
    """Trilinear samples (rows, columns), float32, of a volume on a plane; ``outside`` beyond its field of view."""
    return _sampled(volume.array, volume.grid, plane, outside)


def sample_mask(segment: Segment, plane: Plane) -> FloatArray:
    """Trilinear samples (rows, columns), 0 to 1, of a segment's mask on a plane; its outline is the contour at 0.5."""
    return _sampled(segment.mask.view(np.uint8), segment.grid, plane, 0.0)


def _sampled(array: npt.NDArray[np.floating | np.uint8], grid: Grid, plane: Plane, outside: float) -> FloatArray:
    index = plane.indices_on(grid)
    in_view = np.ones(plane.shape, dtype=np.bool_)
    for here, size in zip(index, grid.shape, strict=True):
        in_view &= (here >= -0.5) & (here <= size - 0.5)
    if not in_view.any():
        return np.full(plane.shape, outside, dtype=np.float32)
    # Only the part in view is interpolated: a small mask or a short CT costs little.
    rows, columns = np.flatnonzero(in_view.any(axis=1)), np.flatnonzero(in_view.any(axis=0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    values = np.full(plane.shape, outside, dtype=np.float32)
    found = ndimage.map_coordinates(
        array, index[:, part[0], part[1]], output=np.float32, order=1, mode="nearest", prefilter=False
    )
    values[part] = np.where(in_view[part], found, np.float32(outside))
    return values
