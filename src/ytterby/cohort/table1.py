"""Table 1: the patients' characteristics, row by row, for the columns that are there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ytterby.cohort.columns import levels, median_and_range, numbers, texts
from ytterby.cohort.notices import Notices
from ytterby.cohort.table import ORIGINS, AnalysisTables

__all__ = ["SITES", "THERAPIES", "characteristics"]

SITES = ("lymph_node", "thyroid", "lung", "adrenal", "peritoneum", "ovary", "bone")
"""Extrahepatic sites, each a 0/1 column ``site_<name>``."""

THERAPIES = (
    "resection_primary",
    "resection_metastasis",
    "tace",
    "rfa",
    "radiotherapy",
    "somatostatin",
    "prrt",
    "systemic",
)
"""Therapies before and after, each a 0/1 column ``prior_<name>`` and ``later_<name>``; ``prior_therapies`` counts them."""

Row = dict[str, Any]


def characteristics(tables: AnalysisTables, notices: Notices) -> list[Row]:
    """Rows {variable, level, n or median, range, missing} in the order of the paper's Table 1."""
    table = _Rows(tables.patients)
    table.number("age_years")
    table.categories("sex", first=("M", "F"))
    table.categories("origin", first=ORIGINS)
    table.categories("grade")
    table.flag("endocrine_syndrome")
    table.flag("liver_cirrhosis")
    table.flag("extrahepatic_disease")
    table.involved_regions()
    for site in SITES:
        table.flag(f"site_{site}")
    table.categories("extent", first=("right", "right_plus_4", "whole"))
    table.sessions()
    for column in (
        "treated_volume_ml",
        "treated_fraction",
        "administered_activity_gbq",
        "mird_gy",
        "mad_gy",
        "ntl_perfused_gy",
        "ntl_whole_gy",
        "lung_shunt_fraction",
    ):
        table.number(column)
    table.flag_or_categories("portal_vein_thrombosis")
    table.therapies("prior")
    table.therapies("later")
    table.flag("additional_sirt")
    if table.absent:
        notices.warn("column_missing", f"Table 1 lacks, for want of a column: {', '.join(table.absent)}")
    return table.rows


class _Rows:
    """Rows made so far, and the columns that were looked for in vain."""

    def __init__(self, patients: pd.DataFrame) -> None:
        self.patients = patients
        self.rows: list[Row] = []
        self.absent: list[str] = []

    def _has(self, column: str) -> bool:
        if column in self.patients.columns:
            return True
        self.absent.append(column)
        return False

    def _count(self, variable: str, level: str, n: int, missing: int) -> None:
        self.rows.append(
            {"variable": variable, "level": level, "n": n, "median": None, "range": None, "missing": missing}
        )

    def _counts(self, variable: str, values: list[str], ordered: list[str], *, missing: int) -> None:
        for level in ordered:
            self._count(variable, level, values.count(level), missing)

    def number(self, column: str) -> None:
        """Median and range."""
        if not self._has(column):
            return
        values = numbers(self.patients, column)
        median, extent = median_and_range(values)
        self.rows.append(
            {
                "variable": column,
                "level": None,
                "n": None,
                "median": median,
                "range": extent,
                "missing": int(np.isnan(values).sum()),
            }
        )

    def categories(self, column: str, *, first: tuple[str, ...] = ()) -> None:
        """A count for each level: those of ``first`` (zeros too), then the others that occur."""
        if not self._has(column):
            return
        values = texts(self.patients, column)
        ordered = [*first, *(level for level in levels(values) if level not in first)]
        self._counts(column, values, ordered, missing=values.count(""))

    def flag_or_categories(self, column: str) -> None:
        """A 0/1 column, or one that names kinds."""
        if self._has(column):
            if self._is_flag(column):
                self._flag(column)
            else:
                self.categories(column)

    def flag(self, column: str) -> None:
        """Counts of a 0/1 column."""
        if self._has(column):
            self._flag(column)

    def _flag(self, column: str) -> None:
        values = numbers(self.patients, column)
        missing = int(np.isnan(values).sum())
        self._count(column, "positive", int((values > 0).sum()), missing)
        self._count(column, "negative", int((values == 0).sum()), missing)

    def involved_regions(self) -> None:
        """Patients by their number of extrahepatic sites."""
        present = [f"site_{site}" for site in SITES if f"site_{site}" in self.patients.columns]
        if not present:
            return
        sites = np.column_stack([numbers(self.patients, column) for column in present])
        known = ~np.isnan(sites).any(axis=1)
        counts = [str(int(count)) for count in (sites[known] > 0).sum(axis=1) if count > 0]
        self._counts("involved_regions", counts, levels(counts), missing=int((~known).sum()))

    def sessions(self) -> None:
        """Patients by their number of sessions, among those treated in the whole liver where the extent is known."""
        if not self._has("n_sessions"):
            return
        values = texts(self.patients, "n_sessions")
        variable = "n_sessions"
        if "extent" in self.patients.columns:
            variable = "n_sessions_whole_liver"
            extents = texts(self.patients, "extent")
            values = [value for value, extent in zip(values, extents, strict=True) if extent == "whole"]
        self._counts(variable, values, levels(values), missing=values.count(""))

    def therapies(self, when: str) -> None:
        """Whether any, how many, and which therapies were given before or after."""
        counted = f"{when}_therapies"
        if self._has(counted):
            values = numbers(self.patients, counted)
            missing = int(np.isnan(values).sum())
            self._count(f"{when}_therapy", "positive", int((values > 0).sum()), missing)
            self._count(f"{when}_therapy", "negative", int((values == 0).sum()), missing)
            self.categories(counted)
        known = [f"{when}_{therapy}" for therapy in THERAPIES]
        for column in known:
            self.flag(column)
        for column in sorted(str(name) for name in self.patients.columns):
            if column.startswith(f"{when}_") and column not in known and column != counted and self._is_flag(column):
                self._flag(column)

    def _is_flag(self, column: str) -> bool:
        return set(texts(self.patients, column)) <= {"", "0", "1"}
