"""Which radionuclide a DICOM object names, in the field's own spelling."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, text

__all__ = ["radionuclide"]

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
