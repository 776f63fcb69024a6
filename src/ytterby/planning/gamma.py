"""Gamma index: whether a dose is found again, within a dose difference or within a distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ytterby.errors import GeometryError
from ytterby.model.segment import BoolArray
from ytterby.model.volume import FloatArray, Volume
from ytterby.units import positive

__all__ = ["GammaCriterion", "GammaResult", "gamma_index", "gamma_result"]

_STEPS_PER_DISTANCE = 5


@dataclass(frozen=True)
class GammaCriterion:
    """What counts as found again: a share of the greatest reference dose (global), and a distance."""

    dose_fraction: float
    distance_mm: float


@dataclass(frozen=True)
class GammaResult:
    """How many voxels pass; ``dose_gy`` is the dose difference that the criterion came to."""

    criterion: GammaCriterion
    dose_gy: float
    n_voxels: int
    passing_fraction: float


def gamma_index(
    reference: Volume, evaluated: Volume, *, where: BoolArray, dose_gy: float, distance_mm: float
) -> FloatArray:
    """Gamma (n,) of the reference's voxels ``where``, in the order of ``numpy.argwhere``.

    The least of sqrt((difference / dose_gy)^2 + (distance / distance_mm)^2) over all places within ``distance_mm``, which are
    looked at a fifth of that distance apart, trilinearly. So a gamma up to 1 is the gamma; one above 1 says that the voxel does
    not pass, and by how much at most. The lattice can only raise it, on a gradient g by less than
    (1 + (g distance_mm / dose_gy)^2) / 100 in its square. Both volumes lie on one grid; beyond it the outermost samples hold.

    Raises
    ------
    GeometryError
        The volumes lie on different grids.
    DomainError
        A criterion is not above 0.

    References
    ----------
    Low DA, Harms WB, Mutic S, Purdy JA. Med Phys 1998;25:656-661, doi:10.1118/1.598248.
    """
    if not reference.grid.same_as(evaluated.grid):
        raise GeometryError("the two doses lie on different grids", remedy="resample one onto the grid of the other")
    difference_gy, reach_mm = positive(dose_gy, "dose_gy"), positive(distance_mm, "distance_mm")
    index = np.argwhere(where).astype(np.float64).T
    wanted = np.asarray(reference.array, dtype=np.float64)[where]
    array = np.asarray(evaluated.array, dtype=np.float64)
    to_index = np.linalg.inv(reference.grid.affine[:3, :3])
    least = np.full(wanted.shape, np.inf)
    for offset_mm in _offsets_mm(reach_mm):
        apart = float(np.sum((offset_mm / reach_mm) ** 2))
        places = index + (to_index @ offset_mm)[:, None]
        found = ndimage.map_coordinates(array, places, order=1, mode="nearest", output=np.float64)
        np.minimum(least, ((found - wanted) / difference_gy) ** 2 + apart, out=least)
    return np.asarray(np.sqrt(least))


def gamma_result(
    reference: Volume, evaluated: Volume, *, where: BoolArray, criterion: GammaCriterion
) -> GammaResult | None:
    """Share of the voxels ``where`` with a gamma of 1 or less; None where there is no voxel or no dose.

    The dose difference is ``criterion.dose_fraction`` of the greatest reference dose among them. Source: as ``gamma_index``.

    Raises
    ------
    GeometryError
        The volumes lie on different grids.
    DomainError
        A criterion is not above 0.
    """
    n = int(np.count_nonzero(where))
    greatest_gy = float(np.max(reference.array[where])) if n else 0.0
    if greatest_gy <= 0.0:
        return None
    dose_gy = criterion.dose_fraction * greatest_gy
    gamma = gamma_index(reference, evaluated, where=where, dose_gy=dose_gy, distance_mm=criterion.distance_mm)
    return GammaResult(criterion, dose_gy, n, float(np.count_nonzero(gamma <= 1.0 + 1e-9)) / n)


def _offsets_mm(reach_mm: float) -> FloatArray:
    """Places (n, 3) within a ball, on a lattice in patient coordinates, the nearest first."""
    steps = np.arange(-_STEPS_PER_DISTANCE, _STEPS_PER_DISTANCE + 1, dtype=np.float64)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = (lattice**2).sum(axis=1)
    inside = squares <= _STEPS_PER_DISTANCE**2
    order = np.argsort(squares[inside], kind="stable")
    return np.asarray(lattice[inside][order] * (reach_mm / _STEPS_PER_DISTANCE))
