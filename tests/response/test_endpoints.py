"""Progression-free and overall survival from dates."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import ConfigurationError, InconsistentStudy
from ytterby.model.outcome import FollowUp
from ytterby.response.endpoints import TimeToEvent, endpoints, months_between

TREATED = date(2015, 1, 10)


def day(number):
    return None if number is None else TREATED + timedelta(days=number)


def course(last, *, hepatic=None, anywhere=None, died=None):
    return FollowUp(
        treated_on=TREATED,
        last_contact_on=day(last),
        hepatic_progression_on=day(hepatic),
        global_progression_on=day(anywhere),
        died_on=day(died),
    )


def months(days):
    return days / 30.4375


def test_a_month_is_30_4375_days():
    assert months_between(TREATED, day(487)) == 16.0
    assert months_between(TREATED, TREATED) == 0.0


def test_events_with_their_dates():
    found = endpoints(course(900, hepatic=300, anywhere=200, died=900), deaths="censor_progression")
    assert found.hepatic_pfs == TimeToEvent(months(300), True)
    assert found.global_pfs == TimeToEvent(months(200), True)
    assert found.os == TimeToEvent(months(900), True)


@pytest.mark.parametrize(("hepatic", "anywhere", "first"), [(300, None, 300), (300, 500, 300), (None, 500, 500)])
def test_global_progression_is_the_earlier_of_both(hepatic, anywhere, first):
    found = endpoints(course(900, hepatic=hepatic, anywhere=anywhere), deaths="event")
    assert found.global_pfs == TimeToEvent(months(first), True)


def test_without_an_event_the_last_contact_censors():
    for deaths in ("censor_progression", "event"):
        found = endpoints(course(900), deaths=deaths)
        assert found.hepatic_pfs == found.global_pfs == found.os == TimeToEvent(months(900), False)


def test_a_death_without_progression_censors_or_counts():
    follow_up = course(700, died=700)
    censored = endpoints(follow_up, deaths="censor_progression")
    assert censored.hepatic_pfs == censored.global_pfs == TimeToEvent(months(700), False)
    counted = endpoints(follow_up, deaths="event")
    assert counted.hepatic_pfs == counted.global_pfs == TimeToEvent(months(700), True)
    assert censored.os == counted.os == TimeToEvent(months(700), True)


def test_extrahepatic_progression_does_not_touch_the_liver():
    found = endpoints(course(900, anywhere=100, died=800), deaths="event")
    assert found.global_pfs == TimeToEvent(months(100), True)
    assert found.hepatic_pfs == TimeToEvent(months(800), True)


def test_death_ends_observation_although_a_contact_is_noted_later():
    found = endpoints(course(720, died=700), deaths="censor_progression")
    assert found.hepatic_pfs == TimeToEvent(months(700), False)


def test_progression_after_death_is_inconsistent():
    with pytest.raises(InconsistentStudy, match="follows the death"):
        endpoints(course(720, hepatic=710, died=700), deaths="event")


def test_the_rule_for_deaths_is_one_of_two_words():
    with pytest.raises(ConfigurationError, match="deaths"):
        endpoints(course(900), deaths="ignore")


dates = st.one_of(st.none(), st.integers(0, 1000))


@given(dates, dates, st.booleans())
def test_global_never_later_than_hepatic_nor_either_than_death(hepatic, anywhere, died):
    follow_up = course(1000, hepatic=hepatic, anywhere=anywhere, died=1000 if died else None)
    for deaths in ("censor_progression", "event"):
        found = endpoints(follow_up, deaths=deaths)
        assert found.global_pfs.months <= found.hepatic_pfs.months <= found.os.months
        assert found.os.event is died
        assert found.hepatic_pfs.event is (hepatic is not None or (died and deaths == "event"))
