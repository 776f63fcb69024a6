"""Tables of a case: what stands in doses.csv, dvh.csv, engines.csv and uncertainty.csv, and in the same words in case.json."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from ytterby.model.dose import CaseDose, SegmentDose
from ytterby.model.uncertainty import UncertaintyBudget

__all__ = ["budget_record", "budget_table", "dose_row", "engine_table", "histogram_table"]

# Columns of doses.csv, in the order of docs/reference.
_DOSE_COLUMNS = (
    "segment",
    "role",
    "volume_ml",
    "mass_kg",
    "activity_fraction",
    "mean_dose_gy",
    "mean_dose_uncertainty_gy",
    "min_dose_gy",
    "max_dose_gy",
    "d98_gy",
    "d95_gy",
    "d90_gy",
    "d70_gy",
    "d50_gy",
    "d2_gy",
    "v100gy_fraction",
    "bed_mean_gy",
    "engine",
    "method",
    "sd_dose_gy",
    "eqd2_mean_gy",
    "eud_gy",
    "recovery_coefficient",
    "corrected_mean_dose_gy",
    "corrected_mean_dose_uncertainty_gy",
    "corrected_low_gy",
    "corrected_high_gy",
)
# Columns of engines.csv: what the engines can differ in.
_ENGINE_COLUMNS = (
    "segment",
    "role",
    "engine",
    "volume_ml",
    "mean_dose_gy",
    "sd_dose_gy",
    "d98_gy",
    "d95_gy",
    "d90_gy",
    "d70_gy",
    "d50_gy",
    "d2_gy",
    "v100gy_fraction",
    "bed_mean_gy",
)


def dose_row(row: SegmentDose) -> dict[str, Any]:
    """A row of doses.csv, by column."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    values["role"] = row.role.value
    return {name: values[name] for name in _DOSE_COLUMNS}


def histogram_table(dose: CaseDose) -> pd.DataFrame:
    """dvh.csv: the cumulative histogram of every segment by the reported engine."""
    parts = [
        pd.DataFrame(
            {
                "segment": curve.segment,
                "role": curve.role.value,
                "dose_gy": curve.dose_gy.round(9),
                "volume_fraction": curve.volume_fraction,
                "volume_ml": curve.volume_fraction * curve.total_volume_ml,
            }
        )
        for curve in dose.histograms
    ]
    return pd.concat(parts, ignore_index=True)


def budget_record(budget: UncertaintyBudget) -> dict[str, Any]:
    """A budget as case.json holds it."""
    return {**asdict(budget), "combined_fraction": budget.combined_fraction, "combined_gy": budget.combined_gy}


def budget_table(dose: CaseDose) -> pd.DataFrame:
    """A row a term of every budget: first of the measured doses, then of the corrected ones, each with its sum."""
    rows = []
    for kind, budgets in (("measured", dose.budgets), ("corrected", dose.corrected_budgets)):
        for budget in budgets:
            lines = [(term.name, term.part_of, term.standard_fraction, term.standard_gy) for term in budget.terms]
            lines.append(("combined", "", budget.combined_fraction, budget.combined_gy))
            for name, part_of, share, gray in lines:
                rows.append(
                    {
                        "segment": budget.segment,
                        "dose": kind,
                        "mean_dose_gy": budget.mean_dose_gy,
                        "term": name,
                        "part_of": part_of,
                        "standard_fraction": share,
                        "standard_gy": gray,
                    }
                )
    return pd.DataFrame(rows)


def engine_table(dose: CaseDose) -> pd.DataFrame:
    """The engines side by side: for each segment a row an engine, the reported one first; its mean over the reported mean."""
    rows = []
    for reported in dose.doses:
        others = [row for row in dose.compared if row.segment == reported.segment]
        for row in (reported, *others) if others else ():
            values = {name: getattr(row, name) for name in _ENGINE_COLUMNS}
            values["role"] = row.role.value
            ratio = row.mean_dose_gy / reported.mean_dose_gy if reported.mean_dose_gy > 0 else None
            rows.append({**values, "mean_ratio": ratio})
    return pd.DataFrame(rows)
