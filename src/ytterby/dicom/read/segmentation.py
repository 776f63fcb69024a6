"""DICOM segmentations (SEG) to Segments on one grid, by position: frames may be sparse and in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ytterby.dicom.header import DAMAGE, items, naming, number, numbers, open_whole, quiet, text
from ytterby.dicom.layout.segmentation import segmentation_grid
from ytterby.dicom.pixels import MAX_PIXELS, stored_pixels
from ytterby.errors import DicomError, GeometryError, SegmentError
from ytterby.model.segment import BoolArray, Role, Segment

__all__ = ["MAX_SEGMENT_VOXELS", "read_segments"]

MAX_SEGMENT_VOXELS = 2**33
"""Voxels of all segments of one object together; more are refused."""

_REMEDY = "export the segmentation again, on the slices of its image"


def _binary_frames(dataset: Dataset, name: str) -> npt.NDArray[np.bool_]:
    """Frames as booleans, shape (frames, rows, columns)."""
    kind = text(dataset, "SegmentationType").upper()
    if kind not in ("BINARY", "FRACTIONAL"):
        raise DicomError(
            f"a segmentation of type {kind or 'unknown'} is not read",
            where=name,
            remedy="export it as BINARY, FRACTIONAL or LABELMAP segmentation",
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
    what is at least half of the maximum, and ``method`` says so; in a label map, a pixel's value is its segment's number.
    A segment without a frame is empty. Masks are views of (k, rows, columns) arrays.

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
    dataset = open_whole(path)
    try:
        with naming(path):
            if text(dataset, "Modality") != "SEG":
                raise DicomError(
                    f"this is no segmentation but {text(dataset, 'Modality') or 'of no modality'}",
                    remedy="give a DICOM SEG object",
                )
            return _segments(dataset, path)
    except DAMAGE as error:
        if isinstance(error, GeometryError):
            raise
        raise DicomError(f"the segmentation is damaged ({error})"[:300], where=str(path), remedy=_REMEDY) from error


def _segments(dataset: Dataset, path: Path) -> tuple[Segment, ...]:
    layout = segmentation_grid(dataset, str(path))
    described = {int(number(item, "SegmentNumber") or 0): item for item in items(dataset, "SegmentSequence")}
    is_label_map = text(dataset, "SegmentationType").upper() == "LABELMAP"
    if is_label_map:
        described.pop(0, None)  # the background may be described too
    else:
        _require_described(set(layout.segment_numbers), set(described), path)
    columns, rows, count = layout.grid.shape
    if len(described) * columns * rows * count > MAX_SEGMENT_VOXELS:
        raise DicomError(
            f"{len(described)} segments on {layout.grid.shape} voxels are too many", where=str(path), remedy=_REMEDY
        )
    masks: dict[int, BoolArray] = {key: np.zeros((count, rows, columns), dtype=np.bool_) for key in sorted(described)}
    if is_label_map:
        labels = stored_pixels(dataset, str(path))
        background = {0, *(int(value) for value in numbers(dataset, "PixelPaddingValue"))}
        _require_described(set(np.unique(labels).tolist()) - background, set(described), path)
        for frame, k in zip(labels, layout.slices, strict=True):
            for key in np.unique(frame).tolist():
                if key in masks:
                    masks[key][k] |= frame == key
    else:
        frames = _binary_frames(dataset, str(path))
        for frame, k, key in zip(frames, layout.slices, layout.segment_numbers, strict=True):
            masks[key][k] |= frame
    halved = _halved(dataset)
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
                method=", ".join(filter(None, ["imported", algorithm, halved])),
                frame_of_reference=frame_of_reference,
                source=path.name,
            )
        )
    return tuple(segments)


def _require_described(met: set[int], described: set[int], path: Path) -> None:
    unknown = sorted(met - described)
    if unknown:
        raise SegmentError(
            f"a frame belongs to segment {unknown[0]}, which the object does not describe",
            where=str(path),
            remedy=_REMEDY,
        )


def _halved(dataset: Dataset) -> str:
    """What was taken of a fractional segmentation, in words; "" for others."""
    if text(dataset, "SegmentationType").upper() != "FRACTIONAL":
        return ""
    return f"{text(dataset, 'SegmentationFractionalType').lower() or 'fraction'} of half and more"
