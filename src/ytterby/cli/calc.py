"""``ytterby calc``: the formulas as a calculator; each answer prints its formula, constants and source."""

from __future__ import annotations

import typer

from ytterby.cli import calc_clinic, calc_device, calc_dose, calc_lung

__all__ = ["app"]

app = typer.Typer(
    name="calc",
    help="The formulas as a calculator: result, formula, constants and source. Research use only.",
    no_args_is_help=True,
)

app.command("decay")(calc_device.decay)
app.command("spheres")(calc_device.spheres)
app.command("mird")(calc_dose.mird)
app.command("bsa")(calc_dose.bsa)
app.command("partition")(calc_dose.partition)
app.command("multi")(calc_dose.multi)
app.command("lung")(calc_lung.lung)
app.command("window")(calc_device.window)
app.command("bed")(calc_clinic.bed)
app.command("albi")(calc_clinic.albi)
app.command("ctcae")(calc_clinic.ctcae)
