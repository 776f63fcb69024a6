"""Parts that CASE.yaml and study.yaml share: constants of the dose computation, what an image is, radiobiology."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from ytterby.files.fields import FileModel, Positive, Text, refused
from ytterby.model.dose import DoseOptions
from ytterby.model.treatment import Device

__all__ = ["ImageKind", "ImageUnit", "Options", "Radiobiology", "TissueRadiobiology", "check_image"]


class ImageUnit(StrEnum):
    """Unit of an activity image's samples."""

    COUNTS = "counts"
    BQ_ML = "bq_ml"


class ImageKind(StrEnum):
    """What an activity image shows: the surrogate before treatment, or the treatment itself."""

    MAA_SPECT = "maa_spect"
    Y90_PET = "y90_pet"
    Y90_SPECT = "y90_spect"
    HO166_SPECT = "ho166_spect"

    @property
    def implied_unit(self) -> ImageUnit | None:
        """How such an image is used whatever its file says: shares of counts for the surrogate; else None."""
        return ImageUnit.COUNTS if self is ImageKind.MAA_SPECT else None


ENGINES = ("local_deposition",)
"""Voxel dose engines of this version."""


def _engine(value: str) -> str:
    if value == "kernel":
        raise refused("the kernel engine is not in this version", "write engine: local_deposition")
    if value not in ENGINES:
        raise refused(f"'{value}' is no engine", f"write one of {', '.join(ENGINES)}")
    return value


Engine = Annotated[Text, AfterValidator(_engine)]


def check_image(kind: ImageKind, unit: ImageUnit | None, device: Device | None = None) -> None:
    """Nothing, when kind, unit and device go together; else a pydantic error."""
    if kind is ImageKind.MAA_SPECT and unit is ImageUnit.BQ_ML:
        raise refused(
            "an image of kind maa_spect shows 99mTc, so its becquerels are not those of the treatment",
            "write unit: counts (shares of the image are used), or the kind of the image after treatment",
        )
    if device is None or kind is ImageKind.MAA_SPECT:
        return
    if (kind is ImageKind.HO166_SPECT) != (device is Device.HOLMIUM):
        raise refused(f"an image of kind {kind} cannot show {device} microspheres", "correct image.kind or the device")


class Options(FileModel):
    """The constants and the engine of a dose computation; a case or study states each of them.

    Without ``lung_mass_kg`` no lung dose is computed, and the result says so; local deposition, the published tumour thresholds'
    own model, is the engine where none is named.
    """

    energy_j_per_gbq: Positive
    tissue_density_g_ml: Positive
    lung_mass_kg: Positive | None = None
    engine: Engine = "local_deposition"

    def dose_options(self) -> DoseOptions:
        """The same as the model's own type."""
        return DoseOptions(self.energy_j_per_gbq, self.tissue_density_g_ml, self.lung_mass_kg, self.engine)


class TissueRadiobiology(FileModel):
    """Linear-quadratic parameters of a tissue: alpha/beta, and the half-time of repair."""

    alpha_beta_gy: Positive
    repair_hours: Positive


class Radiobiology(FileModel):
    """Parameters for the biologically effective dose of tumours and of normal liver."""

    tumour: TissueRadiobiology
    normal: TissueRadiobiology
