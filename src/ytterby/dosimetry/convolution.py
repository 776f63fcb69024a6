"""Energy deposited around decays: the activity of every voxel, spread by the energy shares of a kernel.

The convolution is linear and zero-padded: outside the grid there is no activity, and energy that leaves the grid is gone. It is
done by real FFT in float32 on the box that the activity can reach, one thread, so that the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft

from ytterby.errors import DomainError, GeometryError
from ytterby.model.volume import FloatArray

__all__ = ["Box", "convolve_energy", "convolved_box", "energy_kept_fraction"]

Box = tuple[slice, slice, slice]
"""A box of voxels of a grid, one slice for each axis."""


def convolve_energy(activity: FloatArray, shares: FloatArray) -> npt.NDArray[np.float32]:
    """Energy in every voxel, in the unit of ``activity``: sum over voxels j of shares(i - j) x activity(j); float32, its shape.

    ``shares`` (odd sides) is the share of a decay's energy that every voxel around the decaying one absorbs; where it sums to 1
    and nothing leaves the grid, the energy sums to the activity. Source: Bolch et al., MIRD pamphlet 17, J Nucl Med 1999;40:11S.

    Raises
    ------
    GeometryError
        An array does not have three axes, or a side of the kernel is even.
    DomainError
        A number is not finite.

    Examples
    --------
    >>> activity = np.zeros((3, 1, 1))
    >>> activity[1] = 2.0
    >>> shares = np.reshape([0.25, 0.5, 0.25], (3, 1, 1))
    >>> [round(float(energy), 6) for energy in convolve_energy(activity, shares)[:, 0, 0]]
    [0.5, 1.0, 0.5]
    """
    box, inside = convolved_box(activity, shares)
    energy = np.zeros(activity.shape, dtype=np.float32)
    energy[box] = inside
    return energy


def convolved_box(activity: FloatArray, shares: FloatArray) -> tuple[Box, npt.NDArray[np.float32]]:
    """The box of voxels that the energy can reach, and the energy in it; every other voxel of the grid gets exactly none.

    The box holds all voxels with activity, grown by half the kernel and cut at the grid. As ``convolve_energy``, without an
    array of the whole grid. Where neither activity nor kernel is negative no energy is: rounding below 0 (about 1e-7 of the
    greatest value) is set to 0, and the rest scaled so that the sum in the box stays what it was.

    Raises
    ------
    GeometryError
        An array does not have three axes, or a side of the kernel is even.
    DomainError
        A number is not finite.
    """
    if activity.ndim != 3 or shares.ndim != 3 or any(side % 2 == 0 for side in shares.shape):
        raise GeometryError(
            f"an activity of shape {activity.shape} cannot be convolved with a kernel of shape {shares.shape}",
            remedy="give both three axes, and the kernel odd sides, so that it has a middle voxel",
        )
    source = _occupied(activity)
    if source is None:
        return (slice(0, 0), slice(0, 0), slice(0, 0)), np.zeros((0, 0, 0), dtype=np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        emitted = activity[source].astype(np.float32)
        kernel = _reachable(shares, source, activity.shape).astype(np.float32)
    if not (np.all(np.isfinite(emitted)) and np.all(np.isfinite(kernel))):
        # By FFT a single one would make every voxel undefined.
        raise DomainError(
            "an activity or a kernel share is not a finite number (or too large)", remedy="check the image for NaN"
        )
    wanted, lengths, box = [], [], []
    for axis, (part, side, n) in enumerate(zip(source, kernel.shape, activity.shape, strict=True)):
        # In the whole linear convolution, of side part + side - 1, the grid's first voxel has the index half - part.start.
        half, whole_side = side // 2, part.stop - part.start + side - 1
        first = max(0, half - part.start)
        last = min(whole_side, half - part.start + n)
        # The FFT may be so short that what wraps around falls on voxels that lie outside the grid, and on no other.
        shortest = max(whole_side - first, last, side)
        wanted.append(slice(first, last))
        lengths.append(fft.next_fast_len(shortest, real=axis == 2))
        box.append(slice(part.start - half + first, part.start - half + last))
    spectrum = _spectrum(emitted, lengths)
    spectrum *= _spectrum(kernel, lengths)
    energy = _values(spectrum, lengths, wanted)
    if emitted.min() >= 0 and kernel.min() >= 0:
        energy = _without_negatives(energy)
    i, j, k = box
    return (i, j, k), energy


def energy_kept_fraction(activity: FloatArray, energy: FloatArray) -> float:
    """Share of the energy of ``activity`` that ``energy`` holds: below 1 where some left the grid.

    Raises
    ------
    DomainError
        There is no activity in sum.
    """
    released = float(activity.sum(dtype=np.float64))
    if not released > 0:
        raise DomainError("there is no activity whose energy could be kept", remedy="check the image")
    return float(energy.sum(dtype=np.float64)) / released


def _occupied(activity: FloatArray) -> Box | None:
    """Smallest box with all voxels that are not 0; None where there is none."""
    box: list[slice] = []
    rest = activity
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(rest.any(axis=others))
        if found.size == 0:
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
        rest = activity[tuple(box)]
    i, j, k = box
    return i, j, k


def _reachable(shares: FloatArray, source: Box, shape: tuple[int, ...]) -> FloatArray:
    """The kernel without what would fall outside the grid from every voxel of ``source``; its sides stay odd."""
    parts = []
    for side, part, n in zip(shares.shape, source, shape, strict=True):
        reach = min(side // 2, max(n - 1 - part.start, part.stop - 1))
        parts.append(slice(side // 2 - reach, side // 2 + reach + 1))
    return shares[tuple(parts)]


def _spectrum(values: npt.NDArray[np.float32], lengths: Sequence[int]) -> npt.NDArray[np.complex64]:
    """Fourier transform of real values, padded with zeros to ``lengths``: rows that hold zeros alone are not transformed."""
    spectrum = fft.rfft(values, lengths[2], axis=2, workers=1)
    spectrum = fft.fft(spectrum, lengths[1], axis=1, workers=1)
    return np.asarray(fft.fft(spectrum, lengths[0], axis=0, workers=1))


def _values(
    spectrum: npt.NDArray[np.complex64], lengths: Sequence[int], wanted: Sequence[slice]
) -> npt.NDArray[np.float32]:
    """The wanted part of what a spectrum is the transform of: each axis is cut as soon as it is transformed back."""
    i, j, k = wanted
    rest = fft.ifft(spectrum, axis=0, overwrite_x=True, workers=1)[i]
    rest = fft.ifft(rest, axis=1, workers=1)[:, j]
    return np.asarray(fft.irfft(rest, lengths[2], axis=2, workers=1)[:, :, k])


def _without_negatives(energy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Negative numbers set to 0 and the others scaled down, so that the sum does not change."""
    total = float(energy.sum(dtype=np.float64))
    kept = np.maximum(energy, np.float32(0.0))
    above = float(kept.sum(dtype=np.float64))
    if above > 0:
        kept *= np.float32(max(total, 0.0) / above)
    return kept
