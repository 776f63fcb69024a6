"""Biologically effective dose (BED) of a permanent implant that decays while damage is repaired."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

from ytterby.errors import DomainError, SegmentError
from ytterby.model.volume import FloatArray
from ytterby.units import positive

__all__ = ["bed_gy", "mean_bed_gy", "repair_share"]


def repair_share(*, repair_half_life_hours: float, half_life_hours: float) -> float:
    """Lea-Catcheside factor G of full decay with mono-exponential repair: T_rep / (T_rep + T_phys).

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
    samples: npt.NDArray[np.float64] = np.asarray(dose_gy, dtype=np.float64)
    if samples.size and not (np.all(np.isfinite(samples)) and float(samples.min()) >= 0.0):
        raise DomainError("a dose is negative or not a finite number", remedy="check dose_gy")
    with np.errstate(over="ignore"):
        bed: npt.NDArray[np.float64] = np.asarray(samples * (1.0 + slope_per_gy * samples))
    if not np.all(np.isfinite(bed)):
        raise DomainError("a dose is too large for a BED", remedy="check dose_gy: it is in gray")
    return float(bed) if bed.ndim == 0 else bed


def mean_bed_gy(
    dose_gy: FloatArray, *, alpha_beta_gy: float, repair_half_life_hours: float, half_life_hours: float
) -> float:
    """Mean BED over dose samples (n,) that stand for equal volumes; it is never below the BED of their mean dose.

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
