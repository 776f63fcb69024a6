"""Compartment models: single compartment (MIRD), partition (T/N), several compartments by counts.

All of them share one assumption: microspheres stay where they lodge until the last decay, and the energy stays in the
compartment. Several tumours with a T/N each and several territories: ``dosimetry.partition``. Body surface area, which is no
dosimetry: ``dosimetry.bsa``. Theory: docs/theory/compartments.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ytterby.dosimetry.bsa import bsa_activity_gbq, bsa_m2
from ytterby.errors import DomainError
from ytterby.units import finite, fraction, non_negative, positive

__all__ = [
    "Compartment",
    "PartitionDoses",
    "activity_for_dose_gbq",
    "arrived_fraction",
    "bsa_activity_gbq",
    "bsa_m2",
    "mass_kg",
    "mean_dose_gy",
    "multicompartment_doses_gy",
    "partition_activity_gbq",
    "partition_doses",
    "single_compartment_dose_gy",
    "tumour_to_normal_ratio",
]

_GRAMS_PER_KG = 1000.0


@dataclass(frozen=True)
class Compartment:
    """A part of the liver with its mass and the counts that an image shows in it; compartments do not overlap."""

    name: str
    mass_kg: float
    counts: float


@dataclass(frozen=True)
class PartitionDoses:
    """Mean doses of the partition model."""

    tumour_dose_gy: float
    normal_dose_gy: float


def mass_kg(volume_ml: float, *, density_g_ml: float) -> float:
    """Mass of a volume of tissue (kg): volume (mL) times density (g/mL).

    Raises
    ------
    DomainError
        The volume or the density is not above 0.

    Examples
    --------
    >>> mass_kg(1500.0, density_g_ml=1.03)
    1.545
    """
    return positive(volume_ml, "volume_ml") * positive(density_g_ml, "density_g_ml") / _GRAMS_PER_KG


def mean_dose_gy(activity_gbq: float, mass_kg: float, *, energy_j_per_gbq: float) -> float:
    """Mean absorbed dose (Gy) of a mass in which ``activity_gbq`` decays to the last: D = K A / M.

    All energy stays in the mass. Source: Chiesa et al., EANM dosimetry committee, EJNMMI Phys 2021;8:77,
    doi:10.1186/s40658-021-00394-3 (permanent trapping, local energy deposition).

    Raises
    ------
    DomainError
        Mass or energy constant is not above 0, or the activity is below 0.
    """
    energy = positive(energy_j_per_gbq, "energy_j_per_gbq")
    return energy * non_negative(activity_gbq, "activity_gbq") / positive(mass_kg, "mass_kg")


def arrived_fraction(lung_shunt_fraction: float, residual_fraction: float) -> float:
    """Share of the vial's activity that ends in the liver: (1 - F)(1 - R). Source: as ``single_compartment_dose_gy``.

    Raises
    ------
    DomainError
        A fraction lies outside [0, 1).

    Examples
    --------
    >>> round(arrived_fraction(0.05, 0.01), 6)
    0.9405
    """
    return (1.0 - fraction(lung_shunt_fraction, "lung_shunt_fraction")) * (
        1.0 - fraction(residual_fraction, "residual_fraction")
    )


def single_compartment_dose_gy(
    activity_gbq: float,
    mass_kg: float,
    *,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> float:
    """Mean dose of the perfused mass, tumour and normal tissue as one: D = K A (1 - F)(1 - R) / M.

    Source: MIRD single-compartment model of glass microspheres, EANM guideline 2022, doi:10.1007/s00259-021-05600-z.

    Raises
    ------
    DomainError
        Activity, mass or energy constant is not above 0, or a fraction lies outside [0, 1).

    Examples
    --------
    >>> dose = single_compartment_dose_gy(3.0, 1.545, energy_j_per_gbq=50.0, lung_shunt_fraction=0.05, residual_fraction=0.01)
    >>> round(dose, 4)
    91.3107
    """
    arrived = arrived_fraction(lung_shunt_fraction, residual_fraction)
    return mean_dose_gy(positive(activity_gbq, "activity_gbq") * arrived, mass_kg, energy_j_per_gbq=energy_j_per_gbq)


def activity_for_dose_gbq(
    dose_gy: float,
    mass_kg: float,
    *,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> float:
    """Activity that gives the perfused mass ``dose_gy``: A = D M / (K (1 - F)(1 - R)), the inverse of the dose.

    Source: as ``single_compartment_dose_gy``.

    Raises
    ------
    DomainError
        Dose, mass or energy constant is not above 0, or a fraction lies outside [0, 1).
    """
    arrived = arrived_fraction(lung_shunt_fraction, residual_fraction)
    arrived_energy = positive(
        positive(energy_j_per_gbq, "energy_j_per_gbq") * arrived, "energy_j_per_gbq x (1 - F)(1 - R)"
    )
    return positive(dose_gy, "dose_gy") * positive(mass_kg, "mass_kg") / arrived_energy


def tumour_to_normal_ratio(tumour: Compartment, normal: Compartment) -> float:
    """T/N: counts per mass of the tumour over counts per mass of normal liver. Source: as ``partition_doses``.

    Raises
    ------
    DomainError
        A mass or the counts of normal liver are not above 0.
    """
    tumour_per_kg = non_negative(tumour.counts, "tumour counts") / positive(tumour.mass_kg, "tumour mass_kg")
    return tumour_per_kg / (positive(normal.counts, "normal counts") / positive(normal.mass_kg, "normal mass_kg"))


def partition_doses(
    activity_gbq: float,
    tn_ratio: float,
    *,
    tumour_mass_kg: float,
    normal_mass_kg: float,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> PartitionDoses:
    """Mean doses of tumour and normal liver: D_n = K A (1 - F)(1 - R) / (m_n + TN m_t), D_t = TN D_n.

    Source: Ho et al., Eur J Nucl Med 1996;23:947, doi:10.1007/BF01084369.

    Raises
    ------
    DomainError
        Activity, T/N, a mass or the energy constant is not above 0, or a fraction lies outside [0, 1).

    Examples
    --------
    >>> doses = partition_doses(
    ...     3.0, 5.0, tumour_mass_kg=0.3, normal_mass_kg=1.2, energy_j_per_gbq=49.67, lung_shunt_fraction=0.05
    ... )
    >>> round(doses.normal_dose_gy, 4), round(doses.tumour_dose_gy, 4)
    (52.4294, 262.1472)
    """
    weight_kg = _partition_weight_kg(tn_ratio, tumour_mass_kg=tumour_mass_kg, normal_mass_kg=normal_mass_kg)
    liver_gbq = positive(activity_gbq, "activity_gbq") * arrived_fraction(lung_shunt_fraction, residual_fraction)
    normal_dose_gy = mean_dose_gy(liver_gbq, weight_kg, energy_j_per_gbq=energy_j_per_gbq)
    return PartitionDoses(tumour_dose_gy=tn_ratio * normal_dose_gy, normal_dose_gy=normal_dose_gy)


def partition_activity_gbq(
    normal_dose_gy: float,
    tn_ratio: float,
    *,
    tumour_mass_kg: float,
    normal_mass_kg: float,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> float:
    """Activity that gives normal liver ``normal_dose_gy``: A = D_n (m_n + TN m_t) / (K (1 - F)(1 - R)).

    Source: as ``partition_doses``, solved for A.

    Raises
    ------
    DomainError
        Dose, T/N, a mass or the energy constant is not above 0, or a fraction lies outside [0, 1).
    """
    return activity_for_dose_gbq(
        normal_dose_gy,
        _partition_weight_kg(tn_ratio, tumour_mass_kg=tumour_mass_kg, normal_mass_kg=normal_mass_kg),
        energy_j_per_gbq=energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )


def multicompartment_doses_gy(
    activity_gbq: float,
    compartments: Sequence[Compartment],
    *,
    energy_j_per_gbq: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
) -> dict[str, float]:
    """Mean dose of each compartment by name: D_i = K A (1 - F)(1 - R) (C_i / C_liver) / m_i.

    The compartments together are the whole liver, perfused and not: C_liver is the sum of their counts (relative
    calibration). Source: Chiesa et al., EANM dosimetry committee, EJNMMI Phys 2021;8:77, doi:10.1186/s40658-021-00394-3.

    Raises
    ------
    DomainError
        No compartment, a name twice, a mass not above 0, negative counts, or no counts at all.
    """
    names = [compartment.name for compartment in compartments]
    if not names or len(set(names)) < len(names):
        raise DomainError(
            f"compartments need one name each and at least one is needed, got {names}",
            remedy="give every compartment of the liver once",
        )
    liver_counts = math.fsum(non_negative(part.counts, f"counts of '{part.name}'") for part in compartments)
    if finite(liver_counts, "the liver's counts") <= 0.0:
        raise DomainError("the compartments hold no counts", remedy="check the counts of each compartment")
    liver_gbq = positive(activity_gbq, "activity_gbq") * arrived_fraction(lung_shunt_fraction, residual_fraction)
    return {
        part.name: mean_dose_gy(
            liver_gbq * part.counts / liver_counts,
            positive(part.mass_kg, f"mass_kg of '{part.name}'"),
            energy_j_per_gbq=energy_j_per_gbq,
        )
        for part in compartments
    }


def _partition_weight_kg(tn_ratio: float, *, tumour_mass_kg: float, normal_mass_kg: float) -> float:
    """Mass of normal liver that would take up as much as tumour and normal liver together: m_n + TN m_t."""
    return positive(normal_mass_kg, "normal_mass_kg") + positive(tn_ratio, "tn_ratio") * positive(
        tumour_mass_kg, "tumour_mass_kg"
    )
