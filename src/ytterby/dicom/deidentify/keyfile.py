"""The key that leads back: secret, pseudonyms and shifts of dates, in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ytterby.dicom.deidentify.secret import MIN_SECRET_BYTES, Secret
from ytterby.errors import ConfigurationError

__all__ = ["PSEUDONYM", "Key", "read_key", "write_key"]

PSEUDONYM = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,30}[A-Za-z0-9])?")
"""A pseudonym is a folder's name on every system, and a Patient ID."""

_MAX_BYTES = 64 << 20
_FORM = "ytterby key of a de-identification, 1"


@dataclass(frozen=True)
class Key:
    """Secret, and the pseudonym of each patient by what tells patients apart."""

    secret: Secret
    pseudonyms: Mapping[str, str] = field(default_factory=dict, repr=False)


def _wrong(what: str, path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"this is no key of a de-identification: {what}", where=str(path), remedy="name another file, or the right key"
    )


def read_key(path: Path) -> Key | None:
    """Key in a file; None where there is no such file.

    Raises
    ------
    ConfigurationError
        The file is something else, or is damaged.
    """
    if not path.exists():
        return None
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise _wrong("not a file, or too large", path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _wrong("not JSON", path) from error
    if not isinstance(record, dict) or record.get("form") != _FORM:
        raise _wrong("its first line says something else", path)
    secret = record.get("secret")
    patients = record.get("patients")
    if not isinstance(patients, list):
        raise _wrong("it has no list of patients", path)
    if not isinstance(secret, str) or not re.fullmatch(rf"(?:[0-9a-f]{{2}}){{{MIN_SECRET_BYTES},256}}", secret):
        raise _wrong("its secret is damaged", path)
    pseudonyms: dict[str, str] = {}
    for patient in patients:
        original = patient.get("patient_id") if isinstance(patient, dict) else None
        pseudonym = patient.get("pseudonym") if isinstance(patient, dict) else None
        if not isinstance(original, str) or not isinstance(pseudonym, str) or not PSEUDONYM.fullmatch(pseudonym):
            raise _wrong("its list of patients is damaged", path)
        pseudonyms[original] = pseudonym
    if len({pseudonym.casefold() for pseudonym in pseudonyms.values()}) < len(patients):
        raise _wrong("a patient or a pseudonym stands twice", path)
    return Key(Secret(bytes.fromhex(secret)), pseudonyms)


def write_key(path: Path, key: Key) -> None:
    """Write a key, readable by its owner alone (mode 0600); an earlier one in its place goes only when the new one is whole."""
    record = {
        "form": _FORM,
        "warning": "Whoever has this file can tell who the patients are. Keep it apart from the images.",
        "secret": key.secret.key.hex(),
        "patients": [
            {"patient_id": original, "pseudonym": pseudonym, "date_shift_days": key.secret.shift_days(original)}
            for original, pseudonym in sorted(key.pseudonyms.items(), key=lambda pair: pair[1])
        ],
    }
    path = path.absolute()
    # mkstemp makes the file readable by its owner alone.
    handle, making = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(record, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
        Path(making).replace(path)
    finally:
        Path(making).unlink(missing_ok=True)
