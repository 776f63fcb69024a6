"""The table of microspheres: the shipped one is the code's, a site's own is its own, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ytterby.errors import ConfigurationError
from ytterby.files.devicetable import SHIPPED_DEVICES, DeviceEntry, read_devices
from ytterby.model.treatment import Device
from ytterby.physics.devices import MICROSPHERES, specific_activity_by_day, sphere_mass_kg

TEXT = SHIPPED_DEVICES.read_text(encoding="utf-8")


def test_the_shipped_table_is_the_one_of_the_code() -> None:
    read = read_devices(None)
    assert list(read) == list(Device)
    for device in Device:
        assert read[device] == MICROSPHERES[device], device


def test_the_shipped_table_says_what_it_is_for() -> None:
    assert "Research use only" in TEXT


def test_a_site_has_its_own_vials(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        TEXT.replace("vial_sizes_gbq: [3, 5, 7, 10, 15, 20]", "vial_sizes_gbq: [3, 3.5, 4]")
        .replace("activity_per_sphere_bq: 2500", "activity_per_sphere_bq: 4354")
        .replace("shelf_life_hours: null", "shelf_life_hours: 60"),
        encoding="utf-8",
    )
    read = read_devices(tmp_path / "mine.yaml")
    assert read[Device.GLASS].vial_sizes_gbq == (3.0, 3.5, 4.0)
    assert read[Device.GLASS].activity_per_sphere_bq == 4354.0
    assert read[Device.HOLMIUM].require_shelf_life_hours() == 60.0
    assert read[Device.RESIN] == MICROSPHERES[Device.RESIN]
    # The shipped values stay what they are.
    assert MICROSPHERES[Device.GLASS].activity_per_sphere_bq == 2500.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nuclide: Ho-166", "nuclide: Lu-177", r"mine\.yaml, devices\.holmium\.nuclide: 'Lu-177' is no nuclide"),
        (
            "activity_per_sphere_bq: 50\n",
            "activity_per_sphere_bq: 0\n",
            r"devices\.resin\.activity_per_sphere_bq: lies outside",
        ),
        ("activity_per_sphere_bq: 50\n", "activity_per_sphere_bq: fifty\n", r"activity_per_sphere_bq: is no number"),
        ("[3, 5, 7, 10, 15, 20]", "[3, 7, 5]", r"devices\.glass\.vial_sizes_gbq: the sizes do not rise"),
        ("[3, 5, 7, 10, 15, 20]", "[3, 3]", "the sizes do not rise"),
        ("[3, 5, 7, 10, 15, 20]", "[]", r"devices\.glass: no size of a vial is stated"),
        ("greatest_gbq: 20", "greatest_gbq: 2", r"devices\.glass\.custom_vials: .*the least is more than the greatest"),
        ("supply: drawn", "supply: poured", r"devices\.resin\.supply: must be 'whole_vial', 'drawn' or 'to_order'"),
        ("    shelf_life_hours: null\n", "", r"devices\.holmium\.shelf_life_hours: is missing"),
        ("diameter_mm: 0.0325", "diameter_mm: 32.5", r"devices\.resin: the mean diameter 32\.5 mm lies outside"),
        ("density_g_ml: 1.4", "density_g_ml: 1.4\n    colour: red", r"devices\.holmium\.colour: is not known here"),
        ("  resin:\n", "  wax:\n", r"devices\.resin: is missing"),
        ("schema: 1", "schema: 2", "schema 2 is not read"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    (tmp_path / "mine.yaml").write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_devices(tmp_path / "mine.yaml")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_devices(tmp_path / "none.yaml")


def test_the_page_of_the_microspheres_shows_these_numbers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "devices.md").read_text(encoding="utf-8")
    kinds = [MICROSPHERES[device] for device in Device]
    masses = " | ".join(f"{sphere_mass_kg(kind) * 1e12:.1f}" for kind in kinds)
    for row in (
        "| activity of a sphere at calibration (Bq) | " + " | ".join(f"{k.activity_per_sphere_bq:g}" for k in kinds),
        "| density (g/mL) | " + " | ".join(f"{kind.density_g_ml:g}" for kind in kinds),
        f"| mass of 1 million spheres, from these (mg) | {masses} |",
    ):
        assert row in page
    shown = [line.split(" | ") for line in page.split("spheres for 1 GBq |\n|---|---|---|\n")[1].splitlines()[:7]]
    by_day = specific_activity_by_day(MICROSPHERES[Device.GLASS], last_day=12)
    for day, each, count in shown:
        row = by_day[int(day.strip("| "))]
        assert each == f"{row.activity_per_sphere_bq:.1f}"
        assert count.strip("| ").replace(" ", "") == f"{row.spheres_per_gbq:.0f}"
    for field in DeviceEntry.model_fields:
        assert f"`{field}`" in page, field
