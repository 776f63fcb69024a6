"""Units at the edges: inside, every quantity is a float with its one unit in its name.

============================  =========================================
suffix of the name            what it is
============================  =========================================
``_gbq``                      activity, gigabecquerel
``_bq_ml``                    activity concentration, becquerel a millilitre
``_gy``                       absorbed dose (or BED), gray
``_kg``  ``_ml``  ``_mm``     mass, volume, length
``_g_ml``                     density, gram a millilitre (numerically kg/L)
``_hours``  ``_days``  ``_months``  ``_years``   durations
``_j_per_gbq``                energy released by all decays of 1 GBq, joule (= Gy kg)
``_fraction``                 a share, 0 to 1
============================  =========================================
"""

from __future__ import annotations

import math
import re

from ytterby.errors import DomainError

__all__ = [
    "DAYS_PER_MONTH",
    "FACTORS",
    "HOURS_PER_DAY",
    "finite",
    "fraction",
    "non_negative",
    "parse_quantity",
    "positive",
]

HOURS_PER_DAY = 24.0
DAYS_PER_MONTH = 30.4375
"""Mean Julian month (365.25 / 12), the convention for follow-up times here."""

# Unit as people write it -> (the one unit used inside, factor).
FACTORS: dict[str, tuple[str, float]] = {
    "GBq": ("gbq", 1.0),
    "MBq": ("gbq", 1e-3),
    "kBq": ("gbq", 1e-6),
    "Bq": ("gbq", 1e-9),
    "TBq": ("gbq", 1e3),
    "mCi": ("gbq", 0.037),
    "Ci": ("gbq", 37.0),
    "Gy": ("gy", 1.0),
    "cGy": ("gy", 1e-2),
    "mGy": ("gy", 1e-3),
    "mL": ("ml", 1.0),
    "ml": ("ml", 1.0),
    "cm3": ("ml", 1.0),
    "L": ("ml", 1e3),
    "kg": ("kg", 1.0),
    "g": ("kg", 1e-3),
    "mm": ("mm", 1.0),
    "cm": ("mm", 10.0),
    "h": ("hours", 1.0),
    "min": ("hours", 1.0 / 60.0),
    "d": ("hours", HOURS_PER_DAY),
    "%": ("fraction", 1e-2),
}

_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z%]+\d?)\s*$")


def parse_quantity(text: str, unit: str) -> float:
    """Value of ``text`` ("3.9 GBq") in the inner ``unit`` ("gbq").

    Raises
    ------
    DomainError
        The text is no number with a unit, or its unit measures something else.

    Examples
    --------
    >>> parse_quantity("3900 MBq", "gbq")
    3.9
    """
    match = _QUANTITY.match(text[:100])
    if match is None:
        raise DomainError(f"'{text[:100]}' is not a number with a unit", remedy="write it like '3.9 GBq'")
    number, written = match.groups()
    if written not in FACTORS or FACTORS[written][0] != unit:
        fitting = ", ".join(name for name, (inner, _) in FACTORS.items() if inner == unit)
        raise DomainError(
            f"'{written}' is not a unit that fits here", where=f"'{text}'", remedy=f"use one of: {fitting}"
        )
    return float(number) * FACTORS[written][1]


def finite(value: float, name: str) -> float:
    """``value`` itself, when it is a finite number; else DomainError naming ``name``."""
    if not math.isfinite(value):
        raise DomainError(f"{name} must be a finite number, got {value}", remedy=f"give {name} as a plain number")
    return value


def positive(value: float, name: str) -> float:
    """``value`` itself, when it is finite and above 0; else DomainError naming ``name``."""
    if finite(value, name) <= 0:
        raise DomainError(f"{name} must be above 0, got {value}", remedy=f"check {name} and its unit")
    return value


def non_negative(value: float, name: str) -> float:
    """``value`` itself, when it is finite and not below 0; else DomainError naming ``name``."""
    if finite(value, name) < 0:
        raise DomainError(f"{name} must not be below 0, got {value}", remedy=f"check {name} and its unit")
    return value


def fraction(value: float, name: str) -> float:
    """``value`` itself, when it lies in [0, 1); else DomainError naming ``name`` (percent is a common slip)."""
    if not 0.0 <= finite(value, name) < 1.0:
        raise DomainError(
            f"{name} must lie in [0, 1), got {value}", remedy="give a fraction, not percent: 2.9 % is written 0.029"
        )
    return value
