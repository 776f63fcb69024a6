"""Predicted against delivered by segment: known differences are found, limits are the user's, what does not fit is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ytterby.errors import DomainError
from ytterby.model.dose import ActivityBalance, CaseDose, DoseOptions, SegmentDose
from ytterby.model.segment import Role
from ytterby.planning.gamma import GammaCriterion, GammaResult
from ytterby.planning.verify import (
    Limits,
    beyond_limits,
    lesion_agreement,
    matched_segments,
    pair_notices,
    unmatched_segments,
)

MEANS_GY = {"T1": 240.0, "T2": 160.0, "T3": 90.0}


def row(name: str, role: Role, mean_gy: float, **more: Any) -> SegmentDose:
    return SegmentDose(name, role, "imported", 50.0, 0.0515, 0.1, mean_gy, "local_deposition", **more)


def case(factor: float = 1.0, *, recovered: float | None = None) -> CaseDose:
    rows = [row("liver", Role.LIVER, 60.0 * factor), row("normal_liver", Role.NORMAL_LIVER, 40.0 * factor)]
    rows += [row(name, Role.TUMOUR, mean * factor, d70_gy=0.8 * mean * factor) for name, mean in MEANS_GY.items()]
    balance = ActivityBalance(3.0, 0.03, 2.8, 0.17, 0.0, recovered_fraction=recovered)
    return CaseDose("P1", DoseOptions(49.67, 1.03, 1.0), tuple(rows), (), balance, (), ())


def test_equal_cases_differ_nowhere() -> None:
    pairs = matched_segments(case(), case(recovered=1.0), ratio=1.0)
    assert len(pairs) == 5
    for pair in pairs:
        assert (pair.difference_gy, pair.difference_fraction, pair.volume_difference_fraction) == (0.0, 0.0, 0.0)
    strict = Limits(mean_dose_fraction=1e-9, d70_fraction=1e-9, tumour_to_normal_fraction=1e-9)
    assert beyond_limits(pairs, strict, recovered_fraction=1.0, gamma=None) == ()
    assert pair_notices(case(), case(recovered=1.0), pairs, ratio=1.0) == ()
    assert unmatched_segments(case(), case()) == ()


def test_ten_percent_more_is_ten_percent_more_everywhere() -> None:
    pairs = matched_segments(case(), case(1.1, recovered=1.0), ratio=1.0)
    for pair in pairs:
        assert pair.difference_fraction == pytest.approx(0.10)
        assert pair.difference_gy == pytest.approx(0.1 * pair.predicted.mean_dose_gy)
    lesions = lesion_agreement(pairs)
    assert lesions.ratios.bias is not None
    assert lesions.ratios.lower is not None
    assert lesions.ratios.bias.value == pytest.approx(1.1)
    assert lesions.ratios.lower.value == pytest.approx(1.1)
    assert lesions.absolute.bias is not None
    assert lesions.absolute.bias.value == pytest.approx(0.1 * np.mean(list(MEANS_GY.values())))


def test_the_ratio_of_tumour_to_normal_does_not_know_the_activity() -> None:
    for pair in matched_segments(case(), case(0.7, recovered=0.7), ratio=1.0):
        if pair.role is not Role.TUMOUR:
            assert pair.predicted_tn is None
            continue
        assert pair.predicted_tn is not None
        assert pair.delivered_tn is not None
        assert pair.predicted_tn.tn_ratio == pytest.approx(pair.predicted.mean_dose_gy / 40.0)
        assert pair.delivered_tn.tn_ratio == pytest.approx(pair.predicted_tn.tn_ratio)
        assert pair.predicted_tn.normal == "normal_liver"


def test_the_predicted_dose_is_rescaled_beside_itself() -> None:
    # The same distribution at 1.25 times the activity: 25 % more than predicted, and nothing more than rescaled.
    pairs = matched_segments(case(), case(1.25, recovered=1.0), ratio=1.25)
    for pair in pairs:
        assert pair.difference_fraction == pytest.approx(0.25)
        assert pair.rescaled_difference_fraction == pytest.approx(0.0, abs=1e-12)
    lesions = lesion_agreement(pairs)
    assert lesions.ratios.bias is not None
    assert lesions.rescaled_ratios.bias is not None
    assert lesions.ratios.bias.value == pytest.approx(1.25)
    assert lesions.rescaled_ratios.bias.value == pytest.approx(1.0)
    codes = [notice.code for notice in pair_notices(case(), case(1.25, recovered=1.0), pairs, ratio=1.25)]
    assert codes == ["activities_differ"]


def test_uncertainties_add_in_quadrature() -> None:
    one = replace(case(), doses=(row("T1", Role.TUMOUR, 200.0, mean_dose_uncertainty_gy=30.0),))
    other = replace(case(), doses=(row("T1", Role.TUMOUR, 300.0, mean_dose_uncertainty_gy=40.0),))
    (pair,) = matched_segments(one, other, ratio=1.0)
    assert (pair.difference_uncertainty_gy, pair.z) == (50.0, 2.0)
    (unknown,) = matched_segments(one, replace(other, doses=(row("T1", Role.TUMOUR, 300.0),)), ratio=1.0)
    assert (unknown.difference_uncertainty_gy, unknown.z) == (None, None)


def test_without_limits_only_the_recovered_activity_is_flagged() -> None:
    pairs = matched_segments(case(), case(3.0, recovered=0.7), ratio=1.0)
    assert beyond_limits(pairs, Limits(), recovered_fraction=1.0, gamma=None) == ()
    (flag,) = beyond_limits(pairs, Limits(), recovered_fraction=0.7, gamma=None)
    assert flag.code == "recovery_beyond_limit"
    assert "70.0%" in flag.message
    assert "built-in limits of 80% to 120%" in flag.message
    assert beyond_limits(pairs, Limits(), recovered_fraction=None, gamma=None) == ()


def test_each_limit_flags_what_lies_beyond_it_and_no_more() -> None:
    delivered = case(recovered=1.0)
    changed = tuple(
        replace(one, mean_dose_gy=one.mean_dose_gy * 1.3, d70_gy=one.d70_gy * 0.6) if one.segment == "T2" else one
        for one in delivered.doses
    )
    pairs = matched_segments(case(), replace(delivered, doses=changed), ratio=1.0)
    limits = Limits(mean_dose_fraction=0.2, d70_fraction=0.3, tumour_to_normal_fraction=0.25)
    flags = beyond_limits(pairs, limits, recovered_fraction=1.0, gamma=None)
    assert [flag.code for flag in flags] == ["mean_dose_beyond_limit", "d70_beyond_limit", "tn_beyond_limit"]
    assert all(flag.message.startswith("T2: ") for flag in flags)
    assert "+30.0%, beyond the stated limit of 20.0%" in flags[0].message
    assert "-40.0%" in flags[1].message
    assert beyond_limits(pairs, Limits(mean_dose_fraction=0.31), recovered_fraction=1.0, gamma=None) == ()


def test_the_users_own_limits_of_recovery_and_gamma() -> None:
    pairs = matched_segments(case(), case(recovered=0.93), ratio=1.0)
    limits = Limits(recovered_fraction=(0.95, 1.05), gamma=GammaCriterion(0.1, 4.0), gamma_passing_fraction=0.9)
    failed = GammaResult(GammaCriterion(0.1, 4.0), 20.0, 1000, 0.85)
    flags = beyond_limits(pairs, limits, recovered_fraction=0.93, gamma=failed)
    assert [flag.code for flag in flags] == ["recovery_beyond_limit", "gamma_beyond_limit"]
    assert "the stated limits of 95% to 105%" in flags[0].message
    assert "85.0% of the voxels pass" in flags[1].message
    assert beyond_limits(pairs, limits, recovered_fraction=1.0, gamma=replace(failed, passing_fraction=0.9)) == ()


def test_what_is_not_the_same_is_told() -> None:
    delivered = case()
    doses = tuple(replace(one, volume_ml=60.0) if one.segment == "T1" else one for one in delivered.doses[:-1])
    doses = (*doses, row("T3", Role.OTHER, 90.0), row("extra", Role.TUMOUR, 10.0))
    delivered = replace(delivered, doses=doses, options=DoseOptions(50.0, 1.03, 1.0))
    pairs = matched_segments(case(), delivered, ratio=1.0)
    assert [pair.segment for pair in pairs] == ["liver", "normal_liver", "T1", "T2"]
    left = [(one.segment, one.role, one.only_in) for one in unmatched_segments(case(), delivered)]
    assert left == [
        ("T3", Role.TUMOUR, "predicted"),
        ("T3", Role.OTHER, "delivered"),
        ("extra", Role.TUMOUR, "delivered"),
    ]
    notices = {notice.code: notice.message for notice in pair_notices(case(), delivered, pairs, ratio=1.0)}
    assert set(notices) == {"constants_differ", "delivered_is_relative", "volumes_differ", "segments_unmatched"}
    assert "T1: 50.0 mL predicted and 60.0 mL delivered (+20.0%)" in notices["volumes_differ"]
    assert "49.67 J/GBq in the predicted case and 50 J/GBq" in notices["constants_differ"]


def test_a_tumour_without_dose_has_no_ratio_and_is_named() -> None:
    nothing = replace(
        case(), doses=tuple(replace(one, mean_dose_gy=0.0) if one.segment == "T2" else one for one in case().doses)
    )
    lesions = lesion_agreement(matched_segments(case(), nothing, ratio=1.0))
    assert (lesions.absolute.n, lesions.ratios.n, lesions.left_out) == (3, 2, ("T2",))
    assert lesions.ratios.lower is None


def test_ratios_to_different_normal_tissue_are_not_compared() -> None:
    delivered = replace(case(), doses=(*case().doses, row("perfused_normal", Role.PERFUSED_NORMAL, 80.0)))
    pairs = matched_segments(case(), delivered, ratio=1.0)
    assert beyond_limits(pairs, Limits(tumour_to_normal_fraction=0.1), recovered_fraction=None, gamma=None) == ()


def test_nothing_in_common_is_an_error() -> None:
    alone = replace(case(), doses=(row("other", Role.TUMOUR, 3.0),))
    pairs = matched_segments(case(), alone, ratio=1.0)
    with pytest.raises(DomainError, match="no segment of the same name and role in common"):
        pair_notices(case(), alone, pairs, ratio=1.0)
    with pytest.raises(DomainError, match="ratio must be above 0"):
        matched_segments(case(), case(), ratio=0.0)
