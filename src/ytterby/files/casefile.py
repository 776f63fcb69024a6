"""CASE.yaml: one patient, as a person writes it down."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ytterby.files.caseparts import (
    CaseSegments,
    CaseSession,
    DerivedSegment,
    ImageFile,
    LungShuntSource,
    PathOnly,
    PlanarImages,
    RegistrationFile,
    ThresholdTumours,
)
from ytterby.files.fields import FileModel, Identifier, SchemaOne, Text, not_empty, refused, validated
from ytterby.files.planrequest import PlanRequest
from ytterby.files.treatmentfields import (
    FROM_CT,
    Effects,
    ImageUnit,
    Options,
    PartialVolume,
    Radiobiology,
    Uncertainty,
    check_image,
    one_resolution,
)
from ytterby.files.verifyrequest import VerifyRequest
from ytterby.files.yamlfile import read_yaml
from ytterby.model.dose import Notice
from ytterby.model.segment import Role
from ytterby.model.treatment import Session

__all__ = ["CaseFile", "read_case"]


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
    planar: PlanarImages | None = None
    lung_shunt: LungShuntSource | None = None
    radiobiology: Radiobiology | None = None
    partial_volume: PartialVolume | None = None
    effects: Effects | None = None
    uncertainty: Uncertainty | None = None
    plan: PlanRequest | None = None
    verify: VerifyRequest | None = None
    registration: RegistrationFile | None = None

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
        names = self.session_names
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

    @model_validator(mode="after")
    def _lungs_fit(self) -> Self:
        one_resolution(self.partial_volume, self.uncertainty)
        roles = set() if self.segments is None else {role for _, role in self.segments.roles.pairs()}
        roles |= {part.segment_role for part in self.derived}
        if self.options.lung_mass_kg == FROM_CT and (self.ct is None or Role.LUNGS not in roles):
            raise refused(
                "options.lung_mass_kg: from_ct needs a CT and a segment of role lungs",
                "state ct and roles.lungs, or the mass in kg",
            )
        if (
            self.lung_shunt is not None
            and self.lung_shunt.method == "spect_ct"
            and not {Role.LUNGS, Role.LIVER} <= roles
        ):
            raise refused(
                "lung_shunt: spect_ct needs segments of the roles liver and lungs", "name them, or state the lung shunt"
            )
        return self

    @model_validator(mode="after")
    def _planar_fits(self) -> Self:
        source = self.lung_shunt
        drawn = source is not None and source.regions is not None
        named = source is not None and source.anterior is not None
        if drawn and not named and self.planar is None:
            raise refused("lung_shunt.regions need planar images to lie on", "state planar: {path: ...}")
        if self.planar is not None and (not drawn or named):
            raise refused(
                "nothing is counted in the planar images",
                "state lung_shunt: {method: planar, regions: ...}"
                if not named
                else "take planar out: the views are named",
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

    @property
    def session_names(self) -> tuple[str, ...]:
        """Name of each session: its session_id, or its number from 1."""
        return tuple(session.session_id or str(number) for number, session in enumerate(self.sessions, start=1))

    def to_sessions(
        self, *, lung_shunt_fraction: float | None = None, planned: tuple[str, datetime] | None = None
    ) -> tuple[Session, ...]:
        """The sessions, as the model's own type; ``lung_shunt_fraction`` is the measured one, for those that state none.

        ``planned`` names the session that is being planned, and when: it becomes one of 1 GBq.

        Raises
        ------
        ConfigurationError
            A session states no administered activity: it can be planned, and not dosed.
        """
        return tuple(
            session.to_session(
                name,
                lung_shunt_fraction=lung_shunt_fraction,
                planned_at=planned[1] if planned is not None and planned[0] == name else None,
            )
            for name, session in zip(self.session_names, self.sessions, strict=True)
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
            path=own.path,
            kind=own.kind or self.image.kind,
            unit=own.unit or self.image.unit,
            reference_time=time,
            part=own.part if own.path != self.image.path else own.part or self.image.part,
            energy_window=own.energy_window or self.image.energy_window,
            isotope_correction=own.isotope_correction or self.image.isotope_correction,
        )

    def input_paths(self) -> tuple[Path, ...]:
        """Every file or folder that the case names, once each, in the order of the file."""
        named = [self.image, self.ct, self.diagnostic, self.segments, *(session.image for session in self.sessions)]
        paths = [part.path for part in named if part is not None]
        if self.planar is not None:
            paths.append(self.planar.path)
        if self.lung_shunt is not None:
            paths += self.lung_shunt.view_paths()
        if self.registration is not None:
            paths.append(self.registration.path)
        paths += [session.dose_report for session in self.sessions if session.dose_report is not None]
        if self.partial_volume is not None and self.partial_volume.table is not None:
            paths.append(self.partial_volume.table)
        if self.effects is not None and self.effects.table is not None:
            paths.append(self.effects.table)
        return tuple(dict.fromkeys(paths))


def read_case(path: Path) -> CaseFile:
    """The case that a YAML file describes; its paths are taken relative to the file's folder.

    Raises
    ------
    ConfigurationError
        A field is missing, unknown, or wrong; names file and field.
    """
    data = read_yaml(path)
    return validated(CaseFile, data, path)
