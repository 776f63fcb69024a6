"""``ytterby listen``: a folder into which other machines send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ytterby.cli.network import OwnTitle, Tls, TlsCertificate, TlsKey, TlsTrusted

if TYPE_CHECKING:
    from ytterby.dicom.network.arrivals import Received

__all__ = ["listen", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("listen")(listen)


def listen(
    out: Annotated[Path, typer.Option("--out", help="Folder for what is received.")],
    port: Annotated[int, typer.Option("--port", help="Port to listen on (0: any that is free).")] = 11112,
    title: OwnTitle = "YTTERBY",
    bind: Annotated[
        str, typer.Option("--bind", help="Address to listen on; the default is this machine alone.")
    ] = "127.0.0.1",
    peer: Annotated[
        list[str] | None, typer.Option("--peer", help="Who may send: TITLE, TITLE@ADDRESS or @ADDRESS (repeat it).")
    ] = None,
    any_peer: Annotated[bool, typer.Option("--any-peer", help="Let every machine that reaches --bind send.")] = False,
    max_pdu: Annotated[int, typer.Option("--max-pdu", min=4096, max=2**20, help="Largest unit of data, bytes.")] = 2
    ** 17,
    max_associations: Annotated[int, typer.Option("--max-associations", min=1, max=256, help="Open at once.")] = 8,
    max_object: Annotated[int, typer.Option("--max-object", min=1024, help="Largest object, bytes.")] = 2**30,
    min_free: Annotated[int, typer.Option("--min-free", min=0, help="Free disk that has to stay, bytes.")] = 2**30,
    idle_seconds: Annotated[float, typer.Option("--idle-seconds", min=0.1, help="Silence that is borne.")] = 60.0,
    opening_seconds: Annotated[
        float, typer.Option("--opening-seconds", min=0.1, help="Time from connecting to asking.")
    ] = 15.0,
    quiet_seconds: Annotated[
        float, typer.Option("--quiet-seconds", min=0.0, help="Quiet after which a study is taken for whole.")
    ] = 5.0,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Stop after so many whole studies (default: never).")
    ] = None,
    tls: Tls = False,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    tls_trusted: TlsTrusted = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Receive studies (C-STORE, C-ECHO) until Ctrl-C; each appears in the folder as a whole, or not at all."""
    import json
    import signal
    import threading

    from ytterby.cli.network import plain, tls_files
    from ytterby.dicom.network.guard import Limits
    from ytterby.dicom.network.peer import PeerRule, checked_title
    from ytterby.workflow.listen import Listening
    from ytterby.workflow.listen import listen as listening

    how = Listening(
        out=out,
        title=checked_title(title),
        address=bind,
        port=port,
        peers=tuple(PeerRule.parsed(rule) for rule in peer or ()),
        any_peer=any_peer,
        limits=Limits(max_pdu, max_object, min_free, max_associations, idle_seconds, opening_seconds),
        tls=tls_files(tls, tls_certificate, tls_key, tls_trusted),
        quiet_seconds=quiet_seconds,
    )
    stop = threading.Event()

    def started(at: int) -> None:
        if as_json:
            typer.echo(json.dumps({"listening": bind, "port": at, "title": how.title}))
        else:
            typer.echo(f"{how.title} listens on {bind}:{at}, for {out}. Ctrl-C ends it.")

    def told(study: Received) -> None:
        if as_json:
            typer.echo(json.dumps(study.record(), ensure_ascii=False))
        elif study.whole:
            typer.echo(f"received: {study.objects} objects of {plain(study.sender)} in {study.folder}")
        else:
            typer.echo(
                f"not whole: {study.objects} objects of {plain(study.sender)} put aside in {study.folder} ({study.reason})"
            )

    before = {
        which: signal.signal(which, lambda *_: stop.set()) for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        listening(how, stopped=stop.is_set, told=told, started=started, studies=count)
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
