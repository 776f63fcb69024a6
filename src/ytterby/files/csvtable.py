"""CSV tables: every problem of a table at once, each with file, row and column; writing that gives the same bytes twice.

UTF-8 (a byte order mark is taken), commas, decimal points, dates as yyyy-mm-dd, an empty cell where nothing is known. The header
is row 1, as a text editor counts.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ytterby.errors import Problem, TableError
from ytterby.files.cells import Column, Unreadable, Value, parse_cell

__all__ = ["MAX_ROWS", "Row", "Table", "number_text", "read_table", "write_csv"]

MAX_ROWS = 1_000_000
MAX_BYTES = 256 << 20
MAX_PROBLEMS = 10_000
"""A table with more problems is another table: reading stops."""


@dataclass(frozen=True)
class Row:
    """One row of a table: its line in the file, its values by column, and the columns that could not be read."""

    number: int
    values: Mapping[str, Value]
    wrong: frozenset[str]

    @property
    def is_sound(self) -> bool:
        """True when every cell could be read."""
        return not self.wrong

    def text(self, column: str) -> str:
        """The text of a column; "" where the column or the cell is empty."""
        value = self.values.get(column)
        return value if isinstance(value, str) else ""

    def number_of(self, column: str) -> float | None:
        """The number of a column; None where the column or the cell is empty."""
        value = self.values.get(column)
        return float(value) if isinstance(value, int | float) else None

    def required(self, column: str) -> float:
        """The number of a column that is filled in every sound row; TableError where it is not."""
        value = self.number_of(column)
        if value is None:
            raise TableError("the cell is empty", where=f"row {self.number}, column {column}", remedy=f"give {column}")
        return value

    def day(self, column: str) -> date | None:
        """The date of a column; None where the column or the cell is empty."""
        value = self.values.get(column)
        return value if isinstance(value, date) else None


@dataclass(frozen=True)
class Table:
    """A table that was read: its rows and all that is wrong with it; ``is_usable`` is False where rows could not be told."""

    file: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    is_usable: bool = True

    def further(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """Columns of the file that are not among ``columns``, in the order of the file."""
        declared = {column.name for column in columns}
        return tuple(name for name in self.header if name not in declared)


def read_table(path: Path, columns: Sequence[Column], *, key: Sequence[str] = ()) -> Table:
    """The table with its cells as values of ``columns``; further columns are read as text.

    Nothing is raised: what is wrong stands in ``problems``. No two rows may agree in all columns of ``key``.
    """
    text, problem = _text(path)
    if problem is not None:
        return Table(path.name, (), (), (problem,), is_usable=False)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, header_problems = _header(reader, path.name, columns)
        if header_problems:
            return Table(path.name, header, (), tuple(header_problems), is_usable=False)
        return _body(reader, path.name, columns, header, key)
    except csv.Error as error:
        problem = Problem(
            "red",
            f"the row cannot be told into cells ({error})",
            path.name,
            max(1, reader.line_num),
            remedy="check the quotation marks of this row",
        )
        return Table(path.name, (), (), (problem,), is_usable=False)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows of cells as CSV: UTF-8, commas, line feeds; the same rows give the same bytes."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _text(path: Path) -> tuple[str, Problem | None]:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return "", Problem("red", "the file is missing", path.name, remedy="add it to the folder")
    except OSError as error:
        what = f"the file cannot be read ({error.strerror or error})"
        return "", Problem("red", what, path.name, remedy="check its permissions")
    if len(content) > MAX_BYTES:
        return "", Problem("red", f"the file has more than {MAX_BYTES} bytes", path.name, remedy="give a smaller table")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "", Problem("red", "the file is UTF-16, not UTF-8", path.name, remedy="save it as 'CSV UTF-8'")
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        return "", Problem("red", "the file is not UTF-8", path.name, row, remedy="save it as 'CSV UTF-8'")


def _header(reader: Iterator[list[str]], file: str, columns: Sequence[Column]) -> tuple[tuple[str, ...], list[Problem]]:
    header = tuple(name.strip() for name in next(reader, []))
    if not any(header):
        return header, [Problem("red", "the file is empty", file, remedy="write a header and rows")]
    if len(header) == 1:
        for mark, name in ((";", "semicolons"), ("\t", "tabulators"), ("|", "bars")):
            if mark in header[0]:
                what = f"the columns are separated by {name}, not by commas"
                remedy = "save it with commas between the columns and points in the numbers (3.9, not 3,9)"
                return header, [Problem("red", what, file, 1, remedy=remedy)]
    problems = []
    for name in sorted({name for name in header if header.count(name) > 1}):
        what = f"the column '{name[:50]}' stands twice" if name else "columns have no name"
        problems.append(Problem("red", what, file, 1, name[:50], "give each column a name of its own"))
    for column in columns:
        if column.required and column.name not in header:
            what = f"the column is missing; there are {', '.join(name[:50] for name in header[:60])}"
            problems.append(Problem("red", what, file, 1, column.name, f"add the column {column.name}"))
    return header, problems


def _body(
    reader: Iterator[list[str]], file: str, columns: Sequence[Column], header: tuple[str, ...], key: Sequence[str]
) -> Table:
    declared = {column.name: column for column in columns}
    kinds = [declared.get(name) or Column.free(name) for name in header]
    rows: list[Row] = []
    problems: list[Problem] = []
    seen: dict[tuple[Value, ...], int] = {}
    number = 2
    for cells in reader:
        here, number = number, reader.line_num + 1  # type: ignore[attr-defined]  # a quoted cell may hold line ends
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) >= MAX_ROWS or len(problems) >= MAX_PROBLEMS:
            what = f"more than {MAX_ROWS} rows" if len(rows) >= MAX_ROWS else f"more than {MAX_PROBLEMS} problems"
            problems.append(Problem("red", f"{what}: reading stops here", file, here, remedy="check the file"))
            return Table(file, header, tuple(rows), tuple(problems), is_usable=False)
        row, found = _row(cells, here, file, kinds)
        problems += found
        identity = tuple(row.values.get(name) for name in key)
        if key and not row.wrong & set(key) and None not in identity:
            if identity in seen:
                named = ", ".join(f"{name} {value}" for name, value in zip(key, identity, strict=True))
                what = f"{named} stands in row {seen[identity]} already"
                problems.append(Problem("red", what, file, here, key[-1], "keep one of the two rows"))
                row = Row(row.number, row.values, row.wrong | {key[-1]})
            seen.setdefault(identity, here)
        rows.append(row)
    return Table(file, header, tuple(rows), tuple(problems))


def _row(cells: list[str], number: int, file: str, kinds: list[Column]) -> tuple[Row, list[Problem]]:
    values: dict[str, Value] = {}
    problems: list[Problem] = []
    wrong: set[str] = set()
    for column, cell in zip(kinds, cells, strict=False):
        try:
            values[column.name] = parse_cell(cell.strip(), column)
        except Unreadable as error:
            problems.append(Problem("red", error.what, file, number, column.name, error.remedy))
            wrong.add(column.name)
    if len(cells) != len(kinds):  # the cells after the odd one are shifted: what they hold is not worth a word
        what = f"the row has {len(cells)} cells where the header has {len(kinds)}"
        remedy = "put text with commas in quotation marks, and use points in numbers"
        return Row(number, values, frozenset(wrong | {""})), [Problem("red", what, file, number, remedy=remedy)]
    return Row(number, values, frozenset(wrong)), problems


def number_text(value: float) -> str:
    """A number as the shortest text that reads back as the same number; "" for NaN.

    >>> number_text(0.1), number_text(104.0), number_text(float("nan"))
    ('0.1', '104.0', '')
    """
    return "" if math.isnan(value) else repr(float(value))
