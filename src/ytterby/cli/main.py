"""``ytterby``: the commands, joined. No command imports anything heavy before it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import ytterby
from ytterby.cli import (
    analyse,
    calc,
    case,
    deidentify,
    demo,
    fetch,
    find,
    inspect,
    listen,
    plan,
    send,
    study,
    tables,
    verify,
    virtual,
)
from ytterby.cli.boundary import Boundary

__all__ = ["app", "run"]

app = typer.Typer(
    name="ytterby",
    help="Radioembolization of the liver with 90Y microspheres: from DICOM to the tables of a dose-response study. "
    "Research use only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ytterby {ytterby.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere on the line).")
    ] = False,
) -> None:
    """Join the options that every command shares; they act before a command is chosen."""


demo.register(app)
inspect.register(app)
deidentify.register(app)
app.add_typer(case.app, name="case")
plan.register(app)
verify.register(app)
app.add_typer(study.app, name="study")
analyse.register(app)
app.add_typer(calc.app, name="calc")
app.add_typer(virtual.app, name="virtual")
tables.register(app)
listen.register(app)
find.register(app)
fetch.register(app)
send.register(app)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    with Boundary(debug=debug):
        app(args=[word for word in words if word != "--debug"], prog_name="ytterby")
