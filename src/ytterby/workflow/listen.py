"""Receiving until told to stop: the ear and the keeper of the folder, joined."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ytterby.dicom.network.arrivals import Arrivals, Received
from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.peer import PeerRule, TlsFiles, checked_port, server_context
from ytterby.dicom.network.reception import Reception
from ytterby.errors import ConfigurationError

__all__ = ["Listening", "listen"]


@dataclass(frozen=True)
class Listening:
    """How to listen: where, as whom, for whom, and how much. ``peers`` may be empty on a loopback ``address`` alone."""

    out: Path
    title: str = "YTTERBY"
    address: str = "127.0.0.1"
    port: int = 11112
    peers: tuple[PeerRule, ...] = ()
    any_peer: bool = False
    limits: Limits = field(default_factory=Limits)
    tls: TlsFiles | None = None
    quiet_seconds: float = 5.0
    grace_seconds: float = 10.0


def listen(
    how: Listening,
    *,
    stopped: Callable[[], bool],
    told: Callable[[Received], None],
    started: Callable[[int], None],
    studies: int | None = None,
) -> tuple[Received, ...]:
    """Studies that were received, until ``stopped`` says true, or until so many ``studies`` came whole.

    ``started`` is called with the port once it is listened on, ``told`` with each study when it stands in its place, or aside.

    Raises
    ------
    ConfigurationError
        The output is a file or in use; the world may send, and ``any_peer`` does not say that it shall;
        a certificate is wrong; the port is none.
    NetworkError
        The port is taken or may not be used.
    """
    _check_openness(how)
    checked_port(how.port, any_free=True)
    if how.out.exists() and not how.out.is_dir():
        raise ConfigurationError("the output is a file", where=str(how.out), remedy="name a folder")
    received: list[Received] = []

    def note(study: Received) -> None:
        received.append(study)
        told(study)

    tls = server_context(how.tls) if how.tls is not None else None
    arrivals = Arrivals(how.out, quiet_seconds=how.quiet_seconds, told=note)
    try:
        with Reception(
            arrivals,
            title=how.title,
            address=how.address,
            port=how.port,
            limits=how.limits,
            peers=how.peers,
            tls=tls,
        ) as ear:
            started(ear.port)
            while not stopped() and (studies is None or _whole(received) < studies):
                ear.tend()
                arrivals.settle()
                time.sleep(0.05)
            ear.stop(grace_seconds=how.grace_seconds)
    finally:
        arrivals.close()
    return tuple(received)


def _whole(received: Sequence[Received]) -> int:
    return sum(study.whole for study in received)


def _check_openness(how: Listening) -> None:
    try:
        loopback = ipaddress.ip_address(how.address).is_loopback
    except ValueError as error:
        raise ConfigurationError(
            f"'{how.address[:60]}' is no address of the internet protocol",
            where="--bind",
            remedy="give numbers, such as 127.0.0.1 or 10.0.0.5",
        ) from error
    if not (loopback or how.peers or how.any_peer):
        raise ConfigurationError(
            "every machine of the network could send",
            where="--bind",
            remedy="name who may with --peer TITLE@ADDRESS, or say --any-peer",
        )
