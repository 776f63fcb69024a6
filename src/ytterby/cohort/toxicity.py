"""Laboratory toxicity: patients by worst CTCAE grade of each test."""

from __future__ import annotations

from typing import Any

import numpy as np

from ytterby.cohort.columns import levels, numbers, texts
from ytterby.cohort.notices import Notices
from ytterby.cohort.table import AnalysisTables

__all__ = ["GRADES", "SEVERE", "TESTS", "toxicity_counts"]

TESTS = ("ast", "alt", "bilirubin", "albumin")
GRADES = (0, 1, 2, 3, 4)
SEVERE = 3

# (patient, test, grade)
_Record = tuple[str, str, int]


def toxicity_counts(tables: AnalysisTables, notices: Notices) -> dict[str, Any] | None:
    """Counts with the keys of ``toxicity`` in results.json; None, with a warning, without grades.

    The table of toxicity counts where there is one (the worst grade of a patient and test), else the ``*_grade`` columns of
    the patients with ``toxicity_evaluable`` 1. The window is known only where the table has a column ``window_months``.
    """
    window_months = None
    if tables.toxicity is not None:
        records = _of_table(tables)
        if "window_months" in tables.toxicity.columns:
            stated = levels(texts(tables.toxicity, "window_months"))
            window_months = float(stated[0]) if len(stated) == 1 else None
    else:
        records = _of_columns(tables)
    if not records:
        notices.warn(
            "table_missing", "there is neither a toxicity.csv nor a column like ast_grade: toxicity is left out"
        )
        return None
    worst: dict[tuple[str, str], int] = {}
    for patient, test, grade in records:
        worst[patient, test] = max(grade, worst.get((patient, test), 0))
    names = {test for _, test in worst}
    ordered = [test for test in TESTS if test in names] + sorted(names - set(TESTS))
    by_test = {
        test: {str(grade): sum(1 for (_, name), g in worst.items() if name == test and g == grade) for grade in GRADES}
        for test in ordered
    }
    return {
        "n": len({patient for patient, _ in worst}),
        "by_test": by_test,
        "grade_3_plus": len({patient for (patient, _), grade in worst.items() if grade >= SEVERE}),
        "window_months": window_months,
    }


def _of_table(tables: AnalysisTables) -> list[_Record]:
    table = tables.toxicity
    if table is None:
        return []
    grades = numbers(table, "grade")
    return [
        (patient, test, int(grade))
        for patient, test, grade in zip(texts(table, "patient_id"), texts(table, "test"), grades, strict=True)
        if not np.isnan(grade)
    ]


def _of_columns(tables: AnalysisTables) -> list[_Record]:
    rows = tables.patients
    if "toxicity_evaluable" in rows.columns:
        rows = rows[numbers(rows, "toxicity_evaluable") == 1.0]
    patients = texts(rows, "patient_id")
    records = []
    for test in TESTS:
        column = f"{test}_grade"
        if column in rows.columns:
            grades = numbers(rows, column)
            records += [
                (patient, test, int(grade))
                for patient, grade in zip(patients, grades, strict=True)
                if not np.isnan(grade)
            ]
    return records
