"""Cox model: closed forms, properties, and fits that do not exist."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ytterby.errors import DomainError, EstimationError
from ytterby.stats.cox import cox
from ytterby.stats.survival import log_rank


def simulated(seed, n=80, *, ties=True):
    stream = np.random.default_rng(seed)
    x = np.column_stack([stream.normal(50, 12, n), stream.integers(0, 2, n), stream.exponential(3, n)])
    hazard = np.exp(0.02 * x[:, 0] + 0.8 * x[:, 1] - 0.1 * x[:, 2])
    death, censoring = stream.exponential(30 / hazard), stream.uniform(1, 40, n)
    time = np.minimum(death, censoring)
    return (np.ceil(time) if ties else time), death <= censoring, x


NAMES = ("age", "exposed", "marker")


def efron_by_definition(time, event, x, beta):
    """Log partial likelihood from sums over subjects, event time by event time."""
    value, weight = 0.0, np.exp(x @ beta)
    for t in np.unique(time[event]):
        dying, risk = (time == t) & event, time >= t
        value += (x[dying] @ beta).sum()
        value -= sum(np.log(weight[risk].sum() - k / dying.sum() * weight[dying].sum()) for k in range(dying.sum()))
    return value


def test_four_subjects_by_hand():
    # The likelihood of one binary covariate with events at 1, 2, 3 of x = 1, 0, 1 in four at risk: r/(2r+2) 1/(r+2) r/(r+1).
    fit = cox([1, 2, 3, 4], [1, 1, 1, 0], [[1], [0], [1], [0]], names=["x"], ties="breslow")
    r = fit.terms[0].hr
    # d/d ln r of 2 ln r - ln(2r + 2) - ln(r + 2) - ln(r + 1) is 0
    assert 2 - 2 * r / (2 * r + 2) - r / (r + 2) - r / (r + 1) == pytest.approx(0, abs=1e-12)
    assert fit.log_likelihood == pytest.approx(math.log(r / (2 * r + 2) / (r + 2) * r / (r + 1)), abs=1e-13)
    assert fit.log_likelihood_null == pytest.approx(-math.log(24), abs=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_estimate_is_the_maximum_of_the_likelihood_as_defined(seed):
    time, event, x = simulated(seed)
    fit = cox(time, event, x, names=NAMES)
    beta = np.array([term.coefficient for term in fit.terms])
    assert fit.log_likelihood == pytest.approx(efron_by_definition(time, event, x, beta), rel=1e-12)
    assert fit.log_likelihood_null == pytest.approx(efron_by_definition(time, event, x, 0 * beta), rel=1e-12)
    for term, number in zip(fit.terms, range(3), strict=True):
        step = np.eye(3)[number] * term.se / 50
        around = [efron_by_definition(time, event, x, beta + sign * step) for sign in (-1, 1)]
        assert max(around) < fit.log_likelihood
        # Slope zero, and the curvature is that of the information.
        assert around[1] - around[0] == pytest.approx(0, abs=1e-6)
    information = np.linalg.inv(fit.covariance)
    step = np.eye(3)[1] * 1e-3
    around = [efron_by_definition(time, event, x, beta + sign * step) for sign in (-1, 1)]
    assert (2 * fit.log_likelihood - sum(around)) / 1e-6 == pytest.approx(information[1, 1], rel=1e-4)


def test_ties_methods_are_one_without_ties():
    time, event, x = simulated(5, ties=False)
    efron, breslow = (cox(time, event, x, names=NAMES, ties=ties) for ties in ("efron", "breslow"))
    assert [t.coefficient for t in efron.terms] == pytest.approx([t.coefficient for t in breslow.terms], rel=1e-12)
    assert (efron.ties, breslow.ties) == ("efron", "breslow")


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_unit_origin_sign_and_order_of_covariates(ties):
    time, event, x = simulated(6)
    fit = cox(time, event, x, names=NAMES, ties=ties)
    moved = cox(time, event, x[:, ::-1] * [1e6, -1, 0.01] + [1e9, 3, -7], names=NAMES[::-1], ties=ties)
    back = dict(zip(NAMES[::-1], (1e6, -1, 0.01), strict=True))
    terms = {term.name: term for term in moved.terms}
    for term in fit.terms:
        assert terms[term.name].coefficient * back[term.name] == pytest.approx(term.coefficient, rel=1e-7)
        assert terms[term.name].p == pytest.approx(term.p, rel=1e-6)
    assert moved.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-10)


@given(st.permutations(range(30)), st.floats(0.5, 40.0))
def test_order_of_subjects_and_rising_transform_of_time(order, factor):
    time, event, x = simulated(7, 30)
    fit = cox(time, event, x, names=NAMES)
    order = np.array(order)
    again = cox(np.log1p(time[order]) * factor, event[order], x[order], names=NAMES)
    assert [t.hr for t in again.terms] == pytest.approx([t.hr for t in fit.terms], rel=1e-8)
    assert (again.n, again.n_events) == (30, event.sum())


def test_score_of_a_binary_covariate_is_near_the_log_rank():
    time, event, x = simulated(8, 4000, ties=False)
    fit = cox(time, event, x[:, [1]], names=["exposed"])
    assert fit.likelihood_ratio.chi2 == pytest.approx(log_rank(time, event, x[:, 1]).chi2, rel=0.05)
    assert fit.terms[0].z ** 2 == pytest.approx(fit.likelihood_ratio.chi2, rel=0.05)


def test_simulated_hazard_ratio_is_found():
    time, event, x = simulated(9, 20_000, ties=False)
    fit = cox(time, event, x, names=NAMES)
    for term, truth in zip(fit.terms, (0.02, 0.8, -0.1), strict=True):
        assert abs(term.coefficient - truth) < 4 * term.se
        assert term.ci[0] < term.hr < term.ci[1]
        assert np.log(term.ci) == pytest.approx(term.coefficient + np.array([-1, 1]) * 1.959963984540054 * term.se)
    assert fit.likelihood_ratio.df == 3


def test_no_event():
    with pytest.raises(EstimationError, match="none of the 3 subjects has an event"):
        cox([1, 2, 3], [0, 0, 0], [[1], [2], [3]], names=["x"])


def test_constant_and_redundant_covariates_are_named():
    time, event, x = simulated(10)
    with pytest.raises(EstimationError, match="covariate 'site' is 2 in all 80 subjects"):
        cox(time, event, np.column_stack([x, np.full(80, 2.0)]), names=[*NAMES, "site"])
    with pytest.raises(EstimationError, match=r"'(age|double)' is a linear combination"):
        cox(time, event, np.column_stack([x, 2 * x[:, 0] + 1]), names=[*NAMES, "double"])
    levels = np.column_stack([x[:, 1], 1 - x[:, 1]])
    with pytest.raises(EstimationError, match="linear combination"):
        cox(time, event, levels, names=["yes", "no"])
    with pytest.raises(EstimationError, match="linear combination"):
        cox(time[:3], [1, 1, 1], np.random.default_rng(1).random((3, 4)), names=list("abcd"))


def test_covariate_that_differs_only_before_the_first_event():
    with pytest.raises(EstimationError, match="covariate 'early' does not differ between subjects at risk"):
        cox([1, 2, 3, 4, 5], [0, 1, 1, 0, 1], [[1, 3], [0, 2], [0, 5], [0, 3], [0, 1]], names=["early", "x"])


def test_redundant_only_among_those_at_risk():
    x = [[9.0, 1.0], [1.0, 1.0], [2.0, 2.0], [0.5, 0.5], [1.5, 1.5]]
    with pytest.raises(EstimationError, match="linear combination"):
        cox([1, 2, 3, 4, 5], [0, 1, 1, 0, 1], x, names=["a", "b"])


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_monotone_likelihood_names_the_covariate(ties):
    time, event, x = simulated(11)
    # No subject of this group has an event.
    spared = np.zeros(80)
    spared[np.flatnonzero(~event)[:5]] = 1
    assert event.sum() > 20
    with pytest.raises(EstimationError, match=r"monotone likelihood .* of 'spared' runs to 0 or infinity"):
        cox(time, event, np.column_stack([x, spared]), names=[*NAMES, "spared"], ties=ties)
    # The covariate is the order of the events itself.
    time = np.arange(1.0, 13.0)
    with pytest.raises(EstimationError, match="'rank'"):
        cox(time, np.ones(12), -time[:, None] * 1e-3, names=["rank"], ties=ties)


@given(st.integers(0, 10_000))
def test_monotone_or_not_is_what_all_pairs_say(seed):
    stream = np.random.default_rng(seed)
    time, event = stream.integers(1, 8, 9).astype(float), stream.random(9) < 0.5
    x = stream.integers(0, 3, 9).astype(float)
    assume(event.any())
    pairs = [x[i] - x[j] for i in np.flatnonzero(event) for j in np.flatnonzero(time >= time[i])]
    assume(any(pairs))
    if min(pairs) >= 0 or max(pairs) <= 0:
        with pytest.raises(EstimationError, match=r"separation.*'x'"):
            cox(time, event, x[:, None], names=["x"])
    else:
        term = cox(time, event, x[:, None], names=["x"]).terms[0]
        assert abs(term.coefficient) < 20
        assert efron_by_definition(time, event, x[:, None], np.array([term.coefficient + 1e-3])) < 0


def test_separation_by_two_covariates_together():
    # Neither of the two is extreme at each event, their sum is.
    x = np.array([[4, 0], [0, 3.9], [3.5, 0.1], [0.1, 3.1], [2, 0.5], [0.5, 1.6], [1, 0.4], [0.2, 0.7]])
    with pytest.raises(EstimationError, match="'one', 'other'"):
        cox(np.arange(1, 9), np.ones(8), x, names=["one", "other"])


def test_a_great_but_finite_hazard_ratio_is_fitted():
    # 40 of 40 against 1 of 400 early: far from 1, yet finite.
    time = np.concatenate([np.arange(1, 41), np.arange(20.5, 420.5)])
    event = np.concatenate([np.ones(40), [1], np.zeros(399)])
    x = np.concatenate([np.ones(40), np.zeros(400)])[:, None]
    fit = cox(time, event, x, names=["exposed"])
    assert 100 < fit.terms[0].hr < 1e4


@pytest.mark.parametrize(
    ("x", "names", "text"),
    [
        ([[1.0], [2.0]], ["x"], "time and covariates differ in length: 3 and 2"),
        ([[1.0], [2.0], [math.nan]], ["x"], "covariates holds 1 value.* index 2"),
        ([1.0, 2.0, 3.0], ["x"], "covariates has 1 dimensions where 2"),
        ([[1.0], [2.0], [3.0]], ["x", "y"], "2 names for 1 covariates"),
        ([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], ["x", "x"], "given twice"),
    ],
)
def test_wrong_input_is_told(x, names, text):
    with pytest.raises(DomainError, match=text):
        cox([1, 2, 3], [1, 1, 0], x, names=names)


def test_unknown_ties_method():
    with pytest.raises(DomainError, match="choose one of: efron, breslow"):
        cox([1, 2, 3], [1, 1, 0], [[1.0], [2.0], [1.0]], names=["x"], ties="exact")
