"""Sessions, follow-up and cohorts refuse what cannot be."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ytterby.errors import CalibrationError, DomainError, InconsistentStudy
from ytterby.model.outcome import FollowUp
from ytterby.model.patient import Cohort, Patient
from ytterby.model.treatment import Device, Session

NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)


def session(**changes: object) -> Session:
    fields: dict[str, object] = {
        "session_id": "1",
        "device": Device.GLASS,
        "administered_activity_gbq": 3.9,
        "administered_at": NOON,
        "residual_fraction": 0.01,
        "lung_shunt_fraction": 0.029,
    }
    return Session(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_activity_is_split_without_loss() -> None:
    one = session()
    assert one.net_activity_gbq == pytest.approx(3.9 * 0.99)
    assert one.liver_activity_gbq + one.lung_activity_gbq == pytest.approx(one.net_activity_gbq)


def test_percent_in_place_of_a_fraction_is_told() -> None:
    with pytest.raises(DomainError, match=r"lung_shunt_fraction of session '1' must lie in \[0, 1\), got 2.9"):
        session(lung_shunt_fraction=2.9)


@pytest.mark.parametrize("activity", [0.0, -1.0, float("nan")])
def test_an_impossible_activity_is_refused(activity: float) -> None:
    with pytest.raises(DomainError, match="administered_activity_gbq"):
        session(administered_activity_gbq=activity)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(CalibrationError, match="no time zone"):
        session(administered_at=datetime(2024, 3, 8, 12))


def test_an_event_before_treatment_is_refused() -> None:
    with pytest.raises(InconsistentStudy, match="died_on"):
        FollowUp(date(2020, 1, 1), date(2021, 1, 1), died_on=date(2019, 1, 1))


def test_two_patients_of_one_name_are_refused() -> None:
    with pytest.raises(InconsistentStudy, match="'P1' stands twice"):
        Cohort("study", (Patient("P1"), Patient("P1")))
