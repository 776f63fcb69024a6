"""Files to an archive by C-STORE, as they are: nothing is converted on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dsutils import split_dataset

from ytterby.dicom.header import DAMAGE, open_header, quiet, text
from ytterby.dicom.network.calling import MOST_CONTEXTS, associated, context, status_of
from ytterby.dicom.network.intact import damage_of
from ytterby.dicom.network.peer import Archive
from ytterby.dicom.network.place import is_uid
from ytterby.dicom.network.question import cleaned
from ytterby.errors import DicomError, NetworkError

__all__ = ["Outgoing", "Sent", "outgoing", "send"]

_BUSY = range(0xA700, 0xA800)
_LOST = "the connection was lost"


@dataclass(frozen=True)
class Outgoing:
    """A file to be sent, with what its presentation context is made of."""

    path: Path
    sop_class: str
    sop_uid: str
    transfer_syntax: str


@dataclass(frozen=True)
class Sent:
    """What became of a file: "sent", "warned" (taken, with a remark) or "failed"; ``again`` says that another try may help."""

    path: Path
    sop_uid: str
    outcome: str
    reason: str = ""
    again: bool = False

    @property
    def taken(self) -> bool:
        """True when the archive has the file."""
        return self.outcome != "failed"

    def record(self) -> dict[str, object]:
        """The file as JSON holds it."""
        return {"path": str(self.path), "sop_uid": self.sop_uid, "outcome": self.outcome, "reason": self.reason}


@quiet()
def outgoing(path: Path) -> Outgoing:
    """What has to be known of a file before it is sent; DicomError when it is no DICOM object, damaged, or truncated.

    The file's meta header has to say what the object says: the archive goes by the one, and we send the other.
    """
    header = open_header(path)
    meta = getattr(header.dataset, "file_meta", Dataset())
    sop_class, sop_uid = text(header.dataset, "SOPClassUID"), text(header.dataset, "SOPInstanceUID")
    syntax = header.transfer_syntax
    if not (is_uid(sop_class) and is_uid(sop_uid) and is_uid(syntax)):
        raise DicomError("class, instance or transfer syntax UID is missing", where=str(path), remedy="export it again")
    if (text(meta, "MediaStorageSOPClassUID"), text(meta, "MediaStorageSOPInstanceUID")) != (sop_class, sop_uid):
        raise DicomError("meta header and object name two UIDs", where=str(path), remedy="export it again")
    try:
        _, start = split_dataset(path)
    except DAMAGE as error:
        raise DicomError("the meta header is damaged", where=str(path), remedy="export it again") from error
    damage = damage_of(header, start)
    if damage:
        raise DicomError(damage, where=str(path), remedy="copy or export it again from the archive")
    return Outgoing(path, sop_class, sop_uid, syntax)


def send(
    archive: Archive, files: Sequence[Outgoing], told: Callable[[Sent], None], *, retries: int = 1
) -> tuple[Sent, ...]:
    """What became of each file, in their order. Those that failed for want of a connection or of room are tried again.

    Raises
    ------
    NetworkError
        No association came about at all, so that nothing was sent.
    """
    results: dict[Path, Sent] = {}
    left = list(files)
    for attempt in range(retries + 1):
        for portion in _portions(left):
            try:
                for sent in _sent(archive, portion):
                    results[sent.path] = sent
            except NetworkError as error:
                if not results and attempt == 0:
                    raise
                for file in portion:
                    results.setdefault(file.path, Sent(file.path, file.sop_uid, "failed", error.what, again=True))
            for file in portion:
                if attempt == retries or not results[file.path].again:
                    told(results[file.path])
        left = [file for file in left if results[file.path].again]
        if not left:
            break
    return tuple(replace(results[file.path], again=False) for file in files)


def _portions(files: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Files for one association each: no more contexts than one may have."""
    kinds = list(dict.fromkeys((file.sop_class, file.transfer_syntax) for file in files))
    for start in range(0, len(kinds), MOST_CONTEXTS):
        portion = set(kinds[start : start + MOST_CONTEXTS])
        yield [file for file in files if (file.sop_class, file.transfer_syntax) in portion]


def _sent(archive: Archive, files: Sequence[Outgoing]) -> Iterator[Sent]:
    kinds = dict.fromkeys((file.sop_class, file.transfer_syntax) for file in files)
    # A context for each pair: with several syntaxes in one the archive would choose, and we should have to convert.
    with associated(archive, [context(*kind) for kind in kinds]) as association:
        accepted = {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in association.accepted_contexts}
        for number, file in enumerate(files):
            if (file.sop_class, file.transfer_syntax) in accepted:
                yield _one(archive, association, file, number % 65535 + 1)
            else:
                reason = f"the archive does not take this class in this transfer syntax ({file.transfer_syntax})"
                yield Sent(file.path, file.sop_uid, "failed", reason)


def _one(archive: Archive, association: Association, file: Outgoing, number: int) -> Sent:
    if association.is_aborted or not association.is_established:
        return Sent(file.path, file.sop_uid, "failed", _LOST, again=True)
    try:
        answer = association.send_c_store(file.path, msg_id=number)
        code = status_of(archive, answer, "C-STORE")
    except NetworkError as error:
        # pynetdicom takes a while to know that the association is over; the next object would wait for its answer in vain.
        association.abort()
        return Sent(file.path, file.sop_uid, "failed", error.what, again=True)
    except RuntimeError:  # pynetdicom: the association has ended just now
        return Sent(file.path, file.sop_uid, "failed", _LOST, again=True)
    except DAMAGE as error:
        return Sent(file.path, file.sop_uid, "failed", f"cannot be read ({error})")
    comment = cleaned(str(getattr(answer, "ErrorComment", "") or ""))
    if code == 0x0000:
        return Sent(file.path, file.sop_uid, "sent", comment)
    told = f"status 0x{code:04X}{', ' + comment if comment else ''}"
    if code in (0xB000, 0xB006, 0xB007):
        return Sent(file.path, file.sop_uid, "warned", told)
    return Sent(file.path, file.sop_uid, "failed", told, again=code in _BUSY)
