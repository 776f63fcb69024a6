"""``ytterby virtual``: virtual patients with known truth, as DICOM and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ytterby.virtual.targets import ENROLLED

__all__ = ["app"]

app = typer.Typer(help="Virtual patients with known truth, as DICOM and tables. Simulated data.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", help="Folder to be written (new, empty, or an earlier simulation).")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the simulation: the same seed, the same bytes.")]


@app.command("cohort")
def cohort(
    out: Out,
    patients: Annotated[int, typer.Option("--patients", help="Enrolled patients; more are screened.")] = ENROLLED,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option("--workers", help="Patients built side by side.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Write a study folder of simulated patients: DICOM, tables, and the truth behind them."""
    from ytterby.cli.progress import reporting
    from ytterby.workflow.simulate import simulate_study

    with reporting("simulating") as progress:
        study = simulate_study(out, patients=patients, seed=seed, workers=workers, progress=progress)
    if as_json:
        import json

        typer.echo(json.dumps({"study": str(study), "patients": patients, "seed": seed, "simulated": True}, indent=2))
    else:
        typer.echo(f"{patients} simulated patients in {study}")
        typer.echo(f"Run them: ytterby study run {study} --out {study}-results")


@app.command("patient")
def patient(
    out: Out,
    seed: Seed = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Write one simulated patient: images, segments, a CASE.yaml to run, and the truth."""
    from ytterby.workflow.simulate import simulate_patient

    case = simulate_patient(out, seed=seed)
    if as_json:
        import json

        typer.echo(json.dumps({"case": str(case), "seed": seed, "simulated": True}, indent=2))
    else:
        typer.echo(f"a simulated patient in {out}")
        typer.echo(f"Run it: ytterby case run {case} --out {out}-results")
