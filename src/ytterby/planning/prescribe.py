"""Prescription: when a vial holds the activity that is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ytterby.errors import DomainError
from ytterby.units import fraction, positive

__all__ = ["TreatmentWindow", "activity_window", "treatment_window"]

_RELATIVE_ROUNDING = 1e-9


@dataclass(frozen=True)
class TreatmentWindow:
    """When a vial holds the wanted activity, in hours after calibration.

    Where ``feasible``, ``from_hours`` to ``to_hours`` lies within the shelf life. Where not, they are the times at which the
    activity would fit, all of them before calibration or after the shelf life. ``nominal_hours`` is when the vial holds the
    wanted activity exactly; it may lie outside the shelf life while a part of the window is inside. ``explanation`` says why.
    """

    feasible: bool
    from_hours: float
    to_hours: float
    nominal_hours: float
    explanation: str


def treatment_window(
    vial_gbq: float,
    activity_gbq: float,
    *,
    tolerance_fraction: float,
    half_life_hours: float,
    latest_hours: float,
    most_gbq: float | None = None,
) -> TreatmentWindow:
    """Times after calibration at which a vial of ``vial_gbq`` (at calibration) holds ``activity_gbq``, within the tolerance.

    ``latest_hours`` is the shelf life: 288 h for glass (physics.devices). ``most_gbq`` is the greatest activity that limits
    allow, where there is one: the window begins when the vial holds no more than that.

    Raises
    ------
    DomainError
        An activity, half-life or shelf life is not above 0, the tolerance lies outside [0, 1), or the limits allow less than the
        wanted activity.

    Notes
    -----
    V 2^(-t/T) lies in [A (1 - tolerance), A (1 + tolerance)] for t from T log2(V / A_max) to T log2(V / A_min); cut to
    [0, latest]. With limits, A_max is the smaller of A (1 + tolerance) and the greatest activity that they allow. Derived from
    the law of decay in docs/theory/planning.md.
    """
    tolerance = fraction(tolerance_fraction, "tolerance_fraction")
    vial = positive(vial_gbq, "vial_gbq")
    wanted = positive(activity_gbq, "activity_gbq")
    greatest = wanted * (1.0 + tolerance)
    if most_gbq is not None:
        if positive(most_gbq, "most_gbq") < wanted * (1.0 - _RELATIVE_ROUNDING):
            raise DomainError(
                f"the limits allow {most_gbq:.6g} GBq, less than the wanted {wanted:.6g} GBq",
                remedy="ask for the windows of an activity that the limits allow",
            )
        greatest = max(wanted, min(greatest, most_gbq))
    return activity_window(
        vial,
        wanted,
        least_gbq=wanted * (1.0 - tolerance),
        most_gbq=greatest,
        half_life_hours=half_life_hours,
        latest_hours=latest_hours,
    )


def activity_window(
    vial_gbq: float,
    activity_gbq: float,
    *,
    least_gbq: float | None,
    most_gbq: float | None,
    half_life_hours: float,
    latest_hours: float,
) -> TreatmentWindow:
    """Times after calibration at which a vial holds at least ``least_gbq`` and at most ``most_gbq``; None: no such bound.

    ``activity_gbq`` is the wanted activity, for ``nominal_hours``. Without a bound the window ends where the shelf life does. As
    ``treatment_window``: from T log2(V / most) to T log2(V / least), derived in docs/theory/planning.md.

    Raises
    ------
    DomainError
        A number is not above 0, or more is asked for at least than at most.
    """
    vial = positive(vial_gbq, "vial_gbq")
    wanted = positive(activity_gbq, "activity_gbq")
    latest = positive(latest_hours, "latest_hours")
    half_life = positive(half_life_hours, "half_life_hours")

    def hours_until(gbq: float) -> float:
        if gbq <= 0.0 or not 0.0 < vial / gbq < math.inf:
            raise DomainError(f"{vial} GBq and {gbq} GBq cannot be compared", remedy="check vial_gbq and activity_gbq")
        return half_life * math.log2(vial / gbq)

    nominal_hours = hours_until(wanted)
    if least_gbq is not None and most_gbq is not None and least_gbq > most_gbq * (1.0 + _RELATIVE_ROUNDING):
        raise DomainError(
            f"at least {least_gbq:.6g} GBq are asked for and at most {most_gbq:.6g} GBq",
            remedy="no vial can hold both: change a target or a limit",
        )
    earliest_hours = 0.0 if most_gbq is None else hours_until(most_gbq)
    last_hours = latest if least_gbq is None else hours_until(least_gbq)
    if least_gbq is not None and last_hours < 0.0:
        text = f"the vial is too small: it holds {vial:.6g} GBq at calibration, less than {least_gbq:.6g} GBq"
        return TreatmentWindow(False, earliest_hours, last_hours, nominal_hours, text)
    if most_gbq is not None and earliest_hours > latest:
        text = f"the vial is too large: at the end of its shelf life ({latest:.6g} h) it still holds more than {most_gbq:.6g} GBq"
        return TreatmentWindow(False, earliest_hours, last_hours, nominal_hours, text)
    bounds = [
        f"at least {least_gbq:.6g} GBq" if least_gbq is not None else "",
        f"at most {most_gbq:.6g} GBq" if most_gbq is not None else "",
    ]
    held = " and ".join(bound for bound in bounds if bound) or "any activity"
    text = f"the vial holds {held} within the shelf life of {latest:.6g} h"
    return TreatmentWindow(True, max(0.0, earliest_hours), min(latest, last_hours), nominal_hours, text)
