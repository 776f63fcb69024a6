"""ROC curves: hand counts, conventions, and what must hold for any sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.diagnostic import confusion_matrix
from ytterby.stats.groups import mann_whitney
from ytterby.stats.roc import CutoffConvention, delong, roc_curve, youden_cutoff


@st.composite
def classified(draw, *, least=2):
    """Scores, many of them tied, of two classes with at least ``least`` members each."""
    positives = draw(st.lists(st.integers(-5, 12), min_size=least, max_size=25))
    negatives = draw(st.lists(st.integers(-9, 8), min_size=least, max_size=25))
    score = np.array(positives + negatives, dtype=float)
    return score, np.repeat([True, False], [len(positives), len(negatives)])


def delong_by_pairs(score, positive):
    """The definition: placements from the whole matrix of pairs."""
    x, y = score[positive], score[~positive]
    psi = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    return psi.mean(), psi.mean(axis=1).var(ddof=1) / x.size + psi.mean(axis=0).var(ddof=1) / y.size


def same(one, other):
    """Equal to the last bit, nan to nan."""
    return repr(one) == repr(other)


@given(classified())
def test_auc_is_the_mann_whitney_share_and_delong_its_definition(sample):
    score, positive = sample
    estimate = delong(score, positive)
    auc, variance = delong_by_pairs(score, positive)
    assert estimate.auc == pytest.approx(auc, abs=1e-14)
    assert estimate.se**2 == pytest.approx(variance, rel=1e-9, abs=1e-16)
    m, n = positive.sum(), (~positive).sum()
    if np.unique(score).size > 1:
        assert mann_whitney(score[positive], score[~positive]).u / (m * n) == pytest.approx(estimate.auc, abs=1e-12)


@given(classified())
def test_area_under_the_points_is_the_auc(sample):
    curve = roc_curve(*sample)
    assert np.trapezoid(curve.sensitivity, 1 - curve.specificity) == pytest.approx(curve.auc, abs=1e-12)
    assert (curve.tp[0], curve.fp[0]) == (0, 0)
    assert (curve.tp[-1], curve.fp[-1]) == (curve.n_positive, curve.n_negative)
    assert curve.thresholds.size == np.unique(sample[0]).size + 1
    assert (np.diff(curve.thresholds) < 0).all()


@given(classified(), st.sampled_from(CutoffConvention))
def test_every_point_is_the_table_at_its_threshold(sample, convention):
    curve = roc_curve(*sample, convention=convention)
    for cutoff, tp, fp in zip(curve.thresholds, curve.tp, curve.fp, strict=True):
        matrix = confusion_matrix(*sample, cutoff, convention=convention)
        assert (matrix.tp, matrix.fp) == (tp, fp)


@given(classified(least=1).filter(lambda sample: np.unique(sample[0]).size > 1))
def test_conventions_agree_on_everything_but_the_number(sample):
    best = [youden_cutoff(*sample, convention=convention) for convention in CutoffConvention]
    assert len({(b.index, b.sensitivity, b.specificity, b.n_optima) for b in best}) == 1
    above, middle, at = (b.cutoff for b in best)
    assert above < middle < at
    assert middle == (above + at) / 2


@given(classified(least=1).filter(lambda sample: np.unique(sample[0]).size > 1))
def test_youden_is_the_best_of_all_cutoffs_and_the_lowest_of_its_equals(sample):
    score, positive = sample
    best = youden_cutoff(score, positive)
    tables = {c: confusion_matrix(score, positive, c) for c in np.unique(score)[:-1]}
    index = {c: t.tp / (t.tp + t.fn) + t.tn / (t.tn + t.fp) - 1 for c, t in tables.items()}
    tied = [c for c, value in index.items() if value > max(index.values()) - 1e-12]
    assert (best.cutoff, best.n_optima) == (min(tied), len(tied))
    assert best.index == pytest.approx(max(index.values()), abs=1e-12)
    assert best.index == pytest.approx(best.sensitivity + best.specificity - 1, abs=1e-12)


@given(classified())
def test_a_rising_transform_of_the_score_changes_nothing(sample):
    score, positive = sample
    moved = np.exp(score / 4.0) - 3.0
    assert same(delong(moved, positive), delong(score, positive))
    assert np.array_equal(roc_curve(moved, positive).tp, roc_curve(score, positive).tp)


@given(classified())
def test_swapped_classes_and_mirrored_scores(sample):
    score, positive = sample
    estimate, swapped, mirrored = delong(score, positive), delong(score, ~positive), delong(-score, ~positive)
    assert swapped.auc == pytest.approx(1 - estimate.auc, abs=1e-15)
    assert swapped.se == pytest.approx(estimate.se, rel=1e-9, abs=1e-12)
    assert swapped.ci == pytest.approx((1 - estimate.ci[1], 1 - estimate.ci[0]), abs=1e-12)
    assert mirrored.auc == pytest.approx(estimate.auc, abs=1e-15)
    assert swapped.p == pytest.approx(estimate.p, rel=1e-6, nan_ok=True)


@given(classified(), st.randoms(use_true_random=False))
def test_order_of_subjects_does_not_matter(sample, random):
    score, positive = sample
    order = list(range(score.size))
    random.shuffle(order)
    assert same(delong(score[order], positive[order]), delong(score, positive))


def test_perfect_separation_has_no_standard_error_and_no_test():
    estimate = delong([1, 2, 3, 4, 5], [0, 0, 0, 1, 1])
    assert (estimate.auc, estimate.se, estimate.ci) == (1.0, 0.0, (1.0, 1.0))
    assert math.isnan(estimate.z)
    assert math.isnan(estimate.p)


def test_interval_is_clipped():
    estimate = delong([1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 1, 1])
    assert estimate.ci[1] == 1.0
    assert estimate.auc + 1.96 * estimate.se > 1.0


def test_end_points_are_no_cutoffs():
    # Every cut-off is worse than chance here: the best one is still one that divides, and says how bad it is.
    best = youden_cutoff([1, 2, 3, 4], [1, 1, 0, 0])
    assert math.isfinite(best.cutoff)
    assert best.index == -0.5
    assert best.n_optima == 2
    assert best.cutoff == 1.0


def test_midpoint_between_neighbouring_floats_still_divides():
    low = 1.0
    high = math.nextafter(low, 2.0)
    best = youden_cutoff([low, high], [0, 1], convention="midpoint")
    matrix = confusion_matrix([low, high], [0, 1], best.cutoff, convention="midpoint")
    assert (matrix.tp, matrix.tn) == (1, 1)


def test_area_of_many_subjects_does_not_overflow():
    score = np.tile([0.0, 1.0], 200_000)
    positive = np.repeat([False, True], 200_000)
    assert roc_curve(score, positive).auc == 0.5
    assert youden_cutoff(score, positive).index == 0.0


@pytest.mark.external
def test_published_counts_at_the_lesion_cutoff(table, reference_data):
    d = table(reference_data / "synthetic_cohort" / "analysis_lesions.csv")
    score, positive = d["mad_gy"], np.isin(d["response"], ["CR", "PR"])
    best = youden_cutoff(score, positive)
    matrix = confusion_matrix(score, positive, best.cutoff)
    assert best.cutoff == 196.6
    assert (matrix.tp, matrix.fn, matrix.tn, matrix.fp) == (55, 30, 35, 6)
    assert delong(score, positive).auc == pytest.approx(0.789096, abs=5e-7)


@pytest.mark.external
def test_published_counts_at_the_patient_cutoff(table, reference_data):
    d = table(reference_data / "synthetic_cohort" / "analysis_patients.csv")
    evaluable = d["evaluable"] == 1
    matrix = confusion_matrix(d["mad_gy"][evaluable], d["hepatic_responder"][evaluable], 175.0)
    assert (matrix.tp, matrix.fn, matrix.tn, matrix.fp) == (14, 7, 5, 2)


@pytest.mark.parametrize(
    ("score", "positive", "error", "text"),
    [
        ([1.0, 2.0], [1, 0, 1], DomainError, "score and positive differ in length: 2 and 3"),
        ([1.0, math.nan], [1, 0], DomainError, "score holds 1 value.* at index 1"),
        ([1.0, math.inf], [1, 0], DomainError, "missing or infinite"),
        ([1.0, 2.0], [1, 2], DomainError, "positive holds 2 at index 1"),
        (["1.0", "2.0"], [1, 0], DomainError, "score holds something that is not a number"),
        ([1.0, None], [1, 0], DomainError, "score holds 1 value"),
        (np.array([1.0, "x"], dtype=object), [1, 0], DomainError, "score holds something that is not a number"),
        ([[1.0], [2.0]], [1, 0], DomainError, "score has 2 dimensions"),
        ([], [], DomainError, "score is empty"),
        ([1.0, 2.0], [1, 1], EstimationError, "none is negative"),
        ([1.0, 2.0], [0, 0], EstimationError, "none is positive"),
    ],
)
def test_wrong_input_is_told(score, positive, error, text):
    for figure in (roc_curve, delong, youden_cutoff):
        with pytest.raises(error, match=text):
            figure(score, positive)


def test_estimates_that_do_not_exist():
    with pytest.raises(EstimationError, match="two subjects of each class"):
        delong([1.0, 2.0, 3.0], [0, 1, 1])
    with pytest.raises(EstimationError, match="all scores are equal"):
        youden_cutoff([2.0, 2.0], [0, 1])
    with pytest.raises(DomainError, match="choose one of: above_observed, midpoint, at_observed"):
        roc_curve([1.0, 2.0], [0, 1], convention="below")
    with pytest.raises(DomainError, match="confidence is 95"):
        delong([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1], confidence=95)
