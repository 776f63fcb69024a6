"""Local deposition: the published figure, and a map."""

from __future__ import annotations

import numpy as np
import pytest

from ytterby.dosimetry.voxel import local_deposition_gy, local_deposition_map
from ytterby.imaging.quantify import ActivityField, ActivityLayer, Gain
from ytterby.model.dose import DoseOptions
from ytterby.model.volume import Grid, Quantity, Volume

OPTIONS = DoseOptions(energy_j_per_gbq=49.67, tissue_density_g_ml=1.03, lung_mass_kg=1.0)


def test_one_megabecquerel_a_millilitre_is_48_gray() -> None:
    assert local_deposition_gy(np.array([1e-3]), OPTIONS)[0] == pytest.approx(48.22, abs=0.005)


def test_a_map_is_in_gray_on_the_same_grid() -> None:
    grid = Grid.axis_aligned((2, 2, 2), (4, 4, 4))
    image = Volume(np.full(grid.shape, 2.0), grid, Quantity.COUNTS)
    activity = ActivityField((ActivityLayer(image, (Gain("1", 1e-3),)),))
    dose = local_deposition_map(activity, grid, OPTIONS)
    assert dose.quantity is Quantity.DOSE
    assert dose.array.dtype == np.float32
    np.testing.assert_allclose(dose.array, 96.4466, rtol=1e-5)
