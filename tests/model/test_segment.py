"""Segments: volumes, set operations over different grids, fractional occupancy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import GeometryError, SegmentError
from ytterby.model.segment import Role, Segment, union
from ytterby.model.volume import Grid


def sphere(
    grid: Grid, radius_mm: float, centre_mm: tuple[float, float, float] = (0, 0, 0), name: str = "sphere"
) -> Segment:
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1).reshape(-1, 3)
    distance = np.linalg.norm(grid.positions_mm(index) - centre_mm, axis=1)
    return Segment(name, Role.TUMOUR, (distance <= radius_mm).reshape(grid.shape), grid)


def cube_grid(spacing_mm: float, side_mm: float = 60.0) -> Grid:
    n = round(side_mm / spacing_mm)
    return Grid.axis_aligned((n, n, n), (spacing_mm,) * 3)


@pytest.mark.parametrize("spacing_mm", [2.0, 1.0, 0.5])
def test_the_volume_of_a_sphere_converges(spacing_mm: float) -> None:
    exact_ml = 4 / 3 * math.pi * 2.0**3
    assert sphere(cube_grid(spacing_mm, 44), 20).volume_ml == pytest.approx(exact_ml, rel=0.02 * spacing_mm)


@pytest.mark.parametrize("flip", [1, -1])
def test_occupancy_keeps_the_volume_on_an_oblique_coarser_grid(flip: int) -> None:
    fine = sphere(cube_grid(1.0), 20, (3, -4, 5))
    turn = math.radians(30)
    affine = np.eye(4)
    rotation = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, flip]])
    affine[:3, :3] = rotation @ np.diag([4.42, 4.42, 2.5])
    affine[:3, 3] = -affine[:3, :3] @ np.array([12, 12, 20])
    coarse = Grid((25, 25, 41), affine)
    occupancy = fine.occupancy_on(coarse)
    assert occupancy.max() <= 1.0
    assert occupancy.sum() * coarse.voxel_volume_ml == pytest.approx(fine.volume_ml, rel=5e-3)
    # The centre of what is occupied is the centre of the sphere, within a tenth of the mask's voxel.
    index = np.argwhere(occupancy > 0)
    centre = np.average(coarse.positions_mm(index), axis=0, weights=occupancy[tuple(index.T)])
    np.testing.assert_allclose(centre, (3, -4, 5), atol=0.1)


def test_occupancy_of_a_coarse_mask_on_a_finer_grid() -> None:
    coarse = sphere(cube_grid(6.0), 20)
    fine = cube_grid(1.5)
    occupancy = coarse.occupancy_on(fine)
    assert occupancy.sum() * fine.voxel_volume_ml == pytest.approx(coarse.volume_ml, rel=1e-9)


def test_occupancy_of_half_a_voxel_is_a_half() -> None:
    fine = Grid.axis_aligned((4, 4, 4), (1, 1, 1))
    mask = np.zeros(fine.shape, bool)
    mask[:2] = True
    coarse = Grid.axis_aligned((1, 1, 1), (4, 4, 4))
    assert Segment("half", Role.OTHER, mask, fine).occupancy_on(coarse)[0, 0, 0] == pytest.approx(0.5)


@given(st.integers(0, 2**27 - 1), st.integers(0, 2**27 - 1))
def test_set_operations_count_voxels(one: int, other: int) -> None:
    grid = Grid.axis_aligned((3, 3, 3), (1, 1, 1))
    a, b = (
        Segment("s", Role.OTHER, np.array([(bits >> n) & 1 for n in range(27)], bool).reshape(3, 3, 3), grid)
        for bits in (one, other)
    )
    assert a.union(b).volume_ml == pytest.approx(a.volume_ml + b.volume_ml - a.intersection(b).volume_ml)
    assert a.difference(b).volume_ml == pytest.approx(a.volume_ml - a.intersection(b).volume_ml)


def test_difference_across_grids_goes_by_place() -> None:
    liver = sphere(cube_grid(1.0), 25, name="liver")
    flipped = np.diag([-3.0, 3.0, -3.0, 1.0])
    flipped[:3, 3] = [28.5, -28.5, 28.5]
    tumour = sphere(Grid((20, 20, 20), flipped), 10, (5, 0, 0))
    rest = liver.difference(tumour)
    assert rest.grid is liver.grid
    assert liver.volume_ml - rest.volume_ml == pytest.approx(tumour.volume_ml, rel=0.02)
    taken = liver.difference(rest)
    centre = taken.grid.positions_mm(np.argwhere(taken.mask)).mean(axis=0)
    np.testing.assert_allclose(centre, (5, 0, 0), atol=0.3)


def test_points_divide_voxels_that_are_coarser_than_the_image() -> None:
    coarse = sphere(cube_grid(6.0), 20)
    points = coarse.points(grids=[cube_grid(2.0), cube_grid(4.0)])
    assert points.volume_ml == pytest.approx(0.216 / 27)
    assert points.total_volume_ml == pytest.approx(coarse.volume_ml)
    assert len(coarse.points(grids=[cube_grid(6.0)]).index) == coarse.mask.sum()


def test_empty_and_misfit_segments_are_told() -> None:
    grid = cube_grid(10.0)
    empty = Segment("Tumour 3", Role.TUMOUR, np.zeros(grid.shape, bool), grid, source="seg.nrrd")
    with pytest.raises(SegmentError, match=r"segment 'Tumour 3' of seg\.nrrd: the segment is empty"):
        empty.points()
    assert empty.occupancy_on(cube_grid(5.0)).sum() == 0
    with pytest.raises(GeometryError, match="segment 'x'"):
        Segment("x", Role.OTHER, np.zeros((1, 2, 3), bool), grid)
    with pytest.raises(SegmentError, match="no segment to join"):
        union((), "all", Role.LIVER)


def test_bounding_box() -> None:
    grid = Grid.axis_aligned((5, 5, 5), (1, 1, 1))
    mask = np.zeros(grid.shape, bool)
    mask[1, 2, 3] = mask[3, 2, 4] = True
    assert Segment("s", Role.OTHER, mask, grid).bounding_box() == (slice(1, 4), slice(2, 3), slice(3, 5))
