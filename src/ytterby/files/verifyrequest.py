"""The key ``verify`` of CASE.yaml: two result folders, the resolutions of their images, and the limits that the user states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from ytterby.errors import ConfigurationError
from ytterby.files.fields import (
    ExistingPath,
    FileModel,
    Identifier,
    NonNegative,
    Positive,
    SchemaOne,
    Text,
    refused,
    validated,
)
from ytterby.files.yamlfile import read_yaml
from ytterby.planning.gamma import GammaCriterion
from ytterby.planning.verify import Limits

__all__ = ["GammaLimit", "VerificationFile", "VerifyLimits", "VerifyRequest", "read_verification"]

_KEYS = ("schema", "patient_id", "simulated", "verify")


def _result_path(value: object, info: ValidationInfo) -> Path:
    """The path beside the file; whether the folder is there is asked when it is read, for a case may be run before."""
    folder = (info.context or {}).get("folder")
    if not isinstance(value, str) or not isinstance(folder, Path) or not value.strip():
        raise refused("is no path", "write the path of a result folder as text, relative to this file")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise refused("holds a control character", "write plain text on one line")
    return folder / value


def _range(value: tuple[float, float]) -> tuple[float, float]:
    if value[1] > 5.0:
        raise refused("a share above 5 is no share", "give fractions, not percent: 80 % is written 0.8")
    if value[0] > value[1]:
        raise refused("the first limit is above the second", "write [least, most]")
    return value


ResultPath = Annotated[Path, BeforeValidator(_result_path)]
PositiveFraction = Annotated[Positive, Field(le=1)]


class GammaLimit(FileModel):
    """The gamma criterion, and the least share of voxels that must pass (without it, the share is only told)."""

    dose_fraction: PositiveFraction
    distance_mm: Annotated[Positive, Field(le=50)]
    passing_fraction: PositiveFraction | None = None


class VerifyLimits(FileModel):
    """Limits beyond which a difference is flagged; each is the user's, and none has a default."""

    mean_dose_fraction: PositiveFraction | None = None
    d70_fraction: PositiveFraction | None = None
    tumour_to_normal_fraction: PositiveFraction | None = None
    recovered_fraction: Annotated[tuple[NonNegative, NonNegative], AfterValidator(_range)] | None = None
    gamma: GammaLimit | None = None

    def to_limits(self) -> Limits:
        """The limits, as the model's own type."""
        gamma = self.gamma
        return Limits(
            mean_dose_fraction=self.mean_dose_fraction,
            d70_fraction=self.d70_fraction,
            tumour_to_normal_fraction=self.tumour_to_normal_fraction,
            recovered_fraction=self.recovered_fraction,
            gamma=None if gamma is None else GammaCriterion(gamma.dose_fraction, gamma.distance_mm),
            gamma_passing_fraction=None if gamma is None else gamma.passing_fraction,
        )


class VerifyRequest(FileModel):
    """What is compared with what: result folders of ``ytterby case run``, of the image before and of that after treatment.

    The folders need not exist when the file is read. ``registered_by`` names who made sure that both images lie in one space,
    though their frames of reference differ or are not known; ``registration`` is a DICOM
    REG object that leads from one to the other.
    """

    predicted: ResultPath
    delivered: ResultPath
    predicted_fwhm_mm: Positive | None = None
    delivered_fwhm_mm: Positive | None = None
    registered_by: Text | None = None
    registration: ExistingPath | None = None
    limits: VerifyLimits = VerifyLimits()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.predicted_fwhm_mm is None) != (self.delivered_fwhm_mm is None):
            raise refused(
                "one resolution alone matches nothing",
                "state predicted_fwhm_mm and delivered_fwhm_mm, or neither (the comparison of voxels then says so)",
            )
        if self.registered_by is not None and self.registration is not None:
            raise refused(
                "registered_by and registration exclude each other",
                "keep the registration, which says how, or the word",
            )
        if self.predicted.resolve() == self.delivered.resolve():
            raise refused("predicted and delivered are one folder", "name two result folders")
        return self


class VerificationFile(FileModel):
    """The part of CASE.yaml that a verification needs."""

    schema_version: SchemaOne = Field(alias="schema")
    patient_id: Identifier
    simulated: Annotated[bool, Field(strict=True)] = False
    verify: VerifyRequest


def read_verification(path: Path) -> VerificationFile:
    """The verification that a CASE.yaml asks for; other keys of the file belong to other commands and are not looked at.

    Raises
    ------
    ConfigurationError
        A field of ``verify``, or ``schema``, ``patient_id`` or ``simulated``, is missing or wrong; names file and field.
    """
    data = read_yaml(path)
    if "verify" not in data:
        raise ConfigurationError(
            "the file names no results to compare",
            where=f"{path.name}, verify",
            remedy="write verify: {predicted: RESULT_DIR, delivered: RESULT_DIR}",
        )
    return validated(VerificationFile, {key: data[key] for key in _KEYS if key in data}, path)
