"""Studies on their way in: each stands in its place when all that brought it has ended well, and aside when not.

::

    OUT/<patient>/<study>/<series>/<object>.dcm     whole
    OUT/.arriving/<study>@<sender>.part/...         on its way
    OUT/incomplete/<study>@<sender>.part/...        broken off, with incomplete.json; goes on when its sender comes again
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ytterby.dicom.header import UNFINISHED
from ytterby.dicom.network.keeping import ALREADY_KEPT, KEPT, Answer, Association, same_bytes
from ytterby.dicom.network.place import Instance, file_name, synced
from ytterby.errors import ConfigurationError

__all__ = ["ARRIVING", "INCOMPLETE", "Arrivals", "Received"]

ARRIVING = ".arriving"
INCOMPLETE = "incomplete"
_LOCK = "lock"
_LOCK_TRIES = 20
_NOTE = "incomplete.json"
_WHOLE = "whole"  # its presence says that all associations of an arrival were released
_OTHER_BYTES = Answer(0xC111, "other bytes of this SOP Instance UID are here and stay")


@dataclass(frozen=True)
class Received:
    """A study that has come: where it is, how many objects are new, whether it is ``whole``, and the reason when not."""

    study_uid: str
    sender: str
    folder: Path
    objects: int
    whole: bool
    reason: str = ""

    def record(self) -> dict[str, object]:
        """The study as a line of JSON holds it."""
        return {
            "study": self.study_uid,
            "sender": self.sender,
            "folder": str(self.folder),
            "objects": self.objects,
            "whole": self.whole,
            "reason": self.reason,
        }


@dataclass
class _Arrival:
    """What one sender has brought of one study since it last stood in its place."""

    study_uid: str
    sender: str
    folder: Path
    open: set[Association] = field(default_factory=set)
    broken: Association | None = None
    ready_at_seconds: float | None = None


class Arrivals:
    """Keeper of a folder for received studies. One process at a time has the folder.

    ``quiet_seconds`` pass between the end of the last association of a study and its appearance: some senders open one for each
    series, or for each object. ``told`` is called with every study that stands in its place, or aside.

    Raises
    ------
    ConfigurationError
        Another process receives into the folder.
    """

    def __init__(self, out: Path, *, quiet_seconds: float, told: Callable[[Received], None]) -> None:
        self.out = out
        self._arriving = out / ARRIVING
        self.spool = self._arriving / "spool"
        self._quiet_seconds = quiet_seconds
        self._told = told
        self._guard = threading.Lock()
        self._arrivals: dict[tuple[str, str], _Arrival] = {}
        self._senders: dict[Association, str] = {}
        self._lock = self._locked()
        self._recover()

    def _locked(self) -> IO[str]:
        place = self._arriving / _LOCK
        for _ in range(_LOCK_TRIES):
            self._arriving.mkdir(parents=True, exist_ok=True)
            try:
                lock = place.open("w")
            except FileNotFoundError:
                continue  # one that ended just now took the folder away
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock.fileno()), place.stat()):
                    return lock
                lock.close()
            except FileNotFoundError:
                lock.close()
            except OSError:
                lock.close()
                break
        raise ConfigurationError(
            "another process receives into this folder",
            where=str(self.out),
            remedy="stop it, or name another folder",
        )

    def _recover(self) -> None:
        """Bring to an end what an earlier process was killed in: appearances go on, all else is put aside."""
        shutil.rmtree(self.spool, ignore_errors=True)
        self.spool.mkdir()
        for folder in sorted(self._arriving.iterdir()):
            if folder == self.spool or not folder.is_dir():
                continue
            study, _, sender = folder.name.removesuffix(UNFINISHED).partition("@")
            arrival = _Arrival(study, sender, folder)
            if (folder / _WHOLE).exists():
                self._appear(arrival)
            else:
                self._put_aside(arrival, "the receiver was stopped in the middle of it")

    def opened(self, association: Association, sender: str) -> None:
        """See ``Keeper``."""
        with self._guard:
            self._senders[association] = sender

    def keep(self, instance: Instance, path: Path, association: Association) -> Answer:
        """Give an object its place in the arrival of its study; see ``Keeper``."""
        with self._guard:
            arrival = self._arrival(instance.study_uid, self._senders.get(association, "unknown"))
            arrival.open.add(association)
            arrival.ready_at_seconds = None
            (arrival.folder / _WHOLE).unlink(missing_ok=True)
            place = instance.below(arrival.folder, finished=False)
            for known in (instance.below(self.out), place):
                if known.exists():
                    return ALREADY_KEPT if same_bytes(known, path) else _OTHER_BYTES
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            synced(place.parent)
            return KEPT

    def _arrival(self, study_uid: str, sender: str) -> _Arrival:
        found = self._arrivals.get((study_uid, sender))
        if found is None:
            name = f"{study_uid}@{file_name(sender)}{UNFINISHED}"
            found = self._arrivals[study_uid, sender] = _Arrival(study_uid, sender, self._arriving / name)
            aside = self.out / INCOMPLETE / name
            if aside.is_dir() and not found.folder.exists():
                # Each object of it was acknowledged: its sender need not send them again, and now goes on.
                aside.rename(found.folder)
                (found.folder / _NOTE).unlink(missing_ok=True)
            found.folder.mkdir(exist_ok=True)
        return found

    def closed(self, association: Association, *, released: bool) -> None:
        """See ``Keeper``. A study waits while another association of it is open.

        A release mends an earlier break of the same sender when its association began after the break.
        """
        with self._guard:
            self._senders.pop(association, None)
            for key, arrival in list(self._arrivals.items()):
                if association not in arrival.open:
                    continue
                arrival.open.remove(association)
                if not released:
                    arrival.broken = max(arrival.broken or 0, association, *arrival.open)
                elif arrival.broken is not None and association > arrival.broken:
                    arrival.broken = None
                if arrival.open:
                    continue
                if arrival.broken is not None:
                    del self._arrivals[key]
                    self._put_aside(arrival, "the association was broken off")
                else:
                    (arrival.folder / _WHOLE).touch()
                    synced(arrival.folder)
                    arrival.ready_at_seconds = time.monotonic() + self._quiet_seconds

    def settle(self, *, now: bool = False) -> None:
        """Let the studies appear that are whole and quiet; with ``now`` the whole ones that are not quiet yet, too."""
        with self._guard:
            for key, arrival in list(self._arrivals.items()):
                if arrival.ready_at_seconds is not None and (now or time.monotonic() >= arrival.ready_at_seconds):
                    del self._arrivals[key]
                    self._appear(arrival)

    @property
    def waiting(self) -> bool:
        """True while a study is on its way."""
        with self._guard:
            return bool(self._arrivals)

    def close(self) -> None:
        """Let whole studies appear, put the others aside, leave the folder to others, and no empty folder of our own in it."""
        self.settle(now=True)
        with self._guard:
            for arrival in self._arrivals.values():
                self._put_aside(arrival, "the receiver was stopped in the middle of it")
            self._arrivals.clear()
            _remove_empty(self.spool)
            # Only while it is locked: a process that waits for the lock finds another one afterwards, in a new folder.
            with contextlib.suppress(OSError):
                if list(self._arriving.iterdir()) == [self._arriving / _LOCK]:
                    (self._arriving / _LOCK).unlink()
            _remove_empty(self._arriving)
            _remove_empty(self.out / INCOMPLETE)
            self._lock.close()

    def _appear(self, arrival: _Arrival) -> None:
        """Bring an arrival to its place: a new study by one renaming, what is added to a study series by series."""
        (arrival.folder / _WHOLE).touch()
        for study in _studies(arrival.folder):
            parts = sorted(study.rglob(f"*{UNFINISHED}"))
            for part in parts:
                part.rename(part.with_name(part.name.removesuffix(UNFINISHED)))
            objects = len(list(study.rglob("*.dcm")))
            place = self.out / study.parent.name / study.name
            place.parent.mkdir(parents=True, exist_ok=True)
            _merge(study, place)
            synced(place.parent)
            if objects:
                self._told(Received(arrival.study_uid, arrival.sender, place, objects, whole=True))
        shutil.rmtree(arrival.folder)

    def _put_aside(self, arrival: _Arrival, reason: str) -> None:
        # What had appeared in part, when the process was killed, has lost the mark: it gets it back.
        for study in _studies(arrival.folder):
            for file in sorted(study.rglob("*.dcm")):
                file.rename(file.with_name(file.name + UNFINISHED))
        parts = sorted(arrival.folder.rglob(f"*{UNFINISHED}"))
        if not parts:
            shutil.rmtree(arrival.folder)
            return
        aside = self.out / INCOMPLETE / arrival.folder.name
        aside.parent.mkdir(exist_ok=True)
        received = Received(arrival.study_uid, arrival.sender, aside, len(parts), whole=False, reason=reason)
        note = {
            **received.record(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": [part.relative_to(arrival.folder).as_posix() for part in parts],
        }
        (arrival.folder / _NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        arrival.folder.rename(aside)
        synced(aside.parent)
        self._told(received)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it holds something, or is not there
        folder.rmdir()


def _studies(folder: Path) -> Iterator[Path]:
    for patient in sorted(folder.iterdir()):
        if patient.is_dir():
            yield from sorted(study for study in patient.iterdir() if study.is_dir())


def _merge(source: Path, place: Path) -> None:
    """Move a study, or what is new of it, to its place; what stands there stays."""
    if not place.exists():
        source.rename(place)
        return
    for entry in sorted(source.iterdir()):
        target = place / entry.name
        if not target.exists():
            entry.rename(target)
        elif entry.is_dir():
            _merge(entry, target)
    synced(place)
