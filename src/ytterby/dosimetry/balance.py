"""The activity balance: administered = residual + liver + lung + outside, with the parts found one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ytterby.imaging.quantify import ActivityLayer, integral_ml
from ytterby.model.dose import ActivityBalance, Notice
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Session

__all__ = ["COUNTS_OUTSIDE_FLAG_FRACTION", "absolute_balance", "relative_balance"]

COUNTS_OUTSIDE_FLAG_FRACTION = 0.20
"""Share of an image's counts outside liver and lungs above which it is flagged (the open peer Taranis flags at 20 % too)."""

_UNPERFUSED_FLAG_FRACTION = 0.20
_RECOVERY_RANGE = (0.8, 1.2)


def relative_balance(
    layers: Sequence[ActivityLayer],
    sessions: Sequence[Session],
    segments: Sequence[Segment],
    *,
    liver: Segment,
    lungs: Segment | None,
) -> tuple[ActivityBalance, list[Notice]]:
    """Balance of relatively calibrated images, and what has to be told about their counts.

    The liver's activity is summed over its parts (each tumour inside the liver, and the normal liver), so that the balance closes
    only when the parts make up the whole.
    """
    notices: list[Notice] = []
    liver_gbq = outside_gbq = 0.0
    parts = _liver_parts(segments, liver)
    for layer in layers:
        liver_gbq += sum(_activity_gbq(layer, part) for part in parts)
        for gain in layer.gains:
            if gain.territory is not None:
                beyond = gain.territory.difference(liver)
                if not beyond.is_empty:
                    outside_gbq += _activity_gbq(layer, beyond)

    image = layers[0].image
    total = float(np.sum(image.array, dtype=np.float64)) * image.grid.voxel_volume_ml
    in_liver = integral_ml(image, liver.points(grid=image.grid))
    in_lungs = 0.0
    if lungs is not None:
        only_lungs = lungs.difference(liver)  # a voxel that both masks claim counts once, for the liver
        in_lungs = 0.0 if only_lungs.is_empty else integral_ml(image, only_lungs.points(grid=image.grid))
    outside_fraction = max(0.0, 1.0 - (in_liver + in_lungs) / total)
    if outside_fraction > COUNTS_OUTSIDE_FLAG_FRACTION:
        where = "liver and lungs" if lungs is not None else "the liver (no lung segment was given)"
        notices.append(
            Notice(
                "counts_outside",
                f"{outside_fraction:.1%} of the image's counts lie outside {where}: look for extrahepatic uptake, a liver "
                "segment that is too small, or free pertechnetate.",
            )
        )

    unperfused_fraction = 0.0
    if any(gain.territory is not None for gain in layers[0].gains):
        left = liver
        for gain in layers[0].gains:
            if gain.territory is not None:
                left = left.difference(gain.territory)
        if not left.is_empty:
            unperfused_fraction = integral_ml(image, left.points(grid=image.grid)) / in_liver
        if unperfused_fraction > _UNPERFUSED_FLAG_FRACTION:
            notices.append(
                Notice(
                    "counts_outside_territories",
                    f"{unperfused_fraction:.1%} of the liver's counts lie outside every session's territory and get no dose.",
                )
            )
    balance = ActivityBalance(
        administered_gbq=sum(session.administered_activity_gbq for session in sessions),
        residual_gbq=sum(session.administered_activity_gbq - session.net_activity_gbq for session in sessions),
        liver_gbq=liver_gbq,
        lung_gbq=sum(session.lung_activity_gbq for session in sessions),
        outside_gbq=outside_gbq,
        counts_outside_fraction=outside_fraction,
        counts_in_lungs_fraction=in_lungs / total if lungs is not None else None,
        counts_outside_territories_fraction=unperfused_fraction,
    )
    return balance, notices


def absolute_balance(
    layers: Sequence[ActivityLayer], sessions: Sequence[Session], *, liver: Segment | None, lungs: Segment | None
) -> tuple[ActivityBalance, list[Notice]]:
    """Balance of images in Bq/mL: what was found where, and what share of the net activity the images recover."""
    net_gbq = sum(session.net_activity_gbq for session in sessions)
    liver_gbq = lung_gbq = total_gbq = 0.0
    only_lungs = lungs.difference(liver) if lungs is not None and liver is not None else lungs
    for layer in layers:
        voxel_ml = layer.image.grid.voxel_volume_ml
        total_gbq += float(np.sum(layer.map_gbq_ml().array, dtype=np.float64)) * voxel_ml
        liver_gbq += 0.0 if liver is None else _activity_gbq(layer, liver)
        lung_gbq += 0.0 if only_lungs is None or only_lungs.is_empty else _activity_gbq(layer, only_lungs)
    recovered = total_gbq / net_gbq
    notices = []
    if not _RECOVERY_RANGE[0] <= recovered <= _RECOVERY_RANGE[1]:
        notices.append(
            Notice(
                "recovery",
                f"The image holds {recovered:.1%} of the net administered activity: check calibration, reference time and "
                "field of view.",
            )
        )
    balance = ActivityBalance(
        administered_gbq=sum(session.administered_activity_gbq for session in sessions),
        residual_gbq=sum(session.administered_activity_gbq - session.net_activity_gbq for session in sessions),
        liver_gbq=liver_gbq,
        lung_gbq=lung_gbq,
        outside_gbq=total_gbq - liver_gbq - lung_gbq,
        recovered_fraction=recovered,
    )
    return balance, notices


def _activity_gbq(layer: ActivityLayer, segment: Segment) -> float:
    points = segment.points(grid=layer.image.grid)
    return float(layer.concentration_gbq_ml(points).sum(dtype=np.float64)) * points.volume_ml


def _liver_parts(segments: Sequence[Segment], liver: Segment) -> list[Segment]:
    """Tumours inside the liver, without counting what two of them share twice, and the normal liver."""
    parts: list[Segment] = [segment for segment in segments if segment.role is Role.NORMAL_LIVER]
    taken: Segment | None = None
    for segment in segments:
        if segment.role is Role.TUMOUR:
            inside = liver.intersection(segment)
            fresh = inside if taken is None else inside.difference(taken)
            taken = inside if taken is None else taken.union(inside)
            if not fresh.is_empty:
                parts.append(fresh)
    return parts
