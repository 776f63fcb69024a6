"""Virtual course: dates of progression, death and last contact, and laboratory values, from the true doses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ytterby.model.outcome import FollowUp, LabValue
from ytterby.units import DAYS_PER_MONTH
from ytterby.virtual import targets
from ytterby.virtual.plan import PatientPlan

__all__ = ["TEST_LIMITS", "Laboratory", "follow_up", "hazard_per_month", "laboratory"]

_VISIT_MONTHS = 3.0
_LEAST_OS_MONTHS = 2.0
_LAB_MONTHS = (0.5, 1.0, 2.0, 3.0, 6.0, 9.0, 11.5, 12.5)
_VISITS_IN_WINDOW = sum(month <= 12.0 for month in _LAB_MONTHS)


@dataclass(frozen=True)
class Laboratory:
    """A test's unit and normal range, and the ends of its CTCAE grades 1, 2 and 3 (multiples of a limit, or values)."""

    unit: str
    lower_limit: float
    upper_limit: float
    ends: tuple[float, float, float]
    digits: int


TEST_LIMITS = {
    "ast": Laboratory("U/L", 10.0, 35.0, (3.0, 5.0, 20.0), 0),
    "alt": Laboratory("U/L", 10.0, 45.0, (3.0, 5.0, 20.0), 0),
    "bilirubin": Laboratory("mg/dL", 0.2, 1.2, (1.5, 3.0, 10.0), 2),
    "albumin": Laboratory("g/dL", 3.5, 5.2, (3.0, 2.0, 1.0), 2),
}
"""CTCAE version 5: enzymes and bilirubin as multiples of the upper limit (baselines here are normal), albumin in g/dL."""


def hazard_per_month(event: str, plan: PatientPlan, *, mad_gy: float) -> float:
    """Hazard of "hepatic" or "extrahepatic" progression or "death": base x hazard ratios of grade, origin and tumour dose."""
    numbers = targets.HAZARDS[event]
    return float(
        numbers["base"]
        * numbers.get(f"grade_{plan.grade}", 1.0)
        * (numbers["pancreas"] if plan.origin == "pancreas" else 1.0)
        * numbers["mad_gy"] ** (mad_gy - 220.0)
    )


def follow_up(plan: PatientPlan, rng: np.random.Generator, *, mad_gy: float, last_session_on: date) -> FollowUp:
    """Dates of a patient's course.

    Waiting times are exponential. Death comes after follow-up imaging where there was one. A progression is dated to the next of
    the visits every 3 months, and is seen only if the patient is followed until then. Who lives when the study closes is censored
    there. Global progression is the first of hepatic and extrahepatic progression.
    """
    start = plan.treated_on
    imaging_months = (last_session_on - start).days / DAYS_PER_MONTH + float(rng.uniform(1.0, 6.0))
    alive_months = (
        _LEAST_OS_MONTHS if plan.large_lesions and not plan.is_evaluable else max(_LEAST_OS_MONTHS, imaging_months)
    )
    months = {
        event: float(rng.exponential(1.0 / hazard_per_month(event, plan, mad_gy=mad_gy))) for event in targets.HAZARDS
    }
    died_on = _later(start, alive_months + months["death"])
    end = min(died_on, targets.CLOSED_ON)
    seen = {
        event: _later(start, _VISIT_MONTHS * float(np.ceil(months[event] / _VISIT_MONTHS)))
        for event in ("hepatic", "extrahepatic")
    }
    hepatic = seen["hepatic"] if seen["hepatic"] <= end else None
    anywhere = min(seen.values())
    return FollowUp(
        treated_on=start,
        last_contact_on=end,
        hepatic_progression_on=hepatic,
        global_progression_on=anywhere if anywhere <= end else None,
        died_on=died_on if died_on <= targets.CLOSED_ON else None,
    )


def laboratory(
    plan: PatientPlan, rng: np.random.Generator, *, normal_liver_gy: float, last_contact_on: date
) -> tuple[tuple[LabValue, ...], dict[str, int]]:
    """Laboratory values of a patient and the true worst CTCAE grade of each test.

    Each test has a chance of grade 1, 2 and 3 that rises with the dose to the normal liver (0.8 logits for 50 Gy) and with an
    effect shared by the patient's tests. Its course goes from a normal baseline to that worst grade at one visit and stays better
    at all others. Laboratory follow-up ends after 12 months, or before: at the last contact, and by 6 months where incomplete.
    """
    shift = 0.8 * (normal_liver_gy - 95.0) / 50.0 + 0.6 * float(rng.standard_normal())
    last_month = _LAB_MONTHS[-1] if plan.complete_laboratory else float(rng.uniform(1.0, 6.0))
    days = [
        day
        for month in _LAB_MONTHS
        if month <= last_month and (day := _later(plan.treated_on, month)) <= last_contact_on
    ]
    before = plan.treated_on - timedelta(days=int(rng.integers(1, 8)))
    values, grades = [], {}
    for test, limits in TEST_LIMITS.items():
        grade = _grade(targets.TOXICITY[test], shift, float(rng.random())) if days else 0
        grades[test] = grade
        # The worst value falls on a visit within 12 months, in which toxicity is looked for.
        worst = int(rng.integers(0, min(len(days), _VISITS_IN_WINDOW))) if days else 0
        course = [_value(limits, 0, rng)]
        course += [
            _value(limits, grade if n == worst else int(rng.integers(0, min(grade, 1) + 1)), rng)
            for n in range(len(days))
        ]
        values += [
            LabValue(day, test, value, limits.unit, limits.lower_limit, limits.upper_limit)
            for day, value in zip([before, *days], course, strict=True)
        ]
    return tuple(sorted(values, key=lambda value: value.day)), grades


def _later(day: date, months: float) -> date:
    return day + timedelta(days=max(1, round(min(months, 1200.0) * DAYS_PER_MONTH)))


def _grade(chances: Sequence[float], shift: float, draw: float) -> int:
    """Grade 0 to 3 by a cumulative logit model: P(grade >= g) = logistic(logit(chance_g) + shift)."""
    reached = [1.0 / (1.0 + (1.0 - chance) / chance * float(np.exp(-shift))) for chance in chances]
    return sum(draw < chance for chance in reached)


def _value(limits: Laboratory, grade: int, rng: np.random.Generator) -> float:
    """A value inside a grade, clear of its ends (grade 3: only its milder part)."""
    share = float(rng.uniform(0.1, 0.9 if grade < 3 else 0.5))
    if limits.unit == "g/dL":
        ends = (limits.upper_limit, limits.lower_limit, *limits.ends)
        return round(ends[grade] + share * (ends[grade + 1] - ends[grade]), limits.digits)
    multiples = (limits.lower_limit / limits.upper_limit, 1.0, *limits.ends)
    low, high = multiples[grade], multiples[grade + 1]
    return round(limits.upper_limit * (low + share * (high - low)), limits.digits)
