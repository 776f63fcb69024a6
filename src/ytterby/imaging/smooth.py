"""Two images brought to one resolution: the sharper is smoothed by a Gaussian, whose widths add in quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import ndimage, optimize

from ytterby.errors import DomainError, GeometryError
from ytterby.model.volume import FloatArray, Volume
from ytterby.units import non_negative, positive

__all__ = [
    "FWHM_PER_SIGMA",
    "MatchedResolution",
    "Smoothed",
    "matched_resolution",
    "quadrature_difference_mm",
    "smooth",
]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian over its standard deviation, 2.3548."""

_REACH = 6.0  # standard deviations; what lies beyond holds 2e-9
_NO_WIDTH = 1e-12
_SQUARE = 1e-4


class Smoothed(StrEnum):
    """Which of two images was smoothed to the resolution of the other."""

    PREDICTED = "predicted"
    DELIVERED = "delivered"
    NEITHER = "neither"


@dataclass(frozen=True, eq=False)
class MatchedResolution:
    """Two volumes of one resolution: which of them was smoothed, and by what Gaussian (0 where neither was)."""

    predicted: Volume
    delivered: Volume
    smoothed: Smoothed
    kernel_fwhm_mm: float


def quadrature_difference_mm(wide_fwhm_mm: float, narrow_fwhm_mm: float) -> float:
    """FWHM of the Gaussian that turns the narrow resolution into the wide one.

    Gaussians convolve to a Gaussian whose variance is the sum of theirs, so that FWHM add in quadrature: sqrt(w^2 - v^2). Theory:
    docs/theory/verification.md.

    Raises
    ------
    DomainError
        A width is not above 0, or the wide one is the smaller.

    Examples
    --------
    >>> quadrature_difference_mm(13.0, 5.0)
    12.0
    """
    wide, narrow = positive(wide_fwhm_mm, "wide_fwhm_mm"), positive(narrow_fwhm_mm, "narrow_fwhm_mm")
    if wide < narrow:
        raise DomainError(
            f"an image of {narrow:g} mm cannot be smoothed to {wide:g} mm",
            remedy="exchange the two: smoothing only widens",
        )
    return math.sqrt((wide - narrow) * (wide + narrow))


def smooth(volume: Volume, fwhm_mm: float) -> Volume:
    """``volume`` convolved with an isotropic Gaussian of ``fwhm_mm`` (0: as it is); the sum of all samples is kept.

    Along each axis the kernel is a Gaussian read off at the voxels. Below about one voxel such a kernel is too narrow, so it is
    there made as wide as gives it the wanted variance: widths add in quadrature on coarse voxels too. Samples are mirrored at
    the faces of the grid, so that nothing leaves it.

    Raises
    ------
    DomainError
        The width is below 0.
    GeometryError
        The axes of the grid are not at right angles.
    """
    width = non_negative(fwhm_mm, "fwhm_mm")
    if width == 0.0:
        return volume
    spacing_mm = np.array(volume.grid.spacing_mm)
    steps = volume.grid.affine[:3, :3] / spacing_mm
    if not np.allclose(steps.T @ steps, np.eye(3), atol=_SQUARE):
        raise GeometryError(
            "the axes of the image are not at right angles: it cannot be smoothed evenly",
            where=volume.source,
            remedy="resample the image onto a grid with right angles",
        )
    array = np.asarray(volume.array, dtype=np.float64)
    for axis, side_mm in enumerate(spacing_mm):
        kernel = _gaussian_weights(float((width / FWHM_PER_SIGMA / side_mm) ** 2))
        array = ndimage.correlate1d(array, kernel, axis=axis, mode="reflect")
    return volume.with_array(array)


def matched_resolution(
    predicted: Volume, delivered: Volume, *, predicted_fwhm_mm: float, delivered_fwhm_mm: float
) -> MatchedResolution:
    """Both volumes at the resolution of the less sharp one; each stays on its own grid.

    Raises
    ------
    DomainError
        A resolution is not above 0.
    GeometryError
        As ``smooth``.
    """
    first, second = positive(predicted_fwhm_mm, "predicted_fwhm_mm"), positive(delivered_fwhm_mm, "delivered_fwhm_mm")
    kernel_mm = quadrature_difference_mm(max(first, second), min(first, second))
    if kernel_mm == 0.0:
        return MatchedResolution(predicted, delivered, Smoothed.NEITHER, 0.0)
    if first < second:
        return MatchedResolution(smooth(predicted, kernel_mm), delivered, Smoothed.PREDICTED, kernel_mm)
    return MatchedResolution(predicted, smooth(delivered, kernel_mm), Smoothed.DELIVERED, kernel_mm)


def _gaussian_weights(variance_pixels: float) -> FloatArray:
    """Weights exp(-n^2 / 2 s), n from -r to r, sum 1, whose variance is ``variance_pixels`` (voxels squared)."""
    if variance_pixels < _NO_WIDTH:
        return np.ones(1)
    reach = math.ceil(_REACH * math.sqrt(max(variance_pixels, 1.0)))
    squares = np.arange(-reach, reach + 1, dtype=np.float64) ** 2

    def excess(spread_pixels: float) -> float:
        weights = np.exp(-squares / (2.0 * spread_pixels))
        return float((weights * squares).sum() / weights.sum()) - variance_pixels

    # From one voxel on the variance of the samples is that of the Gaussian, to 1 in 10 million.
    spread = variance_pixels if variance_pixels >= 1.0 else float(optimize.brentq(excess, 0.015, 1.5, xtol=1e-14))
    weights = np.exp(-squares / (2.0 * spread))
    return np.asarray(weights / weights.sum())
