"""Parts of CASE.yaml: images, segments with their roles, thresholds, sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ytterby.errors import ConfigurationError
from ytterby.files.fields import (
    ActivityGbq,
    DeviceName,
    ExistingPath,
    FileModel,
    Fraction,
    Identifier,
    Moment,
    Names,
    NonNegative,
    Percent,
    Text,
    Whole,
    refused,
    unless,
)
from ytterby.files.treatmentfields import ImageKind, ImageUnit, check_image
from ytterby.model.segment import Role
from ytterby.model.treatment import Session, Vial

__all__ = [
    "CaseSegments",
    "CaseSession",
    "DerivedSegment",
    "ImageFile",
    "LungShuntSource",
    "PathOnly",
    "SegmentRoles",
    "SessionImage",
    "ThresholdTumours",
]


class ImageFile(FileModel):
    """An activity image; ``unit`` may be left to a file that says it, ``reference_time`` belongs to bq_ml."""

    path: ExistingPath
    kind: ImageKind
    unit: ImageUnit | None = None
    reference_time: Moment | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_image(self.kind, self.unit)
        return self


class SessionImage(FileModel):
    """A session's own image; what is left out is as in the case's image (but for its reference_time)."""

    path: ExistingPath
    kind: ImageKind | None = None
    unit: ImageUnit | None = None
    reference_time: Moment | None = None


class PathOnly(FileModel):
    """A file or folder."""

    path: ExistingPath


class SegmentRoles(FileModel):
    """Names of the segments of each role."""

    liver: Names = ()
    tumour: Names = ()
    perfused: Names = ()
    lungs: Names = ()
    other: Names = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [name for name, _ in self.pairs()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise refused(f"'{twice[0]}' is named more than once", "give each segment one role")
        return self

    def pairs(self) -> tuple[tuple[str, Role], ...]:
        """Each segment's name with its role, in the order of the roles."""
        return tuple((name, Role(role)) for role in type(self).model_fields for name in getattr(self, role))


class CaseSegments(FileModel):
    """A segmentation file, the roles of its segments, and for a label map which label is which segment."""

    path: ExistingPath
    roles: SegmentRoles
    labels: dict[Annotated[Whole, Field(gt=0)], Text] | None = None


class DerivedSegment(FileModel):
    """A segment to be made: the voxels inside another one that hold at least ``percent`` of its maximum."""

    name: Text
    role: Literal["liver", "tumour", "perfused", "lungs", "other"]
    inside: Text
    method: Literal["percent_of_max"]
    percent: Percent

    @property
    def segment_role(self) -> Role:
        """The role, as the model's own type."""
        return Role(self.role)


class ThresholdTumours(FileModel):
    """Tumours to be found by threshold in a region, instead of masks."""

    method: Literal["percent_of_max"]
    percent: Percent
    region: Text
    minimum_diameter_mm: NonNegative


class LungShuntSource(FileModel):
    """How the lung shunt is measured: counts of the SPECT in lungs and liver, or counts of two planar views.

    It is used for every session that states no ``lung_shunt_fraction``, and shown beside those that do.
    """

    method: Literal["spect_ct", "planar"]
    anterior_lung_counts: NonNegative | None = None
    posterior_lung_counts: NonNegative | None = None
    anterior_liver_counts: NonNegative | None = None
    posterior_liver_counts: NonNegative | None = None

    @model_validator(mode="after")
    def _counts(self) -> Self:
        stated = [value is not None for value in self.planar_counts().values()]
        if self.method == "planar" and not all(stated):
            raise refused("a planar lung shunt needs four counts", f"state {', '.join(self.planar_counts())}")
        if self.method == "spect_ct" and any(stated):
            raise refused("planar counts play no part in method spect_ct", "take them out, or write method: planar")
        return self

    def planar_counts(self) -> dict[str, float | None]:
        """The four planar counts by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "method"}


class CaseSession(FileModel):
    """One administration; nothing of it has a default but its name and its territory (the whole liver).

    The activity and its moment may be left out by a session that is being planned, the lung shunt where ``lung_shunt`` of the
    case says how it is measured.
    """

    session_id: Identifier | None = None
    device: DeviceName
    administered_activity_gbq: Annotated[ActivityGbq | None, unless("plan"), Field(validate_default=True)] = None
    administered_at: Annotated[Moment | None, unless("plan"), Field(validate_default=True)] = None
    residual_fraction: Fraction
    lung_shunt_fraction: Annotated[Fraction | None, unless("lung_shunt"), Field(validate_default=True)] = None
    perfused: Names = ()
    image: Annotated[SessionImage | None, BeforeValidator(lambda v: {"path": v} if isinstance(v, str) else v)] = None
    calibrated_activity_gbq: ActivityGbq | None = None
    calibrated_at: Moment | None = None

    @model_validator(mode="after")
    def _vial(self) -> Self:
        if (self.calibrated_activity_gbq is None) != (self.calibrated_at is None):
            raise refused("calibrated_activity_gbq and calibrated_at belong together", "state both or neither")
        return self

    @property
    def is_given(self) -> bool:
        """Whether the session states what was administered, and when."""
        return self.administered_activity_gbq is not None and self.administered_at is not None

    def to_session(
        self, name: str, *, lung_shunt_fraction: float | None = None, planned_at: datetime | None = None
    ) -> Session:
        """The session as the model's own type, called ``name``; ``lung_shunt_fraction`` where it states none of its own.

        With ``planned_at`` it is a session of 1 GBq at that moment, whatever it states: its doses are doses per GBq.

        Raises
        ------
        ConfigurationError
            It is a session that is planned, and states no administered activity.
        """
        shunt = lung_shunt_fraction if self.lung_shunt_fraction is None else self.lung_shunt_fraction
        activity_gbq, moment = self.administered_activity_gbq, self.administered_at
        if planned_at is not None:
            activity_gbq, moment = 1.0, planned_at
        if activity_gbq is None or moment is None or shunt is None:
            what = "lung shunt" if self.is_given else "administered activity and moment"
            raise ConfigurationError(
                f"session '{name}' states no {what}",
                where=f"sessions, {name}",
                remedy="state what was given, or find the activity with 'ytterby plan'",
            )
        return Session(
            session_id=name,
            device=self.device,
            administered_activity_gbq=activity_gbq,
            administered_at=moment,
            residual_fraction=self.residual_fraction,
            lung_shunt_fraction=shunt,
            perfused=self.perfused,
            vial=None if planned_at is not None else self.vial(),
        )

    def vial(self) -> Vial | None:
        """The vial as it was calibrated, where that is stated."""
        if self.calibrated_activity_gbq is None or self.calibrated_at is None:
            return None
        return Vial(self.device, self.calibrated_activity_gbq, self.calibrated_at)
