"""Uncertainty of a mean dose by the law of propagation, term by term: the measured dose and the corrected one.

Source: Gear et al. 2018, EANM practical guidance on uncertainty analysis for molecular radiotherapy absorbed dose calculations,
doi:10.1007/s00259-018-4136-7; the law itself is that of JCGM 100:2008 (GUM). Segments of any form enter as the sphere of their
volume. Derived in docs/theory/uncertainty.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ytterby.dosimetry.recovery import (
    effective_fwhm_mm,
    equivalent_diameter_mm,
    gaussian_sphere_edge,
    gaussian_sphere_recovery,
)
from ytterby.dosimetry.transfer import TumourShare
from ytterby.errors import DomainError
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.uncertainty import Delivery, UncertaintyBudget, UncertaintyInputs, UncertaintyTerm
from ytterby.model.volume import Grid
from ytterby.units import non_negative, positive

__all__ = [
    "corrected_dose_budget",
    "delivery_fractions",
    "measured_dose_budget",
    "noise_fraction_of_mean",
    "volume_sd_fraction",
]

_STEP_MM = 0.01


def volume_sd_fraction(volume_ml: float, *, boundary_sd_mm: float) -> float:
    """Relative standard uncertainty of a volume whose boundary is known to ``boundary_sd_mm``: u(V)/V = 3 u(d)/d, u(d) = 2 u(r).

    Source: Gear et al. 2018, doi:10.1007/s00259-018-4136-7.

    Examples
    --------
    >>> round(volume_sd_fraction(33.510, boundary_sd_mm=7.4297 / 2), 3)  # 40 mm, voxel 4.42 mm, FWHM 12 mm
    0.557
    """
    return 6.0 * non_negative(boundary_sd_mm, "boundary_sd_mm") / equivalent_diameter_mm(volume_ml)


def noise_fraction_of_mean(noise_fraction: float, *, volume_ml: float, fwhm_mm: float) -> float:
    """Coefficient of variation of the mean of a sphere in an image whose voxels have that of ``noise_fraction``.

    Noise is white noise after the image's blur, so two points at distance r share exp(-r^2/(4 sigma^2)) of the variance; its mean
    over all pairs is (4 pi sigma^2)^1.5 / V times the recovery of the sphere at sqrt(2) FWHM. Its standard deviation goes
    with the local mean, as in images of the EM algorithm (Barrett, Wilson, Tsui 1994, doi:10.1088/0031-9155/39/5/004).
    """
    sigma_mm = positive(fwhm_mm, "fwhm_mm") / FWHM_PER_SIGMA
    recovery = gaussian_sphere_recovery(equivalent_diameter_mm(volume_ml), fwhm_mm=math.sqrt(2.0) * fwhm_mm)
    shared = (4.0 * math.pi * sigma_mm**2) ** 1.5 / (1000.0 * volume_ml) * recovery
    return non_negative(noise_fraction, "noise_fraction") * math.sqrt(min(1.0, shared))


def delivery_fractions(inputs: UncertaintyInputs, deliveries: Sequence[Delivery]) -> dict[str, float]:
    """Relative standard uncertainties of the dose by activity, lung shunt and residual; terms that are not stated are left out.

    u(A)/A, u(F)/(1-F) and u(R)/(1-R) of each session, weighted by its share of the dose; sessions err apart from each other.

    Raises
    ------
    DomainError
        No delivery, or shares that add up to 0.
    """
    whole = math.fsum(one.dose_share_fraction for one in deliveries)
    if not whole > 0:
        raise DomainError(
            "no session gave any of the dose", remedy="state the deliveries with their shares of the dose"
        )
    found: dict[str, float] = {}
    if inputs.activity_fraction is not None:
        found["activity"] = _joined([inputs.activity_fraction for _ in deliveries], deliveries, whole)
    if inputs.lung_shunt_sd_fraction is not None:
        sd = inputs.lung_shunt_sd_fraction
        found["lung_shunt"] = _joined([sd / (1 - one.lung_shunt_fraction) for one in deliveries], deliveries, whole)
    if inputs.residual_sd_fraction is not None:
        sd = inputs.residual_sd_fraction
        found["residual"] = _joined([sd / (1 - one.residual_fraction) for one in deliveries], deliveries, whole)
    return found


def measured_dose_budget(
    name: str,
    *,
    mean_gy: float,
    surrounding_gy: float,
    volume_ml: float,
    inputs: UncertaintyInputs,
    deliveries: Sequence[Delivery],
    image: Grid,
    counts_share_fraction: float = 0.0,
) -> UncertaintyBudget:
    """Budget of a mean dose that is not corrected for partial volume; its bias by partial volume is no part of it.

    The dose is counts over mass: the mass goes with the volume, the counts with the image's value on the boundary, which for a
    sphere of mean M in surroundings of B is B + (T - B) phi/2 with T = B + (M - B) / RC. Works for any segment that has a volume.

    ``counts_share_fraction`` is the segment's share f of the counts that share out the activity (0 for an image in Bq/mL): what
    the segment's counts err by is in the whole as well, so that 1 - f of it stays. The whole liver (f = 1) has the activity
    that was given, whatever the image shows, and the uncertainty of its mass.
    """
    kept = 1.0 - min(1.0, non_negative(counts_share_fraction, "counts_share_fraction"))
    positive(mean_gy, "mean_gy")
    sphere = _Sphere(volume_ml, inputs, image)
    relative = {term: kept * value for term, value in _image_terms(inputs, volume_ml).items()}
    lines: list[tuple[str, float, str]] = []
    contrast, loss = (mean_gy - surrounding_gy) / mean_gy, 0.0
    gross = volume_sd_fraction(volume_ml, boundary_sd_mm=inputs.boundary_sd_mm)
    if "volume" not in inputs.left_out:
        counts = kept * (1.0 - contrast + contrast * sphere.edge / sphere.recovery)
        lines += [
            ("volume", abs(counts - 1.0) * gross, ""),
            *_volume_parts(gross, counts_fraction=counts, recovery_fraction=0.0),
        ]
    if inputs.registration_mm is not None:
        lines.append(("registration", kept * abs(contrast) * sphere.registration(inputs.registration_mm), ""))
        loss = kept * contrast * sphere.registration_loss(inputs.registration_mm)
    lines += [(term, value, "") for term, value in (relative | delivery_fractions(inputs, deliveries)).items()]
    # The resolution plays no part in a dose that is not corrected for it.
    left_out = tuple(term for term in inputs.left_out if term != "recovery")
    return _budget(name, mean_gy, lines, (*left_out, "recovery"), loss)


def corrected_dose_budget(
    share: TumourShare,
    *,
    corrected_gy: float,
    volume_ml: float,
    inputs: UncertaintyInputs,
    deliveries: Sequence[Delivery],
    image: Grid,
) -> UncertaintyBudget:
    """Budget of a mean dose that is corrected for partial volume, with the covariances that go through the volume.

    Counts, recovery and mass all follow the volume: d ln C / d ln V = phi / (2 RC), d ln RC / d ln V = phi / RC - 1, mass 1. The
    dose C / (RC V) keeps  phi/(2 RC) - (phi/RC - 1) - 1 = - phi / (2 RC)  of u(V)/V: the net term ``volume``; its parts are
    shown below it. All of it acts on what the lesion has more than its surroundings.
    """
    positive(corrected_gy, "corrected_gy")
    sphere = _Sphere(volume_ml, inputs, image)
    contrast = abs(1.0 - share.surrounding_fraction)
    lines: list[tuple[str, float, str]] = []
    loss = 0.0
    gross = volume_sd_fraction(volume_ml, boundary_sd_mm=inputs.boundary_sd_mm)
    if "volume" not in inputs.left_out:
        phi = 2.0 * sphere.edge / sphere.recovery
        lines.append(("volume", contrast * phi / 2.0 * gross, ""))
        lines += _volume_parts(gross, counts_fraction=phi / 2.0, recovery_fraction=phi - 1.0)
    if inputs.fwhm_uncertainty_mm is not None:
        lines.append(("recovery", contrast * sphere.by_fwhm * inputs.fwhm_uncertainty_mm, ""))
    if inputs.registration_mm is not None:
        along = float(sum(slope**2 for slope in share.background_slope)) ** 0.5 / share.recovery_fraction
        both = math.hypot(contrast * sphere.registration(inputs.registration_mm), along * inputs.registration_mm)
        lines.append(("registration", both, ""))
        loss = (1.0 - share.surrounding_fraction) * sphere.registration_loss(inputs.registration_mm)
    terms = _image_terms(inputs, volume_ml)
    if "noise" in terms:
        terms["noise"] *= share.measured_fraction / share.recovery_fraction
    terms |= delivery_fractions(inputs, deliveries)
    lines += [(term, value, "") for term, value in terms.items()]
    return _budget(share.name, corrected_gy, lines, inputs.left_out, loss)


class _Sphere:
    """Sphere of a segment's volume at the resolution of the image's linear samples."""

    def __init__(self, volume_ml: float, inputs: UncertaintyInputs, image: Grid) -> None:
        self.diameter_mm = equivalent_diameter_mm(volume_ml)
        self.fwhm_mm = effective_fwhm_mm(inputs.fwhm_mm, voxel_mm=image.spacing_mm)
        self.recovery = gaussian_sphere_recovery(self.diameter_mm, fwhm_mm=self.fwhm_mm)
        self.edge = gaussian_sphere_edge(self.diameter_mm, fwhm_mm=self.fwhm_mm)
        more = gaussian_sphere_recovery(self.diameter_mm, fwhm_mm=self.fwhm_mm + _STEP_MM)
        less = gaussian_sphere_recovery(self.diameter_mm, fwhm_mm=self.fwhm_mm - _STEP_MM)
        # -d ln RC / d FWHM of the samples; FWHM^2 of the samples is that of the image plus a constant.
        self._by_sampled = (less - more) / (2.0 * _STEP_MM * self.recovery)
        self.by_fwhm = self._by_sampled * inputs.fwhm_mm / self.fwhm_mm

    def registration_loss(self, shift_sd_mm: float) -> float:
        """Mean relative loss of the mean by a shift of that standard deviation along each axis.

        A Gaussian obeys d RC / d sigma^2 = Laplacian / 2, so a shift s takes (s^2 / 3) |dRC/dsigma^2| on average over its
        direction; the mean of s^2 is 3 sd^2. It is what a blur by the shifts would take.
        """
        by_variance = self._by_sampled * FWHM_PER_SIGMA**2 / (2.0 * self.fwhm_mm)
        return shift_sd_mm**2 * by_variance

    def registration(self, shift_sd_mm: float) -> float:
        """Root mean square of that loss: s^2 has the mean 3 sd^2 and the mean square 15 sd^4."""
        return math.sqrt(15.0) / 3.0 * self.registration_loss(shift_sd_mm)


def _image_terms(inputs: UncertaintyInputs, volume_ml: float) -> dict[str, float]:
    found: dict[str, float] = {}
    if inputs.calibration_fraction is not None:
        found["calibration"] = inputs.calibration_fraction
    if inputs.noise_fraction is not None:
        found["noise"] = noise_fraction_of_mean(inputs.noise_fraction, volume_ml=volume_ml, fwhm_mm=inputs.fwhm_mm)
    return found


def _volume_parts(
    gross_fraction: float, *, counts_fraction: float, recovery_fraction: float
) -> list[tuple[str, float, str]]:
    """What stands below the volume's net term: all of it, and what counts and recovery take of it."""
    parts = (
        ("volume_gross", 1.0),
        ("volume_through_counts", counts_fraction),
        ("volume_through_recovery", recovery_fraction),
    )
    return [(name, abs(factor) * gross_fraction, "volume") for name, factor in parts]


def _joined(relative: Sequence[float], deliveries: Sequence[Delivery], whole_fraction: float) -> float:
    weighted = [
        one.dose_share_fraction / whole_fraction * value for one, value in zip(deliveries, relative, strict=True)
    ]
    return math.sqrt(math.fsum(value**2 for value in weighted))


def _budget(
    name: str,
    dose_gy: float,
    lines: Sequence[tuple[str, float, str]],
    left_out: tuple[str, ...],
    loss_fraction: float,
) -> UncertaintyBudget:
    terms = tuple(UncertaintyTerm(term, value, value * dose_gy, part_of) for term, value, part_of in lines)
    return UncertaintyBudget(name, dose_gy, terms, left_out, loss_fraction)
