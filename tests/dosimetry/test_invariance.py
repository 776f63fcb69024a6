"""What must not change: a patient turned in space, arrays flipped or transposed, more activity, a liver cut into parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import numpy as np
import pytest

from ytterby.dosimetry.accuracy import Accuracy, assessed
from ytterby.dosimetry.case import ImagedSessions, case_dose
from ytterby.model.dose import CaseDose, DoseOptions, Engine
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Device, Session
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

BOTH = DoseOptions(49.67, 1.03, 1.0, Engine.LOCAL_DEPOSITION, (Engine.KERNEL,))
SESSION = Session("1", Device.GLASS, 3.0, datetime(2024, 3, 8, tzinfo=UTC), 0.01, 0.05)
SPECT = Grid.axis_aligned((30, 28, 26), (4.8, 4.4, 4.0))
CT = Grid.axis_aligned((64, 60, 50), (2.1, 2.0, 2.2), origin_mm=(-65.0, -60.0, -53.0))
FIGURES = ("mean_dose_gy", "sd_dose_gy", "d98_gy", "d70_gy", "d50_gy", "d2_gy", "v100gy_fraction")


def ellipsoid(grid: Grid, centre: tuple[float, ...], radii: tuple[float, ...]) -> FloatArray:
    positions = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T)
    far = ((positions - np.array(centre)) / np.array(radii)) ** 2
    return (far.sum(axis=1) <= 1.0).reshape(grid.shape)


MASKS = {
    ("liver", Role.LIVER): ellipsoid(CT, (0, 0, 0), (48, 42, 36)),
    ("one", Role.TUMOUR): ellipsoid(CT, (20, 5, 4), (13, 11, 12)),
    ("two", Role.TUMOUR): ellipsoid(CT, (-22, -6, -3), (9, 12, 10)),
}
COUNTS = np.where(ellipsoid(SPECT, (0, 0, 0), (50, 44, 38)), 100.0, 2.0) + 400.0 * np.exp(
    -((SPECT.positions_mm(np.indices(SPECT.shape).reshape(3, -1).T) - np.array((20.0, 5.0, 4.0))) ** 2).sum(axis=1)
    / 300.0
).reshape(SPECT.shape)


def dosed(
    spect: Grid, counts: FloatArray, ct: Grid, masks: dict[tuple[str, Role], FloatArray], session: Session = SESSION
) -> CaseDose:
    segments = [Segment(name, role, mask, ct) for (name, role), mask in masks.items()]
    image = Volume(np.ascontiguousarray(counts), spect, Quantity.COUNTS)
    found = case_dose("P", [ImagedSessions(image, (session,), 64.1)], segments, options=BOTH)
    return assessed(found, Accuracy(fwhm_mm=10.0)).dose


STRAIGHT = dosed(SPECT, COUNTS, CT, MASKS)


def assert_same(found: CaseDose, *, rel: float) -> None:
    for row, straight in zip((*found.doses, *found.compared), (*STRAIGHT.doses, *STRAIGHT.compared), strict=True):
        for name in FIGURES:
            assert getattr(row, name) == pytest.approx(getattr(straight, name), rel=rel, abs=1e-3), (row.segment, name)
        if straight.corrected_mean_dose_gy is not None:
            assert row.corrected_mean_dose_gy == pytest.approx(straight.corrected_mean_dose_gy, rel=10 * rel)


def turned(grid: Grid, rotation: FloatArray) -> Grid:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    return Grid(grid.shape, matrix @ grid.affine)


def test_a_patient_turned_in_space_has_the_same_doses() -> None:
    a, b = np.deg2rad(23.0), np.deg2rad(-37.0)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    about_x = np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    rotation = about_z @ about_x
    assert_same(dosed(turned(SPECT, rotation), COUNTS, turned(CT, rotation), MASKS), rel=1e-5)


@pytest.mark.parametrize("order", list(permutations((0, 1, 2)))[1:])
def test_the_order_of_the_axes_does_not_matter(order: tuple[int, int, int]) -> None:
    def reordered(grid: Grid) -> Grid:
        affine = grid.affine.copy()
        affine[:3, :3] = grid.affine[:3, list(order)]
        return Grid((grid.shape[order[0]], grid.shape[order[1]], grid.shape[order[2]]), affine)

    masks = {key: np.ascontiguousarray(mask.transpose(order)) for key, mask in MASKS.items()}
    assert_same(dosed(reordered(SPECT), COUNTS.transpose(order), reordered(CT), masks), rel=1e-5)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_slices_in_any_direction_give_the_same_doses(axes: tuple[int, ...]) -> None:
    def flipped(grid: Grid) -> Grid:
        affine = grid.affine.copy()
        for axis in axes:
            affine[:3, 3] += affine[:3, axis] * (grid.shape[axis] - 1)
            affine[:3, axis] *= -1
        return Grid(grid.shape, affine)

    masks = {key: np.ascontiguousarray(np.flip(mask, axes)) for key, mask in MASKS.items()}
    # The image alone, the masks alone, and both: everything goes by affine.
    assert_same(dosed(flipped(SPECT), np.flip(COUNTS, axes), CT, MASKS), rel=1e-5)
    assert_same(dosed(SPECT, COUNTS, flipped(CT), masks), rel=1e-5)


def test_every_dose_is_linear_in_the_activity() -> None:
    twice = dosed(SPECT, COUNTS, CT, MASKS, replace(SESSION, administered_activity_gbq=6.0))
    for row, straight in zip((*twice.doses, *twice.compared), (*STRAIGHT.doses, *STRAIGHT.compared), strict=True):
        for name in ("mean_dose_gy", "sd_dose_gy", "d98_gy", "d2_gy"):
            assert getattr(row, name) == pytest.approx(2 * getattr(straight, name), rel=1e-5)
    assert twice.of("one").corrected_mean_dose_gy == pytest.approx(2 * (STRAIGHT.of("one").corrected_mean_dose_gy or 0))


def test_the_parts_of_the_liver_add_up_to_it_by_both_engines() -> None:
    for rows in (STRAIGHT.doses, STRAIGHT.compared):
        by_name = {row.segment: row for row in rows}
        whole = by_name["liver"]
        parts = [by_name[name] for name in ("one", "two", "normal_liver")]
        assert sum(part.mass_kg for part in parts) == pytest.approx(whole.mass_kg)
        energy_gy_kg = sum(part.mean_dose_gy * part.mass_kg for part in parts)
        assert energy_gy_kg == pytest.approx(whole.mean_dose_gy * whole.mass_kg, rel=1e-9)
    assert STRAIGHT.of("liver").mean_dose_gy * STRAIGHT.of("liver").mass_kg == pytest.approx(
        49.67 * SESSION.liver_activity_gbq, rel=1e-9
    )
