"""CASE.yaml: one patient, as a person writes it down."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

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
    SchemaOne,
    Text,
    Whole,
    not_empty,
    refused,
    validated,
)
from ytterby.files.treatmentfields import ImageKind, ImageUnit, Options, Radiobiology, check_image
from ytterby.files.yamlfile import read_yaml
from ytterby.model.dose import Notice
from ytterby.model.segment import Role
from ytterby.model.treatment import Session, Vial

__all__ = [
    "CaseFile",
    "CaseSegments",
    "CaseSession",
    "DerivedSegment",
    "ImageFile",
    "SegmentRoles",
    "ThresholdTumours",
    "read_case",
]

# Keys that later versions act on. To take them in silence would be to promise what is not done.
NOT_YET = ("verify", "plan", "lung_shunt", "planar", "registration")


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


class CaseSession(FileModel):
    """One administration; nothing of it has a default but its name and its territory (the whole liver)."""

    session_id: Identifier | None = None
    device: DeviceName
    administered_activity_gbq: ActivityGbq
    administered_at: Moment
    residual_fraction: Fraction
    lung_shunt_fraction: Fraction
    perfused: Names = ()
    image: Annotated[SessionImage | None, BeforeValidator(lambda v: {"path": v} if isinstance(v, str) else v)] = None
    calibrated_activity_gbq: ActivityGbq | None = None
    calibrated_at: Moment | None = None

    @model_validator(mode="after")
    def _vial(self) -> Self:
        if (self.calibrated_activity_gbq is None) != (self.calibrated_at is None):
            raise refused("calibrated_activity_gbq and calibrated_at belong together", "state both or neither")
        return self

    def vial(self) -> Vial | None:
        """The vial as it was calibrated, where that is stated."""
        if self.calibrated_activity_gbq is None or self.calibrated_at is None:
            return None
        return Vial(self.device, self.calibrated_activity_gbq, self.calibrated_at)


class CaseFile(FileModel):
    """CASE.yaml, validated: paths are resolved and exist, moments are timezone-aware."""

    schema_version: SchemaOne = Field(alias="schema")
    patient_id: Identifier
    simulated: Annotated[bool, Field(strict=True)] = False
    time_zone: Text | None = None
    image: ImageFile
    ct: PathOnly | None = None
    diagnostic: PathOnly | None = None
    segments: CaseSegments | None = None
    derived: tuple[DerivedSegment, ...] = ()
    tumours: ThresholdTumours | None = None
    sessions: Annotated[tuple[CaseSession, ...], AfterValidator(not_empty)]
    options: Options
    radiobiology: Radiobiology | None = None

    @model_validator(mode="after")
    def _segments_fit(self) -> Self:
        known = dict(self.segments.roles.pairs()) if self.segments is not None else {}
        regions = set(known) | {role.value for role in known.values()}
        for part in self.derived:
            if part.name in known:
                raise refused(f"derived: the name '{part.name}' is taken", "give each segment a name of its own")
            self._require(part.inside, regions, f"derived segment '{part.name}': inside")
            known[part.name] = part.segment_role
            regions |= {part.name, part.role}
        if self.tumours is not None:
            self._require(self.tumours.region, regions, "tumours: region")
            if Role.TUMOUR in known.values():
                raise refused("tumours by threshold and tumour masks exclude each other", "keep one of the two")
        perfused = {name for name, role in known.items() if role is Role.PERFUSED}
        for session in self.sessions:
            for name in session.perfused:
                self._require(name, perfused, "sessions: perfused")
        if ImageUnit.COUNTS in (self.image.unit, self.image.kind.implied_unit) and Role.LIVER not in known.values():
            raise refused(
                "a counts image needs a segment of role liver, whose counts are the whole",
                "name it: roles: {liver: ...}",
            )
        return self

    @staticmethod
    def _require(name: str, known: set[str], place: str) -> None:
        if name not in known:
            raise refused(
                f"{place} names '{name}', which is none of {', '.join(sorted(known)) or 'the segments (there are none)'}",
                "name a segment of segments.roles or one that is derived before",
            )

    @model_validator(mode="after")
    def _sessions_fit(self) -> Self:
        names = [session.session_id for session in self.to_sessions()]
        if len(set(names)) < len(names):
            raise refused("two sessions share a session_id", "give each session its own")
        images = [self.image_of(index) for index in range(len(self.sessions))]
        for session, image in zip(self.sessions, images, strict=True):
            check_image(image.kind, image.unit, session.device)
            sharing = [other.path for other in images].count(image.path)
            if sharing > 1 and image.unit is ImageUnit.BQ_ML:
                raise refused("two sessions share an image in bq_ml", "give each session its own image")
            if sharing > 1 and not session.perfused:
                raise refused(
                    "sessions that share an image must each say which territory they treat", "state perfused for each"
                )
        return self

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was read and is not used."""
        found = []
        if self.diagnostic is not None:
            text = "the diagnostic image was named but is not used by this version"
            found.append(Notice("diagnostic_unused", text))
        if self.image.reference_time is not None and self.image.unit is ImageUnit.COUNTS:
            text = "image.reference_time plays no part: counts are shared out, whenever they were measured"
            found.append(Notice("reference_time_unused", text))
        return tuple(found)

    def to_sessions(self) -> tuple[Session, ...]:
        """The sessions, as the model's own type; one without a session_id is called by its number, from 1."""
        return tuple(
            Session(
                session_id=session.session_id or str(number),
                device=session.device,
                administered_activity_gbq=session.administered_activity_gbq,
                administered_at=session.administered_at,
                residual_fraction=session.residual_fraction,
                lung_shunt_fraction=session.lung_shunt_fraction,
                perfused=session.perfused,
                vial=session.vial(),
            )
            for number, session in enumerate(self.sessions, start=1)
        )

    def image_of(self, index: int) -> ImageFile:
        """The image of the session at ``index``: its own, or the case's."""
        own = self.sessions[index].image
        if own is None:
            return self.image
        time: datetime | None = own.reference_time
        if own.path == self.image.path and time is None:
            time = self.image.reference_time
        return ImageFile.model_construct(
            path=own.path, kind=own.kind or self.image.kind, unit=own.unit or self.image.unit, reference_time=time
        )

    def input_paths(self) -> tuple[Path, ...]:
        """Every file or folder that the case names, once each, in the order of the file."""
        named = [self.image, self.ct, self.diagnostic, self.segments, *(session.image for session in self.sessions)]
        return tuple(dict.fromkeys(part.path for part in named if part is not None))


def read_case(path: Path) -> CaseFile:
    """The case that a YAML file describes; its paths are taken relative to the file's folder.

    Raises
    ------
    ConfigurationError
        A field is missing, unknown, wrong, or not acted on by this version; names file and field.
    """
    data = read_yaml(path)
    for key in NOT_YET:
        if key in data:
            raise ConfigurationError(
                f"'{key}' is not in this version: nothing would be done with it",
                where=f"{path.name}, {key}",
                remedy="take it out",
            )
    return validated(CaseFile, data, path)
