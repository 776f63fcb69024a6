"""``ytterby fetch``: a study from an archive, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    pass

__all__ = ["fetch", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("fetch")(fetch)


def fetch(
    address: ArchiveName,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for it: new, or empty.")],
    series: Annotated[str, typer.Option("--series", help="Series Instance UID: only this one.")] = "",
    method: Annotated[
        Literal["get", "move"], typer.Option("--method", help="C-GET, or C-MOVE to us (the archive must know us).")
    ] = "get",
    home: Annotated[str, typer.Option("--home", help="Our address for C-MOVE, as the archive knows it.")] = "127.0.0.1",
    home_port: Annotated[
        int, typer.Option("--home-port", help="Our port for C-MOVE, as the archive knows it.")
    ] = 11112,
    max_object: Annotated[int, typer.Option("--max-object", min=1024, help="Largest object, bytes.")] = 2**30,
    min_free: Annotated[int, typer.Option("--min-free", min=0, help="Free disk that has to stay, bytes.")] = 2**30,
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
    """Fetch a study or a series (C-GET, C-MOVE, or WADO-RS with --web): all objects that the archive lists, or nothing."""
    import json

    from ytterby.cli.progress import reporting
    from ytterby.dicom.network.guard import Limits
    from ytterby.dicom.network.peer import checked_port
    from ytterby.dicom.network.retrieve import ReturnAddress
    from ytterby.workflow.transfer import fetch as fetched

    archive = archive_of(
        address,
        title,
        web=web,
        secrets=(token_file, user_file),
        tls=(tls, tls_certificate, tls_key, tls_trusted),
        patience_seconds=(connect_seconds, answer_seconds),
    )
    place = ReturnAddress(home, checked_port(home_port)) if method == "move" and not web else None
    limits = Limits(object_bytes=max_object, free_bytes=min_free)
    with reporting("fetching") as progress:
        whole = fetched(archive, out, study, series, limits=limits, home=place, progress=progress)
    if as_json:
        record = {"folder": str(whole.folder), "study": study, "series": whole.series, "objects": whole.objects}
        typer.echo(json.dumps(record, indent=2))
    else:
        typer.echo(f"{whole.objects} objects in {whole.series} series: {whole.folder}")
