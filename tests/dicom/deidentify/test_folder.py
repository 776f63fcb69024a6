"""A folder from originals to de-identified objects: what is written, what is left out, what stays as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from ytterby.dicom.deidentify import Choices, deidentify_folder
from ytterby.dicom.deidentify import folder as room
from ytterby.errors import ConfigurationError, DicomError

REPORTS = ("deidentification.json", "deidentification.txt")


def everything(folder: Path) -> bytes:
    return b"".join(
        path.relative_to(folder).as_posix().encode() + path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def test_nothing_of_the_identity_is_left(source: Path, tmp_path: Path) -> None:
    outcome = deidentify_folder(source, tmp_path / "dst")
    assert not outcome.record.left_out
    names = sorted(
        path.relative_to(tmp_path / "dst").as_posix() for path in (tmp_path / "dst").rglob("*") if path.is_file()
    )
    assert names == ["P0001/001/0001.dcm", "P0001/001/0002.dcm", "P0001/001/0003.dcm", *REPORTS]
    written = everything(tmp_path / "dst")
    original = everything(source)
    for word in (b"Anna", b"Zw\xc3\xb6lfer", b"Zwoelfer", b"4711-0815", b"ACC-778812", b"19510704", b"Quackenbush",
                 b"Saint Example", b"20240301", b"1.2.826.0.1.3680043.8.498.7", b"ZWOELFERS_CT"):  # fmt: skip
        assert word in original, word
        assert word not in written, word


def test_what_the_objects_say_of_it(source: Path, tmp_path: Path, results: Callable[[], list[Dataset]]) -> None:
    deidentify_folder(source, tmp_path / "dst", choices=Choices(patient_characteristics=True))
    first = results()[0]
    assert first.PatientName == first.PatientID == "P0001"
    assert first.PatientIdentityRemoved == "YES"
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"
    assert [item.CodeValue for item in first.DeidentificationMethodCodeSequence] == [
        "113100", "113104", "113107", "113108", "113111",
    ]  # fmt: skip
    assert {item.CodingSchemeDesignator for item in first.DeidentificationMethodCodeSequence} == {"DCM"}
    assert all(len(line) <= 64 for line in first.DeidentificationMethod)
    assert (first.PatientAge, first.PatientWeight, first.PatientSex) == ("072Y", 70, "F")
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert "SourceApplicationEntityTitle" not in first.file_meta
    assert first.preamble == b"\0" * 128


def test_references_follow(source: Path, tmp_path: Path, results: Callable[[], list[Dataset]]) -> None:
    deidentify_folder(source, tmp_path / "dst")
    first, *others = results()
    for one in others:
        assert one.ReferencedImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
        assert one.FrameOfReferenceUID == first.FrameOfReferenceUID
        assert one.SeriesInstanceUID == first.SeriesInstanceUID
        assert one.SOPInstanceUID != first.SOPInstanceUID
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in (first.SOPInstanceUID, first.StudyInstanceUID))


def test_another_secret_gives_other_uids_and_dates(
    source: Path, tmp_path: Path, results: Callable[[], list[Dataset]]
) -> None:
    deidentify_folder(source, tmp_path / "dst")
    deidentify_folder(source, tmp_path / "other")
    one, other = results()[0], pydicom.dcmread(tmp_path / "other" / "P0001" / "001" / "0001.dcm")
    assert one.SOPInstanceUID != other.SOPInstanceUID


@pytest.mark.parametrize(
    "syntax",
    [
        pytest.param(ImplicitVRLittleEndian, id="implicit"),
        pytest.param(ExplicitVRBigEndian, id="big endian"),
        pytest.param(RLELossless, id="RLE"),
    ],
)
def test_pixels_and_transfer_syntax_stay(
    ct_object, tmp_path: Path, results: Callable[[], list[Dataset]], syntax: pydicom.uid.UID
) -> None:
    dataset = ct_object()
    expected = dataset.pixel_array
    (tmp_path / "src").mkdir()
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    pydicom.dcmwrite(
        tmp_path / "src" / "a", dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian
    )
    deidentify_folder(tmp_path / "src", tmp_path / "dst")
    original, (written,) = pydicom.dcmread(tmp_path / "src" / "a"), results()
    assert written.file_meta.TransferSyntaxUID == syntax
    assert written.PixelData == original.PixelData
    np.testing.assert_array_equal(written.pixel_array, expected)


def test_series_and_patients_have_folders_of_their_own(ct_object, save, tmp_path: Path) -> None:
    for patient in ("A-1000", "B-2000"):
        for series in (1, 2):
            save(
                ct_object(1, PatientID=patient, SeriesInstanceUID=f"1.2.3.{series}", SeriesNumber=series),
                tmp_path / "src" / patient / str(series),
            )
    outcome = deidentify_folder(tmp_path / "src", tmp_path / "dst")
    assert outcome.record.written == {"P0001": 2, "P0002": 2}
    places = sorted(path.relative_to(tmp_path / "dst").as_posix() for path in (tmp_path / "dst").rglob("*.dcm"))
    assert places == [f"P000{patient}/00{series}/0001.dcm" for patient in (1, 2) for series in (1, 2)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"BurnedInAnnotation": "YES"}, "burnt into", id="burnt in"),
        pytest.param({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture", id="secondary capture"),
        pytest.param({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, "secondary capture", id="colour capture"),
        pytest.param({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "ultrasound", id="ultrasound"),
        pytest.param({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "encapsulated document", id="PDF"),
        pytest.param({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}, "raw data", id="raw data"),
        pytest.param({"SOPClassUID": "1.3.12.2.1107.5.9.1"}, "private kind", id="private"),
        pytest.param({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"}, "photograph", id="photograph"),
        pytest.param({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen", id="screen"),
    ],
)
def test_what_cannot_be_cleaned_is_left_out(
    ct_object, save, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    save(ct_object(1), tmp_path / "src" / "1")
    save(ct_object(2, **changes), tmp_path / "src" / "2")
    outcome = deidentify_folder(tmp_path / "src", tmp_path / "dst")
    (left,) = outcome.record.left_out
    assert reason in left.reason
    assert (left.number, left.path.name) == (2, "2")
    assert outcome.record.written == {"P0001": 1}
    kept = deidentify_folder(tmp_path / "src", tmp_path / "kept", choices=Choices(documents=True))
    assert kept.record.written == {"P0001": 2}
    assert [reason in message for _, message in kept.record.warnings if "kept as asked" in message] == [True]


def test_an_overlay_in_the_pixels_is_left_out(ct_object, save, tmp_path: Path) -> None:
    dataset = ct_object(2)
    dataset.add_new(Tag(0x6000, 0x0100), "US", 16)
    dataset.add_new(Tag(0x6000, 0x0102), "US", 12)
    save(ct_object(1), tmp_path / "src" / "1")
    save(dataset, tmp_path / "src" / "2")
    (left,) = deidentify_folder(tmp_path / "src", tmp_path / "dst").record.left_out
    assert "overlay" in left.reason


def test_other_files_and_damaged_ones_are_listed(source: Path, tmp_path: Path, ct_object, save) -> None:
    (source / "Anna.txt").write_text("Anna")
    (source / "empty").write_bytes(b"")
    whole = (source / "Zwoelfer_Anna" / "1.dcm").read_bytes()
    (source / "cut.dcm").write_bytes(whole[:300])
    (source / "cut in the pixels.dcm").write_bytes(whole[:-20])
    (source / "cut before the pixels.dcm").write_bytes(whole[:-60])
    (source / "away").symlink_to(tmp_path)
    broken = ct_object(9)
    del broken.SOPInstanceUID
    broken.file_meta.MediaStorageSOPInstanceUID = ""
    pydicom.dcmwrite(source / "nameless.dcm", broken)
    outcome = deidentify_folder(source, tmp_path / "dst")
    reasons = {file.path.name: file.reason for file in outcome.record.left_out}
    assert reasons == {
        "Anna.txt": "no DICOM file",
        "away": "a link to a folder",
        "cut before the pixels.dcm": "damaged or incomplete",
        "cut in the pixels.dcm": "damaged or incomplete",
        "cut.dcm": "damaged or incomplete",
        "empty": "damaged or incomplete",
        "nameless.dcm": "damaged or incomplete",
    }
    record = json.loads((tmp_path / "dst" / "deidentification.json").read_text())
    assert record["files"] == {"in_source": 10, "written": 3, "left_out": 7}
    assert b"Anna" not in everything(tmp_path / "dst")
    assert outcome.record.lacks_objects


def test_a_file_that_is_no_dicom_is_listed_and_nothing_is_missing(source: Path, tmp_path: Path) -> None:
    (source / "README.txt").write_text("what this is")
    record = deidentify_folder(source, tmp_path / "dst").record
    assert [file.reason for file in record.left_out] == ["no DICOM file"]
    assert not record.lacks_objects


def test_the_record_counts(source: Path, tmp_path: Path) -> None:
    deidentify_folder(source, tmp_path / "dst")
    record = json.loads((tmp_path / "dst" / "deidentification.json").read_text())
    assert record["attributes"]["StudyDate"] == {"date shifted": 3}
    assert record["attributes"]["AccessionNumber"] == {"emptied": 3}
    assert record["attributes"]["SeriesDescription"] == {"removed": 3}
    assert record["attributes"]["ReferencedSOPInstanceUID"] == {"UID replaced": 3}
    assert record["patients"] == {"P0001": 3}
    assert "3 files in the source, 3 written, 0 left out" in (tmp_path / "dst" / "deidentification.txt").read_text()


def test_the_source_is_not_touched(source: Path, tmp_path: Path) -> None:
    before = everything(source)
    deidentify_folder(source, tmp_path / "dst")
    assert everything(source) == before


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, OSError(28, "No space left on device")], ids=["interrupt", "full disk"]
)
def test_nothing_half_done_is_left(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | type[BaseException]
) -> None:
    calls = []
    write = pydicom.dcmwrite

    def failing(*words, **options):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return write(*words, **options)

    monkeypatch.setattr(room.pydicom, "dcmwrite", failing)
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        deidentify_folder(source, tmp_path / "dst", key_file=tmp_path / "key.json")
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_places_that_are_refused(source: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("")
    for folder in (full, source / "dst", source, tmp_path):
        with pytest.raises(ConfigurationError):
            deidentify_folder(source, folder)
    for key in (source / "key", tmp_path / "dst" / "key", tmp_path / "absent" / "key"):
        with pytest.raises(ConfigurationError):
            deidentify_folder(source, tmp_path / "dst", key_file=key)
    with pytest.raises(DicomError, match="no such folder"):
        deidentify_folder(tmp_path / "absent", tmp_path / "dst")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DicomError, match="the folder is empty"):
        deidentify_folder(tmp_path / "empty", tmp_path / "dst")
    assert not (tmp_path / "dst").exists()


def test_an_empty_destination_is_used(source: Path, tmp_path: Path) -> None:
    (tmp_path / "dst").mkdir()
    assert deidentify_folder(source, tmp_path / "dst").record.written == {"P0001": 3}


def test_objects_stay_valid(source: Path, tmp_path: Path, dciodvfy: Callable[[Path], list[str]]) -> None:
    deidentify_folder(source, tmp_path / "dst")
    for number in (1, 2, 3):
        assert dciodvfy(source / "Zwoelfer_Anna" / f"{number}.dcm") == []
        assert dciodvfy(tmp_path / "dst" / "P0001" / "001" / f"000{number}.dcm") == []


def test_the_command(source: Path, tmp_path: Path) -> None:
    def ytterby(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ytterby", "deidentify", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    (tmp_path / "map.csv").write_text("patient_id,pseudonym\n4711-0815,SITE-07\n")
    done = ytterby(source, tmp_path / "dst", "--patient-id", tmp_path / "map.csv", "--key-file", tmp_path / "key.json")
    assert done.returncode == 0, done.stderr
    assert "3 written, 0 left out" in done.stdout
    assert (tmp_path / "dst" / "SITE-07" / "001" / "0003.dcm").is_file()
    (source / "notes.txt").write_text("x")
    done = ytterby(source, tmp_path / "second", "--quiet")
    assert done.returncode == 0
    (source / "cut.dcm").write_bytes(next(source.rglob("1.dcm")).read_bytes()[:-20])
    done = ytterby(source, tmp_path / "lacking", "--quiet")
    assert done.returncode == 1
    assert "notes.txt: no DICOM file" in done.stdout
    assert done.stderr == ""
    done = ytterby(source, tmp_path / "second")
    assert done.returncode == 2
    assert "not empty" in done.stderr
    (tmp_path / "map.csv").write_text("patient_id,pseudonym\n4711-0815,SITE 07/8\n")
    done = ytterby(source, tmp_path / "third", "--patient-id", tmp_path / "map.csv")
    assert done.returncode == 2
    assert "cannot be a pseudonym" in done.stderr


def test_a_sequence_that_is_none(ct_object, save, tmp_path: Path, results: Callable[[], list[Dataset]]) -> None:
    dataset = ct_object(1, ReferencedImageSequence=Sequence())
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    save(dataset, tmp_path / "src" / "1")
    deidentify_folder(tmp_path / "src", tmp_path / "dst")
    assert len(results()[0].ReferencedImageSequence) == 0
