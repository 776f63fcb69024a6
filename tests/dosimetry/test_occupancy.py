"""Partly filled voxels: a sphere in a linear dose on every grid, against its closed form; properties; what other programs say."""

from __future__ import annotations

import csv
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq
from scipy.spatial.transform import Rotation

from ytterby.dosimetry.dvh import DoseVolume, dose_volume, map_dose_volume, segment_dose_volume
from ytterby.dosimetry.occupancy import (
    divided_points,
    occupied_samples,
    places_of_a_voxel,
    segment_occupancy,
)
from ytterby.errors import CalibrationError, DomainError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

ORACLES = Path(__file__).resolve().parents[1] / "oracles"

# ---------------------------------------------------------------- closed form: a sphere in a ramp
RADIUS_MM = 15.0
SLOPE_GY_MM = 2.0
CENTRE_GY = 100.0
VOLUME_ML = 4.0 / 3.0 * math.pi * RADIUS_MM**3 / 1000.0
SHARES = (0.98, 0.95, 0.90, 0.70, 0.50, 0.02)


def true_dose_gy(share: float) -> float:
    """D_x: the plane that cuts a cap with (1 - x) of the volume from the cold side; a cap of height h has pi h^2 (R - h / 3)."""

    def cold_ml(height_mm: float) -> float:
        return math.pi * height_mm**2 * (RADIUS_MM - height_mm / 3.0) / 1000.0

    height_mm = brentq(lambda h: cold_ml(h) - (1.0 - share) * VOLUME_ML, 0.0, 2.0 * RADIUS_MM, xtol=1e-12)
    return CENTRE_GY + SLOPE_GY_MM * (height_mm - RADIUS_MM)


SD_GY = SLOPE_GY_MM * RADIUS_MM / math.sqrt(5.0)  # the mean of x^2 over a ball is R^2 / 5


def test_the_closed_form() -> None:
    assert pytest.approx(14.137, abs=5e-4) == VOLUME_ML
    assert true_dose_gy(0.95) == pytest.approx(78.12, abs=5e-3)
    assert true_dose_gy(0.50) == pytest.approx(100.0, abs=1e-9)
    # by brute force, without a formula
    rng = np.random.default_rng(5)
    points = rng.uniform(-RADIUS_MM, RADIUS_MM, (400_000, 3))
    doses = CENTRE_GY + SLOPE_GY_MM * points[(points**2).sum(axis=1) <= RADIUS_MM**2, 0]
    for share in SHARES:
        assert true_dose_gy(share) == pytest.approx(np.quantile(doses, 1.0 - share), rel=2e-3)
    assert pytest.approx(doses.std(), rel=5e-3) == SD_GY


PLACES = {
    "centred": ((0.0, 0.0, 0.0), (0, 0, 0)),
    "shifted": ((0.31, -0.17, 0.43), (0, 0, 0)),
    "at corners": ((0.5, 0.5, 0.5), (0, 0, 0)),
    "turned": ((0.0, 0.0, 0.0), (45, 35, 10)),
    "turned and shifted": ((0.21, 0.4, -0.3), (25, -14, 33)),
}
GRIDS = [(spacing, place) for spacing in (2.0, 3.0, 4.0, 4.8) for place in PLACES]


@cache
def dose_grid(spacing_mm: float, place: str) -> Grid:
    shift, angles = PLACES[place]
    n = math.ceil(2.0 * (RADIUS_MM + 2.0 * spacing_mm) * 1.3 / spacing_mm)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("zyx", angles, degrees=True).as_matrix() * spacing_mm
    affine[:3, 3] = np.array(shift) * spacing_mm - affine[:3, :3] @ np.full(3, (n - 1) / 2)
    return Grid((n, n, n), affine)


def positions(grid: Grid) -> np.ndarray:
    return grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T)


@cache
def ramp(spacing_mm: float, place: str) -> Volume:
    grid = dose_grid(spacing_mm, place)
    dose = CENTRE_GY + SLOPE_GY_MM * positions(grid)[:, 0]
    return Volume(dose.reshape(grid.shape).astype(np.float32), grid, Quantity.DOSE)


def exact_occupancy(grid: Grid) -> np.ndarray:
    """Share of every voxel in the sphere, by 16^3 points in each voxel that its surface can meet."""
    centres = positions(grid)
    distance = np.linalg.norm(centres, axis=1)
    share = (distance < RADIUS_MM).astype(np.float64)
    steps = (np.arange(16) + 0.5) / 16 - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) @ grid.affine[:3, :3].T
    for voxel in np.flatnonzero(np.abs(distance - RADIUS_MM) < grid.spacing_mm[0]):
        share[voxel] = (np.square(centres[voxel] + offsets).sum(axis=1) < RADIUS_MM**2).mean()
    return share.reshape(grid.shape)


@cache
def drawn_sphere() -> Segment:
    """The sphere as it is drawn on a CT of 1 mm whose grid has nothing to do with the dose's."""
    grid = Grid.axis_aligned((41, 41, 41), (1.0, 1.0, 1.0), origin_mm=(-19.87, -20.37, -19.79))
    mask = (np.square(positions(grid)).sum(axis=1) <= RADIUS_MM**2).reshape(grid.shape)
    return Segment("sphere", Role.TUMOUR, mask, grid)


def assert_is_the_sphere(found: DoseVolume) -> None:
    assert found.total_volume_ml == pytest.approx(VOLUME_ML, rel=0.005)
    assert found.dose_reached_gy(0.50) == pytest.approx(true_dose_gy(0.50), rel=0.005)
    for share in SHARES:
        assert found.dose_reached_gy(share) == pytest.approx(true_dose_gy(share), rel=0.01), share
    assert found.mean_gy == pytest.approx(CENTRE_GY, rel=0.001)
    assert found.sd_gy == pytest.approx(SD_GY, rel=0.01)
    assert found.volume_fraction(true_dose_gy(0.90)) == pytest.approx(0.90, abs=0.01)
    assert found.dose_reached_by_volume_gy(0.02 * VOLUME_ML) == pytest.approx(true_dose_gy(0.02), rel=0.01)


@pytest.mark.parametrize(("spacing_mm", "place"), GRIDS)
def test_a_sphere_by_its_exact_occupancy(spacing_mm: float, place: str) -> None:
    occupancy = exact_occupancy(dose_grid(spacing_mm, place))
    found = map_dose_volume(ramp(spacing_mm, place), occupancy)
    assert_is_the_sphere(found)
    # The reconstruction itself neither makes nor loses volume.
    assert found.total_volume_ml == pytest.approx(occupancy.sum() * spacing_mm**3 / 1000.0, rel=1e-10)


@pytest.mark.parametrize(("spacing_mm", "place"), GRIDS)
def test_a_sphere_by_the_occupancy_of_a_finer_mask(spacing_mm: float, place: str) -> None:
    occupancy = segment_occupancy(drawn_sphere(), dose_grid(spacing_mm, place))
    assert occupancy.sum() * spacing_mm**3 / 1000.0 == pytest.approx(drawn_sphere().volume_ml, rel=1e-9)
    assert_is_the_sphere(map_dose_volume(ramp(spacing_mm, place), occupancy))


@pytest.mark.parametrize(("spacing_mm", "place"), GRIDS)
def test_a_sphere_by_the_points_of_a_finer_mask(spacing_mm: float, place: str) -> None:
    assert_is_the_sphere(segment_dose_volume(ramp(spacing_mm, place), drawn_sphere()))


def test_voxels_by_their_centres_would_miss_the_limits() -> None:
    # What is asked of the reconstruction is not had for nothing: whole voxels of 4 mm are 13.6 % too many.
    grid = Grid.axis_aligned((15, 15, 15), (4.0, 4.0, 4.0))
    mask = (np.square(positions(grid)).sum(axis=1) <= RADIUS_MM**2).reshape(grid.shape)
    dose = Volume((CENTRE_GY + SLOPE_GY_MM * positions(grid)[:, 0]).reshape(grid.shape), grid, Quantity.DOSE)
    whole = dose_volume(dose.array[mask], grid.voxel_volume_ml)
    assert whole.total_volume_ml / VOLUME_ML - 1.0 == pytest.approx(0.136, abs=0.001)
    assert abs(whole.dose_reached_gy(0.95) / true_dose_gy(0.95) - 1.0) > 0.01


# ---------------------------------------------------------------- other programs
PEERS = list(csv.DictReader((ORACLES / "dvh_peers.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", PEERS)
def test_other_programs_differ_from_the_closed_form_by_their_voxels(row: dict[str, str]) -> None:
    # The same sphere on the same upright grid: what the others print is near the truth, ours nearer.
    spacing, shift = float(row["spacing_mm"]), float(row["shift_voxels"])
    grid = dose_grid(spacing, "at corners" if shift else "centred")
    found = map_dose_volume(
        ramp(spacing, "at corners" if shift else "centred"), segment_occupancy(drawn_sphere(), grid)
    )
    assert float(row["volume_ml"]) == pytest.approx(VOLUME_ML, rel=0.15)
    assert float(row["mean_gy"]) == pytest.approx(found.mean_gy, rel=1e-3)
    ours = abs(found.dose_reached_gy(0.70) - true_dose_gy(0.70))
    assert ours < abs(float(row["d70_gy"]) - true_dose_gy(0.70))


# ---------------------------------------------------------------- properties
def dose_map(array: np.ndarray, spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Volume:
    return Volume(array, Grid.axis_aligned(array.shape, spacing_mm), Quantity.DOSE)


SHAPE = (5, 4, 3)
dose_arrays = arrays(np.float64, SHAPE, elements=st.floats(0.0, 300.0))
# Shares in hundredths: a bare minimum of a share is as good as nothing, and asks nothing of the reconstruction.
shares = arrays(np.float64, SHAPE, elements=st.integers(0, 100).map(lambda n: n / 100)).filter(lambda a: a.any())


@given(dose_arrays, shares)
def test_volume_and_doses_are_those_of_the_voxels(doses: np.ndarray, share: np.ndarray) -> None:
    found = map_dose_volume(dose_map(doses), share)
    assert found.total_volume_ml == pytest.approx(share.sum() * 0.008, rel=1e-12)
    assert doses.min() <= found.minimum_gy
    assert found.maximum_gy <= doses.max()


@given(shares, st.floats(0.1, 300.0))
def test_a_uniform_dose_is_found_to_the_last_bit(share: np.ndarray, dose: float) -> None:
    found = map_dose_volume(dose_map(np.full(SHAPE, dose)), share)
    assert found.minimum_gy == found.maximum_gy == found.dose_reached_gy(0.7) == dose
    assert found.volume_fraction(dose) == 1.0


def moments(found: DoseVolume) -> list[float]:
    return [found.total_volume_ml, found.mean_gy, found.sd_gy]


@given(dose_arrays, shares, st.permutations((0, 1, 2)), st.tuples(*[st.sampled_from((1, -1))] * 3))
def test_turned_and_mirrored_grids_have_the_same_figures(
    doses: np.ndarray, share: np.ndarray, order: list[int], steps: tuple[int, int, int]
) -> None:
    turn = tuple(slice(None, None, step) for step in steps)
    here = map_dose_volume(dose_map(doses), share)
    there = map_dose_volume(dose_map(doses.transpose(order)[turn]), share.transpose(order)[turn])
    np.testing.assert_allclose(moments(there), moments(here), rtol=1e-6, atol=1e-6)
    # Doses that are equal but for rounding may change places: D_x is the same within one sample.
    one = float(here.volume_ml.max()) / here.total_volume_ml
    for volume in (0.98, 0.95, 0.70, 0.50, 0.02):
        low = here.dose_reached_gy(min(volume + one, 1.0)) - 1e-6
        high = (here.dose_reached_gy(volume - one) if volume > one else here.maximum_gy) + 1e-6
        assert low <= there.dose_reached_gy(volume) <= high


@given(dose_arrays, arrays(np.bool_, SHAPE))
def test_whole_voxels_of_disjoint_segments_make_the_whole(doses: np.ndarray, belongs: np.ndarray) -> None:
    share = np.where(belongs, 1.0, 0.0)
    if not 0 < belongs.sum() < belongs.size:
        return
    one, other = (map_dose_volume(dose_map(doses), part) for part in (share, 1.0 - share))
    whole = map_dose_volume(dose_map(doses), np.ones(SHAPE))
    assert one.total_volume_ml + other.total_volume_ml == pytest.approx(whole.total_volume_ml)
    energy = one.mean_gy * one.total_volume_ml + other.mean_gy * other.total_volume_ml
    assert energy == pytest.approx(whole.mean_gy * whole.total_volume_ml, rel=1e-9, abs=1e-9)


def test_two_halves_of_a_sphere_make_the_sphere() -> None:
    # Disjoint segments that share voxels at their border: volume exact, energy within 0.1 %, though each border is rebuilt.
    dose = ramp(4.0, "shifted")
    whole = drawn_sphere()
    half = np.arange(41)[:, None, None] < 23
    parts = [
        map_dose_volume(dose, segment_occupancy(Segment("half", Role.OTHER, whole.mask & part, whole.grid), dose.grid))
        for part in (half, ~half)
    ]
    together = map_dose_volume(dose, segment_occupancy(whole, dose.grid))
    volumes = [part.total_volume_ml for part in parts]
    assert sum(volumes) == pytest.approx(together.total_volume_ml, rel=1e-9)
    energy = sum(part.mean_gy * part.total_volume_ml for part in parts)
    assert energy == pytest.approx(together.mean_gy * together.total_volume_ml, rel=1e-3)


@given(dose_arrays, shares, st.floats(0.01, 100.0))
def test_scaling_of_the_dose(doses: np.ndarray, share: np.ndarray, by: float) -> None:
    here, there = (map_dose_volume(dose_map(array), share) for array in (doses, doses * by))
    np.testing.assert_allclose(there.dose_gy, here.dose_gy * by, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moments(there)[1:], [by * one for one in moments(here)[1:]], rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------- where the segment lies in a voxel
def test_a_plane_is_found_within_a_voxel() -> None:
    # The segment ends at 0.3 of the third voxel: doses of 10 Gy a voxel reach 2.5 + 0.3 - 1 voxels from the first centre.
    share = np.zeros((5, 3, 3))
    share[:2], share[2] = 1.0, 0.3
    dose = dose_map(np.broadcast_to(10.0 * np.arange(5.0)[:, None, None], (5, 3, 3)).copy())
    found = map_dose_volume(dose, share)
    assert found.maximum_gy == pytest.approx(10.0 * (1.5 + 0.3), abs=10.0 / 18)
    # its mean: whole parts from the face of the map, where the first voxel's dose holds on for half a voxel
    assert found.mean_gy == pytest.approx((0.5 * 0.0 + 1.8 * 9.0) / 2.3, rel=0.03)


def test_a_segment_within_one_voxel_lies_about_its_middle() -> None:
    share = np.zeros((3, 3, 3))
    share[1, 1, 1] = 0.05
    x = np.arange(-1.0, 2.0)
    dose = dose_map(100.0 + 10.0 * (x[:, None, None] + x[None, :, None] + x[None, None, :]))
    found = map_dose_volume(dose, share)
    assert found.mean_gy == pytest.approx(100.0, abs=1e-9)
    assert found.total_volume_ml == pytest.approx(0.05 * 0.008)
    assert found.maximum_gy - found.minimum_gy < 20.0


def test_the_places_of_a_voxel_are_those_of_a_cube() -> None:
    for voxels, number in ((1, 144), (4861, 144), (4862, 48), (14_583, 48), (14_584, 8), (87_500, 8), (87_501, 1)):
        places = places_of_a_voxel(voxels)
        assert places.shape == (number, 3)
        assert len(np.unique(places, axis=0)) == number
        assert (np.abs(places) < 0.5).all()
        for turned in (-places, places[:, [1, 0, 2]], places[:, [1, 2, 0]], places * (1, -1, 1)):
            assert set(map(tuple, turned)) == set(map(tuple, places))
        levels, counts = np.unique(places[:, 0], return_counts=True)
        assert len(set(counts)) == 1
        np.testing.assert_allclose(levels, (np.arange(levels.size) + 0.5) / levels.size - 0.5, atol=1e-15)


def test_large_segments_are_sampled_more_coarsely_but_alike() -> None:
    # 60 voxels a side: more than 87 500 in all, so voxels by their middles and borders in eight places.
    n = 64
    x = np.arange(n) - (n - 1) / 2
    distance = np.sqrt(x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2)
    share = np.clip(30.0 - distance + 0.5, 0.0, 1.0)
    dose = dose_map(np.broadcast_to(100.0 + x[:, None, None], (n, n, n)).astype(np.float32))
    found = map_dose_volume(dose, share)
    volume_ml = 4.0 / 3.0 * math.pi * 30.0**3 * 0.008
    assert found.total_volume_ml == pytest.approx(volume_ml, rel=0.002)
    assert found.dose_gy.dtype == np.float32
    for share_of_volume in SHARES:
        true = 100.0 + (true_dose_gy(share_of_volume) - CENTRE_GY) / SLOPE_GY_MM * 2.0
        assert found.dose_reached_gy(share_of_volume) == pytest.approx(true, rel=0.01)


def test_divided_points_stand_for_the_same_volume() -> None:
    points = drawn_sphere().points()
    divided = divided_points(points)
    assert divided.total_volume_ml == pytest.approx(points.total_volume_ml)
    assert len(divided.index) == 48 * len(points.index)
    np.testing.assert_allclose(divided.index[:48].mean(axis=0), points.index[0])


# ---------------------------------------------------------------- occupancy from a mask
def test_parallel_grids_overlap_exactly() -> None:
    # Axes in another order, one of them backwards, spacings that do not divide each other: volume to the last digit.
    rng = np.random.default_rng(7)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = -1.3, 0.9, 1.1, 1.0
    affine[:3, 3] = (-9.0, -7.0, 8.0)
    segment = Segment("a", Role.OTHER, rng.random((14, 18, 12)) < 0.4, Grid((14, 18, 12), affine))
    grid = Grid.axis_aligned((16, 15, 14), (2.2, 1.7, 2.9))
    share = segment_occupancy(segment, grid)
    assert share.max() <= 1.0
    assert share.sum() * grid.voxel_volume_ml == pytest.approx(segment.volume_ml, rel=1e-12)
    # against a fine lattice of points
    fine = np.zeros(grid.shape)
    steps = (np.arange(12) + 0.5) / 12 - 0.5
    for offset in np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3):
        index = np.indices(grid.shape).reshape(3, -1).T + offset
        here = np.floor(segment.grid.indices(grid.positions_mm(index)) + 0.5).astype(int)
        within = np.all((here >= 0) & (here < segment.grid.shape), axis=1)
        hit = np.zeros(len(index))
        hit[within] = segment.mask[tuple(here[within].T)]
        fine += hit.reshape(grid.shape) / 12**3
    np.testing.assert_allclose(share, fine, atol=0.12)
    assert np.abs(share - fine).mean() < 0.01


def test_a_segment_that_leaves_the_grid_has_there_what_lies_in_it() -> None:
    grid = dose_grid(4.8, "turned")
    small = Grid((4, 4, 4), grid.affine)
    assert segment_occupancy(drawn_sphere(), small).sum() < segment_occupancy(drawn_sphere(), grid).sum()
    upright = Grid.axis_aligned((4, 4, 4), (4.8, 4.8, 4.8), origin_mm=(0.0, 0.0, 0.0))
    inside = segment_occupancy(drawn_sphere(), upright)
    # an octant, and half a voxel more on each side
    assert 0.2 * VOLUME_ML < inside.sum() * upright.voxel_volume_ml < 0.3 * VOLUME_ML


def test_an_empty_segment_fills_nothing() -> None:
    grid = Grid.axis_aligned((3, 3, 3), (1.0, 1.0, 1.0))
    empty = Segment("empty", Role.OTHER, np.zeros((3, 3, 3), dtype=bool), grid)
    with pytest.raises(SegmentError):
        segment_occupancy(empty, Grid.axis_aligned((3, 3, 3), (2.0, 2.0, 2.0)))


# ---------------------------------------------------------------- what cannot be
def test_what_does_not_fit_is_refused() -> None:
    dose = dose_map(np.ones(SHAPE))
    with pytest.raises(GeometryError, match="shape"):
        occupied_samples(dose, np.ones((3, 4, 5)))
    with pytest.raises(SegmentError):
        occupied_samples(dose, np.zeros(SHAPE))
    with pytest.raises(CalibrationError, match="dose"):
        occupied_samples(Volume(np.ones(SHAPE), dose.grid, Quantity.COUNTS), np.ones(SHAPE))


@pytest.mark.parametrize("bad", [1.1, -0.1, math.nan, math.inf])
def test_an_occupancy_is_a_share(bad: float) -> None:
    share = np.full(SHAPE, 0.5)
    share[1, 1, 1] = bad
    with pytest.raises(DomainError, match="share"):
        occupied_samples(dose_map(np.ones(SHAPE)), share)
