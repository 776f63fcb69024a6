"""Lung shunt from planar images: counts of lungs and liver in the views from the front and from the back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ytterby.dosimetry.lung import planar_lung_shunt
from ytterby.errors import CalibrationError, SegmentError
from ytterby.model.planar import PlanarPair, PlanarView
from ytterby.model.segment import BoolArray
from ytterby.model.treatment import LungShunt

__all__ = ["PlanarRegions", "PlanarScan", "planar_image_lung_shunt"]


@dataclass(frozen=True, eq=False)
class PlanarRegions:
    """Regions on the anterior view, masks of its shape: lungs, liver, and a background where it is to be subtracted.

    Raises
    ------
    SegmentError
        The lungs lie wholly in the liver, or the background overlaps either.
    """

    lungs: BoolArray = field(repr=False)
    liver: BoolArray = field(repr=False)
    background: BoolArray | None = field(repr=False, default=None)

    def __post_init__(self) -> None:
        if not (self.lungs & ~self.liver).any():
            raise SegmentError("the region of the lungs lies wholly in that of the liver", remedy="check the regions")
        if self.background is not None and (self.background & (self.lungs | self.liver)).any():
            raise SegmentError(
                "the background overlaps lungs or liver", remedy="draw it beside them, where there is no uptake"
            )


@dataclass(frozen=True, eq=False)
class PlanarScan:
    """Two views of a patient, the regions on them, and the lung shunt that was found."""

    pair: PlanarPair
    regions: PlanarRegions = field(repr=False)
    lung_shunt: LungShunt


def planar_image_lung_shunt(pair: PlanarPair, regions: PlanarRegions) -> LungShunt:
    """Lung shunt from two planar views: the geometric mean of each region's counts, lungs over lungs and liver.

    The counts of a region are summed in the anterior view, and in the posterior view within the same region mirrored. A pixel
    of both regions counts once, as liver. With a background, its mean count a pixel, view by view, is taken off every pixel of
    both regions; counts below 0 that this leaves in the lungs count 0. The formula is that of ``planar_lung_shunt``, whose
    counts the result carries (EANM guideline 2022, doi:10.1007/s00259-021-05600-z). Both regions must lie in one pair of views:
    durations and decay then cancel.

    Raises
    ------
    CalibrationError
        The liver has no counts above the background in one of the views.
    DomainError
        Counts are negative or not finite.
    """
    free = regions.lungs & ~regions.liver
    counts: dict[str, float] = {}
    for side, view in (("anterior", pair.anterior), ("posterior", pair.posterior)):
        carried = (lambda mask: mask) if side == "anterior" else pair.on_posterior
        background = 0.0 if regions.background is None else _mean_count(view, carried(regions.background))
        for organ, mask in (("lung", free), ("liver", regions.liver)):
            here = carried(mask)
            net = view.counts_in(here) - background * int(np.count_nonzero(here))
            counts[f"{side}_{organ}_counts"] = max(0.0, net) if regions.background is not None else net
    if min(counts["anterior_liver_counts"], counts["posterior_liver_counts"]) <= 0.0:
        raise CalibrationError(
            "the region of the liver holds no counts"
            + (" above the background" if regions.background is not None else ""),
            where=f"{pair.anterior.source}, {pair.posterior.source}",
            remedy="check that the regions were drawn on the anterior view of this scan",
        )
    shunt = planar_lung_shunt(**counts)
    return replace(shunt, method=_method(pair, regions))


def _mean_count(view: PlanarView, mask: BoolArray) -> float:
    return view.counts_in(mask) / int(np.count_nonzero(mask))


def _method(pair: PlanarPair, regions: PlanarRegions) -> str:
    window = f", energy window {pair.anterior.energy_window}" if pair.anterior.energy_window else ""
    turned = "mirrored" if pair.is_mirrored else "not mirrored: both images run to one side of the patient"
    shared = int(np.count_nonzero(regions.lungs & regions.liver))
    parts = [
        f"planar images, geometric mean of anterior and posterior counts{window}",
        f"anterior view: {_known(pair.anterior)}",
        f"posterior view: {_known(pair.posterior)}, regions {turned}",
        "background subtracted" if regions.background is not None else "no background subtracted",
    ]
    if shared:
        parts.append(f"{shared} pixels of both regions count as liver")
    return "; ".join(parts)


def _known(view: PlanarView) -> str:
    return f"frame {view.frame} of {view.source} (by {view.direction_source})"
