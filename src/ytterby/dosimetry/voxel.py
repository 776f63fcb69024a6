"""Voxel dose: absorbed dose from activity concentration by local deposition.

Every decay leaves its energy where it happens: D = K c / rho, with c in GBq/mL and rho in kg/mL. The published tumour thresholds
of SIRT rest on this model (Simplicit90Y, doi:10.48550/arXiv.2304.14797).
"""

from __future__ import annotations

import numpy as np

from ytterby.imaging.quantify import ActivityField
from ytterby.model.dose import DoseOptions
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

__all__ = ["local_deposition_gy", "local_deposition_map"]


def local_deposition_gy(concentration_gbq_ml: FloatArray, options: DoseOptions) -> FloatArray:
    """Absorbed dose when all activity of a place decays there; same shape as ``concentration_gbq_ml``.

    1 MBq/mL gives 48.22 Gy for 49.67 J/GBq and 1.03 g/mL.
    """
    density_kg_ml = options.tissue_density_g_ml / 1000.0
    return np.asarray(concentration_gbq_ml * (options.energy_j_per_gbq / density_kg_ml))


def local_deposition_map(activity: ActivityField, grid: Grid, options: DoseOptions) -> Volume:
    """Dose map (Gy, float32) at the voxel centres of ``grid``."""
    image = activity.layers[0].image
    dose = local_deposition_gy(activity.map_on(grid), options)
    return Volume(dose.astype(np.float32), grid, Quantity.DOSE, image.frame_of_reference, source=image.source)
