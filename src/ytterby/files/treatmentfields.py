"""Parts that CASE.yaml and study.yaml share: constants of the dose computation, what an image is, radiobiology."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ytterby.errors import DomainError
from ytterby.files.fields import ExistingPath, FileModel, Names, NonNegative, Positive, Whole, not_empty, refused
from ytterby.model.dose import DoseOptions, Engine, Tissue
from ytterby.model.dose import Radiobiology as TissueParameters
from ytterby.model.treatment import Device
from ytterby.model.uncertainty import UncertaintyInputs

__all__ = [
    "FROM_CT",
    "Effects",
    "ImageKind",
    "ImageUnit",
    "IsotopeCorrection",
    "Options",
    "PartialVolume",
    "Radiobiology",
    "TissueRadiobiology",
    "Uncertainty",
    "check_correction",
    "check_image",
    "one_resolution",
]


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


def _engine_names(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _engine(value: object) -> object:
    if value not in set(Engine):
        raise refused(f"'{str(value)[:50]}' is no engine", f"write one of {', '.join(Engine)}")
    return value


def _once(engines: tuple[Engine, ...]) -> tuple[Engine, ...]:
    if len(set(engines)) < len(engines):
        raise refused("an engine is named twice", "name each once")
    return not_empty(engines)


Engines = Annotated[
    tuple[Annotated[Engine, BeforeValidator(_engine)], ...],
    BeforeValidator(_engine_names),
    AfterValidator(_once),
]


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


IsotopeCorrection = Literal["y90"]
"""What the decay and the branching of a surrogate isotope are replaced by."""


def check_correction(kind: ImageKind, correction: IsotopeCorrection | None) -> None:
    """Nothing, when an isotope correction fits the kind of the image; else a pydantic error."""
    if correction is not None and kind is not ImageKind.Y90_PET:
        raise refused(f"an isotope correction is for a PET of 90Y, and this image is {kind}", "take it out")


FwhmMm = Annotated[Positive, Field(ge=2, le=50)]
SmallFraction = Annotated[NonNegative, Field(le=0.5)]

FROM_CT = "from_ct"
"""What stands for a lung mass that is to be measured on the CT."""


class Options(FileModel):
    """The constants and the engines of a dose computation; a case or study states each of them.

    Without ``lung_mass_kg`` no lung dose is computed, and the result says so; ``from_ct`` measures it on the CT. Local
    deposition, the published tumour thresholds' own model, is the engine where none is named; the first of several makes the
    reported doses.
    """

    energy_j_per_gbq: Positive
    tissue_density_g_ml: Annotated[Positive, Field(ge=0.5, le=2)]
    lung_mass_kg: Annotated[Positive, Field(ge=0.1, le=3)] | Literal["from_ct"] | None = None
    engine: Engines = (Engine.LOCAL_DEPOSITION,)

    def dose_options(self, *, measured_lung_mass_kg: float | None = None) -> DoseOptions:
        """The same as the model's own type; ``measured_lung_mass_kg`` where the mass is that of the CT."""
        stated = self.lung_mass_kg
        measured = isinstance(stated, str)
        return DoseOptions(
            self.energy_j_per_gbq,
            self.tissue_density_g_ml,
            measured_lung_mass_kg if isinstance(stated, str) else stated,
            self.engine[0],
            tuple(self.engine[1:]),
            lung_mass_source="measured on the CT" if measured else "stated",
        )


class TissueRadiobiology(FileModel):
    """Linear-quadratic parameters of a tissue: alpha/beta, the half-time of repair, and alpha (1/Gy) for the EUD."""

    alpha_beta_gy: Positive
    repair_hours: Positive
    alpha_per_gy: Positive | None = None

    def tissue(self) -> Tissue:
        """The same as the model's own type."""
        return Tissue(self.alpha_beta_gy, self.repair_hours, self.alpha_per_gy)


class Radiobiology(FileModel):
    """Parameters for the biologically effective dose of tumours and of normal liver."""

    tumour: TissueRadiobiology
    normal: TissueRadiobiology

    def parameters(self) -> TissueParameters:
        """The same as the model's own type."""
        return TissueParameters(self.tumour.tissue(), self.normal.tissue())


class PartialVolume(FileModel):
    """How partial volume is corrected, beside the uncorrected dose: by the image's resolution, or by a measured table.

    The table is a CSV of ``diameter_mm`` and ``recovery_fraction``, measured with spheres on the scanner that made the image.
    """

    method: Literal["gaussian", "table"]
    fwhm_mm: FwhmMm | None = None
    table: ExistingPath | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "gaussian" and self.fwhm_mm is None:
            raise refused("the Gaussian model needs the resolution of the image", "state fwhm_mm")
        if self.method == "table" and self.table is None:
            raise refused("no table of recovery coefficients is named", "state table: FILE.csv")
        if self.fwhm_mm is not None and self.table is not None:
            raise refused(f"method {self.method} uses one of fwhm_mm and table", "take the other out")
        return self


def one_resolution(partial_volume: PartialVolume | None, uncertainty: Uncertainty | None) -> None:
    """Nothing, when correction and uncertainty rest on one resolution of the image; else a pydantic error."""
    if partial_volume is None or uncertainty is None or partial_volume.fwhm_mm is None:
        return
    if partial_volume.fwhm_mm != uncertainty.fwhm_mm:
        raise refused(
            f"the image's FWHM is {partial_volume.fwhm_mm:g} mm in partial_volume, {uncertainty.fwhm_mm:g} mm in uncertainty",
            "state one resolution of the image",
        )


class Effects(FileModel):
    """Dose-effect relations to be shown, by their ids; ``table`` is a table of one's own in place of the shipped one."""

    relations: Annotated[Names, AfterValidator(not_empty)]
    table: ExistingPath | None = None


class Uncertainty(FileModel):
    """Standard uncertainties (k = 1) that are known of a case; what is not stated is left out, and listed as left out.

    Relative ones end in ``_fraction``, absolute ones in ``_sd_fraction`` (of the lung shunt and the residual) or ``_mm``. Where
    ``draws`` and ``seed`` are stated, tumours get an interval by Monte Carlo too.
    """

    fwhm_mm: FwhmMm
    fwhm_uncertainty_mm: Annotated[NonNegative, Field(le=10)] | None = None
    activity_fraction: SmallFraction | None = None
    calibration_fraction: SmallFraction | None = None
    lung_shunt_sd_fraction: Annotated[NonNegative, Field(le=0.2)] | None = None
    residual_sd_fraction: Annotated[NonNegative, Field(le=0.2)] | None = None
    boundary_mm: Annotated[NonNegative, Field(le=20)] | None = None
    delineation_fwhm_mm: Annotated[NonNegative, Field(le=50)] | None = None
    delineation_voxel_mm: Annotated[NonNegative, Field(le=20)] | None = None
    registration_mm: Annotated[NonNegative, Field(le=15)] | None = None
    noise_fraction: Annotated[NonNegative, Field(le=1)] | None = None
    draws: Annotated[Whole, Field(ge=200, le=100_000)] | None = None
    seed: Annotated[Whole, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.draws is None) != (self.seed is None):
            raise refused("draws and seed belong together", "state both (an interval by Monte Carlo) or neither")
        try:
            self.inputs()
        except DomainError as error:
            raise refused(error.what, error.remedy) from error
        return self

    def inputs(self) -> UncertaintyInputs:
        """The same as the model's own type."""
        return UncertaintyInputs(
            **{name: getattr(self, name) for name in type(self).model_fields if name not in _DRAWING}
        )


_DRAWING = ("draws", "seed")
