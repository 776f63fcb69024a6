"""Nuclides: half-life, energy per decay, decay over time, and the energy constants that convert GBq to Gy kg."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ytterby.errors import DomainError
from ytterby.units import finite, positive

__all__ = [
    "AAPM",
    "ENERGY_CONSTANTS",
    "HO166",
    "HO166_ENERGY_CONSTANTS",
    "HOLMIUM_TRIAL",
    "ICRP107",
    "ICRP107_HO166",
    "INSTRUCTIONS_FOR_USE",
    "JOULE_PER_MEV",
    "NUCLIDES",
    "PARTITION_MODEL",
    "TC99M",
    "Y90",
    "EnergyConstant",
    "Nuclide",
    "decay_factor",
    "decays_per_gbq",
    "energy_constant",
    "energy_j_per_gbq",
]

JOULE_PER_MEV = 1.602176634e-13
"""Exact since the SI of 2019."""

_SECONDS_PER_HOUR = 3600.0
_BQ_PER_GBQ = 1e9
_ICRP107 = "ICRP Publication 107, Ann ICRP 2008;38(3) (data of Endo and Eckerman)"


@dataclass(frozen=True)
class Nuclide:
    """A radionuclide: its half-life, the mean energy that its electrons leave near the decay, and where both were read.

    ``energy_per_decay_mev`` holds what ``source`` says it holds; photons are never part of it. ``beta_mev``,
    ``conversion_electron_mev`` and ``auger_electron_mev`` are the sums of energy times yield over all lines of a kind.
    """

    name: str
    half_life_hours: float
    energy_per_decay_mev: float
    source: str
    beta_mev: float
    conversion_electron_mev: float
    auger_electron_mev: float


@dataclass(frozen=True)
class EnergyConstant:
    """Energy that all decays of 1 GBq release in tissue (J/GBq = Gy kg/GBq), under a name, with its source."""

    name: str
    energy_j_per_gbq: float
    source: str


def decay_factor(hours: float, *, half_life_hours: float) -> float:
    """Share of an activity that is left after ``hours``; above 1 for a time before the reference (``hours`` < 0).

    Raises
    ------
    DomainError
        A number is not finite, the half-life is not above 0, or the time lies so far back that no number can hold the result.

    Notes
    -----
    2^(-t / T).

    Examples
    --------
    >>> round(decay_factor(24.0, half_life_hours=64.1), 6)
    0.771418
    """
    half_lives = finite(hours, "hours") / positive(half_life_hours, "half_life_hours")
    if half_lives < -1000.0:
        raise DomainError(f"{hours} h lie more than 1000 half-lives back", remedy="check hours and half_life_hours")
    return float(2.0**-half_lives)


def decays_per_gbq(half_life_hours: float) -> float:
    """Number of decays from 1 GBq until nothing is left: 1e9 T / ln 2, with T in seconds."""
    return _BQ_PER_GBQ * positive(half_life_hours, "half_life_hours") * _SECONDS_PER_HOUR / math.log(2.0)


def energy_constant(name: str) -> EnergyConstant:
    """The energy constant of 90Y or 166Ho with this name.

    Raises
    ------
    DomainError
        There is none of this name.

    Examples
    --------
    >>> energy_constant("partition_model").energy_j_per_gbq
    49.67
    """
    known = {**ENERGY_CONSTANTS, **HO166_ENERGY_CONSTANTS}
    if name not in known:
        raise DomainError(f"no energy constant is called '{name[:40]}'", remedy=f"use one of: {', '.join(known)}")
    return known[name]


def energy_j_per_gbq(nuclide: Nuclide) -> float:
    """Energy of all decays of 1 GBq of ``nuclide``: K = (1e9 T / ln 2) E 1.602176634e-13, in J/GBq = Gy kg/GBq.

    Examples
    --------
    >>> round(energy_j_per_gbq(Y90), 4)
    49.76
    """
    return decays_per_gbq(nuclide.half_life_hours) * nuclide.energy_per_decay_mev * JOULE_PER_MEV


Y90 = Nuclide(
    "Y-90",
    half_life_hours=64.1,
    energy_per_decay_mev=0.93290,
    source=f"{_ICRP107}: mean beta energy, sum over branches (conversion electrons would add 0.02 %)",
    beta_mev=0.932904990,
    conversion_electron_mev=0.000200625,
    auger_electron_mev=0.000000655,
)
TC99M = Nuclide(
    "Tc-99m",
    half_life_hours=6.015,
    energy_per_decay_mev=0.01619,
    source=f"{_ICRP107}: conversion and Auger electrons (photons are not part of it)",
    beta_mev=0.000004198,
    conversion_electron_mev=0.015244782,
    auger_electron_mev=0.000939741,
)
HO166 = Nuclide(
    "Ho-166",
    half_life_hours=26.80,
    energy_per_decay_mev=0.69634,
    source=f"{_ICRP107}: beta, conversion and Auger electrons (photons are not part of it)",
    beta_mev=0.664992876,
    conversion_electron_mev=0.028395643,
    auger_electron_mev=0.002949772,
)

NUCLIDES: Mapping[str, Nuclide] = MappingProxyType({nuclide.name: nuclide for nuclide in (Y90, TC99M, HO166)})
"""Nuclides by name."""

INSTRUCTIONS_FOR_USE = EnergyConstant(
    "instructions_for_use",
    50.0,
    "instructions for use of glass microspheres; EANM guideline 2022, doi:10.1007/s00259-021-05600-z",
)
PARTITION_MODEL = EnergyConstant(
    "partition_model",
    49.67,
    "literature of the partition model (49.67 J/GBq; agrees with a half-life of 64.0 h and 0.9327 MeV per decay)",
)
AAPM = EnergyConstant(
    "aapm",
    49.38,
    "attributed to the AAPM report on 90Y microspheres, Dezarn et al., Med Phys 2011;38:4824, doi:10.1118/1.3608909 "
    "(agrees with 64.04 h and 0.9267 MeV per decay)",
)
ICRP107 = EnergyConstant(
    "icrp107", energy_j_per_gbq(Y90), f"derived from half-life and mean beta energy of 90Y, {_ICRP107}"
)

ENERGY_CONSTANTS: Mapping[str, EnergyConstant] = MappingProxyType(
    {constant.name: constant for constant in (INSTRUCTIONS_FOR_USE, PARTITION_MODEL, AAPM, ICRP107)}
)
"""Energy constants of 90Y in use, by name; they differ by 1.2 %."""

HOLMIUM_TRIAL = EnergyConstant(
    "holmium_trial",
    1000.0 / 63.0,
    "3780 MBq for 60 Gy in 1 kg, so 63 MBq for 1 J: van Roekel's doctoral thesis, p. 30, after the HEPAR trial, Smits et al., "
    "J Exp Clin Cancer Res 2010;29:70, doi:10.1186/1756-9966-29-70",
)
ICRP107_HO166 = EnergyConstant(
    "icrp107_ho166",
    energy_j_per_gbq(HO166),
    f"derived from half-life and electron energies of 166Ho, {_ICRP107}",
)

HO166_ENERGY_CONSTANTS: Mapping[str, EnergyConstant] = MappingProxyType(
    {constant.name: constant for constant in (HOLMIUM_TRIAL, ICRP107_HO166)}
)
"""Energy constants of 166Ho in use, by name; they differ by 2.2 %. The larger one is more than all electrons carry."""
