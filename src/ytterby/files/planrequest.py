"""The ``plan:`` key of CASE.yaml: what a plan aims at, and the vials and days that come into question."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ytterby.files.fields import (
    ActivityGbq,
    ExistingPath,
    FileModel,
    Fraction,
    Identifier,
    Moment,
    Names,
    NonNegative,
    Positive,
    Text,
    Whole,
    not_empty,
    refused,
)
from ytterby.planning.models import BodySize
from ytterby.planning.targets import Aim, PlanQuantity

__all__ = ["PlanLimits", "PlanRequest", "PlanTargets"]

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise refused(f"'{text[:20]}' is no time of day", "write it like 09:30")
    return text


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)):
        raise refused("the values do not rise, or one stands twice", "write each once, the smallest first")
    return values


class PlanTargets(FileModel):
    """Doses that should be reached (Gy): all treated tumours together, single lesions by name, the perfused volume as one
    compartment, perfused normal liver (where it is meant to shrink).
    """

    tumour_gy: Positive | None = None
    lesions: Annotated[dict[Text, Positive], Field(max_length=100, default_factory=dict)]
    perfused_gy: Positive | None = None
    perfused_normal_gy: Positive | None = None

    def aims(self) -> tuple[Aim, ...]:
        """The targets, in the order of the fields."""
        found = []
        if self.tumour_gy is not None:
            found.append(Aim(PlanQuantity.TUMOUR, self.tumour_gy))
        found += [Aim(PlanQuantity.LESION, dose_gy, region=name) for name, dose_gy in self.lesions.items()]
        if self.perfused_gy is not None:
            found.append(Aim(PlanQuantity.PERFUSED, self.perfused_gy))
        if self.perfused_normal_gy is not None:
            found.append(Aim(PlanQuantity.PERFUSED_NORMAL, self.perfused_normal_gy))
        return tuple(found)


class PlanLimits(FileModel):
    """What must not be passed: doses (Gy) of perfused and whole normal liver, of the perfused volume, and of the lungs in this
    session and in all; the activity that passes to the lungs, and the administered activity (GBq).
    """

    perfused_normal_gy: Positive | None = None
    normal_liver_gy: Positive | None = None
    perfused_gy: Positive | None = None
    lung_gy: Positive | None = None
    lung_cumulative_gy: Positive | None = None
    lung_activity_gbq: ActivityGbq | None = None
    activity_gbq: ActivityGbq | None = None

    def aims(self) -> tuple[Aim, ...]:
        """The limits, in the order of the fields."""
        named = {
            PlanQuantity.PERFUSED_NORMAL: self.perfused_normal_gy,
            PlanQuantity.NORMAL_LIVER: self.normal_liver_gy,
            PlanQuantity.PERFUSED: self.perfused_gy,
            PlanQuantity.LUNG: self.lung_gy,
            PlanQuantity.LUNG_CUMULATIVE: self.lung_cumulative_gy,
            PlanQuantity.LUNG_ACTIVITY: self.lung_activity_gbq,
            PlanQuantity.ACTIVITY: self.activity_gbq,
        }
        return tuple(Aim(quantity, value) for quantity, value in named.items() if value is not None)


class PlanRequest(FileModel):
    """``plan:`` of CASE.yaml, validated.

    ``preset`` names guidelines of the table (``guidelines``: one's own), ``conditions`` those of their rows with a condition
    that hold for this patient. ``devices`` is one's own table of microspheres. ``session`` is the one that is planned; it may
    be left out where there is only one. ``prior_lung_gy`` is lung dose from before this case. A vial may be off the
    prescribed activity by ``tolerance_fraction``; left out, it must reach every target and pass no limit. ``vials_gbq`` left
    out: the sizes of the device. ``treat_at`` is a time of day in the case's time zone (left out: every 24 hours from
    calibration), ``days`` are days after calibration (left out: all of the shelf life).
    """

    targets: PlanTargets | None = None
    limits: PlanLimits | None = None
    preset: Names = ()
    conditions: Names | None = None
    guidelines: ExistingPath | None = None
    devices: ExistingPath | None = None
    session: Identifier | None = None
    prior_lung_gy: NonNegative | None = None
    height_m: Annotated[Positive, Field(le=3)] | None = None
    weight_kg: Positive | None = None
    tolerance_fraction: Fraction | None = None
    vials_gbq: (
        Annotated[tuple[ActivityGbq, ...], Field(max_length=50), AfterValidator(not_empty), AfterValidator(_rising)]
        | None
    ) = None
    calibrated_at: Moment | None = None
    treat_at: Annotated[Text, AfterValidator(_clock)] | None = None
    days: (
        Annotated[
            tuple[Annotated[Whole, Field(ge=0, le=366)], ...],
            Field(max_length=50),
            AfterValidator(not_empty),
            AfterValidator(_rising),
        ]
        | None
    ) = None
    shelf_life_hours: Annotated[Positive, Field(le=8784)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.target_aims() and not self.limit_aims() and not self.preset:
            raise refused("there is neither a target nor a limit", "state targets, limits or a preset")
        if (self.height_m is None) != (self.weight_kg is None):
            raise refused("height_m and weight_kg belong together", "state both or neither")
        if len(set(self.preset)) < len(self.preset):
            raise refused("a preset is named twice", "name each preset once")
        if self.conditions is not None and not self.preset:
            raise refused("conditions belong to a preset", "name the preset, or take conditions out")
        if self.treat_at is not None and self.calibrated_at is None:
            raise refused("treat_at needs the moment of calibration", "state calibrated_at")
        return self

    def target_aims(self) -> tuple[Aim, ...]:
        """The targets that the case states."""
        return () if self.targets is None else self.targets.aims()

    def limit_aims(self) -> tuple[Aim, ...]:
        """The limits that the case states."""
        return () if self.limits is None else self.limits.aims()

    def body(self) -> BodySize | None:
        """Height and weight, where they are stated."""
        if self.height_m is None or self.weight_kg is None:
            return None
        return BodySize(self.height_m, self.weight_kg)
