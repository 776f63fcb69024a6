"""Numbers as a journal prints them: the one place where results are rounded."""

from __future__ import annotations

import math

__all__ = [
    "NOT_AVAILABLE",
    "count_text",
    "fixed",
    "interval",
    "p_text",
    "p_with_sign",
    "percent",
    "plain",
    "range_text",
]

NOT_AVAILABLE = "–"
_MOST_DECIMALS = 6


def fixed(value: float | None, decimals: int) -> str:
    """The value with a fixed number of decimals; a dash where there is none.

    >>> fixed(2.486, 2), fixed(None, 2), fixed(1234.5, 1)
    ('2.49', '–', '1,234.5')
    """
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if abs(value) >= 1e6:
        return f"{value:.2e}"
    return f"{value:,.{decimals}f}"


def plain(value: float | None, decimals: int = 1) -> str:
    """The value with at most so many decimals, whole numbers without.

    >>> plain(34.0), plain(10.5), plain(1735.4)
    ('34', '10.5', '1,735.4')
    """
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    text = fixed(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def interval(bounds: list[float | None] | None, decimals: int) -> str:
    """A confidence interval or a range of fixed decimals, joined by an en dash."""
    if bounds is None:
        return NOT_AVAILABLE
    low, high = (("not reached" if bound is None else fixed(bound, decimals)) for bound in bounds)
    return f"{low}–{high}"


def range_text(bounds: list[float | None] | None, decimals: int = 1) -> str:
    """A range, whole numbers without decimals."""
    if bounds is None:
        return NOT_AVAILABLE
    return "–".join(plain(bound, decimals) for bound in bounds)


def percent(share_fraction: float | None, decimals: int = 1) -> str:
    """A share as a percentage without its sign."""
    return fixed(None if share_fraction is None else 100.0 * share_fraction, decimals)


def p_text(p: float | None) -> str:
    """A P value: three decimals below 0.1, two above, more where rounding would hide on which side of 0.05 it lies.

    >>> [p_text(p) for p in (0.0004, 0.0151, 0.0402, 0.0498, 0.0502, 0.1298, 0.9961)]
    ['<0.001', '0.015', '0.040', '0.0498', '0.0502', '0.13', '>0.99']
    """
    if p is None or math.isnan(p):
        return NOT_AVAILABLE
    if p < 0.001:
        return "<0.001"
    if p > 0.99:
        return ">0.99"
    if p >= 0.0995:
        return f"{p:.2f}"
    decimals = 3
    while p != 0.05 and round(p, decimals) == 0.05 and decimals < _MOST_DECIMALS:
        decimals += 1
    return f"{p:.{decimals}f}"


def p_with_sign(p: float | None) -> str:
    """``P = 0.015`` or ``P < 0.001``."""
    text = p_text(p)
    return f"P {text[0]} {text[1:]}" if text[0] in "<>" else f"P = {text}"


def count_text(n: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> count_text(1, "patient"), count_text(2, "patient"), count_text(0, "analysis", "analyses")
    ('1 patient', '2 patients', '0 analyses')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"
