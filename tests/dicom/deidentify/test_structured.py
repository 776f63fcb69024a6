"""Structured content: items that tell who or what the patient is go, all others stay; what the object says of its labels."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ytterby.dicom.deidentify.clean import Patient, clean
from ytterby.dicom.deidentify.identity import Finder
from ytterby.dicom.deidentify.profile import Choices
from ytterby.dicom.deidentify.secret import Secret

NOBODY = Finder(frozenset(), frozenset())


@pytest.fixture
def report(ct_object, item) -> Dataset:
    def content(code: str, **values: object) -> Dataset:
        name = item(CodeValue=code, CodingSchemeDesignator="DCM", CodeMeaning="Something")
        return item(ConceptNameCodeSequence=Sequence([name]), **values)

    def measured(number: str) -> Sequence:
        return Sequence([item(NumericValue=number)])

    inner = [
        content("121029", ValueType="PNAME", PersonName="Zwölfer^Anna"),
        content("121031", ValueType="DATE", Date="19510704"),
        content("121032", ValueType="CODE"),
        content("121033", ValueType="NUM", MeasuredValueSequence=measured("72")),
        content("29463-7", ValueType="NUM", MeasuredValueSequence=measured("70")),
        content("113507", ValueType="NUM", MeasuredValueSequence=measured("2150.5")),
        content("123003", ValueType="DATETIME", DateTime="20240301101500"),
    ]
    outer = content("113502", ValueType="CONTAINER", ContentSequence=Sequence(inner))
    dataset: Dataset = ct_object(ContentSequence=Sequence([outer]))
    return dataset


@pytest.mark.parametrize(
    ("choices", "kept"),
    [
        pytest.param(Choices(), ["113507", "123003"], id="basic"),
        pytest.param(
            Choices(patient_characteristics=True),
            ["121032", "121033", "29463-7", "113507", "123003"],
            id="characteristics",
        ),
    ],
)
def test_items_of_the_patient_go(
    report: Dataset, secret: Secret, patient: Patient, choices: Choices, kept: list[str]
) -> None:
    done = clean(report, patient, secret=secret, choices=choices, finder=NOBODY)
    items = report.ContentSequence[0].ContentSequence
    assert [item.ConceptNameCodeSequence[0].CodeValue for item in items] == kept
    assert items[-2].MeasuredValueSequence[0].NumericValue == 2150.5
    assert items[-1].DateTime == "20231122101500"
    assert done["items of ContentSequence", "removed"] == 7 - len(kept)


def test_high_ages_go_always(report: Dataset, secret: Secret, patient: Patient) -> None:
    report.ContentSequence[0].ContentSequence[3].MeasuredValueSequence[0].NumericValue = "93"
    clean(report, patient, secret=secret, choices=Choices(patient_characteristics=True), finder=NOBODY)
    codes = [item.ConceptNameCodeSequence[0].CodeValue for item in report.ContentSequence[0].ContentSequence]
    assert "121033" not in codes


@pytest.mark.parametrize(
    ("keyword", "sequence", "stated"),
    [
        pytest.param("ROIName", "StructureSetROISequence", True, id="structures"),
        pytest.param("SegmentLabel", "SegmentSequence", True, id="segments"),
        pytest.param("ROINumber", "StructureSetROISequence", False, id="no label"),
    ],
)
def test_kept_labels_are_cleaned_descriptors(
    ct_object, item, secret: Secret, patient: Patient, keyword: str, sequence: str, stated: bool
) -> None:
    dataset = ct_object(**{sequence: Sequence([item(**{keyword: "1"})])})
    done = clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert ("113105" in codes) is stated
    assert {"113100", "113104", "113107", "113111"} <= set(codes)
    assert done[keyword, "kept after a check"] == stated
