"""What is known of the errors of a dose, as stated, and what comes of it: budgets by term and intervals.

Nothing here has a clinical default: a term that is not stated is left out, and every result lists it as left out.
Theory: docs/theory/uncertainty.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ytterby.errors import DomainError, MissingMeasurement
from ytterby.model.notice import Notice
from ytterby.units import finite, fraction, non_negative, positive

__all__ = ["Delivery", "DoseInterval", "UncertaintyBudget", "UncertaintyInputs", "UncertaintyTerm", "diameter_sd_mm"]

_STATED = {
    "activity": ("activity_fraction",),
    "calibration": ("calibration_fraction",),
    "lung_shunt": ("lung_shunt_sd_fraction",),
    "residual": ("residual_sd_fraction",),
    "recovery": ("fwhm_uncertainty_mm",),
    "volume": ("boundary_mm", "delineation_fwhm_mm"),
    "registration": ("registration_mm",),
    "noise": ("noise_fraction",),
}


def diameter_sd_mm(*, voxel_mm: float, fwhm_mm: float) -> float:
    """Standard uncertainty of a diameter read off an image: two edges, each blurred and each somewhere in its voxel.

    u(d)^2 = voxel^2 / 6 + FWHM^2 / (4 ln 2): for each of the two edges voxel^2 / 12 and FWHM^2 / (8 ln 2), the variance of a
    point's image.

    Source: Gear et al. 2018, EANM practical guidance on uncertainty analysis, doi:10.1007/s00259-018-4136-7.

    Examples
    --------
    >>> round(diameter_sd_mm(voxel_mm=4.42, fwhm_mm=12.0), 2)
    7.43
    """
    variance = non_negative(voxel_mm, "voxel_mm") ** 2 / 6.0 + non_negative(fwhm_mm, "fwhm_mm") ** 2 / (4 * math.log(2))
    return math.sqrt(variance)


@dataclass(frozen=True)
class UncertaintyInputs:
    """Standard uncertainties (k = 1) as they are stated for a case; None: not stated, so left out.

    ``fwhm_mm``
        resolution of the activity image as it is, its voxels included.
    ``fwhm_uncertainty_mm``
        of that resolution; the recovery rests on it.
    ``activity_fraction``
        of the vial's activity, relative. A tolerance of +-10 % is no standard deviation: whoever states it decides
        (0.10 / sqrt 3 where every value within is as likely as any other).
    ``calibration_fraction``
        of the counts of one place against another (attenuation, scatter), or of an absolute image's calibration; relative.
    ``lung_shunt_sd_fraction``, ``residual_sd_fraction``
        of the lung shunt fraction and of the residual fraction, absolute.
    ``boundary_mm``
        standard deviation of the place of a segment's boundary, the same all round it; or in its stead
        ``delineation_voxel_mm`` and ``delineation_fwhm_mm`` of the image on which the segment was drawn.
    ``registration_mm``
        standard deviation of the shift between image and segments, along each axis.
    ``noise_fraction``
        coefficient of variation of the image's voxels in uniform tissue; noise is correlated over ``fwhm_mm``.

    Raises
    ------
    DomainError
        A number is negative or not finite, or the boundary is stated twice or by half.
    """

    fwhm_mm: float
    fwhm_uncertainty_mm: float | None = None
    activity_fraction: float | None = None
    calibration_fraction: float | None = None
    lung_shunt_sd_fraction: float | None = None
    residual_sd_fraction: float | None = None
    boundary_mm: float | None = None
    delineation_fwhm_mm: float | None = None
    delineation_voxel_mm: float | None = None
    registration_mm: float | None = None
    noise_fraction: float | None = None

    def __post_init__(self) -> None:
        positive(self.fwhm_mm, "fwhm_mm")
        for name, value in vars(self).items():
            if value is not None:
                non_negative(value, name)
        if (self.delineation_fwhm_mm is None) != (self.delineation_voxel_mm is None):
            raise DomainError(
                "the image on which segments were drawn is stated by half",
                remedy="state both delineation_fwhm_mm and delineation_voxel_mm, or boundary_mm alone",
            )
        if self.boundary_mm is not None and self.delineation_fwhm_mm is not None:
            raise DomainError(
                "the uncertainty of the boundary is stated twice",
                remedy="state either boundary_mm, or delineation_fwhm_mm with delineation_voxel_mm",
            )

    @property
    def boundary_sd_mm(self) -> float:
        """Standard deviation of the boundary's place: as stated, or half that of a diameter; 0 where neither is stated."""
        if self.boundary_mm is not None:
            return self.boundary_mm
        if self.delineation_fwhm_mm is None or self.delineation_voxel_mm is None:
            return 0.0
        return diameter_sd_mm(voxel_mm=self.delineation_voxel_mm, fwhm_mm=self.delineation_fwhm_mm) / 2.0

    @property
    def left_out(self) -> tuple[str, ...]:
        """Terms for which nothing is stated."""
        return tuple(term for term, names in _STATED.items() if all(getattr(self, name) is None for name in names))


@dataclass(frozen=True)
class Delivery:
    """What a session states of its delivery, and its share of the dose that is looked at (1 where it is the only session).

    For an image in Bq/mL neither lung shunt nor residual enters: both are 0, and their uncertainties are not stated.
    """

    lung_shunt_fraction: float
    residual_fraction: float
    dose_share_fraction: float = 1.0

    def __post_init__(self) -> None:
        fraction(self.lung_shunt_fraction, "lung_shunt_fraction")
        fraction(self.residual_fraction, "residual_fraction")
        non_negative(self.dose_share_fraction, "dose_share_fraction")


@dataclass(frozen=True)
class UncertaintyTerm:
    """One line of a budget: its standard uncertainty (k = 1), relative and in gray.

    ``part_of`` names the term that this line is a part of; such a line shows the part alone and is not added again.
    """

    name: str
    standard_fraction: float
    standard_gy: float
    part_of: str = ""


@dataclass(frozen=True)
class UncertaintyBudget:
    """Standard uncertainty (k = 1) of one mean dose, term by term; ``left_out`` are the terms for which nothing is stated.

    ``expected_loss_fraction`` is what a misplaced image takes from the dose on average, in terms of the logarithm. The dose is
    not corrected for it: the term ``registration`` holds it, as the root mean square of the loss, and the interval is shifted by
    it (JCGM 100:2008, F.2.4.5).
    """

    segment: str
    mean_dose_gy: float
    terms: tuple[UncertaintyTerm, ...]
    left_out: tuple[str, ...]
    expected_loss_fraction: float = 0.0

    @property
    def combined_fraction(self) -> float:
        """Root of the sum of squares of the terms, relative to the dose."""
        return math.sqrt(math.fsum(term.standard_fraction**2 for term in self.terms if not term.part_of))

    @property
    def combined_gy(self) -> float:
        """The same in gray."""
        return self.combined_fraction * self.mean_dose_gy

    def interval_gy(self, *, factor: float) -> tuple[float, float]:
        """Coverage interval D exp(b -+ factor u) with the expected loss b and the spread u about it; ``factor`` 1.96 for 95 %.

        It is taken on the logarithm: the dose is a product of factors and positive, and its error has no bound above while it
        cannot fall below 0.
        """
        about = math.sqrt(max(0.0, self.combined_fraction**2 - self.expected_loss_fraction**2))
        centre_gy = self.mean_dose_gy * math.exp(self.expected_loss_fraction)
        spread = math.exp(finite(factor, "factor") * about)
        return centre_gy / spread, centre_gy * spread

    def of(self, name: str) -> UncertaintyTerm:
        """The term of that name; MissingMeasurement when the budget has none."""
        for term in self.terms:
            if term.name == name:
                return term
        raise MissingMeasurement(
            f"the budget has no term '{name}'",
            where=f"segment '{self.segment}'",
            remedy="use one of: " + ", ".join(term.name for term in self.terms),
        )


@dataclass(frozen=True)
class DoseInterval:
    """What Monte Carlo finds for one dose: median, 95 % interval (2.5th to 97.5th percentile), and k = 1.

    ``standard_gy`` is half the width of the central 68.27 %: the draws are skewed for small lesions, where their standard
    deviation would be that of a few extreme ones.
    """

    segment: str
    median_gy: float
    standard_gy: float
    low_gy: float
    high_gy: float
    draws: int
    seed: int
    left_out: tuple[str, ...]
    notices: tuple[Notice, ...] = ()
