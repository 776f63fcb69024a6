"""What the values of a PT object measure: activity concentration, counts, or something that is neither."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from ytterby.dicom.header import DAMAGE, text
from ytterby.dicom.nuclide import PHOTOPEAKS_KEV, radionuclide
from ytterby.errors import DomainError
from ytterby.units import positive

__all__ = ["PetUnit", "is_single_photon", "pet_unit", "philips_factor"]

_PHILIPS = "Philips PET Private Group"
_GROUP, _CONCENTRATION, _BLOCKS = 0x7053, 0x09, range(0x10, 0x20)
_PET_COLLIMATORS = ("", "NONE", "RING")
_WHY_REFUSED = {
    "GML": "a standardised uptake value (GML) has been divided by the injected activity and the body weight: it is no activity",
    "CNTS": "counts of a PET (CNTS) need the scanner's own factor to become activity, and Philips' Activity Concentration Scale "
    "Factor (7053,1009) is absent",
}


@dataclass(frozen=True)
class PetUnit:
    """``unit`` of rescaled values times ``factor``: bq_ml, counts (of a single-photon scan) or "", with the ``refusal``."""

    unit: str
    factor: float
    refusal: str
    source: str


def philips_factor(dataset: Dataset) -> float | None:
    """Bq/mL for each unit of a Philips PET in counts: Activity Concentration Scale Factor; None where there is none.

    It is element 09 of the block (7053,xx) that Philips has reserved. Element 00 of the same block leads to standardised
    uptake values, and plays no part here.
    """
    for block in _BLOCKS:
        try:
            creator = dataset.get((_GROUP, block))
            element = dataset.get((_GROUP, (block << 8) | _CONCENTRATION))
            if creator is None or element is None or str(creator.value).strip(" \0") != _PHILIPS:
                continue
            value = element.value
            # Without a dictionary of private elements the value is bytes of the same text.
            written = value.decode("ascii") if isinstance(value, bytes) else str(value)
            return positive(float(written.strip(" \0")), "(7053,1009)")
        except (*DAMAGE, DomainError):
            continue
    return None


def is_single_photon(dataset: Dataset) -> bool:
    """Whether a PT object is a SPECT: by its nuclide, or by a collimator that no PET has."""
    if radionuclide(dataset) in PHOTOPEAKS_KEV:
        return True
    return text(dataset, "CollimatorType").upper() not in _PET_COLLIMATORS


def pet_unit(dataset: Dataset) -> PetUnit:
    """Unit of a PT object's rescaled values, and the factor that they need; the reason where they are no activity."""
    units = text(dataset, "Units").upper()
    if units == "BQML":
        return PetUnit("bq_ml", 1.0, "", "Units BQML")
    if units == "CNTS":
        factor = philips_factor(dataset)
        if factor is not None:
            return PetUnit("bq_ml", factor, "", f"Units CNTS times (7053,1009) = {factor:.6g}")
        if is_single_photon(dataset):
            return PetUnit("counts", 1.0, "", "Units CNTS of a SPECT")
    absent = f"Units is '{units}'" if units else "Units (0054,1001) is absent"
    return PetUnit("", 1.0, _WHY_REFUSED.get(units, absent), units)
