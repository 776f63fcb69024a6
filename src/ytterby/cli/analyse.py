"""``ytterby analyse``: the statistics alone, from the two analysis tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("analyse")(analyse)


def analyse(
    tables: Annotated[Path, typer.Argument(help="Folder with analysis_patients.csv and analysis_lesions.csv.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for results.json, tables, figures and the report.")],
    plan: Annotated[Path | None, typer.Option("--plan", help="An analysis.yaml; without it, the paper's plan.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark everything as simulated data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results (results.json).")] = False,
) -> None:
    """Analyse two tables: flow, Table 1, dose against response, survival; write results, figures and a report."""
    from ytterby.workflow.analyse import analyse_folder

    analysis = analyse_folder(tables, out, plan=plan, simulated=True if simulated else None)
    if as_json:
        import json

        typer.echo(json.dumps(analysis.results, indent=2, ensure_ascii=False, allow_nan=False))
        return
    sizes = analysis.results["cohort"]
    typer.echo(
        f"{sizes['analysed']} patients analysed; {sizes['evaluable_patients']} evaluable for response, with "
        f"{sizes['evaluable_lesions']} lesions."
    )
    for warning in analysis.results["warnings"]:
        typer.echo(f"warning ({warning['code']}): {warning['message']}")
    typer.echo(f"Report: {analysis.index}")
    typer.echo("Simulated data. Research use only." if analysis.results["simulated"] else "Research use only.")
