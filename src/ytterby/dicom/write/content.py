"""Content items of a structured report as DICOM datasets, and the modules that every report has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.valuerep import DSfloat

from ytterby.dicom.layout.content import Code
from ytterby.dicom.write.identity import DicomHeader, decimal, image_object

__all__ = [
    "UCUM_NAMES",
    "code_item",
    "coded",
    "container",
    "date_time",
    "dated",
    "measured",
    "report_object",
    "text_item",
    "uid_reference",
]

UCUM_NAMES = {"MBq": "megabecquerel", "s": "second"}
"""Meanings of the units that are written here."""


def coded(code: Code) -> Dataset:
    """A code as an item of a code sequence (DICOM PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning[:64]
    return item


def _item(value_type: str, name: Code, relationship: str, children: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    if relationship:
        item.RelationshipType = relationship
    item.ValueType = value_type
    item.ConceptNameCodeSequence = DicomSequence([coded(name)])
    if children:
        item.ContentSequence = DicomSequence(children)
    return item


def container(
    name: Code, children: Sequence[Dataset], *, relationship: str = "CONTAINS", template: str = ""
) -> Dataset:
    """A CONTAINER with its children; ``template`` is the identifier of its DCMR template."""
    item = _item("CONTAINER", name, relationship, children)
    item.ContinuityOfContent = "SEPARATE"
    if template:
        used = Dataset()
        used.MappingResource, used.TemplateIdentifier = "DCMR", template
        item.ContentTemplateSequence = DicomSequence([used])
    return item


def code_item(name: Code, value: Code, *, relationship: str = "CONTAINS", children: Sequence[Dataset] = ()) -> Dataset:
    """A CODE."""
    item = _item("CODE", name, relationship, children)
    item.ConceptCodeSequence = DicomSequence([coded(value)])
    return item


def measured(
    name: Code, value: float, unit: str, *, relationship: str = "CONTAINS", observed: datetime | None = None
) -> Dataset:
    """A NUM in a UCUM unit: as decimal string and, since that has 16 characters, as binary number in full."""
    item = _item("NUM", name, relationship, ())
    if observed is not None:
        item.ObservationDateTime = date_time(observed)
    number = Dataset()
    number.NumericValue, number.FloatingPointValue = DSfloat(decimal(value)), value
    number.MeasurementUnitsCodeSequence = DicomSequence([coded(Code(unit, "UCUM", UCUM_NAMES.get(unit, unit)))])
    item.MeasuredValueSequence = DicomSequence([number])
    return item


def dated(name: Code, moment: datetime) -> Dataset:
    """A DATETIME, with its offset from UTC."""
    item = _item("DATETIME", name, "CONTAINS", ())
    item.DateTime = date_time(moment)
    return item


def text_item(name: Code, words: str) -> Dataset:
    """A TEXT."""
    item = _item("TEXT", name, "CONTAINS", ())
    item.TextValue = words
    return item


def uid_reference(name: Code, uid: str) -> Dataset:
    """A UIDREF."""
    item = _item("UIDREF", name, "CONTAINS", ())
    item.UID = uid
    return item


def date_time(moment: datetime) -> str:
    """A moment as DICOM's DT, with its offset from UTC."""
    part = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"{moment:%Y%m%d%H%M%S}{part}{moment:%z}"[:26]


def report_object(header: DicomHeader, root: Dataset, *, sop_class: str, series_uid: str, instance_uid: str) -> Dataset:
    """Dataset of a structured report: patient, study, series, equipment, document modules, and the tree of ``root``."""
    dataset = image_object(header, sop_class=sop_class, modality="SR", series_uid=series_uid, instance_uid=instance_uid)
    for keyword in ("ImageComments", "BodyPartExamined"):
        if keyword in dataset:
            delattr(dataset, keyword)  # said of images alone
    dataset.InstanceNumber = 1
    dataset.ReferencedPerformedProcedureStepSequence = DicomSequence([])
    dataset.PerformedProcedureCodeSequence = DicomSequence([])
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.update(root)
    return dataset
