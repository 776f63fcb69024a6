"""From targets and limits to an activity: which one decides, and what is said where they conflict."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.lung import activity_for_lung_dose_gbq
from ytterby.errors import ConfigurationError, DomainError
from ytterby.model.treatment import Device
from ytterby.planning.models import BodySize, PlanModel, plan_models
from ytterby.planning.plan import PlanStatus, model_plan
from ytterby.planning.targets import Aim, PlanQuantity

Q = PlanQuantity


def plans(session, targets, limits):
    return {one.model: model_plan(one, targets, limits=limits) for one in plan_models(session)}


def answer(session, targets, limits):
    return plans(session, targets, limits)[PlanModel.MULTICOMPARTMENT]


def test_a_target_under_all_limits_decides(session):
    # 272.12 Gy for 3 GBq: 205 Gy need 2.26004 GBq; the perfused normal liver then has 51.25 Gy.
    found = answer(session, [Aim(Q.TUMOUR, 205)], [Aim(Q.PERFUSED_NORMAL, 120), Aim(Q.LUNG, 30)])
    assert found.status is PlanStatus.TARGETS_REACHED
    assert round(found.activity_gbq, 4) == 2.2600
    assert found.binding == Aim(Q.TUMOUR, 205)
    [target], [normal, lung] = found.targets, found.limits
    assert target.reached.value == pytest.approx(205)
    assert target.is_met
    assert target.margin_fraction == pytest.approx(0, abs=1e-12)
    assert normal.reached.value == pytest.approx(51.25)
    assert normal.margin_fraction == pytest.approx((120 - 51.25) / 120)
    assert lung.activity_gbq == pytest.approx(
        activity_for_lung_dose_gbq(30, 0.05, lung_mass_kg=1.0, energy_j_per_gbq=49.67, residual_fraction=0.01)
    )


@pytest.mark.parametrize(
    ("limit", "expected_gbq"),
    [
        # Worked by hand from 68.03 Gy, 51.02 Gy and 7.3759 Gy for 3 GBq.
        (Aim(Q.PERFUSED_NORMAL, 40), 1.7639),
        (Aim(Q.NORMAL_LIVER, 30), 1.7639),
        (Aim(Q.LUNG, 4), 1.6269),
        (Aim(Q.LUNG_CUMULATIVE, 5), 2.0336),
        (Aim(Q.LUNG_ACTIVITY, 0.05), 1.0101),
        (Aim(Q.ACTIVITY, 1.5), 1.5),
        (Aim(Q.PERFUSED, 50), 1.3229),
    ],
)
def test_each_limit_can_bind_and_the_conflict_is_said(session, limit, expected_gbq):
    found = answer(session, [Aim(Q.TUMOUR, 205)], [limit, Aim(Q.LUNG, 29)])
    assert found.status is PlanStatus.CONFLICT
    assert found.binding == limit
    assert round(found.activity_gbq, 4) == expected_gbq
    assert found.limit_activity_gbq == found.activity_gbq
    assert round(found.target_activity_gbq, 4) == 2.2600
    # Both activities, the limit, and what the target then gets stand in the words.
    for text in ("Conflict", f"{expected_gbq:.4g} GBq", "2.26 GBq", "205 Gy", str(limit.amount)):
        assert text in found.explanation
    assert not found.targets[0].is_met
    assert found.targets[0].margin_fraction < 0
    assert found.limits[0].is_met


def test_a_target_exactly_at_the_limit_is_no_conflict(session):
    tumour = Aim(Q.TUMOUR, 205)
    needed = answer(session, [tumour], []).activity_gbq
    found = answer(session, [tumour], [Aim(Q.ACTIVITY, needed)])
    assert found.status is PlanStatus.TARGETS_REACHED
    assert found.limits[0].is_met


def test_the_most_demanding_target_decides(session):
    found = answer(session, [Aim(Q.TUMOUR, 100), Aim(Q.LESION, 205, region="T1"), Aim(Q.PERFUSED, 90)], [])
    assert found.binding.quantity is Q.PERFUSED
    assert all(result.is_met for result in found.targets)
    assert found.activity_gbq == max(result.activity_gbq for result in found.targets)


def test_no_target_gives_what_the_limits_allow(session):
    found = answer(session, [], [Aim(Q.NORMAL_LIVER, 30), Aim(Q.ACTIVITY, 10)])
    assert found.status is PlanStatus.LIMITS_ONLY
    assert round(found.activity_gbq, 4) == 1.7639
    assert "No target is stated" in found.explanation


def test_a_shunt_of_0_makes_no_lung_limit_bind(planned):
    session = planned(lung_shunt_fraction=0.0)
    found = answer(session, [Aim(Q.TUMOUR, 205)], [Aim(Q.LUNG, 30), Aim(Q.LUNG_ACTIVITY, 0.61)])
    assert found.status is PlanStatus.TARGETS_REACHED
    assert [result.activity_gbq for result in found.limits] == [None, None]
    assert all(result.is_met for result in found.limits)
    alone = answer(session, [], [Aim(Q.LUNG, 30)])
    assert alone.status is PlanStatus.NO_ANSWER
    assert alone.activity_gbq is None


def test_a_limit_that_is_used_up_allows_nothing(planned):
    session = planned(given_lung_gy=55.0)
    found = answer(session, [Aim(Q.TUMOUR, 205)], [Aim(Q.LUNG_CUMULATIVE, 50)])
    assert found.status is PlanStatus.NOTHING_ALLOWED
    assert found.activity_gbq == 0.0
    assert "55 Gy already" in found.explanation
    assert not found.limits[0].is_met


def test_what_was_given_is_taken_off_targets_and_limits(session, planned):
    given_session = planned(
        tumours=(replace(session.tumours[0], given_gy=100.0),),
        normal_liver=replace(session.normal_liver, given_gy=20.0),
    )
    found = answer(given_session, [Aim(Q.TUMOUR, 205)], [Aim(Q.NORMAL_LIVER, 50)])
    per_gbq = session.tumours[0].dose_gy_per_gbq
    assert found.targets[0].activity_gbq == pytest.approx(105 / per_gbq)
    assert found.limits[0].activity_gbq == pytest.approx(30 / session.normal_liver.dose_gy_per_gbq)
    reached = answer(given_session, [Aim(Q.TUMOUR, 90)], [])
    assert reached.activity_gbq == 0.0
    assert "already" in reached.targets[0].note


def test_a_region_that_gets_nothing_cannot_reach_its_target(planned, region):
    session = planned(tumours=(region("T1", planned().tumours[0].role, 200, share=0.0),))
    found = answer(session, [Aim(Q.TUMOUR, 205)], [Aim(Q.LUNG, 30)])
    assert found.status is PlanStatus.UNREACHABLE
    assert found.activity_gbq is None
    assert "no activity reaches it" in found.explanation


def test_models_say_what_they_did_not_look_at(session):
    found = plans(session, [Aim(Q.TUMOUR, 205), Aim(Q.PERFUSED, 90)], [Aim(Q.NORMAL_LIVER, 75), Aim(Q.LUNG, 30)])
    single = found[PlanModel.SINGLE_COMPARTMENT]
    assert single.status is PlanStatus.TARGETS_REACHED
    assert "does not know it: tumours, whole normal liver" in single.explanation
    assert single.limits[0].is_met is None
    only_tumour = plans(session, [Aim(Q.TUMOUR, 205)], [Aim(Q.LUNG, 30)])[PlanModel.SINGLE_COMPARTMENT]
    assert only_tumour.status is PlanStatus.NO_ANSWER


def test_no_tumour(planned):
    found = plans(planned(tumours=()), [Aim(Q.TUMOUR, 205)], [Aim(Q.NORMAL_LIVER, 75)])
    assert {one.status for one in found.values()} == {PlanStatus.NO_ANSWER}


def test_bsa_is_held_back_by_limits(planned):
    session = planned(device=Device.RESIN, body=BodySize(1.75, 70))
    free = plans(session, [Aim(Q.TUMOUR, 120)], [Aim(Q.LUNG, 30)])[PlanModel.BSA]
    assert round(free.activity_gbq, 5) == 1.20986  # (1.84812 - 0.2 + 200 / 1200) x 1200 / 1800
    assert free.status is PlanStatus.TARGETS_REACHED
    held = plans(session, [Aim(Q.TUMOUR, 120)], [Aim(Q.LUNG, 2)])[PlanModel.BSA]
    assert held.status is PlanStatus.CONFLICT
    assert held.activity_gbq < held.target_activity_gbq


@given(
    st.floats(10, 500),
    st.floats(10, 200),
    st.floats(5, 150),
    st.floats(1, 60),
    st.floats(0.1, 20),
    st.floats(0.01, 0.2),
)
def test_an_answer_keeps_every_limit_and_reaches_targets_unless_it_says_conflict(
    planned, tumour_gy, normal_gy, whole_gy, lung_gy, cap_gbq, shunt
):
    limits = [
        Aim(Q.PERFUSED_NORMAL, normal_gy),
        Aim(Q.NORMAL_LIVER, whole_gy),
        Aim(Q.LUNG, lung_gy),
        Aim(Q.ACTIVITY, cap_gbq),
    ]
    found = answer(planned(lung_shunt_fraction=shunt), [Aim(Q.TUMOUR, tumour_gy)], limits)
    assert all(result.is_met for result in found.limits)
    assert found.targets[0].is_met is (found.status is PlanStatus.TARGETS_REACHED)
    assert found.activity_gbq == pytest.approx(min(found.target_activity_gbq, found.limit_activity_gbq))
    # Nothing can be won: more passes the limit that binds, less misses the target.
    if found.status is PlanStatus.CONFLICT:
        assert found.at(found.binding.quantity, found.activity_gbq).value == pytest.approx(found.binding.value)


def test_a_plan_without_an_aim_is_refused(session):
    with pytest.raises(ConfigurationError, match="at least one target or limit"):
        model_plan(plan_models(session)[0], [], limits=[])


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_aims_out_of_range_are_refused(bad):
    with pytest.raises(DomainError):
        Aim(Q.TUMOUR, bad)
