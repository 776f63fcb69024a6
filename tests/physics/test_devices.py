"""Microspheres against the reference table (physics.md, section 3)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError, MissingMeasurement
from ytterby.model.treatment import Device
from ytterby.physics.devices import (
    MICROSPHERES,
    Supply,
    VialRange,
    activity_per_sphere_bq,
    drawn_fraction,
    specific_activity_by_day,
    sphere_count,
    sphere_mass_kg,
    spheres_mass_kg,
)

GLASS = MICROSPHERES[Device.GLASS]
RESIN = MICROSPHERES[Device.RESIN]
HOLMIUM = MICROSPHERES[Device.HOLMIUM]
# physics.md section 3: Bq a sphere, days 0 to 12.
DAILY_BQ = (2500, 1928.5, 1487.7, 1147.7, 885.3, 683.0, 526.8, 406.4, 313.5, 241.9, 186.6, 143.9, 111.0)


@pytest.mark.parametrize(("day", "activity_bq"), list(enumerate(DAILY_BQ)))
def test_activity_of_a_glass_sphere_by_day(day, activity_bq):
    assert round(activity_per_sphere_bq(GLASS, hours=24.0 * day), 1) == activity_bq


@pytest.mark.parametrize(("vial", "spheres"), [(3, 1.2e6), (5, 2e6), (7, 2.8e6), (10, 4e6), (15, 6e6), (20, 8e6)])
def test_spheres_of_a_glass_vial(vial, spheres):
    assert vial in GLASS.vial_sizes_gbq
    assert sphere_count(GLASS, vial, hours=0) == pytest.approx(spheres, rel=1e-12)  # physics.md section 3


@given(st.floats(0.1, 20), st.floats(0, 288))
def test_number_of_spheres_of_a_vial_is_constant(vial_gbq, hours):
    later_gbq = vial_gbq * activity_per_sphere_bq(GLASS, hours=hours) / GLASS.activity_per_sphere_bq
    assert sphere_count(GLASS, later_gbq, hours=hours) == pytest.approx(sphere_count(GLASS, vial_gbq, hours=0))


def test_every_device_names_its_source_and_assumptions():
    assert set(MICROSPHERES) == set(Device)
    for spheres in MICROSPHERES.values():
        assert "doi:" in spheres.source
        assert spheres.assumptions


def test_an_unstated_shelf_life_is_not_invented():
    with pytest.raises(MissingMeasurement, match="shelf life"):
        MICROSPHERES[Device.HOLMIUM].require_shelf_life_hours()
    assert GLASS.require_shelf_life_hours() == 288.0


def test_the_table_can_be_edited():
    custom = replace(GLASS, vial_sizes_gbq=(3.5,))
    assert custom.vial_sizes_gbq == (3.5,)
    assert MICROSPHERES[Device.GLASS].vial_sizes_gbq[0] == 3.0


# ---------------------------------------------------------------- masses


def test_glass_spheres_a_milligram_are_within_the_insert_s_range():
    # physics.md section 3: 22 000 to 73 000 spheres a milligram.
    assert 22_000 < 1e-6 / sphere_mass_kg(GLASS) < 73_000


def test_mass_of_a_glass_vial_is_near_the_published_one():
    # physics.md section 3: 4 million spheres, 110 mg. 10 GBq hold 4 million; the middle diameter gives 104.7 mg.
    mass_mg = 1e6 * spheres_mass_kg(GLASS, 10, hours=0)
    assert round(mass_mg, 1) == 104.7
    assert mass_mg == pytest.approx(110, rel=0.06)


def test_a_sphere_weighs_density_times_volume():
    by_hand = 1.6e-3 * math.pi / 6 * 0.0325**3  # g/mm3 x mm3
    assert sphere_mass_kg(RESIN) == pytest.approx(by_hand / 1000, rel=1e-12)


@given(st.floats(0.1, 20), st.floats(0, 288))
def test_mass_of_a_vial_does_not_decay(vial_gbq, hours):
    later_gbq = vial_gbq * activity_per_sphere_bq(GLASS, hours=hours) / GLASS.activity_per_sphere_bq
    assert spheres_mass_kg(GLASS, later_gbq, hours=hours) == pytest.approx(spheres_mass_kg(GLASS, vial_gbq, hours=0))


# ---------------------------------------------------------------- by day


def test_specific_activity_by_day():
    rows = specific_activity_by_day(GLASS, last_day=12)
    assert [row.day for row in rows] == list(range(13))
    assert [round(row.activity_per_sphere_bq, 1) for row in rows] == list(DAILY_BQ)
    for row in rows:
        assert row.spheres_per_gbq * row.activity_per_sphere_bq == pytest.approx(1e9)
        assert row.activity_per_mg_bq * sphere_mass_kg(GLASS) * 1e6 == pytest.approx(row.activity_per_sphere_bq)


def test_a_second_week_needs_more_spheres():
    # physics.md section 3: the number is constant over time, so that a later day takes a larger vial, with more spheres.
    rows = specific_activity_by_day(GLASS, last_day=8)
    assert rows[8].spheres_per_gbq / rows[1].spheres_per_gbq == pytest.approx(2 ** (7 * 24 / 64.1))


@pytest.mark.parametrize("last_day", [-1, 400])
def test_days_out_of_range(last_day):
    with pytest.raises(DomainError, match="last_day"):
        specific_activity_by_day(GLASS, last_day=last_day)


# ---------------------------------------------------------------- vials


def test_custom_vials_of_glass():
    # physics.md section 3: custom vials from 3 to 20 GBq in steps of 0.5 GBq (an assumption there too).
    sizes = GLASS.custom_vials.sizes_gbq
    assert len(sizes) == 35
    assert (sizes[0], sizes[1], sizes[-1]) == (3.0, 3.5, 20.0)
    assert set(GLASS.vial_sizes_gbq) <= set(sizes)


@given(st.integers(1, 40), st.integers(0, 100), st.sampled_from([0.05, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0]))
def test_a_range_ends_at_its_greatest_size(least, steps, step):
    sizes = VialRange(least * step, (least + steps) * step, step).sizes_gbq
    assert len(sizes) == steps + 1
    assert sizes[-1] == pytest.approx((least + steps) * step)


@pytest.mark.parametrize("sides", [(5, 3, 0.5), (3, 20, 0), (0, 20, 1), (1, 1e6, 0.1)])
def test_ranges_that_are_none(sides):
    with pytest.raises(DomainError):
        VialRange(*sides)


def test_a_resin_dose_is_drawn_from_its_vial():
    assert drawn_fraction(RESIN, 1.5, vial_gbq=3.0, hours=0) == 0.5
    # A day later the same dose takes more of it: 2^(24 / 64.1) times.
    assert drawn_fraction(RESIN, 1.5, vial_gbq=3.0, hours=24) == pytest.approx(0.5 / 0.771418, rel=1e-5)
    # A split vial: two doses, together the whole.
    parts = [drawn_fraction(RESIN, dose, vial_gbq=3.0, hours=6) for dose in (0.8, 3.0 * 2 ** (-6 / 64.1) - 0.8)]
    assert sum(parts) == pytest.approx(1.0)
    with pytest.raises(DomainError, match="vial holds"):
        drawn_fraction(RESIN, 2.5, vial_gbq=3.0, hours=24)


def test_a_glass_vial_is_given_as_a_whole():
    assert GLASS.supply is Supply.WHOLE_VIAL
    with pytest.raises(DomainError, match="as a whole"):
        drawn_fraction(GLASS, 1.5, vial_gbq=3.0, hours=0)
    assert (RESIN.supply, HOLMIUM.supply) == (Supply.DRAWN, Supply.TO_ORDER)


def test_a_gigabecquerel_of_resin_is_fifty_times_the_spheres_of_glass():
    glass = sphere_count(GLASS, 3, hours=0)
    assert sphere_count(RESIN, 3, hours=0) == pytest.approx(50 * glass)
    assert sphere_count(RESIN, 3, hours=0) == 60e6
    # A holmium dose of 6 to 12 GBq: 20 to 40 million spheres of 300 Bq.
    assert sphere_count(HOLMIUM, 6, hours=0) == 20e6
