"""``ytterby inspect``: what a folder of images holds, the role proposed for each series, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ytterby.workflow.inspect import Found, Inspection

__all__ = ["inspect", "register"]

_STYLES = {"red": "bold red", "amber": "yellow", "green": "green"}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("inspect")(inspect)


def inspect(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with images in any layout.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Every DICOM series, NIfTI and NRRD file: what it is, the role proposed and why, and what is wrong with it."""
    import json

    from ytterby.workflow.inspect import inspect as inspected

    found = inspected(path)
    if as_json:
        typer.echo(json.dumps(found.record(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(found)


def _plain(text: str) -> str:
    # Names come from files: nothing in them may steer the terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _show(inspection: Inspection) -> None:
    import sys

    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=True, highlight=False)
    if not inspection.series:
        console.print("No image series was found.")
    for number, found in enumerate(inspection.series, start=1):
        title = Text(f"{number}. {_plain(found.reason)}", style="bold")
        title.append(f"   role: {found.role}", style="not bold cyan")
        console.print(title)
        for name, value in _facts(found):
            console.print(Text(f"   {name:<10} {_plain(value)}"))
        _show_problems(console, found)
    _show_spaces(console, inspection)
    if inspection.skipped:
        console.print(Text(f"{len(inspection.skipped)} files skipped:", style="bold"))
        for file in inspection.skipped:
            console.print(Text(f"   {_plain(str(file.path))}: {_plain(file.reason)}"))


def _show_spaces(console: Console, inspection: Inspection) -> None:
    """Which series may be overlaid as they are; nothing where there is nothing to compare."""
    from rich.text import Text

    if len(inspection.spaces) < 2:
        return
    numbers = {id(found): number for number, found in enumerate(inspection.series, start=1)}
    console.print(
        Text("Frames of reference (series of one may be overlaid, others need a registration):", style="bold")
    )
    for space in inspection.spaces:
        members = ", ".join(f"{numbers[id(found)]} ({found.kind})" for found in space.series)
        whose = (
            f"patient {_plain(space.patient_id) or 'without an ID'}, "
            if len({one.patient_id for one in inspection.spaces}) > 1
            else ""
        )
        console.print(Text(f"   {whose}series {members}"))


def _show_problems(console: Console, found: Found) -> None:
    from rich.text import Text

    for problem in found.problems:
        line = Text(f"   {problem.level:<10} ", style=_STYLES[problem.level])
        line.append(_plain(str(problem)), style="default")
        console.print(line)


def _facts(found: Found) -> list[tuple[str, str]]:
    facts = [("path", str(found.path) + (f" ({found.n_files} files)" if found.n_files > 1 else ""))]
    if found.description:
        facts.append(("named", found.description))
    if found.part:
        facts.append(("part", found.part))
    if found.shape is not None:
        facts.append(("size", " x ".join(map(str, found.shape))))
    if found.grid is not None:
        spacing = " x ".join(f"{value:.4g}" for value in found.grid.spacing_mm)
        facts.append(("spacing", f"{spacing} mm, slices run {found.slice_direction}"))
    if found.unit:
        facts.append(("unit", found.unit))
    if found.radiopharmaceutical is not None and found.radiopharmaceutical.words:
        facts.append(("given", found.radiopharmaceutical.words))
    if found.total_counts is not None:
        facts.append(("counts", f"{found.total_counts:.15g}"))
    return facts
