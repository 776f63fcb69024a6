"""Dose-volume figures of a segment, from dose samples that stand for equal volumes."""

from __future__ import annotations

import math

import numpy as np

from ytterby.errors import DomainError, SegmentError
from ytterby.model.dose import DoseVolumeHistogram
from ytterby.model.segment import Role
from ytterby.model.volume import FloatArray

__all__ = ["dose_reached_by_gy", "histogram", "volume_reaching_fraction"]

_MAXIMUM_BINS = 1000


def dose_reached_by_gy(descending_gy: FloatArray, volume_fraction: float) -> float:
    """D_x: the least dose in the hottest ``volume_fraction`` of the volume, by whole samples (no interpolation).

    ``descending_gy`` holds samples of equal volume, sorted from hot to cold. D70 of the doses 1 to 100 Gy is 31 Gy.

    Examples
    --------
    >>> import numpy as np
    >>> dose_reached_by_gy(np.arange(100.0, 0.0, -1.0), 0.70)
    31.0
    """
    if descending_gy.size == 0:
        raise SegmentError("a segment without samples has no dose-volume figures", remedy="draw the segment")
    if not 0.0 < volume_fraction <= 1.0:
        raise DomainError(f"volume_fraction must lie in (0, 1], got {volume_fraction}", remedy="write D70 as 0.70")
    rank = math.ceil(volume_fraction * descending_gy.size - 1e-9)
    return float(descending_gy[max(rank, 1) - 1])


def volume_reaching_fraction(descending_gy: FloatArray, dose_gy: float) -> float:
    """V_D: share of the volume that gets ``dose_gy`` or more."""
    ascending = descending_gy[::-1]
    below = int(np.searchsorted(ascending, dose_gy, side="left"))
    return 1.0 - below / max(1, ascending.size)


def histogram(segment: str, role: Role, descending_gy: FloatArray) -> DoseVolumeHistogram:
    """Cumulative histogram at round doses from 0 to just above the maximum, at most about a thousand of them."""
    maximum = max(float(descending_gy[0]), 0.0)
    step = 0.1
    for step in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0):
        if maximum / step <= _MAXIMUM_BINS:
            break
    bins = np.arange(0, math.floor(maximum / step) + 2, dtype=np.float64) * step
    ascending = descending_gy[::-1]
    below = np.searchsorted(ascending, bins, side="left")
    return DoseVolumeHistogram(segment, role, bins, 1.0 - below / ascending.size)
