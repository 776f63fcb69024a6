"""Progress of long work: a bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["reporting"]


@contextmanager
def reporting(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int, str], None] | None]:
    """Function to be called with (finished, total, name) after each step; None when ``quiet``."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[name]}"), console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=None, name="")
            yield lambda done, total, name: bar.update(task, completed=done, total=total, name=name)
    else:
        yield _plain_lines(what)


def _plain_lines(what: str) -> Callable[[int, int, str], None]:
    started = time.monotonic()

    def line(done: int, total: int, name: str) -> None:
        step = max(1, total // 10)
        if done % step == 0 or done == total:
            print(
                f"{what}: {done}/{total} ({time.monotonic() - started:.0f} s, last {name})", file=sys.stderr, flush=True
            )

    return line
