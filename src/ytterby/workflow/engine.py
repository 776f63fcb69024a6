"""Many patients: the same task for each, on one or several processes; what fails is told, the rest is finished."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
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


def run_tasks(
    task: Callable[[Item], Result],
    items: Sequence[tuple[str, Item]],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Outcome[Result], ...]:
    """Outcome of ``task(item)`` for each ``(key, item)``, in the order of ``items`` whatever the number of workers.

    ``task`` and its items must be picklable. With one worker everything runs in this process, one after the other.

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
    with _executor(min(workers, max(1, len(items)))) as executor:
        futures: dict[Future[Result], str] = {executor.submit(task, item): key for key, item in items}
        for done, future in enumerate(as_completed(futures), start=1):
            key = futures[future]
            outcomes[key] = _outcome(key, future)
            if progress is not None:
                progress(done, len(items), key)
    return tuple(outcomes[key] for key, _ in items)


def _outcome(key: str, future: Future[Result]) -> Outcome[Result]:
    error = future.exception()
    if error is None:
        return Outcome(key, future.result())
    if isinstance(error, InputError):
        return Outcome(key, failure=str(error))
    return Outcome(key, failure=f"{type(error).__name__}: {error}", is_internal=True)


@contextmanager
def _executor(workers: int) -> Iterator[Executor]:
    """One thread for one worker; fresh processes for more (spawned: no state of this process leaks into them)."""
    if workers == 1:
        with ThreadPoolExecutor(1) as threads:
            yield threads
    else:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as processes:
            yield processes
