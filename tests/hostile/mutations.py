"""Ways to damage a DICOM file: each takes its bytes and a random generator, and gives other bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

_LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_VRS = (
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST",
    b"TM", b"UI", b"UL", b"US", *_LONG,
)  # fmt: skip
# Elements that say how much there is: rows, columns, frames, bits, samples, spacing, counts of all kinds.
_SIZES = (
    (0x0028, 0x0010), (0x0028, 0x0011), (0x0028, 0x0008), (0x0028, 0x0100), (0x0028, 0x0101), (0x0028, 0x0102),
    (0x0028, 0x0002), (0x0028, 0x0103), (0x0054, 0x0081), (0x0018, 0x0088), (0x0028, 0x0030), (0x0020, 0x0032),
    (0x0020, 0x0037), (0x0028, 0x1053), (0x0028, 0x1052), (0x3004, 0x000C), (0x3004, 0x000E), (0x3006, 0x0046),
    (0x3006, 0x0050), (0x0054, 0x0011), (0x0054, 0x0021), (0x0054, 0x0080), (0x0062, 0x0004), (0x0062, 0x000B),
    (0x3006, 0x00C6), (0x0028, 0x0006), (0x0028, 0x0120),
)  # fmt: skip
_ABSURD_NUMBERS = (0, 1, 2, 0x7FFF, 0x8000, 0xFFFF)
_ABSURD_TEXTS = (
    b"0 ", b"-1", b"1e308 ", b"-1e308", b"nan ", b"inf ", b"999999999 ", b"2147483647", b"4294967296", b"1\\2\\3 ", b"\\\\\\ ",
    b"", b"\x00\x00", b"\xff\xfe\xff\xfe", b"0\\0\\0\\0\\0\\0 ", b"1e-300",
)  # fmt: skip


def flipped_bits(content: bytes, rng: np.random.Generator) -> bytes:
    """One to sixteen bits turned over, anywhere behind the mark."""
    data = bytearray(content)
    for place in rng.integers(132, len(data), size=int(rng.integers(1, 17))):
        data[int(place)] ^= 1 << int(rng.integers(0, 8))
    return bytes(data)


def replaced_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of the header replaced by others."""
    data = bytearray(content)
    end = min(len(data), 6000)
    for place in rng.integers(132, end, size=int(rng.integers(1, 9))):
        data[int(place)] = int(rng.integers(0, 256))
    return bytes(data)


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    """The file ends early; in half of the cases within the header."""
    end = len(content) if rng.random() < 0.5 else min(len(content), 4000)
    return content[: int(rng.integers(0, end))]


def absurd_sizes(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three elements that say how much there is say something absurd."""
    data = bytearray(content)
    for number in rng.choice(len(_SIZES), size=int(rng.integers(1, 4)), replace=False):
        places = _places(data, _SIZES[int(number)])
        if not places:
            continue
        start = places[int(rng.integers(0, len(places)))]
        vr = bytes(data[start + 4 : start + 6])
        if vr not in _VRS or vr in _LONG:
            continue
        length = struct.unpack_from("<H", data, start + 6)[0]
        if vr in (b"US", b"SS"):
            value = struct.pack("<H", _ABSURD_NUMBERS[int(rng.integers(0, len(_ABSURD_NUMBERS)))])
        elif vr in (b"UL", b"SL"):
            value = struct.pack("<I", int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1])))
        else:
            value = _ABSURD_TEXTS[int(rng.integers(0, len(_ABSURD_TEXTS)))]
            value += b" " * (len(value) % 2)
        data[start + 6 : start + 8 + length] = struct.pack("<H", len(value)) + value
    return bytes(data)


def wrong_lengths(content: bytes, rng: np.random.Generator) -> bytes:
    """The length of one element says something else: a little, a lot, or undefined."""
    data = bytearray(content)
    starts = _elements(data)
    if not starts:
        return truncated(content, rng)
    start = starts[int(rng.integers(0, len(starts)))]
    wide = bytes(data[start + 4 : start + 6]) in _LONG
    if wide:
        struct.pack_into("<I", data, start + 8, int(rng.choice([0, 1, 7, 2**16, 2**31, 2**32 - 2, 2**32 - 1])))
    else:
        struct.pack_into("<H", data, start + 6, int(rng.choice([0, 1, 3, 255, 2**15, 2**16 - 2, 2**16 - 1])))
    return bytes(data)


def wrong_representations(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four elements claim another value representation."""
    data = bytearray(content)
    starts = _elements(data)
    if not starts:
        return flipped_bits(content, rng)
    for start in rng.choice(starts, size=int(rng.integers(1, 5))):
        data[int(start) + 4 : int(start) + 6] = _VRS[int(rng.integers(0, len(_VRS)))]
    return bytes(data)


def nested(content: bytes, rng: np.random.Generator) -> bytes:
    """A sequence in a sequence in a sequence, up to ten thousand deep, put before one element; its end may be missing."""
    starts = _elements(bytearray(content))
    place = starts[int(rng.integers(0, len(starts)))] if starts else len(content)
    depth = int(rng.choice([3, 40, 400, 3000, 10000]))
    known = [(0x0040, 0x9096), (0x0054, 0x0022), (0x5200, 0x9230), (0x3006, 0x0039), (0x0040, 0xA730), (0x0070, 0x0308)]
    group, element = known[int(rng.integers(0, len(known)))]
    begin = struct.pack("<HH2sHI", group, element, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    closed = depth if rng.random() < 0.7 else int(rng.integers(0, depth))
    return content[:place] + begin * depth + end * closed + content[place:]


def repeated(content: bytes, rng: np.random.Generator) -> bytes:
    """A part of the file once more, somewhere else, up to a thousand times."""
    start, end = sorted(int(n) for n in rng.integers(132, len(content), size=2))
    part = content[start : min(end, start + 2000)]
    place = int(rng.integers(132, len(content)))
    return content[:place] + part * int(rng.choice([1, 2, 30, 1000])) + content[place:]


def lost(content: bytes, rng: np.random.Generator) -> bytes:
    """One to five whole elements are gone."""
    for _ in range(int(rng.integers(1, 6))):
        starts = _elements(bytearray(content))
        if len(starts) < 2:
            return content
        number = int(rng.integers(0, len(starts) - 1))
        content = content[: starts[number]] + content[starts[number + 1] :]
    return content


def noise(content: bytes, rng: np.random.Generator) -> bytes:
    """A run of noise in the middle: what a broken disk leaves."""
    start = int(rng.integers(132, len(content)))
    size = int(rng.choice([8, 64, 512]))
    return content[:start] + rng.bytes(size) + content[start + size :]


MUTATIONS: tuple[Mutation, ...] = (
    flipped_bits,
    replaced_bytes,
    truncated,
    absurd_sizes,
    wrong_lengths,
    wrong_representations,
    nested,
    repeated,
    lost,
    noise,
)


def _places(data: bytearray, tag: tuple[int, int]) -> list[int]:
    mark = struct.pack("<HH", *tag)
    places, start = [], data.find(mark, 132)
    while start >= 0:
        places.append(start)
        start = data.find(mark, start + 4)
    return places


def _elements(data: bytearray, *, most: int = 3000) -> list[int]:
    """Where elements with an explicit representation begin, also within sequences; from the front of the file."""
    starts, place = [], 132
    while place + 12 <= len(data) and len(starts) < most:
        group = struct.unpack_from("<H", data, place)[0]
        if group == 0xFFFE:
            place += 8
            continue
        vr = bytes(data[place + 4 : place + 6])
        if vr not in _VRS:
            break
        starts.append(place)
        if vr == b"SQ" or (vr in _LONG and struct.unpack_from("<I", data, place + 8)[0] == 0xFFFFFFFF):
            place += 12
        elif vr in _LONG:
            place += 12 + struct.unpack_from("<I", data, place + 8)[0]
        else:
            place += 8 + struct.unpack_from("<H", data, place + 6)[0]
    return starts
