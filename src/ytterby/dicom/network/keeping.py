"""An object that was received, judged and kept: the answers that its sender is given."""

from __future__ import annotations

import filecmp
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydicom.dataset import Dataset
from pynetdicom import evt

from ytterby.dicom.header import open_header, quiet
from ytterby.dicom.network.guard import Spool
from ytterby.dicom.network.place import Instance, instance_of
from ytterby.errors import InputError

__all__ = ["ALREADY_KEPT", "KEPT", "Answer", "Association", "Keeper", "kept_or_refused", "on_store", "same_bytes"]

Association = int
"""Number of an association, in the order in which they were accepted."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """Status of a C-STORE response (DICOM PS3.4 table B.2-1) and the comment that goes with it."""

    status: int
    comment: str = ""

    def dataset(self) -> Dataset:
        """The answer as pynetdicom takes it."""
        answer = Dataset()
        answer.Status = self.status
        if self.comment:
            # ErrorComment is a long string: 64 characters, printable.
            answer.ErrorComment = self.comment.encode("ascii", "replace").decode("ascii")[:64].replace("\\", "/")
        return answer


KEPT = Answer(0x0000)
ALREADY_KEPT = Answer(0x0000, "the same bytes were here already")
_NO_ROOM = 0xA700
_DOES_NOT_MATCH = 0xA900
_NOT_UNDERSTOOD = 0xC000


class Keeper(Protocol):
    """Whoever gives a received object its place; ``spool`` is a folder of the same file system as the place."""

    spool: Path

    def opened(self, association: Association, sender: str) -> None:
        """Take note of an association and of the AE title that calls."""

    def keep(self, instance: Instance, path: Path, association: Association) -> Answer:
        """Move the file ``path`` to its place, or refuse it; called from the thread of its association."""

    def closed(self, association: Association, *, released: bool) -> None:
        """Take note that an association has ended: ``released`` in order, or else broken off."""


def same_bytes(one: Path, other: Path) -> bool:
    """True when two files hold the same bytes."""
    return filecmp.cmp(one, other, shallow=False)


def kept_or_refused(keeper: Keeper, spool: Spool | None, asked: Instance | None, association: Association) -> Answer:
    """Answer to a C-STORE request whose data set is in ``spool``; ``asked`` has the class and the UID of the request."""
    if spool is None or asked is None:
        return Answer(_NOT_UNDERSTOOD, "no data set came with the request")
    if not spool.refusal:
        spool.finish()
    if spool.refusal:
        return Answer(_NO_ROOM, spool.refusal)
    try:
        with quiet():
            instance = instance_of(open_header(spool.path))
    except InputError as error:
        return Answer(_NOT_UNDERSTOOD, error.what)
    if (instance.sop_class, instance.sop_uid) != (asked.sop_class, asked.sop_uid):
        return Answer(_DOES_NOT_MATCH, "SOP class or instance UID is not that of the request")
    try:
        return keeper.keep(instance, spool.path, association)
    except OSError as error:
        return Answer(_NO_ROOM, f"the receiver cannot write ({error.strerror})")


def on_store(keeper: Keeper, number: Callable[[evt.Event], Association]) -> Callable[[evt.Event], Dataset]:
    """Handler of C-STORE requests for pynetdicom; ``number`` gives an event's association."""

    def store(event: evt.Event) -> Dataset:
        request: Any = event.request
        spool: Spool | None = request._dataset_file
        asked = Instance("", "", "", str(request.AffectedSOPInstanceUID), str(request.AffectedSOPClassUID))
        try:
            answer = kept_or_refused(keeper, spool, asked, number(event))
        finally:
            if spool is not None:
                spool.discard()
        if answer.status:
            _LOG.warning("refused %s: 0x%04X %s", asked.sop_uid, answer.status, answer.comment)
        return answer.dataset()

    return store
