"""Many patients: the same task for each, on one or several processes; what fails is told, the rest is finished."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from ytterby.errors import ConfigurationError, InputError

__all__ = ["Outcome", "Progress", "run_tasks"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int, str], None]
"""Called after each task with: finished, total, name of the task."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of one task: its value, or why it failed.

    ``is_internal`` is True when the failure is not the input's fault.
    """

    key: str
    value: Result | None = None
    failure: str = ""
    is_internal: bool = False


class _Attempt(Generic[Result]):
    """One try of a task: what it gave, or in plain words why it failed, so that any failure can cross between processes."""

    def __init__(self) -> None:
        self.value: Result | None = None
        self.failure = ""
        self.is_internal = False

    def __enter__(self) -> _Attempt[Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):  # done, or an interruption, which is nobody's to swallow
            return False
        self.is_internal = not isinstance(error, InputError)
        self.failure = f"{type(error).__name__}: {error}" if self.is_internal else str(error)
        return True

    def outcome(self, key: str) -> Outcome[Result]:
        """The try as an outcome."""
        return Outcome(key, self.value, self.failure, self.is_internal)


def _tried(task: Callable[[Item], Result], key: str, item: Item) -> Outcome[Result]:
    attempt: _Attempt[Result] = _Attempt()
    with attempt:
        attempt.value = task(item)
    return attempt.outcome(key)


def run_tasks(
    task: Callable[[Item], Result],
    items: Sequence[tuple[str, Item]],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Outcome[Result], ...]:
    """Outcome of ``task(item)`` for each ``(key, item)``, in the order of ``items`` whatever the number of workers.

    ``task`` and its items must be picklable. With one worker everything runs in this process, one after the other. When a worker
    process dies (out of memory, killed), what it and the others had not finished is tried again, each alone; only a task that
    brings its own worker down fails.

    Raises
    ------
    ConfigurationError
        ``workers`` is below 1.
    """
    if workers < 1:
        raise ConfigurationError(
            f"workers must be at least 1, got {workers}", where="--workers", remedy="give 1 or more"
        )
    outcomes: dict[str, Outcome[Result]] = {}
    finished = (
        (_tried(task, key, item) for key, item in items)
        if workers == 1
        else _side_by_side(task, items, min(workers, max(1, len(items))))
    )
    for done, outcome in enumerate(finished, start=1):
        outcomes[outcome.key] = outcome
        if progress is not None:
            progress(done, len(items), outcome.key)
    return tuple(outcomes[key] for key, _ in items)


def _side_by_side(
    task: Callable[[Item], Result], items: Sequence[tuple[str, Item]], workers: int
) -> Iterator[Outcome[Result]]:
    """Outcomes as they come from ``workers`` processes; then, each alone, those that a dying process took along."""
    lost: list[tuple[str, Item]] = []
    with _processes(workers) as pool:
        futures = {pool.submit(_tried, task, key, item): (key, item) for key, item in items}
        for future in as_completed(futures):
            if isinstance(future.exception(), BrokenProcessPool):
                lost.append(futures[future])
            else:
                yield future.result()
    for key, item in sorted(lost, key=lambda entry: [name for name, _ in items].index(entry[0])):
        with _processes(1) as alone:
            future = alone.submit(_tried, task, key, item)
            if isinstance(future.exception(), BrokenProcessPool):
                yield Outcome(key, failure="its worker process died (killed, or out of memory)", is_internal=True)
            else:
                yield future.result()


@contextmanager
def _processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes (spawned: no state of this one leaks into them); an interruption drops what has not begun."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    finished = False
    try:
        yield pool
        finished = True
    finally:
        pool.shutdown(wait=True, cancel_futures=not finished)
