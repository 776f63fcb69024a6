"""Vials against days: activity, spheres, windows (physics.md, sections 3 and oracle 3), and clocks that are changed."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from ytterby.errors import CalibrationError, DomainError
from ytterby.model.segment import Role
from ytterby.model.treatment import Device
from ytterby.physics.devices import MICROSPHERES
from ytterby.planning.models import PlanModel, PlannedSession, RegionDosePerGbq, plan_models
from ytterby.planning.plan import model_plan
from ytterby.planning.prescribe import activity_window, treatment_window
from ytterby.planning.targets import Aim, PlanQuantity
from ytterby.planning.vials import TreatmentMoment, elapsed_hours, moments_after, vial_table

Q = PlanQuantity
BERLIN = ZoneInfo("Europe/Berlin")
GLASS = MICROSPHERES[Device.GLASS]


def perfused_plan(limits=(), device=Device.GLASS):
    """120 Gy in 1735.4 mL at K 50, density 1.03, F 0.029, R 0.01: 4.46266 GBq (physics.md, 2.1)."""
    mass_kg = 1735.4 * 1.03 / 1000
    arrived = 0.971 * 0.99
    whole = RegionDosePerGbq("p", Role.PERFUSED, 1735.4, mass_kg, 50 * arrived / mass_kg, arrived)
    session = PlannedSession("1", device, (), whole, None, None, 50.0, 0.029, 0.01, 1.0, 0.0, 1735.4)
    models = {one.model: one for one in plan_models(session)}
    return model_plan(models[PlanModel.SINGLE_COMPARTMENT], [Aim(Q.PERFUSED, 120)], limits=limits)


def table(plan, *, vials=(3, 5, 10), tolerance=0.1, spheres=GLASS, moments=None):
    return vial_table(
        plan,
        spheres,
        vials_gbq=vials,
        moments=moments or moments_after(288, calibrated_at=None),
        tolerance_fraction=tolerance,
        latest_hours=288,
    )


def test_the_worked_activity():
    assert round(perfused_plan().activity_gbq, 5) == 4.46266


def test_the_worked_windows():
    small, middle, large = table(perfused_plan()).rows
    assert not small.window.feasible
    assert [round(hours, 2) for hours in (small.window.from_hours, small.window.to_hours)] == [-45.54, -26.98]
    assert [round(hours, 2) for hours in (middle.window.from_hours, middle.window.to_hours)] == [1.70, 20.26]
    assert [round(hours, 2) for hours in (large.window.from_hours, large.window.to_hours)] == [65.80, 84.36]
    assert round(large.window.nominal_hours, 2) == 74.61


def test_days_of_the_grid_lie_in_the_window():
    rows = table(perfused_plan()).rows
    for row in rows:
        for day in row.days:
            inside = row.window.feasible and row.window.from_hours <= day.hours <= row.window.to_hours
            assert day.in_window is inside
            assert bool(day.reason) is not inside
    # 10 GBq on day 3: 10 x 2^(-72 / 64.1) = 4.59060 GBq, 123.44 Gy.
    day = rows[2].days[3]
    assert day.in_window
    assert round(day.activity_gbq, 4) == 4.5906
    assert day.doses[0].value == pytest.approx(120 * 4.590600 / 4.46266, rel=1e-5)


def test_spheres_of_glass_vials():
    # 2500 Bq a sphere at calibration: 3 GBq are 1.2 million, 20 GBq 8 million; the number stays, the activity of each falls.
    found = table(perfused_plan(), vials=(3, 5, 7, 10, 15, 20))
    assert [row.spheres for row in found.rows] == [1_200_000, 2_000_000, 2_800_000, 4_000_000, 6_000_000, 8_000_000]
    for row in found.rows:
        assert {day.spheres for day in row.days} == {row.spheres}
    expected = [2500, 1928.5, 1487.7, 1147.7, 885.3, 683.0, 526.8, 406.4, 313.5, 241.9, 186.6, 143.9, 111.0]
    assert [round(day.activity_per_sphere_bq, 1) for day in found.rows[0].days] == expected


def test_a_limit_cuts_the_window():
    plan = perfused_plan([Aim(Q.PERFUSED, 125)])
    [row] = table(plan, vials=(10,)).rows
    at_start = 10 * 2 ** (-row.window.from_hours / 64.1)
    assert at_start == pytest.approx(plan.limit_activity_gbq)
    assert row.window.to_hours == pytest.approx(84.36, abs=0.005)
    early = table(plan, vials=(10,), moments=(TreatmentMoment(2, 67.0), TreatmentMoment(3, 71.0))).rows[0].days
    assert [(day.in_window, day.reason) for day in early] == [(False, "passes a limit"), (True, "")]


def test_without_a_tolerance_targets_and_limits_are_the_window():
    plan = perfused_plan([Aim(Q.PERFUSED, 150)])
    [row] = table(plan, vials=(10,), tolerance=None).rows
    assert row.window.to_hours == pytest.approx(74.61, abs=0.005)
    assert 10 * 2 ** (-row.window.from_hours / 64.1) == pytest.approx(1.25 * 4.46266, rel=1e-5)
    conflict = perfused_plan([Aim(Q.PERFUSED, 100)])
    [row] = table(conflict, vials=(10,), tolerance=None).rows
    assert row.window is None
    assert not any(day.in_window for day in row.days)
    # With a tolerance the vial is chosen for the activity of the plan, which the limit gives.
    [row] = table(conflict, vials=(10,)).rows
    assert row.window.from_hours == pytest.approx(64.1 * math.log2(1.2) + 74.61, abs=0.01)


def test_a_vial_is_not_given_before_calibration_or_after_the_shelf_life():
    moments = (TreatmentMoment(0, -0.5), TreatmentMoment(12, 289.0))
    days = table(perfused_plan(), vials=(4.46266, 101.0), moments=moments).rows
    assert [day.reason for day in days[0].days] == ["before calibration", "after the shelf life"]
    assert [day.reason for day in days[1].days] == ["before calibration", "after the shelf life"]


def test_vials_made_to_measure():
    found = table(perfused_plan(), vials=())
    made = MICROSPHERES[Device.GLASS].custom_vials
    assert made is not None
    orders = 0
    for moment, order in zip(found.moments, found.orders_gbq, strict=True):
        exact = found.wanted_gbq * 2 ** (moment.hours / 64.1)
        if order is None:
            assert not made.least_gbq <= exact <= made.greatest_gbq
        else:
            assert order == pytest.approx(exact)
            orders += 1
    assert 0 < orders < len(found.moments)
    late = (TreatmentMoment(0, -7.0), TreatmentMoment(20, 480.0))
    assert table(perfused_plan(), vials=(), moments=late).orders_gbq == (None, None)
    assert found.rows == ()


def test_resin_is_drawn_from_its_vial():
    resin = MICROSPHERES[Device.RESIN]
    plan = perfused_plan(device=Device.RESIN)
    moments = (TreatmentMoment(0, 0.0), TreatmentMoment(1, 24.0))
    found = vial_table(plan, resin, vials_gbq=(3.0, 5.0), moments=moments, tolerance_fraction=0.1, latest_hours=24.0)
    small, large = found.rows
    assert [day.reason for day in small.days] == ["too little", "too little"]
    assert [day.in_window for day in large.days] == [True, False]
    assert large.days[0].given_gbq == plan.activity_gbq
    assert large.days[0].doses[0].value == pytest.approx(120)
    assert large.days[0].spheres == round(plan.activity_gbq * 1e9 / 50)
    assert large.window is None


def test_clocks_that_are_changed_do_not_change_hours():
    # In Berlin the clocks went forward on 31 March 2024: noon to noon are 23 hours.
    before, after = datetime(2024, 3, 30, 12, tzinfo=BERLIN), datetime(2024, 3, 31, 12, tzinfo=BERLIN)
    assert elapsed_hours(before, after) == 23.0
    assert elapsed_hours(datetime(2024, 10, 26, 12, tzinfo=BERLIN), datetime(2024, 10, 27, 12, tzinfo=BERLIN)) == 25.0
    moments = moments_after(48, calibrated_at=before)
    assert [moment.moment.hour for moment in moments] == [12, 13, 13]
    assert [elapsed_hours(before, moment.moment) for moment in moments] == [0.0, 24.0, 48.0]
    with pytest.raises(CalibrationError):
        elapsed_hours(datetime(2024, 3, 30, 12), after)


def test_only_some_days():
    assert [one.hours for one in moments_after(288, calibrated_at=None, days=(2, 7))] == [48.0, 168.0]
    assert len(moments_after(288, calibrated_at=None)) == 13
    with pytest.raises(DomainError):
        moments_after(1e6, calibrated_at=None)


def test_windows_of_bounds():
    bounds = {"half_life_hours": 64.1, "latest_hours": 288.0}
    open_window = activity_window(10, 4, least_gbq=None, most_gbq=None, **bounds)
    assert (open_window.from_hours, open_window.to_hours) == (0.0, 288.0)
    same = activity_window(10, 4, least_gbq=3.6, most_gbq=4.4, **bounds)
    toleranced = treatment_window(10, 4, tolerance_fraction=0.1, **bounds)
    assert (same.from_hours, same.to_hours) == pytest.approx((toleranced.from_hours, toleranced.to_hours))
    with pytest.raises(DomainError, match="no vial can hold both"):
        activity_window(10, 4, least_gbq=5, most_gbq=4, **bounds)
    with pytest.raises(DomainError, match="less than the wanted"):
        treatment_window(10, 4, tolerance_fraction=0.1, most_gbq=3, **bounds)


@pytest.mark.parametrize("activity_gbq", [0.0, None])
def test_no_activity_has_no_vial(activity_gbq):
    with pytest.raises(DomainError, match="the prescribed activity must be above 0"):
        table(replace(perfused_plan(), activity_gbq=activity_gbq))
