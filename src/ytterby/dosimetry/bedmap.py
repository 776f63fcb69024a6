"""Map of the biologically effective dose (BED) of a case: each voxel by the parameters of its tissue."""

from __future__ import annotations

import numpy as np

from ytterby.dosimetry.case import DosedCase
from ytterby.dosimetry.radiobiology import sessions_bed_gy
from ytterby.model.dose import Radiobiology, Tissue
from ytterby.model.segment import BoolArray, Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

__all__ = ["bed_map"]

_NORMAL = (Role.LIVER, Role.PERFUSED, Role.NORMAL_LIVER, Role.PERFUSED_NORMAL)


def bed_map(found: DosedCase, radiobiology: Radiobiology, grid: Grid) -> Volume | None:
    """BED (Gy, float32) at the voxel centres of ``grid``: tumours by their parameters, the liver by those of normal tissue.

    Elsewhere it is 0: the parameters of the liver say nothing of other organs. Each session's BED is summed, as in the table.
    None where a tissue that is there has no parameters. Source: as ``radiobiology.bed_gy``.
    """
    tumour = _filled(found, (Role.TUMOUR,), grid)
    normal = _filled(found, _NORMAL, grid) & ~tumour
    bed = np.zeros(grid.shape, dtype=np.float32)
    for mask, tissue in ((tumour, radiobiology.tumour), (normal, radiobiology.normal)):
        if not mask.any():
            continue
        if tissue is None:
            return None
        bed[mask] = _bed_gy(found, tissue, mask, grid)
    return Volume(bed, grid, Quantity.OTHER)


def _filled(found: DosedCase, roles: tuple[Role, ...], grid: Grid) -> BoolArray:
    mask = np.zeros(grid.shape, dtype=np.bool_)
    for segment in found.segments:
        if segment.role in roles:
            mask |= segment.on_grid(grid).mask
    return mask


def _bed_gy(found: DosedCase, tissue: Tissue, mask: BoolArray, grid: Grid) -> np.ndarray:
    """BED of the voxels of a mask, in the order of the array."""
    points = Segment("", Role.OTHER, mask, grid).points()
    concentrations = [one for layer in found.activity.layers for one in layer.sampled(points).concentrations_gbq_ml]
    doses_gy = found.dose_field.session_doses_gy(points, concentrations)
    return sessions_bed_gy(
        # A reconstruction may leave samples below 0, which have no biological effect.
        [np.maximum(dose, 0.0) for dose in doses_gy],
        alpha_beta_gy=tissue.alpha_beta_gy,
        repair_half_life_hours=tissue.repair_hours,
        half_life_hours=found.half_life_hours,
    )
