"""Stored values to samples: their type, and the rescale into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ytterby.dicom.header import number
from ytterby.model.volume import Quantity

__all__ = ["narrowed", "rescale", "sample_type"]

_INT16 = np.iinfo(np.int16)


def narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as int16, where it is int32 and its values fit; else itself."""
    if array.dtype == np.int32 and array.min() >= _INT16.min and array.max() <= _INT16.max:
        return array.astype(np.int16)
    return array


def rescale(stored: npt.NDArray[Any], slope: float, intercept: float, *, out: npt.NDArray[Any]) -> None:
    """Write slope * stored + intercept into ``out``; for integers the caller has seen that the result fits.

    In integers that wrap, a sum is exact whenever its result fits, whatever passes by on the way.
    """
    if out.dtype.kind != "i":
        out[...] = stored * np.float64(slope) + np.float64(intercept)
        return
    # One pass: the same bits, taken with a sign.
    same = stored.view(out.dtype) if stored.dtype.itemsize == out.dtype.itemsize else stored.astype(out.dtype)
    if slope == 1.0:
        np.add(same, out.dtype.type(_wrapped(intercept, out.dtype)), out=out)
    else:
        np.multiply(same, out.dtype.type(_wrapped(slope, out.dtype)), out=out)
        out += out.dtype.type(_wrapped(intercept, out.dtype))


def _wrapped(value: float, dtype: np.dtype[Any]) -> int:
    bits = 8 * dtype.itemsize
    whole = int(value) % (1 << bits)
    return whole - (1 << bits) if whole >= 1 << (bits - 1) else whole


def _whole(value: float) -> bool:
    return value == int(value)


def _stored_range(datasets: Sequence[Dataset]) -> Iterator[tuple[int, int]]:
    for dataset in datasets:
        # What makes no sense is told when the pixels are read.
        bits = int(min(max(number(dataset, "BitsStored") or number(dataset, "BitsAllocated") or 16, 1), 32))
        signed = number(dataset, "PixelRepresentation") == 1
        yield (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def sample_type(
    datasets: Sequence[Dataset], factors: Sequence[tuple[float, float]], quantity: Quantity
) -> type[np.generic]:
    """Smallest sample type that holds every value: int16 or int32 where all factors are whole numbers, else float32.

    ``datasets`` state the bits of the stored values, one for each of ``factors`` (slope, intercept).
    """
    if quantity is Quantity.CONCENTRATION or not all(_whole(a) and _whole(b) for a, b in factors):
        return np.float32
    ends = [
        end * slope + intercept
        for (low, high), (slope, intercept) in zip(_stored_range(datasets), factors, strict=True)
        for end in (low, high)
    ]
    if min(ends) >= _INT16.min and max(ends) <= _INT16.max:
        return np.int16
    return np.int32 if max(map(abs, ends)) < 2**31 else np.float32
