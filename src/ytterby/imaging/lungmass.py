"""Mass of the lungs from CT: every voxel weighs what its CT number says (densitovolumetry).

Source: Kao et al., EJNMMI Res 2014;4:33, doi:10.1186/s13550-014-0033-7. The CT number of lung tissue is close to linear in its
density: -1000 HU is air, 0 HU water.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ytterby.errors import CalibrationError, SegmentError
from ytterby.imaging.sample import sample_linear
from ytterby.model.segment import Segment
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["GREATEST_DENSITY_G_ML", "LungMass", "density_g_ml", "lung_mass", "lung_mass_kg"]

GREATEST_DENSITY_G_ML = 1.1
"""No part of the lungs counts as denser than this: contrast in vessels and ribs in the mask are not lung (an assumption)."""

_GREATEST_OUTSIDE_FRACTION = 0.01
_GRAMS_PER_KG = 1000.0


@dataclass(frozen=True)
class LungMass:
    """Mass of the lungs, with the volume and the mean density that it is the product of.

    ``outside_fraction`` of the segment lies outside the CT; it counts with the mean density of the rest.
    """

    mass_kg: float
    volume_ml: float
    mean_density_g_ml: float
    outside_fraction: float
    method: str = "CT densitovolumetry"


def density_g_ml(ct_hu: FloatArray) -> FloatArray:
    """Density of tissue of CT numbers (any shape): (HU + 1000) / 1000, from 0 to 1.1 g/mL.

    Source: Kao et al., EJNMMI Res 2014;4:33, doi:10.1186/s13550-014-0033-7.

    Examples
    --------
    >>> density_g_ml(np.array([-1024.0, -700.0, 0.0, 500.0])).tolist()
    [0.0, 0.3, 1.0, 1.1]
    """
    return np.asarray(np.clip((np.asarray(ct_hu, dtype=np.float64) + 1000.0) / 1000.0, 0.0, GREATEST_DENSITY_G_ML))


def lung_mass(ct: Volume, lungs: Segment) -> LungMass:
    """Mass of the lungs by CT (kg): the sum over the segment of density times volume. Source: as ``density_g_ml``.

    The CT is sampled at the centres of the segment's voxels, divided where these are coarser than the CT's, so that the segment
    may have a grid of its own.

    Raises
    ------
    CalibrationError
        The volume is not in Hounsfield units.
    SegmentError
        The segment is empty, more than 1 % of it lies outside the CT (a CT of the liver alone does not show all of the
        lungs), or what the CT shows in it is air.
    """
    if ct.quantity is not Quantity.HU:
        raise CalibrationError(
            f"the mass of the lungs needs a CT, and this volume holds {ct.quantity.value}",
            where=ct.source,
            remedy="name the CT, or state the mass of the lungs",
        )
    points = lungs.require_voxels().points(grids=[ct.grid])
    samples = sample_linear(ct, points)
    place = f"segment '{lungs.name}'" + (f", CT {ct.source}" if ct.source else "")
    if samples.outside_fraction > _GREATEST_OUTSIDE_FRACTION:
        raise SegmentError(
            f"{100.0 * samples.outside_fraction:.1f} % of the lungs lie outside the CT, so their mass cannot be measured",
            where=place,
            remedy="give a CT of the whole chest, or state the mass of the lungs",
        )
    mean_density_g_ml = float(density_g_ml(samples.values[samples.in_view]).mean())
    if mean_density_g_ml <= 0.0:
        raise SegmentError("the CT shows nothing but air here", where=place, remedy="check the segment of the lungs")
    return LungMass(
        mass_kg=mean_density_g_ml * lungs.volume_ml / _GRAMS_PER_KG,
        volume_ml=lungs.volume_ml,
        mean_density_g_ml=mean_density_g_ml,
        outside_fraction=samples.outside_fraction,
    )


def lung_mass_kg(ct: Volume, lungs: Segment) -> float:
    """Mass of the lungs by CT densitovolumetry; raises as ``lung_mass`` does."""
    return lung_mass(ct, lungs).mass_kg
