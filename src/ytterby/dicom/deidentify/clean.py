"""One object without its identity: every attribute of it, those in sequences too, by the rule for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

from ytterby import __version__
from ytterby.dicom.deidentify.dates import MAX_AGE_YEARS, capped_age, is_offset, shifted, years_between
from ytterby.dicom.deidentify.elements import datasets, name_of, representation
from ytterby.dicom.deidentify.identity import Finder, searchable
from ytterby.dicom.deidentify.profile import DATES, EDITION, LABELS, Choices, Deed, rule_of, safe_private
from ytterby.dicom.deidentify.secret import Secret
from ytterby.dicom.deidentify.structured import without_patient
from ytterby.dicom.header import text, texts
from ytterby.errors import DicomError

__all__ = ["PRIVATE", "Patient", "clean"]

PRIVATE = "private attributes"
"""Name under which removed private attributes are counted, all together."""

_REMOVED = "REMOVED"
_DUMMIES: dict[str, object] = {
    "AS": "000Y", "AT": Tag(0, 0), "DA": "19000101", "DS": "0", "DT": "19000101000000", "FD": 0.0, "FL": 0.0, "IS": "0",
    "OB": b"\0\0", "OD": b"\0" * 8, "OF": b"\0" * 4, "OL": b"\0" * 4, "OV": b"\0" * 8, "OW": b"\0\0", "SL": 0, "SS": 0,
    "SV": 0, "TM": "000000", "UL": 0, "UN": b"\0\0", "US": 0, "UV": 0,
}  # fmt: skip
_CODE = {"CodeValue", "CodeMeaning", "LongCodeValue", "URNCodeValue"}


@dataclass(frozen=True)
class Patient:
    """What stands in the place of one patient: the pseudonym, and the days by which all dates move."""

    pseudonym: str
    shift_days: int


@dataclass
class _Cleaning:
    """The work on one object: what is fixed, and the counts of what was done."""

    patient: Patient
    secret: Secret
    choices: Choices
    finder: Finder
    study_date: str
    done: Counter[tuple[str, str]] = field(default_factory=Counter)

    def enter(self, dataset: Dataset) -> None:
        """Clean a dataset in place."""
        creators = _creators(dataset)
        kept_creators: set[int] = set()
        for tag in sorted(dataset.keys()):
            if tag.group < 8:
                # Command and file elements have no place in an object (PS3.15 Table E.1-1).
                self._remove(dataset, tag)
            elif tag.is_private:
                if tag not in creators:
                    kept_creators |= self._private(dataset, tag, creators)
            else:
                self._standard(dataset, tag)
        for tag in creators:
            if tag not in kept_creators:
                self._remove(dataset, tag)

    def _private(self, dataset: Dataset, tag: BaseTag, creators: dict[BaseTag, str]) -> set[int]:
        creator = Tag(tag.group, tag.element >> 8)
        vr = safe_private().get((tag.group, creators.get(creator, ""), tag.element & 0xFF))
        stated = dataset.get_item(tag).VR
        if vr is None or stated not in (vr, None, "UN"):
            self._remove(dataset, tag)
            return set()
        if vr in DATES and not self._shift(dataset, tag, vr):
            self._remove(dataset, tag)
            return set()
        if vr not in DATES:
            self._count(f"({tag.group:04X},xx{tag.element & 0xFF:02X}) {creators[creator]}", Deed.KEEP)
        return {creator}

    def _standard(self, dataset: Dataset, tag: BaseTag) -> None:
        vr = representation(dataset, tag)
        rule = rule_of(tag, vr, self.choices)
        name = name_of(tag)
        deed = rule.deed
        if name in ("PatientName", "PatientID"):
            dataset[tag] = DataElement(tag, vr, self.patient.pseudonym)
            return self._count(name, Deed.DUMMY)
        if deed is Deed.SHIFT and not self._shift(dataset, tag, vr):
            deed = rule.otherwise
        if deed is Deed.CLEAN and any(self.finder.kinds(text) for text in searchable(dataset[tag])):
            deed = rule.otherwise
        if deed is Deed.KEEP and vr == "AS":
            age = capped_age(" ".join(searchable(dataset[tag])))
            if age is None:
                return self._remove(dataset, tag)
            dataset[tag] = DataElement(tag, vr, age)
        if deed is Deed.SHIFT:
            return None
        return self._do(dataset, tag, vr, deed)

    def _do(self, dataset: Dataset, tag: BaseTag, vr: str, deed: Deed) -> None:
        if deed is Deed.REMOVE:
            return self._remove(dataset, tag)
        if deed in (Deed.KEEP, Deed.CLEAN) and vr != "SQ":
            return self._count(name_of(tag), deed) if deed is Deed.CLEAN else None
        element = dataset[tag]
        if element.is_empty:
            # Nothing is hidden by a dummy in the place of nothing.
            return None
        if vr == "SQ":
            return self._sequence(dataset, element, deed)
        if deed is Deed.NEW_UID:
            values = [self.secret.uid(value) for value in searchable(element)]
            dataset[tag] = DataElement(tag, "UI", values[0] if len(values) == 1 else values)
        elif deed is Deed.EMPTY:
            dataset[tag] = DataElement(tag, vr, None)
        else:
            dataset[tag] = DataElement(tag, vr, self._dummy(element, vr))
        return self._count(name_of(tag), deed)

    def _dummy(self, element: DataElement, vr: str) -> object:
        if vr == "UI":
            return self.secret.uid(searchable(element)[0])
        return _DUMMIES.get(vr, _REMOVED)

    def _sequence(self, dataset: Dataset, element: DataElement, deed: Deed) -> None:
        if element.VR != "SQ":
            return self._remove(dataset, element.tag)
        if deed is Deed.EMPTY:
            dataset[element.tag] = DataElement(element.tag, "SQ", Sequence())
            return self._count(name_of(element.tag), deed)
        if name_of(element.tag) == "ContentSequence":
            kept = without_patient(element.value, characteristics=self.choices.patient_characteristics)
            self.done["items of ContentSequence", Deed.REMOVE.value] += len(element.value) - len(kept)
            element.value = Sequence(kept)
        for item in element.value:
            if deed is Deed.ENTER and _names_somebody(element.tag) and not _CODE.isdisjoint(item.dir()):
                _make_dummy_code(item)
            self.enter(item)
        return None

    def _shift(self, dataset: Dataset, tag: BaseTag, vr: str) -> bool:
        """Move a date in its place; False where it is malformed, or may not be told."""
        name = name_of(tag)
        element = dataset[tag]
        values = [value.strip(" \0") for value in searchable(element)]
        if not any(values):
            return True
        if vr == "SH":
            return all(map(is_offset, values))
        if name == "PatientBirthDate":
            years = years_between(values[0], self.study_date)
            if years is None or years > MAX_AGE_YEARS:
                return False
        moved = [shifted(vr, value, self.patient.shift_days) for value in values]
        if any(value is None for value in moved):
            return False
        if vr != "TM":
            dataset[tag] = DataElement(tag, vr, moved[0] if len(moved) == 1 else moved)
            self._count(name if not tag.is_private else f"{name} private", Deed.SHIFT)
        return True

    def _remove(self, dataset: Dataset, tag: BaseTag) -> None:
        del dataset[tag]
        self._count(PRIVATE if tag.is_private else name_of(tag), Deed.REMOVE)

    def _count(self, name: str, deed: Deed) -> None:
        self.done[name, deed.value] += 1


def _creators(dataset: Dataset) -> dict[BaseTag, str]:
    """Private creators of a dataset by their tags (DICOM PS3.5 7.8.1)."""
    return {
        tag: " ".join(searchable(dataset[tag])).strip(" \0")
        for tag in list(dataset.keys())
        if tag.is_private and 0x10 <= tag.element <= 0xFF
    }


def _names_somebody(tag: BaseTag) -> bool:
    return name_of(tag) in ("PersonIdentificationCodeSequence", "InstitutionCodeSequence")


def _make_dummy_code(item: Dataset) -> None:
    item.clear()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = _REMOVED, "99YTTERBY", "Removed"


def clean(
    dataset: Dataset, patient: Patient, *, secret: Secret, choices: Choices, finder: Finder
) -> Counter[tuple[str, str]]:
    """Clean an object in place, pixels and transfer syntax untouched; how often what was done, by attribute and deed.

    Returns
    -------
    Counter
        Keys are (keyword or tag, deed in words).

    Raises
    ------
    DicomError
        The object has no SOP Class UID, SOP Instance UID or Transfer Syntax UID.
    """
    meta = getattr(dataset, "file_meta", FileMetaDataset())
    for keyword, stored in (
        ("SOPClassUID", "MediaStorageSOPClassUID"),
        ("SOPInstanceUID", "MediaStorageSOPInstanceUID"),
    ):
        if not text(dataset, keyword):
            setattr(dataset, keyword, text(meta, stored))
        if not text(dataset, keyword):
            raise DicomError(f"{keyword} is missing", remedy="export the object again")
    syntax = text(meta, "TransferSyntaxUID")
    if not syntax:
        raise DicomError("TransferSyntaxUID is missing", remedy="export the object again")
    if "PatientID" not in dataset:
        dataset.PatientID = ""
    if "PatientName" not in dataset:
        dataset.PatientName = ""
    cleaning = _Cleaning(patient, secret, choices, finder, text(dataset, "StudyDate"))
    cleaning.enter(dataset)
    labels = Counter(name for part in datasets(dataset) for name in LABELS if part.get(name))
    cleaning.done.update({(name, Deed.CLEAN.value): count for name, count in labels.items()})
    _say_so(dataset, choices.codes(labels_kept=bool(labels)))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(text(dataset, "SOPClassUID"))
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(text(dataset, "SOPInstanceUID"))
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.file_meta.ImplementationVersionName = "YTTERBY"
    dataset.preamble = b"\0" * 128
    return cleaning.done


def _say_so(dataset: Dataset, codes: tuple[tuple[str, str], ...]) -> None:
    """State in the object what was done to it (PS3.15 E.1.1, 6; PS3.3 C.7.1.1 and C.12.1)."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = [
        f"ytterby {__version__}",
        f"DICOM PS3.15 {EDITION} Table E.1-1 and tables of ytterby",
    ]
    earlier = list(dataset.get("DeidentificationMethodCodeSequence") or ())
    known = {code for item in earlier for code in texts(item, "CodeValue")}
    for value, meaning in codes:
        if value not in known:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
            earlier.append(item)
    dataset.DeidentificationMethodCodeSequence = Sequence(earlier)
