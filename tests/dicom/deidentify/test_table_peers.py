"""The table of actions against two other parses of the standard (tests/oracles/confidentiality.py)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ytterby.dicom.deidentify.profile import Choices, Deed, later, rule_of, table

ORACLE = Path(__file__).parents[2] / "oracles" / "confidentiality.csv"
COLUMNS = (
    "basic", "safe_private", "device_identity", "patient_characteristics", "modified_dates", "descriptors",
    "structured_content",
)  # fmt: skip
# Rows that the other program has and edition 2024b has not: they came later, and are in the table of later editions.
LATER_IN_FO_DICOM = {"00102161", "300A0054"}
# dicom-anonymizer removes private attributes by other means than its lists.
ABSENT_IN_DICOM_ANONYMIZER = {"odd groups"}


def peer(program: str) -> dict[str, dict[str, str]]:
    with ORACLE.open(newline="") as stream:
        return {row["tag"]: row for row in csv.DictReader(stream) if row["program"] == program}


def test_the_basic_profile_is_that_of_dicom_anonymizer() -> None:
    found = peer("dicom-anonymizer 2024b")
    assert set(table()) - set(found) == ABSENT_IN_DICOM_ANONYMIZER
    assert set(found) - set(table()) == set()
    assert {tag: row["basic"] for tag, row in found.items() if row["basic"] != table()[tag].basic} == {}


def test_all_columns_are_those_of_fo_dicom() -> None:
    found = peer("fo-dicom")
    assert set(table()) - set(found) == set()
    assert set(found) - set(table()) == LATER_IN_FO_DICOM
    differing = {
        (tag, column): (row[column], getattr(table()[tag], column))
        for tag, row in found.items()
        for column in COLUMNS
        if tag in table() and row[column] != getattr(table()[tag], column)
    }
    assert differing == {}


def test_later_editions_only_add() -> None:
    found = peer("dicom-anonymizer 2026c")
    assert {tag: row["basic"] for tag, row in found.items()} == dict(later())
    assert set(later()) >= LATER_IN_FO_DICOM
    assert not set(later()) & set(table())


@pytest.mark.parametrize(
    ("tag", "vr", "deed"),
    [
        pytest.param(0x00102161, "SQ", Deed.REMOVE, id="ethnic groups"),
        pytest.param(0x00100011, "SQ", Deed.REMOVE, id="names to use, not in the dictionary"),
        pytest.param(0x300A0054, "UI", Deed.NEW_UID, id="alignment of the table top"),
        pytest.param(0x00181010, "LO", Deed.REMOVE, id="device of a capture"),
        pytest.param(0x00700006, "ST", Deed.DUMMY, id="text in graphics"),
        pytest.param(0x0040B020, "SQ", Deed.ENTER, id="annotations of waveforms"),
    ],
)
def test_rules_of_later_editions(tag: int, vr: str, deed: Deed) -> None:
    assert rule_of(tag, vr, Choices()).deed is deed
