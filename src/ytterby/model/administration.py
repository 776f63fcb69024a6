"""The record of an administration, as a hot laboratory keeps it: activities before and after, each at its moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ytterby.errors import CalibrationError
from ytterby.model.treatment import require_time_zone
from ytterby.units import non_negative, positive

__all__ = ["CONTRADICTION_FRACTION", "DoseRecord", "MeasuredActivity"]

CONTRADICTION_FRACTION = 0.05
"""Measured and stated activities that are further apart are told."""


@dataclass(frozen=True)
class MeasuredActivity:
    """An activity as the calibrator showed it, and when; without the moment it cannot be brought to another one."""

    activity_gbq: float
    measured_at: datetime | None = None

    def __post_init__(self) -> None:
        non_negative(self.activity_gbq, "activity_gbq")
        if self.measured_at is not None:
            require_time_zone(self.measured_at, "measured_at")

    def activity_at_gbq(self, moment: datetime, *, half_life_hours: float) -> float | None:
        """The activity decayed to ``moment``; None where nobody knows when it was measured."""
        if self.measured_at is None:
            return None
        hours = (moment - self.measured_at).total_seconds() / 3600.0
        return float(self.activity_gbq * 2.0 ** (-hours / half_life_hours))


@dataclass(frozen=True)
class DoseRecord:
    """One administration as the hot laboratory recorded it.

    ``administered_activity_gbq`` is what the patient received at ``started_at`` (net of the residual); ``before`` and ``after``
    are the vial and what was left of it, each at its own moment.

    Raises
    ------
    DomainError
        An activity or the half-life is not above 0 (a residual may be 0).
    CalibrationError
        A time has no time zone, or more was left than there had been.
    """

    agent: str
    radionuclide: str
    half_life_hours: float
    started_at: datetime
    administered_activity_gbq: float
    stopped_at: datetime | None = None
    before: MeasuredActivity | None = None
    after: MeasuredActivity | None = None
    patient_id: str = ""
    event_uid: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        positive(self.administered_activity_gbq, "administered_activity_gbq")
        positive(self.half_life_hours, "half_life_hours")
        require_time_zone(self.started_at, "started_at")
        if self.stopped_at is not None:
            require_time_zone(self.stopped_at, "stopped_at")
        vial, left = self.vial_activity_gbq, self.residual_activity_gbq
        if vial is not None and (not vial > 0 or (left is not None and left >= vial)):
            raise CalibrationError(
                f"the vial held {vial:.4g} GBq before and {0.0 if left is None else left:.4g} GBq after the administration",
                where=self.source,
                remedy="correct the measured activities in the hot laboratory's record",
            )

    @property
    def vial_activity_gbq(self) -> float | None:
        """The activity measured before, at ``started_at``; None where it or its moment was not recorded."""
        return self._at_start_gbq(self.before)

    @property
    def residual_activity_gbq(self) -> float | None:
        """The activity measured after, at ``started_at``; None where it or its moment was not recorded."""
        return self._at_start_gbq(self.after)

    @property
    def net_activity_gbq(self) -> float:
        """Vial less residual at ``started_at`` where both were measured, else the administered activity."""
        vial, left = self.vial_activity_gbq, self.residual_activity_gbq
        return self.administered_activity_gbq if vial is None or left is None else vial - left

    @property
    def residual_fraction(self) -> float | None:
        """Share of the vial that was left, both decayed to one moment; None where one of them was not measured."""
        vial, left = self.vial_activity_gbq, self.residual_activity_gbq
        return None if vial is None or left is None else left / vial

    @property
    def deviation_fraction(self) -> float:
        """(vial - residual) / administered activity - 1; 0 where nothing was measured that could contradict it."""
        return self.net_activity_gbq / self.administered_activity_gbq - 1.0

    @property
    def doubts(self) -> tuple[str, ...]:
        """What contradicts itself in the record, or is missing from it, in words: empty where all is well."""
        found = []
        if abs(self.deviation_fraction) > CONTRADICTION_FRACTION:
            found.append(
                f"vial less residual is {self.net_activity_gbq:.4g} GBq, {self.deviation_fraction:+.1%} from the administered "
                f"activity that is stated ({self.administered_activity_gbq:.4g} GBq)"
            )
        for name, measured in (("before", self.before), ("after", self.after)):
            if measured is not None and measured.measured_at is None:
                found.append(f"the moment of the measurement {name} the administration is not recorded: it is not used")
        return tuple(found)

    def _at_start_gbq(self, measured: MeasuredActivity | None) -> float | None:
        if measured is None:
            return None
        return measured.activity_at_gbq(self.started_at, half_life_hours=self.half_life_hours)
