"""Recovery of a blurred lesion: the Gaussian sphere in closed form, measured tables, and correction for background.

The recovery coefficient is the share of its own concentration that a lesion's mean keeps in the image when all around is cold.
Theory: docs/theory/partial-volume.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ytterby.errors import DomainError, EstimationError
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.dose import Notice
from ytterby.units import non_negative, positive

__all__ = [
    "GearRecovery",
    "RecoveryTable",
    "corrected_mean_gy",
    "effective_fwhm_mm",
    "equivalent_diameter_mm",
    "fitted_recovery",
    "gaussian_sphere_centre",
    "gaussian_sphere_edge",
    "gaussian_sphere_recovery",
    "size_notices",
]

_SMALL_MM = 20.0
_SMALL_FWHM = 2.5


def equivalent_diameter_mm(volume_ml: float) -> float:
    """Diameter of the sphere of that volume.

    Examples
    --------
    >>> round(equivalent_diameter_mm(4.18879), 3)
    20.0
    """
    return float((6000.0 * positive(volume_ml, "volume_ml") / math.pi) ** (1.0 / 3.0))


def effective_fwhm_mm(fwhm_mm: float, *, voxel_mm: tuple[float, float, float]) -> float:
    """Resolution of linear samples of an image of that resolution and voxel size.

    Linear interpolation is a blur by a triangle of half-width one voxel, of variance voxel^2 / 6 along its axis; variances add
    up, and the mean over the three axes is taken.

    Examples
    --------
    >>> round(effective_fwhm_mm(12.0, voxel_mm=(4.42, 4.42, 4.42)), 2)
    12.73
    """
    extra = sum(positive(side, "voxel_mm") ** 2 for side in voxel_mm) / 18.0
    return math.hypot(positive(fwhm_mm, "fwhm_mm"), FWHM_PER_SIGMA * math.sqrt(extra))


def gaussian_sphere_recovery(diameter_mm: float, *, fwhm_mm: float) -> float:
    """Recovery coefficient: mean, within its true boundary, of a uniform sphere of 1 in cold surroundings after a Gaussian blur.

    The mean over all pairs of points of the sphere of the Gaussian at their distance r, times the volume. With T = d / sigma, the
    density of distances in a ball 3r^2/R^3 - 9r^3/(4R^4) + 3r^5/(16R^6) leaves

        RC = sqrt(2/pi)/3 (3 I2 - (9/4)(2/T) I3 + (3/16)(2/T)^3 I5),   In = integral of u^n exp(-u^2/2) from 0 to T

    Source: derived in docs/theory/partial-volume.md; the density of distances in a ball is that of geometric probability.

    Examples
    --------
    >>> [round(gaussian_sphere_recovery(d, fwhm_mm=12.0), 3) for d in (10.0, 20.0, 37.0)]
    [0.151, 0.443, 0.679]
    """
    t = positive(diameter_mm, "diameter_mm") * FWHM_PER_SIGMA / positive(fwhm_mm, "fwhm_mm")
    if (
        t < 0.2
    ):  # the closed form is a difference of nearly equal numbers; the sphere is a point with a tail of order t^2
        return float(math.sqrt(2.0 / math.pi) * t**3 / 24.0 * (1.0 - 0.15 * t**2))
    gauss = math.exp(-0.5 * t * t)
    i2 = math.sqrt(math.pi / 2.0) * math.erf(t / math.sqrt(2.0)) - t * gauss
    i3 = 2.0 - (t**2 + 2.0) * gauss
    i5 = 8.0 - (t**4 + 4.0 * t**2 + 8.0) * gauss
    return float(math.sqrt(2.0 / math.pi) / 3.0 * (3.0 * i2 - 4.5 / t * i3 + 1.5 / t**3 * i5))


def gaussian_sphere_centre(diameter_mm: float, *, fwhm_mm: float) -> float:
    """Value at the centre of a uniform sphere of 1 in cold surroundings after a Gaussian blur.

    erf(z) - (2/sqrt(pi)) z exp(-z^2) with z = R / (sqrt(2) sigma): the share of a Gaussian within R of its middle.

    Examples
    --------
    >>> round(gaussian_sphere_centre(20.0, fwhm_mm=12.0), 3)
    0.722
    """
    z = positive(diameter_mm, "diameter_mm") * FWHM_PER_SIGMA / (2.0 * math.sqrt(2.0) * positive(fwhm_mm, "fwhm_mm"))
    return math.erf(z) - 2.0 / math.sqrt(math.pi) * z * math.exp(-z * z)


def gaussian_sphere_edge(diameter_mm: float, *, fwhm_mm: float) -> float:
    """Value on the boundary of a uniform sphere of 1 in cold surroundings after a Gaussian blur; below 0.5, its limit.

    Half of phi = erf(2R/(sqrt(2) sigma)) - (2 sigma / (sqrt(2 pi) R)) (1 - exp(-2 R^2 / sigma^2)), which says how fast counts
    grow with the volume of interest: d ln C / d ln V = phi / (2 RC) (Gear et al. 2018, doi:10.1007/s00259-018-4136-7).

    Examples
    --------
    >>> round(gaussian_sphere_edge(40.0, fwhm_mm=12.0), 4)
    0.3984
    """
    t = positive(diameter_mm, "diameter_mm") * FWHM_PER_SIGMA / positive(fwhm_mm, "fwhm_mm")
    phi = math.erf(t / math.sqrt(2.0)) + 4.0 / (math.sqrt(2.0 * math.pi) * t) * math.expm1(-0.5 * t * t)
    return 0.5 * phi


def corrected_mean_gy(mean_gy: float, background_gy: float, *, recovery_fraction: float) -> float:
    """Mean dose of a lesion corrected for spill-out and for what its surroundings spill in: (M - (1 - RC) B) / RC.

    Raises
    ------
    DomainError
        The recovery coefficient does not lie in (0, 1], or the surroundings explain more than the whole mean.

    Examples
    --------
    >>> round(corrected_mean_gy(60.0, 20.0, recovery_fraction=0.5), 1)
    100.0
    """
    if not 0.0 < recovery_fraction <= 1.0:
        raise DomainError(
            f"a recovery coefficient lies in (0, 1], got {recovery_fraction}",
            remedy="check the table, or the resolution and the size of the lesion",
        )
    true_gy = (mean_gy - (1.0 - recovery_fraction) * background_gy) / recovery_fraction
    if true_gy < 0.0:
        raise DomainError(
            "the surroundings explain more than the lesion's whole mean: no correction can be given",
            remedy="report the uncorrected mean, or check segment and registration",
        )
    return true_gy


@dataclass(frozen=True)
class RecoveryTable:
    """Recovery coefficients measured with spheres of a phantom, by diameter; ``source`` says where and how.

    Raises
    ------
    DomainError
        Fewer than two spheres, diameters that do not rise, or coefficients that fall or leave (0, 1].
    """

    diameter_mm: tuple[float, ...]
    recovery_fraction: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        diameters, values = np.array(self.diameter_mm), np.array(self.recovery_fraction)
        if diameters.size != values.size or diameters.size < 2:
            raise DomainError(
                f"{diameters.size} diameters and {values.size} coefficients make no table",
                where=self.source,
                remedy="give at least two spheres, each with its recovery coefficient",
            )
        if not (np.all(np.diff(diameters) > 0) and diameters[0] > 0):
            raise DomainError("diameters must be above 0 and rise", where=self.source, remedy="sort the table")
        if not (np.all(np.diff(values) >= 0) and values[0] > 0 and values[-1] <= 1.0):
            raise DomainError(
                "recovery coefficients must lie in (0, 1] and not fall with the diameter",
                where=self.source,
                remedy="give fractions, measured with the volume of interest on the sphere's true boundary",
            )

    def recovery_at(self, diameter_mm: float) -> float:
        """Recovery coefficient at a diameter: linear between spheres; the largest sphere's holds above it.

        Raises
        ------
        DomainError
            The diameter lies below the smallest sphere: what was not measured is not guessed.
        """
        if diameter_mm < self.diameter_mm[0]:
            raise DomainError(
                f"a lesion of {diameter_mm:.1f} mm is smaller than the smallest sphere, {self.diameter_mm[0]:.1f} mm",
                where=self.source,
                remedy="measure a smaller sphere, or leave the lesion uncorrected",
            )
        return float(np.interp(diameter_mm, self.diameter_mm, self.recovery_fraction))


@dataclass(frozen=True)
class GearRecovery:
    """Recovery coefficient as a curve: RC(V) = 1 - 1 / (1 + (V / alpha)^beta); ``exponent`` is beta.

    Source: Gear et al. 2018, doi:10.1007/s00259-018-4136-7.
    """

    alpha_ml: float
    exponent: np.floating

    def recovery_at(self, diameter_mm: float) -> float:
        """Recovery coefficient of a sphere of that diameter."""
        volume_ml = math.pi * positive(diameter_mm, "diameter_mm") ** 3 / 6000.0
        return float(1.0 - 1.0 / (1.0 + (volume_ml / self.alpha_ml) ** self.exponent))


def fitted_recovery(table: RecoveryTable) -> GearRecovery:
    """The curve of Gear et al. through a table, by least squares on ln(RC / (1 - RC)), which is a line in ln V.

    Raises
    ------
    EstimationError
        A coefficient of 1, which the curve never reaches, or coefficients that do not rise.
    """
    values = np.array(table.recovery_fraction)
    if values[-1] >= 1.0 or values[-1] <= values[0]:
        raise EstimationError(
            "the curve RC = 1 - 1/(1 + (V/alpha)^beta) needs coefficients that rise and stay below 1",
            where=table.source,
            remedy="use the table as it is",
        )
    log_volume = np.log(np.pi * np.array(table.diameter_mm) ** 3 / 6000.0)
    slope, offset = np.polyfit(log_volume, np.log(values / (1.0 - values)), 1)
    return GearRecovery(alpha_ml=float(np.exp(-offset / slope)), exponent=np.float64(slope))


def size_notices(name: str, *, volume_ml: float, longest_mm: float | None, fwhm_mm: float) -> tuple[Notice, ...]:
    """Flags of a lesion that partial volume distorts: under 2 cm, or under 2.5 times the image's FWHM.

    Looked at are the diameter of the sphere of equal volume and, where it is given, the longest diameter; the smaller one
    decides. An object keeps its true value from about 2.5 x FWHM on; lesions under 2 cm were excluded by Watanabe et al. 2024
    (doi:10.2967/jnumed.124.267774).
    """
    sphere_mm = equivalent_diameter_mm(volume_ml)
    diameter_mm = sphere_mm if longest_mm is None else min(sphere_mm, non_negative(longest_mm, "longest_mm"))
    notices = []
    if diameter_mm < _SMALL_MM:
        text = f"{name} has a diameter of {diameter_mm:.0f} mm, under 20 mm: its dose is not reliable."
        notices.append(Notice("lesion_under_20_mm", text))
    if diameter_mm < _SMALL_FWHM * positive(fwhm_mm, "fwhm_mm"):
        limit_mm = _SMALL_FWHM * fwhm_mm
        text = (
            f"{name} has a diameter of {diameter_mm:.0f} mm, under 2.5 x FWHM = {limit_mm:.0f} mm: "
            "its uncorrected mean dose is too low by partial volume."
        )
        notices.append(Notice("lesion_under_2_5_fwhm", text))
    return tuple(notices)
