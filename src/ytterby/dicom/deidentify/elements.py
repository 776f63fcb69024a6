"""Elements of an object, looked at without turning values into numbers: a structure set holds millions."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

__all__ = ["datasets", "elements", "is_cut_off", "name_of", "representation"]

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL")


def name_of(tag: BaseTag) -> str:
    """Keyword of an attribute, else its tag."""
    return keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})"


def representation(dataset: Dataset, tag: BaseTag) -> str:
    """Value representation of an element: the dictionary's where the file states none, or unknown."""
    stated = dataset.get_item(tag).VR or "UN"
    if stated == "UN" and dictionary_has_tag(tag):
        # US or SS, OB or OW: none of them holds text.
        return dictionary_VR(tag).split(" ")[0]
    return stated


def elements(dataset: Dataset, representations: Collection[str]) -> Iterator[DataElement]:
    """Elements whose value representation is one of these, and no other is converted."""
    for tag in sorted(dataset.keys()):
        if representation(dataset, tag) in representations:
            yield dataset[tag]


def datasets(dataset: Dataset) -> Iterator[Dataset]:
    """The object itself, and all items of all its sequences."""
    yield dataset
    for element in elements(dataset, ("SQ",)):
        for item in element.value if element.VR == "SQ" else ():
            yield from datasets(item)


def is_cut_off(dataset: Dataset) -> bool:
    """True for an object without elements, and for an image without pixels: its file ended between two elements."""
    is_image = all(keyword in dataset for keyword in ("Rows", "Columns", "BitsAllocated"))
    return not dataset or (is_image and not any(keyword in dataset for keyword in _PIXELS))
