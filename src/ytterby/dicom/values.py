"""Values of DICOM elements as texts, numbers and items: what is damaged is told as DicomError."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag

from ytterby.errors import DicomError

__all__ = ["DAMAGE", "first_item", "items", "number", "numbers", "text", "texts", "touch"]

DAMAGE = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    NotImplementedError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    AssertionError,
)
"""What pydicom is seen to raise on damaged files; each is told as DicomError."""

# Values that are plain text in every character set: read as they stand, without building an element first.
_PLAIN_TEXT = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"))
_NUMBERS = ("DS", "IS")
# And those that are where they hold nothing but ASCII, without the mark that changes the character set.
_LATIN_TEXT = ("LO", "SH")


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except DAMAGE as error:
        raise DicomError(
            f"the value of {keyword} is damaged",
            where=str(getattr(dataset, "filename", "") or ""),
            remedy="copy or export it again from the archive",
        ) from error


@lru_cache(maxsize=1024)
def _tag(keyword: str) -> BaseTag | None:
    tag = tag_for_keyword(keyword)
    return None if tag is None else BaseTag(tag)


@lru_cache(maxsize=1024)
def _dictionary_kind(tag: BaseTag) -> str:
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


def _as_in_file(dataset: Dataset, tag: BaseTag) -> RawDataElement | None:
    """Element that pydicom has not converted yet; None where it is absent or converted."""
    element: object = dataset.get_item(tag, keep_deferred=True)
    return element if isinstance(element, RawDataElement) else None


def _kind(element: RawDataElement) -> str:
    return _dictionary_kind(element.tag) if element.VR is None else element.VR


def _plain_texts(element: RawDataElement) -> tuple[str, ...] | None:
    """Values of an element that is still as it stands in the file, as texts; None where pydicom must convert it."""
    kind, value = _kind(element), element.value
    if value is None or element.length == 0xFFFFFFFF:
        return None
    if kind == "US" and len(value) % 2 == 0:
        order = "<" if element.is_little_endian else ">"
        return tuple(map(str, struct.unpack(f"{order}{len(value) // 2}H", value)))
    if kind in _LATIN_TEXT and (not value.isascii() or b"\x1b" in value):
        return None
    if kind not in _PLAIN_TEXT and kind not in _LATIN_TEXT:
        return None
    stripped = (part.strip(" \0") for part in bytes(value).decode("latin-1").split("\\"))
    return tuple(part for part in stripped if part)


def touch(dataset: Dataset) -> None:
    """Look at every value once: pydicom converts them when they are first asked for, and damage shows only then.

    Raises
    ------
    One of ``DAMAGE``
        A value cannot be converted.
    """
    for tag in list(dataset.keys()):
        raw = _as_in_file(dataset, tag)
        kind = "" if raw is None else _kind(raw)
        if kind in _PLAIN_TEXT and kind not in _NUMBERS:
            continue
        plain = _plain_texts(raw) if raw is not None else None
        if plain is None:
            element = dataset[tag]
            if element.VR != "SQ":
                _ = element.value
        elif kind in _NUMBERS:
            _ = [float(value) for value in plain]


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Values of an element as stripped texts; empty when it is absent or empty."""
    tag = _tag(keyword)
    if tag is not None:
        raw = _as_in_file(dataset, tag)
        plain = _plain_texts(raw) if raw is not None else None
        if plain is not None:
            return plain
    value = _value(dataset, keyword)
    if value is None:
        return ()
    if isinstance(value, pydicom.Sequence):
        raise DicomError(
            f"{keyword} is a sequence, where a value belongs",
            where=str(getattr(dataset, "filename", "") or ""),
            remedy="copy or export it again from the archive",
        )
    many = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return tuple(stripped for stripped in (str(item).strip(" \0") for item in many) if stripped)


def text(dataset: Dataset, keyword: str) -> str:
    """First value of an element as text; "" when it is absent or empty."""
    found = texts(dataset, keyword)
    return found[0] if found else ""


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Values of an element as floats; empty when it is absent or empty, DicomError when they are no finite numbers."""
    found = texts(dataset, keyword)
    try:
        result = tuple(float(item) for item in found)
    except ValueError:
        result = (float("nan"),)
    if any(value != value or value in (float("inf"), float("-inf")) for value in result):
        raise DicomError(
            f"{keyword} is not a number: {', '.join(found)[:60]}",
            where=str(getattr(dataset, "filename", "") or ""),
            remedy="export the series again",
        )
    return result


def number(dataset: Dataset, keyword: str) -> float | None:
    """First value of an element as float; None when it is absent or empty."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence; none when the sequence is absent or empty."""
    sequence = _value(dataset, keyword)
    if not isinstance(sequence, pydicom.Sequence):
        return ()
    return tuple(item for item in sequence if isinstance(item, Dataset))


def first_item(dataset: Dataset, keyword: str) -> Dataset:
    """First item of a sequence; an empty dataset when the sequence is absent or empty."""
    found = items(dataset, keyword)
    return found[0] if found else Dataset()
