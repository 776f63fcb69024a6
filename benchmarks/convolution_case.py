"""Kernel convolution of a liver-sized activity: ours beside scipy's fftconvolve and numpy's rfftn, both in float64.

``scipy.signal.fftconvolve`` in float64 is how PyTheranostics convolves; ``numpy.fft.rfftn`` in float64 on the whole image, padded
to a fast length, is how Taranis does. The outputs are compared in the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SEED = 20261124
FIELD_MM = 565.76  # 128 voxels of 4.42 mm, or 256 of 2.21 mm
SEMI_AXES_MM = (95.0, 75.0, 60.3)  # an ellipsoid of 1.8 L
SIZES = {"full": ("128/13", "128/51", "256/13", "256/51"), "small": ("32/7", "32/13")}
LIMIT = 1e-5  # greatest difference, as a share of the maximum
TIMES_FASTER = {"128/13": 5.0, "128/51": 5.0, "256/13": 4.0, "256/51": 4.0}  # what we set out for, at least


@dataclass(frozen=True)
class Input:
    """Activity in each voxel, and the shares of a decay's energy around it."""

    activity: np.ndarray
    shares: np.ndarray


def prepare(side: int, kernel_side: int) -> Input:
    """An ellipsoid of 1.8 L of uneven activity with three hot tumours, in float64 as the peers want it, and a kernel.

    The kernel falls like that of beta particles and has a thin tail; its numbers do not matter for the time, its side does.
    """
    spacing_mm = FIELD_MM / side
    axis = (np.arange(side) - (side - 1) / 2) * spacing_mm
    place = (axis[:, None, None], axis[None, :, None], axis[None, None, :])
    liver = sum((p / a) ** 2 for p, a in zip(place, SEMI_AXES_MM, strict=True)) <= 1.0
    activity = np.zeros((side, side, side))
    activity[liver] = np.random.default_rng(SEED).gamma(4.0, 0.25, int(liver.sum()))
    for centre, radius_mm in (((30.0, 10.0, 5.0), 20.0), ((-40.0, -15.0, 10.0), 12.0), ((-5.0, 30.0, -20.0), 30.0)):
        ball = sum((p - c) ** 2 for p, c in zip(place, centre, strict=True)) <= radius_mm**2
        activity[ball & liver] *= 5.0
    step = np.abs(np.arange(kernel_side) - kernel_side // 2) * spacing_mm
    distance_mm = np.sqrt(step[:, None, None] ** 2 + step[None, :, None] ** 2 + step[None, None, :] ** 2)
    shares = np.exp(-distance_mm / 1.5) + 1e-8
    return Input(activity, shares / shares.sum())


def prepare_size(size: str) -> Input:
    """The input of a size written as side/kernel side."""
    side, kernel_side = (int(part) for part in size.split("/"))
    return prepare(side, kernel_side)


def ours(data: Input) -> Callable[[], np.ndarray]:
    """Cropped to the activity, real FFT in float32."""
    from ytterby.dosimetry.convolution import convolve_energy

    return lambda: convolve_energy(data.activity, data.shares)


def scipy_fftconvolve_float64(data: Input) -> Callable[[], np.ndarray]:
    """The whole image by ``scipy.signal.fftconvolve``."""
    from scipy.signal import fftconvolve

    return lambda: fftconvolve(data.activity, data.shares, mode="same")


def numpy_rfftn_float64(data: Input) -> Callable[[], np.ndarray]:
    """The whole image by numpy's real FFT, padded to a length with the factors 2, 3 and 5 alone."""
    from scipy.fft import next_fast_len

    axes = (0, 1, 2)
    pairs = list(zip(data.activity.shape, data.shares.shape, strict=True))
    padded = [next_fast_len(n + side - 1, real=True) for n, side in pairs]
    middle = tuple(slice(side // 2, side // 2 + n) for n, side in pairs)

    def convolved() -> np.ndarray:
        spectrum = np.fft.rfftn(data.activity, padded, axes=axes)
        spectrum *= np.fft.rfftn(data.shares, padded, axes=axes)
        return np.ascontiguousarray(np.fft.irfftn(spectrum, padded, axes=axes)[middle])

    return convolved


def agreement(one: Any, other: Any) -> dict[str, float]:
    """Greatest difference as a share of the maximum, and the relative difference of the sums."""
    greatest = max(float(np.max(np.abs(a - b))) for a, b in zip(one, other, strict=True))
    total = float(np.sum(other, dtype=np.float64))
    return {
        "dose": greatest / float(np.max(other)),
        "energy": abs(float(np.sum(one, dtype=np.float64)) / total - 1.0),
    }
