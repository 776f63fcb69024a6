"""CTCAE v5 and ALBI: worked cases and edges of physics.md, section 8, and the worst grade in the window."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import ConfigurationError, DomainError, MissingMeasurement
from ytterby.model.outcome import LabValue
from ytterby.response.toxicity import TESTS, albi, ctcae_grade, in_standard_unit, worst_grades

TREATED = date(2020, 3, 2)
LIMITS = {"ast": (10.0, 35.0), "alt": (10.0, 45.0), "bilirubin": (2.0, 21.0), "albumin": (35.0, 52.0)}
UNIT = {"ast": "U/L", "alt": "U/L", "bilirubin": "umol/L", "albumin": "g/L"}
NORMAL = {"ast": 30.0, "alt": 30.0, "bilirubin": 10.0, "albumin": 42.0}


def lab(test, day, value, **changes):
    lower, upper = LIMITS[test]
    terms = {"unit": UNIT[test], "lower_limit": lower, "upper_limit": upper} | changes
    return LabValue(TREATED + timedelta(days=day), test, value, **terms)


def course(**values):
    """Normal values before treatment, at 3, 6 and 12 months; ``values`` are further (day, value) pairs by test."""
    normal = [lab(test, day, NORMAL[test]) for test in TESTS for day in (-10, 91, 183, 366)]
    return normal + [lab(test, *pair) for test, pairs in values.items() for pair in pairs]


# ---------------------------------------------------------------- grades


@pytest.mark.parametrize("test", ["ast", "alt"])
@pytest.mark.parametrize(
    ("multiple", "grade"),
    [(0.5, 0), (1.0, 0), (1.01, 1), (3.0, 1), (3.01, 2), (5.0, 2), (5.01, 3), (20.0, 3), (20.1, 4)],
)
# physics.md section 8: upper bounds are inclusive; limits for which the multiple is inexact in floating point.
@pytest.mark.parametrize("limit", [35.0, 0.7, 33.3])
def test_enzymes_in_multiples_of_the_upper_limit(test, multiple, grade, limit):
    assert ctcae_grade(test, multiple * limit, upper_limit=limit) == grade
    assert ctcae_grade(test, multiple * limit, upper_limit=limit, baseline=limit) == grade


@pytest.mark.parametrize(
    ("multiple", "grade"), [(1.0, 0), (1.2, 0), (1.49, 0), (1.5, 1), (3.0, 1), (3.1, 2), (5.1, 3), (20.1, 4), (0.2, 0)]
)
@pytest.mark.parametrize("baseline", [70.0, 35.7])
def test_enzymes_in_multiples_of_an_abnormal_baseline(multiple, grade, baseline):
    # physics.md section 8: AST with abnormal baseline, 1.2 x baseline is grade 0.
    assert ctcae_grade("ast", multiple * baseline, upper_limit=35.0, baseline=baseline) == grade


def test_trap_an_abnormal_baseline_is_not_graded_by_the_limit():
    # 1.2 x a baseline of 100 would be grade 2 in multiples of the limit.
    assert ctcae_grade("ast", 120.0, upper_limit=35.0, baseline=100.0) == 0
    assert ctcae_grade("ast", 120.0, upper_limit=35.0) == 2


@pytest.mark.parametrize(
    ("multiple", "grade"), [(1.0, 0), (1.01, 1), (1.5, 1), (1.51, 2), (3.0, 2), (3.01, 3), (10.0, 3), (10.1, 4)]
)
def test_bilirubin(multiple, grade):
    # One scale for both references: > 1.0 to 1.5 x baseline is grade 1 too.
    assert ctcae_grade("bilirubin", multiple * 21.0, upper_limit=21.0) == grade
    assert ctcae_grade("bilirubin", multiple * 25.3, upper_limit=21.0, baseline=25.3) == grade


@pytest.mark.parametrize(
    ("g_dl", "grade"), [(4.0, 0), (3.5, 0), (3.49, 1), (3.0, 1), (2.99, 2), (2.0, 2), (1.99, 3), (0.5, 3)]
)
def test_albumin(g_dl, grade):
    # physics.md section 8: exactly 3.0 g/dL is grade 1, exactly 2.0 is grade 2.
    value = in_standard_unit("albumin", g_dl, unit="g/dL")
    assert ctcae_grade("albumin", value, lower_limit=in_standard_unit("albumin", 3.5, unit="g/dL")) == grade


def test_baseline_is_judged_by_its_own_limit():
    terms = {"upper_limit": 35.0, "baseline": 40.0}
    assert ctcae_grade("ast", 50.0, **terms) == 0
    assert ctcae_grade("ast", 50.0, baseline_upper_limit=45.0, **terms) == 1


@given(st.sampled_from(TESTS), st.floats(0, 1000), st.floats(0, 1000), st.one_of(st.none(), st.floats(1, 300)))
def test_grade_is_monotone(test, one, other, baseline):
    better, worse = sorted((one, other), reverse=test == "albumin")
    terms = {"upper_limit": 40.0, "lower_limit": 35.0, "baseline": baseline}
    assert ctcae_grade(test, better, **terms) <= ctcae_grade(test, worse, **terms)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ctcae_grade("ast", 30.0), MissingMeasurement),
        (lambda: ctcae_grade("albumin", 30.0, upper_limit=50.0), MissingMeasurement),
        (lambda: ctcae_grade("inr", 1.0, upper_limit=1.2), ConfigurationError),
        (lambda: ctcae_grade("ast", -1.0, upper_limit=35.0), DomainError),
        (lambda: ctcae_grade("ast", math.nan, upper_limit=35.0), DomainError),
        (lambda: ctcae_grade("ast", 30.0, upper_limit=0.0), DomainError),
        (lambda: ctcae_grade("ast", 30.0, upper_limit=35.0, baseline=40.0, baseline_upper_limit=0.0), DomainError),
        (lambda: in_standard_unit("albumin", 3.0, unit=""), MissingMeasurement),
        (lambda: in_standard_unit("albumin", 3.0, unit="mg/dL"), DomainError),
        (lambda: albi(0.0, 40.0), DomainError),
        (lambda: albi(10.0, 4.0), DomainError),
    ],
)
def test_what_cannot_be_graded_is_refused(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("unit", ["umol/L", "\N{MICRO SIGN}mol/L", "\N{GREEK SMALL LETTER MU}mol/L", " umol/L "])
def test_micromole_however_it_is_written(unit):
    assert in_standard_unit("bilirubin", 34.2, unit=unit) == 34.2
    assert in_standard_unit("bilirubin", 2.0, unit="mg/dL") == pytest.approx(34.2)


# ---------------------------------------------------------------- ALBI


@pytest.mark.parametrize(
    ("bilirubin", "albumin", "score", "grade"),
    [(10, 40, -2.7400, 1), (17.1, 40, -2.58622, 2), (20, 35, -2.11632, 2), (51.3, 28, -1.25132, 3)],
)
def test_worked_albi(bilirubin, albumin, score, grade):
    found = albi(bilirubin, albumin)  # physics.md section 8
    assert round(found.score, 5) == score
    assert found.grade == grade


def test_albi_limits_belong_to_the_lower_grade():
    # Bilirubin 1 umol/L leaves -0.085 x albumin alone.
    assert albi(1.0, 2.60 / 0.085).grade == 1
    assert albi(1.0, 2.5999 / 0.085).grade == 2
    assert albi(1.0, 1.39 / 0.085).grade == 2
    assert albi(1.0, 1.3899 / 0.085).grade == 3


# ---------------------------------------------------------------- worst grade in the window


def test_a_normal_course_is_evaluable_without_toxicity():
    found = worst_grades(course(), treated_on=TREATED, window_months=12)
    assert found.evaluable
    assert [grade.grade for grade in found.grades] == [0, 0, 0, 0]
    assert found.months_to_grade3 is None
    assert not found.has_grade3


def test_the_worst_value_counts_with_the_day_it_was_reached_first():
    labs = course(ast=[(20, 110.0), (50, 200.0), (120, 200.0), (200, 40.0)], albumin=[(300, 28.0)])
    found = worst_grades(labs, treated_on=TREATED, window_months=12)
    assert found.of("ast").grade == 3
    assert found.of("ast").day == TREATED + timedelta(days=50)
    assert found.of("albumin").grade == 2
    assert found.of("alt").grade == 0
    assert found.has_grade3
    assert found.months_to_grade3 == pytest.approx(50 / 30.4375)
    for piece in ("200 U/L", "2020-04-21", "upper limit 35", "baseline 30", "normal", "grade 3"):
        assert piece in found.of("ast").explanation


def test_the_first_grade_3_counts_although_a_grade_4_follows():
    labs = course(bilirubin=[(30, 80.0), (90, 300.0)])
    found = worst_grades(labs, treated_on=TREATED, window_months=12)
    assert found.of("bilirubin").grade == 4
    assert found.months_to_grade3 == pytest.approx(30 / 30.4375)


@pytest.mark.parametrize(("day", "grade"), [(-1, 0), (0, 0), (1, 4), (365, 4), (366, 0), (400, 0)])
def test_the_window_is_open_at_treatment_and_closed_at_its_last_day(day, grade):
    # On day 0 the value is the baseline: abnormal, so that 10 is far below it, and later values are graded in its multiples.
    labs = [entry for entry in course() if entry.test == "alt"] + [lab("alt", day, 1000.0)]
    found = worst_grades(labs, treated_on=TREATED, window_months=12, tests=["alt"])
    assert found.of("alt").grade == grade


def test_baseline_is_the_last_value_before_treatment():
    labs = [lab("ast", -40, 30.0), lab("ast", -2, 100.0), lab("ast", 60, 120.0), lab("ast", 370, 30.0)]
    found = worst_grades(labs, treated_on=TREATED, window_months=12, tests=["ast"])
    assert found.of("ast").grade == 0
    assert "abnormal" in found.of("ast").explanation


def test_units_are_converted_as_stated():
    labs = [
        lab("bilirubin", -5, 0.5, unit="mg/dL", lower_limit=0.1, upper_limit=1.2),
        lab("bilirubin", 60, 80.0),
        lab("bilirubin", 366, 10.0),
        lab("albumin", 60, 2.9, unit="g/dL", lower_limit=3.5, upper_limit=5.2),
        lab("albumin", 366, 40.0),
    ]
    found = worst_grades(labs, treated_on=TREATED, window_months=12, tests=["bilirubin", "albumin"])
    assert found.of("bilirubin").grade == 3
    assert found.of("albumin").grade == 2
    assert found.evaluable


@pytest.mark.parametrize(("last", "evaluable"), [(364, False), (365, True), (366, True), (900, True)])
def test_evaluable_means_followed_to_the_end_of_the_window(last, evaluable):
    labs = [entry for entry in course() if (entry.day - TREATED).days < 366] + [
        lab(test, last, NORMAL[test]) for test in TESTS
    ]
    found = worst_grades(labs, treated_on=TREATED, window_months=12)
    assert found.evaluable is evaluable
    assert (found.reason == "") is evaluable


def test_one_test_without_follow_up_makes_the_patient_not_evaluable():
    labs = [entry for entry in course() if entry.test != "albumin" or (entry.day - TREATED).days < 200]
    found = worst_grades(labs, treated_on=TREATED, window_months=12)
    assert not found.evaluable
    assert "albumin" in found.reason
    assert worst_grades(labs, treated_on=TREATED, window_months=12, tests=["ast"]).evaluable
    assert worst_grades(labs, treated_on=TREATED, window_months=6).evaluable


def test_without_a_baseline_an_enzyme_has_no_grade():
    labs = [entry for entry in course() if entry.day > TREATED]
    found = worst_grades(labs, treated_on=TREATED, window_months=12)
    assert found.of("ast").grade is None
    assert "before treatment" in found.of("ast").explanation
    assert found.of("albumin").grade == 0
    assert not found.evaluable


def test_without_any_value_nothing_is_graded():
    found = worst_grades([], treated_on=TREATED, window_months=12)
    assert [grade.grade for grade in found.grades] == [None] * 4
    assert not found.evaluable


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (lab("ast", 60, 90.0, upper_limit=None), MissingMeasurement, "upper_limit"),
        (lab("ast", -1, 90.0, upper_limit=None), MissingMeasurement, "upper limit"),
        (lab("bilirubin", 60, 90.0, unit=""), MissingMeasurement, "unit"),
        (lab("albumin", 60, 90.0, unit="mmol/L"), DomainError, "mmol/L"),
    ],
)
def test_values_without_unit_or_limit_are_refused(entry, error, message):
    with pytest.raises(error, match=message):
        worst_grades([*course(), entry], treated_on=TREATED, window_months=12)


def test_unknown_tests_are_refused_and_other_laboratory_values_ignored():
    inr = LabValue(TREATED + timedelta(days=5), "inr", 1.1, unit="")
    assert worst_grades([*course(), inr], treated_on=TREATED, window_months=12).evaluable
    for tests in (["inr"], []):
        with pytest.raises(ConfigurationError):
            worst_grades(course(), treated_on=TREATED, window_months=12, tests=tests)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_table_plays_no_part(random):
    labs = course(ast=[(20, 110.0), (50, 200.0), (120, 200.0)])
    shuffled = list(labs)
    random.shuffle(shuffled)
    terms = {"treated_on": TREATED, "window_months": 12}
    assert worst_grades(shuffled, **terms) == worst_grades(labs, **terms)
