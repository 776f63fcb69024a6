"""Activity of resin microspheres by body surface area: an empirical rule, which knows no dose.

Sources: Du Bois for the surface, the instructions for use of resin microspheres for the activity. Kao et al., Ann Nucl Med
2011;25:455, doi:10.1007/s12149-011-0499-6, compare it with the partition model. Theory: docs/theory/compartments.md.
"""

from __future__ import annotations

from ytterby.errors import DomainError
from ytterby.units import fraction, non_negative, positive

__all__ = [
    "GREATEST_RESIN_LUNG_SHUNT_FRACTION",
    "RESIN_LUNG_SHUNT_STEPS",
    "bsa_activity_gbq",
    "bsa_m2",
    "lobar_bsa_activity_gbq",
    "lung_shunt_reduction_fraction",
    "reduced_for_lung_shunt_gbq",
]

RESIN_LUNG_SHUNT_STEPS: tuple[tuple[float, float], ...] = ((0.10, 0.20), (0.15, 0.40))
"""From this lung shunt on, this share of the activity is left out: 20 % from 10 %, 40 % from 15 %."""

GREATEST_RESIN_LUNG_SHUNT_FRACTION = 0.20
"""Above this lung shunt resin microspheres are contraindicated."""


def bsa_m2(height_m: float, weight_kg: float) -> float:
    """Body surface area: 0.20247 h^0.725 w^0.425, with h in metres and w in kilograms.

    Source: Du Bois and Du Bois, Arch Intern Med 1916;17:863, doi:10.1001/archinte.1916.00080130010002, converted to metres.

    Raises
    ------
    DomainError
        A number is not above 0, or the height is above 3 m (centimetres are a common slip).
    """
    if positive(height_m, "height_m") > 3.0:
        raise DomainError(
            f"height_m is {height_m}: nobody is taller than 3 m", remedy="give metres: 175 cm is written 1.75"
        )
    return float(0.20247 * height_m**0.725 * positive(weight_kg, "weight_kg") ** 0.425)


def bsa_activity_gbq(bsa_m2: float, *, tumour_ml: float, liver_ml: float) -> float:
    """Activity of resin microspheres for the whole liver: A = (BSA - 0.2) + Vt / V, V the liver with its tumours.

    Source: instructions for use of resin microspheres, as in van Roekel's doctoral thesis, p. 30. No lung-shunt reduction is
    applied: ``reduced_for_lung_shunt_gbq``.

    Raises
    ------
    DomainError
        A volume is not above 0, the tumours are larger than the liver, or the formula gives no activity.
    """
    surface_m2 = positive(bsa_m2, "bsa_m2")
    involved_fraction = non_negative(tumour_ml, "tumour_ml") / positive(liver_ml, "liver_ml")
    if involved_fraction > 1.0:
        raise DomainError(
            f"tumour_ml {tumour_ml} is more than liver_ml {liver_ml}",
            remedy="give the volume of the liver with its tumours as liver_ml",
        )
    activity = surface_m2 - 0.2 + involved_fraction
    if activity <= 0.0:
        raise DomainError(
            f"a body surface of {surface_m2} m2 gives no activity", remedy="check height and weight and their units"
        )
    return activity


def lobar_bsa_activity_gbq(bsa_m2: float, *, lobe_tumour_ml: float, lobe_ml: float, liver_ml: float) -> float:
    """Activity of resin microspheres for one lobe or territory: A = ((BSA - 0.2) + Vt / V_lobe) V_lobe / V_liver.

    Vt are the tumours in the lobe; lobe and liver are taken with their tumours. The activities of all lobes add up to that of
    the whole liver. Source: instructions for use of resin microspheres, in the form in which they are commonly quoted; that
    the involvement is the lobe's own, not the liver's, is an assumption here.

    Raises
    ------
    DomainError
        A volume is not above 0, the tumours are larger than the lobe, the lobe is larger than the liver, or the formula gives no
        activity.

    Examples
    --------
    >>> round(lobar_bsa_activity_gbq(1.84812, lobe_tumour_ml=300.0, lobe_ml=1200.0, liver_ml=1800.0), 5)
    1.26541
    """
    treated_fraction = positive(lobe_ml, "lobe_ml") / positive(liver_ml, "liver_ml")
    if treated_fraction > 1.0:
        raise DomainError(
            f"lobe_ml {lobe_ml} is more than liver_ml {liver_ml}",
            remedy="give the volume of the whole liver as liver_ml",
        )
    return bsa_activity_gbq(bsa_m2, tumour_ml=lobe_tumour_ml, liver_ml=lobe_ml) * treated_fraction


def lung_shunt_reduction_fraction(lung_shunt_fraction: float) -> float:
    """Share of the activity of resin microspheres that is left out because of the lung shunt.

    Below 10 %: nothing; from 10 % and below 15 %: 0.2; from 15 % to 20 %: 0.4. A shunt on a boundary takes the greater
    reduction, and 20 % itself is still allowed: both are assumptions, because sources print the ranges with shared ends.
    Source: instructions for use of resin microspheres; consensus of Kennedy et al., Int J Radiat Oncol Biol Phys 2007;68:13,
    doi:10.1016/j.ijrobp.2006.11.060. The steps of 20 % and 40 % are those of an abstract (Grosser 2015), not read there.

    Raises
    ------
    DomainError
        The shunt lies outside [0, 1), or above 20 %: resin microspheres are contraindicated.

    Examples
    --------
    >>> [lung_shunt_reduction_fraction(shunt) for shunt in (0.099, 0.10, 0.15, 0.20)]
    [0.0, 0.2, 0.4, 0.4]
    """
    shunt = fraction(lung_shunt_fraction, "lung_shunt_fraction")
    if shunt > GREATEST_RESIN_LUNG_SHUNT_FRACTION:
        raise DomainError(
            f"a lung shunt of {100.0 * shunt:g} % is above {100.0 * GREATEST_RESIN_LUNG_SHUNT_FRACTION:g} %: resin microspheres "
            "are contraindicated",
            remedy="no activity is given by this rule; look at the lung dose by the partition model",
        )
    return max((reduction for start, reduction in RESIN_LUNG_SHUNT_STEPS if shunt >= start), default=0.0)


def reduced_for_lung_shunt_gbq(activity_gbq: float, lung_shunt_fraction: float) -> float:
    """Activity of resin microspheres after the reduction for the lung shunt: A (1 - reduction).

    Source: as ``lung_shunt_reduction_fraction``.

    Raises
    ------
    DomainError
        As ``lung_shunt_reduction_fraction``; also an activity that is not above 0.

    Examples
    --------
    >>> reduced_for_lung_shunt_gbq(2.0, 0.12)
    1.6
    """
    return positive(activity_gbq, "activity_gbq") * (1.0 - lung_shunt_reduction_fraction(lung_shunt_fraction))
