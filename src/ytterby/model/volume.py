"""Grid and Volume: where samples lie in the patient, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ytterby.errors import GeometryError

__all__ = ["FloatArray", "Grid", "Quantity", "Volume", "read_only"]

FloatArray = npt.NDArray[np.floating]


def read_only(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """A view of ``array`` that nobody can write through."""
    view = array.view()
    view.setflags(write=False)
    return view


@dataclass(frozen=True, eq=False)
class Grid:
    """A lattice of voxels in the patient: shape (i, j, k) and the affine from index to LPS millimetres.

    Index (0, 0, 0) is the centre of the first voxel. LPS is DICOM's own frame: x to the patient's left, y to posterior, z to the
    head. Nothing is assumed about the order or direction of the axes; geometry is compared by affine.

    Raises
    ------
    GeometryError
        The affine is not a finite, invertible 4x4 matrix with last row 0 0 0 1, or a side of the shape is below 1.
    """

    shape: tuple[int, int, int]
    affine: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.all(np.isfinite(affine)) or not np.allclose(affine[3], [0, 0, 0, 1]):
            raise GeometryError(
                f"the affine must be a finite 4x4 matrix with last row 0 0 0 1, got {affine.tolist()}",
                remedy="check position, orientation and spacing in the file",
            )
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise GeometryError(
                "the affine is singular: a voxel has no volume", remedy="check spacing and orientation in the file"
            )
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"a grid has three sides of at least 1 voxel, got {shape}", remedy="check the file")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", shape)

    @classmethod
    def axis_aligned(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
        *,
        origin_mm: tuple[float, float, float] | None = None,
    ) -> Grid:
        """Grid whose axes run along L, P and S; centred on LPS (0, 0, 0) unless ``origin_mm`` (first voxel) is given."""
        affine = np.diag([*spacing_mm, 1.0])
        origin = origin_mm or tuple(-s * (n - 1) / 2 for s, n in zip(spacing_mm, shape, strict=True))
        affine[:3, 3] = origin
        return cls(shape, affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each index axis."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def positions_mm(self, index: npt.ArrayLike) -> FloatArray:
        """LPS positions, shape (n, 3), of index positions (n, 3), which may be fractional."""
        points = np.atleast_2d(np.asarray(index, dtype=np.float64))
        return np.asarray(points @ self.affine[:3, :3].T + self.affine[:3, 3])

    def indices(self, positions_mm: npt.ArrayLike) -> FloatArray:
        """Fractional index positions, shape (n, 3), of LPS positions (n, 3)."""
        points = np.atleast_2d(np.asarray(positions_mm, dtype=np.float64))
        return np.asarray((points - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T)

    def cropped(self, box: tuple[slice, slice, slice]) -> Grid:
        """The lattice in an index box (slices with a start and a stop), which may reach beyond the grid."""
        start = np.array([side.start for side in box], dtype=np.float64)
        affine = self.affine.copy()
        affine[:3, 3] = self.positions_mm(start)[0]
        return Grid((box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start), affine)

    def divided(self, parts: tuple[int, int, int]) -> Grid:
        """The same space with every voxel cut into so many parts along each axis."""
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] / np.array(parts)
        affine[:3, 3] = self.positions_mm((1.0 / np.array(parts) - 1.0) / 2.0)[0]
        return Grid((self.shape[0] * parts[0], self.shape[1] * parts[1], self.shape[2] * parts[2]), affine)

    def index_map_to(self, other: Grid) -> FloatArray:
        """4x4 matrix that takes an index of this grid to the (fractional) index of ``other``."""
        return np.asarray(np.linalg.inv(other.affine) @ self.affine)

    def same_as(self, other: Grid, *, tolerance_mm: float = 1e-3) -> bool:
        """True when both grids have one shape and put every corner at the same place within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        last = np.array(self.shape, dtype=np.float64) - 1
        corners = np.array([[a, b, c] for a in (0, last[0]) for b in (0, last[1]) for c in (0, last[2])])
        return bool(np.allclose(self.positions_mm(corners), other.positions_mm(corners), rtol=0, atol=tolerance_mm))


class Quantity(StrEnum):
    """What the samples of a volume measure. UNSTATED: the file does not say, and nobody may guess."""

    HU = "hounsfield_unit"
    COUNTS = "counts"
    CONCENTRATION = "activity_concentration_bq_ml"
    DOSE = "absorbed_dose_gy"
    OTHER = "other"
    UNSTATED = "unstated"


@dataclass(frozen=True, eq=False)
class Volume:
    """Samples on a grid, and what they measure.

    ``array`` has the grid's shape, indexed (i, j, k), and is read-only. ``frame_of_reference`` is DICOM's UID ("" where the file
    has none). ``reference_time`` is the moment that an activity concentration is decay-corrected to, timezone-aware.

    Raises
    ------
    GeometryError
        The array does not have the grid's shape.
    """

    array: FloatArray = field(repr=False)
    grid: Grid
    quantity: Quantity
    frame_of_reference: str = ""
    reference_time: datetime | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise GeometryError(
                f"an array of shape {self.array.shape} does not fit a grid of shape {self.grid.shape}",
                where=self.source,
                remedy="read the volume again from its file",
            )
        object.__setattr__(self, "array", read_only(self.array))

    def with_array(self, array: FloatArray, quantity: Quantity | None = None) -> Volume:
        """The same place with other samples (and, where given, another quantity)."""
        return replace(self, array=array, quantity=quantity or self.quantity)
