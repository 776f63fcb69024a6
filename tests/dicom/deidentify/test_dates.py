"""Dates: moved by whole days, malformed ones refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dicom.deidentify.clean import Patient, clean
from ytterby.dicom.deidentify.dates import capped_age, is_offset, shifted, years_between
from ytterby.dicom.deidentify.identity import Finder
from ytterby.dicom.deidentify.profile import Choices
from ytterby.dicom.deidentify.secret import MAX_SHIFT_DAYS, Secret

NOBODY = Finder(frozenset(), frozenset())


@pytest.mark.parametrize(
    ("vr", "written", "days", "expected"),
    [
        ("DA", "20240301", -1, "20240229"),
        ("DA", "2024.03.01", -366, "20230301"),
        ("DA", "20240301 ", -3650, "20140304"),
        ("DT", "20240301", -1, "20240229"),
        ("DT", "2024030110", -1, "2024022910"),
        ("DT", "20240301101500.123456-0500", -1, "20240229101500.123456-0500"),
        ("DT", "20240301+1400", -1, "20240229+1400"),
        ("TM", "101500.25", -5, "101500.25"),
        ("TM", "10:15:00", -5, "10:15:00"),
        ("TM", "235960", -5, "235960"),
        ("DA", "20240230", -1, None),
        ("DA", "00000000", -1, None),
        ("DA", "Zwoelfer", -1, None),
        ("DA", "20240101-20240201", -1, None),
        ("DA", "00010102", -3650, None),
        ("DT", "2024", -1, None),
        ("DT", "202403", -1, None),
        ("DT", "20240301101500Anna", -1, None),
        ("TM", "251500", -1, None),
        ("TM", "Anna", -1, None),
    ],
)
def test_shifted(vr: str, written: str, days: int, expected: str | None) -> None:
    assert shifted(vr, written, days) == expected


@given(st.dates(min_value=date(1930, 1, 1)), st.dates(min_value=date(1930, 1, 1)), st.integers(-MAX_SHIFT_DAYS, -1))
def test_intervals_stay(one: date, other: date, days: int) -> None:
    first, second = (shifted("DA", f"{day:%Y%m%d}", days) for day in (one, other))
    assert first is not None
    assert second is not None
    parsed = [datetime.strptime(text, "%Y%m%d").date() for text in (first, second)]
    assert parsed[1] - parsed[0] == other - one
    assert parsed[0] - one == timedelta(days=days)


def test_the_shift_of_a_patient_is_one_and_in_its_range() -> None:
    secret, other = Secret(b"1" * 32), Secret(b"2" * 32)
    shifts = [secret.shift_days(f"patient {number}") for number in range(2000)]
    assert shifts == [secret.shift_days(f"patient {number}") for number in range(2000)]
    assert min(shifts) >= -MAX_SHIFT_DAYS
    assert max(shifts) <= -1
    # Uniform over 3650 days: mean -1825.5, standard error 23.6 days.
    assert sum(shifts) / 2000 == pytest.approx(-1825.5, abs=95)
    assert [other.shift_days(f"patient {number}") for number in range(20)] != shifts[:20]


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("101Y", "090Y"),
        ("011M", "011M"),
        ("400W", "400W"),
        ("93", None),
        ("", None),
    ],
)
def test_capped_age(age: str, expected: str | None) -> None:
    assert capped_age(age) == expected


def test_offsets_and_years() -> None:
    assert is_offset("+0100")
    assert is_offset("-0930 ")
    assert not is_offset("Berlin")
    assert years_between("19510704", "20240703") == 72
    assert years_between("19510704", "20240704") == 73
    assert years_between("", "20240704") is None


@pytest.mark.parametrize(
    ("birth", "expected"),
    [("19510704", "19510326"), ("19340704", "19340326"), ("19330704", None), ("19310704", None), ("unknown", None)],
)
def test_a_birth_date_is_shifted_only_up_to_89_years(ct_object, secret, birth: str, expected: str | None) -> None:
    dataset = ct_object(PatientBirthDate="19510704")
    dataset["PatientBirthDate"]._value = birth
    clean(dataset, Patient("P1", -100), secret=secret, choices=Choices(shifted_birth_date=True), finder=NOBODY)
    assert (dataset.PatientBirthDate or None) == expected


def test_malformed_dates_go_by_the_action_of_the_basic_profile(ct_object, secret, patient) -> None:
    dataset = ct_object()
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "InstanceCreationDate"):
        dataset.add_new(keyword, "DA", "20240301")
        dataset[keyword]._value = "Zwoelfer"
    dataset.TimezoneOffsetFromUTC = "Anna"
    clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    assert not dataset.StudyDate
    assert dataset.SeriesDate == dataset.InstanceCreationDate == "19000101"
    assert not dataset.AcquisitionDate
    assert "TimezoneOffsetFromUTC" not in dataset


def test_times_and_offsets_stay(ct_object, secret, patient) -> None:
    dataset = ct_object(TimezoneOffsetFromUTC="+0100", AcquisitionDateTime="20240302093000.5+0100")
    clean(dataset, patient, secret=secret, choices=Choices(), finder=NOBODY)
    assert (dataset.StudyTime, dataset.AcquisitionTime) == ("101500.25", "093000")
    assert dataset.TimezoneOffsetFromUTC == "+0100"
    assert dataset.AcquisitionDateTime == "20231123093000.5+0100"
    assert (dataset.StudyDate, dataset.AcquisitionDate) == ("20231122", "20231123")
