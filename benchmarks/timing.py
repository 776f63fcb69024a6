"""How two implementations are timed side by side: warm in one process by turns, cold each in a process of its own."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Seconds:
    """Least, middle and greatest of several runs."""

    minimum: float
    median: float
    maximum: float
    runs: int

    @classmethod
    def of(cls, runs: list[float]) -> Seconds:
        return cls(min(runs), statistics.median(runs), max(runs), len(runs))


@dataclass(frozen=True)
class Cold:
    """First use in a fresh process: seconds of the imports and of the first call (numba compiles in it, nothing is cached).

    ``peak_mib`` is the greatest memory of the first call above the input and the imports; None where it cannot be told.
    """

    imports: Seconds
    first_call: Seconds
    peak_mib: float | None


def warm(ours: Callable[[], Any], peer: Callable[[], Any], *, runs: int) -> tuple[Seconds, Seconds]:
    """Times of both, run by turns so that a busy moment of the machine meets both; the first call of each is not counted."""
    ours()
    peer()
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(runs):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        for which in order:
            gc.collect()
            begin = time.perf_counter()
            (ours, peer)[which]()
            times[which].append(time.perf_counter() - begin)
    return Seconds.of(times[0]), Seconds.of(times[1])


def cold(program: Path, case: str, side: str, *, size: str, runs: int) -> Cold:
    """Times of the first use, each run in a new process with an empty numba cache."""
    imports, calls, peaks = [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(
                [sys.executable, str(program), "--first-use", case, "--side", side, "--size", size],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
            )
        told = json.loads(done.stdout.splitlines()[-1])
        imports.append(told["imports"])
        calls.append(told["first_call"])
        peaks.append(told["peak_mib"])
    return Cold(Seconds.of(imports), Seconds.of(calls), None if None in peaks else max(peaks))


def as_record(value: Seconds | Cold) -> dict[str, Any]:
    """JSON-ready, in seconds rounded to microseconds."""

    def rounded(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: rounded(inner) for key, inner in item.items()}
        return round(item, 6) if isinstance(item, float) else item

    return rounded(asdict(value))
