"""The ear: a listener for C-STORE and C-ECHO that survives whatever is sent to its port."""

from __future__ import annotations

import itertools
import logging
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any

import pynetdicom.association
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE, _config, evt
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from ytterby.dicom.network.guard import Limits, guard
from ytterby.dicom.network.keeping import Association, Keeper, on_store
from ytterby.dicom.network.peer import PeerRule, admitted, checked_port, checked_title
from ytterby.errors import NetworkError

__all__ = ["TRANSFER_SYNTAXES", "Reception"]

_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
# Inflating has no bound: what is deflated is never read here, so it is not taken.
TRANSFER_SYNTAXES = tuple(
    uid for uid in dict.fromkeys((*_UNCOMPRESSED, *ALL_TRANSFER_SYNTAXES)) if uid != DeflatedExplicitVRLittleEndian
)
"""Transfer syntaxes that are taken, as they are sent: all that pynetdicom knows but the deflated one."""

_LOG = logging.getLogger(__name__)


class Reception:
    """A listener on ``address`` and ``port`` (0: any that is free), called ``title``; what comes is given to ``keeper``.

    Use it as a context: it listens inside. ``tend`` has to be called now and then, from the thread that made it.

    Raises
    ------
    NetworkError
        The port is taken, may not be used, or the address is none of this machine.
    """

    def __init__(
        self,
        keeper: Keeper,
        *,
        title: str,
        address: str,
        port: int,
        limits: Limits,
        peers: Sequence[PeerRule] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._keeper = keeper
        self._limits = limits
        self._peers = tuple(peers)
        self._numbers = itertools.count(1)
        self._open: dict[pynetdicom.association.Association, Association] = {}
        self._guard = threading.Lock()
        _config.LOG_HANDLER_LEVEL = "none"  # pynetdicom would format every unit of data for its log
        entity = AE(checked_title(title))
        entity.require_called_aet = True
        entity.maximum_associations = limits.associations
        entity.maximum_pdu_size = limits.pdu_bytes
        entity.acse_timeout = limits.opening_seconds
        entity.dimse_timeout = entity.network_timeout = limits.idle_seconds
        entity.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), list(TRANSFER_SYNTAXES))
        handlers = [
            (evt.EVT_CONN_OPEN, self._connected),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_RELEASED, self._ended),
            (evt.EVT_ABORTED, self._ended),
            (evt.EVT_C_STORE, on_store(keeper, lambda event: self._open[event.assoc])),
        ]
        try:
            self._server = _Server(
                entity,
                (address, checked_port(port, any_free=True)),
                entity.ae_title,
                entity.supported_contexts,
                evt_handlers=handlers,  # type: ignore[arg-type]
            )
        except (OSError, OverflowError) as error:
            raise NetworkError(
                f"cannot listen there ({getattr(error, 'strerror', None) or error})",
                where=f"{address}:{port}",
                remedy="take another port (below 1024 needs rights), or stop what listens there",
            ) from error
        self._server.limits, self._server.peers, self._server.tls = limits, self._peers, tls
        entity._servers.append(self._server)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    @property
    def busy(self) -> bool:
        """True while an association is open."""
        with self._guard:
            return bool(self._open)

    def __enter__(self) -> Reception:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(grace_seconds=0.0)

    def stop(self, *, grace_seconds: float) -> None:
        """Take no new association, give the open ones some time to end, and break off the rest."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        ends_at = time.monotonic() + grace_seconds
        while self.busy and time.monotonic() < ends_at:
            self.tend()
            time.sleep(0.02)
        for association in self._server.active_associations:
            association.abort(block=False)
        ends_at = time.monotonic() + 2.0
        while self._server.active_associations and time.monotonic() < ends_at:
            time.sleep(0.02)
        self.tend()
        with self._guard:
            left, self._open = self._open, {}
        for number in left.values():
            self._keeper.closed(number, released=False)

    def tend(self) -> None:
        """Tell the keeper of associations whose threads ended without a word. Only a release is an end in order."""
        with self._guard:
            ended = [association for association in self._open if not association.is_alive()]
        for association in ended:
            self._close(association)

    def _connected(self, event: evt.Event) -> None:
        guard(event.assoc, self._limits, self._keeper.spool)

    def _requested(self, event: evt.Event) -> None:
        caller: Any = event.assoc.requestor
        title = str(caller.primitive.calling_ae_title)
        if not admitted(self._peers, title, caller.address_info.address):
            # DICOM PS3.8 table 9-21: rejected permanent, by the service user, calling AE title not recognised.
            event.assoc.acse.send_reject(0x01, 0x01, 0x03)
            event.assoc.is_rejected = True
            event.assoc.kill()

    def _accepted(self, event: evt.Event) -> None:
        number = next(self._numbers)
        with self._guard:
            self._open[event.assoc] = number
        self._keeper.opened(number, event.assoc.requestor.ae_title)

    def _ended(self, event: evt.Event) -> None:
        self._close(event.assoc)

    def _close(self, association: pynetdicom.association.Association) -> None:
        with self._guard:
            number = self._open.pop(association, None)
        if number is not None:
            self._keeper.closed(number, released=association.is_released)


class _Server(ThreadedAssociationServer):
    """pynetdicom's server, with a bound on connections and on the time that a handshake may take."""

    daemon_threads = True
    request_queue_size = 32
    limits = Limits()
    peers: tuple[PeerRule, ...] = ()
    tls: ssl.SSLContext | None = None
    _opening = 0
    _count = threading.Lock()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """True when the machine may connect, and there are not too many connections."""
        with self._count:
            connections = len(self.active_associations) + self._opening
            if not admitted(self.peers, None, client_address[0]) or connections >= 4 * self.limits.associations + 8:
                return False
            self._opening += 1
        request.settimeout(self.limits.opening_seconds)
        return True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands where TLS is asked for, and begin the association; runs in a thread of its own, so that none waits."""
        try:
            if self.tls is not None:
                request = self.tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        finally:
            with self._count:
                self._opening -= 1

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection; one that fails is closed, and the listener goes on."""
        try:
            self.finish_request(request, client_address)
        except (OSError, ValueError) as error:
            _LOG.warning("%s: %s", client_address[0], error)
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line in the log instead of a traceback: a stranger's mistake is no fault of ours."""
        _LOG.warning("connection of %s failed", client_address[0])
