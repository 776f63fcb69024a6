"""Structured content without the patient: what the rules remove as an attribute must not stay as an item (PS3.15 E.3.4)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

from ytterby.dicom.deidentify.dates import MAX_AGE_YEARS
from ytterby.dicom.header import numbers, text

__all__ = ["without_patient"]

_AGE = "121033"
# Codes of DICOM (subject context, TID 1007; persons, TID 1003): subject's name, number and birth date, person observer's name.
_IDENTITY = frozenset(("121029", "121030", "121031", "121008", "113870", "113872"))
# Sex and age (DICOM); height, weight, body surface and body mass index (LOINC); the same, lean body mass and ethnic group
# (SNOMED CT).
_CHARACTERISTICS = frozenset(
    (
        "121032", _AGE, "8302-2", "29463-7", "3141-9", "39156-5", "8277-6", "3140-1", "27113001", "50373000", "301898006",
        "60621009", "248363008", "364699009",
    )
)  # fmt: skip


def without_patient(items: Iterable[Dataset], *, characteristics: bool) -> list[Dataset]:
    """Content items but those that name the patient or a person, or tell an age of 90 years and more.

    Without ``characteristics`` those that tell sex, age, size or origin of the patient go as well.
    """
    unwanted = _IDENTITY if characteristics else _IDENTITY | _CHARACTERISTICS
    return [item for item in items if not (_concepts(item) & unwanted or _tells_a_high_age(item))]


def _concepts(item: Dataset) -> set[str]:
    return {text(name, "CodeValue") for name in item.get("ConceptNameCodeSequence") or ()}


def _tells_a_high_age(item: Dataset) -> bool:
    measured = item.get("MeasuredValueSequence") or ()
    # The limit is the same in every unit: a smaller unit than years is told of small children alone.
    return _AGE in _concepts(item) and any(
        age > MAX_AGE_YEARS for one in measured for age in numbers(one, "NumericValue")
    )
