"""Kernel convolution: against the direct sum and scipy in float64, energy, symmetry; then the dose map."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from ytterby.dosimetry.convolution import convolve_energy, convolved_box, energy_kept_fraction
from ytterby.dosimetry.voxel import kernel_map, local_deposition_gy
from ytterby.errors import DomainError, GeometryError
from ytterby.model.dose import DoseOptions
from ytterby.model.volume import Grid
from ytterby.physics.kernels import VoxelKernel, voxel_kernel

LIMIT = 1e-5  # of the greatest value


def direct_sum(activity: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The definition, voxel by voxel, in float64."""
    energy = np.zeros(activity.shape)
    half = [side // 2 for side in shares.shape]
    for place in itertools.product(*(range(n) for n in activity.shape)):
        for offset in itertools.product(*(range(-h, h + 1) for h in half)):
            target = tuple(p + o for p, o in zip(place, offset, strict=True))
            if all(0 <= t < n for t, n in zip(target, activity.shape, strict=True)):
                energy[target] += activity[place] * shares[tuple(o + h for o, h in zip(offset, half, strict=True))]
    return energy


def beta_like(shape: tuple[int, int, int], *, skewed: bool = False, seed: int = 7) -> np.ndarray:
    """Shares that fall by orders of magnitude from the middle, with sum 1; ``skewed``: not symmetric, to see flips."""
    axes = [np.arange(side) - side // 2 for side in shape]
    distance = np.sqrt(sum(axis.astype(float) ** 2 for axis in np.meshgrid(*axes, indexing="ij")))
    shares = np.exp(-1.5 * distance)
    if skewed:
        shares = shares * np.random.default_rng(seed).uniform(0.2, 1.0, shape)
    return shares / shares.sum()


def assert_close(energy: np.ndarray, wanted: np.ndarray) -> None:
    assert energy.dtype == np.float32
    assert energy.shape == wanted.shape
    assert np.max(np.abs(energy - wanted)) < LIMIT * np.max(np.abs(wanted))


@pytest.mark.parametrize(
    ("grid", "kernel"),
    [
        ((7, 8, 9), (3, 3, 3)),
        ((5, 4, 6), (1, 3, 5)),
        ((4, 9, 1), (5, 3, 3)),
        ((1, 1, 8), (3, 3, 7)),
        ((6, 3, 4), (9, 11, 7)),  # a kernel wider than the grid
    ],
)
def test_against_the_direct_sum(grid, kernel) -> None:
    activity = np.random.default_rng(1).gamma(0.5, 1.0, grid)
    shares = beta_like(kernel, skewed=True)
    assert_close(convolve_energy(activity, shares), direct_sum(activity, shares))


@pytest.mark.parametrize("place", ["middle", "edge", "corner", "everywhere", "two corners", "slab"])
@pytest.mark.parametrize(("grid", "kernel"), [((40, 33, 28), (13, 13, 13)), ((31, 44, 20), (21, 9, 35))])
def test_against_scipy_wherever_the_activity_lies(grid, kernel, place) -> None:
    random = np.random.default_rng(2)
    activity = np.zeros(grid)
    where = {
        "middle": np.s_[15:25, 14:20, 8:14],
        "edge": np.s_[:6, 12:20, 10:15],
        "corner": np.s_[-4:, -5:, -3:],
        "everywhere": np.s_[:, :, :],
        "two corners": np.s_[:2, :2, :2],
        "slab": np.s_[:, 3:5, :],
    }[place]
    activity[where] = random.gamma(1.0, 1.0, activity[where].shape)
    if place == "two corners":
        activity[-1, -1, -1] = 5.0
    shares = beta_like(kernel, skewed=True)
    assert_close(convolve_energy(activity, shares), signal.fftconvolve(activity, shares, mode="same"))


def test_noise_below_0_is_convolved_and_not_cut() -> None:
    activity = np.random.default_rng(3).normal(1.0, 2.0, (20, 18, 16))  # an image in Bq/mL
    shares = beta_like((7, 7, 7))
    energy = convolve_energy(activity, shares)
    assert_close(energy, signal.fftconvolve(activity, shares, mode="same"))
    assert energy.min() < 0


def test_one_hot_voxel_gives_the_kernel() -> None:
    activity = np.zeros((15, 15, 17))
    activity[7, 6, 9] = 4.0
    shares = beta_like((5, 7, 9), skewed=True)
    box, energy = convolved_box(activity, shares)
    assert box == np.s_[5:10, 3:10, 5:14]
    assert_close(energy, 4.0 * shares)
    whole = convolve_energy(activity, shares)
    whole[box] -= energy
    assert not whole.any()


def test_the_box_is_cut_at_the_grid() -> None:
    activity = np.zeros((9, 30, 30))
    activity[0, 15, 29] = 1.0
    shares = beta_like((5, 5, 5), skewed=True)
    box, energy = convolved_box(activity, shares)
    assert box == np.s_[0:3, 13:18, 27:30]
    assert_close(energy, shares[2:, :, :3])


@pytest.mark.parametrize("kernel", [(13, 13, 13), (51, 51, 51)])
def test_energy_is_conserved_and_never_negative(kernel) -> None:
    activity = np.zeros((70, 66, 64))
    activity[30:40, 28:38, 27:37] = np.random.default_rng(4).gamma(2.0, 1e-3, (10, 10, 10))
    activity[34, 33, 32] = 10.0  # a hot voxel far above the rest
    energy = convolve_energy(activity, beta_like(kernel))
    assert energy_kept_fraction(activity, energy) == pytest.approx(1.0, abs=1e-5)
    assert energy.min() >= 0


def test_cutting_off_negative_rounding_adds_no_energy() -> None:
    # One hot voxel, and a wide kernel that is 0 but in its middle: half of the box is rounding below 0. Cut off and left
    # at that, it would add 4e-6 of the energy.
    shares = np.zeros((51, 51, 51))
    shares[24:27, 24:27, 24:27] = beta_like((3, 3, 3), skewed=True)
    activity = np.zeros((71, 71, 71))
    activity[5:15, 6:16, 7:17] = 1e-3
    activity[34, 33, 32] = 100.0
    energy = convolve_energy(activity, shares)
    assert energy.min() == 0.0
    assert energy_kept_fraction(activity, energy) == pytest.approx(1.0, abs=1e-6)


def test_the_tail_of_a_kernel_survives() -> None:
    # Bremsstrahlung: 0.4 % of the energy, thin in each voxel. Cutting rounding noise must not cut it.
    shares = np.full((51, 51, 51), 0.004 / (51**3 - 1))
    shares[25, 25, 25] = 0.996
    activity = np.zeros((61, 61, 61))
    activity[29:32, 29:32, 29:32] = 1.0
    energy = convolve_energy(activity, shares)
    far = np.ones(energy.shape, dtype=bool)
    far[29:32, 29:32, 29:32] = False
    wanted = 27 * 0.004 * (51**3 - 27) / (51**3 - 1)
    assert float(energy[far].sum(dtype=np.float64)) == pytest.approx(wanted, rel=2e-3)


def test_energy_that_leaves_the_grid_is_missing() -> None:
    activity = np.zeros((9, 9, 9))
    activity[0, 4, 4] = 2.0
    shares = np.zeros((3, 3, 3))
    shares[:, 1, 1] = 0.25, 0.5, 0.25
    assert energy_kept_fraction(activity, convolve_energy(activity, shares)) == pytest.approx(0.75, abs=1e-6)


def test_the_inside_of_a_uniform_region_keeps_its_activity() -> None:
    activity = np.zeros((30, 30, 30))
    activity[5:25, 5:25, 5:25] = 3.0
    energy = convolve_energy(activity, beta_like((9, 9, 9)))
    np.testing.assert_allclose(energy[9:21, 9:21, 9:21], 3.0, rtol=1e-5)


def test_no_activity_gives_no_energy() -> None:
    activity = np.zeros((6, 5, 4))
    box, energy = convolved_box(activity, beta_like((3, 3, 3)))
    assert energy.size == 0
    assert activity[box].size == 0
    np.testing.assert_array_equal(convolve_energy(activity, beta_like((3, 3, 3))), np.zeros((6, 5, 4)))
    with pytest.raises(DomainError):
        energy_kept_fraction(activity, activity)


def test_linear_in_the_activity() -> None:
    random = np.random.default_rng(5)
    shares = beta_like((7, 5, 9), skewed=True)
    one, other = random.gamma(1.0, 1.0, (2, 20, 22, 18))
    sum_of_both = 2.0 * convolve_energy(one, shares) + 3.0 * convolve_energy(other, shares)
    assert_close(convolve_energy(2.0 * one + 3.0 * other, shares), sum_of_both)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_flips_commute(axes) -> None:
    activity = np.zeros((22, 20, 18))
    activity[2:9, 5:15, 6:17] = np.random.default_rng(6).gamma(1.0, 1.0, (7, 10, 11))
    shares = beta_like((7, 5, 9), skewed=True)
    flipped = convolve_energy(np.flip(activity, axes), np.flip(shares, axes))
    assert_close(flipped, np.flip(convolve_energy(activity, shares), axes))


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_turned_axes_commute(order) -> None:
    activity = np.random.default_rng(8).gamma(1.0, 1.0, (14, 20, 11))
    shares = beta_like((7, 5, 9), skewed=True)
    turned = convolve_energy(activity.transpose(order), shares.transpose(order))
    assert_close(turned, convolve_energy(activity, shares).transpose(order))


def test_the_same_input_gives_the_same_bytes_and_is_left_alone() -> None:
    activity = np.random.default_rng(9).gamma(1.0, 1.0, (24, 25, 26)).astype(np.float32)
    shares = beta_like((9, 9, 9))
    before = activity.copy()
    first = convolve_energy(activity, shares)
    assert first.tobytes() == convolve_energy(activity, shares).tobytes()
    assert first.tobytes() == convolve_energy(np.asfortranarray(activity), shares).tobytes()
    np.testing.assert_array_equal(activity, before)


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_the_unit_does_not_matter(scale) -> None:
    activity = np.random.default_rng(10).gamma(1.0, 1.0, (12, 12, 12))
    shares = beta_like((5, 5, 5))
    assert_close(convolve_energy(activity * scale, shares), scale * direct_sum(activity, shares))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_numbers_that_would_spread_everywhere_are_refused(bad) -> None:
    activity = np.ones((5, 5, 5))
    activity[2, 2, 2] = bad
    with pytest.raises(DomainError, match="finite"):
        convolve_energy(activity, beta_like((3, 3, 3)))
    with pytest.raises(DomainError, match="finite"):
        convolve_energy(np.ones((5, 5, 5)), np.full((3, 3, 3), bad))


@pytest.mark.parametrize(("grid", "kernel"), [((5, 5, 5), (3, 4, 3)), ((5, 5), (3, 3, 3)), ((5, 5, 5), (3, 3))])
def test_shapes_that_do_not_go_together_are_refused(grid, kernel) -> None:
    with pytest.raises(GeometryError, match="odd sides"):
        convolve_energy(np.ones(grid), np.ones(kernel))


# ---------------------------------------------------------------- the dose map
OPTIONS = DoseOptions(energy_j_per_gbq=49.67, tissue_density_g_ml=1.03, lung_mass_kg=None)
SPACING_MM = (4.0, 4.0, 3.0)


@pytest.fixture(scope="module")
def kernel() -> VoxelKernel:
    shares = beta_like((7, 7, 9))
    return VoxelKernel(shares, SPACING_MM, 1.03, energy_beyond_fraction=0.0, source="made up")


def test_one_hot_voxel_gives_its_share_of_the_energy_over_the_mass(kernel) -> None:
    grid = Grid.axis_aligned((41, 41, 41), SPACING_MM)
    activity = np.zeros(grid.shape)
    activity[20, 20, 20] = 1e-3 / 0.048  # 1 MBq in the voxel of 0.048 mL
    dose = kernel_map(activity, grid, kernel, OPTIONS)
    assert dose.dtype == np.float32
    middle = tuple(side // 2 for side in kernel.shares.shape)
    for offset in ((0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 1, 1)):
        share = kernel.shares[tuple(m + o for m, o in zip(middle, offset, strict=True))]
        # K x A x share / (rho x V), the mass in kg.
        wanted = 49.67 * 1e-3 * share / (1.03e-3 * 0.048)
        assert dose[tuple(20 + o for o in offset)] == pytest.approx(wanted, rel=1e-4)


def test_the_energy_of_all_decays_is_in_the_map(kernel) -> None:
    half = max(kernel.shares.shape) // 2
    grid = Grid.axis_aligned((2 * half + 9, 2 * half + 10, 2 * half + 11), SPACING_MM)
    activity = np.zeros(grid.shape)
    inside = np.s_[half : half + 9, half : half + 9, half : half + 9]
    activity[inside] = np.random.default_rng(11).gamma(2.0, 1e-3, (9, 9, 9))
    dose = kernel_map(activity, grid, kernel, OPTIONS)
    energy_joule = float(dose.sum(dtype=np.float64)) * 1.03e-3 * grid.voxel_volume_ml
    assert energy_joule == pytest.approx(49.67 * activity.sum() * grid.voxel_volume_ml, rel=1e-5)


@pytest.mark.parametrize("spacing_mm", [(4.0, 4.0, 3.0), (4.42, 4.42, 4.42), (2.0, 5.0, 3.0)])
def test_by_the_shipped_kernel_the_inside_of_a_large_region_is_local_deposition(spacing_mm) -> None:
    shipped = voxel_kernel(spacing_mm, density_g_ml=1.03)
    grid = Grid.axis_aligned((31, 25, 25), spacing_mm)
    activity = np.full(grid.shape, 1e-3)
    dose = kernel_map(activity, grid, shipped, OPTIONS)
    local = float(local_deposition_gy(activity, OPTIONS)[15, 12, 12])
    assert dose[15, 12, 12] == pytest.approx(local, rel=1e-5)
    # At a face there is source on one side alone: the shares of that half, and of the plane between.
    x, y, z = (side // 2 + 1 for side in shipped.shares.shape)
    assert dose[0, 12, 12] / local == pytest.approx(shipped.shares[:x].sum(), rel=1e-5)
    assert dose[0, 0, 12] / local == pytest.approx(shipped.shares[:x, :y].sum(), rel=1e-5)
    assert dose[0, 0, 0] / local == pytest.approx(shipped.shares[:x, :y, :z].sum(), rel=1e-5)
    assert 0.5 < dose[0, 12, 12] / local < 1.0


def test_a_turned_or_flipped_grid_of_the_same_voxels_changes_nothing(kernel) -> None:
    straight = Grid.axis_aligned((15, 16, 17), SPACING_MM)
    activity = np.random.default_rng(12).gamma(1.0, 1e-3, straight.shape)
    angle = np.deg2rad(12.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    affine = np.array(straight.affine)
    affine[:3, :3] = turn @ affine[:3, :3]
    wanted = kernel_map(activity, straight, kernel, OPTIONS)
    np.testing.assert_array_equal(kernel_map(activity, Grid(straight.shape, affine), kernel, OPTIONS), wanted)


def test_a_kernel_that_is_not_the_grid_s_is_refused(kernel) -> None:
    grid = Grid.axis_aligned((5, 6, 7), SPACING_MM)
    activity = np.zeros(grid.shape)
    with pytest.raises(GeometryError, match=r"voxels of 4 x 4 x 3 mm, the grid has 3 x 4 x 4 mm"):
        kernel_map(activity, Grid.axis_aligned((5, 6, 7), (3.0, 4.0, 4.0)), kernel, OPTIONS)
    with pytest.raises(DomainError, match=r"1\.03 g/mL, the options state 1\.05"):
        kernel_map(activity, grid, kernel, replace(OPTIONS, tissue_density_g_ml=1.05))
    with pytest.raises(GeometryError, match="does not fit a grid"):
        kernel_map(activity[1:], grid, kernel, OPTIONS)
    sheared = np.array(grid.affine)
    sheared[:3, 2] = 3.0 * np.array([0.0, np.sin(0.2), np.cos(0.2)])  # slices of a tilted gantry
    with pytest.raises(GeometryError, match="right angles"):
        kernel_map(activity, Grid(grid.shape, sheared), kernel, OPTIONS)


@pytest.mark.parametrize(("diameter_mm", "absorbed"), [(10, 0.621), (20, 0.799), (30, 0.864)])
def test_a_sphere_keeps_the_published_share_of_its_energy(diameter_mm, absorbed) -> None:
    # Uniform sphere in water, worked out of the point kernel of Graves et al. 2019, doi:10.1002/mp.13789.
    side, parts = 0.5, 4
    n = int(diameter_mm / side) + 3
    fine = ((np.arange(n * parts) + 0.5) / parts - n / 2) * side
    squares = fine[:, None, None] ** 2 + fine[None, :, None] ** 2 + fine[None, None, :] ** 2
    inside = (squares <= (diameter_mm / 2) ** 2).reshape(n, parts, n, parts, n, parts)
    occupied = inside.mean(axis=(1, 3, 5))
    energy = convolve_energy(occupied, voxel_kernel((side,) * 3, density_g_ml=1.0).shares)
    assert float((energy * occupied).sum() / occupied.sum()) == pytest.approx(absorbed, rel=0.02)
