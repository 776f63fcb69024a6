"""Table 1: counts, medians, and the order of its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ytterby.cohort.notices import Notices
from ytterby.cohort.table1 import characteristics


def rows_of(rows, variable):
    return {row["level"]: row for row in rows if row["variable"] == variable}


def test_counts_medians_and_missing(tables):
    made = tables()
    patients = made.patients.astype({"age_years": float})
    patients.loc[0, "age_years"] = np.nan
    rows = characteristics(replace(made, patients=patients), Notices())
    age = rows_of(rows, "age_years")[None]
    assert age["missing"] == 1
    assert age["median"] == patients["age_years"].median()
    assert age["range"] == [patients["age_years"].min(), patients["age_years"].max()]
    origin = rows_of(rows, "origin")
    assert list(origin) == ["pancreas", "gastrointestinal", "unknown"]
    assert sum(row["n"] for row in origin.values()) == len(patients)
    assert [row["level"] for row in rows if row["variable"] == "grade"] == ["1", "2", "3"]


def test_regions_sessions_and_therapies(tables):
    made = tables(8)
    patients = made.patients.assign(
        site_lung=[1, 1, 0, 0, 0, 0, 0, 0],
        site_bone=[1, 0, 0, 0, 0, 0, 0, 1],
        extent=["whole"] * 5 + ["right"] * 3,
        n_sessions=[2, 1, 1, 1, 1, 1, 1, 1],
        prior_therapies=[0, 1, 1, 2, 0, 0, 3, 1],
        prior_tace=[0, 1, 0, 0, 0, 0, 1, 0],
        prior_ablation_of_another_kind=[1, 0, 0, 0, 0, 0, 0, 0],
        portal_vein_thrombosis=[0, 0, 0, 0, 0, 0, 0, 1],
    )
    rows = characteristics(replace(made, patients=patients), Notices())
    assert {level: row["n"] for level, row in rows_of(rows, "involved_regions").items()} == {"1": 2, "2": 1}
    assert {level: row["n"] for level, row in rows_of(rows, "n_sessions_whole_liver").items()} == {"1": 4, "2": 1}
    assert rows_of(rows, "prior_therapy")["positive"]["n"] == 5
    assert {level: row["n"] for level, row in rows_of(rows, "prior_therapies").items()} == {
        "0": 3,
        "1": 3,
        "2": 1,
        "3": 1,
    }
    assert rows_of(rows, "prior_tace")["positive"]["n"] == 2
    assert rows_of(rows, "prior_ablation_of_another_kind")["positive"]["n"] == 1
    assert rows_of(rows, "portal_vein_thrombosis")["positive"]["n"] == 1


def test_absent_columns_are_named(tables):
    notices = Notices()
    rows = characteristics(tables(), notices)
    assert not rows_of(rows, "lung_shunt_fraction")
    assert any("lung_shunt_fraction" in record["message"] for record in notices.records())
