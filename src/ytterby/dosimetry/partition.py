"""Partition model with several tumours, each with its own T/N, and with several infusions and territories.

The model of two compartments is ``compartment.partition_doses``; with one tumour both agree. Source of the model with several
tumours: Moran et al., EJNMMI Phys 2020;7:72, doi:10.1186/s40658-020-00343-6. Theory: docs/theory/compartments.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ytterby.dosimetry.compartment import Compartment, activity_for_dose_gbq, arrived_fraction, mean_dose_gy
from ytterby.dosimetry.compartment import tumour_to_normal_ratio as ratio_of_counts
from ytterby.errors import DomainError
from ytterby.units import non_negative, positive

__all__ = [
    "Infusion",
    "MultiTumourDoses",
    "PartitionedTumour",
    "TerritoryDoses",
    "multi_tumour_partition_activity_gbq",
    "multi_tumour_partition_doses",
    "territory_doses",
    "tumours_by_counts",
]


@dataclass(frozen=True)
class PartitionedTumour:
    """A tumour with its mass and its T/N: counts per mass over those of normal liver in the same territory."""

    name: str
    mass_kg: float
    tn_ratio: float


@dataclass(frozen=True)
class MultiTumourDoses:
    """Mean doses of the partition model with several tumours: of each by name, of all of them as one, of normal liver."""

    tumour_doses_gy: Mapping[str, float]
    tumours_dose_gy: float
    normal_dose_gy: float


@dataclass(frozen=True)
class Infusion:
    """One infusion into one territory. Two infusions with one ``territory`` treat the same tissue twice.

    ``activity_gbq`` is the vial's, before the residual; ``normal_mass_kg`` is the normal liver of the territory.
    """

    territory: str
    activity_gbq: float
    tumours: tuple[PartitionedTumour, ...]
    normal_mass_kg: float
    lung_shunt_fraction: float
    residual_fraction: float


@dataclass(frozen=True)
class TerritoryDoses:
    """Doses of all infusions together.

    ``tumour_doses_gy`` is the mean dose of each tumour by name; a tumour with parts in several territories counts as a whole.
    ``perfused_normal_dose_gy`` is the mean over the normal liver of all territories, ``normal_dose_gy`` over that and the
    unperfused liver. ``infusions`` holds the doses of each infusion, in order.
    """

    tumour_doses_gy: Mapping[str, float]
    perfused_normal_dose_gy: float
    normal_dose_gy: float
    infusions: tuple[MultiTumourDoses, ...]


def multi_tumour_partition_doses(
    activity_gbq: float,
    tumours: Sequence[PartitionedTumour],
    *,
    normal_mass_kg: float,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> MultiTumourDoses:
    """Mean dose of each tumour and of normal liver: D_n = K A (1 - F)(1 - R) / (m_n + sum TN_i m_i), D_i = TN_i D_n.

    Source: Moran et al., EJNMMI Phys 2020;7:72, doi:10.1186/s40658-020-00343-6.

    Raises
    ------
    DomainError
        No tumour, a name twice; activity, a T/N, a mass or the energy constant not above 0; a fraction outside [0, 1).

    Examples
    --------
    >>> doses = multi_tumour_partition_doses(
    ...     3.0,
    ...     (PartitionedTumour("a", 0.2, 5.0), PartitionedTumour("b", 0.1, 3.0)),
    ...     normal_mass_kg=1.2,
    ...     energy_j_per_gbq=50.0,
    ... )
    >>> doses.normal_dose_gy, dict(doses.tumour_doses_gy)
    (60.0, {'a': 300.0, 'b': 180.0})
    """
    weight_kg = _weight_kg(tumours, normal_mass_kg=normal_mass_kg)
    liver_gbq = positive(activity_gbq, "activity_gbq") * arrived_fraction(lung_shunt_fraction, residual_fraction)
    normal_dose_gy = mean_dose_gy(liver_gbq, weight_kg, energy_j_per_gbq=energy_j_per_gbq)
    doses = {tumour.name: tumour.tn_ratio * normal_dose_gy for tumour in tumours}
    joule = math.fsum(doses[tumour.name] * tumour.mass_kg for tumour in tumours)
    return MultiTumourDoses(
        tumour_doses_gy=MappingProxyType(doses),
        tumours_dose_gy=joule / math.fsum(tumour.mass_kg for tumour in tumours),
        normal_dose_gy=normal_dose_gy,
    )


def multi_tumour_partition_activity_gbq(
    normal_dose_gy: float,
    tumours: Sequence[PartitionedTumour],
    *,
    normal_mass_kg: float,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> float:
    """Activity that gives normal liver ``normal_dose_gy``: A = D_n (m_n + sum TN_i m_i) / (K (1 - F)(1 - R)).

    For a dose of tumour i, ask for D_n = D_i / TN_i. Source: as ``multi_tumour_partition_doses``, solved for A.

    Raises
    ------
    DomainError
        As ``multi_tumour_partition_doses``; also a dose that is not above 0.
    """
    return activity_for_dose_gbq(
        normal_dose_gy,
        _weight_kg(tumours, normal_mass_kg=normal_mass_kg),
        energy_j_per_gbq=energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )


def tumours_by_counts(tumours: Sequence[Compartment], normal: Compartment) -> tuple[PartitionedTumour, ...]:
    """Tumours with the T/N that an image shows: counts per mass over those of ``normal`` liver.

    Source: as ``multi_tumour_partition_doses``.

    Raises
    ------
    DomainError
        A mass or the counts of normal liver are not above 0, or a tumour has no counts.
    """
    return tuple(
        PartitionedTumour(part.name, part.mass_kg, positive(ratio_of_counts(part, normal), f"T/N of '{part.name}'"))
        for part in tumours
    )


def territory_doses(
    infusions: Sequence[Infusion], *, unperfused_mass_kg: float, energy_j_per_gbq: float
) -> TerritoryDoses:
    """Mean doses of tumours and normal liver over several infusions: energies add, and every mass counts once.

    Each infusion is a partition model of its territory. Infusions with the same territory add up in the same tissue; different
    territories are taken to share no tissue. ``unperfused_mass_kg`` is the liver outside all of them, without dose. Derived in
    docs/theory/compartments.md from the model of one infusion.

    Raises
    ------
    DomainError
        No infusion; two infusions of one territory that disagree about its tissue; as ``multi_tumour_partition_doses``.
    """
    if not infusions:
        raise DomainError("there is no infusion", remedy="give at least one")
    by_infusion = tuple(
        multi_tumour_partition_doses(
            infusion.activity_gbq,
            infusion.tumours,
            normal_mass_kg=infusion.normal_mass_kg,
            energy_j_per_gbq=energy_j_per_gbq,
            lung_shunt_fraction=infusion.lung_shunt_fraction,
            residual_fraction=infusion.residual_fraction,
        )
        for infusion in infusions
    )
    masses_kg = _masses_once(infusions)
    joule: dict[tuple[str, str], float] = {}
    for infusion, doses in zip(infusions, by_infusion, strict=True):
        parts = [(tumour.name, tumour.mass_kg, doses.tumour_doses_gy[tumour.name]) for tumour in infusion.tumours]
        for name, mass_kg, dose_gy in (*parts, (_NORMAL, infusion.normal_mass_kg, doses.normal_dose_gy)):
            joule[infusion.territory, name] = joule.get((infusion.territory, name), 0.0) + dose_gy * mass_kg

    def mean_gy(name: str, beside_kg: float = 0.0) -> float:
        parts = [part for part in masses_kg if part[1] == name]
        return math.fsum(joule[part] for part in parts) / (math.fsum(masses_kg[part] for part in parts) + beside_kg)

    names = dict.fromkeys(tumour.name for infusion in infusions for tumour in infusion.tumours)
    return TerritoryDoses(
        tumour_doses_gy=MappingProxyType({name: mean_gy(name) for name in names}),
        perfused_normal_dose_gy=mean_gy(_NORMAL),
        normal_dose_gy=mean_gy(_NORMAL, non_negative(unperfused_mass_kg, "unperfused_mass_kg")),
        infusions=by_infusion,
    )


# Name of normal liver beside the tumours' names, which are never empty.
_NORMAL = ""


def _masses_once(infusions: Sequence[Infusion]) -> dict[tuple[str, str], float]:
    """Mass of each (territory, tissue), which all infusions of the territory have to agree on."""
    tissue: dict[str, dict[str, float]] = {}
    for infusion in infusions:
        parts = {tumour.name: tumour.mass_kg for tumour in infusion.tumours} | {_NORMAL: infusion.normal_mass_kg}
        if tissue.setdefault(infusion.territory, parts) != parts:
            raise DomainError(
                f"two infusions of the territory '{infusion.territory}' disagree about its tumours or masses",
                remedy="state the same masses in both, or name two territories",
            )
    return {(territory, name): mass_kg for territory, parts in tissue.items() for name, mass_kg in parts.items()}


def _weight_kg(tumours: Sequence[PartitionedTumour], *, normal_mass_kg: float) -> float:
    """Mass of normal liver that would take up as much as all tumours and normal liver together: m_n + sum TN_i m_i."""
    names = [tumour.name for tumour in tumours]
    if not all(names) or not names or len(set(names)) < len(names):
        raise DomainError(
            f"tumours need one name each and at least one is needed, got {names}", remedy="give every tumour once"
        )
    return positive(normal_mass_kg, "normal_mass_kg") + math.fsum(
        positive(tumour.tn_ratio, f"tn_ratio of '{tumour.name}'")
        * positive(tumour.mass_kg, f"mass_kg of '{tumour.name}'")
        for tumour in tumours
    )
