"""Who is called what: a table of the user's, an earlier key, or numbers in an order that says nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ytterby.dicom.deidentify.identity import Finder
from ytterby.dicom.deidentify.keyfile import PSEUDONYM, Key
from ytterby.errors import ConfigurationError

__all__ = ["pseudonyms"]

_NUMBERED = re.compile(r"P(\d{4,})")


def pseudonyms(
    patients: Collection[str], key: Key, *, given: Mapping[str, str] | None, finder: Finder
) -> dict[str, str]:
    """Pseudonym of each patient, and of those of the key.

    ``given`` names all patients; without it those of the key keep theirs, and the others get P0001 and so on in the order
    of a keyed hash.

    Raises
    ------
    ConfigurationError
        ``given`` lacks a patient, contradicts the key, gives two patients one pseudonym, or one that tells who it is.
    """
    found = dict(key.pseudonyms)
    if given is None:
        numbers = [int(match.group(1)) for match in map(_NUMBERED.fullmatch, found.values()) if match]
        new = sorted(set(patients) - set(found), key=key.secret.order)
        found |= {patient: f"P{number:04d}" for number, patient in enumerate(new, start=max(numbers, default=0) + 1)}
    else:
        _check(given, patients, key, finder)
        found |= {patient: given[patient] for patient in patients}
    if len({pseudonym.casefold() for pseudonym in found.values()}) < len(found):
        raise _wrong("two patients have one pseudonym", "give each patient another")
    return found


def _check(given: Mapping[str, str], patients: Collection[str], key: Key, finder: Finder) -> None:
    missing = sum(patient not in given for patient in patients)
    if missing:
        raise _wrong(f"{missing} patients of the folder are not in the table", "add a row for each patient ID")
    for patient in patients:
        pseudonym = given[patient]
        if not PSEUDONYM.fullmatch(pseudonym):
            raise _wrong(
                f"'{pseudonym[:40]}' cannot be a pseudonym", "use at most 32 letters, digits, hyphens and underscores"
            )
        if pseudonym.casefold() == patient.casefold() or finder.kinds(pseudonym):
            raise _wrong("a pseudonym is the patient's own ID, or holds a part of a name or ID", "choose another")
        if key.pseudonyms.get(patient, pseudonym) != pseudonym:
            raise _wrong("a patient has another pseudonym in the key file", "use the same, or another key file")


def _wrong(what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(what, where="--patient-id", remedy=remedy)
