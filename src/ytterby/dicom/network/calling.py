"""Associations with another machine, opened and closed; every way in which that fails has its error."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context, build_role
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from ytterby.dicom.network.guard import Limits, guard
from ytterby.dicom.network.peer import Archive, client_context
from ytterby.errors import NetworkError

__all__ = ["MOST_CONTEXTS", "associated", "context", "echo", "status_of", "storing_role"]

MOST_CONTEXTS = 128
"""Presentation contexts of one association (DICOM PS3.8 section 9.3.2.2: odd numbers from 1 to 255)."""

# DICOM PS3.8 table 9-21, by source and diagnostic.
_REJECTIONS = {
    (1, 3): ("it does not know our AE title", "have it registered there, or give another --title"),
    (1, 7): ("it has another AE title", "give the AE title that it is configured with"),
    (3, 1): ("it is busy", "try again later"),
    (3, 2): ("it has too many associations open", "try again later"),
}


def context(sop_class: str, *transfer_syntaxes: str) -> PresentationContext:
    """A presentation context to be proposed; without transfer syntaxes, the uncompressed ones."""
    return build_context(sop_class, list(transfer_syntaxes) or None)


def storing_role(sop_class: str) -> SCP_SCU_RoleSelectionNegotiation:
    """The request to be sent objects of a class on our own association, as C-GET needs it."""
    return build_role(sop_class, scp_role=True)


@contextmanager
def associated(
    archive: Archive,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Sequence[tuple[Any, Any]] = (),
    spool: Path | None = None,
    limits: Limits | None = None,
) -> Iterator[Association]:
    """An association that is released when the context is left in order, and aborted when not.

    ``spool`` is the folder for objects that come on it; without it none is taken.

    Raises
    ------
    NetworkError
        The machine cannot be found or reached, TLS fails, it refuses us, or accepts none of the contexts.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True  # files are sent as they are, without being decoded
    bounds = replace(limits or Limits(), idle_seconds=archive.answer_seconds)
    entity = AE(archive.own_title)
    entity.maximum_pdu_size = bounds.pdu_bytes
    entity.connection_timeout = archive.connect_seconds
    entity.acse_timeout = archive.answer_seconds
    entity.dimse_timeout = archive.answer_seconds
    # The silence of an open association is the other's to bear while we work; answers have their own patience.
    entity.network_timeout = max(archive.answer_seconds, 60.0)
    address = _address(archive)
    tls, failures = None, []
    if archive.tls is not None:
        tls = (client_context(archive.tls), archive.host)
        failures = _remembered(tls[0])
    association = entity.associate(
        address,
        archive.port,
        contexts=list(contexts),
        ae_title=archive.title,
        max_pdu=bounds.pdu_bytes,
        ext_neg=list(roles),
        tls_args=tls,
        evt_handlers=[(evt.EVT_CONN_OPEN, lambda event: guard(event.assoc, bounds, spool)), *handlers],
    )
    if not association.is_established:
        raise _refused(archive, association, failures)
    in_order = False
    try:
        yield association
        in_order = True
    finally:
        if not in_order:
            association.abort()
        elif association.is_established:
            association.release()


def echo(archive: Archive) -> None:
    """See that a machine answers (C-ECHO); NetworkError when it does not."""
    with associated(archive, [context(Verification)]) as association:
        status_of(archive, association.send_c_echo(), "C-ECHO")


def status_of(archive: Archive, answer: Any, what: str, remedy: str = "") -> int:
    """Status of an answer; NetworkError when none came in time."""
    status = getattr(answer, "Status", None)
    if not isinstance(status, int):
        raise NetworkError(
            f"no answer to {what}: it closed the connection, or took longer than --answer-seconds allows",
            where=str(archive),
            remedy=remedy or "look into the log of that machine, or give more time with --answer-seconds",
        )
    return status


def _address(archive: Archive) -> str:
    try:
        found = socket.getaddrinfo(archive.host, archive.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NetworkError(
            f"there is no machine of this name ({getattr(error, 'strerror', None) or error})",
            where=str(archive),
            remedy="check the name, or give its address",
        ) from error
    # The older protocol first, as pynetdicom has it.
    return str(sorted(found, key=lambda entry: entry[0] != socket.AF_INET)[0][4][0])


def _remembered(context: ssl.SSLContext) -> list[OSError]:
    """What will go wrong when sockets of the context connect: pynetdicom only logs it.

    A second try would not tell: Orthanc 1.10 stops listening after a handshake that failed.
    """
    failures: list[OSError] = []

    class Remembering(ssl.SSLSocket):
        def connect(self, address: Any) -> None:
            try:
                super().connect(address)
            except OSError as error:
                failures.append(error)
                self.close()  # pynetdicom would leave it to the garbage collector
                raise

    context.sslsocket_class = Remembering
    return failures


def _refused(archive: Archive, association: Association, failures: Sequence[OSError]) -> NetworkError:
    answer = association.acceptor.primitive
    if association.is_rejected:
        source, diagnostic = (getattr(answer, "result_source", None), getattr(answer, "diagnostic", None))
        known = _REJECTIONS.get((source, diagnostic))  # type: ignore[arg-type]
        reason, remedy = known or ("it gives no reason", "ask those who run it, or look into its log")
        return NetworkError(f"the association was refused: {reason}", where=str(archive), remedy=remedy)
    if answer is not None and not association.accepted_contexts:
        return NetworkError(
            "it accepts none of the kinds of object or service that were asked for",
            where=str(archive),
            remedy="look into its conformance statement",
        )
    return _told(archive, failures[0]) if failures else _unreachable(archive)


def _unreachable(archive: Archive) -> NetworkError:
    """Why no association came about: pynetdicom does not say it, so the first steps are taken once more."""
    try:
        with socket.create_connection((archive.host, archive.port), timeout=archive.connect_seconds) as connection:
            if archive.tls is not None:
                with client_context(archive.tls).wrap_socket(connection, server_hostname=archive.host):
                    pass
    except OSError as error:
        return _told(archive, error)
    return NetworkError(
        "it closed the connection, or did not answer in time",
        where=str(archive),
        remedy="check that this port speaks DICOM, with TLS or without it, and whether it asks for our certificate",
    )


def _told(archive: Archive, error: OSError) -> NetworkError:
    """A failed connection in words."""
    if isinstance(error, TimeoutError):
        what, remedy = f"no connection within {archive.connect_seconds:.3g} s", "check address, port and firewall"
    elif isinstance(error, ssl.SSLCertVerificationError):
        what = f"its certificate is not trusted ({error.verify_message})"
        remedy = "give the certificate of its issuer with --tls-trusted; the name has to be that of the certificate"
    elif isinstance(error, ssl.SSLError):
        what, remedy = f"TLS failed ({error.reason or error})", "check that this port speaks TLS"
    else:
        what, remedy = f"no connection ({error.strerror or error})", "check address, port, and that it runs"
    return NetworkError(what, where=str(archive), remedy=remedy)
