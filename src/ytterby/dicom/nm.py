"""Geometry of nuclear medicine tomography (NM RECON TOMO): one object, many frames."""

from __future__ import annotations

import re

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.geometry import in_plane, stepped_grid
from ytterby.dicom.header import first_item, number, numbers, text
from ytterby.errors import GeometryError
from ytterby.model.volume import Grid

__all__ = ["radionuclide", "recon_geometry"]


def recon_geometry(dataset: Dataset, name: str) -> tuple[Grid, tuple[int, ...]]:
    """Grid of a reconstructed SPECT, and for each of its slices the number of the frame that holds it.

    Position and orientation stand in the DetectorInformationSequence, or at the root. Slice k lies at
    position + k * SpacingBetweenSlices * normal, normal = row x column: a positive spacing stacks slices behind
    the first one along the normal, a negative one in front of it (DICOM PS3.3 C.8.4.8). The Slice Vector says
    which slice a frame is.

    Raises
    ------
    GeometryError
        A field is missing (named), the spacing is 0 or absent, or the Slice Vector does not name each slice once.
    """
    detector = first_item(dataset, "DetectorInformationSequence")
    sources = {
        keyword: detector if numbers(detector, keyword) else dataset
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient")
    }
    rows, columns = number(dataset, "Rows") or 0, number(dataset, "Columns") or 0
    plane = in_plane(
        name,
        sources["ImagePositionPatient"],
        sources["ImageOrientationPatient"],
        dataset,
        size=(int(rows), int(columns)),
    )
    spacing = number(dataset, "SpacingBetweenSlices")
    if not spacing:
        raise GeometryError(
            "SpacingBetweenSlices is missing or 0: neither the distance of the slices nor their direction is known",
            where=name,
            remedy="export the reconstruction again with SpacingBetweenSlices (its sign says the direction)",
        )
    frames = int(number(dataset, "NumberOfFrames") or 1)
    vector = [int(value) for value in numbers(dataset, "SliceVector")] or list(range(1, frames + 1))
    if sorted(vector) != list(range(1, frames + 1)):
        raise GeometryError(
            f"the Slice Vector does not name each of {frames} slices once (gated, or several energy windows)",
            where=name,
            remedy="export one ungated volume of one energy window",
        )
    order = tuple(int(frame) for frame in np.argsort(vector, kind="stable"))
    return stepped_grid(plane, plane.normal * spacing, frames), order


_CODES = {
    "C-163A8": "99mTc",
    "72454006": "99mTc",
    "C-162A7": "90Y",
    "14691008": "90Y",
    "C-111A1": "18F",
    "77004003": "18F",
}
_SYMBOLS = {
    "technetium": "Tc", "yttrium": "Y", "holmium": "Ho", "fluorine": "F", "lutetium": "Lu", "iodine": "I", "zirconium": "Zr",
    "germanium": "Ge", "gallium": "Ga", "sodium": "Na", "indium": "In", "rhenium": "Re",
}  # fmt: skip
_MASS_FIRST = re.compile(r"^(\d{1,3}m?)([a-z]+)$")
_MASS_LAST = re.compile(r"^([a-z]+)(\d{1,3}m?)$")


def _nuclide(written: str) -> str:
    plain = written.lower().replace("^", "").replace("-", "").replace(" ", "")
    first, last = _MASS_FIRST.match(plain), _MASS_LAST.match(plain)
    if first is not None:
        mass, element = first.groups()
    elif last is not None:
        element, mass = last.groups()
    else:
        return ""
    symbol = _SYMBOLS.get(element, element.capitalize() if len(element) <= 2 else "")
    return f"{mass}{symbol}" if symbol else ""


def radionuclide(dataset: Dataset) -> str:
    """Radionuclide as the field writes it ("99mTc", "90Y"); else the file's own words; "" where it says nothing."""
    item = first_item(dataset, "RadiopharmaceuticalInformationSequence")
    code = first_item(item, "RadionuclideCodeSequence")
    value, meaning = text(code, "CodeValue"), text(code, "CodeMeaning")
    if value in _CODES:
        return _CODES[value]
    if meaning:
        return _nuclide(meaning) or meaning
    words = text(item, "Radiopharmaceutical").split()
    return next((found for found in map(_nuclide, words) if found), "")
