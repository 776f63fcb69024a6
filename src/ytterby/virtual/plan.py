"""Plan of a virtual cohort: who is screened, excluded and enrolled, and what each patient is like, before any image exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from ytterby.errors import DomainError
from ytterby.virtual import targets
from ytterby.virtual.apportion import apportion, deal, dealt

__all__ = ["MAXIMUM_PATIENTS", "CohortPlan", "Imaging", "PatientPlan", "ScreenedPatient", "cohort_plan"]

MAXIMUM_PATIENTS = 10_000
_MAXIMUM_LESIONS = 10
_RIGHT = ("right", "right_plus_4")


class Imaging(StrEnum):
    """What a patient's imaging allows: the response analysis, or what keeps the patient out of it."""

    EVALUABLE = "evaluable"
    ONLY_SMALL_LESIONS = "only_small_lesions"
    NO_FOLLOW_UP_IMAGING = "no_follow_up_imaging"


@dataclass(frozen=True)
class ScreenedPatient:
    """A screened patient who was not enrolled: the columns of patients.csv, and why."""

    patient_id: str
    attributes: Mapping[str, str | int]
    exclusion_reason: str


@dataclass(frozen=True)
class PatientPlan:
    """What is decided of an enrolled patient before the patient is built.

    ``large_lesions`` are those of at least 20 mm. ``calibration_days`` has one entry for each session. ``attributes`` are further
    columns of patients.csv.
    """

    index: int
    patient_id: str
    grade: int
    origin: str
    extent: str
    calibration_days: tuple[int, ...]
    imaging: Imaging
    large_lesions: int
    small_lesions: int
    treated_on: date
    complete_laboratory: bool
    attributes: Mapping[str, str | int]

    @property
    def n_sessions(self) -> int:
        """Number of treatment sessions."""
        return len(self.calibration_days)

    @property
    def is_evaluable(self) -> bool:
        """True when the patient belongs to the response analysis: a lesion of at least 20 mm, and follow-up imaging."""
        return self.imaging is Imaging.EVALUABLE


@dataclass(frozen=True)
class CohortPlan:
    """Plan of a whole cohort, enrolled and excluded."""

    seed: int
    enrolled: tuple[PatientPlan, ...]
    excluded: tuple[ScreenedPatient, ...]

    @property
    def screened(self) -> int:
        """Number of screened patients."""
        return len(self.enrolled) + len(self.excluded)

    @property
    def evaluable_lesions(self) -> int:
        """Lesions of at least 20 mm with follow-up imaging, over all patients."""
        return sum(patient.large_lesions for patient in self.enrolled if patient.is_evaluable)


def cohort_plan(patients: int, *, seed: int) -> CohortPlan:
    """Plan of a cohort with ``patients`` enrolled patients, in the proportions of ``targets``.

    Raises
    ------
    DomainError
        ``patients`` lies outside 1 to 10000, or ``seed`` is negative.
    """
    if not 1 <= patients <= MAXIMUM_PATIENTS:
        raise DomainError(
            f"patients must lie in 1 to {MAXIMUM_PATIENTS}, got {patients}", remedy="choose another number"
        )
    if seed < 0:
        raise DomainError(f"seed must not be below 0, got {seed}", remedy="choose a whole number from 0 on")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    n_excluded = round(patients * sum(targets.EXCLUDED.values()) / targets.ENROLLED)
    digits = max(3, len(str(patients + n_excluded)))
    people = _people(patients, rng)
    imaging = dealt(
        patients,
        {
            Imaging.EVALUABLE: targets.EVALUABLE,
            Imaging.ONLY_SMALL_LESIONS: targets.ONLY_SMALL_LESIONS,
            Imaging.NO_FOLLOW_UP_IMAGING: targets.NO_FOLLOW_UP_IMAGING,
        },
        rng,
    )
    lesions = _large_lesions(imaging, rng)
    extents = dealt(patients, targets.EXTENT, rng)
    n_sessions = sum(sessions for _, sessions in extents)
    days = iter(dealt(n_sessions, targets.CALIBRATION_DAYS, rng))
    laboratory = dealt(patients, {True: targets.LABORATORY_COMPLETE, False: 1.0 - targets.LABORATORY_COMPLETE}, rng)
    enrolled = []
    for n, (person, (extent, sessions)) in enumerate(zip(people, extents, strict=True)):
        only_small = imaging[n] is Imaging.ONLY_SMALL_LESIONS
        enrolled.append(
            PatientPlan(
                index=n,
                patient_id=f"V{n + 1:0{digits}d}",
                grade=int(person["grade"]),
                origin=str(person["origin"]),
                extent=extent,
                calibration_days=tuple(next(days) for _ in range(sessions)),
                imaging=imaging[n],
                large_lesions=lesions[n],
                small_lesions=int(rng.integers(2, 7)) if only_small else min(4, int(rng.poisson(0.8))),
                treated_on=_weekday(rng),
                complete_laboratory=laboratory[n],
                attributes=MappingProxyType(person),
            )
        )
    return CohortPlan(seed, tuple(enrolled), _excluded(n_excluded, patients, digits, rng))


def _people(patients: int, rng: np.random.Generator) -> list[dict[str, str | int]]:
    """Columns of patients.csv of the enrolled, with the counts of Table 1."""
    ages = _ages(patients, rng)
    sex = dealt(patients, targets.SEX, rng)
    origin = dealt(patients, targets.ORIGIN, rng)
    grade = dealt(patients, targets.GRADE, rng)
    yes = {name: dealt(patients, {1: count, 0: targets.ENROLLED - count}, rng) for name, count in targets.YES.items()}
    women = [letter == "F" for letter in sex]
    room = dealt(patients, targets.SITE_NUMBER, rng)
    sites = deal(room, apportion(sum(room), targets.SITES), rng, allowed={"site_ovary": women})
    room = dealt(patients, targets.PRIOR_THERAPY_NUMBER, rng)
    prior = deal(room, apportion(sum(room), targets.PRIOR_THERAPIES), rng)
    room = dealt(patients, targets.LATER_THERAPY_NUMBER, rng)
    later = deal(room, apportion(sum(room), targets.LATER_THERAPIES), rng)
    people: list[dict[str, str | int]] = []
    for n in range(patients):
        person: dict[str, str | int] = {
            "sex": sex[n],
            "age_years": ages[n],
            "origin": origin[n],
            "grade": grade[n],
            **{name: values[n] for name, values in yes.items()},
            "extrahepatic_disease": int(bool(sites[n])),
            **{site: int(site in sites[n]) for site in targets.SITES},
            "prior_therapies": len(prior[n]),
            **{therapy: int(therapy in prior[n]) for therapy in targets.PRIOR_THERAPIES},
            "later_therapies": len(later[n]),
            **{therapy: int(therapy in later[n]) for therapy in targets.LATER_THERAPIES},
        }
        people.append(person)
    return people


def _ages(patients: int, rng: np.random.Generator) -> list[int]:
    """Ages from the least to the greatest, crowded round the median."""
    least, median, greatest = targets.AGE_YEARS
    place = np.linspace(-1.0, 1.0, patients) if patients > 1 else np.zeros(1)
    bent = np.sign(place) * np.abs(place) ** 1.5
    years = np.where(bent < 0, median + bent * (median - least), median + bent * (greatest - median))
    return [round(float(value)) for value in rng.permutation(years)]


def _large_lesions(imaging: list[Imaging], rng: np.random.Generator) -> list[int]:
    """Lesions of at least 20 mm for each patient; those of the evaluable add up to the target, 1 to 10 each."""
    counts = np.zeros(len(imaging), dtype=int)
    evaluable = [n for n, kind in enumerate(imaging) if kind is Imaging.EVALUABLE]
    weight = rng.gamma(1.2, size=len(imaging))
    counts[evaluable] = 1
    for _ in range(round(targets.LESIONS_PER_EVALUABLE * len(evaluable)) - len(evaluable)):
        open_ones = [n for n in evaluable if counts[n] < _MAXIMUM_LESIONS]
        share = weight[open_ones] / weight[open_ones].sum()
        counts[open_ones[int(rng.choice(len(open_ones), p=share))]] += 1
    for n, kind in enumerate(imaging):
        if kind is Imaging.NO_FOLLOW_UP_IMAGING:
            counts[n] = int(rng.integers(1, 7))
    return [int(count) for count in counts]


def _weekday(rng: np.random.Generator) -> date:
    """A day of first treatment between the first and the last, Monday to Friday."""
    span = (targets.LAST_TREATMENT - targets.FIRST_TREATMENT).days
    day = targets.FIRST_TREATMENT + timedelta(days=int(rng.integers(0, span)))
    return day - timedelta(days=max(0, day.weekday() - 4))


def _excluded(total: int, first: int, digits: int, rng: np.random.Generator) -> tuple[ScreenedPatient, ...]:
    """The screened who were not enrolled, with as little known of them as a screening log holds."""
    reasons = dealt(total, targets.EXCLUDED, rng)
    sex = dealt(total, targets.SEX, rng)
    ages = _ages(total, rng) if total else []
    return tuple(
        ScreenedPatient(
            f"V{first + n + 1:0{digits}d}", MappingProxyType({"sex": sex[n], "age_years": ages[n]}), reasons[n]
        )
        for n in range(total)
    )
