"""The content tree of a structured report: items with their names, values and units, bounded in depth and number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, items, number, open_whole, text
from ytterby.errors import DicomError

__all__ = [
    "MAX_CONTENT_DEPTH",
    "MAX_CONTENT_ITEMS",
    "MAX_REPORT_BYTES",
    "STRUCTURED_REPORTS",
    "Code",
    "ContentItem",
    "content_tree",
    "open_report",
]

STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""All SOP classes of structured reports begin with it."""


MAX_CONTENT_DEPTH = 32
"""Deeper trees are refused: the templates that are read here have five levels."""
MAX_CONTENT_ITEMS = 50_000
"""Larger trees are refused."""
MAX_REPORT_BYTES = 64 * 2**20
"""Larger files are no report: text and numbers alone never come near."""

_REMEDY = "export the report again"
_CODES = ("CodeValue", "LongCodeValue", "URNCodeValue")


@dataclass(frozen=True)
class Code:
    """A coded concept: value and coding scheme identify it, the meaning is for people."""

    value: str = ""
    scheme: str = ""
    meaning: str = ""

    def is_one_of(self, *codes: str) -> bool:
        """Whether it is one of ``codes``, each written as "113500 DCM"."""
        return f"{self.value} {self.scheme}" in codes


@dataclass(frozen=True)
class ContentItem:
    """One item of the tree.

    ``words`` is the value of a text, date, name or UID; ``code`` that of a CODE; ``value`` and ``unit`` that of a NUM (None where
    the report gives none). ``observed`` is its own Observation DateTime as written. ``referenced_class``, ``referenced_uid`` and
    ``referenced_segments`` are what an IMAGE or COMPOSITE points at.
    """

    name: Code
    value_type: str
    relationship: str = ""
    words: str = ""
    code: Code = field(default_factory=Code)
    value: float | None = None
    unit: Code = field(default_factory=Code)
    observed: str = ""
    referenced_class: str = ""
    referenced_uid: str = ""
    referenced_segments: tuple[int, ...] = ()
    children: tuple[ContentItem, ...] = field(default=(), repr=False)

    def all(self, *codes: str) -> tuple[ContentItem, ...]:
        """Children whose name is one of ``codes``, each written as "113502 DCM"."""
        return tuple(child for child in self.children if child.name.is_one_of(*codes))

    def first(self, *codes: str) -> ContentItem | None:
        """The first child whose name is one of ``codes``; None where there is none."""
        return next(iter(self.all(*codes)), None)

    def walk(self) -> Iterator[ContentItem]:
        """The item itself and everything below it, in the order of the report."""
        yield self
        for child in self.children:
            yield from child.walk()


def content_tree(dataset: Dataset, name: str) -> ContentItem:
    """The whole tree of a structured report, its root first (DICOM PS3.3 C.17.3).

    References of one item to another by its place (by-reference relationships) are left out.

    Raises
    ------
    DicomError
        There is no content, the tree is deeper than ``MAX_CONTENT_DEPTH`` or has more than ``MAX_CONTENT_ITEMS`` items, or a
        value is damaged.
    """
    if text(dataset, "ValueType").upper() != "CONTAINER":
        raise DicomError("the report has no root container", where=name, remedy=_REMEDY)
    left = [MAX_CONTENT_ITEMS]
    return _item(dataset, name, depth=0, left=left)


def _item(dataset: Dataset, name: str, *, depth: int, left: list[int]) -> ContentItem:
    left[0] -= 1
    if left[0] < 0:
        raise DicomError(f"the report has more than {MAX_CONTENT_ITEMS} items", where=name, remedy=_REMEDY)
    if depth > MAX_CONTENT_DEPTH:
        raise DicomError(f"the report is nested more than {MAX_CONTENT_DEPTH} deep", where=name, remedy=_REMEDY)
    measured = first_item(dataset, "MeasuredValueSequence")
    reference = first_item(dataset, "ReferencedSOPSequence")
    value_type = text(dataset, "ValueType").upper()
    # The decimal string has 16 characters; the same number in full stands beside it, where the writer gave it.
    exact = number(measured, "FloatingPointValue")
    return ContentItem(
        name=_code(first_item(dataset, "ConceptNameCodeSequence")),
        value_type=value_type,
        relationship=text(dataset, "RelationshipType").upper(),
        words=_words(dataset, value_type),
        code=_code(first_item(dataset, "ConceptCodeSequence")),
        value=number(measured, "NumericValue") if exact is None else exact,
        unit=_code(first_item(measured, "MeasurementUnitsCodeSequence")),
        observed=text(dataset, "ObservationDateTime"),
        referenced_class=text(reference, "ReferencedSOPClassUID"),
        referenced_uid=text(reference, "ReferencedSOPInstanceUID"),
        referenced_segments=_segments(reference, name),
        children=tuple(
            _item(child, name, depth=depth + 1, left=left)
            for child in items(dataset, "ContentSequence")
            if "ReferencedContentItemIdentifier" not in child
        ),
    )


def _segments(reference: Dataset, name: str) -> tuple[int, ...]:
    try:
        value = reference.get("ReferencedSegmentNumber")
        many = () if value is None else value if hasattr(value, "append") else (value,)
        return tuple(int(one) for one in many)
    except (TypeError, ValueError) as error:
        raise DicomError("a referenced segment is no number", where=name, remedy=_REMEDY) from error


def _words(dataset: Dataset, value_type: str) -> str:
    keyword = {
        "TEXT": "TextValue",
        "DATETIME": "DateTime",
        "DATE": "Date",
        "TIME": "Time",
        "UIDREF": "UID",
        "PNAME": "PersonName",
    }.get(value_type)
    return "" if keyword is None else text(dataset, keyword)


def _code(item: Dataset) -> Code:
    value = next((found for found in (text(item, keyword) for keyword in _CODES) if found), "")
    return Code(value, text(item, "CodingSchemeDesignator"), text(item, "CodeMeaning"))


def open_report(path: Path) -> Dataset:
    """The whole object of a structured report (SR), of any of its SOP classes.

    Raises
    ------
    DicomError
        The file is no structured report, damaged, or larger than ``MAX_REPORT_BYTES``.
    """
    if path.is_file() and path.stat().st_size > MAX_REPORT_BYTES:
        raise DicomError(
            f"the file has {path.stat().st_size} bytes; {MAX_REPORT_BYTES} is the most that a report may have",
            where=str(path),
            remedy="name the structured report itself",
        )
    dataset = open_whole(path)
    if not text(dataset, "SOPClassUID").startswith(STRUCTURED_REPORTS):
        raise DicomError(
            f"this is no structured report but {text(dataset, 'Modality') or 'of no modality'}",
            where=str(path),
            remedy="give a DICOM SR object",
        )
    return dataset
