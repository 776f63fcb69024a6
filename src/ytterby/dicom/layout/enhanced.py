"""Frames of enhanced multi-frame images (CT, MR, PET): which belong together, where they lie, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ytterby.dicom.header import DAMAGE, first_item, items, number, text, texts
from ytterby.dicom.layout.planes import Plane, in_plane
from ytterby.errors import DicomError, GeometryError

__all__ = ["MAX_PARTS", "FrameGroup", "FunctionalGroups", "frame_groups", "is_enhanced"]

MAX_PARTS = 1000
"""More volumes in one object are refused."""

_REMEDY = "export the image again, or as classic single slices"
_SAME_PLACE_MM = 1e-3
_SAME_DIRECTION = 1e-3
# What an index of dimensions counts that is a place: it tells slices apart, not volumes.
_PLACES = (
    "ImagePositionPatient",
    "InStackPositionNumber",
    "SliceLocation",
    "PlanePositionSlide",
    "StackID",
    "FrameNumber",
)
_FRAME_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence")
# Name, functional group and attribute of what may tell frames at one place apart, in the order in which it is asked for.
_DIMENSIONS = (
    ("temporal position", "FrameContentSequence", "TemporalPositionIndex"),
    ("echo time", "MREchoSequence", "EffectiveEchoTime"),
    ("b-value", "MRDiffusionSequence", "DiffusionBValue"),
    ("cardiac phase", "CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    ("respiratory phase", "RespiratorySynchronizationSequence", "NominalPercentageOfRespiratoryPhase"),
    ("kVp", "CTXRayDetailsSequence", "KVP"),
)
_ACQUISITION = ("acquisition", "FrameContentSequence", "FrameAcquisitionNumber")


@dataclass(frozen=True, eq=False)
class FunctionalGroups:
    """What an enhanced image says of each frame: its own functional groups, and those that all frames share (PS3.3 C.7.6.16)."""

    shared: Dataset
    per_frame: tuple[Dataset, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> FunctionalGroups:
        """Functional groups of an object.

        Raises
        ------
        DicomError
            There are none, not one for each frame, or the object is a part of a concatenation.
        """
        if text(dataset, "ConcatenationUID"):
            raise DicomError("one image cut into several files (a concatenation)", remedy=_REMEDY)
        count = int(number(dataset, "NumberOfFrames") or 1)
        per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
        if len(per_frame) != count:
            raise DicomError(
                f"NumberOfFrames says {count}, the functional groups describe {len(per_frame)} frames", remedy=_REMEDY
            )
        return cls(first_item(dataset, "SharedFunctionalGroupsSequence"), per_frame)

    def group(self, frame: int, keyword: str) -> Dataset:
        """First item of a functional group of a frame, else of the shared one; empty where there is neither."""
        return first_item(self.per_frame[frame] if keyword in self.per_frame[frame] else self.shared, keyword)

    def group_items(self, frame: int, keyword: str) -> tuple[Dataset, ...]:
        """All items of a functional group of a frame, else of the shared one."""
        return items(self.per_frame[frame] if keyword in self.per_frame[frame] else self.shared, keyword)


@dataclass(frozen=True, eq=False)
class FrameGroup:
    """Frames (counted from 0) of one volume, with their planes; ``label`` tells it from others of the object, "" if alone."""

    label: str
    frames: tuple[int, ...]
    planes: tuple[Plane, ...]


def is_enhanced(dataset: Dataset) -> bool:
    """True for an image of many frames, or of one frame that is described as those of many are."""
    return (number(dataset, "NumberOfFrames") or 1) > 1 or "PerFrameFunctionalGroupsSequence" in dataset


def frame_groups(dataset: Dataset, name: str) -> tuple[FrameGroup, ...]:
    """The volumes of an enhanced image: its stacks, and within a stack what has several frames at one place, told apart.

    Frames at one place are told apart by the first of these in which they differ: temporal position, frame type, echo time,
    b-value, cardiac or respiratory phase, kVp, the object's own index of dimensions, acquisition number. Frames that nothing
    tells apart stay together, and stacking them is an error.

    Raises
    ------
    DicomError
        Functional groups are missing or do not fit the number of frames.
    GeometryError
        A frame has no position, orientation or spacing.
    """
    groups = FunctionalGroups.of(dataset)
    size = (int(number(dataset, "Rows") or 0), int(number(dataset, "Columns") or 0))
    planes = [
        in_plane(
            f"frame {frame + 1} of {name}",
            groups.group(frame, "PlanePositionSequence"),
            groups.group(frame, "PlaneOrientationSequence"),
            groups.group(frame, "PixelMeasuresSequence"),
            size=size,
        )
        for frame in range(len(groups.per_frame))
    ]
    everything = tuple(range(len(planes)))
    parts: dict[str, tuple[int, ...]] = {"": everything}
    parts = _split(parts, "stack", lambda frame: text(groups.group(frame, "FrameContentSequence"), "StackID"))
    for label, value in _dimensions(dataset, groups):
        parts = _told_apart(parts, label, value, planes)
    if len(parts) > MAX_PARTS:
        raise GeometryError(f"{len(parts)} volumes in one object; {MAX_PARTS} is the most that is read", remedy=_REMEDY)
    ordered = sorted(parts.items(), key=lambda part: part[1])
    return tuple(FrameGroup(label, frames, tuple(planes[frame] for frame in frames)) for label, frames in ordered)


def _dimensions(dataset: Dataset, groups: FunctionalGroups) -> list[tuple[str, Callable[[int], str]]]:
    def attribute(sequence: str, keyword: str) -> Callable[[int], str]:
        return lambda frame: " ".join(texts(groups.group(frame, sequence), keyword))

    def frame_type(frame: int) -> str:
        return " ".join(
            value for sequence in _FRAME_TYPES for value in texts(groups.group(frame, sequence), "FrameType")
        )

    def index(place: int) -> Callable[[int], str]:
        def value(frame: int) -> str:
            found = texts(groups.group(frame, "FrameContentSequence"), "DimensionIndexValues")
            return found[place] if place < len(found) else ""

        return value

    named = [(label, attribute(sequence, keyword)) for label, sequence, keyword in _DIMENSIONS]
    named.insert(1, ("frame type", frame_type))
    for place, item in enumerate(items(dataset, "DimensionIndexSequence")):
        keyword = _pointed_at(item)
        if keyword not in _PLACES:
            named.append((text(item, "DimensionDescriptionLabel") or keyword or "dimension", index(place)))
    return [*named, (_ACQUISITION[0], attribute(*_ACQUISITION[1:]))]


def _pointed_at(item: Dataset) -> str:
    try:
        return keyword_for_tag(Tag(item.DimensionIndexPointer))
    except DAMAGE:
        return ""


def _crowded(frames: Sequence[int], planes: Sequence[Plane]) -> bool:
    """True when two of the frames lie at one place, in one orientation."""
    return len(_places(frames, planes)) < len(frames)


def _places(frames: Sequence[int], planes: Sequence[Plane]) -> set[tuple[int, ...]]:
    found = set()
    for frame in frames:
        plane = planes[frame]
        place = [round(float(value) / _SAME_PLACE_MM) for value in plane.position_mm]
        found.add((*place, *(round(float(value) / _SAME_DIRECTION) for value in (*plane.row, *plane.column))))
    return found


def _split(parts: Mapping[str, tuple[int, ...]], label: str, value: Callable[[int], str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, frames in parts.items():
        kinds: dict[str, list[int]] = {}
        for frame in frames:
            kinds.setdefault(value(frame), []).append(frame)
        if len(kinds) == 1:
            found[name] = frames
            continue
        for said, some in kinds.items():
            found[f"{name}, {label} {said}" if name else f"{label} {said}"] = tuple(some)
    return found


def _told_apart(
    parts: Mapping[str, tuple[int, ...]], label: str, value: Callable[[int], str], planes: Sequence[Plane]
) -> dict[str, tuple[int, ...]]:
    """The parts split by a dimension, where that makes volumes of them; a number for each slice does not."""
    found: dict[str, tuple[int, ...]] = {}
    for name, frames in parts.items():
        if not _crowded(frames, planes):
            found[name] = frames
            continue
        split = _split({name: frames}, label, value)
        places = len(_places(frames, planes))
        useful = len(split) > 1 and all(len(some) > 1 for some in split.values()) and len(split) <= len(frames) / 2
        fuller = max(len(_places(some, planes)) for some in split.values()) > places / 2
        found.update(split if useful and fuller else {name: frames})
    return found
