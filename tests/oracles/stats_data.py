"""Write the simulated samples on which the statistics are compared with R (stats_data_*.csv beside this script).

    python tests/oracles/stats_data.py [FOLDER]

Simulated, seeded, and made to be awkward: tied scores in clusters, tied and censored times, factor levels of three subjects,
curves that stand at exactly 0.5. Only `Generator.random` is used, whose stream numpy keeps.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

SEED = 90

# Small samples for the median: (time, event) in order. What each is for stands in its name.
MEDIAN_SETS: dict[str, tuple[Sequence[float], Sequence[int]]] = {
    "half_then_falls": ((1, 2, 3, 4, 5, 6), (0, 0, 1, 1, 0, 1)),
    "half_to_the_end": ((2, 5, 7, 9, 22, 34), (1, 1, 1, 0, 0, 0)),
    "no_censoring": ((3, 1, 4, 1, 5, 9, 2, 6, 5, 3), (1,) * 10),
    "never_reached": ((3, 6, 6, 8, 11, 12, 13, 20), (1, 0, 0, 1, 0, 0, 0, 0)),
    "no_event": ((1, 2, 3), (0, 0, 0)),
    "event_at_zero": ((0, 0, 2, 3, 8), (1, 0, 1, 0, 1)),
    "censored_with_event": ((4, 4, 4, 7, 7, 9), (1, 0, 0, 1, 0, 1)),
    "last_two_fall_far": ((1, 2, 3, 4, 5, 6, 30, 31), (0, 1, 0, 1, 0, 0, 1, 1)),
    "rounded_ties": ((0.1 + 0.2, 0.3, 0.7, 0.1 * 7, 1.1, 3 * 1.1, 3.3), (1, 1, 1, 0, 1, 1, 0)),
    "one_subject": ((5,), (1,)),
}

TREND_SETS: dict[str, tuple[Sequence[int], Sequence[int], Sequence[float]]] = {
    "rising": ((1, 3, 5), (5, 5, 5), (1, 2, 3)),
    "flat_small_last": ((7, 12, 2), (9, 16, 3), (1, 2, 3)),
    "falling": ((9, 6, 4, 1), (10, 11, 9, 8), (1, 2, 3, 4)),
    "uneven_scores": ((2, 5, 7), (12, 10, 9), (0, 0.5, 3)),
    "empty_group": ((2, 0, 6), (8, 0, 9), (1, 2, 3)),
}

TABLES: dict[str, tuple[int, int, int, int]] = {  # tp, fp, tn, fn
    "plain": (55, 6, 35, 30),
    "few": (14, 2, 5, 7),
    "no_false_positive": (8, 0, 6, 3),
    "no_true_negative": (8, 4, 0, 3),
    "perfect": (8, 0, 9, 0),
    "large": (812, 95, 1403, 77),
}


def roc_rows(stream: np.random.Generator) -> Iterable[tuple[object, ...]]:
    """Clusters of one to nine subjects; scores to one decimal, so that many are tied across the classes."""
    for cluster in range(1, 31):
        shared = stream.random()
        for _ in range(1 + int(9 * stream.random())):
            positive = int(stream.random() < 0.35 + 0.4 * shared)
            score = 2.0 * shared + 1.3 * positive + 2.5 * stream.random()
            yield cluster, f"{score:.1f}", positive


def survival_rows(stream: np.random.Generator, n: int) -> Iterable[tuple[object, ...]]:
    """Times in whole units; level 3 holds few subjects; one covariate is skewed and far from zero."""
    for row in range(n):
        u = stream.random(6)
        level = 3 if row % 29 == 7 else 1 + int(u[0] < 0.6)
        group = "b" if u[1] < 0.3 else ("a" if u[1] < 0.75 else "c")
        marker = 100.0 * math.exp(1.5 * (u[2] - 0.5)) + 40.0
        hazard = 0.03 * math.exp(0.6 * (level == 2) + 1.8 * (level == 3) + 0.7 * (group == "b") - 0.004 * marker)
        event_at, censored_at = -math.log(1.0 - u[3]) / hazard, 20.0 + 130.0 * u[4]
        time = math.ceil(min(event_at, censored_at) / 2.0)
        yield time, int(event_at <= censored_at), level, group, f"{marker:.1f}"


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """One CSV with line feeds only."""
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Write all samples into the folder."""
    stream = np.random.default_rng(SEED)
    write(folder / "stats_data_roc.csv", ("cluster", "score", "positive"), roc_rows(stream))
    header = ("time", "event", "level", "group", "marker")
    write(folder / "stats_data_survival.csv", header, survival_rows(stream, 160))
    medians = (
        (name, repr(float(time)), event)
        for name, (times, events) in MEDIAN_SETS.items()
        for time, event in zip(times, events, strict=True)
    )
    write(folder / "stats_data_median.csv", ("set", "time", "event"), medians)
    trends = ((name, x, n, score) for name, counts in TREND_SETS.items() for x, n, score in zip(*counts, strict=True))
    write(folder / "stats_data_trend.csv", ("set", "successes", "total", "score"), trends)
    tables = ((name, *counts) for name, counts in TABLES.items())
    write(folder / "stats_data_table.csv", ("set", "tp", "fp", "tn", "fn"), tables)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
