"""Dates moved by whole days, so that intervals and times of day stay (DICOM PS3.15 E.3.6; PS3.5 6.2 for DA, DT and TM)."""

from __future__ import annotations

import re
from datetime import date, timedelta

__all__ = ["MAX_AGE_YEARS", "capped_age", "is_offset", "shifted", "years_between"]

MAX_AGE_YEARS = 89
"""Higher ages are told as 90: so few people reach them that the age tells who they are (45 CFR 164.514(b)(2)(i)(C))."""

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_CLOCK = r"([01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?"
_TIME = re.compile(_CLOCK)
_OLD_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?")
_DATE_TIME = re.compile(rf"(\d{{8}})((?:{_CLOCK})?)([+-](?:0\d|1[0-4])[0-5]\d)?")
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d")
_AGE = re.compile(r"(\d{3})([DWMY])")


def _day(written: str) -> date | None:
    match = _DATE.fullmatch(written)
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def shifted(vr: str, written: str, days: int) -> str | None:
    """A DA or DT moved by ``days``, a TM as it is; None when it is malformed, or a DT without a day.

    Time of day and offset from UTC stay as they are written.

    Examples
    --------
    >>> shifted("DA", "20240301", -1), shifted("DT", "20240301101500.5+0100", -366), shifted("TM", "101500", -1)
    ('20240229', '20230301101500.5+0100', '101500')
    """
    written = written.strip(" \0")
    if vr == "TM":
        return written if _TIME.fullmatch(written) or _OLD_TIME.fullmatch(written) else None
    rest = ""
    if vr == "DT":
        match = _DATE_TIME.fullmatch(written)
        if match is None:
            return None
        written, rest = match.group(1), match.group(2) + (match.group(4) or "")
    day = _day(written)
    if day is None:
        return None
    try:
        return f"{(day + timedelta(days=days)):%Y%m%d}".rjust(8, "0") + rest
    except OverflowError:
        return None


def is_offset(written: str) -> bool:
    """True for an offset from UTC such as +0100."""
    return _OFFSET.fullmatch(written.strip(" \0")) is not None


def capped_age(written: str) -> str | None:
    """An age with 90 years for every higher one; None when it is malformed.

    Examples
    --------
    >>> capped_age("067Y"), capped_age("093Y"), capped_age("old")
    ('067Y', '090Y', None)
    """
    match = _AGE.fullmatch(written.strip(" \0"))
    if match is None:
        return None
    return "090Y" if match.group(2) == "Y" and int(match.group(1)) > MAX_AGE_YEARS else match.group(0)


def years_between(birth: str, study: str) -> int | None:
    """Whole years from a birth date to a study's date; None when one of them is malformed."""
    born, day = _day(birth.strip(" \0")), _day(study.strip(" \0"))
    if born is None or day is None:
        return None
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
