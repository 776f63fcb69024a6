"""Lungs: mean dose from the lung shunt, and the lung shunt fraction from planar images."""

from __future__ import annotations

import math

from ytterby.dosimetry.compartment import mean_dose_gy
from ytterby.errors import DomainError
from ytterby.model.treatment import LungShunt
from ytterby.units import fraction, non_negative, positive

__all__ = ["activity_for_lung_dose_gbq", "lung_dose_gy", "planar_lung_shunt"]


def lung_dose_gy(
    activity_gbq: float,
    lung_shunt_fraction: float,
    *,
    lung_mass_kg: float,
    energy_j_per_gbq: float,
    residual_fraction: float = 0.0,
) -> float:
    """Mean dose of the lungs: D = K A (1 - R) F / m.

    Source: Kao et al., EJNMMI Res 2014;4:33, doi:10.1186/s13550-014-0033-7 (local deposition, mass given or by CT).

    Raises
    ------
    DomainError
        Activity, mass or energy constant is not above 0, or a fraction lies outside [0, 1).

    Examples
    --------
    >>> round(lung_dose_gy(3.0, 0.05, lung_mass_kg=1.0, energy_j_per_gbq=49.67), 4)
    7.4505
    """
    net_gbq = positive(activity_gbq, "activity_gbq") * (1.0 - fraction(residual_fraction, "residual_fraction"))
    return mean_dose_gy(
        net_gbq * fraction(lung_shunt_fraction, "lung_shunt_fraction"),
        positive(lung_mass_kg, "lung_mass_kg"),
        energy_j_per_gbq=energy_j_per_gbq,
    )


def activity_for_lung_dose_gbq(
    dose_gy: float,
    lung_shunt_fraction: float,
    *,
    lung_mass_kg: float,
    energy_j_per_gbq: float,
    residual_fraction: float = 0.0,
) -> float:
    """Activity that gives the lungs ``dose_gy``, the greatest one under a lung dose limit: A = D m / (K F (1 - R)).

    Raises
    ------
    DomainError
        A number is out of range; also a shunt of 0, for which no activity reaches the lungs.
    """
    shunt = fraction(positive(lung_shunt_fraction, "lung_shunt_fraction"), "lung_shunt_fraction")
    net = 1.0 - fraction(residual_fraction, "residual_fraction")
    arrived_energy = positive(
        positive(energy_j_per_gbq, "energy_j_per_gbq") * shunt * net, "energy_j_per_gbq x F (1 - R)"
    )
    return positive(dose_gy, "dose_gy") * positive(lung_mass_kg, "lung_mass_kg") / arrived_energy


def planar_lung_shunt(
    *,
    anterior_lung_counts: float,
    posterior_lung_counts: float,
    anterior_liver_counts: float,
    posterior_liver_counts: float,
) -> LungShunt:
    """Lung shunt from planar counts, by geometric means: sqrt(Aa Ap) of the lungs over that of lungs and liver.

    Planar images overestimate it: attenuation and scatter of the liver are not corrected for (EANM guideline 2022,
    doi:10.1007/s00259-021-05600-z).

    Raises
    ------
    DomainError
        Counts are negative, or the liver has none.

    Examples
    --------
    >>> shunt = planar_lung_shunt(
    ...     anterior_lung_counts=20e3, posterior_lung_counts=25e3, anterior_liver_counts=400e3, posterior_liver_counts=350e3
    ... )
    >>> round(100 * shunt.lung_shunt_fraction, 4)
    5.6391
    """
    lung = _geometric_mean(anterior_lung_counts, posterior_lung_counts, "lung")
    liver = _geometric_mean(anterior_liver_counts, posterior_liver_counts, "liver")
    if liver <= 0.0:
        raise DomainError(
            "the liver has no counts in one of the views",
            remedy="check the order: ANT_LUNG POST_LUNG ANT_LIVER POST_LIVER",
        )
    return LungShunt(lung / (lung + liver), method="planar, geometric mean of anterior and posterior counts")


def _geometric_mean(anterior_counts: float, posterior_counts: float, organ: str) -> float:
    # Root of each factor: the product of two large counts would overflow first.
    front = math.sqrt(non_negative(anterior_counts, f"anterior {organ} counts"))
    return front * math.sqrt(non_negative(posterior_counts, f"posterior {organ} counts"))
