"""``ytterby demo``: a simulated study, from DICOM to the report, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ytterby.cli.boundary import EXIT_SOME_FAILED

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the simulated study and its results.")] = Path("demo"),
    patients: Annotated[int, typer.Option("--patients", help="Simulated patients that are treated.")] = 43,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation.")] = 1,
    workers: Annotated[int, typer.Option("--workers", help="Patients computed side by side.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Simulate a study as DICOM and tables, run it, and say where the report is and how far the doses are from the truth."""
    from ytterby.cli.progress import reporting
    from ytterby.workflow.simulate import simulate_study
    from ytterby.workflow.study import run_study

    with reporting("simulating") as progress:
        study = simulate_study(out / "study", patients=patients, seed=seed, workers=workers, progress=progress)
    with reporting("patients") as progress:
        result = run_study(study, out / "results", workers=workers, progress=progress)
    for failed in result.failed:
        typer.echo(f"failed: patient {failed.key}: {failed.failure}", err=True)
    if as_json:
        import json

        typer.echo(
            json.dumps(
                {
                    "report": str(result.index),
                    "patients": result.finished,
                    "truth": result.truth.summary() if result.truth else [],
                },
                indent=2,
            )
        )
    else:
        typer.echo(f"{result.finished} simulated patients done, {len(result.failed)} failed.")
        for line in result.truth.sentences() if result.truth else []:
            typer.echo(line)
        typer.echo(f"Report: {result.index}")
        typer.echo("Simulated data. Research use only.")
    if result.failed:
        raise typer.Exit(EXIT_SOME_FAILED)
