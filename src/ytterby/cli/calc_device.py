"""Formulas of the calculator around the vial: decay, number of spheres, treatment window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ytterby.cli.calc_answer import HALF_LIFE_HOURS, Answer, AsJson, HalfLife, Value, show
from ytterby.errors import ConfigurationError

__all__ = ["decay", "spheres", "window"]

# Glass microspheres: physics.devices says where the 12 days come from.
LATEST_HOURS = 288.0


def decay(
    activity_gbq: Annotated[float, typer.Option("--activity-gbq", help="Activity at the reference time (GBq).")],
    hours: Annotated[float, typer.Option("--hours", help="Hours after the reference time; negative: before it.")],
    nuclide: Annotated[str, typer.Option("--nuclide", help="Y-90, Tc-99m or Ho-166.")] = "Y-90",
    as_json: AsJson = False,
) -> None:
    """Activity after some hours of decay."""
    from ytterby.physics.nuclides import NUCLIDES, decay_factor
    from ytterby.units import non_negative

    known = {name.lower(): entry for name, entry in NUCLIDES.items()}
    if nuclide.strip().lower() not in known:
        raise ConfigurationError(f"nuclide '{nuclide[:40]}' is not known", remedy=f"use one of: {', '.join(NUCLIDES)}")
    found = known[nuclide.strip().lower()]
    factor = decay_factor(hours, half_life_hours=found.half_life_hours)
    answer = Answer(
        {"activity_gbq": non_negative(activity_gbq, "activity_gbq") * factor, "decay_factor": factor},
        "A = A0 2^(-t / T)",
        {"nuclide": found.name, "half_life_hours": found.half_life_hours},
        f"half-life: {found.source.partition(':')[0]}",
    )
    show(answer, as_json=as_json)


def window(
    vial_gbq: Annotated[float, typer.Option("--vial-gbq", help="Activity of the vial at calibration (GBq).")],
    activity_gbq: Annotated[float, typer.Option("--activity-gbq", help="Wanted activity (GBq).")],
    tolerance: Annotated[float, typer.Option("--tolerance", help="Accepted share of more or less.")] = 0.1,
    half_life_hours: HalfLife = HALF_LIFE_HOURS,
    latest_hours: Annotated[
        float, typer.Option("--latest-hours", help="End of the shelf life after calibration (h).")
    ] = LATEST_HOURS,
    as_json: AsJson = False,
) -> None:
    """When a vial holds the wanted activity, in hours after calibration."""
    from ytterby.planning.prescribe import treatment_window

    found = treatment_window(
        vial_gbq,
        activity_gbq,
        tolerance_fraction=tolerance,
        half_life_hours=half_life_hours,
        latest_hours=latest_hours,
    )
    answer = Answer(
        {
            "feasible": found.feasible,
            "from_hours": found.from_hours,
            "to_hours": found.to_hours,
            "nominal_hours": found.nominal_hours,
            "explanation": found.explanation,
        },
        "t = T log2(V / A); from A (1 + tolerance) to A (1 - tolerance), within the shelf life",
        {"half_life_hours": half_life_hours, "latest_hours": latest_hours, "tolerance_fraction": tolerance},
        "decay from calibration, half-life of 90Y: ICRP Publication 107; shelf life of glass microspheres, 12 days: "
        "an assumption, see the package insert",
    )
    show(answer, as_json=as_json)


def spheres(
    device: Annotated[str, typer.Option("--device", help="glass, resin or holmium.")],
    activity_gbq: Annotated[float, typer.Option("--activity-gbq", help="Activity at that hour (GBq).")],
    hours: Annotated[float, typer.Option("--hours", help="Hours after calibration.")],
    last_day: Annotated[
        int | None, typer.Option("--last-day", help="Also: activity of a sphere on each day from 0 to this one.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--devices", help="A table of microspheres of one's own (YAML) in place of the shipped one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Number of microspheres that carry an activity some hours after calibration, and what each one carries."""
    from ytterby.files.devicetable import read_devices
    from ytterby.model.treatment import Device
    from ytterby.physics.devices import (
        activity_per_sphere_bq,
        specific_activity_by_day,
        sphere_count,
        spheres_mass_kg,
    )

    if device not in set(Device):
        raise ConfigurationError(f"'{device[:40]}' is no device", remedy=f"use one of: {', '.join(Device)}")
    kind = read_devices(table)[Device(device)]
    values: dict[str, Value] = {
        "sphere_count": sphere_count(kind, activity_gbq, hours=hours),
        "activity_per_sphere_bq": activity_per_sphere_bq(kind, hours=hours),
        "spheres_mass_mg": spheres_mass_kg(kind, activity_gbq, hours=hours) * 1e6,
    }
    if last_day is not None:
        values["activity_per_sphere_by_day_bq"] = {
            str(row.day): row.activity_per_sphere_bq for row in specific_activity_by_day(kind, last_day=last_day)
        }
    answer = Answer(
        values,
        "n = A / a; a = a_cal 2^(-t / T); m = n rho pi d^3 / 6",
        {
            "device": kind.device.value,
            "nuclide": kind.nuclide.name,
            "half_life_hours": kind.nuclide.half_life_hours,
            "calibrated_activity_per_sphere_bq": kind.activity_per_sphere_bq,
            "density_g_ml": kind.density_g_ml,
            "diameter_mm": kind.diameter_mm,
        },
        "; ".join((kind.source, *(f"assumption: {assumption}" for assumption in kind.assumptions))),
    )
    show(answer, as_json=as_json)
