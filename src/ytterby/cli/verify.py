"""``ytterby verify``: the dose that was predicted against the one that was delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("verify")(verify)


def verify(
    case: Annotated[Path, typer.Argument(help="The case file (YAML) whose key 'verify' names two result folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for verify.json, tables, the difference map and the page; without it the answer is shown alone.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print verify.json instead of a table.")] = False,
) -> None:
    """Compare predicted with delivered dose by segment, lesion and voxel; say what lies beyond the stated limits."""
    from ytterby.cli.folder import named_or_passing
    from ytterby.workflow.verify import run_verification_file

    with named_or_passing(out) as folder:
        found = run_verification_file(case, folder)
        record = (folder / "verify.json").read_text(encoding="utf-8")
    if as_json:
        typer.echo(record, nl=False)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"Patient {escape(found.patient_id)}: mean absorbed dose, predicted against delivered")
    for heading in ("segment", "role"):
        table.add_column(heading)
    for heading in ("predicted Gy", "delivered Gy", "difference Gy", "difference %"):
        table.add_column(heading, justify="right")
    for pair in found.pairs:
        share = pair.difference_fraction
        table.add_row(
            escape(pair.segment),
            pair.role.value,
            f"{pair.predicted.mean_dose_gy:.1f}",
            f"{pair.delivered.mean_dose_gy:.1f}",
            f"{pair.difference_gy:+.1f}",
            "" if share is None else f"{100 * share:+.1f}",
        )
    console = Console()
    console.print(table)
    recovered = found.delivered.balance.recovered_fraction
    if recovered is not None:
        console.print(f"The delivered image holds {recovered:.1%} of the net administered activity", highlight=False)
    for flag in found.flags:
        console.print(f"[red]beyond a limit[/red] {escape(flag.message)}", highlight=False)
    for notice in found.notices:
        console.print(f"[yellow]note[/yellow] {escape(notice.message)}", highlight=False)
    place = (
        "With --out DIR a page and tables are written." if out is None else f"Page: {escape(str(out / 'verify.html'))}"
    )
    console.print(f"{place}   Research use only.", highlight=False)
