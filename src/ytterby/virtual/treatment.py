"""Virtual treatment: prescribed activity, vials and the sessions in which they are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ytterby.model.treatment import Device, Session, Vial
from ytterby.physics.nuclides import PARTITION_MODEL, Y90, decay_factor
from ytterby.virtual import targets
from ytterby.virtual.plan import PatientPlan

__all__ = ["CONSTANTS", "TIME_ZONE", "Constants", "between", "log_normal", "sessions"]

TIME_ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Constants:
    """Constants of the simulation; the truth is computed with them, and study.yaml states them."""

    energy_j_per_gbq: float = PARTITION_MODEL.energy_j_per_gbq
    tissue_density_g_ml: float = 1.03
    lung_mass_kg: float = 1.0

    def mass_kg(self, volume_ml: float) -> float:
        """Mass of a volume of liver or tumour."""
        return volume_ml * self.tissue_density_g_ml / 1000.0


CONSTANTS = Constants()


def between(rng: np.random.Generator, limits: tuple[float, float, float]) -> float:
    """A number of the triangular distribution over (least, mode, greatest)."""
    least, mode, greatest = limits
    return float(rng.triangular(least, mode, greatest))


def log_normal(rng: np.random.Generator, limits: tuple[float, float, float], sd: float) -> float:
    """A log-normal number round the middle of (least, median, greatest), drawn again until it lies within them."""
    least, median, greatest = limits
    while True:
        value = median * float(np.exp(sd * rng.standard_normal()))
        if least <= value <= greatest:
            return value


def sessions(
    plan: PatientPlan, rng: np.random.Generator, *, perfused_ml: Sequence[float], territories: Sequence[str]
) -> tuple[Session, ...]:
    """Sessions of one patient: a single-compartment dose to each perfused volume is prescribed, ordered, and given.

    A = D M / (K (1 - F)); the residual is not known beforehand. The vial is calibrated at noon some days before, and what has
    not decayed by then is given. A second session follows after 4 to 6 weeks.
    """
    target_gy = between(rng, targets.TREATMENT["target_gy"])
    given = []
    day = plan.treated_on
    for n, volume_ml in enumerate(perfused_ml):
        shunt = round(log_normal(rng, targets.TREATMENT["lung_shunt_fraction"], 0.6), 4)
        residual = round(between(rng, targets.TREATMENT["residual_fraction"]), 4)
        wanted_gbq = target_gy * CONSTANTS.mass_kg(volume_ml) / (CONSTANTS.energy_j_per_gbq * (1.0 - shunt))
        zone = ZoneInfo(TIME_ZONE)
        at = datetime.combine(day, time(9 + int(rng.integers(0, 6)), 15 * int(rng.integers(0, 4))), zone)
        calibrated_at = datetime.combine(day - timedelta(days=plan.calibration_days[n]), time(12), zone)
        # Aware times of one zone subtract by the clock on the wall; decay goes by elapsed time.
        hours = (at.timestamp() - calibrated_at.timestamp()) / 3600.0
        left = decay_factor(hours, half_life_hours=Y90.half_life_hours)
        vial = Vial(Device.GLASS, round(wanted_gbq / left, 2), calibrated_at)
        given.append(
            Session(
                session_id=f"S{n + 1}",
                device=Device.GLASS,
                administered_activity_gbq=round(vial.calibrated_activity_gbq * left, 3),
                administered_at=at,
                residual_fraction=residual,
                lung_shunt_fraction=shunt,
                perfused=(territories[n],) if territories else (),
                vial=vial,
            )
        )
        day = _next_session(day, rng)
    return tuple(given)


def _next_session(day: date, rng: np.random.Generator) -> date:
    later = day + timedelta(days=int(rng.integers(28, 43)))
    return later - timedelta(days=max(0, later.weekday() - 4))
