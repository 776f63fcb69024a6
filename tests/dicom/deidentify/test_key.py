"""The key file, and who is called what."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ytterby.dicom.deidentify import deidentify_folder
from ytterby.dicom.deidentify.identity import Finder
from ytterby.dicom.deidentify.keyfile import Key, read_key, write_key
from ytterby.dicom.deidentify.pseudonyms import pseudonyms
from ytterby.dicom.deidentify.secret import Secret
from ytterby.errors import ConfigurationError

NOBODY = Finder(frozenset(), frozenset())


def objects(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.dcm")}


def test_the_same_key_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    deidentify_folder(source, tmp_path / "one", key_file=key)
    written = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    deidentify_folder(source, tmp_path / "two", key_file=key)
    assert objects(tmp_path / "one") == objects(tmp_path / "two")
    assert key.read_text() == written
    (patient,) = json.loads(written)["patients"]
    assert (patient["patient_id"], patient["pseudonym"]) == ("4711-0815", "P0001")
    assert -3650 <= patient["date_shift_days"] <= -1


def test_later_patients_get_later_numbers(source: Path, tmp_path: Path, ct_object, save) -> None:
    key = tmp_path / "key.json"
    deidentify_folder(source, tmp_path / "one", key_file=key)
    for name in ("A-0001", "Z-0009"):
        save(ct_object(1, PatientID=name), source / name)
    deidentify_folder(source, tmp_path / "two", key_file=key)
    found = read_key(key)
    assert found is not None
    assert found.pseudonyms["4711-0815"] == "P0001"
    assert {found.pseudonyms["A-0001"], found.pseudonyms["Z-0009"]} == {"P0002", "P0003"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "name,dose\n",
        "[" * 100_000,
        '{"form": "ytterby key of a de-identification, 1"}',
        '{"form": "ytterby key of a de-identification, 1", "secret": "00", "patients": []}',
        '{"form": "ytterby key of a de-identification, 1", "secret": "'
        + "ab" * 32
        + '", "patients": [{"patient_id": 1}]}',
        '{"form": "ytterby key of a de-identification, 1", "secret": "' + "ab" * 32 + '", "patients": ['
        '{"patient_id": "a", "pseudonym": "../x"}]}',
        '{"form": "ytterby key of a de-identification, 1", "secret": "' + "ab" * 32 + '", "patients": ['
        '{"patient_id": "a", "pseudonym": "P1"}, {"patient_id": "b", "pseudonym": "p1"}]}',
    ],
    ids=["empty", "list", "object", "table", "deep", "no secret", "short secret", "number", "path", "twice"],
)
def test_another_file_is_never_overwritten(source: Path, tmp_path: Path, text: str) -> None:
    key = tmp_path / "key.json"
    key.write_text(text)
    with pytest.raises(ConfigurationError, match="no key of a de-identification"):
        deidentify_folder(source, tmp_path / "dst", key_file=key)
    assert key.read_text() == text
    assert not (tmp_path / "dst").exists()


def test_a_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    key = Key(Secret.random(), {"Zwölfer": "P0001", "b": "P0002"})
    write_key(tmp_path / "key", key)
    assert read_key(tmp_path / "key") == key
    assert key.secret.key.hex() not in repr(key)
    assert read_key(tmp_path / "absent") is None


def test_numbers_follow_a_keyed_order() -> None:
    patients = [f"patient {number}" for number in range(40)]
    orders = [pseudonyms(patients, Key(Secret(bytes([n]) * 32)), given=None, finder=NOBODY) for n in (1, 2)]
    assert sorted(orders[0].values()) == [f"P{number:04d}" for number in range(1, 41)]
    assert orders[0] != orders[1]
    assert list(orders[0]) != sorted(patients)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "2 patients of the folder are not in the table"),
        ({"a1": "X1", "b2": "x1"}, "two patients have one pseudonym"),
        ({"a1": "A1", "b2": "X2"}, "own ID"),
        ({"a1": "X1", "b2": "anna-7"}, "holds a part of a name"),
        ({"a1": "X1", "b2": "../up"}, "cannot be a pseudonym"),
        ({"a1": "X1", "b2": ""}, "cannot be a pseudonym"),
        ({"a1": "X1", "b2": "con.1"}, "cannot be a pseudonym"),
        ({"a1": "X1", "b2": "x" * 33}, "cannot be a pseudonym"),
    ],
    ids=["missing", "shared", "own", "name", "path", "empty", "dot", "long"],
)
def test_given_pseudonyms_are_checked(given: dict[str, str], message: str) -> None:
    finder = Finder(frozenset({"anna"}), frozenset())
    with pytest.raises(ConfigurationError, match=message):
        pseudonyms({"a1", "b2"}, Key(Secret(bytes(32))), given=given, finder=finder)


def test_given_pseudonyms_agree_with_the_key() -> None:
    key = Key(Secret(bytes(32)), {"a1": "X1"})
    assert pseudonyms({"a1"}, key, given={"a1": "X1", "b": "Y"}, finder=NOBODY) == {"a1": "X1"}
    with pytest.raises(ConfigurationError, match="another pseudonym in the key"):
        pseudonyms({"a1"}, key, given={"a1": "X2"}, finder=NOBODY)


def test_new_uids_are_those_of_a_keyed_hash() -> None:
    one, other = Secret(b"1" * 32), Secret(b"2" * 32)
    assert one.uid("1.2.3") == one.uid("1.2.3 \0") != other.uid("1.2.3")
    assert one.uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
    assert one.uid("1.2.840.100089.1") != "1.2.840.100089.1"
    assert one.uid("") == ""
