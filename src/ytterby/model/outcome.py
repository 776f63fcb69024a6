"""Outcome: measurements of lesions, response categories, laboratory values, dates of follow-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ytterby.errors import InconsistentStudy

__all__ = ["FollowUp", "LabValue", "LesionMeasurement", "Response", "ResponseAssessment"]


class Response(StrEnum):
    """Category of response; NE is not evaluable."""

    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    NE = "NE"

    @property
    def is_responder(self) -> bool:
        """True for CR and PR."""
        return self in (Response.CR, Response.PR)


@dataclass(frozen=True)
class LesionMeasurement:
    """Longest diameter and portal-venous attenuation of a lesion at one visit; ``hu`` is None where it was not measured."""

    diameter_mm: float
    hu: float | None = None


@dataclass(frozen=True)
class ResponseAssessment:
    """A category, the criterion that gave it, and the numbers that made it, in words."""

    response: Response
    criterion: str
    explanation: str
    size_change_fraction: float | None = None
    density_change_fraction: float | None = None


@dataclass(frozen=True)
class LabValue:
    """One laboratory value on one day with the unit and the limits that the laboratory printed."""

    day: date
    test: str
    value: float
    unit: str
    lower_limit: float | None = None
    upper_limit: float | None = None


@dataclass(frozen=True)
class FollowUp:
    """Dates of a patient's course; None where the event was not seen.

    Raises
    ------
    InconsistentStudy
        An event precedes the treatment, or follows the last contact or the death.
    """

    treated_on: date
    last_contact_on: date
    hepatic_progression_on: date | None = None
    global_progression_on: date | None = None
    died_on: date | None = None

    def __post_init__(self) -> None:
        end = max(self.died_on or self.last_contact_on, self.last_contact_on)
        for name in ("hepatic_progression_on", "global_progression_on", "died_on", "last_contact_on"):
            day = getattr(self, name)
            if day is not None and not self.treated_on <= day <= end:
                raise InconsistentStudy(
                    f"{name} {day} lies outside treatment {self.treated_on} to last contact {self.last_contact_on}",
                    remedy=f"correct {name}, treated_on or last_contact_on",
                )
        for name in ("hepatic_progression_on", "global_progression_on"):
            day = getattr(self, name)
            if day is not None and self.died_on is not None and day > self.died_on:
                raise InconsistentStudy(
                    f"{name} {day} follows the death on {self.died_on}", remedy=f"correct {name} or died_on"
                )
