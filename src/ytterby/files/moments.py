"""Moments and days as text: ISO 8601, made timezone-aware at the edge."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ytterby.errors import DomainError

__all__ = ["parse_day", "parse_moment", "parse_zone"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


def parse_zone(text: str) -> ZoneInfo:
    """The time zone of an IANA name ("Europe/Berlin"); DomainError when there is none."""
    if _ZONE.fullmatch(text[:100]):
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise DomainError(f"'{text[:100]}' is no time zone", remedy="write an IANA name such as Europe/Berlin")


def parse_day(text: str) -> date:
    """The day of a text yyyy-mm-dd; DomainError when it is none.

    Examples
    --------
    >>> parse_day("2024-03-08")
    datetime.date(2024, 3, 8)
    """
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise DomainError(f"'{text[:50]}' is no date", remedy="write it as yyyy-mm-dd, such as 2024-03-08")


def parse_moment(text: str, zone: ZoneInfo | None) -> datetime:
    """The timezone-aware moment of an ISO 8601 text; one without an offset is a local time of ``zone``.

    Raises
    ------
    DomainError
        The text is no moment; it has no offset and there is no zone; or the local time does not exist, or exists twice, because
        the clocks were put forward or back.
    """
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DomainError(
            f"'{text[:50]}' is no date with a time", remedy="write it like 2024-03-08T11:00:00+01:00"
        ) from None
    if moment.tzinfo is not None:
        return moment
    offset = "write an offset (2024-03-08T11:00:00+01:00)"
    if zone is None:
        raise DomainError(f"'{text}' has no time zone", remedy=f"{offset}, or set time_zone in the case or study")
    first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        raise DomainError(f"'{text}' is not one moment in {zone.key}: the clocks were changed", remedy=offset)
    return first
