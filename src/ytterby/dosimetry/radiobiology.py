"""Biological effect of an absorbed dose: BED of a permanent implant that decays, EQD2, equivalent uniform dose.

Every parameter of a tissue is an assumption that whoever asks has to state; nothing here has a default for one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from ytterby.errors import DomainError, SegmentError
from ytterby.model.volume import FloatArray
from ytterby.units import finite, positive

__all__ = ["bed_gy", "eqd2_gy", "eud_gy", "geud_gy", "mean_bed_gy", "repair_share", "sessions_bed_gy"]

_FRACTION_GY = 2.0


def repair_share(*, repair_half_life_hours: float, half_life_hours: float) -> float:
    """Lea-Catcheside factor G of full decay with mono-exponential repair: T_rep / (T_rep + T_phys).

    Source: Dale, Br J Radiol 1985;58:515, doi:10.1259/0007-1285-58-690-515; derived in docs/theory/radiobiology.md.

    Raises
    ------
    DomainError
        A half-life is not above 0.
    """
    repair = positive(repair_half_life_hours, "repair_half_life_hours")
    return repair / (repair + positive(half_life_hours, "half_life_hours"))


@overload
def bed_gy(dose_gy: float, *, alpha_beta_gy: float, repair_half_life_hours: float, half_life_hours: float) -> float: ...
@overload
def bed_gy(
    dose_gy: FloatArray, *, alpha_beta_gy: float, repair_half_life_hours: float, half_life_hours: float
) -> FloatArray: ...
def bed_gy(
    dose_gy: float | FloatArray, *, alpha_beta_gy: float, repair_half_life_hours: float, half_life_hours: float
) -> float | FloatArray:
    """BED of an absorbed dose, or of each of an array of doses (same shape): D (1 + G D / (alpha/beta)).

    G = T_rep / (T_rep + T_phys): the activity is permanent and decays fully; no repopulation. One administration; the BED of
    several sessions is the sum of their BEDs, not the BED of the summed dose.
    Source: Dale, Br J Radiol 1985;58:515, doi:10.1259/0007-1285-58-690-515; for radioembolization Cremonesi et al., Front
    Oncol 2014;4:210, doi:10.3389/fonc.2014.00210.

    Raises
    ------
    DomainError
        A dose is negative or not finite, or a parameter is not above 0.

    Examples
    --------
    >>> round(bed_gy(100.0, alpha_beta_gy=2.5, repair_half_life_hours=2.5, half_life_hours=64.1), 4)
    250.1502
    """
    share = repair_share(repair_half_life_hours=repair_half_life_hours, half_life_hours=half_life_hours)
    slope_per_gy = share / positive(alpha_beta_gy, "alpha_beta_gy")
    samples = _non_negative(dose_gy, "dose_gy")
    with np.errstate(over="ignore"):
        bed: npt.NDArray[np.float64] = np.asarray(samples * (1.0 + slope_per_gy * samples))
    if not np.all(np.isfinite(bed)):
        raise DomainError("a dose is too large for a BED", remedy="check dose_gy: it is in gray")
    return float(bed) if bed.ndim == 0 else bed


def mean_bed_gy(
    dose_gy: FloatArray, *, alpha_beta_gy: float, repair_half_life_hours: float, half_life_hours: float
) -> float:
    """Mean BED over dose samples (n,) that stand for equal volumes; it is never below the BED of their mean dose.

    Source: as ``bed_gy``.

    Raises
    ------
    SegmentError
        There is no sample.
    DomainError
        As for ``bed_gy``.
    """
    if dose_gy.size == 0:
        raise SegmentError("a segment without samples has no BED", remedy="draw the segment")
    bed = bed_gy(
        np.asarray(dose_gy, dtype=np.float64).ravel(),
        alpha_beta_gy=alpha_beta_gy,
        repair_half_life_hours=repair_half_life_hours,
        half_life_hours=half_life_hours,
    )
    return float(np.mean(bed))


def sessions_bed_gy(
    doses_gy: Sequence[FloatArray],
    *,
    alpha_beta_gy: float,
    repair_half_life_hours: float,
    half_life_hours: Sequence[float],
) -> FloatArray:
    """BED of each sample (shape of one session's doses): the BED of each session's dose, summed over the sessions.

    ``doses_gy`` holds an array of one shape for each session, ``half_life_hours`` the half-life of each session's nuclide. Repair
    is complete between sessions, and the tissue does not change meanwhile: assumptions, for weeks between them. The
    BED of the summed dose would be too high by 2 G D_1 D_2 / (alpha/beta) for two sessions. Source: as ``bed_gy``.

    Raises
    ------
    DomainError
        There is no session, shapes or numbers of sessions differ, or as for ``bed_gy``.

    Examples
    --------
    >>> twice = [np.array([100.0]), np.array([100.0])]
    >>> bed = sessions_bed_gy(twice, alpha_beta_gy=2.5, repair_half_life_hours=2.5, half_life_hours=[64.1, 64.1])
    >>> round(float(bed[0]), 4)
    500.3003
    """
    if not doses_gy or len(doses_gy) != len(half_life_hours):
        raise DomainError(
            f"{len(doses_gy)} sessions with {len(half_life_hours)} half-lives have no BED",
            remedy="give the doses of at least one session, and a half-life for each",
        )
    if len({dose.shape for dose in doses_gy}) > 1:
        raise DomainError("the sessions' doses differ in shape", remedy="give every session's dose at the same samples")
    return np.asarray(
        sum(
            bed_gy(
                np.atleast_1d(dose),
                alpha_beta_gy=alpha_beta_gy,
                repair_half_life_hours=repair_half_life_hours,
                half_life_hours=half_life,
            ).reshape(dose.shape)
            for dose, half_life in zip(doses_gy, half_life_hours, strict=True)
        )
    )


@overload
def eqd2_gy(bed_gy: float, alpha_beta_gy: float) -> float: ...
@overload
def eqd2_gy(bed_gy: FloatArray, alpha_beta_gy: float) -> FloatArray: ...
def eqd2_gy(bed_gy: float | FloatArray, alpha_beta_gy: float) -> float | FloatArray:
    """Dose in fractions of 2 Gy with the same effect as a BED (same shape): BED / (1 + 2 Gy / (alpha/beta)).

    ``alpha_beta_gy`` has to be the one that the BED was made with. It is linear in the BED, so that the mean over a volume may
    be taken before or after. Source: Fowler, Br J Radiol 1989;62:679, doi:10.1259/0007-1285-62-740-679.

    Raises
    ------
    DomainError
        A BED is negative or not finite, or alpha/beta is not above 0.

    Examples
    --------
    >>> round(eqd2_gy(250.1502, 2.5), 4)
    138.9723
    """
    divisor = 1.0 + _FRACTION_GY / positive(alpha_beta_gy, "alpha_beta_gy")
    bed = _non_negative(bed_gy, "bed_gy")
    equivalent = np.asarray(bed / divisor)
    return float(equivalent) if equivalent.ndim == 0 else equivalent


def eud_gy(dose_gy: FloatArray, volume_ml: FloatArray | None = None, *, alpha_per_gy: float) -> float:
    """Equivalent uniform dose: the dose that, given everywhere, leaves as many cells alive as ``dose_gy``.

    EUD = -(1/alpha) ln sum v_i exp(-alpha D_i), with v_i the samples' shares of the volume (``volume_ml``, the shape of
    ``dose_gy``; None: equal ones). Of samples of BED it is the EUBED. It is never above the mean, and near the coldest samples
    when alpha is large; alpha of radioembolization is fitted, and far below that of cells in culture.
    Source: Niemierko, Med Phys 1997;24:103, doi:10.1118/1.598063, with the linear term alone.

    Raises
    ------
    SegmentError
        There is no sample, or no volume.
    DomainError
        A dose or volume is negative or not finite, shapes differ, or alpha is not above 0.

    Examples
    --------
    >>> round(eud_gy(np.array([100.0, 200.0, 300.0]), alpha_per_gy=0.002), 4)
    193.3554
    """
    positive(alpha_per_gy, "alpha_per_gy")
    dose, share = _weighted(dose_gy, volume_ml)
    # From the coldest sample up: exp(-alpha D) itself underflows for large doses.
    coldest = float(dose[share > 0].min())
    survival = float(np.sum(share * np.exp(-alpha_per_gy * np.maximum(dose - coldest, 0.0))))
    return coldest - math.log(survival) / alpha_per_gy


def geud_gy(dose_gy: FloatArray, volume_ml: FloatArray | None = None, *, exponent: float) -> float:
    """Generalised equivalent uniform dose: (sum v_i D_i^a)^(1/a), with v_i the samples' shares of the volume.

    ``exponent`` a: 1 is the mean dose, large values near the greatest dose (serial organs), negative ones near the least
    (tumours). ``volume_ml`` as for ``eud_gy``. A dose of 0 with a negative exponent makes it 0.
    Source: Niemierko, Med Phys 1999;26:1100; Wu et al., Int J Radiat Oncol Biol Phys 2002;52:224.

    Raises
    ------
    SegmentError
        There is no sample, or no volume.
    DomainError
        A dose or volume is negative or not finite, shapes differ, or the exponent is 0.

    Examples
    --------
    >>> round(geud_gy(np.array([30.0, 40.0]), exponent=2.0), 4)
    35.3553
    """
    if finite(exponent, "exponent") == 0.0:
        raise DomainError("the exponent of a generalised EUD is not 0", remedy="give 1 for the mean dose")
    dose, share = _weighted(dose_gy, volume_ml)
    dose, share = dose[share > 0], share[share > 0]
    scale = float(dose.max() if exponent > 0 else dose.min())
    if scale == 0.0:
        return 0.0
    # Relative to the sample that weighs most, so that no power overflows.
    mean = float(np.sum(share * (dose / scale) ** exponent))
    return float(scale * mean ** (1.0 / exponent))


def _weighted(dose_gy: FloatArray, volume_ml: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Samples (n,) in float64 and their shares of the volume, which sum to 1."""
    dose = _non_negative(dose_gy, "dose_gy").ravel()
    if dose.size == 0:
        raise SegmentError("a segment without samples has no equivalent uniform dose", remedy="draw the segment")
    if volume_ml is None:
        return dose, np.full(dose.size, 1.0 / dose.size)
    volume = _non_negative(volume_ml, "volume_ml").ravel()
    if volume.shape != dose.shape:
        raise DomainError(
            f"{dose.size} doses do not go with {volume.size} volumes", remedy="give one volume for each sample"
        )
    total = float(volume.sum())
    if not total > 0:
        raise SegmentError("a segment without volume has no equivalent uniform dose", remedy="draw the segment")
    return dose, volume / total


def _non_negative(values: float | FloatArray, name: str) -> npt.NDArray[np.float64]:
    samples: npt.NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if samples.size and not (np.all(np.isfinite(samples)) and float(samples.min()) >= 0.0):
        what = "volume" if name.endswith("_ml") else "dose"
        raise DomainError(f"a {what} is negative or not a finite number", remedy=f"check {name}")
    return samples
