"""Where the frames of a DICOM segmentation (SEG) lie: sparse and in any order, brought onto one lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, items, number, numbers
from ytterby.dicom.layout.planes import Plane, in_plane, stepped_grid
from ytterby.dicom.pixels import MAX_PIXELS
from ytterby.errors import DicomError, GeometryError
from ytterby.model.volume import FloatArray, Grid

__all__ = ["SegmentationLayout", "segmentation_grid"]

_MAX_SLICES = 20_000
_SAME_PLACE_MM = 1e-3
_EVEN_FRACTION = 0.02
_REMEDY = "export the segmentation again, on the slices of its image"


@dataclass(frozen=True, eq=False)
class SegmentationLayout:
    """Grid that spans all frames of a SEG; for each frame its slice k on that grid and its segment's number."""

    grid: Grid
    slices: tuple[int, ...]
    segment_numbers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Frames:
    planes: list[Plane]
    numbers: list[int]
    measures: Dataset


def _frames(dataset: Dataset, name: str) -> _Frames:
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    count = int(number(dataset, "NumberOfFrames") or 0)
    if count < 1 or len(per_frame) != count:
        raise DicomError(
            f"NumberOfFrames says {count}, the functional groups describe {len(per_frame)} frames",
            where=name,
            remedy=_REMEDY,
        )
    size = (int(number(dataset, "Rows") or 0), int(number(dataset, "Columns") or 0))
    shared_groups = {
        keyword: first_item(shared, keyword)
        for keyword in (
            "PlanePositionSequence",
            "PlaneOrientationSequence",
            "PixelMeasuresSequence",
            "SegmentIdentificationSequence",
        )
    }

    def group(frame: Dataset, keyword: str) -> Dataset:
        return first_item(frame, keyword) if keyword in frame else shared_groups[keyword]

    planes, found = [], []
    for frame in per_frame:
        planes.append(
            in_plane(
                name,
                group(frame, "PlanePositionSequence"),
                group(frame, "PlaneOrientationSequence"),
                group(frame, "PixelMeasuresSequence"),
                size=size,
            )
        )
        found.append(int(number(group(frame, "SegmentIdentificationSequence"), "ReferencedSegmentNumber") or 0))
    return _Frames(planes, found, group(per_frame[0], "PixelMeasuresSequence"))


def segmentation_grid(dataset: Dataset, name: str) -> SegmentationLayout:
    """Grid that spans all frames of a SEG object, and where each frame lies on it; needs the header alone.

    The spacing is SpacingBetweenSlices where all positions lie on its lattice, else the smallest distance between
    positions; a single position takes SpacingBetweenSlices, then SliceThickness (SEG has no neighbour to measure from).

    Raises
    ------
    DicomError
        The description of the frames does not fit their number.
    GeometryError
        Positions are missing, turned, beside each other, or on no regular lattice.
    """
    frames = _frames(dataset, name)
    first = frames.planes[0]
    for plane in frames.planes:
        if np.abs(plane.row - first.row).max() > 1e-3 or np.abs(plane.column - first.column).max() > 1e-3:
            raise GeometryError("several orientations in one segmentation", where=name, remedy=_REMEDY)
        if not np.allclose(plane.spacing_mm, first.spacing_mm, rtol=1e-4):
            raise GeometryError("several pixel spacings in one segmentation", where=name, remedy=_REMEDY)
    positions = np.array([plane.position_mm for plane in frames.planes])
    along = positions @ first.normal
    beside = positions - positions[0] - np.outer(along - along[0], first.normal)
    if np.abs(beside).max() > 0.01 * min(first.spacing_mm):
        raise GeometryError("frames of the segmentation are shifted against each other", where=name, remedy=_REMEDY)
    spacing = _spacing(along, frames.measures, name)
    start = int(np.argmin(along))
    exact = (along - along[start]) / spacing
    slices = np.rint(exact).astype(np.int64)
    count = int(slices.max()) + 1
    if count > _MAX_SLICES or count * first.size[0] * first.size[1] > MAX_PIXELS:
        raise GeometryError(f"the segmentation spans {count} slices", where=name, remedy=_REMEDY)
    grid = stepped_grid(frames.planes[start], first.normal * spacing, count)
    return SegmentationLayout(grid, tuple(int(k) for k in slices), tuple(frames.numbers))


def _spacing(along: FloatArray, measures: Dataset, name: str) -> float:
    places = np.unique(along)
    places = places[np.concatenate([[True], np.diff(places) > _SAME_PLACE_MM])]
    stated = numbers(measures, "SpacingBetweenSlices")
    if places.size == 1:
        alone = stated or numbers(measures, "SliceThickness")
        if not alone or abs(alone[0]) <= 0:
            raise GeometryError("one slice, without SpacingBetweenSlices or SliceThickness", where=name, remedy=_REMEDY)
        return abs(alone[0])
    candidates = [abs(stated[0])] if stated and abs(stated[0]) > _SAME_PLACE_MM else []
    candidates.append(float(np.diff(places).min()))
    for candidate in candidates:
        steps = np.rint((places - places[0]) / candidate)
        if steps[-1] < 1:
            continue
        # Refined over the whole length, so that a rounded spacing does not run off.
        spacing = float(places[-1] - places[0]) / float(steps[-1])
        stray = np.abs((places - places[0]) / spacing - np.rint((places - places[0]) / spacing)).max()
        if stray <= _EVEN_FRACTION and np.all(np.diff(np.rint((places - places[0]) / spacing)) >= 1):
            return spacing
    raise GeometryError("the slices of the segmentation lie on no regular lattice", where=name, remedy=_REMEDY)
