"""Microspheres against the reference table (physics.md, section 3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import MissingMeasurement
from ytterby.model.treatment import Device
from ytterby.physics.devices import MICROSPHERES, activity_per_sphere_bq, sphere_count

GLASS = MICROSPHERES[Device.GLASS]
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
