"""What R found on the samples of tests/oracles, and those samples as columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ORACLES = Path(__file__).parents[1] / "oracles"

Figures = dict[str, float]


class Oracle:
    """Values that R wrote: figures by data set, analysis and term."""

    def __init__(self, path: Path) -> None:
        self.figures: dict[tuple[str, str, str], Figures] = {}
        with path.open(encoding="ascii", newline="") as file:
            for row in csv.DictReader(file):
                value = math.nan if row["value"] == "NA" else float(row["value"])
                self.figures.setdefault((row["dataset"], row["analysis"], row["term"]), {})[row["quantity"]] = value
        self.compared: set[tuple[str, str, str]] = set()

    def agrees(self, key: tuple[str, str, str], ours: Figures, *, rel: float, abs_: float = 0.0) -> None:
        """Assert that exactly these figures are in the oracle, equal within the tolerance; nan equals nan."""
        assert ours == pytest.approx(self.figures[key], rel=rel, abs=abs_, nan_ok=True), key
        self.compared.add(key)

    def assert_all_compared(self) -> None:
        """Nothing that R computed was left out."""
        assert not set(self.figures) - self.compared


@pytest.fixture
def oracle() -> Callable[[str], Oracle]:
    """Reader of a result of stats_r.R by the name of its file."""
    return lambda name: Oracle(ORACLES / name)


def columns(path: Path) -> dict[str, np.ndarray]:
    """Columns of a CSV, as floats where all cells are numbers or empty (nan)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> np.ndarray:
        cells = [row[name] for row in rows]
        try:
            return np.array([float(cell) if cell else math.nan for cell in cells])
        except ValueError:
            return np.array(cells)

    return {name: column(name) for name in rows[0]}


@pytest.fixture
def table() -> Callable[[Path], dict[str, np.ndarray]]:
    """Reader of a CSV into columns."""
    return columns


@pytest.fixture
def sample() -> Callable[[str], dict[str, np.ndarray]]:
    """Reader of one of the simulated samples by its name (stats_data_NAME.csv)."""
    return lambda name: columns(ORACLES / f"stats_data_{name}.csv")
