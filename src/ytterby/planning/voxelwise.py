"""Two dose maps compared voxel by voxel: difference delivered - predicted on the predicted grid, and its figures by segment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ytterby.errors import SegmentError
from ytterby.imaging.sample import resample
from ytterby.model.segment import BoolArray, Role, Segment, union
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["DoseMaps", "VoxelAgreement", "compared_region", "dose_maps", "voxel_agreement"]

WITHIN_FRACTIONS = (0.10, 0.20, 0.50)
"""Relative differences for which the share of the volume is told: a description, no limits."""


@dataclass(frozen=True, eq=False)
class DoseMaps:
    """Predicted and delivered dose on one grid and their difference, which is 0 outside ``compared``.

    ``compared`` is where a voxel belongs, at least in part, to the compared region and lies in the delivered map's field of view.
    """

    predicted: Volume
    delivered: Volume
    difference: Volume
    region: Segment
    compared: BoolArray = field(repr=False)


@dataclass(frozen=True)
class VoxelAgreement:
    """Figures of the voxels of one segment, each weighted by the share of it that the segment fills.

    Differences are delivered - predicted. ``p95_difference_gy`` is the absolute difference that 95 % of the volume stays below;
    ``within`` pairs a relative difference (of the voxel's own predicted dose) with the share of the volume that keeps it.
    ``outside_fraction`` is the share of the segment that the delivered map does not show and that is left out.
    """

    segment: str
    role: Role
    volume_ml: float
    predicted_mean_gy: float
    delivered_mean_gy: float
    rms_difference_gy: float
    p95_difference_gy: float
    correlation: float | None
    within: tuple[tuple[float, float], ...]
    outside_fraction: float

    @property
    def mean_difference_gy(self) -> float:
        """Mean of delivered - predicted."""
        return self.delivered_mean_gy - self.predicted_mean_gy


def compared_region(segments: Sequence[Segment]) -> Segment:
    """Where dose maps are compared: liver and tumours; without a liver, all segments but the lungs.

    Raises
    ------
    SegmentError
        There is no such segment with voxels.
    """
    filled = [segment for segment in segments if not segment.is_empty]
    chosen = [segment for segment in filled if segment.role in (Role.LIVER, Role.TUMOUR)]
    if all(segment.role is not Role.LIVER for segment in chosen):
        chosen = [segment for segment in filled if segment.role is not Role.LUNGS]
    if not chosen:
        raise SegmentError(
            "no segment tells where to compare the dose maps", remedy="give the cases a segment of role liver"
        )
    return union(tuple(chosen), "compared", chosen[0].role)


def dose_maps(predicted: Volume, delivered: Volume, *, region: Segment) -> DoseMaps:
    """Both maps on the predicted grid (delivered trilinearly, by affine), float64, and their difference in ``region``.

    Raises
    ------
    SegmentError
        The region shares no voxel with both maps.
    """
    grid = predicted.grid
    moved = resample(delivered, grid)
    ones = delivered.with_array(np.ones(delivered.grid.shape, dtype=np.float32))
    in_view = np.asarray(resample(ones, grid).array > 0.5)
    compared = (region.occupancy_on(grid) > 0.0) & in_view
    if not compared.any():
        raise SegmentError(
            "the delivered dose map shows nothing of the segments of the predicted one",
            where=delivered.source,
            remedy="check that both images show the same patient in the same coordinates",
        )
    before, after = np.asarray(predicted.array, dtype=np.float64), np.asarray(moved.array, dtype=np.float64)
    difference = np.where(compared, after - before, 0.0)
    return DoseMaps(
        predicted.with_array(before, Quantity.DOSE),
        predicted.with_array(np.where(in_view, after, 0.0), Quantity.DOSE),
        predicted.with_array(difference, Quantity.DOSE),
        region,
        compared,
    )


def voxel_agreement(maps: DoseMaps, segment: Segment, *, ratio: float = 1.0) -> VoxelAgreement | None:
    """Figures of one segment's voxels (Gy and shares); None where the delivered map shows nothing of it.

    They are defined in docs/theory/verification.md.

    ``ratio`` multiplies the predicted dose first: delivered over predicted net activity, to compare distributions alone.
    """
    share = segment.occupancy_on(maps.predicted.grid)
    seen = (share > 0.0) & maps.compared
    weights = share[seen]
    whole, kept = float(share.sum()), float(weights.sum())
    if kept <= 0.0:
        return None
    weights = weights / kept
    predicted = maps.predicted.array[seen] * ratio
    delivered = maps.delivered.array[seen]
    difference = delivered - predicted
    apart = np.abs(difference)
    return VoxelAgreement(
        segment=segment.name,
        role=segment.role,
        volume_ml=kept * maps.predicted.grid.voxel_volume_ml,
        predicted_mean_gy=float((weights * predicted).sum()),
        delivered_mean_gy=float((weights * delivered).sum()),
        rms_difference_gy=math.sqrt(float((weights * difference**2).sum())),
        p95_difference_gy=_reached_by(apart, weights, 0.95),
        correlation=_correlation(predicted, delivered, weights),
        within=tuple(
            (limit, float(weights[apart <= limit * np.abs(predicted) * (1.0 + 1e-9)].sum()))
            for limit in WITHIN_FRACTIONS
        ),
        outside_fraction=1.0 - kept / whole,
    )


def _reached_by(values: FloatArray, weights: FloatArray, volume_fraction: float) -> float:
    """The least value that at least ``volume_fraction`` of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order])
    place = int(np.searchsorted(passed, volume_fraction - 1e-12))
    return float(values[order][min(place, values.size - 1)])


def _correlation(one: FloatArray, other: FloatArray, weights: FloatArray) -> float | None:
    """Pearson's coefficient with weights (sum 1); None where one of the two does not vary."""
    centred, beside = one - (weights * one).sum(), other - (weights * other).sum()
    scale = math.sqrt(float((weights * centred**2).sum() * (weights * beside**2).sum()))
    if scale <= 1e-12:
        return None
    return min(1.0, max(-1.0, float((weights * centred * beside).sum()) / scale))
