"""Table: rows of text as a reader sees them; and records as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain, repeat
from typing import Any

__all__ = ["Row", "Table", "records_csv", "table_csv"]


@dataclass(frozen=True)
class Row:
    """Cells of one row; ``level`` 0 is plain, 1 is indented under a heading; a ``heading`` has text in its first cells only."""

    cells: tuple[str, ...]
    level: int = 0
    heading: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a report: every cell is final text, rounded once.

    ``numeric`` says of each column whether it is set as numbers are.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    numeric: tuple[bool, ...] = ()


def table_csv(table: Table, *, simulated: bool) -> str:
    """The table as CSV, one line a row, as printed; simulated data say so in a last column."""
    return _csv([table.header, *(row.cells for row in table.rows)], simulated)


def records_csv(header: Sequence[str], records: Iterable[Mapping[str, Any]], *, simulated: bool) -> str:
    """Records as CSV with all digits; what is None stays empty; simulated data say so in a last column."""
    return _csv([header, *([_cell(record.get(name)) for name in header] for record in records)], simulated)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _csv(lines: Iterable[Sequence[str]], simulated: bool) -> str:
    text = StringIO()
    marks = chain(("simulated",), repeat("1"))
    rows = ([*line, mark] for line, mark in zip(lines, marks, strict=False)) if simulated else lines
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
