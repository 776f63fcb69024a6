"""True activity: where the microspheres of each session lie, voxel by voxel, and what a 99mTc-MAA scan would see of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ytterby.model.segment import BoolArray
from ytterby.model.treatment import Session
from ytterby.model.volume import FloatArray
from ytterby.virtual.anatomy import Ellipsoid, VirtualAnatomy

__all__ = ["TrueActivity", "maa_distribution", "relative_uptake", "true_activity"]

_NORMAL_SPREAD = 0.20  # relative standard deviation of the normal liver's uptake
_TUMOUR_SPREAD = 0.25
_CORRELATION_VOXELS = 3.0
_STOMACH = Ellipsoid((120.0, 25.0, -70.0), (32.0, 38.0, 45.0))


@dataclass(frozen=True, eq=False)
class TrueActivity:
    """Net activity per voxel of the anatomy's grid, summed over sessions; microspheres stay where they are."""

    liver_gbq: FloatArray = field(repr=False)
    lungs_gbq: FloatArray = field(repr=False)

    def in_mask_gbq(self, mask: BoolArray) -> float:
        """Activity of the liver's share in a mask."""
        return float(self.liver_gbq[mask].sum(dtype=np.float64))


def relative_uptake(
    subject: VirtualAnatomy, rng: np.random.Generator, *, tumour_to_normal: Sequence[float]
) -> FloatArray:
    """Relative uptake per voxel: mean 1 over the normal liver, mean ``tumour_to_normal[n]`` over tumour n, 0 elsewhere.

    Both vary smoothly (log-normal field, correlated over about 20 mm).
    """
    liver = subject.liver.mask
    box = subject.liver.bounding_box()
    noise = rng.standard_normal(liver[box].shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, _CORRELATION_VOXELS, truncate=3.0, mode="wrap").astype(np.float64)
    smooth /= smooth.std()
    uptake = np.zeros(liver.shape)
    inner = np.where(liver[box], np.exp(_NORMAL_SPREAD * smooth), 0.0)
    normal = liver[box] & ~subject.tumour[box]
    inner[normal] /= inner[normal].mean()
    for tumour, ratio in zip(subject.tumours, tumour_to_normal, strict=True):
        here = tumour.mask[box]
        values = np.exp(_TUMOUR_SPREAD * smooth[here])
        inner[here] = values * (ratio / values.mean())
    uptake[box] = inner
    return uptake


def true_activity(subject: VirtualAnatomy, uptake: FloatArray, sessions: Sequence[Session]) -> TrueActivity:
    """Net activity of all sessions: each session's liver share spreads over its territory like ``uptake``.

    What passes to the lungs spreads evenly over them.
    """
    liver = np.zeros(subject.grid.shape)
    for session, territory in zip(sessions, _territories(subject), strict=True):
        here = np.where(territory, uptake, 0.0)
        liver += here * (session.liver_activity_gbq / here.sum())
    lungs = subject.lungs.mask * (
        sum(session.lung_activity_gbq for session in sessions) / np.count_nonzero(subject.lungs.mask)
    )
    return TrueActivity(liver, lungs)


def maa_distribution(
    subject: VirtualAnatomy,
    uptake: FloatArray,
    *,
    lung_shunt_fraction: float,
    extrahepatic_fraction: float,
    territory_weights: Sequence[float],
) -> FloatArray:
    """Share of the 99mTc per voxel, adding up to 1: liver as ``uptake``, lung shunt, and free pertechnetate.

    One MAA image is made before all sessions. Between territories the MAA splits by ``territory_weights`` times the uptake there,
    which need not be how the microspheres are split later. ``extrahepatic_fraction`` is free pertechnetate in the stomach and all
    over the body; microspheres do not follow it.
    """
    share = np.zeros(subject.grid.shape)
    for weight, territory in zip(territory_weights, _territories(subject), strict=True):
        share += np.where(territory, weight * uptake, 0.0)
    share *= (1.0 - lung_shunt_fraction) / share.sum()
    share += subject.lungs.mask * (lung_shunt_fraction / np.count_nonzero(subject.lungs.mask))
    share *= 1.0 - extrahepatic_fraction
    elsewhere = subject.body & ~subject.liver.mask
    stomach = _STOMACH.on(subject.grid) & elsewhere & ~subject.lungs.mask
    # A very large liver may leave no room for the stomach.
    for place in (elsewhere, stomach if stomach.any() else elsewhere):
        share += place * (0.5 * extrahepatic_fraction / np.count_nonzero(place))
    return share


def _territories(subject: VirtualAnatomy) -> tuple[BoolArray, ...]:
    return tuple(territory.mask for territory in subject.territories) or (subject.liver.mask,)
