"""Kernels of 90Y against published kernels, S values and absorbed fractions (physics.md, section 4), and against closed forms."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ytterby.errors import DomainError, GeometryError, MissingMeasurement
from ytterby.physics.kernels import VoxelKernel, octant_shares, voxel_kernel
from ytterby.physics.nuclides import HO166, TC99M, Y90
from ytterby.physics.point_kernel import PointKernel, point_kernel, sphere_absorbed_fraction, y90_point_kernel

TOOLS = Path(__file__).parents[2] / "tools" / "y90_kernel"

# Graves, Flynn and Hyer, Med Phys 2019;46:5284, doi:10.1002/mp.13789: share of the energy within 1 to 9 mm of water.
GRAVES = (0.2213, 0.4297, 0.6099, 0.7555, 0.8627, 0.9327, 0.9714, 0.9888, 0.9946)

# Lanconelli et al., Phys Med Biol 2012;57:517: soft tissue of 1.04 g/mL, mGy/(MBq s):
# side (mm), the voxel itself, its neighbour across a face, across an edge.
LANCONELLI = (
    (2.21, 3.00, 0.570, 0.226),
    (3.00, 1.59, 0.275, 0.0950),
    (4.42, 0.689, 0.0973, 0.0248),
    (5.00, 0.522, 0.0675, 0.0151),
    (9.28, 0.117, 0.00853, 9.09e-4),
)

# Uniform spheres in water, from the kernel of Graves et al. (physics.md, section 4.5): diameter (mm), absorbed fraction.
SPHERES = (
    *((10, 0.621), (13, 0.699), (17, 0.765), (20, 0.799), (22, 0.816)),
    *((28, 0.854), (30, 0.864), (37, 0.888), (50, 0.916), (100, 0.956)),
)


def shell(radius_mm: float) -> PointKernel:
    """All energy at one distance, but for a ten thousandth of it."""
    return PointKernel("shell", "Y-90", 1.0, [radius_mm * 0.9999, radius_mm], [0.0, 1.0], [0.0, 0.0], "test", {})


def kernel_of(side_mm: float, density_g_ml: float) -> VoxelKernel:
    return voxel_kernel((side_mm, side_mm, side_mm), density_g_ml=density_g_ml)


def s_value(kernel: VoxelKernel, *offset: int) -> float:
    s_values = kernel.s_values_mgy_per_mbq_s(Y90.energy_per_decay_mev)
    return float(s_values[tuple(side // 2 + step for side, step in zip(s_values.shape, offset, strict=True))])


# ---------------------------------------------------------------- the table


def test_the_table_is_made_by_the_scripts_as_they_stand():
    scripts = y90_point_kernel().record["scripts"]
    assert set(scripts) == {"make_kernel.py", "unfold.py"}
    for name, digest in scripts.items():
        assert hashlib.sha256((TOOLS / name).read_bytes()).hexdigest() == digest, (
            f"{name} changed: make the table again"
        )


def test_the_record_says_how_the_table_was_made():
    record = y90_point_kernel().record
    assert {"seed", "batches", "histories", "transport", "spectrum", "smoothing", "libraries"} <= set(record)
    assert record["histories"] == record["histories_per_can"] * record["cans"] >= 10_000_000
    # Energy is kept in the transport, and the spectrum has the mean energy of ICRP Publication 107 (0.932905 MeV).
    assert math.isclose(record["deposited_mev_per_decay"], record["emitted_mev_per_decay"], rel_tol=1e-5)
    assert math.isclose(record["emitted_mev_per_decay"], 0.932905, rel_tol=1e-4)
    assert max(record["uncertainty_of_energy_fraction_within"].values()) < 0.001


def test_the_columns_of_the_table():
    kernel = y90_point_kernel()
    assert abs(kernel.energy_fraction.sum() - 1.0) < 1e-9
    np.testing.assert_allclose(kernel.outer_radius_mm[:120], np.arange(1, 121) / 10, rtol=1e-12)
    assert np.all(kernel.energy_fraction > 0)
    assert np.all(np.isfinite(kernel.relative_uncertainty))
    assert kernel.relative_uncertainty[:60].max() < 0.015
    for array in (kernel.outer_radius_mm, kernel.energy_fraction, kernel.relative_uncertainty):
        assert not array.flags.writeable


@pytest.mark.parametrize(("radius_mm", "within"), list(enumerate(GRAVES, start=1)))
def test_energy_within_a_radius_is_the_published_one(radius_mm, within):
    assert math.isclose(y90_point_kernel().energy_within_fraction(radius_mm), within, rel_tol=0.02)


@pytest.mark.parametrize(("share", "radius_mm"), [(0.50, 2.370), (0.90, 5.471), (0.95, 6.367), (0.99, 8.129)])
def test_radii_that_hold_a_share(share, radius_mm):
    # physics.md section 4.3: R50, R90, R95 and R99 of the kernel of Graves et al.
    assert math.isclose(y90_point_kernel().radius_holding_mm(share), radius_mm, rel_tol=0.02)


@given(st.floats(0.001, 0.999))
def test_radius_and_share_undo_each_other(share):
    kernel = y90_point_kernel()
    assert math.isclose(kernel.energy_within_fraction(kernel.radius_holding_mm(share)), share, rel_tol=1e-9)


def test_bremsstrahlung_is_all_that_lies_beyond_the_beta_particles():
    beyond = 1.0 - y90_point_kernel().energy_within_fraction(11.5)
    assert 0.002 < beyond < 0.006  # about 0.4 % in physics.md section 4.3


def test_a_kernel_of_placeholders_would_be_found():
    # A public kernel (physics.md section 4.4) that is no data: undefined at the centre, 0.32 of its maximum at 10 mm, 0.08 at
    # 20 mm, and not normalised.
    radius = np.arange(1, 31, dtype=float)
    falling = np.interp(radius, [0, 10, 20, 30], [1, 0.32, 0.08, 0])
    with pytest.raises(DomainError, match="sum to"):
        PointKernel("as found", "Y-90", 1.0, radius, falling, 0 * radius, "test", {})
    with pytest.raises(DomainError, match="sum to"):
        PointKernel("centre", "Y-90", 1.0, [1, 2], [math.nan, 1.0], [0, 0], "test", {})
    placeholder = PointKernel("scaled", "Y-90", 1.0, radius, falling / falling.sum(), 0 * radius, "test", {})
    deviation = [placeholder.energy_within_fraction(r) / within - 1 for r, within in enumerate(GRAVES, start=1)]
    assert max(abs(d) for d in deviation) > 0.2


@pytest.mark.parametrize("nuclide", [HO166, TC99M])
def test_another_nuclide_has_no_kernel(nuclide):
    with pytest.raises(MissingMeasurement, match="local_deposition"):
        point_kernel(nuclide)
    assert point_kernel(Y90) is y90_point_kernel()


@pytest.mark.parametrize(
    ("radius", "share"),
    [([1, 1], [0.5, 0.5]), ([0, 1], [0.5, 0.5]), ([1, math.inf], [0.5, 0.5]), ([1, 2], [1.0]), ([1, 2], [1.5, -0.5])],
)
def test_a_damaged_table_is_refused(radius, share):
    with pytest.raises(DomainError):
        PointKernel("damaged", "Y-90", 1.0, radius, share, [0.0] * len(radius), "test", {})


def test_density_scales_the_radii_alone():
    water, dense = y90_point_kernel(), y90_point_kernel().in_density(1.06)
    np.testing.assert_allclose(dense.outer_radius_mm, water.outer_radius_mm / 1.06, rtol=1e-14)
    assert np.array_equal(dense.energy_fraction, water.energy_fraction)
    np.testing.assert_allclose(dense.in_density(1.0).outer_radius_mm, water.outer_radius_mm, rtol=1e-14)


# ---------------------------------------------------------------- spheres


@pytest.mark.parametrize(("diameter_mm", "absorbed"), SPHERES)
def test_absorbed_fraction_of_a_sphere_is_the_published_one(diameter_mm, absorbed):
    assert math.isclose(sphere_absorbed_fraction(diameter_mm, density_g_ml=1.0), absorbed, rel_tol=0.02)


def test_absorbed_fraction_of_a_shell_is_the_overlap_of_two_spheres():
    for x in (0.1, 0.5, 0.9):
        exact = 1 - 1.5 * x + 0.5 * x**3
        assert math.isclose(sphere_absorbed_fraction(10, density_g_ml=1, kernel=shell(10 * x)), exact, rel_tol=1e-3)
    assert sphere_absorbed_fraction(10.0, density_g_ml=1.0, kernel=shell(11.0)) == 0.0


@given(st.floats(1.0, 300.0), st.floats(0.2, 2.0))
def test_a_sphere_in_another_density_is_a_larger_sphere_of_water(diameter_mm, density_g_ml):
    dense = sphere_absorbed_fraction(diameter_mm, density_g_ml=density_g_ml)
    assert math.isclose(dense, sphere_absorbed_fraction(diameter_mm * density_g_ml, density_g_ml=1.0), rel_tol=1e-9)


# ---------------------------------------------------------------- voxels


def spread(activity: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Linear convolution, of the shape of ``activity``."""
    sides = [n + m - 1 for n, m in zip(activity.shape, shares.shape, strict=True)]
    axes = (0, 1, 2)
    whole = np.fft.irfftn(np.fft.rfftn(activity, sides, axes) * np.fft.rfftn(shares, sides, axes), sides, axes)
    return whole[tuple(slice(m // 2, m // 2 + n) for n, m in zip(activity.shape, shares.shape, strict=True))]


@pytest.mark.parametrize(("side_mm", "itself", "face", "edge"), LANCONELLI)
def test_s_values_in_soft_tissue_are_the_published_ones(side_mm, itself, face, edge):
    kernel = kernel_of(side_mm, 1.04)
    assert math.isclose(s_value(kernel, 0, 0, 0), itself, rel_tol=0.02)
    assert math.isclose(s_value(kernel, 1, 0, 0), face, rel_tol=0.02)
    assert math.isclose(s_value(kernel, 1, 1, 0), edge, rel_tol=0.03)


@pytest.mark.parametrize(
    ("spacing_mm", "published", "tolerance"),
    [
        ((3.0, 3.0, 3.0), 1.61, 0.02),  # MIRD pamphlet 17 (Bolch et al., J Nucl Med 1999;40:11S)
        ((6.0, 6.0, 6.0), 0.346, 0.02),
        ((3.0, 3.0, 3.0), 1.581, 0.02),  # DPM, a Monte Carlo code (physics.md section 4.2)
        ((4.0, 4.0, 3.0), 1.046, 0.02),  # from the kernel of Graves et al.
        ((4.0, 4.0, 3.0), 1.013, 0.05),  # DPM: 3.1 % below the line above
        ((3.0, 3.0, 3.0), 1.5803, 0.02),  # from the kernel of Graves et al. (physics.md section 4.3)
        ((6.0, 6.0, 6.0), 0.34551, 0.02),
    ],
)
def test_s_value_of_the_source_voxel_in_water_is_the_published_one(spacing_mm, published, tolerance):
    water = voxel_kernel(spacing_mm, density_g_ml=1.0)
    assert math.isclose(s_value(water, 0, 0, 0), published, rel_tol=tolerance)


def test_shares_that_another_program_tests_for():
    # The unit tests of Taranis (physics.md section 4.5).
    assert abs(kernel_of(4.42, 1.0).share(0, 0, 0) - 0.40) < 0.01
    assert abs(kernel_of(4.42, 1.05).share(0, 0, 0) - 0.416) < 0.01
    flat = voxel_kernel((4.0, 4.0, 3.0), density_g_ml=1.0)
    assert abs(flat.share(0, 0, 0) - 0.337) < 0.005
    assert abs(flat.share(0, 0, 1) - 0.068) < 0.001
    assert abs(flat.share(1, 0, 0) - 0.049) < 0.001


def test_what_a_sphere_of_300_ml_loses():
    # Taranis again: a sphere of 300 mL in voxels of 4.42 mm loses 5.9 % of its energy, to half a percent.
    at = (np.arange(21) - 10) * 4.42
    radius = (300_000 * 3 / (4 * math.pi)) ** (1 / 3)
    sphere = (at[:, None, None] ** 2 + at[:, None] ** 2 + at**2 <= radius**2).astype(float)
    lost = 1.0 - np.sum(spread(sphere, kernel_of(4.42, 1.0).shares) * sphere) / sphere.sum()
    assert abs(lost - 0.059) < 0.005


@pytest.mark.parametrize("x", [0.05, 0.3, 0.7, 1.0])
def test_a_single_radius_has_a_closed_form(x):
    # The mean of (1 - |u_x|/h)(1 - |u_y|/h)(1 - |u_z|/h) over the sphere of radius x h, x <= 1.
    exact = 1 - 1.5 * x + 2 / math.pi * x**2 - x**3 / (4 * math.pi)
    cube = voxel_kernel((5.0, 5.0, 5.0), density_g_ml=1.0, kernel=shell(5.0 * x))
    assert math.isclose(cube.share(0, 0, 0), exact, rel_tol=0.004, abs_tol=2e-4)


def test_shares_are_those_of_drawn_decays():
    rng = np.random.default_rng(20)
    kernel, number = y90_point_kernel(), 400_000
    edges = np.concatenate([[0.0], kernel.outer_radius_mm])
    within = np.concatenate([[0.0], np.cumsum(kernel.energy_fraction)])
    radius = np.interp(rng.random(number) * kernel.energy_within_fraction(12.0), within, edges)
    direction = rng.normal(size=(number, 3))
    spacing = np.array([4.0, 3.0, 2.5])
    place = (rng.random((number, 3)) - 0.5) * spacing
    place += radius[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    offset = np.rint(place / spacing).astype(int)
    made = voxel_kernel((4.0, 3.0, 2.5), density_g_ml=1.0)
    for wanted in ((0, 0, 0), (1, 0, 0), (0, -1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 1), (0, 2, 0), (0, 0, 3)):
        share = np.mean(np.all(offset == wanted, axis=1))
        error = math.sqrt(share * (1 - share) / number)
        assert abs(made.share(*wanted) - share) < 4 * error + 1e-5, wanted


@settings(max_examples=8, deadline=None)
@given(st.floats(1.5, 8.0), st.floats(1.5, 8.0), st.floats(1.5, 8.0), st.floats(0.9, 1.2))
def test_every_kernel_keeps_the_energy_and_its_symmetry(a, b, c, density):
    kernel = voxel_kernel((a, b, c), density_g_ml=density)
    assert abs(kernel.shares.sum() - 1.0) < 1e-12
    assert kernel.shares.dtype == np.float64
    assert all(side % 2 for side in kernel.shares.shape)
    for axis in range(3):
        np.testing.assert_array_equal(np.flip(kernel.shares, axis), kernel.shares)
    assert kernel.share(0, 0, 0) == kernel.shares.max()
    turned = voxel_kernel((c, a, b), density_g_ml=density)
    np.testing.assert_allclose(turned.shares, np.transpose(kernel.shares, (2, 0, 1)), rtol=1e-9, atol=1e-16)


@settings(max_examples=8, deadline=None)
@given(st.floats(2.0, 8.0), st.floats(0.8, 1.3))
def test_density_scaling_theorem(side_mm, density):
    # physics.md section 4.3: S_rho(a) = rho^2 S_water(rho a).
    dense, water = kernel_of(side_mm, density), kernel_of(side_mm * density, 1.0)
    assert dense.shares.shape == water.shares.shape
    s_values = dense.s_values_mgy_per_mbq_s(0.9329)
    np.testing.assert_allclose(s_values, density**2 * water.s_values_mgy_per_mbq_s(0.9329), rtol=1e-6)


def test_inside_a_large_uniform_region_the_dose_is_that_of_local_deposition():
    kernel = voxel_kernel((4.0, 4.0, 3.0), density_g_ml=1.03)
    spread_evenly = spread(np.ones((15, 15, 19)), kernel.shares)
    assert math.isclose(spread_evenly[7, 7, 9], 1.0, rel_tol=1e-3)
    # A corner gets what reaches it from its own side of three planes.
    assert math.isclose(spread_evenly[0, 0, 0], kernel.shares[3:, 3:, 4:].sum(), rel_tol=1e-9)
    assert spread_evenly[0, 0, 0] < 0.7


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_block_of_voxels_absorbs_what_one_large_voxel_does(parts):
    small = voxel_kernel((12.0 / parts, 9.0 / parts, 6.0 / parts), density_g_ml=1.0)
    block = np.ones((parts, parts, parts))
    absorbed = float(spread(block, small.shares).sum() / block.sum())
    assert math.isclose(absorbed, voxel_kernel((12.0, 9.0, 6.0), density_g_ml=1.0).share(0, 0, 0), rel_tol=5e-4)


def test_dose_of_a_voxel_conserves_the_energy():
    # The S values times the mass of a voxel sum to the energy of a decay, 0.9329 MeV = 1.4946e-13 J.
    kernel = kernel_of(4.42, 1.04)
    mass_kg = 4.42**3 * 1.04e-6
    joule = kernel.s_values_mgy_per_mbq_s(0.9329).sum() * 1e-3 * mass_kg / 1e6
    assert math.isclose(joule, 0.9329 * 1.602176634e-13, rel_tol=1e-9)


@pytest.mark.parametrize("side_mm", [2.0, 4.42, 9.28])
def test_directions_are_enough(side_mm):
    half = (math.ceil(12.0 / side_mm),) * 3
    kernel, spacing = y90_point_kernel(), (side_mm, side_mm, side_mm)
    coarse, fine = (octant_shares(kernel, spacing, half=half, reach_mm=12.0, directions=nodes) for nodes in (14, 48))
    assert math.isclose(coarse[0, 0, 0], fine[0, 0, 0], rel_tol=5e-4)
    assert np.max(np.abs(coarse - fine)) < 5e-4 * fine[0, 0, 0]
    # Energy within the reach, whatever the directions.
    assert math.isclose(coarse.sum(), kernel.energy_within_fraction(12.0), rel_tol=1e-12)


def test_the_energy_beyond_the_reach_is_stated():
    kernel = y90_point_kernel()
    assert math.isclose(
        kernel_of(4.0, 1.0).energy_beyond_fraction, 1 - kernel.energy_within_fraction(12.0), rel_tol=1e-9
    )
    far = voxel_kernel((4.0, 4.0, 4.0), density_g_ml=1.0, reach_mm=80.0)
    assert far.shares.shape == (41, 41, 41)
    assert far.energy_beyond_fraction < 0.7 * kernel_of(4.0, 1.0).energy_beyond_fraction
    # What is not folded in lies far away: the two differ by the bremsstrahlung alone.
    assert 0 < kernel_of(4.0, 1.0).share(0, 0, 0) / far.share(0, 0, 0) - 1 < 0.005


def test_lung_reaches_farther():
    assert voxel_kernel((4.0, 4.0, 4.0), density_g_ml=0.3).shares.shape == (21, 21, 21)


def test_a_kernel_is_made_once_and_cannot_be_changed():
    first = voxel_kernel((4.0, 4.0, 3.0), density_g_ml=1.03)
    assert voxel_kernel((4.0, 4.0 + 1e-12, 3.0), density_g_ml=1.03) is first
    with pytest.raises(ValueError, match="read-only"):
        first.shares[0, 0, 0] = 1.0


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, -2.0, 1.0), (math.nan, 1.0, 1.0), (1.0, math.inf, 1.0)])
def test_nonsense_spacing_is_refused(spacing):
    with pytest.raises(GeometryError):
        voxel_kernel(spacing, density_g_ml=1.0)


@pytest.mark.parametrize(("density", "reach"), [(0.0, 12.0), (-1.0, 12.0), (math.nan, 12.0), (1.0, 0.0), (1.0, -5.0)])
def test_nonsense_density_or_reach_is_refused(density, reach):
    with pytest.raises(DomainError):
        voxel_kernel((4.0, 4.0, 4.0), density_g_ml=density, reach_mm=reach)


def test_a_kernel_that_no_machine_holds_is_refused():
    with pytest.raises(DomainError, match="voxels"):
        voxel_kernel((0.1, 0.1, 0.1), density_g_ml=1.0)


@pytest.mark.parametrize("shares", [np.full((2, 1, 1), 0.5), np.ones(3) / 3])
def test_a_kernel_without_a_middle_is_refused(shares):
    with pytest.raises(GeometryError):
        VoxelKernel(shares, (1.0, 1.0, 1.0), 1.0, 0.0, "test")


@pytest.mark.parametrize("shares", [np.full((3, 1, 1), 0.4), np.reshape([-0.1, 1.2, -0.1], (3, 1, 1))])
def test_shares_that_do_not_keep_the_energy_are_refused(shares):
    with pytest.raises(DomainError):
        VoxelKernel(shares, (1.0, 1.0, 1.0), 1.0, 0.0, "test")
