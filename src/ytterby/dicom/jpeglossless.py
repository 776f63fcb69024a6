"""JPEG lossless (ITU-T T.81, process 14): a decoder that no damaged stream can break.

Decoders in C end the whole process on some damaged streams, and a clinic's archive holds such files. This one knows how many
samples it may write before it reads the first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit

from ytterby.errors import DicomError

__all__ = ["decode_lossless"]

_REMEDY = "copy the file again, or export it uncompressed (Explicit VR Little Endian)"
# Markers (T.81 table B.1).
_START, _END, _SCAN, _TABLES, _RESTART, _FRAME_LOSSLESS = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD, 0xC3
_OTHER_FRAMES = (0xC0, 0xC1, 0xC2, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF)
_MAX_CATEGORY = 16
_MAX_SEGMENTS = 4096
_CODE_BITS = 16

_FAILURES = {
    1: "the stream ends before the last sample",
    2: "a code that the stream's table does not hold",
    3: "a sample beyond the stated precision",
    4: "a restart marker is missing",
}


@dataclass
class _State:
    """What the segments before the scan have said."""

    tables: dict[int, npt.NDArray[np.uint16]] = field(default_factory=dict)
    precision: int = 0
    component: int = -1
    restart_interval: int = 0


def _refuse(what: str, where: str) -> DicomError:
    return DicomError(f"the JPEG lossless stream cannot be decoded: {what}", where=where, remedy=_REMEDY)


def decode_lossless(stream: bytes, *, rows: int, columns: int, bits: int, where: str) -> npt.NDArray[np.uint16]:
    """Samples of one greyscale image, shape (rows, columns): the bit patterns as they were compressed, not sign-extended.

    The predictors 1 to 7, point transform, restart intervals and 2 to 16 bits of ITU-T T.81 Annex H. ``rows``, ``columns`` and
    ``bits`` (BitsAllocated) are what the DICOM object states: a stream of another size is refused before memory is taken.

    Raises
    ------
    DicomError
        The stream is truncated, damaged, of another size, in colour, or no JPEG lossless.
    """
    state, scan, start = _segments(stream, rows=rows, columns=columns, bits=bits, where=where)
    if len(scan) != 6 or scan[0] != 1 or scan[1] != state.component:
        raise _refuse("a scan of several components, or of an unknown one", where)
    table = state.tables.get(scan[2] >> 4)
    predictor, point_transform = scan[3], scan[5] & 0x0F
    if table is None:
        raise _refuse("a Huffman table is missing", where)
    if not 1 <= predictor <= 7:
        raise _refuse(f"predictor {predictor}, where 1 to 7 are known", where)
    if point_transform >= state.precision:
        raise _refuse("the point transform leaves no bits", where)
    interval, uneven = divmod(state.restart_interval, columns)
    if uneven:
        raise _refuse("a restart interval that is no number of whole lines", where)
    samples = np.zeros((rows, columns), dtype=np.uint16)
    data = np.frombuffer(stream, dtype=np.uint8)
    failure = _decode(data, start, table, samples, predictor, state.precision - point_transform, interval)
    if failure:
        raise _refuse(_FAILURES[failure], where)
    return np.left_shift(samples, point_transform) if point_transform else samples


def _segments(stream: bytes, *, rows: int, columns: int, bits: int, where: str) -> tuple[_State, bytes, int]:
    """What stands before the samples: the state, the content of the scan header, and where the samples begin."""
    if stream[:2] != bytes((0xFF, _START)):
        raise _refuse("it does not begin as a JPEG stream", where)
    state, place = _State(), 2
    for _ in range(_MAX_SEGMENTS):
        if place + 4 > len(stream) or stream[place] != 0xFF:
            raise _refuse("a marker is missing", where)
        marker = stream[place + 1]
        if marker == 0xFF:  # fill bytes
            place += 1
            continue
        (length,) = struct.unpack_from(">H", stream, place + 2)
        content = stream[place + 4 : place + 2 + length]
        if length < 2 or len(content) != length - 2 or marker == _END:
            raise _refuse("a segment is cut off", where)
        place += 2 + length
        if marker == _TABLES:
            _read_tables(content, state, where)
        elif marker == _FRAME_LOSSLESS:
            _read_frame(content, state, rows=rows, columns=columns, bits=bits, where=where)
        elif marker in _OTHER_FRAMES:
            raise _refuse(f"another process of JPEG (marker FF{marker:02X})", where)
        elif marker == _RESTART:
            if len(content) != 2:
                raise _refuse("the restart interval is damaged", where)
            (state.restart_interval,) = struct.unpack(">H", content)
        elif marker == _SCAN:
            if not state.precision:
                raise _refuse("a scan before its frame", where)
            return state, content, place
    raise _refuse(f"more than {_MAX_SEGMENTS} segments", where)


def _read_frame(content: bytes, state: _State, *, rows: int, columns: int, bits: int, where: str) -> None:
    if len(content) < 6 or len(content) != 6 + 3 * content[5]:
        raise _refuse("its frame header is damaged", where)
    precision, height, width, components = struct.unpack_from(">BHHB", content)
    if state.precision:
        raise _refuse("a second frame", where)
    if components != 1:
        raise _refuse(f"{components} components, where greyscale has one", where)
    if (height, width) != (rows, columns):
        raise _refuse(f"{height} x {width} samples, where Rows x Columns is {rows} x {columns}", where)
    if not 2 <= precision <= min(16, bits):
        raise _refuse(f"{precision} bits a sample, where BitsAllocated is {bits}", where)
    state.precision, state.component = precision, content[6]


def _read_tables(content: bytes, state: _State, where: str) -> None:
    place = 0
    while place < len(content):
        kind, number = content[place] >> 4, content[place] & 0x0F
        counts = content[place + 1 : place + 17]
        values = content[place + 17 : place + 17 + sum(counts)]
        if kind or number > 3 or len(counts) != 16 or len(values) != sum(counts):
            raise _refuse("a Huffman table is damaged", where)
        state.tables[number] = _lookup(counts, values, where)
        place += 17 + len(values)


def _lookup(counts: bytes, values: bytes, where: str) -> npt.NDArray[np.uint16]:
    """For each 16 bits that may come next: length of the code times 256, plus its category; 0 where there is no such code."""
    lookup = np.zeros(1 << _CODE_BITS, dtype=np.uint16)
    begin, used = 0, 0
    for length, count in enumerate(counts, start=1):
        for category in values[used : used + count]:
            end = begin + (1 << (_CODE_BITS - length))
            if category > _MAX_CATEGORY or end > 1 << _CODE_BITS:
                raise _refuse("a Huffman table is damaged", where)
            lookup[begin:end] = length << 8 | category
            begin = end
        used += count
    return lookup


@njit(cache=True)
def _decode(
    data: npt.NDArray[np.uint8],
    place: int,
    table: npt.NDArray[np.uint16],
    samples: npt.NDArray[np.uint16],
    predictor: int,
    bits: int,
    interval: int,
) -> int:
    """Fill ``samples``; 0 when all went well, else the number of a failure. ``interval`` counts lines between restarts."""
    rows, columns = samples.shape
    size = data.shape[0]
    middle = 1 << (bits - 1)
    beyond = 1 << bits
    buffer = np.int64(0)  # the next bits, right-aligned
    held = 0
    expected = 0
    for row in range(rows):
        fresh = row == 0
        if interval > 0 and row > 0 and row % interval == 0:
            # The rest of a byte is padding; then the marker, which may have fill bytes before it.
            buffer, held = np.int64(0), 0
            while place + 1 < size and data[place] == 0xFF and data[place + 1] == 0xFF:
                place += 1
            if place + 1 >= size or data[place] != 0xFF or data[place + 1] != 0xD0 + expected:
                return 4
            place += 2
            expected = (expected + 1) % 8
            fresh = True
        for column in range(columns):
            while held <= 32 and place < size:
                byte = np.int64(data[place])
                if byte == 0xFF:
                    if place + 1 >= size or data[place + 1] != 0:
                        break  # a marker: no more bits
                    place += 1
                place += 1
                buffer = ((buffer & 0xFFFFFFFFFF) << 8) | byte
                held += 8
            if held >= 16:
                entry = table[(buffer >> (held - 16)) & 0xFFFF]
            else:
                entry = table[((buffer << (16 - held)) | ((1 << (16 - held)) - 1)) & 0xFFFF]
            length, category = entry >> 8, entry & 0xFF
            if length == 0:
                return 1 if held < 16 else 2
            more = 0 if category == 16 else category
            if length + more > held:
                return 1
            held -= length
            difference = np.int64(0)
            if category == 16:
                difference = np.int64(32768)
            elif category > 0:
                held -= category
                difference = (buffer >> held) & ((1 << category) - 1)
                if difference < 1 << (category - 1):
                    difference -= (1 << category) - 1
            if fresh:
                predicted = middle if column == 0 else np.int64(samples[row, column - 1])
            elif column == 0:
                predicted = np.int64(samples[row - 1, 0])
            else:
                left = np.int64(samples[row, column - 1])
                above = np.int64(samples[row - 1, column])
                corner = np.int64(samples[row - 1, column - 1])
                if predictor == 1:
                    predicted = left
                elif predictor == 2:
                    predicted = above
                elif predictor == 3:
                    predicted = corner
                elif predictor == 4:
                    predicted = left + above - corner
                elif predictor == 5:
                    predicted = left + ((above - corner) >> 1)
                elif predictor == 6:
                    predicted = above + ((left - corner) >> 1)
                else:
                    predicted = (left + above) >> 1
            value = (predicted + difference) & 0xFFFF
            if value >= beyond:
                return 3
            samples[row, column] = value
    return 0
