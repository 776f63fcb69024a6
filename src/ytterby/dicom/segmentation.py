"""DICOM segmentations (SEG) to Segments on one grid, by position: frames may be sparse and in any order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ytterby.dicom.geometry import Plane, in_plane, stepped_grid
from ytterby.dicom.header import DAMAGE, first_item, items, number, numbers, open_object, quiet, text
from ytterby.dicom.pixels import MAX_PIXELS, stored_pixels
from ytterby.errors import DicomError, GeometryError, SegmentError
from ytterby.model.segment import BoolArray, Role, Segment
from ytterby.model.volume import FloatArray, Grid

__all__ = ["MAX_SEGMENT_VOXELS", "SegmentationLayout", "read_segments", "segmentation_grid"]

MAX_SEGMENT_VOXELS = 2**33
"""Voxels of all segments of one object together; more are refused."""

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


def _binary_frames(dataset: Dataset, name: str) -> npt.NDArray[np.bool_]:
    """Frames as booleans, shape (frames, rows, columns)."""
    kind = text(dataset, "SegmentationType").upper()
    if kind not in ("BINARY", "FRACTIONAL"):
        raise DicomError(
            f"a segmentation of type {kind or 'unknown'} is not read",
            where=name,
            remedy="export it as BINARY segmentation",
        )
    if kind == "FRACTIONAL":
        most = number(dataset, "MaximumFractionalValue") or 255.0
        return np.asarray(stored_pixels(dataset, name).astype(np.float64) >= 0.5 * most)
    syntax = UID(text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID"))
    if number(dataset, "BitsAllocated") != 1 or syntax.is_encapsulated:
        return np.asarray(stored_pixels(dataset, name) != 0)
    rows, columns = int(number(dataset, "Rows") or 0), int(number(dataset, "Columns") or 0)
    count = int(number(dataset, "NumberOfFrames") or 0)
    try:
        packed = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    except DAMAGE as error:
        raise DicomError("there is no pixel data", where=name, remedy=_REMEDY) from error
    bits = count * rows * columns
    if bits > MAX_PIXELS * 4 or packed.size * 8 < bits:
        raise DicomError(
            f"the pixel data is truncated or too large: {packed.size} bytes for {bits} bits", where=name, remedy=_REMEDY
        )
    # Frames follow each other bit by bit, without padding to whole bytes (DICOM PS3.5 8.1.1).
    flat = np.unpackbits(packed, count=bits, bitorder="little")
    return flat.view(np.bool_).reshape(count, rows, columns)


@quiet()
def read_segments(path: Path | str) -> tuple[Segment, ...]:
    """Segments of a SEG object, in the order of their numbers, all on one grid that spans the object's frames.

    Role is OTHER, ``name`` the SegmentLabel, ``method`` "imported" with the algorithm type. Fractional segments take
    what is at least half of the maximum. A segment without a frame is empty. Masks are views of (k, rows, columns) arrays.

    Raises
    ------
    DicomError
        The file is no SEG, damaged, of an unknown type, or its pixel data is truncated.
    GeometryError
        The frames lie on no regular grid.
    SegmentError
        A frame belongs to a segment that the object does not describe.
    """
    path = Path(path)
    dataset = open_object(path)
    if text(dataset, "Modality") != "SEG":
        raise DicomError(
            f"this is no segmentation but {text(dataset, 'Modality') or 'of no modality'}",
            where=str(path),
            remedy="give a DICOM SEG object",
        )
    try:
        return _segments(dataset, path)
    except DAMAGE as error:
        if isinstance(error, GeometryError):
            raise
        raise DicomError(f"the segmentation is damaged ({error})"[:300], where=str(path), remedy=_REMEDY) from error


def _segments(dataset: Dataset, path: Path) -> tuple[Segment, ...]:
    layout = segmentation_grid(dataset, str(path))
    described = {int(number(item, "SegmentNumber") or 0): item for item in items(dataset, "SegmentSequence")}
    unknown = sorted(set(layout.segment_numbers) - set(described))
    if unknown:
        raise SegmentError(
            f"a frame belongs to segment {unknown[0]}, which the object does not describe",
            where=str(path),
            remedy=_REMEDY,
        )
    columns, rows, count = layout.grid.shape
    if len(described) * columns * rows * count > MAX_SEGMENT_VOXELS:
        raise DicomError(
            f"{len(described)} segments on {layout.grid.shape} voxels are too many", where=str(path), remedy=_REMEDY
        )
    masks: dict[int, BoolArray] = {key: np.zeros((count, rows, columns), dtype=np.bool_) for key in sorted(described)}
    frames = _binary_frames(dataset, str(path))
    for frame, k, key in zip(frames, layout.slices, layout.segment_numbers, strict=True):
        masks[key][k] |= frame
    frame_of_reference = text(dataset, "FrameOfReferenceUID")
    segments = []
    for key, mask in masks.items():
        item = described[key]
        algorithm = " ".join(
            filter(None, [text(item, "SegmentAlgorithmType").lower(), text(item, "SegmentAlgorithmName")])
        )
        segments.append(
            Segment(
                name=text(item, "SegmentLabel") or f"segment {key}",
                role=Role.OTHER,
                mask=mask.transpose(2, 1, 0),
                grid=layout.grid,
                method=f"imported, {algorithm}" if algorithm else "imported",
                frame_of_reference=frame_of_reference,
                source=path.name,
            )
        )
    return tuple(segments)
