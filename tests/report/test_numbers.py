"""Rounding for print."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ytterby.report.numbers import fixed, interval, p_text, p_with_sign, percent, range_text


def test_p_values_of_the_papers_table_2():
    printed = {
        0.0151: "0.015",
        0.0182: "0.018",
        0.132: "0.13",
        0.0943: "0.094",
        0.0401: "0.040",
        0.29: "0.29",
        0.04982: "0.0498",
        0.00003: "<0.001",
        0.0030: "0.003",
        0.9961: ">0.99",
    }
    assert {p: p_text(p) for p in printed} == printed
    assert p_with_sign(0.00003) == "P < 0.001"
    assert p_with_sign(0.29) == "P = 0.29"


@given(st.floats(0.0, 1.0))
def test_a_printed_p_never_changes_sides_of_significance(p):
    text = p_text(p)
    if text[0] in "<>":
        assert (text == "<0.001") == (p < 0.001)
    elif abs(p - 0.05) > 1e-6:
        assert (float(text) < 0.05) == (p < 0.05)


def test_what_is_missing_is_a_dash():
    assert fixed(None, 2) == interval(None, 2) == range_text(None) == p_text(None) == percent(None) == "–"
    assert interval([1.0, None], 1) == "1.0–not reached"
