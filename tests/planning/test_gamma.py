"""Gamma index: the closed form on a shifted ramp, the limits of its two criteria, grids that are turned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ytterby.errors import DomainError, GeometryError
from ytterby.model.volume import Grid, Quantity, Volume
from ytterby.planning.gamma import GammaCriterion, gamma_index, gamma_result

GRADIENT_GY_MM = 2.0


def turned(angle: float) -> Grid:
    affine = Grid.axis_aligned((25, 25, 9), (3.0, 3.0, 4.0)).affine.copy()
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
    affine[:3] = turn @ affine[:3]
    return Grid((25, 25, 9), affine)


def ramp(grid: Grid, shift_mm: float) -> Volume:
    x = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T)[:, 0].reshape(grid.shape)
    return Volume(300.0 + GRADIENT_GY_MM * (x - shift_mm), grid, Quantity.DOSE)


def middle(grid: Grid) -> np.ndarray:
    where = np.zeros(grid.shape, dtype=np.bool_)
    where[7:18, 7:18, 3:6] = True
    return where


@pytest.mark.parametrize("angle", [0.0, 0.5])
@pytest.mark.parametrize("shift_mm", [0.0, 1.0, 3.0, 6.0])
def test_a_shifted_ramp_has_the_closed_form(angle: float, shift_mm: float) -> None:
    grid = turned(angle)
    dose_gy, distance_mm = 8.0, 5.0
    found = gamma_index(
        ramp(grid, 0.0), ramp(grid, shift_mm), where=middle(grid), dose_gy=dose_gy, distance_mm=distance_mm
    )
    # Distance of a point to a line in the space of dose over its criterion and distance over its own.
    expected = GRADIENT_GY_MM * shift_mm / math.hypot(dose_gy, GRADIENT_GY_MM * distance_mm)
    assert found.shape == (11 * 11 * 3,)
    # Places lie a fifth of the distance apart: the least may be missed by half a step along the gradient, and only upwards.
    half_step = 0.1
    missed = half_step**2 * (1.0 + (GRADIENT_GY_MM * distance_mm / dose_gy) ** 2)
    assert (found >= expected - 1e-9).all()
    assert (found**2 <= expected**2 + missed + 1e-9).all()


def test_without_a_gradient_only_the_dose_counts() -> None:
    grid = turned(0.0)
    flat = Volume(np.full(grid.shape, 100.0), grid, Quantity.DOSE)
    higher = flat.with_array(flat.array + 6.0)
    found = gamma_index(flat, higher, where=middle(grid), dose_gy=4.0, distance_mm=5.0)
    assert found == pytest.approx(1.5)


def test_the_share_that_passes_is_global() -> None:
    grid = turned(0.0)
    array = np.full(grid.shape, 100.0)
    array[9, 9, 4] = 200.0
    reference = Volume(array, grid, Quantity.DOSE)
    evaluated = reference.with_array(array + 15.0)
    where = middle(grid)
    passing = gamma_result(reference, evaluated, where=where, criterion=GammaCriterion(0.10, 2.0))
    assert passing is not None
    assert (passing.dose_gy, passing.n_voxels) == (20.0, 363)  # 10 % of 200 Gy, not of each voxel's own dose
    assert passing.passing_fraction == 1.0
    failing = gamma_result(reference, evaluated, where=where, criterion=GammaCriterion(0.05, 0.5))
    assert failing is not None
    assert failing.passing_fraction < 0.05


def test_no_voxel_and_no_dose_have_no_share() -> None:
    grid = turned(0.0)
    nothing = Volume(np.zeros(grid.shape), grid, Quantity.DOSE)
    criterion = GammaCriterion(0.1, 3.0)
    assert gamma_result(nothing, nothing, where=middle(grid), criterion=criterion) is None
    assert gamma_result(ramp(grid, 0), nothing, where=np.zeros(grid.shape, dtype=np.bool_), criterion=criterion) is None


def test_what_is_refused() -> None:
    one, other = ramp(turned(0.0), 0.0), ramp(turned(0.5), 0.0)
    with pytest.raises(GeometryError, match="different grids"):
        gamma_index(one, other, where=middle(one.grid), dose_gy=1.0, distance_mm=1.0)
    with pytest.raises(DomainError, match="distance_mm must be above 0"):
        gamma_index(one, one, where=middle(one.grid), dose_gy=1.0, distance_mm=0.0)
