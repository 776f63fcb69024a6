"""Stored pixels of a DICOM object, and the factors that turn them into a quantity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from ytterby.dicom.header import DAMAGE, Header, first_item, number, numbers, text, texts
from ytterby.errors import DicomError

__all__ = ["MAX_PIXELS", "Scale", "pixel_problem", "rescale_of", "slice_rescale", "stored_pixels"]

MAX_PIXELS = 2**30
"""More pixels in one object are refused: 2 GiB of 16-bit samples."""

# Measurement units (UCUM) and PET Units that are read, as the case file names them.
_BQ_ML = ("BQML", "BQ/ML")
_COUNTS = ("CNTS", "COUNTS", "COUNT", "{COUNTS}", "{COUNT}")


@dataclass(frozen=True)
class Scale:
    """quantity = slope * stored + intercept, in ``unit`` ("bq_ml", "counts" or "": not stated); ``source`` names the fields."""

    slope: float
    intercept: float
    unit: str
    source: str

    @property
    def is_identity(self) -> bool:
        """True when stored values are the quantity."""
        return self.slope == 1.0 and self.intercept == 0.0


def _known_unit(name: str) -> str:
    upper = name.upper().replace(" ", "")
    return "bq_ml" if upper in _BQ_ML else "counts" if upper in _COUNTS else ""


def rescale_of(dataset: Dataset) -> tuple[Scale | None, str]:
    """Scale of an NM object whose unit is stated, and a remark on what was left aside ("" when nothing was).

    NM has no modality rescale of its own. A Real World Value Mapping in Bq/mL or counts is taken; a RescaleSlope only
    where Units or RescaleType says what it leads to. A factor without a unit is not applied.
    """
    mapping = first_item(dataset, "RealWorldValueMappingSequence")
    slope, intercept = number(mapping, "RealWorldValueSlope"), number(mapping, "RealWorldValueIntercept")
    if slope is not None:
        name = text(first_item(mapping, "MeasurementUnitsCodeSequence"), "CodeValue")
        unit = _known_unit(name)
        if unit:
            return Scale(slope, intercept or 0.0, unit, "Real World Value Mapping"), ""
        return None, f"a Real World Value Mapping to '{name or 'no unit'}' is not applied: stored values are read"
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if slope is None and intercept is None:
        return None, ""
    scale = Scale(1.0 if slope is None else slope, intercept or 0.0, "", "RescaleSlope and RescaleIntercept")
    unit = _known_unit(text(dataset, "Units")) or _known_unit(text(dataset, "RescaleType"))
    if unit:
        return Scale(scale.slope, scale.intercept, unit, scale.source), ""
    if scale.is_identity:
        return None, ""
    return None, (
        f"RescaleSlope {scale.slope:g} and RescaleIntercept {scale.intercept:g} without a unit are not applied: "
        "stored values are read"
    )


def _expected(dataset: Dataset) -> tuple[int, int]:
    """Number of pixels, and of bits they take when they are not compressed."""
    sides = [number(dataset, name) for name in ("Rows", "Columns", "BitsAllocated")]
    frames = number(dataset, "NumberOfFrames")
    samples = number(dataset, "SamplesPerPixel") or 1
    if any(side is None or side < 1 for side in sides):
        return 0, 0
    pixels = int(sides[0] or 0) * int(sides[1] or 0) * int(frames if frames and frames > 0 else 1)
    return pixels, pixels * int(sides[2] or 0) * int(samples)


def pixel_problem(header: Header) -> str:
    """What keeps the pixels of a file from being read, from its header alone; "" when nothing does."""
    pixels, bits = _expected(header.dataset)
    if pixels == 0:
        return "Rows, Columns or BitsAllocated is missing"
    if pixels > MAX_PIXELS:
        return f"{pixels} pixels in one object; {MAX_PIXELS} is the most that is read"
    if header.bytes_after <= 8:
        return "there is no pixel data"
    syntax = UID(header.transfer_syntax)
    try:
        if not syntax.is_encapsulated:
            lacking = (bits + 7) // 8 - header.bytes_after
            return f"the pixel data is truncated: at least {lacking} bytes are missing" if lacking > 0 else ""
        if not get_decoder(syntax).is_available:
            return f"compressed as {syntax.name}: no decoder for it is installed"
    except DAMAGE:
        return f"the transfer syntax {syntax.name} is not read"
    return ""


def stored_pixels(dataset: Dataset, name: str) -> npt.NDArray[Any]:
    """Stored values, shape (frames, rows, columns), before any rescale.

    Raises
    ------
    DicomError
        Pixels are missing, truncated, in colour, too many, or compressed in a way that no installed decoder knows.
    """
    pixels, _ = _expected(dataset)
    if pixels == 0 or pixels > MAX_PIXELS or (number(dataset, "SamplesPerPixel") or 1) != 1:
        raise DicomError(
            f"{pixels} pixels with {number(dataset, 'SamplesPerPixel') or 1:g} samples each cannot be read as an image",
            where=name,
            remedy="give a greyscale image with Rows and Columns",
        )
    try:
        array = dataset.pixel_array
        shape = (pixels // (dataset.Rows * dataset.Columns), dataset.Rows, dataset.Columns)
        return np.asarray(array).reshape(shape)
    except (*DAMAGE, RuntimeError) as error:
        syntax = ", ".join(texts(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID"))
        known = UID(syntax).name if syntax else "no transfer syntax"
        reason = str(error).split("\n")[0][:160]
        raise DicomError(
            f"the pixel data cannot be decoded ({known}: {reason})",
            where=name,
            remedy="copy the file again, or export it uncompressed (Explicit VR Little Endian)",
        ) from error


def slice_rescale(dataset: Dataset) -> tuple[float, float] | None:
    """RescaleSlope and RescaleIntercept of one slice; None when either is missing."""
    slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    return (slope[0], intercept[0]) if slope and intercept else None
