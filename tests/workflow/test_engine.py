"""The engine: order, failures told and kept apart, any number of workers."""

from __future__ import annotations

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
