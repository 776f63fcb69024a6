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
    from ytterby.workflow.case import run_case_file

    result = run_case_file(case, out)
    if as_json:
        typer.echo((out / "case.json").read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Patient {result.patient_id}: mean absorbed dose ({result.options.engine})")
    for heading, side in (
        ("segment", "left"),
        ("role", "left"),
        ("volume mL", "right"),
        ("mean Gy", "right"),
        ("D70 Gy", "right"),
    ):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for row in result.doses:
        d70 = "" if row.d70_gy is None else f"{row.d70_gy:.1f}"
        table.add_row(row.segment, row.role.value, f"{row.volume_ml:.1f}", f"{row.mean_dose_gy:.1f}", d70)
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
