"""Simulated 99mTc-MAA SPECT: expected counts of a known activity distribution on the scanner's grid, and Poisson counts."""

from __future__ import annotations

import numpy as np
from scipy import special

from ytterby.errors import DomainError
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.units import positive

__all__ = [
    "FWHM_MM",
    "SPECT_GRID",
    "TOTAL_COUNTS",
    "expected_image",
    "poisson_image",
    "spread_matrix",
]

FWHM_MM = 12.0
"""Resolution of a reconstructed 99mTc SPECT with a low-energy high-resolution collimator: 10 to 15 mm. An assumption."""
TOTAL_COUNTS = 8e6
"""Expected counts of one reconstructed image. An assumption."""

# Off the CT's lattice on purpose: nothing may rely on shared voxel centres.
SPECT_GRID = Grid.axis_aligned((96, 72, 70), (4.42, 4.42, 4.42), origin_mm=(-208.6, -159.0, -151.8))


def spread_matrix(
    source_mm: FloatArray, source_step_mm: float, target_mm: FloatArray, target_step_mm: float, *, sigma_mm: float
) -> FloatArray:
    """Share (targets, sources) of what lies evenly in each source interval that a Gaussian puts into each target interval.

    Intervals are given by centre and width. Exact: the double integral of the Gaussian over both intervals. The columns add up to
    1 where the targets cover all that a source is spread to.

    Notes
    -----
    With H(x) = x Phi(x/s) + s phi(x/s), whose second derivative is the Gaussian density, the integral over [u0, u1] x [v0, v1]
    is H(v1 - u0) - H(v1 - u1) - H(v0 - u0) + H(v0 - u1).
    """
    positive(sigma_mm, "sigma_mm")
    low, high = source_mm - source_step_mm / 2, source_mm + source_step_mm / 2
    bottom, top = target_mm[:, None] - target_step_mm / 2, target_mm[:, None] + target_step_mm / 2

    def twice_integrated(x: FloatArray) -> FloatArray:
        z = x / sigma_mm
        return np.asarray(x * special.ndtr(z) + sigma_mm * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))

    whole = twice_integrated(top - low) - twice_integrated(top - high) - twice_integrated(bottom - low)
    # Rounding leaves values of -1e-17 far from the source.
    return np.asarray(np.maximum((whole + twice_integrated(bottom - high)) / source_step_mm, 0.0))


def expected_image(
    amount: FloatArray, grid: Grid, *, fwhm_mm: float = FWHM_MM, scanner: Grid = SPECT_GRID
) -> FloatArray:
    """Expected amount in each voxel of ``scanner`` of an ``amount`` per voxel of ``grid`` (both axis-aligned), after blurring.

    The sum is kept, but for what is spread beyond the scanner's field of view.

    Raises
    ------
    DomainError
        A grid's axes do not run along L, P and S, or an amount is negative or not finite.
    """
    for one in (grid, scanner):
        if not np.allclose(one.affine[:3, :3], np.diag(one.spacing_mm)):
            raise DomainError("the simulated scanner needs grids along L, P and S", remedy="use Grid.axis_aligned")
    if not np.all(np.isfinite(amount)) or float(amount.min()) < 0:
        raise DomainError("an amount is negative or not finite", remedy="check the activity distribution")
    image = np.asarray(amount, dtype=np.float64)
    for axis in range(3):
        matrix = spread_matrix(
            grid.affine[axis, 3] + grid.spacing_mm[axis] * np.arange(grid.shape[axis]),
            grid.spacing_mm[axis],
            scanner.affine[axis, 3] + scanner.spacing_mm[axis] * np.arange(scanner.shape[axis]),
            scanner.spacing_mm[axis],
            sigma_mm=fwhm_mm / FWHM_PER_SIGMA,
        )
        image = np.moveaxis(np.tensordot(matrix, image, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(image)


def poisson_image(
    expected: FloatArray, rng: np.random.Generator, *, total_counts: float = TOTAL_COUNTS, scanner: Grid = SPECT_GRID
) -> Volume:
    """SPECT of integer counts: Poisson draws round ``expected``, scaled to ``total_counts`` over the image."""
    scale = positive(total_counts, "total_counts") / positive(float(expected.sum()), "the sum of the expected image")
    counts = rng.poisson(expected * scale).astype(np.int64)
    if int(counts.max()) > np.iinfo(np.uint16).max:
        raise DomainError("a voxel holds more counts than 16 bits can", remedy="lower total_counts")
    return Volume(counts.astype(np.uint16), scanner, Quantity.COUNTS)
