"""When activity in an image is decay-corrected to: DICOM's dates, times and offsets to one aware datetime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, text
from ytterby.errors import CalibrationError, ConfigurationError

__all__ = ["acquisition_starts", "aware_moment", "readable_moment", "reference_time", "zone_of"]

_TIME = re.compile(r"^(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6})\d*)?$")
_DATE = re.compile(r"^(\d{4})\.?(\d{2})\.?(\d{2})$")
_DATE_TIME = re.compile(r"^(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d+)?)?)?)([+-]\d{4})?$")
_OFFSET = re.compile(r"^([+-])(\d{2})(\d{2})$")
_REMEDY = "state image.reference_time and image.path in the case file, or export the series with its dates"


def zone_of(name: str) -> tzinfo:
    """Time zone of a name such as Europe/Berlin; ConfigurationError when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"there is no time zone '{name}'", where="time_zone", remedy="use an IANA name, such as Europe/Berlin"
        ) from error


def _offset(written: str) -> tzinfo | None:
    match = _OFFSET.match(written)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    delta = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-delta if sign == "-" else delta) if delta <= timedelta(hours=14) else None


def _naive(date: str, time: str) -> datetime | None:
    day, clock = _DATE.match(date), _TIME.match(time)
    if day is None or clock is None:
        return None
    year, month, date_of_month = (int(value) for value in day.groups())
    hour, minute, second, part = clock.groups()
    microsecond = int((part or "0").ljust(6, "0"))
    try:
        # A leap second (60) is the last second of its minute.
        return datetime(year, month, date_of_month, int(hour), int(minute or 0), min(int(second or 0), 59), microsecond)
    except ValueError:
        return None


def _aware(moment: datetime, zone: tzinfo | None, *, where: str, field: str) -> datetime:
    if zone is None:
        raise CalibrationError(
            f"{field} carries no offset from UTC, and TimezoneOffsetFromUTC (0008,0201) is absent",
            where=where,
            remedy="state time_zone in the case or study file, such as Europe/Berlin",
        )
    first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        raise CalibrationError(
            f"{field} {moment.isoformat()} is not one moment in this time zone: the clocks were changed",
            where=where,
            remedy=_REMEDY,
        )
    return first


def aware_moment(written: str, dataset: Dataset, *, where: str, field: str, time_zone: str | None = None) -> datetime:
    """Timezone-aware moment of a DICOM date with a time (DT, such as 20240308110000.5+0100).

    The offset comes from the value itself, then TimezoneOffsetFromUTC of ``dataset``, then ``time_zone`` (an IANA name).

    Raises
    ------
    CalibrationError
        It is no moment of at least a date and an hour, or there is no time zone; file and field are named.
    """
    match = _DATE_TIME.match(written)
    moment = _naive(match.group(1), match.group(2)) if match else None
    if match is None or moment is None:
        raise CalibrationError(
            f"{field} is no date with a time: '{written[:40]}'",
            where=where,
            remedy="export the report with its moments",
        )
    stated = match.group(3) or text(dataset, "TimezoneOffsetFromUTC")
    return _aware(moment, _offset(stated) or (zone_of(time_zone) if time_zone else None), where=where, field=field)


def readable_moment(written: str) -> str:
    """A DICOM DT or TM for a reader: ``2011-10-05 12:45:00+02:00``, ``10:35:00``; as it is written where it is neither."""
    match = _DATE_TIME.match(written)
    if match is not None:
        moment, stated = _naive(match.group(1), match.group(2)), match.group(3) or ""
        return (
            written if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}{stated[:3]}{':' if stated else ''}{stated[3:]}"
        )
    moment = _naive("20000101", written)
    return written if moment is None else f"{moment:%H:%M:%S}"


def _moment(dataset: Dataset, stem: str) -> datetime | None:
    """Local time of a pair of Date and Time; of an acquisition also from AcquisitionDateTime."""
    found = _naive(text(dataset, f"{stem}Date"), text(dataset, f"{stem}Time"))
    if found is None and stem == "Acquisition":
        match = _DATE_TIME.match(text(dataset, "AcquisitionDateTime"))
        found = _naive(match.group(1), match.group(2)) if match and not match.group(3) else None
    return found


def _zone(dataset: Dataset, time_zone: str | None) -> tzinfo | None:
    return _offset(text(dataset, "TimezoneOffsetFromUTC")) or (zone_of(time_zone) if time_zone else None)


def acquisition_starts(
    datasets: Sequence[Dataset], *, where: str, time_zone: str | None = None
) -> tuple[datetime, ...]:
    """Start of the acquisition of each slice, timezone-aware; bed positions of one series start one after the other.

    Raises
    ------
    CalibrationError
        AcquisitionDate or AcquisitionTime of a slice is absent or no date, or there is no time zone.
    ConfigurationError
        ``time_zone`` is no known name.
    """
    starts = []
    for dataset in datasets:
        moment = _moment(dataset, "Acquisition")
        if moment is None:
            raise CalibrationError(
                "AcquisitionDate or AcquisitionTime is absent or no date: when a slice was acquired is not known",
                where=where,
                remedy="export the series with its dates",
            )
        starts.append(_aware(moment, _zone(dataset, time_zone), where=where, field="AcquisitionTime"))
    return tuple(starts)


def reference_time(datasets: Sequence[Dataset], *, where: str, time_zone: str | None = None) -> datetime:
    """Moment to which the activity of a series is decay-corrected, timezone-aware (DICOM PS3.3 C.8.9.1, Decay Correction).

    - START: SeriesDate and SeriesTime where they are not after the first slice's acquisition (a later series time is
      the time of a reprocessing), else the earliest AcquisitionDate and AcquisitionTime.
    - ADMIN: RadiopharmaceuticalStartDateTime.
    - NONE: AcquisitionDate and AcquisitionTime, which must be one for all slices. Values are then means over the frame, which
      starts at that moment.

    An acquisition may also be dated by AcquisitionDateTime. Dates are taken as they stand: a scan that goes on past midnight
    has them right.

    The offset comes from the value itself, then TimezoneOffsetFromUTC, then ``time_zone`` (an IANA name).

    Raises
    ------
    CalibrationError
        DecayCorrection or the date that it needs is absent, or there is no time zone; file and field are named.
    ConfigurationError
        ``time_zone`` is no known name.
    """
    first = datasets[0]
    correction = text(first, "DecayCorrection").upper()
    zone = _zone(first, time_zone)
    if correction == "ADMIN":
        field = "RadiopharmaceuticalStartDateTime"
        item = first_item(first, "RadiopharmaceuticalInformationSequence")
        match = _DATE_TIME.match(text(item, field))
        moment = _naive(match.group(1), match.group(2)) if match else None
        if match is None or moment is None:
            raise CalibrationError(
                f"DecayCorrection is ADMIN, and {field} (0018,1078) is absent or no date"
                + (
                    "; RadiopharmaceuticalStartTime (0018,1072) alone does not say on which day"
                    if text(item, "RadiopharmaceuticalStartTime")
                    else ""
                ),
                where=where,
                remedy=_REMEDY,
            )
        return _aware(moment, _offset(match.group(3) or "") or zone, where=where, field=field)
    if correction not in ("START", "NONE"):
        raise CalibrationError(
            f"DecayCorrection (0054,1102) is '{correction}': the moment of the activity is not known",
            where=where,
            remedy=_REMEDY,
        )
    acquired = [moment for moment in (_moment(dataset, "Acquisition") for dataset in datasets) if moment is not None]
    series = _moment(first, "Series")
    if correction == "START":
        if series is not None and (not acquired or series <= min(acquired)):
            return _aware(series, zone, where=where, field="SeriesTime")
    elif len(set(acquired)) > 1:
        raise CalibrationError(
            "DecayCorrection is NONE, and the slices were acquired at different times: they have no common moment",
            where=where,
            remedy="reconstruct with decay correction to the start of the acquisition",
        )
    if not acquired:
        raise CalibrationError(
            f"DecayCorrection is {correction}, and AcquisitionDate or AcquisitionTime is absent or no date",
            where=where,
            remedy=_REMEDY,
        )
    return _aware(min(acquired), zone, where=where, field="AcquisitionTime")
