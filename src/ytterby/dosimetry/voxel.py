"""Voxel dose: absorbed dose from activity concentration, by local deposition or by convolution with a kernel.

By local deposition every decay leaves its energy where it happens: D = K c / rho, with c in GBq/mL and rho in kg/mL. The
published tumour thresholds of SIRT rest on this model (Simplicit90Y, doi:10.48550/arXiv.2304.14797). A kernel says which share
of the energy the voxels around a decay absorb (Bolch et al., MIRD pamphlet 17, J Nucl Med 1999;40:11S); it takes the medium as
uniform and without end.
"""

from __future__ import annotations

import numpy as np

from ytterby.dosimetry.convolution import convolved_box
from ytterby.errors import DomainError, GeometryError
from ytterby.imaging.quantify import ActivityField
from ytterby.model.dose import DoseOptions
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.physics.kernels import VoxelKernel

__all__ = ["kernel_map", "local_deposition_gy", "local_deposition_map"]

# A kernel of other voxels or another density gives another dose; these are roundings of file formats.
_SPACING_TOLERANCE = 1e-3
_DENSITY_TOLERANCE = 1e-6
_COSINE_TOLERANCE = 1e-3


def local_deposition_gy(concentration_gbq_ml: FloatArray, options: DoseOptions) -> FloatArray:
    """Absorbed dose (Gy) when all activity of a place decays there, D = K c / rho; same shape as ``concentration_gbq_ml``.

    1 MBq/mL gives 48.22 Gy for 49.67 J/GBq and 1.03 g/mL. Source: Chiesa et al., EANM dosimetry committee, EJNMMI Phys 2021;8:77,
    doi:10.1186/s40658-021-00394-3 (local energy deposition).
    """
    density_kg_ml = options.tissue_density_g_ml / 1000.0
    return np.asarray(concentration_gbq_ml * (options.energy_j_per_gbq / density_kg_ml))


def local_deposition_map(activity: ActivityField, grid: Grid, options: DoseOptions) -> Volume:
    """Dose map (Gy, float32) at the voxel centres of ``grid``."""
    image = activity.layers[0].image
    dose = local_deposition_gy(activity.map_on(grid), options)
    return Volume(dose.astype(np.float32), grid, Quantity.DOSE, image.frame_of_reference, source=image.source)


def kernel_map(activity_gbq_ml: FloatArray, grid: Grid, kernel: VoxelKernel, options: DoseOptions) -> FloatArray:
    """Dose (Gy, float32, the grid's shape) where each voxel's energy is spread by the shares of a kernel.

    D_i = K sum_j share_(i-j) A_j / (rho V), with A_j = c_j V the activity of voxel j: the dose of local deposition, averaged
    with the kernel's shares. Energy that leaves the grid is lost. Source: Bolch et al., MIRD pamphlet 17, J Nucl Med
    1999;40:11S.

    Raises
    ------
    GeometryError
        The activity does not fit the grid, the grid's axes are not at right angles, or the kernel is one of other voxels.
    DomainError
        The kernel is one of another density, or an activity is not a finite number.
    """
    if activity_gbq_ml.shape != grid.shape:
        raise GeometryError(
            f"an activity of shape {activity_gbq_ml.shape} does not fit a grid of shape {grid.shape}",
            remedy="take the activity on this grid",
        )
    _require_fitting(grid, kernel, options)
    box, spread_gbq_ml = convolved_box(activity_gbq_ml, kernel.shares)
    dose = np.zeros(grid.shape, dtype=np.float32)
    dose[box] = local_deposition_gy(spread_gbq_ml, options)
    return dose


def _require_fitting(grid: Grid, kernel: VoxelKernel, options: DoseOptions) -> None:
    spacing = np.array(grid.spacing_mm)
    axes = grid.affine[:3, :3] / spacing
    if np.max(np.abs(axes.T @ axes - np.eye(3))) > _COSINE_TOLERANCE:
        raise GeometryError(
            "the grid's axes are not at right angles, so that no kernel of rectangular voxels fits",
            remedy="resample the image to a grid with axes at right angles, or use local_deposition",
        )
    if np.max(np.abs(np.array(kernel.spacing_mm) / spacing - 1.0)) > _SPACING_TOLERANCE:
        made, wanted = (" x ".join(f"{step:.4g}" for step in steps) for steps in (kernel.spacing_mm, grid.spacing_mm))
        raise GeometryError(
            f"the kernel is made for voxels of {made} mm, the grid has {wanted} mm",
            remedy="make the kernel for the grid's own spacing",
        )
    if abs(kernel.density_g_ml / options.tissue_density_g_ml - 1.0) > _DENSITY_TOLERANCE:
        raise DomainError(
            f"the kernel is made for {kernel.density_g_ml:g} g/mL, the options state {options.tissue_density_g_ml:g} g/mL",
            remedy="make the kernel for the stated density",
        )
