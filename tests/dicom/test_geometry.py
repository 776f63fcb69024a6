"""Written and read again, every voxel is where it was: any orientation, spacing, sign, place and order of files."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dicom.enhanced import sliced, write_enhanced
from tests.dicom.strategies import grids, hu_volumes, orientations, same_in_space

from ytterby.dicom.header import quiet
from ytterby.dicom.layout.planes import Plane, stack
from ytterby.dicom.read import read_volume
from ytterby.dicom.write import DicomHeader, write_ct
from ytterby.model.volume import Grid, Quantity, Volume

HU = {"PixelValueTransformationSequence": {"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "HU"}}


@given(volume=hu_volumes(), seed=st.integers(0, 1000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ct_of_single_slices(volume: Volume, seed: int, header: DicomHeader) -> None:
    with TemporaryDirectory() as folder:
        paths = list(write_ct(volume, Path(folder), header))
        names = [f"IM{number}" for number in range(len(paths))]
        random.Random(seed).shuffle(names)
        for path, name in zip(paths, names, strict=True):
            path.rename(path.with_name(name))
        read = read_volume(folder)
    assert read.array.dtype == np.int16
    same_in_space(volume, read)


@given(volume=hu_volumes(), seed=st.integers(0, 1000))
def test_enhanced_ct(volume: Volume, seed: int) -> None:
    grid = volume.grid
    if np.linalg.det(grid.affine[:3, :3]) < 0:  # frames of the other hand are stacked against their normal
        grid = Grid(grid.shape, grid.affine @ np.diag([1, 1, -1, 1]))
    frames = sliced(volume.array, grid, **HU)
    random.Random(seed).shuffle(frames)
    with TemporaryDirectory() as folder, quiet():
        read = read_volume(write_enhanced(Path(folder) / "e.dcm", frames, "CT"))
    assert read.array.dtype == np.int16
    same_in_space(Volume(volume.array, grid, Quantity.HU), read)


@given(grid=grids(), lean=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)), order=st.permutations(range(5)))
def test_a_tilted_gantry_keeps_every_voxel_in_its_place(
    grid: Grid, lean: tuple[float, float], order: list[int]
) -> None:
    axes = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    step = np.cross(axes[:, 0], axes[:, 1]) * grid.spacing_mm[2]
    step = step + grid.spacing_mm[2] * (lean[0] * axes[:, 0] + lean[1] * axes[:, 1])
    origin = grid.affine[:3, 3]
    spacing = (grid.spacing_mm[1], grid.spacing_mm[0])
    planes = [
        Plane(f"s{k}", origin + k * step, axes[:, 0], axes[:, 1], spacing, (grid.shape[1], grid.shape[0]))
        for k in order
    ]
    stacked = stack(planes)
    assert [planes[index].name for index in stacked.order] == [f"s{k}" for k in range(5)]
    i, j, k = grid.shape[0] - 1, grid.shape[1] - 1, 4
    analytic = origin + i * spacing[1] * axes[:, 0] + j * spacing[0] * axes[:, 1] + k * step
    np.testing.assert_allclose(stacked.grid.positions_mm([i, j, k])[0], analytic, atol=1e-6)
    expected = np.degrees(np.arctan(np.hypot(*lean)))
    assert abs(stacked.tilt_degrees - expected) < 1e-3 or (stacked.tilt_degrees == 0 and expected < 0.051)
    # What the grid is used for afterwards: volumes, and places there and back.
    upright = abs(np.prod(grid.spacing_mm)) / 1000
    np.testing.assert_allclose(stacked.grid.voxel_volume_ml, upright, rtol=1e-6)
    np.testing.assert_allclose(stacked.grid.indices([analytic])[0], [i, j, k], atol=1e-6)


@given(turn=orientations())
def test_orientations_are_orthonormal(turn: np.ndarray) -> None:
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)
