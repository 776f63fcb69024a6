"""Compressed pixels: one frame after the other, each with its size checked before it is decoded."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from openjpeg.utils import decode_pixel_data
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from ytterby.dicom.header import DAMAGE
from ytterby.errors import DicomError

__all__ = ["Shape", "decoded_frames", "syntax_problem"]

_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_RLE = "1.2.840.10008.1.2.5"
_READ = (*_JPEG_LOSSLESS, *_JPEG_2000, _RLE)
_REMEDY = "copy the file again, or export it uncompressed (Explicit VR Little Endian)"
_MAX_TILES = 65_535
# A few bytes of JPEG 2000 can stand for any number of equal samples; images so large and so empty are not made.
_FREE_SAMPLES = 4096 * 4096
_MOST_SAMPLES_A_BYTE = 2000

Shape = tuple[int, int, int]
"""Frames, rows, columns."""


def syntax_problem(syntax: UID) -> str:
    """Why pixels of a compressed transfer syntax are not read; "" when they are."""
    if syntax in _READ:
        return ""
    try:
        name = syntax.name
    except DAMAGE:
        name = str(syntax)
    return (
        f"compressed as {name}: not read (JPEG lossless, JPEG 2000 and RLE are); export it as Explicit VR Little Endian"
    )


def decoded_frames(
    content: bytes,
    syntax: UID,
    shape: Shape,
    *,
    bits: int,
    where: str,
    extended_offsets: tuple[bytes, bytes] | None = None,
) -> npt.NDArray[np.uint8 | np.uint16 | np.uint32]:
    """Bit patterns of all frames, shape (frames, rows, columns), from the value of an encapsulated PixelData element.

    ``bits`` is BitsAllocated: 8, 16 or 32.

    Raises
    ------
    DicomError
        Frames are missing, damaged or of another size than the object states, or the syntax is not read.
    """
    problem = syntax_problem(syntax)
    if problem:
        raise DicomError(problem, where=where, remedy="export it as Explicit VR Little Endian")
    if bits not in (8, 16, 32):
        _refuse(f"BitsAllocated is {bits}", where)
    count, rows, columns = shape
    if 8 * count > len(content):  # each frame has the 8 bytes of its item, at least
        _refuse(f"{len(content)} bytes cannot hold {count} frames", where)
    frames = np.empty(shape, dtype=np.dtype(f"u{bits // 8}"))
    found = 0
    try:
        for found, frame in enumerate(islice(_frames(content, count, extended_offsets), count), start=1):
            frames[found - 1] = _decoded(frame, syntax, rows=rows, columns=columns, bits=bits, where=where)
    except (*DAMAGE, RuntimeError) as error:
        _refuse(str(error).split("\n")[0][:160] or type(error).__name__, where)
    if found != count:
        _refuse(f"it holds {found} frames, where {count} are stated", where)
    return frames


def _refuse(what: str, where: str) -> NoReturn:
    raise DicomError(f"the pixel data cannot be decoded ({what})", where=where, remedy=_REMEDY)


def _frames(content: bytes, count: int, extended_offsets: tuple[bytes, bytes] | None) -> Iterator[bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from generate_frames(content, number_of_frames=count, extended_offsets=extended_offsets)


def _decoded(frame: bytes, syntax: UID, *, rows: int, columns: int, bits: int, where: str) -> npt.NDArray[np.generic]:
    if syntax in _JPEG_LOSSLESS:
        # numba takes a second to import: only where it is needed.
        from ytterby.dicom.jpeglossless import decode_lossless

        return decode_lossless(frame, rows=rows, columns=columns, bits=bits, where=where)
    if syntax == _RLE:
        return _run_lengths(frame, rows=rows, columns=columns, bits=bits, where=where)
    return _jpeg_2000(frame, rows=rows, columns=columns, bits=bits, where=where)


# ---------------------------------------------------------------- RLE (DICOM PS3.5 Annex G)


def _run_lengths(frame: bytes, *, rows: int, columns: int, bits: int, where: str) -> npt.NDArray[np.generic]:
    """Each byte of the samples is a segment of its own, the most significant first."""
    planes = bits // 8
    if len(frame) < 64:
        _refuse("the RLE header is cut off", where)
    stated, *offsets = struct.unpack_from("<16I", frame)
    if stated != planes:
        _refuse(f"{stated} RLE segments, where BitsAllocated asks for {planes}", where)
    ends = [*offsets[1:planes], len(frame)]
    out = np.empty((rows * columns, planes), dtype=np.uint8)
    for plane, (start, end) in enumerate(zip(offsets[:planes], ends, strict=True)):
        if not 64 <= start <= end <= len(frame):
            _refuse("the RLE header is damaged", where)
        out[:, planes - 1 - plane] = _unpacked(frame[start:end], rows * columns, where)
    return out.view(f"<u{planes}").reshape(rows, columns)


def _unpacked(segment: bytes, size: int, where: str) -> npt.NDArray[np.uint8]:
    out = bytearray()
    place, end = 0, len(segment)
    while place + 1 < end and len(out) < size:
        control = segment[place]
        if control < 128:
            out += segment[place + 1 : place + 2 + control]
            place += 2 + control
        else:
            if control > 128:
                out += segment[place + 1 : place + 2] * (257 - control)
                place += 1
            place += 1
    if len(out) < size:
        _refuse("an RLE segment ends before the last pixel", where)
    # A run may go on into the padding to an even length.
    return np.frombuffer(bytes(out[:size]), dtype=np.uint8)


# ---------------------------------------------------------------- JPEG 2000 (ITU-T T.800 Annex A)


def _jpeg_2000(frame: bytes, *, rows: int, columns: int, bits: int, where: str) -> npt.NDArray[np.generic]:
    depth = _checked_size(frame, rows=rows, columns=columns, bits=bits, where=where)
    raw = np.frombuffer(decode_pixel_data(frame, version=2), dtype=np.uint8)
    width = 1 if depth <= 8 else 2 if depth <= 16 else 4
    if raw.size != rows * columns * width:
        _refuse(f"{raw.size} bytes decoded, where {rows * columns * width} are expected", where)
    return raw.view(f"<u{width}").reshape(rows, columns)


def _checked_size(frame: bytes, *, rows: int, columns: int, bits: int, where: str) -> int:
    """Bits of a sample, from the codestream's SIZ segment, whose size must be the one that the object states."""
    # Some writers put the codestream into a JP2 file.
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or start + 45 > len(frame):
        _refuse("it does not begin as a JPEG 2000 codestream", where)
    sizes = struct.unpack_from(">8IH3B", frame, start + 8)
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, components, depth, across, down = sizes
    if (bottom - top, right - left) != (rows, columns):
        _refuse(f"{bottom - top} x {right - left} samples, where Rows x Columns is {rows} x {columns}", where)
    if rows * columns > max(_FREE_SAMPLES, _MOST_SAMPLES_A_BYTE * len(frame)):
        _refuse(f"{len(frame)} bytes claim {rows} x {columns} samples", where)
    if components != 1 or (across, down) != (1, 1):
        _refuse(f"{components} components, where greyscale has one", where)
    if min(tile_width, tile_height) < 1 or tile_left > left or tile_top > top:
        _refuse("its tiles make no sense", where)
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > _MAX_TILES:
        _refuse(f"{tiles} tiles", where)
    bits_of_sample = int(depth & 0x7F) + 1
    if bits_of_sample > bits:
        _refuse(f"{bits_of_sample} bits a sample, where BitsAllocated is {bits}", where)
    return bits_of_sample
