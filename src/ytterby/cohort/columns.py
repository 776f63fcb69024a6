"""Columns of a table as arrays, their summaries, and values as JSON can carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ytterby.errors import TableError

__all__ = ["json_ready", "level_text", "levels", "median_and_range", "numbers", "texts"]

FloatArray = NDArray[np.float64]


def numbers(table: pd.DataFrame, column: str) -> FloatArray:
    """The column as floats, NaN where nothing stands; raises TableError for text."""
    try:
        return np.asarray(pd.to_numeric(table[column]).astype("float64"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(
            f"{column} holds something that is not a number ({error})", where=column, remedy="write numbers only"
        ) from error


def level_text(value: object) -> str:
    """A level of a factor as text: whole numbers without their point, nothing as the empty text.

    >>> level_text(2.0), level_text("pancreas"), level_text(float("nan"))
    ('2', 'pancreas', '')
    """
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, int | float | np.integer | np.floating):
        number = float(value)
        if math.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def texts(table: pd.DataFrame, column: str) -> list[str]:
    """The column as level texts, one a row."""
    return [level_text(value) for value in table[column].tolist()]


def levels(values: list[str]) -> list[str]:
    """Distinct levels without the empty one: numbers by size, then texts by the alphabet."""

    def key(level: str) -> tuple[int, float, str]:
        try:
            return (0, float(level), level)
        except ValueError:
            return (1, 0.0, level)

    return sorted({value for value in values if value}, key=key)


def median_and_range(values: ArrayLike) -> tuple[float | None, list[float] | None]:
    """Median and [least, greatest] of the values that are there; None where none is."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return None, None
    return float(np.median(known)), [float(known.min()), float(known.max())]


def json_ready(value: Any) -> Any:
    """The same value in what JSON knows: plain numbers, lists and dicts, None for NaN and the infinities.

    >>> json_ready({"auc": np.float64(0.5), "p": float("nan"), "n": np.int64(3), "ci": (0.1, np.inf)})
    {'auc': 0.5, 'p': None, 'n': 3, 'ci': [0.1, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [json_ready(item) for item in value.tolist()]
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} does not go into JSON")
