"""Parts of CASE.yaml: images, segments with their roles, thresholds, sessions."""

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
    Number,
    Percent,
    Text,
    Whole,
    not_empty,
    refused,
    unless,
)
from ytterby.files.treatmentfields import ImageKind, ImageUnit, IsotopeCorrection, check_correction, check_image
from ytterby.imaging.planarregion import MAX_VERTICES, Polygon, rectangle
from ytterby.model.segment import Role
from ytterby.model.treatment import Session, Vial

__all__ = [
    "CaseSegments",
    "CaseSession",
    "DerivedSegment",
    "ImageFile",
    "LungShuntSource",
    "Outline",
    "PathOnly",
    "PlanarImages",
    "RegionsOnView",
    "RegistrationFile",
    "SegmentRoles",
    "SessionImage",
    "ThresholdTumours",
    "ViewFile",
]


class ImageFile(FileModel):
    """An activity image; ``unit`` may be left to a file that says it, ``reference_time`` belongs to bq_ml.

    ``part`` is for an enhanced object of several volumes, in the words of ``ytterby inspect``, ``energy_window`` (name or
    number) for a SPECT of several. ``isotope_correction: y90`` undoes a surrogate isotope's decay
    and branching in a PET and redoes them with those of 90Y.
    """

    path: ExistingPath
    kind: ImageKind
    unit: ImageUnit | None = None
    reference_time: Moment | None = None
    part: Text | None = None
    energy_window: Text | None = None
    isotope_correction: IsotopeCorrection | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_image(self.kind, self.unit)
        check_correction(self.kind, self.isotope_correction)
        return self


class SessionImage(FileModel):
    """A session's own image; what is left out is as in the case's image (but for its reference_time)."""

    path: ExistingPath
    kind: ImageKind | None = None
    unit: ImageUnit | None = None
    reference_time: Moment | None = None
    part: Text | None = None
    energy_window: Text | None = None
    isotope_correction: IsotopeCorrection | None = None


class PathOnly(FileModel):
    """A file or folder; ``part`` is for an enhanced object of several volumes, in the words of ``ytterby inspect``."""

    path: ExistingPath
    part: Text | None = None


class RegistrationFile(FileModel):
    """A DICOM spatial registration between the frames of reference of the case's images, and who looked at it."""

    path: ExistingPath
    accepted_by: Text | None = None


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


class ViewFile(FileModel):
    """One planar view: its file, and its frame (from 1) where the file holds several."""

    path: ExistingPath
    frame: Annotated[Whole, Field(gt=0)] | None = None


class PlanarImages(FileModel):
    """A DICOM file or folder with the planar views, and the energy window to read where there are several."""

    path: ExistingPath
    energy_window: Text | None = None


class Outline(FileModel):
    """A rectangle [left, top, right, bottom], or a polygon of corners [x, y]."""

    rectangle: tuple[Number, Number, Number, Number] | None = None
    polygon: Annotated[tuple[tuple[Number, Number], ...], Field(min_length=3, max_length=MAX_VERTICES)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.rectangle is None) == (self.polygon is None):
            raise refused("an outline is a rectangle or a polygon", "state one of the two")
        if self.rectangle is not None and not (
            self.rectangle[0] < self.rectangle[2] and self.rectangle[1] < self.rectangle[3]
        ):
            raise refused("a rectangle is [left, top, right, bottom]", "state left below right and top below bottom")
        return self

    def to_polygon(self, *, in_mm: bool) -> Polygon:
        """The outline, as imaging takes it."""
        if self.rectangle is not None:
            return rectangle(self.rectangle, in_mm=in_mm)
        return Polygon(self.polygon or (), in_mm)


class RegionsOnView(FileModel):
    """Outlines of lungs and liver on the anterior view, with a background where it is to be subtracted."""

    unit: Literal["pixel", "mm"]
    lungs: Annotated[tuple[Outline, ...], AfterValidator(not_empty)]
    liver: Annotated[tuple[Outline, ...], AfterValidator(not_empty)]
    background: tuple[Outline, ...] = ()

    def polygons(self, name: Literal["lungs", "liver", "background"]) -> tuple[Polygon, ...]:
        """The outlines of one region, as imaging takes them."""
        outlines: tuple[Outline, ...] = getattr(self, name)
        return tuple(outline.to_polygon(in_mm=self.unit == "mm") for outline in outlines)


View = Annotated[ViewFile | None, BeforeValidator(lambda v: {"path": v} if isinstance(v, str) else v)]


class LungShuntSource(FileModel):
    """How the lung shunt is measured: counts of the SPECT in lungs and liver, or counts of two planar views.

    Planar counts are stated, or counted in ``regions`` of the images: those of ``planar`` in the case, or ``anterior`` and
    ``posterior``. It is used for every session that states no ``lung_shunt_fraction``, and shown beside those that do.
    """

    method: Literal["spect_ct", "planar"]
    anterior_lung_counts: NonNegative | None = None
    posterior_lung_counts: NonNegative | None = None
    anterior_liver_counts: NonNegative | None = None
    posterior_liver_counts: NonNegative | None = None
    regions: RegionsOnView | None = None
    anterior: View = None
    posterior: View = None

    @model_validator(mode="after")
    def _counts(self) -> Self:
        stated = [value is not None for value in self.planar_counts().values()]
        if self.method == "spect_ct":
            if any(stated):
                raise refused("planar counts play no part in method spect_ct", "take them out, or write method: planar")
            if self.regions is not None or self.anterior is not None or self.posterior is not None:
                raise refused("planar views play no part in method spect_ct", "take them out, or write method: planar")
            return self
        if (self.anterior is None) != (self.posterior is None):
            raise refused("anterior and posterior belong together", "state both views or neither")
        if self.regions is None:
            if self.anterior is not None:
                raise refused("planar views need regions to count in", "state lung_shunt.regions")
            if not all(stated):
                names = ", ".join(self.planar_counts())
                raise refused("a planar lung shunt needs four counts", f"state {names}; or regions on planar images")
        elif any(stated):
            raise refused("planar counts are stated, and regions to count in", "keep one of the two")
        return self

    def planar_counts(self) -> dict[str, float | None]:
        """The four planar counts by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name.endswith("_counts")}

    def view_paths(self) -> tuple[Path, ...]:
        """Files of the views that are named one by one."""
        return tuple(view.path for view in (self.anterior, self.posterior) if view is not None)


_UNLESS_REPORTED = unless("plan", beside="dose_report")


class CaseSession(FileModel):
    """One administration; nothing of it has a default but its name and its territory (the whole liver).

    The activity and its moment may be left out by a session that is being planned, the lung shunt where ``lung_shunt`` of the
    case says how it is measured, and activity, moment and residual by a session with a ``dose_report``, which states them.
    """

    session_id: Identifier | None = None
    device: DeviceName
    dose_report: ExistingPath | None = None
    administered_activity_gbq: Annotated[ActivityGbq | None, _UNLESS_REPORTED, Field(validate_default=True)] = None
    administered_at: Annotated[Moment | None, _UNLESS_REPORTED, Field(validate_default=True)] = None
    residual_fraction: Annotated[Fraction | None, unless(beside="dose_report"), Field(validate_default=True)] = None
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
        residual = self.residual_fraction
        if activity_gbq is None or moment is None or shunt is None or residual is None:
            what = "lung shunt" if self.is_given else "administered activity and moment"
            what = "residual" if residual is None else what
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
            residual_fraction=residual,
            lung_shunt_fraction=shunt,
            perfused=self.perfused,
            vial=None if planned_at is not None else self.vial(),
        )

    def vial(self) -> Vial | None:
        """The vial as it was calibrated, where that is stated."""
        if self.calibrated_activity_gbq is None or self.calibrated_at is None:
            return None
        return Vial(self.device, self.calibrated_activity_gbq, self.calibrated_at)
