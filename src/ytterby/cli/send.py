"""``ytterby send``: files to an archive, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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
    from ytterby.dicom.network.store import Sent

__all__ = ["register", "send"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("send")(send)


def send(
    address: ArchiveName,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="DICOM files, or folders of them.")],
    retries: Annotated[
        int,
        typer.Option("--retries", min=0, max=10, help="Further tries for what failed for want of connection or room."),
    ] = 1,
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
    """Send files (C-STORE, or STOW-RS with --web) as they are; exit code 1 when some were not taken."""
    import json

    from ytterby.cli.boundary import EXIT_SOME_FAILED
    from ytterby.cli.progress import reporting
    from ytterby.workflow.transfer import ship, shipment

    archive = archive_of(
        address,
        title,
        web=web,
        secrets=(token_file, user_file),
        tls=(tls, tls_certificate, tls_key, tls_trusted),
        patience_seconds=(connect_seconds, answer_seconds),
    )
    parcel = shipment(paths)
    done = 0
    with reporting("sending") as progress:

        def told(sent: Sent) -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(parcel.files), sent.path.name)

        results = (*ship(archive, parcel.files, told, retries=retries), *parcel.unfit)
    failed = [sent for sent in results if not sent.taken]
    if as_json:
        record = {
            "sent": len(results) - len(failed),
            "failed": len(failed),
            "skipped": parcel.skipped,
            "files": [sent.record() for sent in results],
        }
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        _show(results, parcel.skipped)
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _show(results: Sequence[Sent], skipped: int) -> None:
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ytterby.cli.network import plain

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(box=box.SIMPLE)
    for heading in ("file", "outcome", "reason"):
        table.add_column(heading, overflow="fold")
    for sent in results:
        table.add_row(Text(plain(str(sent.path))), Text(sent.outcome), Text(plain(sent.reason)))
    console.print(table)
    failed = sum(not sent.taken for sent in results)
    console.print(f"{len(results) - failed} sent, {failed} failed, {skipped} files are no DICOM and stay")
