"""Which radionuclide a DICOM object names, in the field's own spelling, and what it says of what was given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, number, text
from ytterby.dicom.times import readable_moment
from ytterby.errors import DicomError

__all__ = ["PHOTOPEAKS_KEV", "Radiopharmaceutical", "coded_nuclide", "radionuclide", "radiopharmaceutical"]

PHOTOPEAKS_KEV: Mapping[str, tuple[float, ...]] = {
    "99mTc": (140.5,),
    "166Ho": (80.6,),
    "131I": (364.5,),
    "123I": (159.0,),
    "111In": (171.3, 245.4),
    "177Lu": (112.9, 208.4),
    "67Ga": (93.3, 184.6, 300.2),
    "201Tl": (70.8, 167.4),
    "188Re": (155.0,),
}
"""Gamma energies that a gamma camera's main window is set to. 90Y has none: its bremsstrahlung is spread over all energies.

Source: ICRP Publication 107, Ann ICRP 2008;38(3) (of 201Tl the X-rays of mercury)."""

# SNOMED codes of CID 18 and CID 4020, in the form of their time.
_CODES = {
    "C-163A8": "99mTc",
    "72454006": "99mTc",
    "C-162A7": "90Y",
    "14691008": "90Y",
    "C-111A1": "18F",
    "77004003": "18F",
    "10738001": "86Y",
    "C-168A4": "89Zr",
    "63360001": "89Zr",
    "53315004": "68Ge",
    "35337001": "68Ga",
    "71633006": "22Na",
    "447553000": "177Lu",
    "1368003": "131I",
    "21572004": "123I",
    "56609000": "111In",
}
_SYMBOLS = {
    "technetium": "Tc", "yttrium": "Y", "holmium": "Ho", "fluorine": "F", "lutetium": "Lu", "iodine": "I", "zirconium": "Zr",
    "germanium": "Ge", "gallium": "Ga", "sodium": "Na", "indium": "In", "rhenium": "Re", "thallium": "Tl", "copper": "Cu",
}  # fmt: skip
_MASS_FIRST = re.compile(r"^(\d{1,3}m?)([a-z]+)$")
_MASS_LAST = re.compile(r"^([a-z]+)(\d{1,3}m?)$")


@dataclass(frozen=True)
class Radiopharmaceutical:
    """What an object says of the nuclide and of what was given, as far as it does; nothing of it is checked.

    ``nuclide`` and ``started_at`` (DICOM's own text) are "" and the numbers None where nothing is stated.
    """

    nuclide: str
    half_life_hours: float | None
    positron_fraction: float | None
    total_activity_gbq: float | None
    started_at: str

    def record(self) -> dict[str, str | float | None]:
        """The same as JSON holds it: what is not stated is None."""
        return {name: None if value == "" else value for name, value in asdict(self).items()}

    @property
    def words(self) -> str:
        """The numbers in one phrase; "" where there are none. An activity of 0 says that none was entered."""
        parts = []
        if self.half_life_hours is not None:
            parts.append(f"half-life {self.half_life_hours:.4g} h")
        if self.positron_fraction is not None:
            parts.append(f"positron fraction {self.positron_fraction:.4g}")
        if self.total_activity_gbq:
            small = self.total_activity_gbq < 1
            parts.append(f"{self.total_activity_gbq * 1e3:.4g} MBq" if small else f"{self.total_activity_gbq:.4g} GBq")
        if self.started_at:
            parts.append(f"at {readable_moment(self.started_at)}")
        return ", ".join(parts)


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


def coded_nuclide(value: str, meaning: str) -> str:
    """Radionuclide of a code as the field writes it ("90Y"), else the code's own words; "" where it says nothing."""
    return _CODES.get(value) or _nuclide(meaning) or meaning


def radionuclide(dataset: Dataset) -> str:
    """Radionuclide as the field writes it ("99mTc", "90Y"); else the file's own words; "" where it says nothing."""
    item = first_item(dataset, "RadiopharmaceuticalInformationSequence")
    code = first_item(item, "RadionuclideCodeSequence")
    value, meaning = text(code, "CodeValue"), text(code, "CodeMeaning")
    coded = coded_nuclide(value, meaning)
    if coded:
        return coded
    words = text(item, "Radiopharmaceutical").split()
    return next((found for found in map(_nuclide, words) if found), "")


def radiopharmaceutical(dataset: Dataset) -> Radiopharmaceutical:
    """What the Radiopharmaceutical Information Sequence says; numbers that are none count as not stated.

    RadionuclideTotalDose is in Bq in a PT and in MBq in an NM object (DICOM PS3.3 C.8.9.2, C.8.4.10).
    """
    item = first_item(dataset, "RadiopharmaceuticalInformationSequence")
    half_life, fraction = _number(item, "RadionuclideHalfLife"), _number(item, "RadionuclidePositronFraction")
    total = _number(item, "RadionuclideTotalDose")
    return Radiopharmaceutical(
        radionuclide(dataset),
        None if half_life is None else half_life / 3600.0,
        fraction,
        total if total is None else total / (1e3 if text(dataset, "Modality") == "NM" else 1e9),
        text(item, "RadiopharmaceuticalStartDateTime") or text(item, "RadiopharmaceuticalStartTime"),
    )


def _number(item: Dataset, keyword: str) -> float | None:
    try:
        return number(item, keyword)
    except DicomError:
        return None
