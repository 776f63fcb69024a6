"""Output folders: what is written appears as a whole at the end, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ytterby.errors import ConfigurationError

__all__ = ["whole_or_nothing"]


@contextmanager
def whole_or_nothing(out: Path, *, optional: Sequence[str] = ()) -> Iterator[Path]:
    """A folder to write into, whose entries move to ``out`` when all went well; when not, it is removed and ``out`` is untouched.

    Entries of ``out`` that have the name of a new one (an earlier run's) are replaced; so are those of ``optional``, which not
    every run writes: what an earlier run left of them is removed. Others stay.

    Raises
    ------
    ConfigurationError
        ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise ConfigurationError("the output is a file", where=str(out), remedy="name a folder")
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".unfinished", dir=out.parent))
    try:
        yield making
        out.mkdir(parents=True, exist_ok=True)
        written: set[str] = set()
        for entry in sorted(making.iterdir()):
            place = out / entry.name
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            entry.replace(place)
            written.add(entry.name)
        for name in set(optional) - written:
            (out / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(making, ignore_errors=True)
