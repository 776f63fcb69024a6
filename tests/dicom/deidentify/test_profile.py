"""Each row of the standard's table, on an object that has every attribute of it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from ytterby.dicom.deidentify.clean import Patient, clean
from ytterby.dicom.deidentify.identity import Finder
from ytterby.dicom.deidentify.profile import DATES, Choices, Row, safe_private, table
from ytterby.dicom.deidentify.secret import Secret
from ytterby.dicom.header import quiet

NOBODY = Finder(frozenset(), frozenset())
VALUES: dict[str, Any] = {
    "AE": "ORIGINAL", "AS": "093Y", "CS": "ORIGINAL", "DA": "20240301", "DS": "7.5", "DT": "20240301101500+0100", "IS": "7",
    "LO": "Original", "LT": "Original", "OB": b"orig", "OW": b"orig", "PN": "Original^Name", "SH": "Original", "ST": "Original",
    "TM": "101500", "UC": "Original", "UI": "1.2.3.4", "UN": b"orig", "UR": "urn:original", "UT": "Original", "US": 7, "FD": 7.5,
}  # fmt: skip
ROWS = [row for row in table().values() if "X" not in row.tag and row.tag[:4] >= "0008" and row.keyword]


def representation(row: Row) -> str:
    return dictionary_VR(int(row.tag, 16)).split(" ")[0]


def full_object(ct_object: Callable[..., Dataset], item: Callable[..., Dataset]) -> Dataset:
    dataset = ct_object()
    for row in ROWS:
        vr = representation(row)
        value = Sequence([item(CodeMeaning="Original", CodeValue="1", ReferencedSOPInstanceUID="1.2.3.4")])
        tag = Tag(int(row.tag, 16))
        dataset[tag] = DataElement(tag, vr, value if vr == "SQ" else VALUES[vr])
    dataset.TimezoneOffsetFromUTC = "+0100"
    return dataset


@pytest.fixture
def cleaned(ct_object, item, secret: Secret, patient: Patient) -> Callable[[Choices], Dataset]:
    def of(choices: Choices) -> Dataset:
        dataset = full_object(ct_object, item)
        with quiet():
            clean(dataset, patient, secret=secret, choices=choices, finder=NOBODY)
        return dataset

    return of


def deed(row: Row, dataset: Dataset) -> str:
    """Letter of the action that the result shows: X, Z, D, K or U; C for a sequence that was entered, S for a shifted date."""
    tag = Tag(int(row.tag, 16))
    if tag not in dataset:
        return "X"
    element = dataset[tag]
    if element.is_empty:
        return "Z"
    vr = representation(row)
    if vr == "SQ":
        held = element.value[0]
        untouched = held.get("ReferencedSOPInstanceUID") == "1.2.3.4"
        return "K" if untouched else "C"
    if vr == "UI":
        return "K" if element.value == VALUES[vr] else "U" if element.value.startswith("2.25.") else "?"
    if element.value == VALUES[vr]:
        return "S" if vr == "TM" else "K"
    if vr in DATES and str(element.value).startswith("20231122"):  # 100 days before 1 March 2024
        return "S"
    return "D"


def allowed(row: Row, choices: Choices) -> str:
    """Letters that the standard allows for a row, and S or C where an option that is asked for overrides it."""
    vr = representation(row)
    if row.keyword == "ROIName":
        return "K"  # docs/decisions/0020: needed, and searched for names
    if row.modified_dates == "C" and vr in DATES:
        return "S"
    if row.keyword == "TimezoneOffsetFromUTC":
        return "D"  # kept: +0100, which is not the value of the others
    if choices.device_identity and row.device_identity == "K":
        return "C" if vr == "SQ" else "K"
    if choices.patient_characteristics and row.patient_characteristics == "K":
        return "D" if vr == "AS" else "K"  # 93 years are told as 90
    if choices.descriptors and row.descriptors == "C":
        return "C" if vr == "SQ" else "K"
    if row.structured_content == "C":
        return "C"
    if row.basic == "X/Z/U*":
        return "C"
    if vr == "SQ" and row.basic != "X":
        # D of a sequence: its items by the rules (PS3.15 E.1.1); Z or D where X, Z or D may be required.
        return "Z" if row.basic == "Z" else "C"
    if row.basic == "Z":
        return "ZD"  # "a zero length value, or a non-zero length value that may be a dummy"
    return {"X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D"}.get(row.basic, row.basic.replace("D", "DU"))


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param(Choices(), id="basic"),
        pytest.param(Choices(patient_characteristics=True, device_identity=True, descriptors=True), id="options"),
    ],
)
def test_every_row_of_the_table(cleaned, choices: Choices) -> None:
    dataset = cleaned(choices)
    assert len(ROWS) > 600
    wrong = {
        row.keyword: (deed(row, dataset), allowed(row, choices))
        for row in ROWS
        if deed(row, dataset) not in allowed(row, choices)
    }
    assert not wrong


def test_the_table_is_whole() -> None:
    rows = table()
    assert len(rows) == 621
    # Table E.1-1 of edition 2024b, by action of the basic profile.
    assert Counter(row.basic for row in rows.values()) == {
        "X": 384, "D": 92, "U": 54, "Z": 42, "X/D": 22, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2,
    }  # fmt: skip
    assert sum(row.modified_dates == "C" for row in rows.values()) == 165
    assert sum(row.descriptors == "C" for row in rows.values()) == 125
    assert sum(row.device_identity in ("K", "C") for row in rows.values()) == 57
    assert [row.tag for row in rows.values() if not row.keyword] == ["odd groups"]
    for row in ROWS:
        assert keyword_for_tag(int(row.tag, 16)) == row.keyword


def test_additions_name_attributes_that_exist_and_that_the_table_does_not_have() -> None:
    text = files("ytterby.dicom.deidentify").joinpath("tables", "additions.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert all(tag_for_keyword(row["keyword"]) is not None and row["reason"] for row in rows)
    assert {row["action"] for row in rows} == {"K", "X", "Z", "P"}
    named = {row.keyword for row in table().values()}
    assert [row["keyword"] for row in rows if row["keyword"] in named] == ["ROIName"]


def test_attributes_that_the_table_does_not_have(ct_object, item, secret: Secret, patient: Patient) -> None:
    steps = Sequence([item(ValueType="TEXT", TextValue="Anna fell", ProcedureCreationDate="20240301")])
    dataset = ct_object(
        SecondaryReviewDate="20240301",
        SecondaryReviewerName="Somebody^Else",
        VolumeFrameOfReferenceUID="1.2.3.4",
        TargetFrameOfReferenceUID="1.2.840.10008.1.4.1.1",
        DocumentTitle="About Anna",
        RetrieveURL="https://example.org/4711",
        ContentSequence=steps,
    )
    dataset.add_new(0x00089998, "LO", "in no dictionary")
    clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    assert dataset.SecondaryReviewDate == "20231122"
    assert not dataset.SecondaryReviewerName
    assert dataset.VolumeFrameOfReferenceUID == secret.uid("1.2.3.4")
    assert dataset.TargetFrameOfReferenceUID == "1.2.840.10008.1.4.1.1"
    assert dataset.DocumentTitle == dataset.ContentSequence[0].TextValue == "REMOVED"
    assert dataset.ContentSequence[0].ProcedureCreationDate == "20231122"
    assert "RetrieveURL" not in dataset
    assert 0x00089998 not in dataset
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


def test_overlays_and_curves_go_whole(ct_object, secret: Secret, patient: Patient) -> None:
    dataset = ct_object()
    for group in (0x6000, 0x6002, 0x601E):
        dataset.add_new(Tag(group, 0x0010), "US", 4)
        dataset.add_new(Tag(group, 0x1500), "LO", "Label of Anna")
        dataset.add_new(Tag(group, 0x3000), "OW", b"\1\0\0\0")
        dataset.add_new(Tag(group, 0x4000), "LT", "Anna")
    for group in (0x5000, 0x5004):
        dataset.add_new(Tag(group, 0x0005), "US", 1)
        dataset.add_new(Tag(group, 0x3000), "OW", b"\1\0")
    clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    assert not [tag for tag in sorted(dataset.keys()) if tag.group >> 8 in (0x50, 0x60)]


def test_private_attributes_go_but_those_that_a_dose_needs(ct_object, item, secret: Secret, patient: Patient) -> None:
    dataset = ct_object()
    philips = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
    philips.add_new(0x00, "DS", "0.00025")
    philips.add_new(0x03, "ST", "zwoelfer.img")
    philips.add_new(0x09, "DS", "3.75")
    other = dataset.private_block(0x7053, "Somebody", create=True)
    other.add_new(0x09, "DS", "1")
    general = dataset.private_block(0x0009, "GEMS_PETD_01", create=True)
    general.add_new(0x02, "LO", "4711-0815")
    general.add_new(0x0D, "DT", "20240301101500.00")
    general.add_new(0x3B, "DT", "2024")
    nested = item(CodeMeaning="x")
    nested.private_block(0x0011, "Hidden", create=True).add_new(1, "LO", "Anna")
    dataset.AnatomicRegionSequence = Sequence([nested])
    clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    kept = {(tag.group, tag.element): dataset[tag].value for tag in sorted(dataset.keys()) if tag.is_private}
    assert kept == {
        (0x0009, 0x0010): "GEMS_PETD_01",
        (0x0009, 0x100D): "20231122101500.00",
        (0x7053, 0x0010): "Philips PET Private Group",
        (0x7053, 0x1000): 0.00025,
        (0x7053, 0x1009): 3.75,
    }
    assert not [tag for tag in dataset.AnatomicRegionSequence[0] if tag.tag.is_private]
    assert safe_private()[0x7053, "Philips PET Private Group", 0x09] == "DS"


def test_person_and_institution_codes_become_dummies(ct_object, item, secret: Secret, patient: Patient) -> None:
    person = Sequence([item(CodeValue="77", CodingSchemeDesignator="99HOSP", CodeMeaning="Dr Quackenbush")])
    observer = item(
        VerifyingOrganization="Saint Example",
        VerifyingObserverName="Quackenbush^Ida",
        VerificationDateTime="20240301101500",
    )
    operators = Sequence([item(PersonIdentificationCodeSequence=person, InstitutionName="Saint Example")])
    dataset = ct_object(VerifyingObserverSequence=Sequence([observer]), OperatorIdentificationSequence=operators)
    clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    assert dataset.VerifyingObserverSequence[0].VerifyingObserverName == "REMOVED"
    assert dataset.VerifyingObserverSequence[0].VerificationDateTime == "20231122101500"
    assert "Quackenbush" not in str(dataset)
    assert "Saint Example" not in str(dataset)
