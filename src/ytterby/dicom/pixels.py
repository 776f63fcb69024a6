"""Stored pixels of a DICOM object, and the factors that turn them into a quantity."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ytterby.dicom.compressed import decoded_frames, syntax_problem
from ytterby.dicom.header import DAMAGE, Header, first_item, number, numbers, text
from ytterby.errors import DicomError

__all__ = [
    "MAX_PIXELS",
    "PixelFormat",
    "Scale",
    "is_hounsfield",
    "pixel_problem",
    "read_patterns",
    "rescale_of",
    "slice_rescale",
    "stored_pixels",
    "stored_values",
]

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


# As they stand in a file: compressed objects are little endian.
_PIXEL_DATA, _ITEM, _UNDEFINED_LENGTH = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0", b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class PixelFormat:
    """How pixels are kept: frames, rows and columns, the bits of each, which of them are the value, and whether it has a sign."""

    frames: int
    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool

    @classmethod
    def of(cls, dataset: Dataset, name: str) -> PixelFormat:
        """Format that an object states, checked.

        Raises
        ------
        DicomError
            It is missing or makes no sense, is in colour, or there are more than ``MAX_PIXELS`` pixels.
        """
        rows, columns, allocated = (int(number(dataset, key) or 0) for key in ("Rows", "Columns", "BitsAllocated"))
        frames, samples = int(number(dataset, "NumberOfFrames") or 1), number(dataset, "SamplesPerPixel") or 1
        pixels = frames * rows * columns
        if min(frames, rows, columns) < 1 or pixels > MAX_PIXELS or samples != 1 or allocated not in (1, 8, 16, 32):
            raise DicomError(
                f"{pixels} pixels of {samples:g} samples with {allocated} bits cannot be read as an image",
                where=name,
                remedy="give a greyscale image with Rows, Columns and BitsAllocated",
            )
        stored = int(number(dataset, "BitsStored") or allocated)
        top = number(dataset, "HighBit")
        high = stored - 1 if top is None else int(top)
        if not 1 <= stored <= high + 1 <= allocated:
            raise DicomError(
                f"BitsStored {stored} and HighBit {high} do not fit BitsAllocated {allocated}",
                where=name,
                remedy="export the series again",
            )
        return cls(frames, rows, columns, allocated, stored, high, number(dataset, "PixelRepresentation") == 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        return self.frames, self.rows, self.columns

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.frames * self.rows * self.columns

    @property
    def native_bytes(self) -> int:
        """Bytes of the pixels where they are not compressed."""
        return (self.pixels * self.allocated + 7) // 8


def pixel_problem(header: Header) -> str:
    """What keeps the pixels of a file from being read, from its header alone; "" when nothing does."""
    sides = [number(header.dataset, name) for name in ("Rows", "Columns", "BitsAllocated")]
    if any(side is None or side < 1 for side in sides):
        return "Rows, Columns or BitsAllocated is missing"
    frames, samples = number(header.dataset, "NumberOfFrames"), number(header.dataset, "SamplesPerPixel") or 1
    pixels = int(sides[0] or 0) * int(sides[1] or 0) * int(frames if frames and frames > 0 else 1)
    if pixels > MAX_PIXELS:
        return f"{pixels} pixels in one object; {MAX_PIXELS} is the most that is read"
    if header.bytes_after <= 8:
        return "there is no pixel data"
    syntax = UID(header.transfer_syntax)
    try:
        if syntax.is_encapsulated:
            return syntax_problem(syntax) or _cut_fragment(header)
    except DAMAGE:
        return f"the transfer syntax {syntax.name} is not read"
    lacking = (pixels * int(sides[2] or 0) * int(samples) + 7) // 8 - header.bytes_after
    return f"the pixel data is truncated: at least {lacking} bytes are missing" if lacking > 0 else ""


def _cut_fragment(header: Header) -> str:
    """Which fragment of compressed pixels the file ends within; "" where all are whole (DICOM PS3.5 A.4)."""
    end = header.pixel_start + header.bytes_after
    try:
        with header.path.open("rb") as stream:
            stream.seek(header.pixel_start)
            start = stream.read(12)
            if start[:4] != _PIXEL_DATA or start[8:] != _UNDEFINED_LENGTH:
                # Offset tables stand before the pixels: what is wrong there is told when they are read.
                return ""
            place, fragment = header.pixel_start + 12, 0
            while place + 8 <= end:
                stream.seek(place)
                item = stream.read(8)
                if item[:4] != _ITEM:
                    return ""
                place += 8 + int.from_bytes(item[4:], "little")
                if place > end:
                    return (
                        f"the pixel data is truncated: at least {place - end} bytes of fragment {fragment} are missing"
                    )
                fragment += 1
    except OSError as error:
        return f"the pixel data cannot be read ({error.strerror})"
    return ""


def _refuse(reason: str, name: str, syntax: UID) -> NoReturn:
    try:
        known = syntax.name if syntax else "no transfer syntax"
    except DAMAGE:
        known = str(syntax)
    raise DicomError(
        f"the pixel data cannot be decoded ({known}: {reason})",
        where=name,
        remedy="copy the file again, or export it uncompressed (Explicit VR Little Endian)",
    )


def _patterns(
    content: bytes, pixels: PixelFormat, syntax: UID, name: str, *, words: bool, offsets: tuple[bytes, bytes] | None
) -> npt.NDArray[Any]:
    """Bit patterns as unsigned integers, shape (frames, rows, columns)."""
    try:
        encapsulated, little = syntax.is_encapsulated, syntax.is_little_endian
    except DAMAGE:
        _refuse("not a transfer syntax", name, syntax)
    if encapsulated:
        return decoded_frames(
            content, syntax, pixels.shape, bits=pixels.allocated, where=name, extended_offsets=offsets
        )
    if len(content) < pixels.native_bytes:
        _refuse(f"{len(content)} bytes, where {pixels.native_bytes} are needed", name, syntax)
    if pixels.allocated == 1:
        bits = np.frombuffer(content, dtype=np.uint8, count=pixels.native_bytes)
        return np.unpackbits(bits, count=pixels.pixels, bitorder="little").reshape(pixels.shape)
    if pixels.allocated == 8 and words and not little:
        # Two pixels in each word, whose bytes are swapped.
        whole = np.frombuffer(content, dtype=np.uint8)
        return whole[: whole.size // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)[: pixels.pixels].reshape(pixels.shape)
    kind = np.dtype(f"{'<' if little else '>'}u{pixels.allocated // 8}")
    found = np.frombuffer(content, dtype=kind, count=pixels.pixels).reshape(pixels.shape)
    return found if little else found.astype(kind.newbyteorder("="))


def stored_values(patterns: npt.NDArray[Any], pixels: PixelFormat) -> npt.NDArray[Any]:
    """Stored values of bit patterns: the bits below HighBit, with their sign; what stands in other bits is left out."""
    if pixels.allocated == 1:
        return patterns
    above = pixels.allocated - 1 - pixels.high
    if pixels.signed:
        signed = patterns.view(f"i{pixels.allocated // 8}")
        return signed if pixels.stored == pixels.allocated else (signed << above) >> (pixels.allocated - pixels.stored)
    if pixels.stored == pixels.allocated:
        return patterns
    return (patterns << above) >> (pixels.allocated - pixels.stored)


def is_hounsfield(dataset: Dataset) -> bool:
    """True where a CT is in Hounsfield units: RescaleType is HU, US (unspecified) or absent (DICOM PS3.3 C.8.2.1.1.3)."""
    return text(dataset, "RescaleType").upper() in ("", "HU", "US")


def stored_pixels(dataset: Dataset, name: str) -> npt.NDArray[Any]:
    """Stored values, shape (frames, rows, columns), before any rescale.

    Raises
    ------
    DicomError
        Pixels are missing, truncated, damaged, in colour, too many, or compressed in a way that is not read.
    """
    pixels = PixelFormat.of(dataset, name)
    syntax = UID(text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID"))
    try:
        element = dataset["PixelData"]
        content = element.value
        offsets = _extended_offsets(dataset)
    except DAMAGE:
        _refuse("there is no pixel data", name, syntax)
    if not isinstance(content, bytes):
        _refuse("there is no pixel data", name, syntax)
    found = _patterns(content, pixels, syntax, name, words=element.VR != "OB", offsets=offsets)
    return stored_values(found, pixels)


def read_patterns(header: Header) -> tuple[npt.NDArray[Any], PixelFormat]:
    """Bit patterns of a file's pixels, shape (frames, rows, columns), straight from the file, and their format.

    Raises
    ------
    DicomError
        As for ``stored_pixels``.
    """
    name, dataset = str(header.path), header.dataset
    pixels = PixelFormat.of(dataset, name)
    syntax = UID(header.transfer_syntax)
    try:
        with header.path.open("rb") as stream:
            stream.seek(header.pixel_start)
            explicit = syntax != "1.2.840.10008.1.2"
            start = stream.read(12 if explicit else 8)
            little = "<" if syntax.is_little_endian else ">"
            if len(start) < 8 or struct.unpack_from(f"{little}2H", start) != (0x7FE0, 0x0010):
                _refuse("there is no pixel data", name, syntax)
            words = not explicit or start[4:6] != b"OB"
            offsets = None
            if syntax.is_encapsulated:
                content, offsets = stream.read(), _extended_offsets(dataset)
            else:
                length = int(struct.unpack_from(f"{little}I", start, 8 if explicit else 4)[0])
                content = stream.read(min(length, pixels.native_bytes + 1))
    except DAMAGE as error:
        _refuse(str(error).split("\n")[0][:160], name, syntax)
    return _patterns(content, pixels, syntax, name, words=words, offsets=offsets), pixels


def _extended_offsets(dataset: Dataset) -> tuple[bytes, bytes] | None:
    table, lengths = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    return (table, lengths) if isinstance(table, bytes) and isinstance(lengths, bytes) and table else None


def slice_rescale(dataset: Dataset) -> tuple[float, float] | None:
    """RescaleSlope and RescaleIntercept of one slice; None when either is missing."""
    slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    return (slope[0], intercept[0]) if slope and intercept else None
