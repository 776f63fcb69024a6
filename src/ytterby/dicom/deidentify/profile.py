"""What is done with each attribute: the standard's table, this project's additions to it, and rules by value representation.

DICOM PS3.15 Annex E: the Basic Application Level Confidentiality Profile, Table E.1-1, and the options of E.3.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files

from pydicom.datadict import dictionary_has_tag, tag_for_keyword

__all__ = ["DATES", "EDITION", "LABELS", "Choices", "Deed", "Row", "Rule", "later", "rule_of", "safe_private", "table"]

EDITION = "2024b"
"""Edition of the standard whose Table E.1-1 is in ``tables/profile.csv``."""

DATES = ("DA", "DT", "TM")
LABELS = ("ROIName", "SegmentLabel")
"""Texts of an operator that are kept, because structures are told apart by them."""

_FREE_TEXT = ("ST", "LT", "UT")
_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113111": "Retain Safe Private Option",
}


class Deed(Enum):
    """What is done with an attribute."""

    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "replaced by a dummy"
    NEW_UID = "UID replaced"
    SHIFT = "date shifted"
    ENTER = "items cleaned one by one"
    CLEAN = "kept after a check"
    KEEP = "kept"


@dataclass(frozen=True)
class Rule:
    """What is done with an attribute, and ``otherwise`` where that cannot be (a malformed date, a name in a text)."""

    deed: Deed
    otherwise: Deed = Deed.REMOVE


@dataclass(frozen=True)
class Row:
    """A row of Table E.1-1: the action of the basic profile, and those of the options ("" for none)."""

    tag: str
    keyword: str
    basic: str
    modified_dates: str
    patient_characteristics: str
    device_identity: str
    safe_private: str
    descriptors: str
    structured_content: str


@dataclass(frozen=True)
class Choices:
    """Options of the profile that somebody asks for.

    Modified dates, clean structured content and safe private attributes are always retained: a dose needs them.
    ``documents`` keeps objects whose pictures or pages may show the identity; ``matches`` keeps objects in which a word of the
    identity was found; ``shifted_birth_date`` keeps the birth date, shifted like all dates.
    """

    patient_characteristics: bool = False
    device_identity: bool = False
    descriptors: bool = False
    documents: bool = False
    matches: bool = False
    shifted_birth_date: bool = False

    def codes(self, *, labels_kept: bool) -> tuple[tuple[str, str], ...]:
        """Code and meaning of profile and options (DICOM PS3.16 CID 7050).

        ``labels_kept``: an object keeps names of structures or labels of segments. These are descriptors that were checked,
        which the basic profile alone does not allow (PS3.15 E.3.5).
        """
        wanted = ["113100", "113104", "113107", "113111"]
        wanted += ["113105"] * (self.descriptors or labels_kept) + ["113108"] * self.patient_characteristics
        wanted += ["113109"] * self.device_identity
        return tuple((code, _CODES[code]) for code in sorted(wanted))


def _rows(name: str) -> list[dict[str, str]]:
    text = files("ytterby.dicom.deidentify").joinpath("tables", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def table() -> Mapping[str, Row]:
    """Table E.1-1 by tag: eight hexadecimal digits, with X where the row stands for many."""
    return {row["tag"]: Row(**row) for row in _rows("profile.csv")}


@cache
def later() -> Mapping[str, str]:
    """Action of the basic profile for attributes that only later editions of Table E.1-1 name, by tag."""
    return {row["tag"]: row["basic"] for row in _rows("later.csv")}


@cache
def _additions() -> Mapping[int, str]:
    return {int(tag_for_keyword(row["keyword"]) or 0): row["action"] for row in _rows("additions.csv")}


@cache
def safe_private() -> Mapping[tuple[int, str, int], str]:
    """Value representation of each private attribute that is kept, by group, private creator and low byte of the element."""
    return {
        (int(row["group"], 16), row["creator"], int(row["element"], 16)): row["vr"] for row in _rows("safe_private.csv")
    }


def _row_of(tag: int) -> Row | None:
    written = f"{tag:08X}"
    found = table().get(written)
    if found is None and written[:2] in ("50", "60"):
        # Repeating groups: curves have one row for all elements, overlays one for each of two.
        rows = table()
        found = rows["50XXXXXX"] if written[:2] == "50" else rows.get(f"60XX{written[4:]}")
    return found


def _basic(action: str, vr: str) -> Deed:
    """The action where the type of the attribute in its object is not known: what is valid for every type."""
    if vr == "SQ" and ("/" in action or action == "D"):
        # Items with new UIDs, emptied names and dummy codes are valid where none, or an empty sequence, would not be.
        return Deed.ENTER
    if action == "U":
        return Deed.NEW_UID
    if action == "X":
        return Deed.REMOVE
    return Deed.DUMMY if "D" in action else Deed.EMPTY


def rule_of(tag: int, vr: str, choices: Choices) -> Rule:
    """Rule for a standard attribute; ``vr`` is its value representation."""
    added = _additions().get(tag)
    if added is not None:
        if added == "Z":
            return Rule(Deed.CLEAN if choices.descriptors else Deed.EMPTY, Deed.EMPTY)
        keep = added == "K" or (added == "P" and choices.patient_characteristics)
        return Rule(Deed.KEEP if keep else Deed.REMOVE)
    row = _row_of(tag)
    if row is None and f"{tag:08X}" in later():
        return Rule(_basic(later()[f"{tag:08X}"], vr))
    if row is None:
        return _rule_by_representation(tag, vr, choices)
    basic = _basic(row.basic, vr)
    if row.keyword == "EncapsulatedDocument" and choices.documents:
        return Rule(Deed.KEEP)
    if choices.device_identity and row.device_identity == "K":
        return Rule(Deed.SHIFT if vr in DATES else Deed.ENTER if vr == "SQ" else Deed.KEEP, basic)
    if row.modified_dates == "C" and vr in (*DATES, "SH"):
        return Rule(Deed.SHIFT, basic)
    if row.keyword == "PatientBirthDate" and choices.shifted_birth_date:
        return Rule(Deed.SHIFT, basic)
    if choices.patient_characteristics and row.patient_characteristics == "K":
        return Rule(Deed.KEEP, basic)
    if choices.descriptors and row.descriptors == "C":
        return Rule(Deed.ENTER if vr == "SQ" else Deed.CLEAN, basic)
    if row.structured_content == "C":
        return Rule(Deed.ENTER)
    return Rule(basic)


def _rule_by_representation(tag: int, vr: str, choices: Choices) -> Rule:
    """Rule for an attribute that the standard's table does not name (PS3.15 E.1.1, notes 1 and 4)."""
    if not dictionary_has_tag(tag) or tag >> 24 == 0x60 or vr == "UR":
        # Not known, an overlay without its picture, or an address.
        return Rule(Deed.REMOVE)
    if vr in DATES:
        return Rule(Deed.SHIFT, Deed.REMOVE)
    if vr in _FREE_TEXT:
        return Rule(Deed.CLEAN if choices.descriptors else Deed.DUMMY, Deed.DUMMY)
    by_representation = {"UI": Deed.NEW_UID, "PN": Deed.EMPTY, "SQ": Deed.ENTER}
    return Rule(by_representation.get(vr, Deed.KEEP))
