"""Treatment: microspheres, vials, lung shunt, and the sessions in which activity was given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ytterby.errors import CalibrationError
from ytterby.units import fraction, positive

__all__ = ["Device", "LungShunt", "PlanarCounts", "Session", "Vial", "require_time_zone"]


class Device(StrEnum):
    """Kind of microsphere."""

    GLASS = "glass"
    RESIN = "resin"
    HOLMIUM = "holmium"


@dataclass(frozen=True)
class PlanarCounts:
    """Counts of lungs and liver in the planar views from which a lung shunt was found."""

    anterior_lung_counts: float
    posterior_lung_counts: float
    anterior_liver_counts: float
    posterior_liver_counts: float


@dataclass(frozen=True)
class LungShunt:
    """Share of the activity that passes to the lungs, how it was found, and the planar counts where it was from those."""

    lung_shunt_fraction: float
    method: str = "stated"
    counts: PlanarCounts | None = None

    def __post_init__(self) -> None:
        fraction(self.lung_shunt_fraction, "lung_shunt_fraction")


@dataclass(frozen=True)
class Vial:
    """A vial as it was ordered: its activity at the moment of calibration."""

    device: Device
    calibrated_activity_gbq: float
    calibrated_at: datetime

    def __post_init__(self) -> None:
        positive(self.calibrated_activity_gbq, "calibrated_activity_gbq")
        require_time_zone(self.calibrated_at, "calibrated_at")


@dataclass(frozen=True)
class Session:
    """One administration of microspheres.

    ``administered_activity_gbq`` is the vial's activity at ``administered_at``, before the residual: the net activity is
    administered x (1 - residual). ``perfused`` names the segments that this session treats; empty means the whole liver.

    Raises
    ------
    DomainError
        An activity is not above 0, or a fraction lies outside [0, 1).
    CalibrationError
        A time has no time zone.
    """

    session_id: str
    device: Device
    administered_activity_gbq: float
    administered_at: datetime
    residual_fraction: float
    lung_shunt_fraction: float
    perfused: tuple[str, ...] = ()
    vial: Vial | None = None

    def __post_init__(self) -> None:
        positive(self.administered_activity_gbq, f"administered_activity_gbq of session '{self.session_id}'")
        fraction(self.residual_fraction, f"residual_fraction of session '{self.session_id}'")
        fraction(self.lung_shunt_fraction, f"lung_shunt_fraction of session '{self.session_id}'")
        require_time_zone(self.administered_at, f"administered_at of session '{self.session_id}'")

    @property
    def net_activity_gbq(self) -> float:
        """Activity that left the vial: administered x (1 - residual)."""
        return self.administered_activity_gbq * (1.0 - self.residual_fraction)

    @property
    def lung_activity_gbq(self) -> float:
        """Net activity that passes to the lungs."""
        return self.net_activity_gbq * self.lung_shunt_fraction

    @property
    def liver_activity_gbq(self) -> float:
        """Net activity that stays in the liver."""
        return self.net_activity_gbq * (1.0 - self.lung_shunt_fraction)


def require_time_zone(moment: datetime, name: str) -> None:
    """CalibrationError where ``moment``, which is called ``name``, has no time zone."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise CalibrationError(
            f"{name} has no time zone: {moment.isoformat()}",
            remedy="write an offset (2024-03-08T11:00:00+01:00), or set time_zone in the case or study",
        )
