"""Lungs: mean dose from the lung shunt, of one session and over several, and the lung shunt fraction from images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ytterby.dosimetry.compartment import mean_dose_gy
from ytterby.errors import CalibrationError, DomainError, SegmentError
from ytterby.imaging.quantify import non_negative_counts, segment_counts
from ytterby.model.segment import Segment
from ytterby.model.treatment import LungShunt, PlanarCounts, Session
from ytterby.model.volume import Quantity, Volume
from ytterby.units import fraction, non_negative, positive

__all__ = [
    "LUNG_DOSE_LIMITS",
    "LungAllowance",
    "LungDoseLimit",
    "activity_for_lung_dose_gbq",
    "activity_within_lung_limit",
    "counts_lung_shunt_fraction",
    "cumulative_lung_dose_gy",
    "lung_dose_gy",
    "planar_lung_shunt",
    "spect_lung_shunt",
]


@dataclass(frozen=True)
class LungDoseLimit:
    """Greatest mean lung dose of one session and of all sessions together, with its source.

    ``assumptions`` names what no source here proves.
    """

    name: str
    session_dose_gy: float
    cumulative_dose_gy: float
    source: str
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if positive(self.session_dose_gy, "session_dose_gy") > positive(self.cumulative_dose_gy, "cumulative_dose_gy"):
            raise DomainError(
                f"the lung limit '{self.name}' allows one session {self.session_dose_gy} Gy and all of them "
                f"{self.cumulative_dose_gy} Gy",
                remedy="the limit of all sessions cannot lie below that of one",
            )


@dataclass(frozen=True)
class LungAllowance:
    """Activity that a lung limit allows a session, the lung dose it gives, and whether ``session`` or ``cumulative`` binds."""

    activity_gbq: float
    lung_dose_gy: float
    binding: str
    limit: LungDoseLimit


LUNG_DOSE_LIMITS: Mapping[str, LungDoseLimit] = MappingProxyType(
    {
        limit.name: limit
        for limit in (
            LungDoseLimit(
                "usual",
                session_dose_gy=30.0,
                cumulative_dose_gy=50.0,
                source="Kao et al., EJNMMI Res 2014;4:33, doi:10.1186/s13550-014-0033-7; instructions for use of glass "
                "microspheres",
            ),
            LungDoseLimit(
                "careful",
                session_dose_gy=25.0,
                cumulative_dose_gy=50.0,
                source="practice of some centres",
                assumptions=("25 Gy for one session: no published source was read",),
            ),
        )
    }
)
"""Lung dose limits by name; none of them is a default."""


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


def cumulative_lung_dose_gy(
    sessions: Sequence[Session], *, prior_dose_gy: float, lung_mass_kg: float, energy_j_per_gbq: float
) -> float:
    """Lung dose of all sessions together, on top of ``prior_dose_gy``: the sum of the sessions' lung doses.

    Each session enters with its own activity, residual and lung shunt. ``energy_j_per_gbq`` is of the nuclide that all of them
    carry. The sum is of absorbed doses, as the limits are; recovery between sessions is left out. Source: as ``lung_dose_gy``.

    Raises
    ------
    DomainError
        The prior dose is negative, or mass or energy constant is not above 0.
    """
    return math.fsum(
        (
            non_negative(prior_dose_gy, "prior_dose_gy"),
            *(
                mean_dose_gy(
                    session.lung_activity_gbq,
                    positive(lung_mass_kg, "lung_mass_kg"),
                    energy_j_per_gbq=energy_j_per_gbq,
                )
                for session in sessions
            ),
        )
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

    Source: as ``lung_dose_gy``, solved for A.

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


def activity_within_lung_limit(
    limit: LungDoseLimit,
    lung_shunt_fraction: float,
    *,
    prior_dose_gy: float,
    lung_mass_kg: float,
    energy_j_per_gbq: float,
    residual_fraction: float = 0.0,
) -> LungAllowance:
    """Greatest activity of one session under a lung limit, after ``prior_dose_gy`` of earlier sessions.

    The dose that is left is the smaller of the limit of a session and what the limit of all sessions leaves; 0 GBq where
    nothing is left. Where both are equal, ``session`` is said to bind. Source: that of the limit, and ``lung_dose_gy``.

    Raises
    ------
    DomainError
        A number is out of range; also a shunt of 0, for which there is no limit.

    Examples
    --------
    >>> allowed = activity_within_lung_limit(
    ...     LUNG_DOSE_LIMITS["usual"], 0.1, prior_dose_gy=35.0, lung_mass_kg=1.0, energy_j_per_gbq=50.0
    ... )
    >>> allowed.activity_gbq, allowed.lung_dose_gy, allowed.binding
    (3.0, 15.0, 'cumulative')
    """
    left_gy = limit.cumulative_dose_gy - non_negative(prior_dose_gy, "prior_dose_gy")
    binding = "session" if limit.session_dose_gy <= left_gy else "cumulative"
    dose_gy = max(0.0, min(limit.session_dose_gy, left_gy))
    # The activity of the session's limit, scaled, so that every argument is looked at even where nothing is left.
    full_gbq = activity_for_lung_dose_gbq(
        limit.session_dose_gy,
        lung_shunt_fraction,
        lung_mass_kg=lung_mass_kg,
        energy_j_per_gbq=energy_j_per_gbq,
        residual_fraction=residual_fraction,
    )
    return LungAllowance(full_gbq * (dose_gy / limit.session_dose_gy), dose_gy, binding, limit)


def counts_lung_shunt_fraction(lung_counts: float, liver_counts: float) -> float:
    """Share of the counts that lies in the lungs: lungs over lungs and liver.

    Source: EANM guideline 2022, doi:10.1007/s00259-021-05600-z.

    Raises
    ------
    DomainError
        Counts are negative or not finite, or the liver has none.

    Examples
    --------
    >>> counts_lung_shunt_fraction(5.0, 95.0)
    0.05
    """
    lungs = non_negative(lung_counts, "lung_counts")
    liver = positive(liver_counts, "liver_counts")
    return lungs / (lungs + liver)


def spect_lung_shunt(image: Volume, *, liver: Segment, lungs: Segment) -> LungShunt:
    """Lung shunt from a SPECT/CT: counts in the lungs over counts in lungs and liver.

    A voxel that both segments claim counts once, as liver. Samples below 0 count 0. The image should be corrected for
    attenuation and scatter: SPECT/CT then comes within 13 % of the true shunt of a phantom, and planar images overestimate it
    by up to 44 % (Allred et al., EJNMMI Res 2018;8:50, doi:10.1186/s13550-018-0402-8).

    Raises
    ------
    CalibrationError
        The image shows no activity at all, or none in the liver.
    SegmentError
        A segment is empty, or the lungs lie wholly in the liver.
    GeometryError
        A segment lies wholly outside the image.
    """
    if image.quantity in (Quantity.HU, Quantity.DOSE):
        raise CalibrationError(
            f"a lung shunt needs an image of activity, and this one holds {image.quantity.value}",
            where=image.source,
            remedy="name the SPECT of 99mTc-MAA",
        )
    lungs.require_voxels()
    free = lungs.difference(liver.require_voxels())
    if free.is_empty:
        raise SegmentError(
            f"the segment '{lungs.name}' lies wholly in '{liver.name}'",
            remedy="check the roles of the segments: lungs and liver",
        )
    above, _ = non_negative_counts(image)
    liver_counts, liver_outside = segment_counts(above, liver)
    lung_counts, lungs_outside = segment_counts(above, free)
    if liver_counts <= 0.0:
        raise CalibrationError(
            "the image holds no counts in the liver, so there is no lung shunt",
            where=f"segment '{liver.name}'" + (f", image {image.source}" if image.source else ""),
            remedy="check that image and segments belong to one patient and one frame of reference",
        )
    method = "SPECT/CT, counts of lungs over lungs and liver (voxels in both count as liver)"
    for segment, outside in ((liver, liver_outside), (lungs, lungs_outside)):
        if outside > 0.0:
            method += f"; {100.0 * outside:.1f} % of '{segment.name}' lies outside the image and has no counts"
    return LungShunt(counts_lung_shunt_fraction(lung_counts, liver_counts), method=method)


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
    return LungShunt(
        counts_lung_shunt_fraction(lung, liver),
        method="planar, geometric mean of anterior and posterior counts",
        counts=PlanarCounts(anterior_lung_counts, posterior_lung_counts, anterior_liver_counts, posterior_liver_counts),
    )


def _geometric_mean(anterior_counts: float, posterior_counts: float, organ: str) -> float:
    # Root of each factor: the product of two large counts would overflow first.
    front = math.sqrt(non_negative(anterior_counts, f"anterior {organ} counts"))
    return front * math.sqrt(non_negative(posterior_counts, f"posterior {organ} counts"))
