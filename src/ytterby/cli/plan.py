"""``ytterby plan``: from target and limit doses to an activity, a vial and a day."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ytterby.errors import ConfigurationError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("plan")(plan)


def plan(
    case: Annotated[Path | None, typer.Argument(help="The case file (YAML), with a key plan.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for plan.html, plan.json and the tables; without it the answer is shown alone."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print plan.json instead of a table.")] = False,
    list_presets: Annotated[bool, typer.Option("--list-presets", help="List the guideline presets and stop.")] = False,
) -> None:
    """Plan a session: the activity that reaches the targets within the limits, by five models; vials, days, a hand check."""
    if list_presets:
        _show_presets(as_json=as_json)
        return
    if case is None:
        raise ConfigurationError("a case file is needed", remedy="write: ytterby plan CASE.yaml, or --list-presets")
    from ytterby.cli.folder import named_or_passing
    from ytterby.workflow.plan import run_plan_file

    with named_or_passing(out) as folder:
        found = run_plan_file(case, folder)
        record = (folder / "plan.json").read_text(encoding="utf-8")
    if as_json:
        typer.echo(record, nl=False)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Patient {found.patient_id}, session {found.session.session_id}: activity (GBq)")
    table.add_column("model")
    for heading in ("targets need", "limits allow", "answer"):
        table.add_column(heading, justify="right")
    for model in found.models:
        numbers = (model.target_activity_gbq, model.limit_activity_gbq, model.activity_gbq)
        table.add_row(model.model.value, *("" if number is None else f"{number:.3f}" for number in numbers))
    Console().print(table)
    typer.echo(found.answer.explanation)
    for notice in found.notices:
        typer.echo(f"note ({notice.code}): {notice.message}")
    typer.echo(f"Page: {out / 'plan.html'}" if out is not None else "With --out DIR a page and tables are written.")
    typer.echo("Research use only.")


def _show_presets(*, as_json: bool) -> None:
    from ytterby.files.guidelinetable import read_guidelines

    table = read_guidelines(None)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(table), indent=2, ensure_ascii=False, allow_nan=False))
        return
    for guideline in table.guidelines:
        typer.echo(f"{guideline.guideline_id}   {guideline.title} ({guideline.device})")
        typer.echo(f"    {guideline.source.citation}")
        for row in guideline.rows:
            least = "" if row.least is None else f"at least {row.least}"
            most = "" if row.most is None else f"at most {row.most}"
            condition = f", {row.condition}" if row.condition else ""
            mark = "" if row.verified else "   (not verified)"
            typer.echo(
                f"    {row.row_id}: {row.quantity} {' and '.join(x for x in (least, most) if x)}{condition}{mark}"
            )
    for one in table.disagreements:
        typer.echo(f"disagreement ({one.disagreement_id}): {one.what} {one.what_to_do}")
    typer.echo("Research use only.")
