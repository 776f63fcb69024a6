"""Geometric transfer matrix: closed form of a sphere, known truth of a simulated image, conservation, refusals."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ytterby.dosimetry.recovery import effective_fwhm_mm, equivalent_diameter_mm, gaussian_sphere_recovery
from ytterby.dosimetry.transfer import SURROUNDINGS, table_share, transfer_matrix
from ytterby.errors import DomainError, SegmentError
from ytterby.files.nrrd import read_nrrd, read_nrrd_segments
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume
from ytterby.virtual.scanner import expected_image

FWHM_MM, STEP_MM, IMAGE_MM = 12.0, 1.5, 4.42
GRID = Grid.axis_aligned((90, 90, 90), (STEP_MM,) * 3)
IMAGE = Grid.axis_aligned((36, 36, 36), (IMAGE_MM,) * 3)
LIVER_MM = 48.0


@cache
def ball(centre_mm: tuple[float, float, float], radius_mm: float, grid: Grid = GRID) -> np.ndarray:
    index = np.indices(grid.shape).reshape(3, -1).T
    return (np.linalg.norm(grid.positions_mm(index) - centre_mm, axis=1) <= radius_mm).reshape(grid.shape)


def tumour(name: str, centre_mm: tuple[float, float, float], radius_mm: float, grid: Grid = GRID) -> Segment:
    return Segment(name, Role.TUMOUR, ball(centre_mm, radius_mm, grid), grid)


def liver(grid: Grid = GRID) -> Segment:
    return Segment("liver", Role.LIVER, ball((0, 0, 0), LIVER_MM, grid), grid)


def image_of(truth: np.ndarray) -> Volume:
    """Noise-free image of a concentration on GRID; the scanner's voxels are part of its resolution."""
    sigma2 = (FWHM_MM / FWHM_PER_SIGMA) ** 2 - (IMAGE_MM**2 + STEP_MM**2) / 12.0
    values = expected_image(truth, GRID, fwhm_mm=FWHM_PER_SIGMA * np.sqrt(sigma2), scanner=IMAGE)
    return Volume((values * (STEP_MM / IMAGE_MM) ** 3).astype(np.float32), IMAGE, Quantity.COUNTS)


LESIONS = [
    tumour("L1", (10.3, -4.0, 2.0), 8.0),
    tumour("L2", (-20.0, 5.2, 6.0), 12.0),
    tumour("L3", (-3.0, 12.0, -20.0), 6.0),
]
TRUE = {"L1": 5.0, "L2": 3.0, "L3": 9.0, "liver": 1.0, SURROUNDINGS: 0.1}


def truth() -> np.ndarray:
    values = np.full(GRID.shape, TRUE[SURROUNDINGS])
    for segment in (liver(), *LESIONS):
        values[segment.mask] = TRUE[segment.name]
    return values


@pytest.mark.parametrize("step", [0.9, 1.5, 2.2, 3.0])
@pytest.mark.parametrize("radius", [5.0, 10.0, 20.0])
def test_the_diagonal_is_the_recovery_of_a_sphere(step: float, radius: float) -> None:
    grid = Grid.axis_aligned((int(104 / step),) * 3, (step,) * 3)
    lesion = tumour("L", (1.3, -0.7, 0.4), radius, grid)
    image = Volume(np.ones(IMAGE.shape, dtype=np.float32), IMAGE, Quantity.COUNTS)
    found = transfer_matrix(image, [lesion], [liver(grid)], fwhm_mm=FWHM_MM).recovery_coefficients[0]
    fwhm = effective_fwhm_mm(FWHM_MM, voxel_mm=IMAGE.spacing_mm)
    expected = gaussian_sphere_recovery(equivalent_diameter_mm(lesion.volume_ml), fwhm_mm=fwhm)
    assert found == pytest.approx(expected, rel=0.006)


def test_the_truth_of_a_noise_free_image_is_found_again() -> None:
    image = image_of(truth())
    transfer = transfer_matrix(image, LESIONS, [liver()], fwhm_mm=FWHM_MM)
    assert not transfer.refused
    for name, value in TRUE.items():
        row = transfer.names.index(name)
        assert transfer.corrected[row] == pytest.approx(value, rel=0.02, abs=0.01), name
    # Uncorrected they are far off.
    assert transfer.measured[2] < 0.45 * TRUE["L3"]
    assert transfer.matrix.sum(axis=1) == pytest.approx(np.ones(5))


def test_a_corrected_tumour_follows_from_its_shares() -> None:
    transfer = transfer_matrix(image_of(truth()), LESIONS, [liver()], fwhm_mm=FWHM_MM)
    for name in ("L1", "L2", "L3"):
        share = transfer.share_of(name)
        assert share is not None
        found = (
            share.surrounding_fraction + (share.measured_fraction - share.background_fraction) / share.recovery_fraction
        )
        assert found == pytest.approx(1.0, abs=1e-9)
        assert share.surrounding_fraction == pytest.approx(1.0 / TRUE[name], rel=0.03)


def test_a_uniform_liver_keeps_its_dose_and_the_energy_is_kept() -> None:
    alone = transfer_matrix(image_of(np.where(liver().mask, 1.0, 0.0)), [], [liver()], fwhm_mm=FWHM_MM)
    dose = alone.corrected_dose_gy("liver", denominator=["liver"], energy_gy_kg=50.0, density_g_ml=1.03)
    assert dose == pytest.approx(50.0 / (liver().volume_ml * 1.03e-3), rel=1e-6)
    assert alone.corrected[0] == pytest.approx(1.0, rel=2e-3)

    transfer = transfer_matrix(image_of(truth()), LESIONS, [liver()], fwhm_mm=FWHM_MM)
    names = transfer.names[:-1]
    energy = 0.0
    for row, name in enumerate(names):
        dose = transfer.corrected_dose_gy(name, denominator=names, energy_gy_kg=137.0, density_g_ml=1.03)
        assert dose is not None
        energy += dose * transfer.volumes_ml[row] * 1.03e-3
    assert energy == pytest.approx(137.0)


def test_the_image_may_be_in_any_unit_and_the_masks_may_be_mirrored() -> None:
    image = image_of(truth())
    one = transfer_matrix(image, LESIONS, [liver()], fwhm_mm=FWHM_MM)
    scaled = transfer_matrix(image.with_array(7.0 * image.array), LESIONS, [liver()], fwhm_mm=FWHM_MM)
    assert scaled.corrected == pytest.approx(7.0 * one.corrected, rel=1e-5)

    flip = GRID.affine @ np.array([[-1, 0, 0, GRID.shape[0] - 1], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    grid = Grid(GRID.shape, flip)
    moved = [Segment(s.name, s.role, s.mask[::-1].transpose(0, 2, 1), grid) for s in (*LESIONS, liver())]
    turned = transfer_matrix(image, moved[:-1], moved[-1:], fwhm_mm=FWHM_MM)
    # The working grid starts at another voxel: the rest of the division differs, no more.
    assert turned.corrected == pytest.approx(one.corrected, rel=0.01)


def test_what_the_image_cannot_show_or_tell_apart_is_refused_with_a_reason() -> None:
    image = image_of(truth())
    speck = tumour("speck", (0.0, -25.0, 0.0), 2.5)
    assert "hardly shows" in transfer_matrix(image, [speck], [liver()], fwhm_mm=FWHM_MM).refused["speck"]

    grid = GRID
    left = tumour("left", (0.0, 0.0, 0.0), 7.0)
    halves = [
        Segment("left", Role.TUMOUR, left.mask & (np.indices(grid.shape)[0] % 2 == 0), grid),
        Segment("right", Role.TUMOUR, left.mask & (np.indices(grid.shape)[0] % 2 == 1), grid),
    ]
    found = transfer_matrix(image, halves, [liver()], fwhm_mm=FWHM_MM)
    assert "cannot tell it from 'right'" in found.refused["left"]
    assert found.share_of("left") is None
    assert found.corrected_dose_gy("left", denominator=["liver"], energy_gy_kg=1.0, density_g_ml=1.0) is None

    cold = np.where(tumour("cold", (0.0, 0.0, 0.0), 8.0).mask, 0.0, 1.0)
    shown = image_of(cold).array - 0.05 * image_of(1.0 - cold).array
    negative = transfer_matrix(
        Volume(shown, IMAGE, Quantity.COUNTS), [tumour("cold", (0.0, 0.0, 0.0), 8.0)], [liver()], fwhm_mm=FWHM_MM
    )
    assert "surroundings explain" in negative.refused["cold"]


def test_a_tumour_without_tissue_round_it_is_refused() -> None:
    with pytest.raises(SegmentError, match="no tissue"):
        transfer_matrix(image_of(truth()), LESIONS, [], fwhm_mm=FWHM_MM)


def test_a_measured_coefficient_makes_the_same_shares() -> None:
    share = table_share("L", mean_gy=60.0, background_gy=20.0, recovery_fraction=0.5)
    assert share.measured_fraction == pytest.approx(0.6)
    found = share.surrounding_fraction + (share.measured_fraction - share.background_fraction) / share.recovery_fraction
    assert found == pytest.approx(1.0)
    with pytest.raises(DomainError):
        table_share("L", mean_gy=5.0, background_gy=20.0, recovery_fraction=0.5)


@pytest.mark.external
def test_a_real_image_is_corrected_and_keeps_its_energy(external_data: Path) -> None:
    folder = external_data / "maa_spect_patient2"
    read = read_nrrd(folder / "patient_2_SPECT.nrrd")
    image = Volume(np.maximum(read.array, 0).astype(np.float32), read.grid, Quantity.COUNTS)
    segments = {one.name: one for one in read_nrrd_segments(folder / "patient_2_Segmentation.seg.nrrd")}
    lesions = [segments["Tumor 1"], segments["Tumor 2"]]
    transfer = transfer_matrix(image, lesions, [segments["perfused volume"], segments["liver"]], fwhm_mm=FWHM_MM)
    names = transfer.names[:-1]
    assert not transfer.refused
    energy = 0.0
    for row, name in enumerate(names):
        dose = transfer.corrected_dose_gy(name, denominator=names, energy_gy_kg=188.1, density_g_ml=1.03)
        assert dose is not None
        energy += dose * transfer.volumes_ml[row] * 1.03e-3
    assert energy == pytest.approx(188.1)
    # Tumours of 60 mm in tissue of a fifth of their uptake lose about a fifth.
    assert transfer.corrected[:2] / transfer.measured[:2] == pytest.approx([1.2, 1.2], abs=0.05)
    assert float(np.nansum(transfer.volumes_ml)) == pytest.approx(segments["liver"].volume_ml, rel=1e-3)
