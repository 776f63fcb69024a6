"""Mass of the lungs from CT: closed forms, grids that differ, the edges of the CT, and a real CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import CalibrationError, SegmentError
from ytterby.imaging.lungmass import GREATEST_DENSITY_G_ML, density_g_ml, lung_mass, lung_mass_kg
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

GRID = Grid.axis_aligned((40, 30, 50), (5.0, 6.0, 8.0))


def lungs(grid=GRID, margin=5):
    mask = np.zeros(grid.shape, dtype=bool)
    mask[margin:-margin, margin:-margin, margin:-margin] = True
    return Segment("Lungs", Role.LUNGS, mask, grid)


def ct(array, grid=GRID, quantity=Quantity.HU):
    return Volume(np.asarray(array, dtype=np.float32), grid, quantity, source="ct")


def test_uniform_lungs_of_known_volume():
    # 30 x 20 x 40 voxels of 0.24 mL at -700 HU: 5.76 L of 0.3 g/mL are 1.728 kg.
    found = lung_mass(ct(np.full(GRID.shape, -700.0)), lungs())
    assert found.volume_ml == pytest.approx(5760)
    assert found.mean_density_g_ml == pytest.approx(0.3, rel=1e-6)
    assert found.mass_kg == pytest.approx(1.728, rel=1e-6)
    assert found.outside_fraction == 0.0
    assert lung_mass_kg(ct(np.full(GRID.shape, -700.0)), lungs()) == found.mass_kg


def test_lungs_of_one_kilogram():
    # The conventional mass: 3.6 L at -722 HU hold 1.0 kg.
    grid = Grid.axis_aligned((40, 40, 40), (4.0, 4.0, 4.0))
    mask = np.zeros(grid.shape, dtype=bool)
    mask.reshape(-1)[: int(3600 / 0.064)] = True
    segment = Segment("Lungs", Role.LUNGS, mask, grid)
    assert lung_mass_kg(ct(np.full(grid.shape, -722.0), grid), segment) == pytest.approx(1.0, rel=2e-3)


@pytest.mark.parametrize(
    ("hu", "density"),
    # physics.md section 2.4: (HU + 1000) / 1000, clipped from 0 to 1.1.
    [
        (-3024, 0.0),
        (-1024, 0.0),
        (-1000, 0.0),
        (-999, 0.001),
        (-850, 0.15),
        (0, 1.0),
        (100, 1.1),
        (101, 1.1),
        (3000, 1.1),
    ],
)
def test_density_of_ct_numbers(hu, density):
    assert density_g_ml(np.array([hu]))[0] == pytest.approx(density, abs=1e-12)
    assert GREATEST_DENSITY_G_ML == 1.1


def test_ribs_and_padding_do_not_weigh_as_they_are():
    array = np.full(GRID.shape, -700.0)
    array[10:12, 10:12, 10:12] = 1500.0
    array[20:22, 10:12, 10:12] = -3024.0
    found = lung_mass(ct(array), lungs())
    by_hand = (0.3 * (24000 - 16) + 1.1 * 8 + 0.0 * 8) * 0.24e-3
    assert found.mass_kg == pytest.approx(by_hand, rel=1e-6)


def test_a_linear_density_has_the_mass_of_its_middle():
    slices = np.linspace(-900, -500, GRID.shape[2])
    array = np.broadcast_to(slices, GRID.shape)
    assert lung_mass(ct(array), lungs()).mean_density_g_ml == pytest.approx(0.3, rel=1e-6)


@given(st.floats(-950, 0), st.floats(-950, 0))
def test_mass_of_two_halves_adds_up(front, back):
    array = np.full(GRID.shape, front)
    array[:, GRID.shape[1] // 2 :, :] = back
    found = lung_mass_kg(ct(array), lungs())
    by_hand = 2.88 * ((front + 1000) + (back + 1000)) / 1000
    assert found == pytest.approx(by_hand, rel=1e-5)


def test_a_segment_of_another_grid():
    # The segment on a coarser, shifted grid: a uniform CT weighs its volume.
    coarse = Grid.axis_aligned((12, 12, 12), (10.0, 9.0, 12.0), origin_mm=(-50.0, -45.0, -60.0))
    found = lung_mass(ct(np.full(GRID.shape, -800.0)), lungs(coarse, margin=2))
    assert found.volume_ml == pytest.approx(8**3 * 1.08)
    assert found.mass_kg == pytest.approx(8**3 * 1.08e-3 * 0.2, rel=1e-6)


def test_a_flipped_ct_weighs_the_same():
    rng = np.random.default_rng(7)
    array = rng.uniform(-900, -400, GRID.shape)
    affine = np.array(GRID.affine)
    affine[:3, 3] += affine[:3, 0] * (GRID.shape[0] - 1)
    affine[:3, 0] *= -1.0
    flipped = ct(array[::-1], Grid(GRID.shape, affine))
    assert lung_mass_kg(flipped, lungs()) == pytest.approx(lung_mass_kg(ct(array), lungs()), rel=1e-9)


def test_a_ct_that_cuts_the_lungs_off_is_refused():
    cut = ct(np.full((40, 30, 25), -700.0), Grid((40, 30, 25), GRID.affine))
    with pytest.raises(SegmentError, match=r"50\.0 % of the lungs lie outside the CT"):
        lung_mass(cut, lungs())


def test_a_sliver_outside_counts_with_the_rest():
    # 4 of 24 000 voxels beyond the CT: below 1 %, told, and of the mean density.
    mask = np.array(lungs().mask)
    affine = np.array(GRID.affine)
    wider = Grid((40, 30, 52), affine)
    mask = np.concatenate([mask, np.zeros((40, 30, 2), dtype=bool)], axis=2)
    mask[10:12, 10:12, 50] = True
    found = lung_mass(ct(np.full(GRID.shape, -700.0)), Segment("Lungs", Role.LUNGS, mask, wider))
    assert found.outside_fraction == pytest.approx(4 / 24004)
    assert found.mass_kg == pytest.approx(24004 * 0.24e-3 * 0.3, rel=1e-6)


def test_what_cannot_be_weighed_is_refused():
    with pytest.raises(CalibrationError, match="needs a CT"):
        lung_mass(ct(np.zeros(GRID.shape), quantity=Quantity.COUNTS), lungs())
    with pytest.raises(SegmentError, match="empty"):
        lung_mass(ct(np.zeros(GRID.shape)), Segment("Lungs", Role.LUNGS, np.zeros(GRID.shape, dtype=bool), GRID))
    with pytest.raises(SegmentError, match="air"):
        lung_mass(ct(np.full(GRID.shape, -1024.0)), lungs())


@pytest.mark.external
def test_lower_lobes_of_a_real_ct(external_data: Path):
    # Lower lobes of an automatic segmentation, on a CT without contrast that cuts them: a mean density that lungs can have
    # (0.15 to 0.5 g/mL, an assumption), and the same mass as by the sum over voxels.
    from ytterby.files.nifti import read_nifti, read_nifti_segments

    folder = external_data / "ct_liver_totalseg"
    volume = read_nifti(folder / "example_ct.nii.gz")
    volume = volume.with_array(volume.array, Quantity.HU)  # NIfTI does not say so
    for side in ("left", "right"):
        (segment,) = read_nifti_segments(folder / "masks_full" / f"lung_lower_lobe_{side}.nii.gz", labels={1: side})
        found = lung_mass(volume, segment)
        assert 0.15 < found.mean_density_g_ml < 0.5
        hu = np.asarray(volume.array, dtype=np.float64)[segment.mask]
        by_hand = np.clip((hu + 1000) / 1000, 0, 1.1).sum() * segment.grid.voxel_volume_ml / 1000
        assert found.mass_kg == pytest.approx(by_hand, rel=1e-6)
