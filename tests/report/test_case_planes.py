"""Planes of the case report: left is left, feet are at the bottom, whatever the axes of the volume."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ytterby.model.dose import ActivityBalance, CaseDose, DoseOptions, SegmentDose
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.report.case_panels import contours
from ytterby.report.case_planes import (
    Region,
    display_region,
    focus_mm,
    planes_through,
    sample_mask,
    sample_volume,
)

REGION = Region((-150.0, -140.0, -130.0), (150.0, 140.0, 130.0))
SHAPE = (61, 57, 53)
SPACING = (5.0, 5.5, 6.0)


def rotation(axis: int, degrees: float) -> FloatArray:
    turn = np.eye(3)
    a, b = (n for n in range(3) if n != axis)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn


def centred(directions: FloatArray) -> Grid:
    """A grid centred on (0, 0, 0) whose axes run along the columns of ``directions``."""
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag(SPACING)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return Grid(SHAPE, affine)


DIRECTIONS = {
    "along LPS": np.eye(3),
    "right to left reversed": np.diag([-1.0, 1.0, 1.0]),
    "RAS, slices from head to feet": np.diag([-1.0, -1.0, -1.0]),
    "axes exchanged": np.eye(3)[:, [2, 0, 1]],
    "axes exchanged and reversed": np.eye(3)[:, [1, 2, 0]] @ np.diag([1.0, -1.0, -1.0]),
    "oblique": rotation(2, 25.0) @ rotation(0, -18.0),
    "oblique and reversed": rotation(1, 12.0) @ rotation(2, -31.0) @ np.diag([-1.0, 1.0, -1.0]),
}


def distances_mm(grid: Grid, centre_mm: tuple[float, float, float]) -> FloatArray:
    positions = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T) - np.array(centre_mm)
    return np.linalg.norm(positions, axis=1).reshape(grid.shape)


def spot(grid: Grid, centre_mm: tuple[float, float, float], *, radius_mm: float = 10.0) -> Volume:
    return Volume(np.exp(-((distances_mm(grid, centre_mm) / radius_mm) ** 2)), grid, Quantity.COUNTS)


def ball(grid: Grid, centre_mm: tuple[float, float, float], radius_mm: float, role: Role, name: str) -> Segment:
    return Segment(name, role, distances_mm(grid, centre_mm) <= radius_mm, grid)


def peak(values: FloatArray) -> tuple[float, float]:
    """Row and column of the hottest pixel as fractions of the picture: 0 is top and left."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return row / (values.shape[0] - 1), column / (values.shape[1] - 1)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_patients_left_is_on_the_right_and_the_feet_are_at_the_bottom(name: str) -> None:
    left_anterior_feet = (60.0, -50.0, -70.0)
    volume = spot(centred(DIRECTIONS[name]), left_anterior_feet)
    axial, coronal, sagittal = planes_through(left_anterior_feet, REGION)
    row, column = peak(sample_volume(volume, axial))
    assert column > 0.6, "left of the patient is on the viewer's right"
    assert row < 0.4, "anterior is at the top of the axial plane"
    row, column = peak(sample_volume(volume, coronal))
    assert column > 0.6
    assert row > 0.7, "feet are at the bottom of the coronal plane"
    row, column = peak(sample_volume(volume, sagittal))
    assert column < 0.4, "anterior is at the left of the sagittal plane"
    assert row > 0.7


def test_letters_stand_at_the_edges_that_they_name() -> None:
    towards = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
    for plane in planes_through((0.0, 0.0, 0.0), REGION):
        left, right, bottom, top = plane.edges_mm
        axis, sign = towards[plane.view.right]
        assert axis == plane.view.across_axis
        assert (right - left) * sign > 0
        assert towards[plane.view.left] == (axis, -sign)
        axis, sign = towards[plane.view.top]
        assert axis == plane.view.down_axis
        assert (top - bottom) * sign > 0
        assert towards[plane.view.bottom] == (axis, -sign)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_linear_field_is_sampled_exactly(name: str) -> None:
    grid = centred(DIRECTIONS[name])
    positions = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T).reshape(*grid.shape, 3)
    volume = Volume(positions @ np.array([2.0, -3.0, 0.5]) + 7.0, grid, Quantity.OTHER)
    for plane in planes_through((11.0, -7.0, 23.0), Region((-60.0, -60.0, -60.0), (60.0, 60.0, 60.0))):
        point = np.empty((*plane.shape, 3))
        point[..., plane.view.normal_axis] = plane.position_mm
        point[..., plane.view.across_axis] = plane.across_mm[None, :]
        point[..., plane.view.down_axis] = plane.down_mm[:, None]
        expected = point @ np.array([2.0, -3.0, 0.5]) + 7.0
        assert sample_volume(volume, plane) == pytest.approx(expected, abs=2e-4)


def test_beyond_the_field_of_view_stands_what_was_asked_for() -> None:
    grid = Grid.axis_aligned((4, 4, 4), (10.0, 10.0, 10.0))  # outer faces at +-20 mm
    volume = Volume(np.full(grid.shape, 5.0), grid, Quantity.HU)
    axial = planes_through((0.0, 0.0, 0.0), REGION)[0]
    values = sample_volume(volume, axial, outside=-1000.0)
    inside = (np.abs(axial.down_mm) <= 20)[:, None] & (np.abs(axial.across_mm) <= 20)[None, :]
    assert np.all(values[inside] == 5.0)
    assert np.all(values[~inside] == -1000.0)
    beyond = planes_through((0.0, 0.0, 90.0), REGION)[0]
    assert np.all(sample_volume(volume, beyond, outside=-1000.0) == -1000.0)


def enclosed_mm2(line: FloatArray) -> float:
    x, y = line[:, 0], line[:, 1]
    return abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))) / 2


@settings(max_examples=10)
@given(turn=st.floats(-40, 40), tilt=st.floats(-40, 40), radius_mm=st.floats(25, 60))
def test_the_outline_of_a_ball_encloses_its_section(turn: float, tilt: float, radius_mm: float) -> None:
    grid = centred(rotation(2, turn) @ rotation(0, tilt))
    segment = ball(grid, (10.0, 5.0, -8.0), radius_mm, Role.TUMOUR, "ball")
    for plane in planes_through((10.0, 5.0, -8.0), REGION):
        (line,) = contours(plane, sample_mask(segment, plane), 0.5)
        assert enclosed_mm2(line) == pytest.approx(math.pi * radius_mm**2, rel=0.12)
        assert line[0] == pytest.approx(line[-1])


def test_the_region_is_the_liver_and_three_centimetres() -> None:
    grid = Grid.axis_aligned((40, 40, 40), (5.0, 5.0, 5.0))
    mask = np.zeros(grid.shape, dtype=np.bool_)
    mask[10:20, 12:30, 5:15] = True
    lungs = np.zeros(grid.shape, dtype=np.bool_)
    lungs[:, :, 30:] = True
    segments = [Segment("lungs", Role.LUNGS, lungs, grid), Segment("liver", Role.LIVER, mask, grid)]
    region = display_region(segments, grid)
    low, high = grid.positions_mm([[9.5, 11.5, 4.5], [19.5, 29.5, 14.5]])
    assert region.lower_mm == pytest.approx(tuple(low - 30.0))
    assert region.upper_mm == pytest.approx(tuple(high + 30.0))
    whole = display_region([], grid)
    assert whole.upper_mm == pytest.approx((100.0, 100.0, 100.0))


def test_a_vast_region_is_shown_coarser() -> None:
    planes = planes_through((0.0, 0.0, 0.0), Region((-2000.0, -2000.0, -9000.0), (2000.0, 2000.0, 9000.0)))
    assert max(max(plane.shape) for plane in planes) <= 421
    assert len({round(plane.pixel_mm, 6) for plane in planes}) == 1


def case_dose(*rows: tuple[str, Role, float]) -> CaseDose:
    doses = tuple(
        SegmentDose(name, role, "imported", 10.0, 0.0103, 0.1, mean, "local_deposition") for name, role, mean in rows
    )
    return CaseDose("P1", DoseOptions(49.67, 1.03, 1.0), doses, (), ActivityBalance(1.0, 0.0, 1.0, 0.0, 0.0), (), ())


def test_planes_go_through_the_hottest_tumour() -> None:
    grid = centred(DIRECTIONS["oblique"])
    segments = [
        ball(grid, (-40.0, 0.0, 0.0), 70.0, Role.LIVER, "liver"),
        ball(grid, (-60.0, 10.0, 20.0), 15.0, Role.TUMOUR, "cool"),
        ball(grid, (-20.0, -30.0, -25.0), 15.0, Role.TUMOUR, "hot"),
    ]
    dose_map = spot(grid, (50.0, 60.0, 70.0))
    dose = case_dose(("liver", Role.LIVER, 900.0), ("cool", Role.TUMOUR, 100.0), ("hot", Role.TUMOUR, 300.0))
    assert focus_mm(dose, segments, dose_map) == pytest.approx((-20.0, -30.0, -25.0), abs=4.0)
    assert focus_mm(case_dose(), segments[:1], dose_map) == pytest.approx((-40.0, 0.0, 0.0), abs=4.0)
    assert focus_mm(case_dose(), [], dose_map) == pytest.approx((50.0, 60.0, 70.0), abs=4.0)


def test_a_hollow_tumour_is_cut_through_its_wall() -> None:
    grid = Grid.axis_aligned((41, 41, 41), (2.0, 2.0, 2.0))
    far = distances_mm(grid, (0.0, 0.0, 0.0))
    shell = Segment("shell", Role.TUMOUR, (far > 20) & (far < 26), grid)
    point = focus_mm(case_dose(("shell", Role.TUMOUR, 50.0)), [shell], spot(grid, (0.0, 0.0, 0.0)))
    assert 20 < np.linalg.norm(point) < 26
