"""Microspheres: activity and mass of a sphere, vials, shelf life, each with the source or named as an assumption.

The table is a starting point, not a law. ``files/tables/devices.yaml`` holds the same numbers for a site to copy and edit, and
``dataclasses.replace(MICROSPHERES[Device.GLASS], vial_sizes_gbq=(...))`` does it in Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ytterby.errors import DomainError, MissingMeasurement
from ytterby.model.treatment import Device
from ytterby.physics.nuclides import HO166, Y90, Nuclide, decay_factor
from ytterby.units import HOURS_PER_DAY, non_negative, positive

__all__ = [
    "MICROSPHERES",
    "Microspheres",
    "SpecificActivity",
    "Supply",
    "VialRange",
    "activity_per_sphere_bq",
    "drawn_fraction",
    "specific_activity_by_day",
    "sphere_count",
    "sphere_mass_kg",
    "spheres_mass_kg",
]

_BQ_PER_GBQ = 1e9
_MM3_PER_ML = 1000.0
_GRAMS_PER_KG = 1000.0
_MG_PER_KG = 1e6


class Supply(StrEnum):
    """How a dose comes about from what is delivered."""

    WHOLE_VIAL = "whole_vial"
    """The vial is given as a whole: its size and the hour decide the activity."""
    DRAWN = "drawn"
    """The wanted activity is drawn from a vial, which may be split between patients or territories."""
    TO_ORDER = "to_order"
    """The dose is made for the patient."""


@dataclass(frozen=True)
class VialRange:
    """Sizes of vials that are made on request: from the least to the greatest in equal steps, GBq at calibration."""

    least_gbq: float
    greatest_gbq: float
    step_gbq: float

    def __post_init__(self) -> None:
        positive(self.step_gbq, "step_gbq")
        if positive(self.greatest_gbq, "greatest_gbq") < positive(self.least_gbq, "least_gbq"):
            raise DomainError(
                f"vials from {self.least_gbq} to {self.greatest_gbq} GBq: the least is more than the greatest",
                remedy="exchange least_gbq and greatest_gbq",
            )
        if (self.greatest_gbq - self.least_gbq) / self.step_gbq > 1000.0:
            raise DomainError("a range of more than 1000 sizes of vials", remedy="give a larger step_gbq")

    @property
    def sizes_gbq(self) -> tuple[float, ...]:
        """Every size of the range, in ascending order.

        Examples
        --------
        >>> VialRange(3.0, 5.0, 0.5).sizes_gbq
        (3.0, 3.5, 4.0, 4.5, 5.0)
        """
        # A relative hair above, so that the greatest size is not lost to rounding.
        steps = math.floor((self.greatest_gbq - self.least_gbq) / self.step_gbq * (1.0 + 1e-12) + 1e-9)
        return tuple(self.least_gbq + n * self.step_gbq for n in range(steps + 1))


@dataclass(frozen=True)
class Microspheres:
    """A kind of microsphere.

    ``activity_per_sphere_bq`` holds at calibration. ``vial_sizes_gbq`` are activities at calibration; empty: made to order.
    ``custom_vials`` are sizes that can be asked for beside them. ``shelf_life_hours`` counts from calibration; None where no
    source states it. ``diameter_mm`` is the mean, ``diameter_range_mm`` what most spheres lie in. ``assumptions`` names what no
    source proves.
    """

    device: Device
    nuclide: Nuclide
    activity_per_sphere_bq: float
    vial_sizes_gbq: tuple[float, ...]
    shelf_life_hours: float | None
    density_g_ml: float
    source: str
    diameter_mm: float
    diameter_range_mm: tuple[float, float]
    supply: Supply
    custom_vials: VialRange | None = None
    assumptions: tuple[str, ...] = ()

    def require_shelf_life_hours(self) -> float:
        """The shelf life, or MissingMeasurement where none is stated."""
        if self.shelf_life_hours is None:
            raise MissingMeasurement(
                f"no shelf life is stated for {self.device} microspheres",
                remedy="give the latest hour after calibration",
            )
        return self.shelf_life_hours


@dataclass(frozen=True)
class SpecificActivity:
    """What spheres carry on a day after calibration: each one, a milligram of them, and how many make 1 GBq."""

    day: int
    activity_per_sphere_bq: float
    activity_per_mg_bq: float
    spheres_per_gbq: float


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
            diameter_mm=0.025,
            diameter_range_mm=(0.020, 0.030),
            supply=Supply.WHOLE_VIAL,
            custom_vials=VialRange(3.0, 20.0, 0.5),
            assumptions=(
                "use until 12 days after calibration",
                "2500 Bq a sphere at calibration; sources give 1250 to 4354",
                "custom vials from 3 to 20 GBq in steps of 0.5 GBq",
                "mean diameter of 0.025 mm, the middle of 0.020 to 0.030 mm",
                "density of 3.2 g/mL; sources give 3.2 to 3.6",
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
            diameter_mm=0.0325,
            diameter_range_mm=(0.020, 0.060),
            supply=Supply.DRAWN,
            assumptions=(
                "use until 24 hours after calibration",
                "mean diameter of 0.0325 mm within 0.020 to 0.060 mm",
                "the dose is drawn from the vial, which may be split",
            ),
        ),
        Device.HOLMIUM: Microspheres(
            Device.HOLMIUM,
            HO166,
            activity_per_sphere_bq=300.0,
            vial_sizes_gbq=(),
            shelf_life_hours=None,
            density_g_ml=1.4,
            source="doi:10.1007/s00270-019-02284-9 (Table 4: 200 to 400 Bq a sphere, 6 to 12 GBq a dose)",
            diameter_mm=0.030,
            diameter_range_mm=(0.015, 0.060),
            supply=Supply.TO_ORDER,
            assumptions=(
                "300 Bq a sphere, the middle of 200 to 400",
                "made to order, without fixed vial sizes",
                "mean diameter of 0.030 mm within 0.015 to 0.060 mm",
            ),
        ),
    }
)
"""Microspheres by device, as they are shipped."""


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


def sphere_mass_kg(spheres: Microspheres) -> float:
    """Mass of a sphere of the mean diameter d: rho pi d^3 / 6.

    The mean mass of spheres that differ in size is greater: the mean of d^3 is above the cube of the mean of d.

    Examples
    --------
    >>> round(1e-6 / sphere_mass_kg(MICROSPHERES[Device.GLASS]))  # spheres a milligram; the insert has 22 000 to 73 000
    38197
    """
    volume_ml = math.pi / 6.0 * positive(spheres.diameter_mm, "diameter_mm") ** 3 / _MM3_PER_ML
    return positive(spheres.density_g_ml, "density_g_ml") * volume_ml / _GRAMS_PER_KG


def spheres_mass_kg(spheres: Microspheres, activity_gbq: float, *, hours: float) -> float:
    """Mass of the spheres that carry ``activity_gbq`` at ``hours`` after calibration, all of the mean diameter."""
    return sphere_count(spheres, activity_gbq, hours=hours) * sphere_mass_kg(spheres)


def specific_activity_by_day(spheres: Microspheres, *, last_day: int) -> tuple[SpecificActivity, ...]:
    """What the spheres carry on each day from calibration (day 0) to ``last_day``, at the hour of calibration.

    Raises
    ------
    DomainError
        The last day lies before the calibration, or more than a year after it.

    Examples
    --------
    >>> week = specific_activity_by_day(MICROSPHERES[Device.GLASS], last_day=7)
    >>> [round(row.activity_per_sphere_bq, 1) for row in week][:3]
    [2500.0, 1928.5, 1487.7]
    """
    if not 0 <= last_day <= 366:
        raise DomainError(f"last_day must lie from 0 to 366, got {last_day}", remedy="give days after calibration")
    mass_mg = sphere_mass_kg(spheres) * _MG_PER_KG
    rows = []
    for day in range(last_day + 1):
        each_bq = activity_per_sphere_bq(spheres, hours=day * HOURS_PER_DAY)
        rows.append(
            SpecificActivity(
                day,
                activity_per_sphere_bq=each_bq,
                activity_per_mg_bq=each_bq / mass_mg,
                spheres_per_gbq=_BQ_PER_GBQ / each_bq,
            )
        )
    return tuple(rows)


def drawn_fraction(spheres: Microspheres, activity_gbq: float, *, vial_gbq: float, hours: float) -> float:
    """Share of a vial that has to be drawn for ``activity_gbq``, at ``hours`` after the calibration of its ``vial_gbq``.

    Raises
    ------
    DomainError
        The vial is given as a whole or holds less than is wanted, or an activity is not above 0.

    Examples
    --------
    >>> drawn_fraction(MICROSPHERES[Device.RESIN], 1.5, vial_gbq=3.0, hours=0.0)
    0.5
    """
    if spheres.supply is Supply.WHOLE_VIAL:
        raise DomainError(
            f"a vial of {spheres.device} microspheres is given as a whole", remedy="choose a vial by size and hour"
        )
    there_gbq = positive(vial_gbq, "vial_gbq") * decay_factor(hours, half_life_hours=spheres.nuclide.half_life_hours)
    if positive(activity_gbq, "activity_gbq") > there_gbq:
        raise DomainError(
            f"{activity_gbq:g} GBq are wanted, and the vial holds {there_gbq:.4g} GBq at {hours:g} h",
            remedy="take a second vial, or an earlier hour",
        )
    return activity_gbq / there_gbq
