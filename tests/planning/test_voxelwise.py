"""Dose maps voxel by voxel: closed forms, grids that differ, shares of voxels, energies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.planning.voxelwise import DoseMaps, compared_region, dose_maps, voxel_agreement

GRID = Grid.axis_aligned((24, 20, 16), (4.0, 4.0, 5.0))
FINE = Grid.axis_aligned((48, 40, 40), (2.0, 2.0, 2.0))


def places(grid: Grid) -> FloatArray:
    return grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T)


def ball(name: str, role: Role, radius_mm: float, grid: Grid = FINE) -> Segment:
    return Segment(name, role, (np.linalg.norm(places(grid), axis=1) < radius_mm).reshape(grid.shape), grid)


def map_of(array: FloatArray, grid: Grid = GRID) -> Volume:
    return Volume(array.astype(np.float32), grid, Quantity.DOSE)


LIVER = ball("liver", Role.LIVER, 30.0)


def random_map(seed: int) -> Volume:
    return map_of(np.random.default_rng(seed).gamma(3.0, 30.0, GRID.shape))


def maps_of(predicted: Volume, delivered: Volume) -> DoseMaps:
    return dose_maps(predicted, delivered, region=compared_region([LIVER]))


def test_equal_maps_differ_nowhere() -> None:
    maps = maps_of(random_map(1), random_map(1))
    found = voxel_agreement(maps, LIVER)
    assert found is not None
    assert (found.mean_difference_gy, found.rms_difference_gy, found.p95_difference_gy) == (0.0, 0.0, 0.0)
    assert found.correlation == pytest.approx(1.0)
    assert [share for _, share in found.within] == pytest.approx([1.0, 1.0, 1.0])
    assert found.outside_fraction == pytest.approx(0.0)
    assert not maps.difference.array.any()


@given(st.floats(0.3, 3.0))
def test_a_factor_is_a_factor_in_every_voxel(factor: float) -> None:
    predicted = random_map(2)
    maps = maps_of(predicted, predicted.with_array(predicted.array.astype(np.float64) * factor))
    found = voxel_agreement(maps, LIVER)
    assert found is not None
    assert found.delivered_mean_gy == pytest.approx(factor * found.predicted_mean_gy)
    for limit, share in found.within:
        if abs(abs(factor - 1.0) - limit) > 1e-6:
            assert share == pytest.approx(float(abs(factor - 1.0) < limit))
    rescaled = voxel_agreement(maps, LIVER, ratio=factor)
    assert rescaled is not None
    assert rescaled.rms_difference_gy == pytest.approx(0.0, abs=1e-4 * found.predicted_mean_gy)


def test_the_difference_map_holds_the_difference_of_energies() -> None:
    predicted, delivered = random_map(3), random_map(4)
    maps = maps_of(predicted, delivered)
    voxel_kg = GRID.voxel_volume_ml * 1.03e-3
    inside = LIVER.occupancy_on(GRID) > 0
    energies = [float(one.array[inside].sum(dtype=np.float64)) * voxel_kg for one in (predicted, delivered)]
    energy = float(maps.difference.array.sum()) * voxel_kg
    assert energy == pytest.approx(energies[1] - energies[0], rel=1e-6)
    assert not maps.difference.array[~inside].any()


def test_figures_are_those_of_weights_by_hand() -> None:
    grid = Grid.axis_aligned((4, 1, 1), (10.0, 10.0, 10.0))
    # On a grid of half the width along x the segment fills voxels 0 and 1 whole, voxel 2 by half, voxel 3 not at all.
    fine = Grid.axis_aligned((8, 1, 1), (5.0, 10.0, 10.0))
    segment = Segment("s", Role.LIVER, (np.arange(8) < 5).reshape(8, 1, 1), fine)
    predicted = map_of(np.array([100.0, 100.0, 200.0, 999.0]).reshape(4, 1, 1), grid)
    delivered = map_of(np.array([105.0, 85.0, 320.0, 0.0]).reshape(4, 1, 1), grid)
    found = voxel_agreement(dose_maps(predicted, delivered, region=segment), segment)
    assert found is not None
    weights, apart = np.array([0.4, 0.4, 0.2]), np.array([5.0, -15.0, 120.0])
    assert found.volume_ml == pytest.approx(2.5)
    assert found.predicted_mean_gy == pytest.approx(120.0)
    assert found.mean_difference_gy == pytest.approx((weights * apart).sum())
    assert found.rms_difference_gy == pytest.approx(np.sqrt((weights * apart**2).sum()))
    assert found.p95_difference_gy == pytest.approx(120.0)
    assert dict(found.within) == pytest.approx({0.10: 0.4, 0.20: 0.8, 0.50: 0.8})


def test_a_linear_dose_on_another_turned_grid_differs_nowhere() -> None:
    def linear(grid: Grid) -> Volume:
        return Volume((places(grid) @ [1.0, -0.5, 2.0] + 300.0).reshape(grid.shape), grid, Quantity.DOSE)

    angle = 0.3
    affine = np.diag([3.0, 3.0, -3.0, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = -affine[:3, :3] @ (np.array([44, 44, 36]) - 1) / 2
    maps = maps_of(linear(GRID), linear(Grid((44, 44, 36), affine)))
    found = voxel_agreement(maps, LIVER)
    assert found is not None
    assert found.rms_difference_gy < 1e-3
    assert found.outside_fraction == pytest.approx(0.0)


def test_a_shift_is_seen() -> None:
    centres = places(GRID)
    hot = np.exp(-(centres**2).sum(axis=1) / (2 * 12.0**2)).reshape(GRID.shape) * 300.0
    shifted = Grid(GRID.shape, GRID.affine + np.array([[0, 0, 0, 8.0], [0] * 4, [0] * 4, [0] * 4]))
    maps = maps_of(map_of(hot), map_of(hot, shifted))
    found = voxel_agreement(maps, LIVER)
    assert found is not None
    assert found.rms_difference_gy > 20.0
    assert found.correlation is not None
    assert found.correlation < 0.95
    # More was delivered to the left (LPS x grows), less to the right.
    x = centres[:, 0].reshape(GRID.shape)
    assert maps.difference.array[(x > 4) & maps.compared].mean() > 5.0
    assert maps.difference.array[(x < -4) & maps.compared].mean() < -5.0


def test_what_the_delivered_map_does_not_show_is_left_out_and_told() -> None:
    half = Grid(
        (12, 20, 16), GRID.affine + np.array([[0, 0, 0, 0.0], [0] * 4, [0] * 4, [0] * 4])
    )  # the first half of the grid along x
    predicted = map_of(np.full(GRID.shape, 100.0))
    maps = maps_of(predicted, map_of(np.full(half.shape, 100.0), half))
    found = voxel_agreement(maps, LIVER)
    assert found is not None
    assert found.outside_fraction == pytest.approx(0.5, abs=0.03)
    assert found.mean_difference_gy == 0.0
    beyond = Segment("beyond", Role.TUMOUR, (places(FINE)[:, 0] > 20.0).reshape(FINE.shape), FINE)
    assert voxel_agreement(maps, beyond) is None


def test_maps_that_lie_apart_are_an_error() -> None:
    far = Grid(GRID.shape, GRID.affine + np.array([[0, 0, 0, 900.0], [0] * 4, [0] * 4, [0] * 4]))
    with pytest.raises(SegmentError, match="shows nothing of the segments"):
        maps_of(random_map(1), map_of(np.ones(GRID.shape), far))


def test_the_region_is_liver_and_tumours_and_never_the_lungs() -> None:
    lungs = Segment("lungs", Role.LUNGS, np.ones(FINE.shape, dtype=np.bool_), FINE)
    tumour = ball("T", Role.TUMOUR, 36.0)
    assert compared_region([lungs, LIVER, tumour]).volume_ml == tumour.volume_ml
    perfused = ball("P", Role.PERFUSED, 20.0)
    assert compared_region([lungs, perfused]).volume_ml == perfused.volume_ml
    with pytest.raises(SegmentError, match="no segment tells where"):
        compared_region([lungs])
