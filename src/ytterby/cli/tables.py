"""``ytterby tables``: the shipped tables, to be copied and edited."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


class ShippedTable(StrEnum):
    """A table that can be replaced by one's own."""

    DEVICES = "devices"
    GUIDELINES = "guidelines"
    EFFECTS = "effects"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("tables")(tables)


def tables(
    name: Annotated[ShippedTable, typer.Argument(help="Microspheres, guideline presets, or dose-effect relations.")],
) -> None:
    """Print a shipped table (YAML): edit a copy and name it in a case (plan: devices, guidelines; effects: table)."""
    import ytterby

    text = (Path(ytterby.__file__).parent / "files" / "tables" / f"{name.value}.yaml").read_text(encoding="utf-8")
    typer.echo(text, nl=False)
