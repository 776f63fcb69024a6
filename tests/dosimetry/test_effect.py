"""TCP and NTCP: closed forms, relations between the parameters of the literature, properties."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.effect import (
    DoseQuantity,
    EffectKind,
    EffectModel,
    EffectRow,
    effect_probability,
    effect_row,
    lkb_probability,
    logistic_probability,
    poisson_probability,
)
from ytterby.errors import ConfigurationError, DomainError, MissingMeasurement, SegmentError
from ytterby.model.treatment import Device

ROW = EffectRow(
    effect_id="made_up",
    kind=EffectKind.COMPLICATION,
    endpoint="an endpoint",
    tissue="liver",
    device=Device.RESIN,
    model=EffectModel.LKB,
    dose_quantity=DoseQuantity.MEAN_ABSORBED_DOSE,
    population="nobody",
    source="this test",
    doi="",
    verified=False,
    d50_gy=52.0,
    m_fraction=0.28,
)
LOGISTIC = replace(ROW, model=EffectModel.LOGISTIC, d50_gy=292.0, slope_per_gy=0.01, m_fraction=None, verified=True)


def test_one_half_at_d50() -> None:
    assert logistic_probability(292.0, 292.0, slope_per_gy=0.01) == 0.5
    assert effect_probability(ROW, 52.0) == 0.5
    assert lkb_probability(np.full(7, 52.0), td50_gy=52.0, m_fraction=0.28, n_fraction=0.3) == pytest.approx(0.5)


def test_logistic_closed_form() -> None:
    # Odds of e at one inverse slope above D50, and of 9 where k (D - D50) is ln 9.
    assert logistic_probability(300.0, 200.0, slope_per_gy=0.01) == pytest.approx(math.e / (1 + math.e))
    assert logistic_probability(200 + math.log(9) / 0.02, 200.0, slope_per_gy=0.02) == pytest.approx(0.9)


def test_gamma50_of_the_logistic_model() -> None:
    # The normalised slope at D50 is k D50 / 4 (numerical derivative).
    d50, slope, step = 250.0, 0.016, 1e-3
    rise = logistic_probability(d50 + step, d50, slope_per_gy=slope) - logistic_probability(
        d50 - step, d50, slope_per_gy=slope
    )
    assert d50 * rise / (2 * step) == pytest.approx(slope * d50 / 4, rel=1e-6)


def test_gamma50_of_lkb() -> None:
    # gamma50 = 1 / (m sqrt(2 pi)), as the models' authors and other programs (R package DVHmetrics) have it.
    step = 1e-3
    rise = effect_probability(ROW, 52.0 + step) - effect_probability(ROW, 52.0 - step)
    assert 52.0 * rise / (2 * step) == pytest.approx(1 / (0.28 * math.sqrt(2 * math.pi)), rel=1e-6)


@pytest.mark.parametrize(("deviations", "probability"), [(-1.0, 0.158655), (1.0, 0.841345), (1.959964, 0.975)])
def test_lkb_against_the_normal_distribution(deviations: float, probability: float) -> None:
    dose = np.array([50.0 * (1 + 0.2 * deviations)])
    assert lkb_probability(dose, td50_gy=50.0, m_fraction=0.2, n_fraction=1.0) == pytest.approx(probability, abs=1e-6)


def test_lkb_with_n_1_takes_the_mean_and_with_small_n_the_greatest_dose() -> None:
    doses = np.array([20.0, 40.0, 60.0])
    parameters = {"td50_gy": 50.0, "m_fraction": 0.2}
    assert lkb_probability(doses, n_fraction=1.0, **parameters) == pytest.approx(
        lkb_probability(np.array([40.0]), n_fraction=1.0, **parameters)
    )
    assert lkb_probability(doses, n_fraction=1e-4, **parameters) == pytest.approx(
        lkb_probability(np.array([60.0]), n_fraction=1.0, **parameters), abs=1e-3
    )


def test_the_volumes_weigh_the_samples() -> None:
    parameters = {"td50_gy": 50.0, "m_fraction": 0.2, "n_fraction": 0.5}
    assert lkb_probability(np.array([20.0, 60.0]), np.array([3.0, 1.0]), **parameters) == pytest.approx(
        lkb_probability(np.array([20.0, 20.0, 20.0, 60.0]), **parameters)
    )


def test_poisson_by_hand() -> None:
    # One survivor on average leaves 1/e without any: 1e9 cells/mL x 2 mL at exp(-alpha BED) = 5e-10.
    bed = np.array([math.log(2e9) / 0.3])
    assert poisson_probability(bed, np.array([2.0]), alpha_per_gy=0.3, clonogens_per_ml=1e9) == pytest.approx(
        math.exp(-1)
    )


def test_poisson_of_parts_is_the_product() -> None:
    bed, volume = np.array([50.0, 70.0, 90.0]), np.array([1.0, 2.0, 0.5])
    parameters = {"alpha_per_gy": 0.1, "clonogens_per_ml": 500.0}
    whole = poisson_probability(bed, volume, **parameters)
    parts = [poisson_probability(bed[i : i + 1], volume[i : i + 1], **parameters) for i in range(3)]
    assert whole == pytest.approx(math.prod(parts))
    # A cold spot is not made good by a hot one.
    uniform = poisson_probability(np.full(3, 70.0), volume, **parameters)
    assert poisson_probability(np.array([40.0, 70.0, 200.0]), volume, **parameters) < uniform


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=20))
def test_probabilities_rise_with_the_dose_and_stay_between_0_and_1(doses) -> None:
    ascending = np.sort(np.array(doses))
    for row in (ROW, LOGISTIC):
        probability = effect_probability(row, ascending)
        assert probability.shape == ascending.shape
        assert np.all(np.diff(probability) >= 0)
        assert np.all((probability >= 0) & (probability <= 1))


def test_an_unknown_parameter_is_named_and_not_guessed() -> None:
    with pytest.raises(MissingMeasurement, match=r"'made_up': slope_per_gy is not known \(this test\)"):
        effect_probability(replace(LOGISTIC, slope_per_gy=None), 100.0)
    with pytest.raises(MissingMeasurement, match="m_fraction is not known"):
        effect_probability(replace(ROW, m_fraction=None), 100.0)
    with pytest.raises(MissingMeasurement, match="limit"):
        effect_probability(replace(ROW, model=EffectModel.LIMIT, d50_gy=None, m_fraction=None, limit_gy=50.0), 40.0)


def test_a_row_is_chosen_by_name_alone() -> None:
    assert effect_row([ROW], "made_up") is ROW
    with pytest.raises(ConfigurationError, match=r"'other'.*name one of: made_up"):
        effect_row([ROW], "other")


def test_the_caution_says_what_was_not_verified() -> None:
    assert "not verified" in ROW.caution
    assert "not verified" not in LOGISTIC.caution
    assert LOGISTIC.caution.startswith("Research use only.")


@pytest.mark.parametrize("dose", [-1.0, math.nan, math.inf, np.array([1.0, -1.0])])
def test_doses_out_of_range_are_refused(dose) -> None:
    with pytest.raises(DomainError, match="dose_gy"):
        effect_probability(LOGISTIC, dose)
    with pytest.raises(DomainError, match="bed_gy"):
        poisson_probability(np.atleast_1d(dose), np.array([1.0]), alpha_per_gy=0.1, clonogens_per_ml=1.0)


def test_parameters_out_of_range_are_refused() -> None:
    one = np.array([1.0])
    with pytest.raises(DomainError, match="slope_per_gy"):
        logistic_probability(1.0, 1.0, slope_per_gy=0.0)
    with pytest.raises(DomainError, match="n_fraction"):
        lkb_probability(one, td50_gy=1.0, m_fraction=0.1, n_fraction=1.5)
    with pytest.raises(DomainError, match="m_fraction"):
        lkb_probability(one, td50_gy=1.0, m_fraction=0.0, n_fraction=1.0)
    with pytest.raises(DomainError, match="one volume for each sample"):
        poisson_probability(one, np.array([1.0, 2.0]), alpha_per_gy=0.1, clonogens_per_ml=1.0)
    with pytest.raises(SegmentError):
        poisson_probability(np.array([]), np.array([]), alpha_per_gy=0.1, clonogens_per_ml=1.0)
    with pytest.raises(SegmentError):
        lkb_probability(np.array([]), td50_gy=1.0, m_fraction=0.1, n_fraction=1.0)
