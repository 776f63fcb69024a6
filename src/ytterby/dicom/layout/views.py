"""Frames of a planar nuclear medicine object (NM STATIC, WHOLE BODY): from where each was seen, and in which energy window."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, items, number, numbers, text, texts
from ytterby.dicom.layout.frames import EnergyWindow, energy_windows, frame_count, frame_vectors
from ytterby.errors import GeometryError
from ytterby.model.planar import ViewDirection

__all__ = ["ViewFrame", "view_frames"]

_FRONT, _BACK = ViewDirection.ANTERIOR, ViewDirection.POSTERIOR
# CID 26 "Nuclear Medicine Projection" (399321004, 399001007), its older codes, the qualifiers anterior and posterior, and the
# codes that name a way through the patient, of which the camera's side comes first.
_VIEW_CODES = {
    "399321004": _FRONT, "G-5215": _FRONT, "255549009": _FRONT, "R-404CC": _FRONT, "399348003": _FRONT, "R-10206": _FRONT,
    "399001007": _BACK, "G-5216": _BACK, "255551008": _BACK, "R-404CE": _BACK, "399312000": _BACK, "R-10208": _BACK,
    "R-10214": _BACK,
}  # fmt: skip
_POSITIONS = {"AP": _FRONT, "PA": _BACK, "ANT": _FRONT, "ANTERIOR": _FRONT, "POST": _BACK, "POSTERIOR": _BACK}
_WORDS = (
    (re.compile(r"(?<![a-z])(ant|anterior|ventral)(?![a-z])"), _FRONT),
    (re.compile(r"(?<![a-z])(post|posterior|dorsal)(?![a-z])"), _BACK),
)
_UPRIGHT_DEGREES = 20.0
_AXIS_COSINE = 0.9


@dataclass(frozen=True)
class ViewFrame:
    """One frame: from where it was seen (None: not known, ``source`` says why), and its energy window.

    ``columns_towards`` is the side of the patient to which the columns run, "" where the file does not say.
    """

    frame: int
    direction: ViewDirection | None
    source: str
    window: EnergyWindow
    columns_towards: str


def view_frames(dataset: Dataset, name: str) -> tuple[ViewFrame, ...]:
    """What each frame of a planar object is, in the order of the file.

    The direction comes from the detector's View Code Sequence or from Image Orientation (Patient), which must agree; where
    neither is there, from ViewPosition, from StartAngle (0 degrees: at the patient's back, DICOM PS3.3 C.8.4.11) or from the
    words ANT and POST in Image ID or Series Description. What contradicts itself stays unknown.

    Raises
    ------
    GeometryError
        A frame vector has not one value a frame or one out of range, or frames are of a time series.
    """
    count = frame_count(dataset, name)
    vectors = frame_vectors(dataset, name)
    for keyword, values in vectors.items():
        if keyword not in ("DetectorVector", "EnergyWindowVector") and len(set(values)) > 1:
            raise GeometryError(
                f"a planar object whose frames differ by {keyword}: a time series or projections",
                where=name,
                remedy="export the static views",
            )
    detectors = items(dataset, "DetectorInformationSequence") or (Dataset(),)
    known = {window.number: window for window in energy_windows(dataset)}
    found = []
    for frame in range(count):
        place = vectors["DetectorVector"][frame] if "DetectorVector" in vectors else 1
        if place > len(detectors):
            raise GeometryError(
                f"frame {frame + 1} is of detector {place}, and {len(detectors)} are described",
                where=name,
                remedy="export the object again from the archive",
            )
        window = vectors["EnergyWindowVector"][frame] if "EnergyWindowVector" in vectors else 1
        detector = detectors[place - 1]
        direction, source = _direction(dataset, detector, alone=len(detectors) == 1)
        towards = _columns_towards(dataset, detector, alone=len(detectors) == 1)
        found.append(ViewFrame(frame, direction, source, known.get(window, EnergyWindow(window, "", ())), towards))
    return tuple(found)


def _direction(dataset: Dataset, detector: Dataset, *, alone: bool) -> tuple[ViewDirection | None, str]:
    """The direction and how it is known; what the root says counts only where there is one detector."""
    certain = [*_coded(detector), *_oriented(detector)]
    if alone and not certain:
        certain = [*_coded(dataset), *_oriented(dataset)]
    hints = certain or [*_angled(detector), *(_named(dataset) if alone else [])]
    if not hints:
        return None, "neither view code, orientation, angle nor name says from where the camera looked"
    said = ", ".join(source for _, source in hints)
    directions = {direction for direction, _ in hints}
    if len(directions) > 1:
        return None, f"the file contradicts itself: {said}"
    return hints[0][0], said


def _coded(dataset: Dataset) -> list[tuple[ViewDirection, str]]:
    code = first_item(dataset, "ViewCodeSequence")
    value, meaning = text(code, "CodeValue"), text(code, "CodeMeaning")
    direction = _VIEW_CODES.get(value)
    if direction is None:
        plain = meaning.lower().replace("-", " ").split()
        first = plain[0] if plain else ""
        direction = {"anterior": _FRONT, "antero": _FRONT, "posterior": _BACK, "postero": _BACK}.get(first)
        if "oblique" in plain:
            direction = None
    return [(direction, f"view code {value or 'without a value'} ({meaning or 'no meaning'})")] if direction else []


def _oriented(dataset: Dataset) -> list[tuple[ViewDirection, str]]:
    cosines = numbers(dataset, "ImageOrientationPatient")
    if len(cosines) != 6:
        return []
    # Rows x columns points away from who looks: to the back (+y) in an anterior view.
    away = float(np.cross(cosines[:3], cosines[3:])[1])
    if abs(away) < _AXIS_COSINE:
        return []
    return [(_FRONT if away > 0 else _BACK, "image orientation")]


def _angled(detector: Dataset) -> list[tuple[ViewDirection, str]]:
    angle = number(detector, "StartAngle")
    if angle is None:
        return []
    turned = angle % 360.0
    if abs(turned - 180.0) <= _UPRIGHT_DEGREES:
        return [(_FRONT, f"start angle {angle:g} degrees from the patient's back")]
    if min(turned, 360.0 - turned) <= _UPRIGHT_DEGREES:
        return [(_BACK, f"start angle {angle:g} degrees from the patient's back")]
    return []


def _named(dataset: Dataset) -> list[tuple[ViewDirection, str]]:
    position = text(dataset, "ViewPosition").upper()
    found = [(_POSITIONS[position], f"view position {position}")] if position in _POSITIONS else []
    for keyword, title in (("ImageID", "image ID"), ("SeriesDescription", "series description")):
        written = text(dataset, keyword)
        named = {direction for pattern, direction in _WORDS if pattern.search(written.lower().replace("_", " "))}
        # A description that names both is of the whole series.
        if len(named) == 1:
            found.append((named.pop(), f"{title} '{written[:40]}'"))
    return found


def _columns_towards(dataset: Dataset, detector: Dataset, *, alone: bool) -> str:
    cosines = numbers(detector, "ImageOrientationPatient")
    if alone and not cosines:
        cosines = numbers(dataset, "ImageOrientationPatient")
    if len(cosines) == 6 and abs(cosines[0]) >= _AXIS_COSINE:
        return "left" if cosines[0] > 0 else "right"
    orientation = texts(dataset, "PatientOrientation") if alone else ()
    return {"L": "left", "R": "right"}.get(orientation[0].upper()[:1], "") if orientation else ""
