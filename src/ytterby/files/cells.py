"""Columns of a table, declared: what a cell may hold, its unit and its meaning; cells read by that declaration."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from ytterby.errors import DomainError, TableError
from ytterby.files.moments import parse_day

__all__ = ["Column", "Kind", "Unreadable", "Value", "infer_kind", "parse_cell"]

Value = str | float | int | date | None

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d{1,15}(?:\.0*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(?:[. ]?\d{3})*,\d+")
_SHOWN = 40


class Unreadable(TableError):  # noqa: N818 - a cell that cannot be read; it becomes a Problem and never leaves this room
    """A cell that is not what its column says."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"
    CATEGORY = "category"
    DATE = "date"

    @property
    def is_numeric(self) -> bool:
        """True for numbers, whole numbers and 0/1 flags."""
        return self in (Kind.NUMBER, Kind.INTEGER, Kind.FLAG)


@dataclass(frozen=True)
class Column:
    """Declaration of a column.

    ``required``: the column must be there; ``filled``: none of its cells may be empty. ``minimum`` and ``maximum`` belong to the
    range, ``above`` and ``below`` do not.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    required: bool = True
    filled: bool = True
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    categories: tuple[str, ...] = ()

    @classmethod
    def free(cls, name: str, kind: Kind = Kind.TEXT) -> Column:
        """A column that nobody declared: any cell, also an empty one."""
        return cls(name, kind, "further column of the study", required=False, filled=False)

    def optional(self) -> Column:
        """The same column where it may be absent and its cells empty."""
        return replace(self, required=False, filled=False)

    @property
    def values(self) -> str:
        """What the cells may hold, in words."""
        if self.categories:
            return ", ".join(self.categories)
        if self.kind is Kind.FLAG:
            return "0, 1"
        if self.kind is Kind.DATE:
            return "yyyy-mm-dd"
        limits = ((">=", self.minimum), (">", self.above), ("<=", self.maximum), ("<", self.below))
        return " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)

    def holds(self, number: float) -> bool:
        """True when the number lies in the column's range."""
        return not (
            (self.minimum is not None and number < self.minimum)
            or (self.maximum is not None and number > self.maximum)
            or (self.above is not None and number <= self.above)
            or (self.below is not None and number >= self.below)
        )


def parse_cell(cell: str, column: Column) -> Value:
    """The value of a cell, None for an empty one.

    Raises
    ------
    Unreadable
        The cell is empty where it may not be, or is not what the column holds; ``what`` and ``remedy`` are made for a Problem.
    """
    if not cell:
        if column.filled:
            raise Unreadable("the cell is empty", remedy=f"give {column.name}" + _hint(column))
        return None
    if any(ord(character) < 32 and character not in "\t\r\n" for character in cell):
        raise Unreadable("the cell holds a control character", remedy="type the cell again")
    if column.kind.is_numeric:
        return _number(cell, column)
    if column.kind is Kind.DATE:
        try:
            return parse_day(cell)
        except DomainError as error:
            raise Unreadable(error.what, remedy=error.remedy) from error
    if column.kind is Kind.CATEGORY and cell not in column.categories:
        raise Unreadable(f"'{_short(cell)}' is not known here", remedy=f"write one of {column.values}")
    if column.kind is Kind.IDENTIFIER and not (
        len(cell) <= 64 and cell[0].isalnum() and all(letter.isalnum() or letter in "._- " for letter in cell)
    ):
        raise Unreadable(
            f"'{_short(cell)}' cannot be an identifier",
            remedy="use at most 64 letters, digits, '.', '_', '-' and blanks, a letter or digit first",
        )
    return cell


def infer_kind(cells: Sequence[str]) -> Kind:
    """What a column that nobody declared holds: whole numbers, numbers, or text (also codes such as 007)."""
    filled = [cell for cell in cells if cell]
    if not filled or any(re.match(r"[+-]?0\d", cell) for cell in filled):
        return Kind.TEXT
    if all(re.fullmatch(r"[+-]?\d{1,15}", cell) for cell in filled):
        return Kind.INTEGER
    if all(_NUMBER.fullmatch(cell) and math.isfinite(float(cell)) for cell in filled):
        return Kind.NUMBER
    return Kind.TEXT


def _number(cell: str, column: Column) -> float | int:
    if _NUMBER.fullmatch(cell) is None:
        if _DECIMAL_COMMA.fullmatch(cell):
            raise Unreadable(f"'{_short(cell)}' has a decimal comma", remedy="write a decimal point")
        raise Unreadable(f"'{_short(cell)}' is no number", remedy="write a plain number" + _hint(column))
    number = float(cell)
    if column.kind is Kind.FLAG and number not in (0.0, 1.0):
        raise Unreadable(f"'{_short(cell)}' is neither 0 nor 1", remedy="write 0 for no, 1 for yes")
    if column.kind is not Kind.NUMBER and _WHOLE.fullmatch(cell) is None:
        raise Unreadable(f"'{_short(cell)}' is no whole number", remedy="write a whole number")
    if not math.isfinite(number) or not column.holds(number):
        remedy = f"give {column.name} as a number {column.values}" if column.values else "check the number"
        if column.name.endswith("_fraction"):
            remedy += "; 2.9 % is written 0.029"
        raise Unreadable(f"{_short(cell)} lies outside the range ({column.values or 'finite numbers'})", remedy=remedy)
    return number if column.kind is Kind.NUMBER else int(number)


def _hint(column: Column) -> str:
    return "" if column.filled else ", or leave the cell empty"


def _short(cell: str) -> str:
    return cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "..."
