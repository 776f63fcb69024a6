"""pydicom's reader, with a bound on the number of elements: a run of zeros is not read for minutes as empty elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag

__all__ = ["MAX_ELEMENTS", "read_bounded"]

MAX_ELEMENTS = 20_000
"""Elements of one object outside of its sequences; the largest real ones have some thousands."""

_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


def read_bounded(stream: BinaryIO, *, stop_before_pixels: bool, tags: Sequence[BaseTag] | None = None) -> Dataset:
    """The object in a stream, before its pixels or with them; of its elements all, or ``tags`` alone.

    Raises
    ------
    InvalidDicomError
        There are more than ``MAX_ELEMENTS``, the file ends within an element of undefined length, or it is
        no DICOM; other errors of pydicom pass.
    """
    seen, stopped = 0, False
    last: BaseTag | None = None

    def stop_when(tag: BaseTag, kind: str | None, length: int) -> bool:
        nonlocal seen, stopped, last
        seen, last = seen + 1, tag
        if seen > MAX_ELEMENTS:
            raise InvalidDicomError(f"more than {MAX_ELEMENTS} elements")
        stopped = stop_before_pixels and tag in _PIXELS
        return stopped

    found = read_partial(stream, stop_when, specific_tags=None if tags is None else list(tags))
    if last is not None and not stopped and not found:
        # pydicom gives nothing at all where the file ends within an element whose length is not stated.
        raise InvalidDicomError(f"truncated: the file ends within element {last}")
    return found
