"""Dose-volume figures of a segment, from dose samples and the volume that each of them stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ytterby.dosimetry.occupancy import divided_points, occupied_samples
from ytterby.errors import DomainError, GeometryError, SegmentError
from ytterby.imaging.sample import sample_linear
from ytterby.model.dose import DoseVolumeHistogram
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Volume

__all__ = ["DoseVolume", "dose_volume", "map_dose_volume", "segment_dose_volume"]

_MAXIMUM_BINS = 1000
_STEPS_GY = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True, eq=False)
class DoseVolume:
    """Dose samples of a segment, sorted once, from which every dose-volume figure is read; ``dose_volume`` builds it.

    ``dose_gy`` rises; ``volume_ml`` is the volume that each sample stands for, in the same order, each above 0. Both have the
    shape (n,) and are read-only. D_x is linear between the volume midpoints of neighbouring samples and holds beyond the outer
    ones; V_D counts the samples with D or more (Drzymala et al. 1991, doi:10.1016/0360-3016(91)90168-4; the figures to be
    reported are those of ICRU Report 83, doi:10.1093/jicru/ndq008).
    """

    dose_gy: FloatArray = field(repr=False)
    volume_ml: FloatArray = field(repr=False)

    @cached_property
    def _below_ml(self) -> FloatArray:
        """Volume of all samples before each one, and of all of them at the end: shape (n + 1,)."""
        n = self.dose_gy.size
        if self.volume_ml.strides == (0,):  # one number for all: the multiples are exact where a running sum is not
            return np.arange(n + 1, dtype=np.float64) * float(self.volume_ml[0])
        return np.concatenate(([0.0], np.cumsum(self.volume_ml, dtype=np.float64)))

    @cached_property
    def _midpoint_ml(self) -> FloatArray:
        """Volume below the middle of each sample, shape (n,)."""
        return 0.5 * (self._below_ml[:-1] + self._below_ml[1:])

    @property
    def total_volume_ml(self) -> float:
        """Volume of all samples together."""
        return float(self._below_ml[-1])

    @cached_property
    def mean_gy(self) -> float:
        """Mean absorbed dose over the volume."""
        if self.volume_ml.strides == (0,):
            return float(self.dose_gy.mean(dtype=np.float64))
        return float(np.dot(self.dose_gy, self.volume_ml)) / self.total_volume_ml

    @cached_property
    def sd_gy(self) -> float:
        """Standard deviation of the dose over the volume (of the whole volume, not of a sample drawn from it)."""
        squares = np.square(self.dose_gy - self.mean_gy, dtype=np.float64)
        if self.volume_ml.strides == (0,):
            return math.sqrt(float(squares.mean()))
        return math.sqrt(float(np.dot(squares, self.volume_ml)) / self.total_volume_ml)

    @property
    def minimum_gy(self) -> float:
        """Least dose of a sample."""
        return float(self.dose_gy[0])

    @property
    def maximum_gy(self) -> float:
        """Greatest dose of a sample."""
        return float(self.dose_gy[-1])

    def dose_reached_gy(self, volume_fraction: float) -> float:
        """D_x: the dose that the hottest ``volume_fraction`` (0 to 1) of the volume reaches.

        With v_i the volumes in the order of rising dose d_i, the midpoint of a sample is m_i = v_1 + ... + v_(i-1) + v_i / 2. D_x
        is linear in volume between the points (m_i, d_i), read at (1 - x) of the volume, and d_1 or d_n beyond them. Sources:
        those of the class; more in docs/theory/dvh.md.

        Raises
        ------
        DomainError
            The share is not above 0 and at most 1.

        Examples
        --------
        >>> import numpy as np
        >>> round(dose_volume(np.arange(1.0, 101.0), 0.1).dose_reached_gy(0.70), 9)
        30.5
        """
        if not 0.0 < volume_fraction <= 1.0:
            raise DomainError(f"volume_fraction must lie in (0, 1], got {volume_fraction}", remedy="write D70 as 0.70")
        return self._dose_gy_above(self.total_volume_ml * (1.0 - volume_fraction))

    def dose_reached_by_volume_gy(self, volume_ml: float) -> float:
        """D at an absolute volume: the dose that the hottest ``volume_ml`` reaches, by the rule of ``dose_reached_gy``.

        Raises
        ------
        DomainError
            The volume is not above 0, or more than the segment has.

        Examples
        --------
        >>> import numpy as np
        >>> round(dose_volume(np.arange(1.0, 101.0), 0.1).dose_reached_by_volume_gy(2.0), 9)
        80.5
        """
        total_ml = self.total_volume_ml
        if not 0.0 < volume_ml <= total_ml * (1.0 + 1e-9):
            raise DomainError(
                f"volume_ml must lie in (0, {total_ml:.6g}], got {volume_ml}",
                remedy="ask for a volume that the segment has",
            )
        return self._dose_gy_above(total_ml - volume_ml)

    def _dose_gy_above(self, volume_ml: float) -> float:
        """Dose where ``volume_ml`` lies below, linear between the midpoints of the samples."""
        above = int(np.searchsorted(self._midpoint_ml, volume_ml, side="right"))
        if above == 0:
            return self.minimum_gy
        if above == self.dose_gy.size:
            return self.maximum_gy
        below = above - 1
        low_gy, high_gy = float(self.dose_gy[below]), float(self.dose_gy[above])
        low_ml, high_ml = float(self._midpoint_ml[below]), float(self._midpoint_ml[above])
        return low_gy + (high_gy - low_gy) * ((volume_ml - low_ml) / (high_ml - low_ml))

    def volume_fraction(self, dose_gy: float) -> float:
        """V_D: share of the volume with ``dose_gy`` or more, compared in the precision of the samples.

        Sources: those of the class.

        Examples
        --------
        >>> import numpy as np
        >>> dose_volume(np.arange(1.0, 101.0), 0.1).volume_fraction(91.0)
        0.1
        """
        return self.volume_reaching_ml(dose_gy) / self.total_volume_ml

    def volume_reaching_ml(self, dose_gy: float) -> float:
        """V_D in millilitres: the volume with ``dose_gy`` or more."""
        return self.total_volume_ml - float(self._volume_below_ml(np.array([dose_gy]))[0])

    def _volume_below_ml(self, doses_gy: FloatArray) -> FloatArray:
        """Volume with less than each of the doses.

        The doses are rounded as the samples are: 100.1 Gy is not more than a float32 map that holds 100.1 Gy everywhere.
        """
        rounded = doses_gy.astype(self.dose_gy.dtype)
        return np.asarray(self._below_ml[np.searchsorted(self.dose_gy, rounded, side="left")])

    def histogram(self, segment: str, role: Role) -> DoseVolumeHistogram:
        """Cumulative histogram at round doses from 0 to just above the maximum, at most about a thousand of them."""
        maximum_gy = max(self.maximum_gy, 0.0)
        step_gy = next((step for step in _STEPS_GY if maximum_gy / step <= _MAXIMUM_BINS), _STEPS_GY[-1])
        bins_gy = np.arange(0, math.floor(maximum_gy / step_gy) + 2, dtype=np.float64) * step_gy
        fraction = 1.0 - self._volume_below_ml(bins_gy) / self.total_volume_ml
        return DoseVolumeHistogram(segment, role, bins_gy, fraction, self.total_volume_ml)


def dose_volume(dose_gy: FloatArray, volume_ml: FloatArray | float) -> DoseVolume:
    """Dose samples and their volumes, in any order and shape, as what dose-volume figures are read from.

    ``volume_ml`` is one volume for each sample, or one number for all. Samples without volume are left out; the rest keep their
    precision (float32 or float64). The result does not depend on the order.

    Raises
    ------
    GeometryError
        Doses and volumes differ in shape.
    DomainError
        A dose is not finite; a volume is negative or not finite.
    SegmentError
        There is no volume at all.

    Examples
    --------
    >>> import numpy as np
    >>> segment = dose_volume(np.array([30.0, 10.0, 20.0]), np.array([1.0, 2.0, 1.0]))
    >>> segment.mean_gy, segment.total_volume_ml, segment.volume_fraction(20.0)
    (17.5, 4.0, 0.5)
    """
    doses = np.ravel(dose_gy)
    if not np.issubdtype(doses.dtype, np.floating):
        doses = doses.astype(np.float64)
    volumes = np.asarray(volume_ml, dtype=np.float64)
    if volumes.ndim and volumes.shape != np.shape(dose_gy):
        raise GeometryError(
            f"volumes of shape {volumes.shape} do not fit doses of shape {np.shape(dose_gy)}",
            remedy="give one volume for each dose, or one for all",
        )
    # One look at the extremes finds what is negative and, as NaN survives minimum and maximum, what is no number.
    if volumes.size and not (volumes.min() >= 0.0 and volumes.max() < math.inf):
        raise DomainError("a sample's volume is negative or not finite", remedy="check occupancy and voxel size")
    if doses.size == 0 or not volumes.any():
        raise SegmentError("a segment without volume has no dose-volume figures", remedy="draw the segment")
    if volumes.ndim == 0:
        doses = np.sort(doses)
        volumes = np.broadcast_to(volumes, doses.shape)
    else:
        volumes = volumes.ravel()
        if not volumes.all():
            doses, volumes = doses[volumes > 0.0], volumes[volumes > 0.0]
        order = np.lexsort((volumes, doses))  # equal doses by volume: no trace of the order in which they came
        doses, volumes = doses[order], volumes[order]
    if not (math.isfinite(doses[0]) and math.isfinite(doses[-1])):  # sorted: what is not finite stands at an end
        raise DomainError(
            "the dose is not finite in a part of the segment", remedy="check the image for NaN and infinite values"
        )
    doses.setflags(write=False)
    volumes.setflags(write=False)
    return DoseVolume(doses, volumes)


def map_dose_volume(dose: Volume, occupancy: FloatArray) -> DoseVolume:
    """Dose-volume figures of a segment that fills the share ``occupancy`` (0 to 1) of each voxel of a dose map (Gy).

    Partly filled voxels are divided, and the part that the segment fills is reconstructed (see ``occupied_samples``); the volume
    is the sum of the shares times the volume of a voxel.

    Raises
    ------
    GeometryError
        The occupancy does not have the map's shape.
    CalibrationError
        The map is no dose.
    DomainError
        A share lies outside 0 to 1, or a dose within or beside the segment is not finite.
    SegmentError
        The segment fills nothing.
    """
    samples = occupied_samples(dose, occupancy)
    return dose_volume(samples.dose_gy, samples.volume_ml)


def segment_dose_volume(dose: Volume, segment: Segment) -> DoseVolume:
    """Dose-volume figures of a segment from a dose map (Gy), at the segment's own voxel centres.

    On the map's own grid these are the voxels of the map as they are. On another grid the map is linear between its centres, and
    the segment's voxels are divided: where they are coarser than the map's, and by ``places_of_a_voxel``. What lies outside the
    map has the dose 0.

    Raises
    ------
    SegmentError
        The segment is empty.
    GeometryError
        The segment lies wholly outside the map.
    DomainError
        A dose in the segment is not finite.
    """
    box = segment.bounding_box()
    if segment.grid.same_as(dose.grid):
        return dose_volume(dose.array[box][segment.mask[box]], dose.grid.voxel_volume_ml)
    points = divided_points(segment.points(grids=[dose.grid]))
    samples = sample_linear(dose, points)
    if not samples.in_view.any():
        raise GeometryError(
            "the segment lies wholly outside the dose map",
            where=f"segment '{segment.name}'",
            remedy="check that map and segmentation belong to one frame of reference, or register them",
        )
    return dose_volume(samples.values, points.volume_ml)
