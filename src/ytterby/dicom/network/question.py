"""What is asked of an archive, and what it answers: the same for C-FIND and QIDO-RS."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import date

from ytterby.dicom.network.place import is_uid
from ytterby.errors import ConfigurationError

__all__ = ["MOST_ANSWERS", "MOST_INSTANCES", "Expected", "Found", "Question", "cleaned"]

MOST_ANSWERS = 10_000
"""No more studies or series are taken from an archive, whatever it sends."""
MOST_INSTANCES = 100_000
"""No study is fetched that has more objects."""

_DATE = re.compile(r"[0-9]{8}")
_LONGEST = 256


@dataclass(frozen=True)
class Question:
    """Keys to search for; "" matches everything, ``*`` and ``?`` stand for letters. Dates are YYYYMMDD, or two with a hyphen.

    With a ``study_uid`` the answers are series, unless ``level`` says studies.

    Raises
    ------
    ConfigurationError
        A date, a UID or a limit is none.
    """

    patient_id: str = ""
    patient_name: str = ""
    date: str = ""
    modality: str = ""
    accession: str = ""
    study_uid: str = ""
    series: bool = False
    limit: int = 200

    def __post_init__(self) -> None:
        if self.date:
            _check_dates(self.date)
        if self.study_uid and not is_uid(self.study_uid):
            raise ConfigurationError("this is no UID", where="--study", remedy="give digits and points alone")
        if self.series and not self.study_uid:
            raise ConfigurationError("series are asked for without a study", where="--series", remedy="add --study UID")
        if not 1 <= self.limit <= MOST_ANSWERS:
            raise ConfigurationError(f"the limit is {self.limit}", where="--limit", remedy=f"give 1 to {MOST_ANSWERS}")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and (len(value) > 64 or "\\" in value or not value.isprintable()):
                raise ConfigurationError(
                    "too long, or with a backslash or a control character", where=field.name, remedy="shorten it"
                )


def _check_dates(text: str) -> None:
    """ConfigurationError unless it is a day of the calendar, or a range of two whose first is not the later (PS3.4 C.2.2.2.5)."""
    ends = text.split("-")
    try:
        if len(ends) > 2 or not any(ends) or not all(end == "" or _DATE.fullmatch(end) for end in ends):
            raise ValueError
        days = [date(int(end[:4]), int(end[4:6]), int(end[6:])) for end in ends if end]
    except ValueError as error:
        raise ConfigurationError(
            f"'{cleaned(text[:40])}' is no date",
            where="--date",
            remedy="write 20240301, 20240301-20240331, or 20240301-",
        ) from error
    if days != sorted(days):
        raise ConfigurationError(
            f"the range {text} ends before it begins", where="--date", remedy="write the earlier day first"
        )


@dataclass(frozen=True)
class Found:
    """A study or a series of an archive, as it describes it; ``instances`` is None where it does not say."""

    patient_id: str
    patient_name: str
    date: str
    modality: str
    accession: str
    description: str
    study_uid: str
    series_uid: str
    instances: int | None

    def record(self) -> dict[str, object]:
        """The answer as JSON holds it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Expected:
    """An object that an archive says it has; ``sop_class`` is "" where it does not say."""

    series_uid: str
    sop_uid: str
    sop_class: str = ""


def cleaned(text: str) -> str:
    """Text of an archive, shortened, on one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
