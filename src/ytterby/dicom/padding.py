"""Padding of a CT: pixels outside the reconstructed circle, which hold no measured value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ytterby.dicom.header import number
from ytterby.dicom.pixels import PixelFormat

__all__ = ["AIR_HU", "TISSUE_HU", "Padding", "padding_hu", "padding_of", "without_padding"]

AIR_HU = -1024
"""What padding outside the image of a CT is read as: the lowest value of the 12-bit scale, air."""
TISSUE_HU = (-1024, 3071)
"""Range of the 12-bit scale: a padding value within it may be a measured one, and is left as it is."""


@dataclass(frozen=True, eq=False)
class Padding:
    """Where the padding is, and whether it is a value that the stored bits can hold (else what stands there means nothing)."""

    mask: npt.NDArray[np.bool_]
    is_value: bool


def padding_of(
    patterns: npt.NDArray[Any], values: npt.NDArray[Any], pixels: PixelFormat, dataset: Dataset
) -> Padding | None:
    """Padding outside the image (PixelPaddingValue and its limit, DICOM PS3.3 C.7.5.1.1.2); None where there is none."""
    value, limit = number(dataset, "PixelPaddingValue"), number(dataset, "PixelPaddingRangeLimit")
    if value is None or pixels.allocated == 1:
        return None
    low, high = sorted((_padding(value, pixels), _padding(value if limit is None else limit, pixels)))
    ends = (-(2 ** (pixels.stored - 1)), 2 ** (pixels.stored - 1) - 1) if pixels.signed else (0, 2**pixels.stored - 1)
    within = ends[0] <= low and high <= ends[1]
    if within:
        found = values == low if low == high else (values >= low) & (values <= high)
    elif low == high:
        # Some scanners pad with all the bits that are allocated.
        found = patterns == low % (1 << pixels.allocated)
    else:
        return None
    return Padding(found, within) if bool(found.any()) else None


def _padding(value: float, pixels: PixelFormat) -> int:
    # The value may have been written with the other sign (US for SS): it is the same pattern.
    whole = int(value) % (1 << pixels.allocated)
    return whole - (1 << pixels.allocated) if pixels.signed and whole >= 2 ** (pixels.allocated - 1) else whole


def padding_hu(dataset: Dataset, name: str, *, slope: float, intercept: float) -> tuple[float, float] | None:
    """Least and greatest HU that the padding of a slice would have if it were read as it stands; None where none is stated.

    Raises
    ------
    DicomError
        The format of the pixels makes no sense.
    """
    value, limit = number(dataset, "PixelPaddingValue"), number(dataset, "PixelPaddingRangeLimit")
    if value is None:
        return None
    pixels = PixelFormat.of(dataset, name)
    ends = [_padding(end, pixels) * slope + intercept for end in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def without_padding(hu: npt.NDArray[Any], padding: Padding | None) -> None:
    """Set padding in ``hu`` to ``AIR_HU``, where it is no value that tissue may have (``TISSUE_HU``)."""
    if padding is None:
        return
    mask = padding.mask
    if padding.is_value:
        mask = mask & ((hu < TISSUE_HU[0]) | (hu > TISSUE_HU[1]))
    hu[mask] = AIR_HU
