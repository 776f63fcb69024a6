"""Liver toxicity from laboratory values: grades of CTCAE v5, the worst in a window after treatment, and ALBI.

Source: Common Terminology Criteria for Adverse Events, version 5.0, National Cancer Institute, 2017; ALBI: Johnson et al., J Clin
Oncol 2015;33:550, doi:10.1200/JCO.2014.57.9151. Theory: docs/theory/toxicity.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from ytterby.errors import ConfigurationError, DomainError, MissingMeasurement
from ytterby.model.outcome import LabValue
from ytterby.units import DAYS_PER_MONTH, finite, non_negative, positive

__all__ = [
    "TESTS",
    "UNITS",
    "Albi",
    "LabGrade",
    "ToxicityAssessment",
    "albi",
    "ctcae_grade",
    "in_standard_unit",
    "worst_grades",
]

TESTS = ("ast", "alt", "bilirubin", "albumin")
"""Tests that have a grade here."""

_UMOL_PER_MG_DL = 17.1
_G_L_PER_G_DL = 10.0
_ENZYME = MappingProxyType({"U/L": 1.0, "IU/L": 1.0})

UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "ast": _ENZYME,
        "alt": _ENZYME,
        "bilirubin": MappingProxyType(
            {"umol/L": 1.0, "\N{MICRO SIGN}mol/L": 1.0, "\N{GREEK SMALL LETTER MU}mol/L": 1.0, "mg/dL": _UMOL_PER_MG_DL}
        ),
        "albumin": MappingProxyType({"g/L": 1.0, "g/dL": _G_L_PER_G_DL}),
    }
)
"""Test -> unit as laboratories print it -> factor to the unit used here (U/L, umol/L, g/L)."""

_ROUNDING = 1e-9

# Upper ends of grades 1, 2 and 3, as multiples of the upper limit or of an abnormal baseline.
_ENZYME_STEPS = (3.0, 5.0, 20.0)
_BILIRUBIN_STEPS = (1.5, 3.0, 10.0)


@dataclass(frozen=True)
class Albi:
    """Albumin-bilirubin score and its grade, 1 to 3."""

    score: float
    grade: int


@dataclass(frozen=True)
class LabGrade:
    """Worst grade of one test in the window: the day it was reached first, and why; None where it cannot be graded."""

    test: str
    grade: int | None
    day: date | None
    explanation: str


@dataclass(frozen=True)
class ToxicityAssessment:
    """Worst grades of a patient, one per test in the order that was asked for.

    ``evaluable``: every test has a grade and was followed to the end of the window; else ``reason`` says what is missing.
    ``months_to_grade3``: from treatment to the first value of grade 3 or more, of any test, in the window; None without one.
    """

    grades: tuple[LabGrade, ...]
    evaluable: bool
    months_to_grade3: float | None
    window_months: float
    reason: str = ""

    def of(self, test: str) -> LabGrade:
        """Grade of the test of that name; KeyError when it was not asked for."""
        for grade in self.grades:
            if grade.test == test:
                return grade
        raise KeyError(test)

    @property
    def has_grade3(self) -> bool:
        """True when any test reached grade 3 or more: "relevant liver toxicity"."""
        return any(grade.grade is not None and grade.grade >= 3 for grade in self.grades)


def in_standard_unit(test: str, value: float, *, unit: str) -> float:
    """``value`` in U/L (ast, alt), umol/L (bilirubin) or g/L (albumin); a unit is read, never guessed.

    Raises
    ------
    ConfigurationError
        The test has no grade here.
    MissingMeasurement
        The unit is empty.
    DomainError
        The unit is not one of the test's.

    Examples
    --------
    >>> in_standard_unit("bilirubin", 2.0, unit="mg/dL")
    34.2
    """
    units = UNITS[_known(test)]
    written = unit.strip()
    if not written:
        raise MissingMeasurement(f"{test} has no unit", remedy=f"state it: {', '.join(units)}")
    if written not in units:
        raise DomainError(f"'{written[:40]}' is not a unit of {test}", remedy=f"use one of: {', '.join(units)}")
    return finite(value, test) * units[written]


def ctcae_grade(
    test: str,
    value: float,
    *,
    upper_limit: float | None = None,
    lower_limit: float | None = None,
    baseline: float | None = None,
    baseline_upper_limit: float | None = None,
) -> int:
    """Grade of CTCAE v5, 0 to 4 (0 to 3 for albumin, whose grade 4 is clinical).

    AST, ALT and bilirubin are graded in multiples of ``upper_limit``, or of ``baseline`` where that is abnormal (above
    ``baseline_upper_limit``, by default ``upper_limit``); without a baseline it is taken as normal. Upper ends belong to
    the lower grade: 3.0 times the limit is grade 1. Value, limits and baseline share one unit; **albumin is in g/L**, limits too.

    Raises
    ------
    ConfigurationError
        The test has no grade here.
    MissingMeasurement
        The limit that the test needs is not given.
    DomainError
        A number is negative, or a limit is not above 0.

    Examples
    --------
    >>> ctcae_grade("ast", 105.0, upper_limit=35.0), ctcae_grade("ast", 106.0, upper_limit=35.0)
    (1, 2)
    """
    measured = non_negative(value, f"value of {test}")
    if _known(test) == "albumin":
        return _albumin_grade(measured, _limit(lower_limit, test, "lower_limit"))
    limit = _limit(upper_limit, test, "upper_limit")
    steps = _BILIRUBIN_STEPS if test == "bilirubin" else _ENZYME_STEPS
    if baseline is not None:
        before = non_negative(baseline, f"baseline of {test}")
        then = limit if baseline_upper_limit is None else baseline_upper_limit
        if before > _limit(then, test, "baseline_upper_limit") * (1.0 + _ROUNDING):
            ratio = measured / before
            # CTCAE writes "1.5 - 3.0 x baseline" for enzymes (1.5 belongs) and "> 1.0 - 1.5 x baseline" for bilirubin.
            begins = ratio > 1.0 + _ROUNDING if test == "bilirubin" else ratio >= 1.5 - _ROUNDING
            return _steps_passed(ratio, steps) + 1 if begins else 0
    ratio = measured / limit
    return _steps_passed(ratio, steps) + 1 if ratio > 1.0 + _ROUNDING else 0


def worst_grades(
    labs: Sequence[LabValue], *, treated_on: date, window_months: float, tests: Sequence[str] = TESTS
) -> ToxicityAssessment:
    """Worst grade of each test in (0, ``window_months``] after treatment.

    The baseline is the last value on or before the day of treatment, normal or not by its own upper limit. The window ends on its
    last whole day (12 months of 30.4375 days: day 365), and a test followed to that day or beyond is followed long enough.
    Enzymes and bilirubin without a baseline have no grade. Other tests among ``labs`` play no part.

    Raises
    ------
    ConfigurationError
        A test has no grade here, or none is asked for.
    MissingMeasurement
        A value that counts has no unit, or lacks its limit.
    DomainError
        A unit is not one of the test's, a number is out of range, or the window is shorter than a day.
    """
    if not tests:
        raise ConfigurationError(
            "no test is asked for", where="toxicity.tests", remedy=f"name some of: {', '.join(TESTS)}"
        )
    last_day = math.floor(positive(window_months, "window_months") * DAYS_PER_MONTH + _ROUNDING)
    if last_day < 1:
        raise DomainError(f"a window of {window_months} months holds no day", remedy="check window_months")
    grades: list[LabGrade] = []
    lacking: list[str] = []
    severe_days: list[int] = []
    for test in tests:
        values = sorted((lab for lab in labs if lab.test == _known(test)), key=lambda lab: (lab.day, lab.value))
        baseline = next((lab for lab in reversed(values) if lab.day <= treated_on), None)
        after = [(lab, (lab.day - treated_on).days) for lab in values if lab.day > treated_on]
        inside = [(lab, day) for lab, day in after if day <= last_day]
        if not inside:
            reason = f"no {test} within {window_months:.6g} months"
        elif baseline is None and test != "albumin":
            reason = f"no {test} before treatment"
        else:
            graded = [(_grade_of(lab, baseline), day, lab) for lab, day in inside]
            worst, _, lab = max(graded, key=lambda entry: (entry[0], -entry[1]))
            severe_days += [day for grade, day, _ in graded if grade >= 3]
            grades.append(LabGrade(test, worst, lab.day, _explanation(lab, baseline, worst)))
            if after[-1][1] < last_day:
                lacking.append(f"{test} followed for {after[-1][1]} days only")
            continue
        grades.append(LabGrade(test, None, None, f"{reason}: no grade"))
        lacking.append(reason)
    return ToxicityAssessment(
        grades=tuple(grades),
        evaluable=not lacking,
        months_to_grade3=min(severe_days) / DAYS_PER_MONTH if severe_days else None,
        window_months=window_months,
        reason="; ".join(lacking),
    )


def albi(bilirubin_umol_l: float, albumin_g_l: float) -> Albi:
    """ALBI score 0.66 log10(bilirubin) - 0.085 albumin; grade 1 to -2.60, grade 2 to -1.39, grade 3 above.

    Raises
    ------
    DomainError
        Bilirubin is not above 0, or albumin is below 10 g/L (g/dL is a common slip).

    Examples
    --------
    >>> result = albi(20.0, 35.0)
    >>> round(result.score, 5), result.grade
    (-2.11632, 2)
    """
    if positive(albumin_g_l, "albumin_g_l") < 10.0:
        raise DomainError(f"albumin_g_l is {albumin_g_l}", remedy="give g/L: 3.5 g/dL is written 35")
    score = 0.66 * math.log10(positive(bilirubin_umol_l, "bilirubin_umol_l")) - 0.085 * albumin_g_l
    grade = 1 if score <= -2.60 + _ROUNDING else 2 if score <= -1.39 + _ROUNDING else 3
    return Albi(score, grade)


def _known(test: str) -> str:
    if test not in TESTS:
        raise ConfigurationError(f"'{test[:40]}' has no grade here", remedy=f"use one of: {', '.join(TESTS)}")
    return test


def _limit(value: float | None, test: str, name: str) -> float:
    if value is None:
        raise MissingMeasurement(f"{test} cannot be graded without its {name}", remedy=f"give the laboratory's {name}")
    return positive(value, f"{name} of {test}")


def _albumin_grade(albumin_g_l: float, lower_limit_g_l: float) -> int:
    if albumin_g_l < 20.0 - _ROUNDING:
        return 3
    if albumin_g_l < 30.0 - _ROUNDING:
        return 2
    return 1 if albumin_g_l < lower_limit_g_l * (1.0 - _ROUNDING) else 0


def _steps_passed(ratio: float, steps: tuple[float, ...]) -> int:
    return sum(ratio > step * (1.0 + _ROUNDING) for step in steps)


def _grade_of(lab: LabValue, baseline: LabValue | None) -> int:
    """Grade of one value, each number converted from the unit that stands beside it."""

    def standard(value: float | None, source: LabValue) -> float | None:
        return None if value is None else in_standard_unit(source.test, value, unit=source.unit)

    if lab.test != "albumin" and baseline is not None and baseline.upper_limit is None:
        raise MissingMeasurement(
            f"{lab.test} of {baseline.day}, the baseline, has no upper limit",
            remedy="give the laboratory's upper_limit",
        )
    return ctcae_grade(
        lab.test,
        in_standard_unit(lab.test, lab.value, unit=lab.unit),
        upper_limit=standard(lab.upper_limit, lab),
        lower_limit=standard(lab.lower_limit, lab),
        baseline=standard(baseline.value, baseline) if baseline else None,
        baseline_upper_limit=standard(baseline.upper_limit, baseline) if baseline else None,
    )


def _explanation(lab: LabValue, baseline: LabValue | None, grade: int) -> str:
    if lab.test == "albumin":
        return f"{lab.value:.6g} {lab.unit} on {lab.day}, lower limit {lab.lower_limit:.6g}: grade {grade}"
    text = f"{lab.value:.6g} {lab.unit} on {lab.day}, upper limit {lab.upper_limit:.6g}"
    if baseline is not None and baseline.upper_limit is not None:
        state = "abnormal" if baseline.value > baseline.upper_limit else "normal"
        text += f", baseline {baseline.value:.6g} {baseline.unit} ({state}, upper limit {baseline.upper_limit:.6g})"
    return f"{text}: grade {grade}"
