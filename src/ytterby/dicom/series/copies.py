"""Files that hold what another file of the series holds: read once, and said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ytterby.dicom.header import DAMAGE, Header, text, texts
from ytterby.errors import Problem

__all__ = ["without_copies"]

_BLOCK = 2**20
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "FrameOfReferenceUID")
_VALUES = ("RescaleSlope", "RescaleIntercept", "Units", "AcquisitionDate", "AcquisitionTime")


def without_copies(headers: Sequence[Header], *, slices: bool) -> tuple[list[Header], list[Problem]]:
    """The headers without those of copies, in their order, and an amber problem where there were some.

    A copy has the same object UID as another file, or the same instance number at the same place and time, and the same pixels.
    Of ``slices``, place, rescale and pixels must be the same; of other objects, the whole file. Files that only claim to be the
    same object stay: they are a red problem of the series.
    """
    kept: list[Header] = []
    copies: list[Header] = []
    seen: dict[tuple[str, ...], list[Header]] = {}
    for header in headers:
        uid = text(header.dataset, "SOPInstanceUID")
        keys: list[tuple[str, ...]] = [("uid", uid)] if uid else []
        if slices:
            place = (value for keyword in (*_PLACE, *_VALUES) for value in ("", *texts(header.dataset, keyword)))
            keys.append(("place", text(header.dataset, "InstanceNumber"), *place))
        others = {id(other): other for key in keys for other in seen.get(key, ())}
        if any(_same(header, other, slices=slices) for other in others.values()):
            copies.append(header)
            continue
        kept.append(header)
        for key in keys:
            seen.setdefault(key, []).append(header)
    if not copies:
        return kept, []
    several = f"{len(copies)} files are copies" if len(copies) > 1 else "the file is a copy"
    return kept, [
        Problem(
            "amber",
            f"{several} of others in the series: read once",
            copies[0].path.name,
            remedy="remove the copies",
        )
    ]


def _same(one: Header, other: Header, *, slices: bool) -> bool:
    if slices and any(texts(one.dataset, keyword) != texts(other.dataset, keyword) for keyword in (*_PLACE, *_VALUES)):
        return False
    if one.transfer_syntax != other.transfer_syntax or one.bytes_after != other.bytes_after:
        return False
    try:
        return _digest(one, slices=slices) == _digest(other, slices=slices)
    except DAMAGE:
        return False


def _digest(header: Header, *, slices: bool) -> bytes:
    whole = hashlib.sha256()
    with header.path.open("rb") as stream:
        stream.seek(header.pixel_start if slices else 0)
        while block := stream.read(_BLOCK):
            whole.update(block)
    return whole.digest()
