"""``ytterby case``: the dosimetry of one patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="One patient: segments, doses, histograms, exports, a page of report.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``run`` a subcommand, though it is the only one."""


@app.command("run")
def run(
    case: Annotated[Path, typer.Argument(help="The case file (YAML).")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print case.json instead of a table.")] = False,
) -> None:
    """Compute the doses of one patient and write doses.csv, dvh.csv, case.json, report.html, dose maps and segments."""
    from ytterby.cli.progress import reporting
    from ytterby.workflow.case import run_case_file

    with reporting("case") as progress:
        result = run_case_file(case, out, progress=progress)
    if as_json:
        typer.echo((out / "case.json").read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console
    from rich.table import Table

    has_uncertainty = any(row.mean_dose_uncertainty_gy is not None for row in result.doses)
    has_correction = any(row.corrected_mean_dose_gy is not None for row in result.doses)
    table = Table(title=f"Patient {result.patient_id}: mean absorbed dose ({result.options.engine})")
    for heading, side in (
        ("segment", "left"),
        ("role", "left"),
        ("volume mL", "right"),
        ("mean Gy", "right"),
        ("D70 Gy", "right"),
        *([("± Gy", "right")] if has_uncertainty else []),
        *([("corrected Gy", "right")] if has_correction else []),
    ):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for row in result.doses:
        further = [row.d70_gy]
        further += [row.mean_dose_uncertainty_gy] if has_uncertainty else []
        further += [row.corrected_mean_dose_gy] if has_correction else []
        table.add_row(
            row.segment,
            row.role.value,
            f"{row.volume_ml:.1f}",
            f"{row.mean_dose_gy:.1f}",
            *("" if value is None else f"{value:.1f}" for value in further),
        )
    console = Console()
    console.print(table)
    for single in result.single_compartment:
        console.print(
            f"Single compartment (MIRD), {single.session_id} on {single.target}: {single.mean_dose_gy:.1f} Gy"
        )
    if result.balance.recovered_fraction is None:
        console.print(f"Activity balance closes within {abs(result.balance.closure_fraction):.2e}")
    else:
        console.print(f"The image holds {result.balance.recovered_fraction:.1%} of the net administered activity")
    for notice in result.notices:
        console.print(f"[yellow]note[/yellow] {notice.message}", highlight=False)
    console.print(f"Report: {out / 'report.html'}   Research use only.", highlight=False)
