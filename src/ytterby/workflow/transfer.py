"""Studies fetched from an archive, whole or not at all, and files sent to one, each with what became of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ytterby.dicom.header import NOT_DICOM, UNFINISHED
from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.inbox import Inbox, Progress
from ytterby.dicom.network.making import in_the_making
from ytterby.dicom.network.peer import Archive
from ytterby.dicom.network.place import is_uid
from ytterby.dicom.network.query import expected, find
from ytterby.dicom.network.question import Expected, Found, Question
from ytterby.dicom.network.retrieve import ReturnAddress, fetch_by_get, fetch_by_move
from ytterby.dicom.network.store import Outgoing, Sent, outgoing, send
from ytterby.dicom.network.web import WebArchive
from ytterby.dicom.network.webstudies import fetch_by_web, find_by_web, send_by_web, web_expected
from ytterby.errors import ConfigurationError, DicomError, NetworkError

__all__ = ["Fetched", "Shipment", "fetch", "search", "ship", "shipment"]

_MOST_FILES = 200_000


@dataclass(frozen=True)
class Fetched:
    """A study, or a series of it, that was fetched whole."""

    folder: Path
    study_uid: str
    series: int
    objects: int


@dataclass(frozen=True)
class Shipment:
    """Files to be sent, those that cannot be (with the reason), and the number of files that are no DICOM and stay."""

    files: tuple[Outgoing, ...]
    unfit: tuple[Sent, ...]
    skipped: int


def search(archive: Archive | WebArchive, question: Question) -> tuple[tuple[Found, ...], bool]:
    """Studies or series that an archive has, and whether there are more than the limit; by C-FIND or QIDO-RS."""
    return find_by_web(archive, question) if isinstance(archive, WebArchive) else find(archive, question)


def fetch(
    archive: Archive | WebArchive,
    out: Path,
    study_uid: str,
    series_uid: str = "",
    *,
    limits: Limits,
    home: ReturnAddress | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """A study or one series of it in the folder ``out``: series/object.dcm, every object that the archive lists, or nothing.

    An ``Archive`` is asked by C-GET, or by C-MOVE where ``home`` says to what place it shall send; a ``WebArchive`` by WADO-RS.

    Raises
    ------
    ConfigurationError
        ``out`` holds something, or a UID is none.
    NetworkError
        The archive cannot be reached, fails, or has not sent all that it lists: then the message names what is missing.
    """
    for uid in (study_uid, series_uid or "1"):
        if not is_uid(uid):
            raise ConfigurationError(f"'{uid[:70]}' is no UID", where="UID", remedy="give digits and points alone")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError("the folder holds something", where=str(out), remedy="name a new one")
    wanted = _wanted(archive, study_uid, series_uid)
    out = out.resolve()
    with in_the_making(out) as making:
        inbox = Inbox(making, study_uid, wanted, progress)
        if isinstance(archive, WebArchive):
            fetch_by_web(archive, study_uid, wanted, inbox, limits)
        elif home is not None:
            fetch_by_move(archive, study_uid, wanted, inbox, limits, home)
        else:
            fetch_by_get(archive, study_uid, wanted, inbox, limits)
        objects = inbox.whole(str(archive))
    return Fetched(out, study_uid, len({one.series_uid for one in wanted}), objects)


def _wanted(archive: Archive | WebArchive, study_uid: str, series_uid: str) -> tuple[Expected, ...]:
    question = Question(study_uid=study_uid, series=bool(series_uid), limit=1000)
    if isinstance(archive, WebArchive):
        wanted = web_expected(archive, study_uid, series_uid)
    else:
        wanted = expected(archive, study_uid, series_uid)
    counted = [
        one.instances
        for one in search(archive, question)[0]
        if one.study_uid == study_uid and one.series_uid in ("", series_uid) and one.instances is not None
    ]
    if counted and counted[0] > len(wanted):
        raise NetworkError(
            f"it counts {counted[0]} objects, but lists {len(wanted)}",
            where=str(archive),
            remedy="wait until the study has come there, then fetch it again",
        )
    return wanted


def shipment(paths: Sequence[Path]) -> Shipment:
    """What there is to be sent at the paths (files, and folders with all below them), in the order of their names.

    In folders, files that are not DICOM are passed over, and so are hidden ones and parts of unfinished transfers. What is
    damaged, truncated or without its UIDs is unfit: an archive would keep it as if it were whole.

    Raises
    ------
    DicomError
        A path does not exist, a file that was named is not DICOM, or there is no DICOM file at all.
    """
    files: dict[str, Outgoing] = {}
    unfit: list[Sent] = []
    skipped = 0
    for path in paths:
        named = not path.is_dir()
        for file in [path] if named else _below(path):
            try:
                one = outgoing(file)
            except DicomError as error:
                if named and (error.what == NOT_DICOM or not file.is_file()):
                    raise
                if error.what == NOT_DICOM:
                    skipped += 1
                else:
                    unfit.append(Sent(file, "", "failed", error.what))
                continue
            known = files.setdefault(one.sop_uid, one)
            if known is not one and known.path.resolve() != one.path.resolve():
                unfit.append(Sent(file, one.sop_uid, "failed", f"has the SOP Instance UID of {known.path}"))
    if not files and not unfit:
        raise DicomError(
            "there is nothing to send",
            where=", ".join(map(str, paths)) or "no path",
            remedy="name DICOM files or folders",
        )
    return Shipment(tuple(files.values()), tuple(unfit), skipped)


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not name.endswith(UNFINISHED))
        for name in sorted(names):
            file = Path(place, name)
            if not name.startswith(".") and not name.endswith(UNFINISHED) and not file.is_symlink() and file.is_file():
                found.append(file)
        if len(found) > _MOST_FILES:
            raise DicomError(
                f"more than {_MOST_FILES} files", where=str(folder), remedy="name the folder of one study or patient"
            )
    return found


def ship(
    archive: Archive | WebArchive, files: Sequence[Outgoing], told: Callable[[Sent], None], *, retries: int = 1
) -> tuple[Sent, ...]:
    """What became of each file, in their order; by C-STORE or STOW-RS.

    Raises
    ------
    NetworkError
        The archive cannot be reached or refuses us, so that nothing was sent.
    """
    if not files:
        return ()
    if isinstance(archive, WebArchive):
        return send_by_web(archive, files, told, retries=retries)
    return send(archive, files, told, retries=retries)
