"""Patient: who was treated, with which lesions and outcome; Cohort: all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ytterby.errors import InconsistentStudy
from ytterby.model.outcome import FollowUp, LabValue, LesionMeasurement
from ytterby.model.treatment import Session

__all__ = ["Cohort", "Lesion", "Patient"]


@dataclass(frozen=True)
class Lesion:
    """A liver lesion that is followed: its measurements before and after treatment.

    ``segment`` names the tumour segment that carries its dose; ``new_lesion`` is True when a lesion that was not there before
    appeared at follow-up (this counts for the patient, never for the other lesions).
    """

    lesion_id: str
    segment: str
    baseline: LesionMeasurement | None = None
    follow_up: LesionMeasurement | None = None
    new_lesion: bool = False


@dataclass(frozen=True)
class Patient:
    """A patient of a study; ``attributes`` holds every further column of patients.csv (age, grade, origin, ...)."""

    patient_id: str
    attributes: Mapping[str, str | float | int | None] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()
    lesions: tuple[Lesion, ...] = ()
    labs: tuple[LabValue, ...] = ()
    follow_up: FollowUp | None = None
    exclusion_reason: str = ""

    @property
    def is_included(self) -> bool:
        """True when no reason for exclusion is recorded."""
        return not self.exclusion_reason


@dataclass(frozen=True)
class Cohort:
    """Patients under unique identifiers, in a stable order.

    Raises
    ------
    InconsistentStudy
        Two patients share an identifier.
    """

    name: str
    patients: tuple[Patient, ...]
    simulated: bool = False

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for patient in self.patients:
            if patient.patient_id in seen:
                raise InconsistentStudy(
                    f"patient_id '{patient.patient_id}' stands twice",
                    where=self.name,
                    remedy="give each patient one row",
                )
            seen.add(patient.patient_id)

    @property
    def included(self) -> tuple[Patient, ...]:
        """Patients without a reason for exclusion."""
        return tuple(patient for patient in self.patients if patient.is_included)
