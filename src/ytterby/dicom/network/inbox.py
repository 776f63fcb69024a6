"""The objects of a study that was asked for, as they come, and what is missing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ytterby.dicom.header import UNFINISHED, open_header, quiet
from ytterby.dicom.network.keeping import ALREADY_KEPT, KEPT, Answer, Association, same_bytes
from ytterby.dicom.network.place import Instance, instance_of, synced
from ytterby.dicom.network.question import Expected
from ytterby.errors import DicomError, NetworkError

__all__ = ["Inbox", "Progress"]

Progress = Callable[[int, int, str], None]
"""Called with (objects that are there, objects that are expected, UID of the last)."""

_NOT_ASKED_FOR = Answer(0xC112, "this object was not asked for")
_OTHER_BYTES = Answer(0xC111, "other bytes of this SOP Instance UID came before")
_NAMED = 5


class Inbox:
    """Keeper of one folder for the ``expected`` objects of a study; anything else is refused.

    In the folder, objects stand as series/object.dcm, with the mark of a part until ``whole`` takes it away from all.
    """

    def __init__(
        self, folder: Path, study_uid: str, expected: Sequence[Expected], progress: Progress | None = None
    ) -> None:
        self.folder = folder
        self.spool = folder
        self._study_uid = study_uid
        self._expected = {(one.series_uid, one.sop_uid) for one in expected}
        self._came: set[tuple[str, str]] = set()
        self._progress = progress
        self._guard = threading.Lock()

    @property
    def missing(self) -> tuple[Expected, ...]:
        """Objects that have not come, in the order of their UIDs."""
        with self._guard:
            return tuple(Expected(*one) for one in sorted(self._expected - self._came))

    @property
    def absence(self) -> str:
        """What has not come, in words, with some of the UIDs."""
        missing = self.missing
        names = ", ".join(one.sop_uid for one in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"{len(missing)} of {len(self._expected)} objects did not come ({names}{more})"

    def opened(self, association: Association, sender: str) -> None:
        """See ``Keeper``: one who sends what was asked for may do so."""

    def closed(self, association: Association, *, released: bool) -> None:
        """See ``Keeper``: what has come is counted, however the association ended."""

    def keep(self, instance: Instance, path: Path, association: Association) -> Answer:
        """See ``Keeper``."""
        one = (instance.series_uid, instance.sop_uid)
        with self._guard:
            if instance.study_uid != self._study_uid or one not in self._expected:
                return _NOT_ASKED_FOR
            place = self.folder / instance.in_study(finished=False)
            if place.exists():
                return ALREADY_KEPT if same_bytes(place, path) else _OTHER_BYTES
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
            self._came.add(one)
            if self._progress is not None:
                self._progress(len(self._came), len(self._expected), instance.sop_uid)
            return KEPT

    @quiet()
    def take(self, path: Path) -> None:
        """Keep a file that came by another way than C-STORE; DicomError when it is not what was asked for."""
        answer = self.keep(instance_of(open_header(path)), path, 0)
        if answer.status:
            raise DicomError(answer.comment, where=path.name, remedy="report it to those who run the archive")

    def whole(self, where: str) -> int:
        """Number of objects, once every file has its own name; NetworkError that lists what is missing when something is."""
        if self.missing:
            raise NetworkError(
                f"{self.absence}; nothing is kept",
                where=where,
                remedy="fetch it again; when the same are missing, look into the archive's log",
            )
        for part in sorted(self.folder.rglob(f"*.dcm{UNFINISHED}")):
            part.rename(part.with_name(part.name.removesuffix(UNFINISHED)))
        for series in sorted({series for series, _ in self._came}):
            synced(self.folder / series)
        return len(self._came)
