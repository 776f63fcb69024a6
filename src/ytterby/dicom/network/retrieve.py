"""A study from an archive by C-GET, or by C-MOVE to a listener of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET  # type: ignore[attr-defined]  # noqa: N814
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as MOVE  # type: ignore[attr-defined]  # noqa: N814

from ytterby.dicom.network.calling import MOST_CONTEXTS, associated, context, status_of, storing_role
from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.inbox import Inbox
from ytterby.dicom.network.keeping import on_store
from ytterby.dicom.network.peer import Archive, PeerRule, server_context
from ytterby.dicom.network.question import Expected, cleaned
from ytterby.dicom.network.reception import TRANSFER_SYNTAXES, Reception
from ytterby.errors import NetworkError

__all__ = ["ReturnAddress", "fetch_by_get", "fetch_by_move"]

# Asked for where an archive does not say of what class its objects are: what this program reads, and its kin.
_USUAL = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130",
    "1.2.840.10008.5.1.4.1.1.66.1", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.2",
    "1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.6",
    "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.68", "1.2.840.10008.5.1.4.1.1.104.1",
)  # fmt: skip


_GET_REMEDY = (
    "look into the archive's log, or give more time with --answer-seconds; it may not know C-GET: try --method move"
)


@dataclass(frozen=True)
class ReturnAddress:
    """Where an archive sends what we move: it knows our AE title at this address and port already."""

    address: str
    port: int


def fetch_by_get(archive: Archive, study_uid: str, wanted: Sequence[Expected], inbox: Inbox, limits: Limits) -> None:
    """Fill the inbox over our own association (C-GET); every object in the transfer syntax that it is stored in.

    Raises
    ------
    NetworkError
        The archive cannot be reached, refuses, or fails. What is missing afterwards, the inbox says.
    """
    for series, contexts in _portions(wanted):
        classes = sorted({str(one.abstract_syntax) for one in contexts})
        with associated(
            archive,
            [context(GET), *contexts],
            roles=[storing_role(sop_class) for sop_class in classes],
            handlers=[(evt.EVT_C_STORE, on_store(inbox, lambda _: 0))],
            spool=inbox.spool,
            limits=limits,
        ) as association:
            for series_uid in series:
                answers = association.send_c_get(_series(study_uid, series_uid), GET)
                _follow(archive, answers, "C-GET", inbox, _GET_REMEDY)


def fetch_by_move(
    archive: Archive, study_uid: str, wanted: Sequence[Expected], inbox: Inbox, limits: Limits, home: ReturnAddress
) -> None:
    """Fill the inbox by C-MOVE: the archive sends to a listener that is there for this purpose alone.

    Raises
    ------
    NetworkError
        The port is taken, or the archive cannot be reached, does not know us, or fails.
    """
    tls = None
    if archive.tls is not None and archive.tls.certificate is not None:
        tls = server_context(archive.tls)
    with Reception(
        inbox,
        title=archive.own_title,
        address=home.address,
        port=home.port,
        limits=limits,
        peers=(PeerRule(archive.title),),
        tls=tls,
    ) as ear:
        # Archives that do not know us say so in many ways: a status of their own, or a closed connection.
        remedy = (
            f"register our title, address and port ({archive.own_title}, {home.address}, {ear.port}) at the archive, "
            "or use --method get; the archive's log may say more"
        )
        with associated(archive, [context(MOVE)], limits=limits) as association:
            for series_uid in sorted({one.series_uid for one in wanted}):
                answers = association.send_c_move(_series(study_uid, series_uid), archive.own_title, MOVE)
                _follow(archive, answers, "C-MOVE", inbox, remedy)
        # The last object may still be on its way to its place when the archive says that it is done.
        ends_at = time.monotonic() + 5.0
        while ear.busy and inbox.missing and time.monotonic() < ends_at:
            time.sleep(0.02)


def _series(study_uid: str, series_uid: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = "SERIES"
    asked.StudyInstanceUID, asked.SeriesInstanceUID = study_uid, series_uid
    return asked


def _portions(wanted: Sequence[Expected]) -> Iterator[tuple[list[str], list[PresentationContext]]]:
    """Series that one association can carry, with its contexts: one for each class and transfer syntax.

    One transfer syntax to a context leaves the archive nothing to choose: it sends each object as it has it.
    """
    classes: dict[str, set[str]] = {}
    for one in wanted:
        classes.setdefault(one.series_uid, set()).add(one.sop_class)
    known: dict[str, list[str]] = {}
    for series_uid in sorted(classes):
        if "" in classes[series_uid]:
            few = TRANSFER_SYNTAXES[: (MOST_CONTEXTS - 1) // len(_USUAL)]
            yield [series_uid], [context(sop_class, syntax) for sop_class in _USUAL for syntax in few]
        else:
            for sop_class in sorted(classes[series_uid]):
                known.setdefault(sop_class, []).append(series_uid)
    room = MOST_CONTEXTS - 1
    syntaxes = TRANSFER_SYNTAXES[:room]
    for sop_class, series in known.items():
        # A series of two classes is asked for twice; the inbox takes each object once.
        yield series, [context(sop_class, syntax) for syntax in syntaxes]


def _follow(
    archive: Archive, answers: Iterator[tuple[Dataset, Dataset | None]], what: str, inbox: Inbox, remedy: str
) -> None:
    before = len(inbox.missing)
    for answer, _ in answers:
        code = status_of(archive, answer, what, remedy)
        # Pending, success, cancelled; 0xB000: some failed. Whatever it says, what came in part is judged by the inbox.
        if code in (0xFF00, 0x0000, 0xFE00, 0xB000) or (code != 0xA801 and len(inbox.missing) < before):
            continue
        comment = cleaned(str(getattr(answer, "ErrorComment", "") or ""))
        raise NetworkError(
            f"{what} failed (status 0x{code:04X}{', ' + comment if comment else ''}); {inbox.absence}; nothing is kept",
            where=str(archive),
            remedy=remedy,
        )
