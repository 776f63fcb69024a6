"""Where a command writes: the folder that was named, or one that goes when the answer has been shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["named_or_passing"]


@contextmanager
def named_or_passing(out: Path | None) -> Iterator[Path]:
    """The folder ``out``; without one a folder that is removed when the context is left."""
    if out is not None:
        yield out
        return
    with TemporaryDirectory(prefix="ytterby-") as folder:
        yield Path(folder) / "results"
