"""``ytterby find``: what an archive has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ytterby.cli.network import (
    AnswerSeconds,
    ArchiveName,
    ConnectSeconds,
    OwnTitle,
    Tls,
    TlsCertificate,
    TlsKey,
    TlsTrusted,
    TokenFile,
    UserFile,
    Web,
    archive_of,
)

if TYPE_CHECKING:
    from ytterby.dicom.network.question import Found

__all__ = ["find", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("find")(find)


def find(
    address: ArchiveName,
    patient: Annotated[str, typer.Option("--patient", help="Patient ID; * and ? stand for letters.")] = "",
    name: Annotated[
        str, typer.Option("--name", help="Patient's name, as FAMILY^GIVEN; * and ? stand for letters.")
    ] = "",
    date: Annotated[str, typer.Option("--date", help="Date of the study: 20240301, or 20240301-20240331.")] = "",
    modality: Annotated[str, typer.Option("--modality", help="CT, NM, PT, SEG, RTDOSE, ...")] = "",
    accession: Annotated[str, typer.Option("--accession", help="Accession number.")] = "",
    study: Annotated[str, typer.Option("--study", help="Study Instance UID.")] = "",
    series: Annotated[bool, typer.Option("--series", help="The series of --study, instead of studies.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="No more answers than these.")] = 200,
    title: OwnTitle = "YTTERBY",
    web: Web = False,
    token_file: TokenFile = None,
    user_file: UserFile = None,
    tls: Tls = False,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls_trusted: TlsTrusted = None,
    connect_seconds: ConnectSeconds = 10.0,
    answer_seconds: AnswerSeconds = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find studies or series in an archive (C-FIND, or QIDO-RS with --web)."""
    import json
    import sys

    from ytterby.dicom.network.question import Question
    from ytterby.workflow.transfer import search

    question = Question(patient, name, date, modality, accession, study, series, limit)
    archive = archive_of(
        address,
        title,
        web=web,
        secrets=(token_file, user_file),
        tls=(tls, tls_certificate, tls_key, tls_trusted),
        patience_seconds=(connect_seconds, answer_seconds),
    )
    found, more = search(archive, question)
    if as_json:
        record = {"found": [one.record() for one in found], "more": more}
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        _show(found, series=series)
    if more:
        typer.echo(f"there are more than {limit}: narrow the search, or raise --limit", file=sys.stderr)


def _show(found: Sequence[Found], *, series: bool) -> None:
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ytterby.cli.network import plain

    console = Console(width=None if sys.stdout.isatty() else 220, highlight=False)
    if not found:
        console.print("Nothing was found.")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("patient", "name", "date", "modality", "description", "objects", "series" if series else "study"):
        table.add_column(heading, overflow="fold")
    for one in found:
        count = "" if one.instances is None else str(one.instances)
        uid = one.series_uid if series else one.study_uid
        cells = (one.patient_id, one.patient_name, one.date, one.modality, one.description, count, uid)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console.print(table)
