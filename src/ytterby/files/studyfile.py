"""study.yaml: what holds for every patient of a study, and which names of segments have which role."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ytterby.errors import ConfigurationError
from ytterby.files.fields import (
    DeviceName,
    ExistingPath,
    FileModel,
    Names,
    Positive,
    SchemaOne,
    Text,
    Whole,
    not_empty,
    refused,
    validated,
)
from ytterby.files.treatmentfields import (
    FROM_CT,
    Effects,
    ImageKind,
    ImageUnit,
    IsotopeCorrection,
    Options,
    PartialVolume,
    Radiobiology,
    Uncertainty,
    check_correction,
    check_image,
    one_resolution,
)
from ytterby.files.yamlfile import read_yaml
from ytterby.model.segment import Role

__all__ = ["ResponseRules", "RolePatterns", "StudyFile", "StudyImage", "ToxicityRules", "read_study"]

STUDY_FILE = "study.yaml"


class StudyImage(FileModel):
    """What the activity images of the study are; ``unit`` may be left to files that say it.

    ``energy_window`` (name or number) is for a SPECT of several, ``isotope_correction`` for a PET of a surrogate isotope.
    """

    kind: ImageKind
    unit: ImageUnit | None = None
    energy_window: Text | None = None
    isotope_correction: IsotopeCorrection | None = None


class RolePatterns(FileModel):
    """Patterns of segment names (``*``, ``?``, ``[...]``; upper and lower case differ) for each role."""

    liver: Names = ()
    tumour: Names = ()
    perfused: Names = ()
    lungs: Names = ()
    other: Names = ()

    def role_of(self, name: str) -> Role:
        """The role whose pattern fits the name of a segment best; OTHER when none fits.

        A pattern fits better the more characters it spells out, and a name without wildcards best: "Lung*" goes before "L*".

        Raises
        ------
        ConfigurationError
            Patterns of two roles fit equally well.
        """
        fitting = [
            (_closeness(pattern), Role(role), pattern)
            for role in type(self).model_fields
            for pattern in getattr(self, role)
            if fnmatchcase(name, pattern)
        ]
        if not fitting:
            return Role.OTHER
        best = max(closeness for closeness, _, _ in fitting)
        roles = {role: pattern for closeness, role, pattern in fitting if closeness == best}
        if len(roles) > 1:
            which = " and ".join(f"{role} ('{pattern}')" for role, pattern in roles.items())
            raise ConfigurationError(
                f"the segment '{name}' has the roles {which}",
                where=f"{STUDY_FILE}, roles",
                remedy="write the patterns so that one of them fits this name best",
            )
        return next(iter(roles))


def _closeness(pattern: str) -> tuple[bool, int]:
    wild = any(character in pattern for character in "*?[")
    return not wild, sum(character not in "*?[]" for character in pattern)


class ResponseRules(FileModel):
    """How the response of lesions and patients is assessed."""

    criterion: Literal["choi"]
    minimum_diameter_mm: Positive
    maximum_lesions: Annotated[Whole, Field(ge=1, le=100)]


class ToxicityRules(FileModel):
    """Which laboratory tests are graded, which grade is reported as severe, and within how many months."""

    tests: Annotated[tuple[Literal["ast", "alt", "bilirubin", "albumin"], ...], AfterValidator(not_empty)]
    grade: Literal[3]
    window_months: Positive


class StudyFile(FileModel):
    """study.yaml, validated; ``analysis`` is the path of the analysis plan (None: the shipped one)."""

    schema_version: SchemaOne = Field(alias="schema")
    name: Text
    simulated: Annotated[bool, Field(strict=True)]
    time_zone: Text | None = None
    device: DeviceName
    options: Options
    image: StudyImage
    roles: RolePatterns
    response: ResponseRules
    toxicity: ToxicityRules | None = None
    radiobiology: Radiobiology | None = None
    effects: Effects | None = None
    partial_volume: PartialVolume | None = None
    uncertainty: Uncertainty | None = None
    analysis: ExistingPath | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_image(self.image.kind, self.image.unit, self.device)
        check_correction(self.image.kind, self.image.isotope_correction)
        one_resolution(self.partial_volume, self.uncertainty)
        if ImageUnit.COUNTS in (self.image.unit, self.image.kind.implied_unit) and not self.roles.liver:
            raise refused(
                "counts images need segments of role liver, whose counts are the whole", "write roles: {liver: [...]}"
            )
        if self.options.lung_mass_kg == FROM_CT and not self.roles.lungs:
            raise refused(
                "options.lung_mass_kg: from_ct needs segments of role lungs",
                "write roles: {lungs: [...]}, or the mass in kg",
            )
        return self

    def role_of(self, name: str) -> Role:
        """The role of a segment by its name; see ``RolePatterns.role_of``."""
        return self.roles.role_of(name)

    def roles_of(self, names: Iterable[str]) -> dict[str, Role]:
        """The role of each segment by its name, in the order given."""
        return {name: self.role_of(name) for name in names}


def read_study(folder: Path) -> StudyFile:
    """The study.yaml of a study folder.

    Raises
    ------
    ConfigurationError
        The file is missing, or a field is missing, unknown or wrong; names file and field.
    """
    if not folder.is_dir():
        raise ConfigurationError("there is no such folder", where=str(folder), remedy="give the folder of a study")
    path = folder / STUDY_FILE
    if not path.is_file():
        raise ConfigurationError(
            f"the folder holds no {STUDY_FILE}", where=str(folder), remedy="write one (docs/reference/study-folder.md)"
        )
    return validated(StudyFile, read_yaml(path), path)
