"""Words that tell who somebody is, gathered from the originals, and the search for them in what was made."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ytterby.dicom.deidentify.elements import datasets, elements, name_of, representation
from ytterby.dicom.header import text, texts

__all__ = ["Finder", "Identity", "patient_key", "searchable"]

MIN_NAME = 3
MIN_IDENTIFIER = 4
MIN_LESSER_IDENTIFIER = 6

_IDENTIFIERS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "MedicalRecordLocator")
# These often hold a plain word or a small number: only long ones tell something.
_LESSER_IDENTIFIERS = (
    "AdmissionID", "StudyID", "InsurancePlanIdentification", "PatientTelephoneNumbers", "PatientAddress", "InstitutionName",
    "InstitutionAddress", "ServiceEpisodeID", "SpecimenAccessionNumber", "RequestedProcedureID", "ScheduledProcedureStepID",
    "FillerOrderNumberImagingServiceRequest", "PlacerOrderNumberImagingServiceRequest",
)  # fmt: skip
# Parts of names that are found in any text.
_COMMON = frozenset(
    (
        "and", "anonymised", "anonymized", "anonymous", "del", "der", "female", "from", "male", "med", "miss", "mister", "mrs",
        "nan", "none", "not", "null", "patient", "phantom", "prof", "professor", "removed", "simulated", "test", "the", "unknown",
        "van", "von",
    )
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 1 << 8
_SEARCHED = ("AE", "CS", "LO", "LT", "OB", "PN", "SH", "ST", "UC", "UN", "UR", "UT")
# Dates were shifted and UIDs replaced, and these hold no letters: they are searched where they do, or hold one long number.
_LETTERLESS = ("AS", "DA", "DS", "DT", "IS", "TM", "UI")
_NO_TEXT = re.compile(rb"[0-9DEWMYe+\-.:\\ \0]*")
_NEW_OR_STANDARD = ("2.25.", "1.2.840.10008.")
_PICKED_WORD = re.compile(r"[A-Z0-9_ ]{0,16}")
# Pixels are not looked at, and this names the edition and version of what was done.
_NOT_SEARCHED = ("PixelData", "DeidentificationMethod")


def patient_key(dataset: Dataset) -> str:
    """What tells the patients of a folder apart: the patient's ID, else the name, else the study."""
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        found = " ".join(texts(dataset, keyword))
        if found:
            return found if keyword == "PatientID" else f"{keyword} {found}"
    return "nobody"


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _words(text: str) -> set[str]:
    found = set()
    for spelling in (text.casefold(), text.casefold().translate(_UMLAUTS)):
        found |= set(_WORD.findall(_plain(spelling)))
    return found


def _worth_a_search(word: str) -> bool:
    # One or two Chinese, Japanese or Korean signs are a whole name.
    return word not in _COMMON and not word.isdigit() and len(word) >= (MIN_NAME if word.isascii() else 2)


def _birth_dates(written: str) -> set[str]:
    match = _DATE.fullmatch(written)
    if match is None:
        return set()
    year, month, day = match.groups()
    forms = ("{0}{1}{2}", "{0}-{1}-{2}", "{0}.{1}.{2}", "{0}/{1}/{2}", "{2}.{1}.{0}", "{2}/{1}/{0}", "{1}/{2}/{0}")
    return {form.format(year, month, day) for form in (*forms, "{2}-{1}-{0}", "{1}-{2}-{0}", "{2}{1}{0}", "{1}{2}{0}")}


@dataclass
class Identity:
    """Words of names, and identifiers and birth dates, of everybody whom the originals name."""

    names: set[str] = field(default_factory=set)
    identifiers: set[str] = field(default_factory=set)
    unmistakable: set[str] = field(default_factory=set)
    too_short: int = 0

    def add(self, dataset: Dataset) -> None:
        """Take in the names, identifiers and birth date of one object, those in its sequences too."""
        # Phantoms are measured in an "institution" with the maker's name.
        makers = {_plain(text(dataset, keyword)) for keyword in ("Manufacturer", "ManufacturerModelName")}
        for part in datasets(dataset):
            for element in elements(part, ("PN",)):
                self._add_name(" ".join(searchable(element)))
            for keyword in _IDENTIFIERS:
                for written in texts(part, keyword):
                    self._add_identifier(written)
            for keyword in _LESSER_IDENTIFIERS:
                self.identifiers |= {
                    plain
                    for plain in map(_plain, texts(part, keyword))
                    if len(plain) >= MIN_LESSER_IDENTIFIER and plain not in makers
                }
            for written in texts(part, "PatientBirthDate"):
                self.identifiers |= _birth_dates(written)

    def _add_name(self, name: str) -> None:
        words = _words(name)
        wanted = {word for word in words if _worth_a_search(word)}
        self.too_short += sum(len(word) < MIN_NAME for word in words - wanted)
        self.names |= wanted

    def _add_identifier(self, written: str) -> None:
        plain = _plain(written)
        if len(plain) < MIN_IDENTIFIER:
            self.too_short += 1
        elif plain not in _COMMON:
            # A number is also written without its hyphens and blanks.
            for form in {plain, "".join(filter(str.isalnum, plain))}:
                if len(form) >= MIN_IDENTIFIER:
                    self.identifiers.add(form)
                if _is_unmistakable(form):
                    self.unmistakable.add(form)

    def finder(self) -> Finder:
        """The search for what was gathered."""
        return Finder(frozenset(self.names), frozenset(self.identifiers), frozenset(self.unmistakable))


class Finder:
    """Search for names word by word, and for identifiers and birth dates.

    Those of the ``unmistakable`` identifiers are found everywhere; the others where they do not go on: no digit beside a
    digit, no letter beside a letter.
    """

    def __init__(
        self, names: frozenset[str], identifiers: frozenset[str], unmistakable: frozenset[str] = frozenset()
    ) -> None:
        self._names = names
        self._unmistakable = unmistakable
        self._starts: dict[str, set[str]] = {}
        for identifier in identifiers:
            self._starts.setdefault(identifier[:MIN_IDENTIFIER], set()).add(identifier)

    def kinds(self, text: str) -> tuple[str, ...]:
        """What a text holds: "name", "identifier", both or nothing."""
        found = []
        if self._names and not self._names.isdisjoint(_words(text)):
            found.append("name")
        if self._starts and self._has_identifier(_plain(text)):
            found.append("identifier")
        return tuple(found)

    def _has_identifier(self, text: str) -> bool:
        for start in range(len(text) - MIN_IDENTIFIER + 1):
            for identifier in self._starts.get(text[start : start + MIN_IDENTIFIER], ()):
                end = start + len(identifier)
                if text.startswith(identifier, start) and (
                    identifier in self._unmistakable or not (_goes_on(text, start) or _goes_on(text, end))
                ):
                    return True
        return False

    def places(self, dataset: Dataset, *, pseudonym: str) -> list[tuple[str, str]]:
        """Attribute and kind of each hit in an object: every text, the bytes of attributes that are kept, all sequences.

        Numbers, dates and UIDs are searched where they hold text, or one long number. ``pseudonym`` is no hit where it stands
        as name or ID of the patient.
        """
        found = []
        for part in datasets(dataset):
            found += [(name_of(tag), kind) for tag, text in _texts_in_numbers(part) for kind in self.kinds(text)]
            for element in elements(part, _SEARCHED):
                name = name_of(element.tag)
                if name in _NOT_SEARCHED:
                    continue
                for value in _chunks(element):
                    if name in ("PatientID", "PatientName") and value == pseudonym:
                        continue
                    for kind in self.kinds(value):
                        # A picked word such as HEAD may be a name as well, but cannot have come from one; parts of the body
                        # are often typed.
                        picked = element.VR == "CS" and name != "BodyPartExamined" and _PICKED_WORD.fullmatch(value)
                        if not (picked and kind == "name"):
                            found.append((name, kind))
        return list(dict.fromkeys(found))


def _is_unmistakable(identifier: str) -> bool:
    digits = sum(map(str.isdigit, identifier))
    return digits >= 8 or (digits >= 3 and len(identifier) >= 6 and not identifier.isdigit())


def _goes_on(text: str, place: int) -> bool:
    """True where two digits or two letters stand at both sides of a place in a text."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    return (before.isdigit() and after.isdigit()) or (before.isalpha() and after.isalpha())


def _texts_in_numbers(dataset: Dataset) -> Iterator[tuple[BaseTag, str]]:
    """Values of numbers, dates and UIDs that hold something else, single long numbers, and UIDs that were kept."""
    for tag in sorted(dataset.keys()):
        vr = representation(dataset, tag)
        if vr not in _LETTERLESS:
            continue
        # As it is written: a conversion would stumble over a text, and a structure set holds millions of numbers.
        value = dataset.get_item(tag).value
        raw = value if isinstance(value, bytes) else str(value or "").encode()
        is_long_number = vr in ("IS", "DS") and b"\\" not in raw and len(raw) >= MIN_LESSER_IDENTIFIER
        is_kept_uid = vr == "UI" and not raw.decode("latin-1").startswith(_NEW_OR_STANDARD)
        if is_long_number or is_kept_uid or not _NO_TEXT.fullmatch(raw):
            yield tag, raw.decode("utf-8", "replace")


def _chunks(element: DataElement) -> list[str]:
    """The texts of an element; bytes are read as if they were text, in pieces that overlap."""
    value = element.value
    if not isinstance(value, bytes):
        return searchable(element)
    return [
        value[start : start + _CHUNK_BYTES + _OVERLAP_BYTES].decode(encoding, "replace")
        for start in range(0, len(value), _CHUNK_BYTES)
        for encoding in ("latin-1", "utf-8")
    ]


def searchable(element: DataElement) -> list[str]:
    """The texts of an element; bytes are read as if they were text."""
    value = element.value
    if value is None:
        return []
    if isinstance(value, bytes):
        return [value.decode("latin-1")]
    many = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return [str(one) for one in many]
