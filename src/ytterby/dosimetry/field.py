"""Dose as a function of place, by engine: what a segment is sampled from, and what a map is made of.

Each session's dose is kept apart, because biological effect is not linear in the dose: it is found session by session and
then summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ytterby.dosimetry.occupancy import segment_occupancy
from ytterby.dosimetry.voxel import kernel_map, local_deposition_gy, local_deposition_map
from ytterby.imaging.quantify import ActivityField, ActivityLayer, Gain, integral_ml
from ytterby.imaging.sample import resample, sample_linear
from ytterby.model.dose import DoseOptions, Engine
from ytterby.model.segment import SamplePoints, Segment, union
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.physics.kernels import voxel_kernel

__all__ = ["DoseField", "KernelField", "LocalDepositionField", "dose_field", "session_activity"]


_WIDEST_MM = 2.5


class DoseField(Protocol):
    """Absorbed dose of every session as a function of place."""

    @property
    def engine(self) -> Engine:
        """The engine that made it."""

    def session_doses_gy(
        self, points: SamplePoints, concentrations_gbq_ml: Sequence[FloatArray]
    ) -> tuple[FloatArray, ...]:
        """Dose (n,) of each session at points, in the order of the images and their sessions.

        ``concentrations_gbq_ml`` is what the activity field holds at these points, session by session.
        """

    def map_on(self, grid: Grid) -> Volume:
        """Dose of all sessions (Gy, float32) at the voxel centres of ``grid``."""


def dose_field(engine: Engine, activity: ActivityField, options: DoseOptions) -> DoseField:
    """The dose of an activity by an engine.

    Raises
    ------
    DomainError
        There is no kernel for the voxels or the density.
    """
    if engine is Engine.KERNEL:
        return KernelField(activity, options)
    return LocalDepositionField(activity, options)


class LocalDepositionField:
    """Dose where every decay leaves its energy at its place."""

    engine = Engine.LOCAL_DEPOSITION

    def __init__(self, activity: ActivityField, options: DoseOptions) -> None:
        self._activity = activity
        self._options = options

    def session_doses_gy(
        self, points: SamplePoints, concentrations_gbq_ml: Sequence[FloatArray]
    ) -> tuple[FloatArray, ...]:
        """Dose (n,) of each session at points, from the activity there."""
        return tuple(local_deposition_gy(one, self._options) for one in concentrations_gbq_ml)

    def map_on(self, grid: Grid) -> Volume:
        """Dose map (Gy, float32) at the voxel centres of ``grid``."""
        return local_deposition_map(self._activity, grid, self._options)


class KernelField:
    """Dose where beta particles carry the energy away from the decay: each session's activity convolved with a dose kernel.

    The activity of a session lies evenly in each voxel of its image, cut to the region where it is known. Voxels wider than
    2.5 mm are halved, so that the region's border is followed and the dose within a voxel is seen; at the centre of a voxel of
    the image the dose is then still the mean over that voxel. The kernel is made for these parts, in tissue of the stated
    density without end: lungs and bone are treated as soft tissue. Source: Bolch et al., MIRD pamphlet 17, J Nucl Med
    1999;40:11S.
    """

    engine = Engine.KERNEL

    def __init__(self, activity: ActivityField, options: DoseOptions) -> None:
        self._activity = activity
        self._maps = tuple(
            _dose_volume(*_kernel_dose(layer, gain, options), activity)
            for layer in activity.layers
            for gain in layer.gains
        )

    def session_doses_gy(
        self, points: SamplePoints, concentrations_gbq_ml: Sequence[FloatArray]
    ) -> tuple[FloatArray, ...]:
        """Dose (n,) of each session at points, linear between the centres of the parts."""
        return tuple(sample_linear(one, points).values for one in self._maps)

    def map_on(self, grid: Grid) -> Volume:
        """Dose map (Gy, float32) at the voxel centres of ``grid``; energy that left the liver is shown where it went."""
        whole = sum((resample(one, grid).array for one in self._maps), start=np.zeros(grid.shape, dtype=np.float32))
        return _dose_volume(np.asarray(whole), grid, self._activity)


def _dose_volume(dose_gy: FloatArray, grid: Grid, activity: ActivityField) -> Volume:
    image = activity.layers[0].image
    return Volume(
        np.asarray(dose_gy, dtype=np.float32), grid, Quantity.DOSE, image.frame_of_reference, source=image.source
    )


def _kernel_dose(layer: ActivityLayer, gain: Gain, options: DoseOptions) -> tuple[FloatArray, Grid]:
    """Dose of one session and the grid on which it lies: the session's activity, and the reach of the kernel round it."""
    activity_gbq_ml, grid = session_activity(layer, gain)
    kernel = voxel_kernel(grid.spacing_mm, density_g_ml=options.tissue_density_g_ml)
    reach = [side // 2 for side in kernel.shares.shape]
    wider = grid.cropped(_grown(grid, reach))
    return kernel_map(np.pad(activity_gbq_ml, [(n, n) for n in reach]), wider, kernel, options), wider


def _grown(grid: Grid, reach: Sequence[int]) -> tuple[slice, slice, slice]:
    i, j, k = (slice(-n, size + n) for n, size in zip(reach, grid.shape, strict=True))
    return i, j, k


def session_activity(layer: ActivityLayer, gain: Gain) -> tuple[FloatArray, Grid]:
    """Activity concentration (GBq/mL) of one session, cut to the region where it is known, and the grid on which it lies.

    A part of a voxel counts by the share of it that the region fills. The sum is made equal to what the region's own samples
    hold, so that both engines start from one activity. Where the activity is known everywhere, the grid is the image's.
    """
    image = layer.image
    region = _region(layer, gain)
    if region is None:
        return np.asarray(image.array * gain.gbq_ml_per_unit), image.grid
    box = region.box_on(image.grid)
    parts = tuple(2 if side > _WIDEST_MM else 1 for side in image.grid.spacing_mm)
    grid = image.grid.cropped(box).divided((parts[0], parts[1], parts[2]))
    values: FloatArray = np.asarray(image.array[box], dtype=np.float64)
    for axis, number in enumerate(parts):
        values = np.repeat(values, number, axis=axis)
    values = values * segment_occupancy(region, grid)
    held = float(values.sum()) * grid.voxel_volume_ml
    wanted = integral_ml(image, region.points(grids=[image.grid]))
    return np.asarray(values * (gain.gbq_ml_per_unit * (wanted / held if held > 0 else 0.0))), grid


def _region(layer: ActivityLayer, gain: Gain) -> Segment | None:
    """Where a session's activity is known: its territory, else all that supports the image; None: everywhere."""
    if gain.territory is not None:
        return gain.territory
    if not layer.support:
        return None
    return union(layer.support, "support", layer.support[0].role)
