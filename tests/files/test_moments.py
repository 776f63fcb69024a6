from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ytterby.errors import DomainError
from ytterby.files.moments import parse_day, parse_moment, parse_zone

BERLIN = ZoneInfo("Europe/Berlin")


def test_an_offset_goes_before_the_zone() -> None:
    at = datetime(2024, 3, 8, 10, tzinfo=UTC)
    assert parse_moment("2024-03-08T11:00:00+01:00", None) == at
    assert parse_moment("2024-03-08T10:00Z", BERLIN) == at
    assert parse_moment("2024-03-08 11:00", BERLIN) == at


@pytest.mark.parametrize("text", ["2024-10-27T02:30:00", "2024-03-31T02:30:00"])
def test_hours_that_exist_twice_or_never_need_an_offset(text: str) -> None:
    with pytest.raises(DomainError, match="is not one moment in Europe/Berlin"):
        parse_moment(text, BERLIN)


@pytest.mark.parametrize(
    "text", ["", "2024-03-08", "8.3.2024 11:00", "2024-13-08T11:00", "2024-03-08T25:00", "x" * 5000]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(DomainError, match="is no date with a time"):
        parse_moment(text, BERLIN)


@pytest.mark.parametrize(
    "text", ["", "08.03.2024", "2024-3-8", "20240308", "2024-02-30", "2024-W10-5", "2024-03-08T00:00"]
)
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(DomainError, match=r"is no date.*yyyy-mm-dd"):
        parse_day(text)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Nowhere", "../../etc/passwd", "/etc/passwd", "a\x00b", "x" * 300]
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(DomainError, match="is no time zone"):
        parse_zone(name)
