"""``ytterby study``: a whole study folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ytterby.cli.boundary import EXIT_BROKEN, EXIT_SOME_FAILED, EXIT_WRONG_INPUT

__all__ = ["app"]

app = typer.Typer(help="A whole study: check its folder, run it, analyse it.", no_args_is_help=True)


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="The study folder (with study.yaml).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """List every problem of a study with file, row and column, without running it."""
    from ytterby.workflow.study import check_study

    problems = check_study(folder)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps({"problems": [asdict(problem) for problem in problems]}, indent=2))
    else:
        for problem in problems:
            typer.echo(f"{problem.level}: {problem}")
        typer.echo(f"{len(problems)} problems found" if problems else "no problems found")
    if any(problem.level == "red" for problem in problems):
        raise typer.Exit(EXIT_WRONG_INPUT)


@app.command("run")
def run(
    folder: Annotated[Path, typer.Argument(help="The study folder (with study.yaml).")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    workers: Annotated[int, typer.Option("--workers", help="Patients computed side by side.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Run every patient of a study, then its analysis; patients that fail are listed and the rest is finished."""
    from ytterby.cli.progress import reporting
    from ytterby.workflow.study import run_study

    with reporting("patients") as progress:
        result = run_study(folder, out, workers=workers, progress=progress)
    if as_json:
        import json

        summary = {
            "out": str(out),
            "report": str(result.index),
            "patients": result.finished,
            "failed": [{"patient_id": failed.key, "reason": failed.failure} for failed in result.failed],
            "left_out": [str(problem) for problem in result.problems],
        }
        typer.echo(json.dumps(summary, indent=2))
    else:
        typer.echo(f"{result.finished} patients done, {len(result.failed)} failed. Report: {result.index}")
    for failed in result.failed:
        typer.echo(f"failed: patient {failed.key}: {failed.failure}", err=True)
    for problem in result.problems:
        typer.echo(f"left out: {problem}", err=True)
    if any(failed.is_internal for failed in result.failed):
        raise typer.Exit(EXIT_BROKEN)
    if result.failed or result.problems:
        raise typer.Exit(EXIT_SOME_FAILED)
