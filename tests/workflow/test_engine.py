"""The engine: order, failures told and kept apart, any number of workers."""

from __future__ import annotations

import os
import signal

import pytest

from ytterby.errors import ConfigurationError, InputError
from ytterby.workflow.engine import run_tasks


def square(number: int) -> int:
    if number == 3:
        raise InputError("three is not allowed", where="item 3", remedy="take another")
    if number == 4:
        raise ZeroDivisionError("a fault of ours")
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_outcomes_come_in_order_and_failures_do_not_stop_the_rest(workers: int) -> None:
    seen: list[tuple[int, int]] = []
    outcomes = run_tasks(
        square,
        [(f"P{n}", n) for n in range(6)],
        workers=workers,
        progress=lambda done, total, name: seen.append((done, total)),
    )
    assert [outcome.key for outcome in outcomes] == [f"P{n}" for n in range(6)]
    assert [outcome.value for outcome in outcomes] == [0, 1, 4, None, None, 25]
    assert outcomes[3].failure == "item 3: three is not allowed. What to do: take another"
    assert not outcomes[3].is_internal
    assert outcomes[4].is_internal
    assert seen == [(n, 6) for n in range(1, 7)]


def test_no_worker_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        run_tasks(square, [], workers=0)


def test_nothing_to_do_is_nothing_done() -> None:
    assert run_tasks(square, [], workers=2) == ()


class Awkward(Exception):  # noqa: N818 - it stands for any exception of a library
    """An exception that cannot be made again from its arguments, as pickling tries to."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def fails_oddly(number: int) -> int:
    if number == 1:
        raise Awkward("a", "b")
    return number


def test_an_exception_that_cannot_be_pickled_fails_its_own_task_alone() -> None:
    outcomes = run_tasks(fails_oddly, [(str(n), n) for n in range(4)], workers=2)
    assert [outcome.value for outcome in outcomes] == [0, None, 2, 3]
    assert outcomes[1].failure == "Awkward: ab"


def kills_its_worker(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_worker_fails_its_own_task_alone() -> None:
    outcomes = run_tasks(kills_its_worker, [(str(n), n) for n in range(5)], workers=2)
    assert [outcome.value for outcome in outcomes] == [0, 1, None, 3, 4]
    assert outcomes[2].is_internal
    assert "worker process died" in outcomes[2].failure


def interrupts(number: int) -> int:
    if number == 1:
        raise KeyboardInterrupt
    return number


def test_an_interruption_stops_at_once() -> None:
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_tasks(interrupts, [(str(n), n) for n in range(5)], progress=lambda done, total, name: seen.append(name))
    assert seen == ["0"]
