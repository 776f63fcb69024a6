"""Segmentations of 3D Slicer (.seg.nrrd): which voxels of which layer are which segment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ytterby.errors import SegmentError
from ytterby.files.voxels import unique_names
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid

__all__ = ["names_segments", "slicer_segments"]

_FIELD = re.compile(r"^Segment(\d{1,6})_(Name|ID|Layer|LabelValue)$")
_ESCAPE = re.compile(r"\\(\\|n)")


def names_segments(header: Mapping[str, Any]) -> bool:
    """True when the header names segments of its own, as 3D Slicer writes them."""
    return bool(_entries(header))


def slicer_segments(
    array: npt.NDArray[Any],
    header: Mapping[str, Any],
    grid: Grid,
    path: Path,
    *,
    labels: Mapping[int, str] | None = None,
) -> tuple[Segment, ...]:
    """The segments that a Slicer header names, in its order; ``array`` has the shape (layers, i, j, k).

    A segment is where its layer (``SegmentN_Layer``; files of older versions have one layer a segment, and no such field) holds
    its label (``SegmentN_LabelValue``, 1 where absent). ``SegmentN_Extent`` is informative and
    ``Segmentation_ReferenceImageExtentOffset`` tells where the array lay in the reference image: the file's own origin already
    accounts for both, so neither moves anything here.

    Raises
    ------
    SegmentError
        A segment's layer is not in the file, two segments share a name or their voxels, the segmentation is fractional, or
        ``labels`` are stated for segments that already have names.
    """
    if labels:
        raise SegmentError(
            "labels are stated for a file that names its own segments",
            where=str(path),
            remedy="take labels out of the case and use the names of the file",
        )
    for key in ("Segmentation_MasterRepresentation", "Segmentation_SourceRepresentation"):
        if "fractional" in str(header.get(key, "")).lower():
            raise SegmentError(
                "the segmentation is fractional", where=str(path), remedy="convert it to a binary labelmap in 3D Slicer"
            )
    entries = _entries(header)
    segments = []
    taken: dict[tuple[int, int], str] = {}
    for index, entry in entries.items():
        name = _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else "\\", entry.get("Name") or entry.get("ID", ""))
        name = name.strip() or f"Segment_{index}"
        layer = _whole(entry.get("Layer", str(index) if array.shape[0] > 1 else "0"), f"Segment{index}_Layer", path)
        label = _whole(entry.get("LabelValue", "1"), f"Segment{index}_LabelValue", path)
        if not 0 <= layer < array.shape[0]:
            raise SegmentError(
                f"segment '{name}' lies in layer {layer}, but the file has {array.shape[0]} layer(s)",
                where=str(path),
                remedy="save the segmentation again",
            )
        if (layer, label) in taken:
            raise SegmentError(
                f"segments '{taken[layer, label]}' and '{name}' share label {label} of layer {layer}",
                where=str(path),
                remedy="save the segmentation again with a current 3D Slicer",
            )
        taken[layer, label] = name
        mask = np.asarray(array[layer] == label)
        segments.append(Segment(name, Role.OTHER, mask, grid, source=path.name))
    unique_names([segment.name for segment in segments], path)
    return tuple(segments)


def _entries(header: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    entries: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        match = _FIELD.match(key)
        if match is not None:
            entries.setdefault(int(match[1]), {})[match[2]] = str(value)
    return dict(sorted(entries.items()))


def _whole(text: str, field: str, path: Path) -> int:
    if re.fullmatch(r"\s*-?\d{1,9}\s*", text) is None:
        raise SegmentError(
            f"{field} is '{text}', not a whole number", where=str(path), remedy="save the segmentation again"
        )
    return int(text)
