"""Two-by-two tables and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import binom, norm

from ytterby.errors import DomainError
from ytterby.stats.diagnostic import ConfusionMatrix, confusion_matrix, diagnostic_figures, proportion

counts = st.integers(0, 60)


def test_sides_of_the_cutoff():
    score, positive = [1.0, 2.0, 2.0, 3.0], [0, 0, 1, 1]
    assert confusion_matrix(score, positive, 2.0) == ConfusionMatrix(tp=1, fp=0, tn=2, fn=1)
    assert confusion_matrix(score, positive, 2.0, convention="midpoint") == ConfusionMatrix(tp=1, fp=0, tn=2, fn=1)
    assert confusion_matrix(score, positive, 2.0, convention="at_observed") == ConfusionMatrix(tp=2, fp=1, tn=1, fn=0)
    assert confusion_matrix(score, positive, -math.inf) == ConfusionMatrix(tp=2, fp=2, tn=0, fn=0)


def test_figures_of_a_table():
    figures = diagnostic_figures(ConfusionMatrix(tp=55, fp=6, tn=35, fn=30))
    values = [figures.sensitivity, figures.specificity, figures.ppv, figures.npv, figures.accuracy]
    assert [(p.k, p.n) for p in values] == [(55, 85), (35, 41), (55, 61), (35, 65), (90, 126)]
    assert [p.value for p in values] == [55 / 85, 35 / 41, 55 / 61, 35 / 65, 90 / 126]
    methods = ["clopper_pearson", "clopper_pearson", "mercaldo_logit", "mercaldo_logit", "clopper_pearson"]
    assert [p.method for p in values] == methods


@given(counts, counts, counts, counts, st.sampled_from(["clopper_pearson", "wilson"]))
def test_every_interval_holds_its_value(tp, fp, tn, fn, method):
    figures = diagnostic_figures(ConfusionMatrix(tp, fp, tn, fn), proportions=method)
    for figure in (figures.sensitivity, figures.specificity, figures.ppv, figures.npv, figures.accuracy):
        if figure.n == 0:
            assert all(math.isnan(number) for number in (figure.value, *figure.ci))
        else:
            assert 0.0 <= figure.ci[0] <= figure.value <= figure.ci[1] <= 1.0


@given(counts.filter(bool), counts.filter(bool), counts.filter(bool), counts.filter(bool))
def test_swapped_classes_swap_the_figures(tp, fp, tn, fn):
    one = diagnostic_figures(ConfusionMatrix(tp, fp, tn, fn))
    other = diagnostic_figures(ConfusionMatrix(tp=tn, fp=fn, tn=tp, fn=fp))
    assert (one.sensitivity, one.ppv, one.accuracy) == (other.specificity, other.npv, other.accuracy)


@given(st.integers(1, 59), st.integers(60, 90))
def test_intervals_by_their_definitions(k, n):
    exact = proportion(k, n, confidence=0.9).ci
    # Clopper-Pearson: at each bound what was seen, or more extreme, has probability 5 %.
    assert binom.sf(k - 1, n, exact[0]) == pytest.approx(0.05, rel=1e-8)
    assert binom.cdf(k, n, exact[1]) == pytest.approx(0.05, rel=1e-8)
    # Wilson: at each bound the score test is at its critical value.
    for bound in proportion(k, n, interval="wilson", confidence=0.9).ci:
        assert abs(k / n - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(norm.isf(0.05), rel=1e-9)


def test_logit_interval_is_symmetric_on_its_scale():
    ppv = diagnostic_figures(ConfusionMatrix(tp=14, fp=2, tn=5, fn=7)).ppv
    se = math.sqrt((7 / 21) / (14 / 21) / 21 + (5 / 7) / (2 / 7) / 7)
    assert logit(ppv.ci[1]) - logit(ppv.value) == pytest.approx(1.959963984540054 * se, rel=1e-12)
    assert logit(ppv.value) - logit(ppv.ci[0]) == pytest.approx(1.959963984540054 * se, rel=1e-12)


def test_a_cell_of_zero_falls_back_and_says_so():
    figures = diagnostic_figures(ConfusionMatrix(tp=8, fp=0, tn=6, fn=3))
    assert (figures.ppv.value, figures.ppv.method) == (1.0, "clopper_pearson")
    assert figures.ppv.ci == (pytest.approx(0.025 ** (1 / 8)), 1.0)
    assert figures.npv.method == "mercaldo_logit"


def test_one_class_alone():
    figures = diagnostic_figures(confusion_matrix([1.0, 3.0], [1, 1], 2.0))
    assert (figures.sensitivity.value, figures.sensitivity.n) == (0.5, 2)
    assert (math.isnan(figures.specificity.value), figures.specificity.n) == (True, 0)


def test_wrong_input_is_told():
    with pytest.raises(DomainError, match="fp is -1"):
        ConfusionMatrix(tp=1, fp=-1, tn=1, fn=1)
    with pytest.raises(DomainError, match="3 of 2"):
        proportion(3, 2)
    with pytest.raises(DomainError, match="cut-off is nan"):
        confusion_matrix([1.0], [1], math.nan)
    with pytest.raises(DomainError, match="choose one of: clopper_pearson, wilson"):
        diagnostic_figures(ConfusionMatrix(1, 1, 1, 1), proportions="wald")
    with pytest.raises(DomainError, match="mercaldo_logit, clopper_pearson, wilson"):
        diagnostic_figures(ConfusionMatrix(1, 1, 1, 1), predictive_values="bayes")
