"""Which frame of a nuclear medicine object is what: its frame vectors, and its energy windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.tag import Tag

from ytterby.dicom.header import MAX_FRAMES, items, number, numbers, text, texts
from ytterby.dicom.nuclide import PHOTOPEAKS_KEV
from ytterby.errors import DicomError, GeometryError

__all__ = [
    "STATE_WINDOW",
    "EnergyWindow",
    "chosen_window",
    "energy_windows",
    "frame_count",
    "frame_vectors",
    "window_notes",
]

# Vector -> the element that bounds it ("" where the bound stands in a sequence of its own).
_BOUNDS: Mapping[str, str] = {
    "EnergyWindowVector": "NumberOfEnergyWindows",
    "DetectorVector": "NumberOfDetectors",
    "PhaseVector": "NumberOfPhases",
    "RotationVector": "NumberOfRotations",
    "RRIntervalVector": "NumberOfRRIntervals",
    "TimeSlotVector": "NumberOfTimeSlots",
    "SliceVector": "NumberOfSlices",
    "AngularViewVector": "",
    "TimeSliceVector": "",
}
STATE_WINDOW = "state energy_window: the name or number of the one that is meant"
"""What to do where several energy windows could be meant."""

_REMEDY = "export the object again from the archive: its frames cannot be told apart"


@dataclass(frozen=True)
class EnergyWindow:
    """An energy window: its ``number`` from 1, its name ("" where it has none), and its ranges (lower, upper) in keV."""

    number: int
    name: str
    ranges_kev: tuple[tuple[float, float], ...]

    @property
    def title(self) -> str:
        """Name and ranges in words."""
        ranges = " and ".join(f"{low:g}-{high:g} keV" for low, high in self.ranges_kev)
        return f"'{self.name or self.number}'" + (f" ({ranges})" if ranges else "")

    def holds(self, photon_kev: float) -> bool:
        """Whether one of the ranges holds an energy."""
        return any(low <= photon_kev <= high for low, high in self.ranges_kev)


def frame_count(dataset: Dataset, name: str) -> int:
    """Number of frames; GeometryError where it is none, or more than ``MAX_FRAMES``."""
    frames = number(dataset, "NumberOfFrames")
    count = 1 if frames is None else int(frames)
    if not 1 <= count <= MAX_FRAMES:
        raise GeometryError(
            f"NumberOfFrames is {count}; 1 to {MAX_FRAMES} are read", where=name, remedy="export the object again"
        )
    return count


def frame_vectors(dataset: Dataset, name: str) -> dict[str, tuple[int, ...]]:
    """Values of each frame vector that the Frame Increment Pointer names, by keyword, in the pointer's order.

    Where there is no pointer, the vectors that are there are taken. The Slice Vector is left out where it is named and
    empty, as are all of an object with one frame that have no value (DICOM PS3.3 C.8.4.8).

    Raises
    ------
    GeometryError
        A vector has not one value a frame, or a value below 1 or beyond the number that the object states.
    """
    count = frame_count(dataset, name)
    found = {}
    for keyword in _pointed(dataset):
        values = numbers(dataset, keyword)
        if not values and (count == 1 or keyword == "SliceVector"):
            continue
        bound = number(dataset, _BOUNDS[keyword]) if _BOUNDS[keyword] else None
        if len(values) != count:
            raise GeometryError(f"{keyword} has {len(values)} values for {count} frames", where=name, remedy=_REMEDY)
        most = count if bound is None else int(bound)
        # The Slice Vector of several volumes in one object runs from 1 to the slices of each.
        wrong = [value for value in values if value != int(value) or not 1 <= value <= max(most, 1)]
        if wrong:
            stated = f"{_BOUNDS[keyword]} is {most}" if bound is not None else f"there are {count} frames"
            raise GeometryError(f"{keyword} names {wrong[0]:g}, and {stated}", where=name, remedy=_REMEDY)
        found[keyword] = tuple(int(value) for value in values)
    return found


def _pointed(dataset: Dataset) -> tuple[str, ...]:
    """Keywords of the vectors that the Frame Increment Pointer names; of all that have values where it names none."""
    named = []
    for written in texts(dataset, "FrameIncrementPointer"):
        try:
            # pydicom prints a tag as (gggg,eeee), and takes that for one.
            named.append(keyword_for_tag(Tag(written.strip("()").replace(",", "").replace(" ", ""))))
        except (ValueError, OverflowError, TypeError, BytesLengthException):
            continue
    known = tuple(dict.fromkeys(keyword for keyword in named if keyword in _BOUNDS))
    return known or tuple(keyword for keyword in _BOUNDS if numbers(dataset, keyword))


def energy_windows(dataset: Dataset) -> tuple[EnergyWindow, ...]:
    """The energy windows of a nuclear medicine object, in their order (DICOM PS3.3 C.8.4.10)."""
    windows = []
    for place, item in enumerate(items(dataset, "EnergyWindowInformationSequence"), start=1):
        ranges = []
        for part in items(item, "EnergyWindowRangeSequence"):
            low, high = number(part, "EnergyWindowLowerLimit"), number(part, "EnergyWindowUpperLimit")
            if low is not None and high is not None:
                ranges.append((low, high))
        windows.append(EnergyWindow(place, text(item, "EnergyWindowName"), tuple(ranges)))
    return tuple(windows)


def chosen_window(
    dataset: Dataset, nuclide: str, name: str, *, wanted: str = "", among: frozenset[int] = frozenset()
) -> EnergyWindow:
    """The energy window to read, of those numbered in ``among`` (all where it is empty).

    ``wanted`` is a window's name or number. Without it, the only window is taken, or the only one whose range holds a
    photopeak of ``nuclide``.

    Raises
    ------
    DicomError
        ``wanted`` is none of them, or which is meant cannot be told; the windows are named.
    """
    known = {window.number: window for window in energy_windows(dataset)}
    numbered = among or frozenset(known) or frozenset({1})
    windows = [known.get(place, EnergyWindow(place, "", ())) for place in sorted(numbered)]
    listed = ", ".join(window.title for window in windows)
    if wanted:
        fitting = [window for window in windows if wanted in (window.name, str(window.number))]
        if len(fitting) != 1:
            raise DicomError(
                f"{'no' if not fitting else 'more than one'} energy window is '{wanted}'; there are {listed}",
                where=name,
                remedy=STATE_WINDOW,
            )
        return fitting[0]
    if len(windows) == 1:
        return windows[0]
    peaks = PHOTOPEAKS_KEV.get(nuclide, ())
    holding = [window for window in windows if any(window.holds(peak) for peak in peaks)]
    if len(holding) != 1:
        why = "no photopeak is known for " + (nuclide or "a radionuclide that is not stated")
        if peaks:
            many = "none" if not holding else "more than one"
            why = f"{many} holds a photopeak of {nuclide} ({', '.join(f'{peak:g}' for peak in peaks)} keV)"
        raise DicomError(
            f"{len(windows)} energy windows, {listed}, and {why}",
            where=name,
            remedy=STATE_WINDOW,
        )
    return holding[0]


def window_notes(dataset: Dataset, nuclide: str, name: str) -> str:
    """What is read of several energy windows, in words; "" where there is one. Raises as ``chosen_window`` does."""
    windows = energy_windows(dataset)
    used = frozenset(frame_vectors(dataset, name).get("EnergyWindowVector", ()))
    if len(used) < 2:
        return ""
    chosen = chosen_window(dataset, nuclide, name, among=used)
    listed = ", ".join(window.title for window in windows if window.number in used)
    return f"{len(used)} energy windows: {listed}; {chosen.title}, which holds a photopeak of {nuclide}, is read"
