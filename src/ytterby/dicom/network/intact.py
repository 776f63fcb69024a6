"""Files looked through before they are sent: each element has to be as long as it says, and an image has its pixels."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRBigEndian

from ytterby.dicom.header import DAMAGE, Header, number, text

__all__ = ["damage_of"]

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_UNDEFINED_LENGTH = 0xFFFFFFFF
# DICOM PS3.5 section 7.1.2: these have a length of four bytes, after two that are reserved.
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_MOST_ELEMENTS = 5_000_000
_DEEPEST = 64
# Samples of which only a part is stored (DICOM PS3.3 section C.7.6.3.1.2).
_SUBSAMPLED = {"YBR_FULL_422": 2 / 3, "YBR_PARTIAL_422": 2 / 3, "YBR_PARTIAL_420": 1 / 2}


def damage_of(header: Header, start: int) -> str:
    """What is wrong with a file whose data set begins at byte ``start``, in words; "" when nothing is.

    Elements, items and fragments are walked through to the end of the file (DICOM PS3.5 sections 7.1, 7.5 and A.4), and none is
    decoded. An image needs as many bytes of pixels as its rows, columns and frames ask for, or, where it is compressed, a
    fragment and the end of its sequence.
    """
    with header.path.open("rb") as stream:
        stream.seek(start)
        walk = _Walk(stream, os.fstat(stream.fileno()).st_size, start, ">" if _is_big(header) else "<")
        damage = walk.damage()
    return damage or _pixels_damage(header, walk.pixel_bytes)


def _is_big(header: Header) -> bool:
    return header.transfer_syntax == ExplicitVRBigEndian


def _pixels_damage(header: Header, found: int | None) -> str:
    rows, columns, bits = (number(header.dataset, name) for name in ("Rows", "Columns", "BitsAllocated"))
    try:
        kind, packed = UID(header.sop_class).name, UID(header.transfer_syntax).is_encapsulated
    except DAMAGE:  # a transfer syntax that pydicom does not know
        return ""
    if found is None:
        image = bool(rows and columns) or kind.endswith("Image Storage")
        # Pixels of these stand elsewhere (JPIP).
        elsewhere = header.transfer_syntax in ("1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204")
        return (
            "an image without pixels: the file is truncated, or they were taken out" if image and not elsewhere else ""
        )
    if packed or not (rows and columns and bits):
        return "the image has no pixels" if found == 0 else ""
    frames, samples = number(header.dataset, "NumberOfFrames") or 1, number(header.dataset, "SamplesPerPixel") or 1
    part = _SUBSAMPLED.get(text(header.dataset, "PhotometricInterpretation"), 1.0)
    lacking = int(rows * columns * frames * samples * bits * part / 8) - found
    return f"the pixel data is truncated: {lacking} bytes are missing" if lacking > 0 else ""


@dataclass
class _Walk:
    """A walk through the elements of a data set; ``pixel_bytes`` is what stands in its pixel element, None without one."""

    stream: BinaryIO
    size: int
    place: int
    order: str
    implicit: bool = False
    pixel_bytes: int | None = None
    _open: list[tuple[bool, bool, int]] = field(default_factory=list)  # (of items?, implicit?, tag)

    def damage(self) -> str:
        """The first damage on the way, in words; "" when there is none."""
        self.implicit = not self._starts_explicit()
        for _ in range(_MOST_ELEMENTS):
            left = self.size - self.place
            if left < 8:
                return self._end(left)
            head = self.stream.read(8)
            group, element = struct.unpack(f"{self.order}2H", head[:4])
            tag = group << 16 | element
            if not self._open and tag == 0:
                return self._end(left)
            told = self._item(tag, head) if self._open and self._open[-1][0] else self._element(tag, head)
            if told:
                return told
        return f"more than {_MOST_ELEMENTS} elements"

    def _starts_explicit(self) -> bool:
        first = self.stream.read(6)
        self.stream.seek(self.place)
        return len(first) == 6 and first[4:6].isalpha() and first[4:6].isupper()

    def _end(self, left: int) -> str:
        """Nothing is wrong when all is closed, and what is left is padding."""
        self.stream.seek(self.place)
        if self._open:
            return f"the file is truncated: it ends within element {_name(self._open[0][2])}"
        return (
            "the file is truncated: it ends within the head of an element"
            if self.stream.read(left).strip(b"\0")
            else ""
        )

    def _item(self, tag: int, head: bytes) -> str:
        """A step within a sequence of items, or of fragments."""
        length = struct.unpack(f"{self.order}I", head[4:])[0]
        _, implicit, outer = self._open[-1]
        if tag == _SEQUENCE_END:
            self._open.pop()
            return self._moved(8, 0, outer)
        if tag != _ITEM:
            return f"the file is damaged: element {_name(outer)} holds something that is no item"
        if length == _UNDEFINED_LENGTH:
            self._open.append((False, implicit, outer))
            return self._moved(8, 0, outer)
        if len(self._open) == 1 and outer in _PIXELS:
            self.pixel_bytes = (self.pixel_bytes or 0) + length
        return self._moved(8, length, outer)

    def _element(self, tag: int, head: bytes) -> str:
        """A step within a data set, or an item's."""
        implicit = self._open[-1][1] if self._open else self.implicit
        kind = head[4:6]
        if tag == _ITEM_END and self._open:
            self._open.pop()
            return self._moved(8, 0, tag)
        start = 8
        if tag >> 16 == 0xFFFE or implicit or not (kind.isalpha() and kind.isupper()):
            length = struct.unpack(f"{self.order}I", head[4:])[0]
        elif kind in _LONG:
            more = self.stream.read(4)
            if len(more) < 4:
                return f"the file is truncated: it ends within element {_name(tag)}"
            start, length = 12, struct.unpack(f"{self.order}I", more)[0]
        else:
            length = struct.unpack(f"{self.order}H", head[6:])[0]
        if not self._open and tag in _PIXELS:
            self.pixel_bytes = 0 if length == _UNDEFINED_LENGTH else length
        if length != _UNDEFINED_LENGTH:
            return self._moved(start, length, tag)
        if len(self._open) >= _DEEPEST:
            return "the file is damaged: its sequences do not end"
        # Unknown content of undefined length is written as Implicit VR (DICOM PS3.5 section 6.2.2, note).
        self._open.append((True, implicit or kind == b"UN", tag))
        return self._moved(start, 0, tag)

    def _moved(self, start: int, length: int, tag: int) -> str:
        """Go on behind an element or an item; what is missing of it, in words."""
        lacking = self.place + start + length - self.size
        if lacking > 0:
            outer = self._open[0][2] if self._open else tag
            return f"the file is truncated: it ends within element {_name(outer)}, {lacking} bytes are missing"
        self.place += start + length
        self.stream.seek(self.place)
        return ""


def _name(tag: int) -> str:
    return str(BaseTag(tag))
