"""Prescription: when a vial holds the activity that is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ytterby.errors import DomainError
from ytterby.units import fraction, positive

__all__ = ["TreatmentWindow", "treatment_window"]


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
    vial_gbq: float, activity_gbq: float, *, tolerance_fraction: float, half_life_hours: float, latest_hours: float
) -> TreatmentWindow:
    """Times after calibration at which a vial of ``vial_gbq`` (at calibration) holds ``activity_gbq``, within the tolerance.

    ``latest_hours`` is the shelf life: 288 h for glass (physics.devices).

    Raises
    ------
    DomainError
        An activity, half-life or shelf life is not above 0, or the tolerance lies outside [0, 1).

    Notes
    -----
    V 2^(-t/T) lies in [A (1 - tolerance), A (1 + tolerance)] for t from T log2(V / A_max) to T log2(V / A_min); cut to
    [0, latest].
    """
    tolerance = fraction(tolerance_fraction, "tolerance_fraction")
    vial = positive(vial_gbq, "vial_gbq")
    wanted = positive(activity_gbq, "activity_gbq")
    latest = positive(latest_hours, "latest_hours")
    half_life = positive(half_life_hours, "half_life_hours")

    def hours_until(gbq: float) -> float:
        if gbq <= 0.0 or not 0.0 < vial / gbq < math.inf:
            raise DomainError(f"{vial} GBq and {gbq} GBq cannot be compared", remedy="check vial_gbq and activity_gbq")
        return half_life * math.log2(vial / gbq)

    earliest_hours = hours_until(wanted * (1.0 + tolerance))
    last_hours = hours_until(wanted * (1.0 - tolerance))
    nominal_hours = hours_until(wanted)
    if last_hours < 0.0:
        return TreatmentWindow(
            False,
            earliest_hours,
            last_hours,
            nominal_hours,
            f"the vial is too small: it holds {vial:.6g} GBq at calibration, less than {wanted * (1.0 - tolerance):.6g} GBq",
        )
    if earliest_hours > latest:
        return TreatmentWindow(
            False,
            earliest_hours,
            last_hours,
            nominal_hours,
            f"the vial is too large: at the end of its shelf life ({latest:.6g} h) it still holds more than "
            f"{wanted * (1.0 + tolerance):.6g} GBq",
        )
    return TreatmentWindow(
        True,
        max(0.0, earliest_hours),
        min(latest, last_hours),
        nominal_hours,
        f"the vial holds {wanted:.6g} GBq give or take {100.0 * tolerance:.6g} % within the shelf life of {latest:.6g} h",
    )
