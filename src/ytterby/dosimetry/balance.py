"""The activity balance: administered = residual + liver + lung + outside, image by image, from the doses that are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ytterby.dosimetry.segments import SegmentResult
from ytterby.imaging.quantify import ActivityLayer, integral_ml
from ytterby.model.dose import ActivityBalance, Notice
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Session
from ytterby.model.volume import Quantity

__all__ = ["CLOSURE_FLAG_FRACTION", "COUNTS_OUTSIDE_FLAG_FRACTION", "activity_balance"]

COUNTS_OUTSIDE_FLAG_FRACTION = 0.20
"""Share of an image's counts outside liver and lungs above which it is flagged (the open peer Taranis flags at 20 % too)."""

CLOSURE_FLAG_FRACTION = 0.01
"""Share of the administered activity that the segments' doses may miss or have too much before it is told."""

# House rules, not published limits: what a reader would want to be told.
_UNPERFUSED_FLAG_FRACTION = 0.20
_RECOVERY_RANGE = (0.8, 1.2)


@dataclass(frozen=True)
class _Counts:
    """Shares of one image's counts: outside liver and lungs, in the lungs, and (of the liver's) outside every territory."""

    outside_fraction: float
    in_lungs_fraction: float | None
    unperfused_fraction: float


def activity_balance(
    layers: Sequence[ActivityLayer],
    sessions: Sequence[Session],
    results: Sequence[SegmentResult],
    segments: Sequence[Segment],
    *,
    liver: Segment | None,
    lungs: Segment | None,
) -> tuple[ActivityBalance, list[Notice]]:
    """Where the administered activity went, and what has to be told about it.

    The liver's activity is that of the published rows, normal liver and tumours, each sampled on its own grid, so that the
    balance closes only when they make up the activity that was put in. Lung and residual are those of sessions with a counts
    image; an image in Bq/mL says itself what lies in liver, lungs and elsewhere. Theory: docs/theory/multicompartment.md.
    """
    relative = [layer for layer in layers if layer.image.quantity is Quantity.COUNTS]
    absolute = [layer for layer in layers if layer.image.quantity is not Quantity.COUNTS]
    counted = {gain.session_id for layer in relative for gain in layer.gains}
    notices: list[Notice] = []

    liver_gbq = 0.0 if liver is None else _liver_gbq(layers, results, segments, liver)
    lung_gbq = sum(session.lung_activity_gbq for session in sessions if session.session_id in counted)
    outside_gbq = 0.0
    for layer in relative:
        assert liver is not None  # counts cannot be shared out without one
        for gain in layer.gains:
            if gain.territory is not None:
                outside_gbq += _activity_gbq(layer, gain.territory.difference(liver))
    recovered = None
    if absolute:
        found_gbq, in_liver_gbq, in_lungs_gbq = _measured_gbq(absolute, liver, lungs)
        lung_gbq += in_lungs_gbq
        outside_gbq += found_gbq - in_liver_gbq - in_lungs_gbq
        net_gbq = sum(session.net_activity_gbq for session in sessions if session.session_id not in counted)
        recovered = found_gbq / net_gbq
        notices += _recovery_notices(recovered)

    shares = [_counts(layer, liver, lungs) for layer in relative if liver is not None]
    for layer, share in zip(relative, shares, strict=True):
        notices += _count_notices(layer, share, many=len(layers) > 1, with_lungs=lungs is not None)
    balance = ActivityBalance(
        administered_gbq=sum(session.administered_activity_gbq for session in sessions),
        residual_gbq=sum(session.administered_activity_gbq - session.net_activity_gbq for session in sessions),
        liver_gbq=liver_gbq,
        lung_gbq=lung_gbq,
        outside_gbq=outside_gbq,
        # Of several images the one that stands worst speaks for all; each that passes a limit has its own notice.
        counts_outside_fraction=max((share.outside_fraction for share in shares), default=None),
        counts_in_lungs_fraction=max(
            (share.in_lungs_fraction for share in shares if share.in_lungs_fraction is not None), default=None
        ),
        counts_outside_territories_fraction=max((share.unperfused_fraction for share in shares), default=None),
        recovered_fraction=recovered,
    )
    if not absolute and abs(balance.closure_fraction) > CLOSURE_FLAG_FRACTION:
        notices.append(
            Notice(
                "balance",
                f"The doses of the segments hold {balance.closure_fraction:+.1%} of the administered activity too much or too "
                "little: look for segments outside an image, or drawn on very different grids.",
            )
        )
    return balance, notices


def _liver_gbq(
    layers: Sequence[ActivityLayer], results: Sequence[SegmentResult], segments: Sequence[Segment], liver: Segment
) -> float:
    """Activity of normal liver and tumours by their rows, less what a tumour has beyond the liver or shares with another."""
    by_name = {result.dose.segment: result for result in results}
    parts = [result.activity_gbq for result in results if result.dose.role is Role.NORMAL_LIVER]
    taken: Segment | None = None
    for segment in segments:
        if segment.role is not Role.TUMOUR:
            continue
        parts.append(by_name[segment.name].activity_gbq)
        parts += [-_activity_gbq(layer, segment.difference(liver)) for layer in layers]
        if taken is not None:
            parts += [-_activity_gbq(layer, segment.intersection(taken).intersection(liver)) for layer in layers]
        taken = segment if taken is None else taken.union(segment)
    return math.fsum(parts)


def _activity_gbq(layer: ActivityLayer, segment: Segment) -> float:
    if segment.is_empty:
        return 0.0
    points = segment.points(grids=[layer.image.grid])
    return float(layer.concentration_gbq_ml(points).sum(dtype=np.float64)) * points.volume_ml


def _measured_gbq(
    layers: Sequence[ActivityLayer], liver: Segment | None, lungs: Segment | None
) -> tuple[float, float, float]:
    """Activity in the whole of images in Bq/mL, in the liver, and in the lungs (a voxel of both counts for the liver)."""
    only_lungs = lungs.difference(liver) if lungs is not None and liver is not None else lungs
    whole = in_liver = in_lungs = 0.0
    for layer in layers:
        grid = layer.image.grid
        whole += float(np.sum(layer.map_on(grid), dtype=np.float64)) * grid.voxel_volume_ml
        in_liver += 0.0 if liver is None else _activity_gbq(layer, liver)
        in_lungs += 0.0 if only_lungs is None else _activity_gbq(layer, only_lungs)
    return whole, in_liver, in_lungs


def _counts(layer: ActivityLayer, liver: Segment, lungs: Segment | None) -> _Counts:
    image = layer.image
    total = float(np.sum(image.array, dtype=np.float64)) * image.grid.voxel_volume_ml

    def share(segment: Segment) -> float:
        return 0.0 if segment.is_empty else integral_ml(image, segment.points(grids=[image.grid])) / total

    in_liver = share(liver)
    in_lungs = None if lungs is None else share(lungs.difference(liver))
    unperfused = 0.0
    territories = [gain.territory for gain in layer.gains if gain.territory is not None]
    if territories:
        left = liver
        for territory in territories:
            left = left.difference(territory)
        unperfused = share(left) / in_liver
    return _Counts(max(0.0, 1.0 - in_liver - (in_lungs or 0.0)), in_lungs, unperfused)


def _count_notices(layer: ActivityLayer, share: _Counts, *, many: bool, with_lungs: bool) -> list[Notice]:
    whose = f" (image of {', '.join(gain.session_id for gain in layer.gains)})" if many else ""
    notices = []
    if share.outside_fraction > COUNTS_OUTSIDE_FLAG_FRACTION:
        where = "liver and lungs" if with_lungs else "the liver (no lung segment was given)"
        notices.append(
            Notice(
                "counts_outside",
                f"{share.outside_fraction:.1%} of the image's counts lie outside {where}{whose}: look for "
                "extrahepatic uptake, a liver segment that is too small, or free pertechnetate.",
            )
        )
    if share.unperfused_fraction > _UNPERFUSED_FLAG_FRACTION:
        notices.append(
            Notice(
                "counts_outside_territories",
                f"{share.unperfused_fraction:.1%} of the liver's counts lie outside every session's territory and get "
                f"no dose{whose}.",
            )
        )
    return notices


def _recovery_notices(recovered_fraction: float) -> list[Notice]:
    if _RECOVERY_RANGE[0] <= recovered_fraction <= _RECOVERY_RANGE[1]:
        return []
    text = f"The image holds {recovered_fraction:.1%} of the net administered activity"
    return [Notice("recovery", f"{text}: check calibration, reference time and field of view.")]
