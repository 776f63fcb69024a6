"""BED against worked numbers (physics.md, section 5)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.radiobiology import bed_gy, mean_bed_gy, repair_share
from ytterby.errors import DomainError, SegmentError

LIVER = {"alpha_beta_gy": 2.5, "repair_half_life_hours": 2.5, "half_life_hours": 64.1}
TUMOUR = {"alpha_beta_gy": 10.0, "repair_half_life_hours": 1.5, "half_life_hours": 64.1}


@pytest.mark.parametrize(("hours", "share"), [(1.5, 0.022866), (2.5, 0.037538)])
def test_worked_repair_share(hours, share):
    assert round(repair_share(repair_half_life_hours=hours, half_life_hours=64.1), 6) == share  # physics.md section 5


@pytest.mark.parametrize(
    ("dose", "tissue", "bed"),
    [(100, LIVER, 250.1502), (40, LIVER, 64.0240), (120, LIVER, 336.2162), (200, TUMOUR, 291.4634)],
)
def test_worked_bed(dose, tissue, bed):
    assert round(bed_gy(dose, **tissue), 4) == bed  # physics.md section 5, oracle


def test_trap_liver_with_the_tumours_parameters():
    # TRAP, physics.md section 5: public code uses alpha/beta 10 for both tissues and swaps the repair times.
    assert bed_gy(100.0, **LIVER) > 1.8 * bed_gy(
        100.0, alpha_beta_gy=10, repair_half_life_hours=1.5, half_life_hours=64.1
    )


def test_arrays_keep_their_shape():
    doses = np.array([[0.0, 40.0], [100.0, 120.0]])
    np.testing.assert_allclose(bed_gy(doses, **LIVER), [[0, 64.0240], [250.1502, 336.2162]], atol=5e-5)
    assert isinstance(bed_gy(100.0, **LIVER), float)


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=30))
def test_mean_bed_is_at_least_the_bed_of_the_mean(doses):
    samples = np.array(doses)
    assert mean_bed_gy(samples, **LIVER) >= bed_gy(float(samples.mean()), **LIVER) * (1 - 1e-9)


def test_mean_bed_is_not_the_bed_of_the_mean_dose():
    # By hand: (0 + 100 + 100^2 x 0.0150150) / 2, against 50 + 50^2 x 0.0150150.
    assert mean_bed_gy(np.array([0.0, 100.0]), **LIVER) == pytest.approx(250.1502 / 2, abs=1e-4)
    assert bed_gy(50.0, **LIVER) == pytest.approx(87.5375, abs=1e-4)


def test_two_sessions_do_less_than_one_of_the_summed_dose():
    assert 2 * bed_gy(60.0, **LIVER) < bed_gy(120.0, **LIVER)


@pytest.mark.parametrize("dose", [-1.0, math.nan, np.array([1.0, -1.0]), np.array([np.inf]), 1e300])
def test_doses_out_of_range_are_refused(dose):
    with pytest.raises(DomainError, match="dose"):
        bed_gy(dose, **LIVER)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(DomainError, match="alpha_beta_gy"):
        bed_gy(1.0, **LIVER | {"alpha_beta_gy": 0})
    with pytest.raises(SegmentError):
        mean_bed_gy(np.array([]), **LIVER)
