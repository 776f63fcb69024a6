"""Dose point kernel of 90Y: which share of a decay's energy the shells of water around it absorb.

The table was made by electron transport (``tools/y90_kernel``; ompMC, with the physics of EGSnrc: Doerner and Caprile, Med Phys
2017;44:6672, doi:10.1002/mp.12642; Kawrakow, Med Phys 2000;27:485, doi:10.1118/1.598917) from the beta spectrum of ICRP
Publication 107. Its record names scripts, seed, histories and uncertainty. Nothing in it is fitted to a published kernel.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from ytterby.errors import DomainError, MissingMeasurement
from ytterby.model.volume import FloatArray, read_only
from ytterby.physics.nuclides import Y90, Nuclide
from ytterby.units import non_negative, positive

__all__ = ["PointKernel", "point_kernel", "sphere_absorbed_fraction", "y90_point_kernel"]

_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class PointKernel:
    """Energy around a point source in a uniform medium without end, by spherical shells.

    ``outer_radius_mm`` ascends; the first shell begins at the decay. ``energy_fraction`` is each shell's share of all energy
    that is absorbed, bremsstrahlung included, and sums to 1; ``relative_uncertainty`` the relative standard uncertainty of that
    share, from the statistics of the transport alone. ``record`` says how the table was made. All arrays are read-only and of
    one length.

    Raises
    ------
    DomainError
        The arrays differ in length, the radii do not ascend from above 0, or the shares are negative or do not sum to 1.
    """

    name: str
    nuclide: str
    density_g_ml: float
    outer_radius_mm: FloatArray = field(repr=False)
    energy_fraction: FloatArray = field(repr=False)
    relative_uncertainty: FloatArray = field(repr=False)
    source: str
    record: Mapping[str, object] = field(repr=False)

    def __post_init__(self) -> None:
        positive(self.density_g_ml, "density_g_ml")
        columns = ("outer_radius_mm", "energy_fraction", "relative_uncertainty")
        radius, share, uncertainty = (np.array(getattr(self, name), dtype=np.float64) for name in columns)
        if radius.ndim != 1 or not radius.size or radius.shape != share.shape or radius.shape != uncertainty.shape:
            raise DomainError(
                "the columns of a point kernel differ in length", where=self.name, remedy="check the table"
            )
        if not np.all(np.isfinite(radius)) or np.any(np.diff(radius, prepend=0.0) <= 0):
            raise DomainError(
                "the radii of a point kernel must ascend from 0", where=self.name, remedy="check the table"
            )
        if not np.all(share >= 0) or abs(float(share.sum()) - 1.0) > _SUM_TOLERANCE:
            raise DomainError(
                f"the shares of a point kernel sum to {float(share.sum()):.12g}, or one is negative",
                where=self.name,
                remedy="divide the energy of every shell by that of all",
            )
        for name, array in zip(columns, (radius, share, uncertainty), strict=True):
            object.__setattr__(self, name, read_only(array))

    @property
    def inner_radius_mm(self) -> FloatArray:
        """Inner radius of every shell (mm)."""
        return np.concatenate([[0.0], self.outer_radius_mm[:-1]])

    def energy_within_fraction(self, radius_mm: float) -> float:
        """Share of the energy that is absorbed within ``radius_mm`` of the decay; within a shell it grows evenly.

        Raises
        ------
        DomainError
            The radius is negative or not finite.

        Examples
        --------
        >>> kernel = y90_point_kernel()
        >>> kernel.energy_within_fraction(0.0)
        0.0
        >>> 0.85 < kernel.energy_within_fraction(5.0) < 0.88
        True
        """
        edges = np.concatenate([[0.0], self.outer_radius_mm])
        within = np.concatenate([[0.0], np.cumsum(self.energy_fraction)])
        return float(np.interp(non_negative(radius_mm, "radius_mm"), edges, within))

    def radius_holding_mm(self, energy_fraction: float) -> float:
        """Radius (mm) of the sphere about the decay that absorbs ``energy_fraction`` of the energy.

        Raises
        ------
        DomainError
            The share does not lie between 0 and 1.
        """
        if not 0.0 < energy_fraction < 1.0:
            raise DomainError(f"a share lies between 0 and 1, got {energy_fraction}", remedy="give 0.9 for 90 %")
        edges = np.concatenate([[0.0], self.outer_radius_mm])
        within = np.concatenate([[0.0], np.cumsum(self.energy_fraction)])
        return float(np.interp(energy_fraction, within, edges))

    def in_density(self, density_g_ml: float) -> PointKernel:
        """The kernel in the same medium at another density: every radius times the ratio of the densities, old over new.

        Interactions go by mass: in a medium of twice the density everything happens within half the distance (O'Connor, Phys
        Med Biol 1957;1:352). The small change of the stopping power with density (the density effect) is left out.

        Raises
        ------
        DomainError
            The density is not above 0.
        """
        ratio = self.density_g_ml / positive(density_g_ml, "density_g_ml")
        return PointKernel(
            self.name,
            self.nuclide,
            density_g_ml,
            self.outer_radius_mm * ratio,
            self.energy_fraction,
            self.relative_uncertainty,
            self.source,
            self.record,
        )


@lru_cache(maxsize=1)
def y90_point_kernel() -> PointKernel:
    """The kernel of 90Y in water (1 g/mL), from the table that is part of the package.

    Shells of 0.1 mm to 12 mm, where no beta particle is left, then coarser ones to 1 m for the bremsstrahlung.

    Examples
    --------
    >>> kernel = y90_point_kernel()
    >>> kernel.nuclide, float(kernel.outer_radius_mm[0]), float(kernel.outer_radius_mm[-1])
    ('Y-90', 0.1, 1000.0)
    """
    tables = files("ytterby.physics").joinpath("tables")
    rows = csv.DictReader(tables.joinpath("y90_water.csv").read_text(encoding="utf-8").splitlines())
    table = np.array([[float(number) for number in row.values()] for row in rows])
    record = json.loads(tables.joinpath("y90_water.json").read_text(encoding="utf-8"))
    return PointKernel(
        "90Y in water",
        Y90.name,
        1.0,
        table[:, 0],
        table[:, 1],
        table[:, 2],
        f"electron transport for this package: {record['transport']}; {record['spectrum']}",
        MappingProxyType(record),
    )


def point_kernel(nuclide: Nuclide) -> PointKernel:
    """The point kernel of ``nuclide`` in water; there is one for 90Y alone.

    Raises
    ------
    MissingMeasurement
        There is no kernel of this nuclide.

    Examples
    --------
    >>> point_kernel(Y90).name
    '90Y in water'
    """
    if nuclide.name != Y90.name:
        raise MissingMeasurement(
            f"there is no dose kernel of {nuclide.name}, only of {Y90.name}",
            remedy="use the engine local_deposition for this nuclide",
        )
    return y90_point_kernel()


def sphere_absorbed_fraction(diameter_mm: float, *, density_g_ml: float, kernel: PointKernel | None = None) -> float:
    """Share of the energy that a sphere absorbs whose activity is spread evenly over it, in a medium that goes on outside.

    A point spread evenly over a sphere of radius R, moved by r, still lies in it with the probability 1 - 3/2 (r/2R) +
    1/2 (r/2R)^3, the volume that a sphere shares with its moved copy, by geometry alone. The result is the mean of this over the
    kernel's radii, exact where the energy is even within each shell. ``kernel`` is that of 90Y unless another is given.

    Raises
    ------
    DomainError
        The diameter or the density is not above 0.

    Examples
    --------
    >>> round(sphere_absorbed_fraction(20.0, density_g_ml=1.0), 1)
    0.8
    """
    scaled = (kernel or y90_point_kernel()).in_density(density_g_ml)
    edges = np.concatenate([[0.0], scaled.outer_radius_mm])
    chord = np.minimum(edges / positive(diameter_mm, "diameter_mm"), 1.0)
    integral_mm = diameter_mm * (chord - 0.75 * chord**2 + 0.125 * chord**4)
    return float(np.sum(scaled.energy_fraction * np.diff(integral_mm) / np.diff(edges)))
