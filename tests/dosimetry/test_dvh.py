"""Dose-volume figures: published definition, closed forms, monotony."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ytterby.dosimetry.dvh import dose_reached_by_gy, histogram, volume_reaching_fraction
from ytterby.errors import DomainError, SegmentError
from ytterby.model.segment import Role

HUNDRED = np.arange(100.0, 0.0, -1.0)  # 100, 99, ... 1 Gy


def test_d70_of_1_to_100_gy_is_31_gy() -> None:
    assert dose_reached_by_gy(HUNDRED, 0.70) == 31.0
    assert dose_reached_by_gy(HUNDRED, 0.98) == 3.0
    assert dose_reached_by_gy(HUNDRED, 0.02) == 99.0
    assert volume_reaching_fraction(HUNDRED, 100.0) == pytest.approx(0.01)
    assert volume_reaching_fraction(HUNDRED, 31.0) == pytest.approx(0.70)


def test_a_linear_gradient_has_a_straight_histogram() -> None:
    ramp = np.linspace(200, 0, 20001)
    curve = histogram("ramp", Role.TUMOUR, ramp)
    np.testing.assert_allclose(curve.volume_fraction[:-1], 1 - curve.dose_gy[:-1] / 200, atol=1e-4)


samples = arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 2000))


@given(samples)
def test_a_histogram_falls_from_one_to_nothing(doses: np.ndarray) -> None:
    curve = histogram("s", Role.TUMOUR, np.sort(doses)[::-1])
    assert curve.volume_fraction[0] == 1.0
    assert curve.volume_fraction[-1] == 0.0
    assert (np.diff(curve.volume_fraction) <= 0).all()
    assert len(curve.dose_gy) < 1003


@given(samples, st.floats(0.01, 1.0))
def test_the_dose_of_a_volume_is_reached_by_that_volume(doses: np.ndarray, fraction: float) -> None:
    descending = np.sort(doses)[::-1]
    dose = dose_reached_by_gy(descending, fraction)
    assert volume_reaching_fraction(descending, dose) >= fraction - 1e-9


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(DomainError, match="volume_fraction"):
        dose_reached_by_gy(HUNDRED, 70)
    with pytest.raises(SegmentError):
        dose_reached_by_gy(np.array([]), 0.5)
