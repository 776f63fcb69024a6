"""Endpoints: hepatic and global progression-free survival (PFS) and overall survival (OS), from dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ytterby.errors import ConfigurationError
from ytterby.model.outcome import FollowUp
from ytterby.units import DAYS_PER_MONTH

__all__ = ["Endpoints", "TimeToEvent", "endpoints", "months_between"]

_CENSOR = "censor_progression"
_EVENT = "event"


@dataclass(frozen=True)
class TimeToEvent:
    """Months until the event (``event`` True), or until the patient was last known to be without it."""

    months: float
    event: bool


@dataclass(frozen=True)
class Endpoints:
    """The three endpoints of a patient."""

    hepatic_pfs: TimeToEvent
    global_pfs: TimeToEvent
    os: TimeToEvent


def months_between(start: date, end: date) -> float:
    """Months from ``start`` to ``end``: days / 30.4375.

    Examples
    --------
    >>> months_between(date(2020, 1, 1), date(2021, 1, 1)) * 30.4375
    366.0
    """
    return (end - start).days / DAYS_PER_MONTH


def endpoints(follow_up: FollowUp, *, deaths: str) -> Endpoints:
    """Hepatic PFS, global PFS and OS, counted from ``treated_on``.

    Global progression is the earlier of hepatic and global (extrahepatic or any) progression. ``deaths`` says what a death
    without progression does to both PFS: ``censor_progression`` censors it on the day of death (so this "PFS" is a time
    to progression), ``event`` counts it. A patient without an event is censored at the last contact.

    Raises
    ------
    ConfigurationError
        ``deaths`` is neither word.
    """
    if deaths not in (_CENSOR, _EVENT):
        raise ConfigurationError(
            f"deaths is '{deaths}'", where="endpoints.deaths", remedy=f"write '{_CENSOR}' or '{_EVENT}'"
        )
    hepatic = follow_up.hepatic_progression_on
    any_progression = [day for day in (hepatic, follow_up.global_progression_on) if day is not None]
    return Endpoints(
        hepatic_pfs=_progression_free(follow_up, hepatic, deaths),
        global_pfs=_progression_free(follow_up, min(any_progression, default=None), deaths),
        os=_until(follow_up, follow_up.died_on or follow_up.last_contact_on, event=follow_up.died_on is not None),
    )


def _progression_free(follow_up: FollowUp, progressed_on: date | None, deaths: str) -> TimeToEvent:
    if progressed_on is not None:
        return _until(follow_up, progressed_on, event=True)
    if follow_up.died_on is not None:
        return _until(follow_up, follow_up.died_on, event=deaths == _EVENT)
    return _until(follow_up, follow_up.last_contact_on, event=False)


def _until(follow_up: FollowUp, day: date, *, event: bool) -> TimeToEvent:
    return TimeToEvent(months_between(follow_up.treated_on, day), event)
