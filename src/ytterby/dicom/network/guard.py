"""Bounds on what another machine may send: length of a unit, time for it, size of an object. pynetdicom itself has none."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_file_meta_info
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dsutils import create_file_meta
from pynetdicom.fsm import InvalidEventError, StateMachine
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

from ytterby.dicom.header import DAMAGE, UNFINISHED
from ytterby.dicom.network.place import checked_uid
from ytterby.errors import DicomError

if TYPE_CHECKING:
    from pydicom.uid import UID

__all__ = ["Limits", "Spool", "guard"]

_LOG = logging.getLogger(__name__)
_MOST_IN_MEMORY = 4 * 2**20
_MOST_COMMAND = 2**16
_MOST_WAITING = 8
_MOST_NEGOTIATION = 2**20
_CHUNK = 2**16
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_number = itertools.count(1)


@dataclass(frozen=True)
class Limits:
    """What another machine may ask of this one.

    ``pdu_bytes`` bounds one unit of data, ``object_bytes`` one object. Below ``free_bytes`` of free disk nothing is taken.
    ``associations`` may be open at once. ``idle_seconds`` may pass without a word, and for one unit of data;
    ``opening_seconds`` from connecting to asking.
    """

    pdu_bytes: int = 2**17
    object_bytes: int = 2**30
    free_bytes: int = 2**30
    associations: int = 8
    idle_seconds: float = 60.0
    opening_seconds: float = 15.0


class Spool:
    """One object on its way in, written to a file as its bytes come; ``refusal`` says why it is not kept ("" when it is)."""

    def __init__(self, path: Path, start: bytes, limits: Limits) -> None:
        self.path = path
        self.name = str(path)
        self.refusal = ""
        self._left = limits.object_bytes
        self._limits = limits
        self._stream: io.BufferedWriter | None = None
        # pynetdicom flushes the file within its file after each piece: nobody reads before the end.
        self.file = io.BytesIO()
        if shutil.disk_usage(path.parent).free < limits.free_bytes:
            self.refusal = "the disk of the receiver is nearly full"
            return
        try:
            self._stream = path.open("xb")
        except OSError as error:
            self._refuse(f"the receiver cannot write ({error.strerror})")
        self._put(start)

    def write(self, data: bytes) -> int:
        """Take the next bytes of the data set."""
        self._left -= len(data)
        if self._left < 0:
            self._refuse(f"larger than {self._limits.object_bytes} bytes")
        self._put(data)
        return len(data)

    def finish(self) -> None:
        """Bring the object to the disk; ``refusal`` says when that failed."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            self._refuse(f"the receiver cannot write ({error.strerror})")
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                stream.close()
            except OSError as error:
                self._refuse(f"the receiver cannot write ({error.strerror})")

    def discard(self) -> None:
        """Remove what is left of the file; nothing where it was moved to its place."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(data)
        except OSError as error:
            self._refuse(f"the receiver cannot write ({error.strerror})")

    def _refuse(self, reason: str) -> None:
        if not self.refusal:
            self.refusal = reason
        self.discard()


def guard(association: Association, limits: Limits, spool: Path | None) -> None:
    """Bound a new association, before its first byte is read. Objects go to files in ``spool``; without it none is taken."""
    provider = association.dul.socket
    if provider is not None and provider.socket is not None:
        provider.__class__ = _BoundedSocket
        provider.socket.settimeout(limits.idle_seconds)
        provider.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    association.dul.state_machine.__class__ = _SteadyStates
    association.dimse = _BoundedMessages(association, limits, spool)


class _BoundedSocket(AssociationSocket):
    """A connection whose units of data are bounded in length, and in the time that they take."""

    def _shutdown_socket(self) -> None:
        # pynetdicom leaves the connection open when the other side has gone already.
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()

    def recv(self, nr_bytes: int) -> bytearray:
        """Bytes read; OSError where more are announced than may come, or where they take too long."""
        if nr_bytes > max(_MOST_NEGOTIATION, 2 * self.assoc.ae.maximum_pdu_size):
            raise OSError(f"a unit of {nr_bytes} bytes is announced")
        connection = self.socket
        if connection is None:
            raise OSError("the connection is closed")
        patience = self.assoc.network_timeout or 60.0
        ends_at = time.monotonic() + patience
        received = bytearray()
        while len(received) < nr_bytes:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"a unit of data took longer than {patience} s")
            piece = connection.recv(min(_CHUNK, nr_bytes - len(received)))
            if not piece:
                break
            received += piece
        if _QUICK_ACK is not None:
            # Many senders send request and data set apart, and wait 40 ms for us to acknowledge the first.
            connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        return received


class _SteadyStates(StateMachine):
    """The states of an association; what leads out of them ends the association, not the thread with a traceback."""

    def do_action(self, event: str) -> None:
        """Go to the next state; where there is none, close the connection."""
        try:
            super().do_action(event)
        except (InvalidEventError, DicomError, *DAMAGE) as error:
            _LOG.info("an association was ended: %s", error)
            provider = self.dul
            if provider.socket is not None:
                provider.socket.close()
            provider.assoc.is_established = False
            provider.assoc._kill = provider._kill_thread = True
            provider.assoc.dimse.msg_queue.put((None, None))
        self._no_request_comes()

    def _no_request_comes(self) -> None:
        # The thread of the association would wait for a request until its time is up, and keep others out.
        waiting = self.dul.assoc.is_acceptor and self.dul.assoc.requestor.primitive is None
        if waiting and (self.current_state == "Sta1" or self.dul._kill_thread):
            self.dul.to_user_queue.put(None)


class _BoundedMessages(DIMSEServiceProvider):
    """Messages put together from pieces: objects in files, everything else small and in memory."""

    def __init__(self, association: Association, limits: Limits, spool: Path | None) -> None:
        super().__init__(association)
        self._limits = limits
        self._spool = spool
        self._held = 0
        self.get_msg = self._message  # type: ignore[method-assign]

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the pieces of a unit of data one by one; what cannot be a message ends the association."""
        for context_id, data in primitive.presentation_data_value_list:
            one = P_DATA()
            one.presentation_data_value_list = [[context_id, data]]  # type: ignore[list-item]
            try:
                if not (self._fits(data) and self._read()):
                    raise ValueError("more than may be held")
                super().receive_primitive(one)
                self._open_spool(context_id)
            except (*DAMAGE, DicomError):
                # Evt19 of the state machine (DICOM PS3.8 section 9.2): an unrecognised or invalid unit of data.
                self.dul.event_queue.put("Evt19")
                self.msg_queue.put((None, None))  # wakes whoever waits for an answer
                return

    def _message(self, block: bool = False) -> Any:
        """The next message. On an association of our own only those who wait take one.

        pynetdicom's thread looks in without waiting, and at times takes an answer from the one who asked.
        """
        if self.assoc.is_requestor and not block:
            return None, None
        return super().get_msg(block)

    def _fits(self, data: bytes) -> bool:
        if not data:
            return False
        if self.message is None:
            self._held = 0
        elif self.message._data_set_file is not None and not data[0] & 1:
            return True  # the spool counts
        self._held += len(data)
        return self._held <= (_MOST_COMMAND if data[0] & 1 else _MOST_IN_MEMORY)

    def _read(self) -> bool:
        """Wait until earlier messages were read; False when they are not."""
        ends_at = time.monotonic() + self._limits.idle_seconds
        while self.msg_queue.qsize() >= _MOST_WAITING:
            if self.assoc._kill or self.assoc._sent_abort or time.monotonic() > ends_at:
                return False
            time.sleep(0.001)
        return True

    def _open_spool(self, context_id: int) -> None:
        message = self.message
        if not isinstance(message, C_STORE_RQ) or message._data_set_file is not None:
            return
        if self._spool is None:
            raise ValueError("objects were not asked for")
        context = self.assoc._accepted_cx[context_id]
        commands = message.command_set
        for uid in (commands.AffectedSOPClassUID, commands.AffectedSOPInstanceUID):
            checked_uid(str(uid), "UID in the request")
        meta = create_file_meta(
            sop_class_uid=cast("UID", commands.AffectedSOPClassUID),
            sop_instance_uid=cast("UID", commands.AffectedSOPInstanceUID),
            transfer_syntax=context.transfer_syntax[0],
        )
        start = io.BytesIO()
        start.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(cast(DicomFileLike, start), meta)
        path = self._spool / f"{os.getpid()}-{next(_number)}{UNFINISHED}"
        spool = Spool(path, start.getvalue(), self._limits)
        message._data_set_file = spool  # type: ignore[assignment]
        message._data_set_path = path
