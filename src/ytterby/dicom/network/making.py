"""A folder on its way to its name: hidden, locked while its process lives, and removed by the next when that was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ytterby.dicom.network.place import synced

__all__ = ["in_the_making"]

_SUFFIX = ".fetching"
_LEFT = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}")


@contextmanager
def in_the_making(out: Path) -> Iterator[Path]:
    """A new hidden folder beside ``out``, which becomes ``out`` when the context is left in order, and vanishes when not.

    Before, such folders beside ``out`` are removed whose processes are gone (killed, or ended with their machine).

    Raises
    ------
    OSError
        The folder cannot be made, or ``out`` holds something by now.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(out.parent)
    making, lock = _made(out)
    try:
        yield making
        _open_to_others(making)
        making.rename(out)
        synced(out.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _made(out: Path) -> tuple[Path, int | None]:
    """The folder and its lock; no lock where the file system has none, and there nobody removes leftovers, either."""
    while True:
        making = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=_SUFFIX, dir=out.parent))
        lock = None
        try:
            lock = _opened(making)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), making.stat()):
                return making, lock
        except (BlockingIOError, FileNotFoundError):
            pass  # between making and locking, another process took it for a leftover: make another
        except OSError:
            if lock is not None:
                os.close(lock)
            return making, None
        if lock is not None:
            os.close(lock)


def _remove_leftovers(parent: Path) -> None:
    for folder in sorted(parent.iterdir()):
        if not _LEFT.fullmatch(folder.name):
            continue
        with contextlib.suppress(OSError):  # no folder, of another user, or removed by another process meanwhile
            lock = _opened(folder)
            try:
                # The system drops a lock when its process ends, however it ends: who gets it is alone.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.geteuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _open_to_others(folder: Path) -> None:
    """Give a folder that was made for us alone the rights of a folder that anybody makes."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
