"""The search for what tells who somebody is, and what follows when something is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from ytterby.dicom.deidentify import Choices, deidentify_folder
from ytterby.dicom.deidentify.identity import Finder, Identity, patient_key


@pytest.fixture
def finder(ct_object) -> Finder:
    identity = Identity()
    identity.add(ct_object())
    return identity.finder()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("liver of ZWÖLFER", ("name",)),
        ("liver_zwoelfer_1", ("name",)),
        ("Zwolfer", ("name",)),
        ("Annas liver", ()),
        ("ANNA's liver", ("name",)),
        ("asked by Quackenbush", ("name",)),
        ("ID 4711-0815", ("identifier",)),
        ("ID 94711-0815", ("identifier",)),
        ("acc-778812/2", ("identifier",)),
        ("born 04.07.1951", ("identifier",)),
        ("born 1951-07-04, Anna", ("name", "identifier")),
        ("195107041", ()),
        ("Liver4711-0815b", ("identifier",)),
        ("no. 47110815", ("identifier",)),
        ("XACC778812X", ("identifier",)),
        ("dob19510704F", ("identifier",)),
        ("saint example hospital", ("identifier",)),
        ("Liver", ()),
        ("", ()),
    ],
)
def test_what_is_found(finder: Finder, text: str, expected: tuple[str, ...]) -> None:
    assert finder.kinds(text) == expected


@pytest.mark.parametrize(
    ("keyword", "value", "hit"),
    [
        pytest.param("AcquisitionDeviceProcessingCode", "seen by Quackenbush", "name", id="text in a picked word"),
        pytest.param("BodyPartExamined", "ZWOELFER LIVER", "name", id="typed part of the body"),
        pytest.param("PatientPosition", "ZWOELFER", "", id="picked word"),
        pytest.param("CountsAccumulated", "47110815", "identifier", id="long number"),
        pytest.param("ICCProfile", b"\0" * (3 << 20) + b"by Ida Quackenbush ", "name", id="end of long bytes"),
        pytest.param("PixelData", b"\0" * 8 + b" Quackenbush ", "", id="pixels"),
        pytest.param("SourceFrameOfReferenceUID", "1.2.47110815.3", "identifier", id="UID that was kept"),
        pytest.param("SourceFrameOfReferenceUID", "2.25.3471108153", "", id="new UID"),
    ],
)
def test_where_is_searched(finder: Finder, keyword: str, value: str | bytes, hit: str) -> None:
    dataset, outer = Dataset(), Dataset()
    setattr(dataset, keyword, value)
    if keyword in ("PixelData", "ICCProfile"):
        dataset[keyword].VR = "OB"
    outer.DerivationCodeSequence = Sequence([dataset])
    assert finder.places(outer, pseudonym="P0001") == ([(keyword, hit)] if hit else [])


def test_texts_in_the_place_of_numbers_and_private_attributes(finder: Finder) -> None:
    dataset = Dataset()
    for tag, vr in ((0x00181060, "DS"), (0x00080022, "DA"), (0x00200013, "IS"), (0x70531009, "DS")):
        dataset[tag] = RawDataElement(Tag(tag), vr, 12, b"Zw\xc3\xb6lfer 7 ", 0, False, True)
    dataset[0x70531001] = RawDataElement(Tag(0x70531001), "UN", 14, b"XACC-778812/2 ", 0, False, True)
    dataset[0x30060050] = RawDataElement(Tag(0x30060050), "DS", 18, b"1.5\\-2e3\\+47110815", 0, False, True)
    found = finder.places(dataset, pseudonym="P0001")
    assert found == [
        ("AcquisitionDate", "name"),
        ("TriggerTime", "name"),
        ("InstanceNumber", "name"),
        ("(7053,1009)", "name"),
        ("(7053,1001)", "identifier"),
    ]


def test_words_that_tell_nobody_are_not_searched(ct_object) -> None:
    identity = Identity()
    identity.add(ct_object(PatientName="Phantom^Dr^Li", PatientID="1", OtherPatientIDs="12", InstitutionName="Maker GmbH",
                           Manufacturer="Maker GmbH", AccessionNumber="", ReferringPhysicianName=""))  # fmt: skip
    assert identity.names == set()
    assert "maker gmbh" not in identity.identifiers
    assert identity.too_short == 4


def test_names_in_other_scripts(ct_object) -> None:
    identity = Identity()
    identity.add(ct_object(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"))
    assert identity.finder().kinds("肝臓 山田 様") == ("name",)
    assert identity.finder().kinds("TAROU") == ("name",)


def test_identities_deep_in_sequences_are_known(ct_object, item) -> None:
    identity = Identity()
    identity.add(ct_object(OtherPatientIDsSequence=Sequence([item(PatientID="HID-9988", TypeOfPatientID="TEXT")])))
    assert identity.finder().kinds("see hid-9988") == ("identifier",)


def test_patients_are_told_apart(ct_object) -> None:
    assert patient_key(ct_object()) == "4711-0815"
    assert patient_key(ct_object(PatientID="")) == "PatientName Zwölfer^Anna"
    assert patient_key(Dataset()) == "nobody"


def test_a_file_with_a_match_is_left_out(source: Path, tmp_path: Path, ct_object, save) -> None:
    save(ct_object(4, SoftwareVersions="made for Anna"), source / "4.dcm")
    outcome = deidentify_folder(source, tmp_path / "dst")
    (left,) = outcome.record.left_out
    assert left.reason == "a name or an identifier was found in SoftwareVersions"
    assert outcome.record.written == {"P0001": 3}
    kept = deidentify_folder(source, tmp_path / "kept", choices=Choices(matches=True))
    assert kept.record.written == {"P0001": 4}
    assert [message for _, message in kept.record.warnings] == ["found a name in SoftwareVersions, kept as asked for"]
    assert "Anna" not in (tmp_path / "kept" / "deidentification.json").read_text()


def test_structure_names_are_searched(source: Path, tmp_path: Path, ct_object, item, save) -> None:
    for number, name in ((5, "Liver"), (6, "GTV Zwoelfer")):
        rois = Sequence(
            [item(ROINumber=1, ROIName=name, ReferencedFrameOfReferenceUID="1.2.3", ROIGenerationAlgorithm="")]
        )
        save(ct_object(number, StructureSetROISequence=rois), source / f"{number}.dcm")
    outcome = deidentify_folder(source, tmp_path / "dst")
    assert [(file.path.name, file.reason) for file in outcome.record.left_out] == [
        ("6.dcm", "a name or an identifier was found in ROIName")
    ]


def test_bytes_of_kept_attributes_are_searched(source: Path, tmp_path: Path, ct_object, save) -> None:
    save(ct_object(7, ICCProfile=b"profile of ANNA "), source / "7.dcm")
    assert [file.path.name for file in deidentify_folder(source, tmp_path / "dst").record.left_out] == ["7.dcm"]


def test_descriptions_are_kept_where_nothing_is_found(
    source: Path, tmp_path: Path, results: Callable[[], list[Dataset]]
) -> None:
    deidentify_folder(source, tmp_path / "dst", choices=Choices(descriptors=True))
    first = results()[0]
    assert first.SeriesDescription == "portal venous"
    # It holds the patient's name: removed, as without the option.
    assert "StudyDescription" not in first
    assert "113105" in [item.CodeValue for item in first.DeidentificationMethodCodeSequence]
