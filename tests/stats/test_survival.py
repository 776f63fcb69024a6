"""Kaplan-Meier and log-rank: closed forms, properties, and input that is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.cox import cox
from ytterby.stats.survival import kaplan_meier, log_rank, reverse_kaplan_meier_median

rows = st.lists(st.tuples(st.integers(0, 15), st.booleans()), min_size=1, max_size=40)


@given(st.lists(st.integers(0, 15), min_size=1, max_size=40))
def test_without_censoring_it_is_one_less_the_distribution_function(times):
    curve = kaplan_meier(times, np.ones(len(times)))
    expected = [1 - np.mean(np.array(times) <= t) for t in curve.times]
    assert curve.survival == pytest.approx(expected, abs=1e-12)
    # ... and the median is that of the sample, but for the middle of an even number.
    assert min(times) <= curve.median <= max(times)
    assert np.mean(np.array(times) <= curve.median) >= 0.5


@given(rows, st.sampled_from(["log_log", "log", "plain"]))
def test_curve_and_counts_hold_together(sample, interval):
    time, event = (np.array(column) for column in zip(*sample, strict=True))
    curve = kaplan_meier(time, event, interval=interval)
    assert (np.diff(curve.survival) <= 0).all()
    assert (np.diff(curve.times) > 0).all()
    assert curve.events.sum() == event.sum()
    assert (curve.events + curve.censored).sum() == len(sample)
    assert curve.at_risk.tolist() == [int((time >= t).sum()) for t in curve.times]
    known = ~np.isnan(curve.lower)
    assert (curve.lower[known] >= 0).all()
    assert (curve.lower[known] <= curve.survival[known] + 1e-12).all()
    assert (curve.survival[known] <= curve.upper[known] + 1e-12).all()
    assert (curve.upper[known] <= 1).all()
    assert (np.isnan(curve.lower) == np.isnan(curve.upper)).all()


@given(rows, st.floats(0.1, 50.0))
def test_another_unit_of_time_scales_the_median(sample, factor):
    time, event = (np.array(column, dtype=float) for column in zip(*sample, strict=True))
    one, other = kaplan_meier(time, event), kaplan_meier(time * factor, event)
    assert other.survival == pytest.approx(one.survival)
    assert (other.median, *other.median_ci) == pytest.approx(
        (one.median * factor, *(t * factor for t in one.median_ci)), nan_ok=True
    )


def test_greenwood_by_hand():
    curve = kaplan_meier([2, 4, 4, 7], [1, 1, 0, 1], interval="plain", confidence=0.5)
    se = 0.5 * math.sqrt(1 / (4 * 3) + 1 / (3 * 2))
    assert curve.survival[1] == 0.5
    assert curve.lower[1] == pytest.approx(0.5 - 0.6744897501960817 * se)
    assert np.isnan(curve.upper[-1])


@pytest.mark.parametrize(
    ("time", "event", "median"),
    [
        ([1, 2, 3, 4], [1, 1, 1, 1], 2.5),  # exactly half: the middle between this and the next fall
        ([1, 2, 3, 9], [1, 1, 0, 0], 5.5),  # exactly half to the end: the middle between this and the last time
        ([1, 2, 3], [1, 1, 1], 2.0),
        ([1, 2, 3], [0, 0, 1], 3.0),
        ([1, 2, 3], [1, 0, 0], math.nan),
        ([0, 0, 5], [1, 1, 0], 0.0),
    ],
)
def test_convention_at_one_half(time, event, median):
    assert kaplan_meier(time, event).median == pytest.approx(median, nan_ok=True)


def test_follow_up_is_the_median_of_the_censorings():
    assert reverse_kaplan_meier_median([5, 8, 9, 12, 20], [0, 0, 0, 0, 0]) == 9.0
    assert math.isnan(reverse_kaplan_meier_median([1, 2, 3], [1, 1, 1]))


def test_times_that_differ_by_rounding_are_one_time():
    curve = kaplan_meier([0.3, 0.1 + 0.2, 1.0], [1, 1, 1])
    assert curve.times.tolist() == [0.3, 1.0]
    assert curve.events.tolist() == [2, 1]


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.sampled_from("ab")), min_size=4, max_size=40))
def test_log_rank_is_the_score_test_without_ties(sample):
    time, event, group = (np.array(column) for column in zip(*sample, strict=True))
    time = time + np.arange(time.size) / 100.0  # no ties
    first_event = time[event].min() if event.any() else math.inf
    at_risk = {name for name, t in zip(group, time, strict=True) if t >= first_event}
    if len(at_risk) < 2:
        with pytest.raises(EstimationError, match="at risk at the time of an event"):
            log_rank(time, event, group)
        return
    observed = expected = variance = 0.0
    for t in time[event]:
        share = np.mean(group[time >= t] == "b")
        observed += group[time == t][0] == "b"
        expected += share
        variance += share * (1 - share)
    test = log_rank(time, event, group)
    assert (test.df, test.chi2) == (1, pytest.approx((observed - expected) ** 2 / variance, abs=1e-12))
    assert log_rank(time, event, np.where(group == "a", 7, 3)).chi2 == pytest.approx(test.chi2)


def test_log_rank_leaves_out_a_group_that_is_never_at_risk():
    time, event = [1, 5, 6, 7, 8], [0, 1, 1, 0, 1]
    assert log_rank(time, event, ["early", "a", "b", "a", "b"]).df == 1


@pytest.mark.parametrize(
    ("time", "event", "text"),
    [
        ([1, -2], [1, 1], "time is -2 at index 1"),
        ([1, 2], [1, 3], "event holds 3 at index 1"),
        ([1, 2, 3], [1, 1], "time and event differ in length: 3 and 2"),
        ([1, math.nan], [1, 1], "time holds 1 value"),
        ([], [], "time is empty"),
    ],
)
def test_wrong_input_is_told(time, event, text):
    with pytest.raises(DomainError, match=text):
        kaplan_meier(time, event)
    with pytest.raises(DomainError, match=text):
        reverse_kaplan_meier_median(time, event)
    with pytest.raises(DomainError, match=text):
        log_rank(time, event, ["a"] * len(time))
    with pytest.raises(DomainError, match=text):
        cox(time, event, np.zeros((max(len(time), 1), 1)), names=["x"])


def test_other_wrong_input_is_told():
    with pytest.raises(DomainError, match="choose one of: log_log, log, plain"):
        kaplan_meier([1], [1], interval="arcsin")
    with pytest.raises(DomainError, match="time and group differ in length"):
        log_rank([1, 2], [1, 1], ["a"])
    with pytest.raises(EstimationError, match="at risk at the time of an event"):
        log_rank([1, 2], [0, 0], ["a", "b"])
