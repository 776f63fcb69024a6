"""Headers of plain files, read in one pass: most slices of a CT have nothing in them that asks for more.

A CT has hundreds of files, and a general reader takes a millisecond for each. Here a file is walked from element to element, and
only those that are wanted are kept, as they stand. Whatever is not plain (big endian, a wanted sequence, anything odd) is left to
the general reader: this one may always say that it does not know.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import cast

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag

__all__ = ["plain_header"]

_PIXELS = 0x7FE00008
_CHARACTER_SET = BaseTag(0x00080005)
_TRANSFER_SYNTAX = BaseTag(0x00020010)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_IMPLICIT = b"1.2.840.10008.1.2"
_EXPLICIT = (b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.4.", b"1.2.840.10008.1.2.5")
_BIG_OR_DEFLATED = (b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1.98")
# Kinds of values whose length takes two bytes, and those where it takes four (DICOM PS3.5 7.1.2).
_SHORT = frozenset(bytes(pair) for pair in zip(*[iter(b"AEASATCSDADSDTFDFLISLOLTPNSHSLSSSTTMUIULUS")] * 2, strict=True))
_LONG = frozenset(bytes(pair) for pair in zip(*[iter(b"OBODOFOLOVOWSQSVUCUNURUTUV")] * 2, strict=True))
_MOST_DEPTH = 16

_two = struct.Struct("<HH").unpack_from
_short = struct.Struct("<H").unpack_from
_long = struct.Struct("<I").unpack_from


class _NotPlainError(Exception):
    """The general reader must look at it."""


def plain_header(start: bytes, wanted: Mapping[int, BaseTag]) -> tuple[Dataset, int] | None:
    """Wanted elements of a file that begins with ``start``, and the offset of its pixel data; None where it is not plain."""
    try:
        meta, place = _meta(start)
        syntax = bytes(meta[_TRANSFER_SYNTAX].value or b"").rstrip(b"\0 ")
        explicit = syntax != _IMPLICIT
        if explicit and (not syntax.startswith(_EXPLICIT) or syntax in _BIG_OR_DEFLATED):
            return None
        found, place = _elements(start, place, wanted, explicit=explicit)
    except (_NotPlainError, struct.error, KeyError):
        return None
    dataset = Dataset(cast(MutableMapping[BaseTag, DataElement | RawDataElement], found))
    character_set = found.get(_CHARACTER_SET)
    names = (character_set.value or b"").decode("latin-1").strip() if character_set is not None else ""
    if "\\" in names:
        return None
    dataset.set_original_encoding(not explicit, True, list(_encodings(names)))
    file_meta = FileMetaDataset()
    file_meta._dict.update(meta)
    dataset.file_meta = file_meta
    return dataset, place


@lru_cache(maxsize=64)
def _encodings(name: str) -> tuple[str, ...]:
    return tuple(convert_encodings(name or None))


def _raw(tag: BaseTag, kind: str | None, value: bytes, at: int) -> RawDataElement:
    return RawDataElement(tag, kind, len(value), value, at, kind is None, True)


def _meta(start: bytes) -> tuple[dict[BaseTag, RawDataElement], int]:
    """Elements of the file's meta header, which is always explicit, little endian."""
    place = 132
    found: dict[BaseTag, RawDataElement] = {}
    while True:
        group, number = _two(start, place)
        if group != 2:
            return found, place
        kind = start[place + 4 : place + 6]
        if kind in _SHORT:
            (length,) = _short(start, place + 6)
            place += 8
        elif kind == b"OB":
            (length,) = _long(start, place + 8)
            place += 12
        else:
            raise _NotPlainError
        value = start[place : place + length]
        if len(value) != length:
            raise _NotPlainError
        tag = BaseTag(group << 16 | number)
        found[tag] = _raw(tag, kind.decode(), value, place)
        place += length


def _elements(
    start: bytes, place: int, wanted: Mapping[int, BaseTag], *, explicit: bool
) -> tuple[dict[BaseTag, RawDataElement], int]:
    found: dict[BaseTag, RawDataElement] = {}
    last = 0
    while True:
        group, number = _two(start, place)
        tag = group << 16 | number
        if tag >= _PIXELS:
            if tag > 0x7FE00010:
                raise _NotPlainError
            return found, place
        if tag <= last:
            raise _NotPlainError
        last = tag
        kind, length, begin = _described(start, place, explicit=explicit)
        known = wanted.get(tag)
        if length == _UNDEFINED:
            if known is not None:
                raise _NotPlainError
            place = _behind_sequence(start, begin, explicit=explicit and kind != b"UN", depth=0)
            continue
        place = begin + length
        if known is None:
            continue
        value = start[begin:place]
        if len(value) != length or kind in (b"SQ", b"UN"):
            raise _NotPlainError
        found[known] = _raw(known, kind.decode() if explicit else None, value, begin)


def _described(start: bytes, place: int, *, explicit: bool) -> tuple[bytes, int, int]:
    """Kind of value, its length, and where it begins."""
    if not explicit:
        return b"", int(_long(start, place + 4)[0]), place + 8
    kind = start[place + 4 : place + 6]
    if kind in _SHORT:
        return kind, int(_short(start, place + 6)[0]), place + 8
    if kind in _LONG:
        return kind, int(_long(start, place + 8)[0]), place + 12
    raise _NotPlainError


def _behind_sequence(start: bytes, place: int, *, explicit: bool, depth: int) -> int:
    """Offset behind a sequence of undefined length whose items begin at ``place``."""
    if depth > _MOST_DEPTH:
        raise _NotPlainError
    while True:
        group, number = _two(start, place)
        (length,) = _long(start, place + 4)
        tag, place = group << 16 | number, place + 8
        if tag == _SEQUENCE_END:
            return place
        if tag != _ITEM:
            raise _NotPlainError
        if length != _UNDEFINED:
            place += length
            continue
        while True:
            group, number = _two(start, place)
            if group << 16 | number == _ITEM_END:
                place += 8
                break
            kind, size, place = _described(start, place, explicit=explicit)
            if size == _UNDEFINED:
                place = _behind_sequence(start, place, explicit=explicit and kind != b"UN", depth=depth + 1)
            else:
                place += size
