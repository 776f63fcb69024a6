"""The analysis tables (patients, lesions; exclusions and toxicity beside them), read and written, and their codebook."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ytterby.cohort.table import RESPONDING, AnalysisTables
from ytterby.errors import InconsistentStudy, Problem, TableError
from ytterby.files.analysiscolumns import TABLES, declared
from ytterby.files.cells import Column, Kind, infer_kind
from ytterby.files.csvtable import Table, number_text, read_table, write_csv

__all__ = ["FILES", "read_analysis_tables", "write_analysis_tables", "write_codebook", "write_table"]

FILES = {
    "patients": "analysis_patients.csv",
    "lesions": "analysis_lesions.csv",
    "exclusions": "exclusions.csv",
    "toxicity": "toxicity.csv",
}
"""File of each table of ``AnalysisTables``."""

CODEBOOK = "codebook.csv"
_KEYS = {"patients": ("patient_id",), "lesions": ("patient_id", "lesion_id"), "exclusions": ("reason",)}
_KEYS["toxicity"] = ("patient_id", "test")


def read_analysis_tables(folder: Path) -> AnalysisTables:
    """The analysis tables of a folder.

    Numbers are float64, whole numbers and 0/1 columns without a gap int64; what is missing is NaN, or "" in a column of text. A
    further column is numeric when all its cells are numbers.

    Raises
    ------
    InconsistentStudy
        A table or column is missing, a cell is not what its column holds, or rows contradict each other; carries every problem
        with file, row and column.
    """
    tables = {
        name: read_table(folder / file, TABLES[name], key=_KEYS[name])
        for name, file in FILES.items()
        if name in ("patients", "lesions") or (folder / file).exists()
    }
    problems = [problem for table in tables.values() for problem in table.problems]
    problems += _contradictions(tables)
    simulated = {value for table in tables.values() for value in _simulated(table)}
    if len(simulated) > 1:
        what = "rows of simulated and of real patients stand in one study"
        remedy = "write 1 in the column simulated of every row of every table, or analyse them apart"
        problems.append(Problem("red", what, FILES["patients"], column="simulated", remedy=remedy))
    if problems:
        raise InconsistentStudy(
            f"{len(problems)} problem(s) in the analysis tables",
            where=str(folder),
            remedy="correct these cells and run it again",
            problems=tuple(problems),
        )
    frames = {name: _frame(table, TABLES[name]) for name, table in tables.items()}
    return AnalysisTables(
        patients=frames["patients"],
        lesions=frames["lesions"],
        exclusions=frames.get("exclusions"),
        toxicity=frames.get("toxicity"),
        simulated=simulated == {True},
        source=folder.resolve().name,
    )


def write_analysis_tables(folder: Path, tables: AnalysisTables) -> None:
    """Write the tables that there are, and their codebook, to a folder."""
    for name, file in FILES.items():
        frame = getattr(tables, name)
        if frame is not None:
            write_table(folder / file, frame, table=name)
    write_codebook(folder / CODEBOOK, tables)


def write_table(path: Path, frame: pd.DataFrame, *, table: str = "") -> None:
    """Write a table as CSV: the shortest digits that read back the same, whole numbers as such, nothing where it is missing.

    ``table`` (a key of ``FILES``) names the declaration that tells whole numbers from others. Without it the name of the file
    does, and for other files the type of the column.

    Raises
    ------
    TableError
        A number is infinite, or not whole where the column holds whole numbers.
    """
    table = table or next((name for name, file in FILES.items() if file == path.name), "")
    columns = [
        _cells(frame[name], declared(table, str(name)) or Column.free(str(name)), path) for name in frame.columns
    ]
    write_csv(path, [str(name) for name in frame.columns], [list(row) for row in zip(*columns, strict=True)])


def write_codebook(path: Path, tables: AnalysisTables) -> None:
    """Write what every column of the tables holds: table, column, type, unit, values, meaning."""
    rows = []
    for name, file in FILES.items():
        frame = getattr(tables, name)
        for label in () if frame is None else frame.columns:
            column = declared(name, str(label)) or _further(str(label), frame[label])
            rows.append(
                (file.removesuffix(".csv"), column.name, column.kind, column.unit, column.values, column.meaning)
            )
    write_csv(path, ("table", "column", "type", "unit", "values", "meaning"), rows)


def _contradictions(tables: dict[str, Table]) -> list[Problem]:
    patients, problems = tables["patients"], []
    if patients.is_usable and not patients.rows:
        problems.append(Problem("red", "there is no patient", patients.file, remedy="add rows"))
    known = {row.text("patient_id") for row in patients.rows}
    for row in patients.rows:
        responder, response = row.number_of("hepatic_responder"), row.text("hepatic_response")
        place = (patients.file, row.number, "hepatic_responder")
        if row.number_of("evaluable") == 1 and responder is None and "hepatic_responder" not in row.wrong:
            remedy = "write 1 or 0, or evaluable 0"
            problems.append(Problem("red", "the patient is evaluable, but the cell is empty", *place, remedy))
        if responder is not None and response and responder != (response in RESPONDING):
            what = f"hepatic_responder {responder:g} contradicts hepatic_response {response}"
            problems.append(Problem("red", what, *place, "CR and PR respond, SD and PD do not"))
    for name in ("lesions", "toxicity"):
        table = tables.get(name)
        for row in table.rows if table is not None and patients.is_usable else ():
            patient_id = row.text("patient_id")
            if table is not None and patient_id and patient_id not in known:
                what = f"the patient '{patient_id}' is not in {patients.file}"
                remedy = "add the patient there, or correct the identifier"
                problems.append(Problem("red", what, table.file, row.number, "patient_id", remedy))
    return problems


def _simulated(table: Table) -> set[bool]:
    """What the rows say of themselves; a table without the column says nothing."""
    return {row.number_of("simulated") == 1 for row in table.rows} if "simulated" in table.header else set()


def _frame(table: Table, columns: tuple[Column, ...]) -> pd.DataFrame:
    known = {column.name: column for column in columns}
    data: dict[str, pd.Series] = {}
    for name in table.header:
        values = [row.values.get(name) for row in table.rows]
        kind = known[name].kind if name in known else infer_kind([str(value or "") for value in values])
        if kind.is_numeric:
            numbers = np.array([math.nan if value in (None, "") else float(str(value)) for value in values])
            whole = kind is not Kind.NUMBER and not bool(np.isnan(numbers).any())
            data[name] = pd.Series(numbers.astype(np.int64) if whole else numbers)
        else:
            data[name] = pd.Series(["" if value is None else str(value) for value in values], dtype=object)
    return pd.DataFrame(data, columns=list(table.header))


def _further(name: str, values: pd.Series) -> Column:
    column = Column.free(name, _kind_of(values))
    for prefix, when in (("prior_", "before"), ("later_", "after")):
        if name.startswith(prefix):
            column = replace(column, meaning=f"{name.removeprefix(prefix).replace('_', ' ')} {when} the treatment")
    return column


def _kind_of(values: pd.Series) -> Kind:
    if pd.api.types.is_bool_dtype(values):
        return Kind.FLAG
    if pd.api.types.is_integer_dtype(values):
        return Kind.INTEGER
    return Kind.NUMBER if pd.api.types.is_float_dtype(values) else Kind.TEXT


def _cells(values: pd.Series, column: Column, path: Path) -> list[str]:
    whole = column.kind in (Kind.INTEGER, Kind.FLAG)
    cells = []
    for number, value in enumerate(values.tolist(), start=2):
        if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
            cells.append("")
        elif isinstance(value, bool | int):
            cells.append(str(int(value)))
        elif isinstance(value, float):
            if math.isinf(value) or (whole and not value.is_integer()):
                raise TableError(
                    f"{value} cannot be written as a {column.kind}",
                    where=f"{path.name}, row {number}, column {column.name}",
                    remedy="check the computation that gave it",
                )
            cells.append(str(int(value)) if whole else number_text(value))
        else:
            cells.append(str(value))
    return cells
