"""Microspheres: activity of a sphere, vials, shelf life, each with the source or named as an assumption.

The table is a starting point, not a law: ``dataclasses.replace(MICROSPHERES[Device.GLASS], vial_sizes_gbq=(...))`` gives a
site's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ytterby.errors import MissingMeasurement
from ytterby.model.treatment import Device
from ytterby.physics.nuclides import HO166, Y90, Nuclide, decay_factor
from ytterby.units import HOURS_PER_DAY, non_negative

__all__ = ["MICROSPHERES", "Microspheres", "activity_per_sphere_bq", "sphere_count"]

_BQ_PER_GBQ = 1e9


@dataclass(frozen=True)
class Microspheres:
    """A kind of microsphere.

    ``activity_per_sphere_bq`` holds at calibration. ``vial_sizes_gbq`` are activities at calibration; empty: made to order.
    ``shelf_life_hours`` counts from calibration; None where no source states it. ``assumptions`` names what no source proves.
    """

    device: Device
    nuclide: Nuclide
    activity_per_sphere_bq: float
    vial_sizes_gbq: tuple[float, ...]
    shelf_life_hours: float | None
    density_g_ml: float
    source: str
    assumptions: tuple[str, ...] = ()

    def require_shelf_life_hours(self) -> float:
        """The shelf life, or MissingMeasurement where none is stated."""
        if self.shelf_life_hours is None:
            raise MissingMeasurement(
                f"no shelf life is stated for {self.device} microspheres",
                remedy="give the latest hour after calibration",
            )
        return self.shelf_life_hours


MICROSPHERES: Mapping[Device, Microspheres] = MappingProxyType(
    {
        Device.GLASS: Microspheres(
            Device.GLASS,
            Y90,
            activity_per_sphere_bq=2500.0,
            vial_sizes_gbq=(3.0, 5.0, 7.0, 10.0, 15.0, 20.0),
            shelf_life_hours=12 * HOURS_PER_DAY,
            density_g_ml=3.2,
            source="vials: package insert and doi:10.4254/wjh.v7.i5.738 (Table 1); sphere: doi:10.2217/hep.14.6 (Table 3)",
            assumptions=(
                "use until 12 days after calibration",
                "2500 Bq a sphere at calibration; sources give 1250 to 4354",
            ),
        ),
        Device.RESIN: Microspheres(
            Device.RESIN,
            Y90,
            activity_per_sphere_bq=50.0,
            vial_sizes_gbq=(3.0,),
            shelf_life_hours=HOURS_PER_DAY,
            density_g_ml=1.6,
            source="doi:10.2217/hep.14.6 (Table 3); doi:10.4254/wjh.v7.i5.738 (Table 1)",
            assumptions=("use until 24 hours after calibration",),
        ),
        Device.HOLMIUM: Microspheres(
            Device.HOLMIUM,
            HO166,
            activity_per_sphere_bq=300.0,
            vial_sizes_gbq=(),
            shelf_life_hours=None,
            density_g_ml=1.4,
            source="doi:10.1007/s00270-019-02284-9 (Table 4: 200 to 400 Bq a sphere, 6 to 12 GBq a dose)",
            assumptions=("300 Bq a sphere, the middle of 200 to 400", "made to order, without fixed vial sizes"),
        ),
    }
)
"""Microspheres by device."""


def activity_per_sphere_bq(spheres: Microspheres, *, hours: float) -> float:
    """Activity of one sphere ``hours`` after calibration."""
    return spheres.activity_per_sphere_bq * decay_factor(hours, half_life_hours=spheres.nuclide.half_life_hours)


def sphere_count(spheres: Microspheres, activity_gbq: float, *, hours: float) -> float:
    """Number of spheres that carry ``activity_gbq`` at ``hours`` after calibration.

    A vial holds the same number at any time: with decay each sphere carries less.

    Examples
    --------
    >>> sphere_count(MICROSPHERES[Device.GLASS], 3.0, hours=0.0)
    1200000.0
    """
    activity_bq = non_negative(activity_gbq, "activity_gbq") * _BQ_PER_GBQ
    return activity_bq / activity_per_sphere_bq(spheres, hours=hours)
