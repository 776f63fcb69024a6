"""Measured doses of a simulated study beside the true ones, which only a simulation knows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ytterby.cohort.table import AnalysisTables
from ytterby.errors import TableError
from ytterby.report.tables import Row, Table

__all__ = ["Agreement", "TruthComparison", "truth_of", "truth_table"]


@dataclass(frozen=True)
class Agreement:
    """Measured against true doses: their relative differences (measured / true - 1) and their correlation.

    ``limits_fraction`` are Bland and Altman's 95 % limits of agreement of the relative difference, mean +- 1.96 SD
    (doi:10.1016/S0140-6736(86)90837-8).
    """

    quantity: str
    n: int
    median_true_gy: float
    median_measured_gy: float
    mean_difference_fraction: float
    limits_fraction: tuple[float, float]
    correlation: float


@dataclass(frozen=True)
class TruthComparison:
    """Agreement of each kind of dose, and the pairs behind them."""

    agreements: tuple[Agreement, ...]
    pairs: pd.DataFrame

    def summary(self) -> list[dict[str, Any]]:
        """The agreements as plain values."""
        return [{**asdict(one), "limits_fraction": list(one.limits_fraction)} for one in self.agreements]

    def sentences(self) -> list[str]:
        """The agreements in words, one line each."""
        return [
            f"{one.quantity}: {one.n} measured against known truth, mean difference {one.mean_difference_fraction:+.1%} "
            f"(95 % limits {one.limits_fraction[0]:+.1%} to {one.limits_fraction[1]:+.1%}), correlation {one.correlation:.3f}"
            for one in self.agreements
        ]


def truth_of(study: Path, tables: AnalysisTables) -> TruthComparison | None:
    """Comparison of a simulated study's measured doses with its ``truth/`` folder; None where there is no such folder.

    Raises
    ------
    TableError
        A table of the truth lacks a column.
    """
    folder = study / "truth"
    if not folder.is_dir():
        return None
    lesions = _table(folder / "lesions.csv", ("patient_id", "lesion_id", "mad_gy"))
    patients = _table(folder / "patients.csv", ("patient_id", "mad_gy", "normal_liver_gy", "perfused_normal_gy"))
    parts = [
        _pairs("MAD per lesion", tables.lesions, lesions, ("patient_id", "lesion_id"), "mad_gy", "mad_gy"),
        _pairs(
            "MAD per lesion, corrected for partial volume",
            tables.lesions,
            lesions,
            ("patient_id", "lesion_id"),
            "mad_corrected_gy",
            "mad_gy",
        ),
        _pairs("MAD per patient", tables.patients, patients, ("patient_id",), "mad_gy", "mad_gy"),
        _pairs("whole normal liver", tables.patients, patients, ("patient_id",), "ntl_whole_gy", "normal_liver_gy"),
        _pairs(
            "perfused normal liver", tables.patients, patients, ("patient_id",), "ntl_perfused_gy", "perfused_normal_gy"
        ),
    ]
    found = [part for part in parts if len(part) > 1]
    return TruthComparison(tuple(_agreement(part) for part in found), pd.concat(found, ignore_index=True))


def truth_table(truth: TruthComparison) -> Table:
    """The comparison as a table of the report."""
    header = (
        "Dose",
        "n",
        "Median true (Gy)",
        "Median measured (Gy)",
        "Mean difference (%)",
        "95 % limits (%)",
        "Correlation",
    )
    rows = tuple(
        Row(
            (
                one.quantity,
                str(one.n),
                f"{one.median_true_gy:.1f}",
                f"{one.median_measured_gy:.1f}",
                f"{100 * one.mean_difference_fraction:+.1f}",
                f"{100 * one.limits_fraction[0]:+.1f} to {100 * one.limits_fraction[1]:+.1f}",
                f"{one.correlation:.3f}",
            )
        )
        for one in truth.agreements
    )
    notes = (
        "Simulated patients: the true dose is known from the activity that was put in. The difference is measured / true - 1; "
        "it holds the resolution and the noise of the simulated scanner.",
    )
    return Table("truth", "Measured and true doses", header, rows, notes, (False, *[True] * 6))


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise TableError("the table is missing", where=str(path), remedy="simulate the study again")
    table = pd.read_csv(path)
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise TableError(f"the column {missing[0]} is missing", where=str(path), remedy="simulate the study again")
    return table


def _pairs(
    quantity: str, measured: pd.DataFrame, true: pd.DataFrame, key: tuple[str, ...], column: str, true_column: str
) -> pd.DataFrame:
    if column not in measured.columns:
        return pd.DataFrame()
    left = measured[[*key, column]].rename(columns={column: "measured_gy"})
    right = true[[*key, true_column]].rename(columns={true_column: "true_gy"})
    joined = left.merge(right, on=list(key), how="inner", validate="one_to_one").dropna()
    joined.insert(0, "quantity", quantity)
    return joined


def _agreement(pairs: pd.DataFrame) -> Agreement:
    measured = pairs["measured_gy"].to_numpy(dtype=np.float64)
    true = pairs["true_gy"].to_numpy(dtype=np.float64)
    difference = measured / true - 1.0
    spread = 1.96 * float(difference.std(ddof=1))
    mean = float(difference.mean())
    return Agreement(
        quantity=str(pairs["quantity"].iloc[0]),
        n=len(pairs),
        median_true_gy=float(np.median(true)),
        median_measured_gy=float(np.median(measured)),
        mean_difference_fraction=mean,
        limits_fraction=(mean - spread, mean + spread),
        correlation=float(np.corrcoef(measured, true)[0, 1]),
    )
