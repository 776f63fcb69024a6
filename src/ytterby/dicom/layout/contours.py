"""Regions of interest of a radiotherapy structure set (RTSTRUCT): their names and closed contours, in LPS millimetres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from ytterby.dicom.header import DAMAGE, first_item, items, number, numbers, text, texts
from ytterby.errors import DicomError
from ytterby.model.volume import FloatArray

__all__ = ["CLOSED", "MAX_CONTOURS", "MAX_POINTS", "MAX_REGIONS", "Region", "regions_of"]

MAX_REGIONS = 2000
"""More regions of interest in one structure set are refused."""
MAX_CONTOURS = 100_000
"""More contours in one structure set are refused."""
MAX_POINTS = 20_000_000
"""More points of all contours together are refused."""
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
"""Geometric types that enclose an area (DICOM PS3.3 C.8.8.6.3), and a way of writing them that is met."""

_FARTHEST_MM = 1e5
_REMEDY = "export the structure set again"


@dataclass(frozen=True, eq=False)
class Region:
    """One region of interest.

    ``polygons`` are its closed contours, each (n, 3); ``left_out`` counts by reason what is none. ``slab_mm`` is the stated
    thickness of its planes (None: not stated).
    """

    number: int
    name: str
    interpreted_type: str
    algorithm: str
    frame_of_reference: str
    polygons: tuple[FloatArray, ...] = field(repr=False)
    left_out: tuple[tuple[str, int], ...]
    slab_mm: float | None


def regions_of(dataset: Dataset, name: str) -> tuple[Region, ...]:
    """Regions of interest of an RTSTRUCT in the order of its StructureSetROISequence.

    Source: DICOM PS3.3, C.8.8.5 (structure set), C.8.8.6 (ROI contour), C.8.8.8 (RT ROI observations).

    Raises
    ------
    DicomError
        There is no region, a contour is damaged, or there are too many regions, contours or points.
    """
    described = items(dataset, "StructureSetROISequence")
    if not 0 < len(described) <= MAX_REGIONS:
        raise DicomError(f"the structure set describes {len(described)} regions", where=name, remedy=_REMEDY)
    types = {
        _integer(item, "ReferencedROINumber"): text(item, "RTROIInterpretedType").upper()
        for item in items(dataset, "RTROIObservationsSequence")
    }
    contours: dict[int, list[Dataset]] = {}
    for item in items(dataset, "ROIContourSequence"):
        contours.setdefault(_integer(item, "ReferencedROINumber"), []).extend(items(item, "ContourSequence"))
    count = sum(len(found) for found in contours.values())
    if count > MAX_CONTOURS:
        raise DicomError(f"{count} contours; {MAX_CONTOURS} are the most that are read", where=name, remedy=_REMEDY)
    whole = text(first_item(dataset, "ReferencedFrameOfReferenceSequence"), "FrameOfReferenceUID")
    frame = whole or text(dataset, "FrameOfReferenceUID")
    points_left = MAX_POINTS
    regions = []
    for item in described:
        key = _integer(item, "ROINumber")
        polygons, left_out, slabs = [], Counter[str](), []
        for contour, points in _contours(contours.get(key, []), name):
            points_left -= len(points)
            if points_left < 0:
                raise DicomError(f"more than {MAX_POINTS} points", where=name, remedy=_REMEDY)
            kind = text(contour, "ContourGeometricType").upper()
            if kind not in CLOSED:
                left_out[kind or "no stated type"] += 1
            elif len(points) < 3:
                left_out["fewer than 3 points"] += 1
            else:
                polygons.append(points)
                slabs += [value for value in numbers(contour, "ContourSlabThickness") if value > 0]
        regions.append(
            Region(
                number=key,
                name=text(item, "ROIName") or f"region {key}",
                interpreted_type=types.get(key, ""),
                algorithm=text(item, "ROIGenerationAlgorithm").lower(),
                frame_of_reference=text(item, "ReferencedFrameOfReferenceUID") or frame,
                polygons=tuple(polygons),
                left_out=tuple(sorted(left_out.items())),
                slab_mm=float(np.median(slabs)) if slabs else None,
            )
        )
    return tuple(regions)


def _integer(item: Dataset, keyword: str) -> int:
    return int(number(item, keyword) or 0)


def _contours(found: list[Dataset], name: str) -> Iterator[tuple[Dataset, FloatArray]]:
    for contour in found:
        yield contour, _points(contour, name)


def _points(contour: Dataset, name: str) -> FloatArray:
    """ContourData as (n, 3); points that repeat the one before are left out, and so is a last one that repeats the first."""
    try:
        element: object = contour.get_item("ContourData")
        # pydicom makes an object of every number; of a million that takes seconds.
        if isinstance(element, RawDataElement):
            written = (element.value or b"").strip(b" \0")
            values = np.array(written.split(b"\\") if written else [], dtype="S")
        else:
            values = np.array(texts(contour, "ContourData"), dtype="S")
        numbers_mm = values.astype(np.float64)
    except DAMAGE as error:
        raise DicomError("a contour holds what is no number", where=name, remedy=_REMEDY) from error
    if numbers_mm.size % 3 or not np.all(np.abs(numbers_mm) <= _FARTHEST_MM):  # a NaN is not below it
        raise DicomError(
            f"a contour of {numbers_mm.size} numbers is no list of places in a patient", where=name, remedy=_REMEDY
        )
    points = numbers_mm.reshape(-1, 3)
    if len(points) < 2:
        return points
    return points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
