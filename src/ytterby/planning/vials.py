"""Which vial on which day: activity, doses, spheres, and whether it is what was planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ytterby.errors import CalibrationError, DomainError
from ytterby.physics.devices import Microspheres, Supply, activity_per_sphere_bq, sphere_count
from ytterby.physics.nuclides import decay_factor
from ytterby.planning.plan import ModelPlan
from ytterby.planning.prescribe import TreatmentWindow, activity_window
from ytterby.planning.targets import Aim, Amount
from ytterby.units import HOURS_PER_DAY, finite, fraction, positive

__all__ = ["TreatmentMoment", "VialDay", "VialRow", "VialTable", "elapsed_hours", "moments_after", "vial_table"]

_SECONDS_PER_HOUR = 3600.0
_RELATIVE_ROUNDING = 1e-9


@dataclass(frozen=True)
class TreatmentMoment:
    """A moment at which a vial might be given: its day after calibration, the real hours since then, and the moment itself.

    ``moment`` is None where the calibration has no date.
    """

    day: int
    hours: float
    moment: datetime | None = None


@dataclass(frozen=True)
class VialDay:
    """A vial at a moment. ``activity_gbq`` is what it holds, ``given_gbq`` what of it would be administered.

    ``doses`` are what the plan's aims come to with ``given_gbq``, in the order of ``VialTable.aims``, None where the model does
    not know them. ``reason`` says why the vial is not in its window; it is empty where it is.
    """

    day: int
    hours: float
    moment: datetime | None
    activity_gbq: float
    given_gbq: float
    spheres: int
    activity_per_sphere_bq: float
    doses: tuple[Amount | None, ...]
    in_window: bool
    reason: str


@dataclass(frozen=True)
class VialRow:
    """A vial size (GBq at calibration), its window, and its days. ``window`` is None for a dose that is drawn from the vial."""

    vial_gbq: float
    spheres: int
    window: TreatmentWindow | None
    days: tuple[VialDay, ...]


@dataclass(frozen=True)
class VialTable:
    """Vials against days for one wanted activity.

    ``orders_gbq`` is for each moment the activity at calibration of a vial made to measure, that holds the wanted activity then;
    None before calibration, after the shelf life, and where no such vial is made.
    """

    wanted_gbq: float
    tolerance_fraction: float | None
    spheres: Microspheres
    latest_hours: float
    aims: tuple[Aim, ...]
    moments: tuple[TreatmentMoment, ...]
    orders_gbq: tuple[float | None, ...]
    rows: tuple[VialRow, ...]


def elapsed_hours(calibrated_at: datetime, moment: datetime) -> float:
    """Real hours from calibration to a moment, whatever clocks were put forward or back between them.

    Raises
    ------
    CalibrationError
        One of the two has no time zone.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> berlin = ZoneInfo("Europe/Berlin")
    >>> elapsed_hours(datetime(2024, 3, 30, 12, tzinfo=berlin), datetime(2024, 3, 31, 12, tzinfo=berlin))
    23.0
    """
    for one in (calibrated_at, moment):
        if one.utcoffset() is None:
            raise CalibrationError(f"{one.isoformat()} has no time zone", remedy="write an offset, or state time_zone")
    # Subtracting two datetimes of one zone counts hours of the clock on the wall; epochs count those that pass.
    return (moment.timestamp() - calibrated_at.timestamp()) / _SECONDS_PER_HOUR


def moments_after(
    latest_hours: float, *, calibrated_at: datetime | None, days: Sequence[int] | None = None
) -> tuple[TreatmentMoment, ...]:
    """Every 24 hours from calibration (day 0) to the end of the shelf life; only some ``days`` where they are named.

    Raises
    ------
    DomainError
        The shelf life is not above 0, or longer than a year.

    Examples
    --------
    >>> [one.hours for one in moments_after(48.0, calibrated_at=None)]
    [0.0, 24.0, 48.0]
    """
    last = int(positive(latest_hours, "latest_hours") // HOURS_PER_DAY)
    if last > 366:
        raise DomainError(f"a shelf life of {latest_hours:g} h is longer than a year", remedy="check shelf_life_hours")
    return tuple(
        TreatmentMoment(
            day,
            day * HOURS_PER_DAY,
            None if calibrated_at is None else _later(calibrated_at, day * HOURS_PER_DAY),
        )
        for day in (range(last + 1) if days is None else days)
    )


def _later(calibrated_at: datetime, hours: float) -> datetime:
    """The moment so many real hours after calibration, on the clock of its zone."""
    return datetime.fromtimestamp(calibrated_at.timestamp() + hours * _SECONDS_PER_HOUR, tz=calibrated_at.tzinfo)


def vial_table(
    plan: ModelPlan,
    spheres: Microspheres,
    *,
    vials_gbq: Sequence[float],
    moments: Sequence[TreatmentMoment],
    tolerance_fraction: float | None,
    latest_hours: float,
) -> VialTable:
    """Vial sizes against moments, for the activity that a model's plan prescribes.

    A vial that is given as a whole is in its window where it holds the wanted activity within the tolerance and passes no limit
    of the plan that the model knows; without a tolerance, where it reaches every target and passes no limit. One from which the
    dose is drawn is in its window where it holds at least the wanted activity. All within the shelf life. Theory:
    docs/theory/planning.md.

    Raises
    ------
    DomainError
        The plan prescribes no activity above 0, or a size, tolerance or shelf life is out of range.
    """
    wanted = positive(0.0 if plan.activity_gbq is None else plan.activity_gbq, "the prescribed activity")
    latest = positive(latest_hours, "latest_hours")
    half_life_hours = spheres.nuclide.half_life_hours
    aims = tuple(dict.fromkeys(result.aim for result in (*plan.targets, *plan.limits)))
    least_gbq, most_gbq = _bounds(plan, wanted, tolerance_fraction)
    rows = []
    for vial_gbq in vials_gbq:
        window = None
        # Where targets ask for more than limits allow, no vial can be right, and there is no window to speak of.
        if spheres.supply is not Supply.DRAWN and not _contradict(least_gbq, most_gbq):
            window = activity_window(
                vial_gbq,
                wanted,
                least_gbq=least_gbq,
                most_gbq=most_gbq,
                half_life_hours=half_life_hours,
                latest_hours=latest,
            )
        days = tuple(
            _vial_day(
                plan,
                spheres,
                positive(vial_gbq, "vial_gbq"),
                moment,
                aims,
                wanted_gbq=wanted,
                least_gbq=least_gbq,
                most_gbq=most_gbq,
                latest_hours=latest,
            )
            for moment in moments
        )
        rows.append(VialRow(vial_gbq, round(sphere_count(spheres, vial_gbq, hours=0.0)), window, days))
    orders = tuple(_order_gbq(spheres, wanted, moment, latest_hours=latest) for moment in moments)
    return VialTable(wanted, tolerance_fraction, spheres, latest, aims, tuple(moments), orders, tuple(rows))


def _order_gbq(
    spheres: Microspheres, wanted_gbq: float, moment: TreatmentMoment, *, latest_hours: float
) -> float | None:
    """Activity at calibration to order for a moment; None where it cannot be had."""
    if not 0.0 <= moment.hours <= latest_hours:
        return None
    order_gbq = wanted_gbq / decay_factor(moment.hours, half_life_hours=spheres.nuclide.half_life_hours)
    made = spheres.custom_vials
    if made is not None and not made.least_gbq <= order_gbq <= made.greatest_gbq:
        return None
    return order_gbq


def _vial_day(
    plan: ModelPlan,
    spheres: Microspheres,
    vial_gbq: float,
    moment: TreatmentMoment,
    aims: Sequence[Aim],
    *,
    wanted_gbq: float,
    least_gbq: float | None,
    most_gbq: float | None,
    latest_hours: float,
) -> VialDay:
    hours = finite(moment.hours, "hours")
    held_gbq = vial_gbq * decay_factor(hours, half_life_hours=spheres.nuclide.half_life_hours)
    drawn = spheres.supply is Supply.DRAWN
    given_gbq = min(held_gbq, wanted_gbq) if drawn else held_gbq
    floor_gbq, ceiling_gbq = (wanted_gbq, None) if drawn else (least_gbq, most_gbq)
    reason = ""
    if hours < 0.0:
        reason = "before calibration"
    elif hours > latest_hours:
        reason = "after the shelf life"
    elif floor_gbq is not None and held_gbq < floor_gbq * (1.0 - _RELATIVE_ROUNDING):
        reason = "too little"
    elif ceiling_gbq is not None and held_gbq > ceiling_gbq * (1.0 + _RELATIVE_ROUNDING):
        limited = plan.limit_activity_gbq is not None and held_gbq > plan.limit_activity_gbq
        reason = "passes a limit" if limited else "too much"
    return VialDay(
        moment.day,
        hours,
        moment.moment,
        activity_gbq=held_gbq,
        given_gbq=given_gbq,
        spheres=round(sphere_count(spheres, given_gbq, hours=hours)),
        activity_per_sphere_bq=activity_per_sphere_bq(spheres, hours=hours),
        doses=tuple(plan.at(aim.quantity, given_gbq, region=aim.region) for aim in aims),
        in_window=not reason,
        reason=reason,
    )


def _bounds(plan: ModelPlan, wanted_gbq: float, tolerance_fraction: float | None) -> tuple[float | None, float | None]:
    """The least and the greatest activity that a vial may hold; None: no such bound."""
    if tolerance_fraction is None:
        return plan.target_activity_gbq, plan.limit_activity_gbq
    tolerance = fraction(tolerance_fraction, "tolerance_fraction")
    most_gbq = wanted_gbq * (1.0 + tolerance)
    if plan.limit_activity_gbq is not None:
        most_gbq = max(wanted_gbq, min(most_gbq, plan.limit_activity_gbq))
    return wanted_gbq * (1.0 - tolerance), most_gbq


def _contradict(least_gbq: float | None, most_gbq: float | None) -> bool:
    return least_gbq is not None and most_gbq is not None and least_gbq > most_gbq * (1.0 + _RELATIVE_ROUNDING)
