"""The key ``plan`` of a case file: what is taken, and what is refused with the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ytterby.errors import ConfigurationError
from ytterby.files.fields import FileModel, validated
from ytterby.files.planrequest import PlanRequest
from ytterby.planning.targets import STATED, Aim, PlanQuantity

Q = PlanQuantity


class Case(FileModel):
    """A case of nothing but a plan."""

    time_zone: str | None = None
    plan: PlanRequest


def read(plan: dict[str, Any], **others: Any) -> PlanRequest:
    return validated(Case, {"plan": plan, **others}, Path("case.yaml")).plan


def test_the_plan_of_the_contract() -> None:
    text = """
    targets: {tumour_gy: 205}
    limits: {perfused_normal_gy: 120, lung_gy: 30}
    vials_gbq: [3, 5, 7, 10, 15, 20]
    calibrated_at: "2024-03-03T12:00:00-05:00"
    """
    plan = read(yaml.safe_load(text))
    assert plan.target_aims() == (Aim(Q.TUMOUR, 205, STATED),)
    assert plan.limit_aims() == (Aim(Q.PERFUSED_NORMAL, 120, STATED), Aim(Q.LUNG, 30, STATED))
    assert plan.vials_gbq == (3, 5, 7, 10, 15, 20)
    assert plan.calibrated_at is not None
    assert plan.calibrated_at.utcoffset() is not None
    assert plan.tolerance_fraction is None
    assert plan.conditions is None


def test_everything_that_can_be_stated() -> None:
    plan = read(
        {
            "targets": {"tumour_gy": 205, "lesions": {"T1": 250}, "perfused_gy": 120, "perfused_normal_gy": 88},
            "limits": {
                "perfused_normal_gy": 120,
                "normal_liver_gy": 75,
                "perfused_gy": 150,
                "lung_gy": 30,
                "lung_cumulative_gy": 50,
                "lung_activity_gbq": "610 MBq",
                "activity_gbq": 10,
            },
            "preset": "glass-lungs",
            "conditions": [],
            "session": "2",
            "prior_lung_gy": 12,
            "height_m": 1.75,
            "weight_kg": 70,
            "tolerance_fraction": 0.1,
            "calibrated_at": "2024-03-03T12:00",
            "treat_at": "09:30",
            "days": [2, 3],
            "shelf_life_hours": 200,
        },
        time_zone="Europe/Berlin",
    )
    assert [aim.quantity for aim in plan.target_aims()] == [Q.TUMOUR, Q.LESION, Q.PERFUSED, Q.PERFUSED_NORMAL]
    assert plan.target_aims()[1].region == "T1"
    assert [aim.value for aim in plan.limit_aims()] == [120, 75, 150, 30, 50, 0.61, 10]
    assert plan.preset == ("glass-lungs",)
    assert plan.conditions == ()
    body = plan.body()
    assert body is not None
    assert body.height_m == 1.75


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({}, "neither a target nor a limit"),
        ({"targets": {}}, "neither a target nor a limit"),
        ({"targets": {"tumor_gy": 205}}, "write 'tumour_gy'"),
        ({"targets": {"tumour_gy": 0}}, "outside its range"),
        ({"targets": {"lesions": {"T1": -1}}}, "outside its range"),
        ({"limits": {"lung_gy": "30"}}, "no number"),
        ({"preset": ["a", "a"]}, "named twice"),
        ({"limits": {"lung_gy": 30}, "conditions": ["x"]}, "conditions belong to a preset"),
        ({"limits": {"lung_gy": 30}, "height_m": 1.75}, "belong together"),
        ({"limits": {"lung_gy": 30}, "height_m": 175.0, "weight_kg": 70}, "outside its range"),
        ({"limits": {"lung_gy": 30}, "tolerance_fraction": 10}, "not percent"),
        ({"limits": {"lung_gy": 30}, "vials_gbq": []}, "empty list"),
        ({"limits": {"lung_gy": 30}, "vials_gbq": [5, 3]}, "do not rise"),
        ({"limits": {"lung_gy": 30}, "calibrated_at": "2024-03-03T12:00"}, "no time zone"),
        ({"limits": {"lung_gy": 30}, "treat_at": "09:30"}, "needs the moment of calibration"),
        (
            {"limits": {"lung_gy": 30}, "calibrated_at": "2024-03-03T12:00Z", "treat_at": "9.30"},
            "no time of day",
        ),
        ({"limits": {"lung_gy": 30}, "days": [-1]}, "outside its range"),
        ({"limits": {"lung_gy": 30}, "guidelines": "nowhere.yaml"}, "no file or folder"),
    ],
)
def test_what_is_refused(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(plan)
