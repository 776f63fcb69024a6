"""A PET that was taken with another nuclide set on the scanner: its decay and branching undone, and those of 90Y put in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ytterby.errors import DomainError
from ytterby.physics.nuclides import Y90, decay_factor
from ytterby.units import finite, positive

__all__ = [
    "Y90_AS_EMITTER",
    "Y90_POSITRON_FRACTION",
    "PositronEmitter",
    "decay_correction_factor",
    "frame_mean_factor",
    "isotope_factor",
]

Y90_POSITRON_FRACTION = 31.86e-6
"""Positrons a decay of 90Y (internal pair production), Selwyn et al. 2007, doi:10.1016/j.apradiso.2006.08.009."""


@dataclass(frozen=True)
class PositronEmitter:
    """What a scanner is told of a nuclide: half-life, and positrons a decay.

    Raises
    ------
    DomainError
        The half-life is not above 0, or the fraction lies outside (0, 1].
    """

    half_life_hours: float
    positron_fraction: float

    def __post_init__(self) -> None:
        positive(self.half_life_hours, "half_life_hours")
        if positive(self.positron_fraction, "positron_fraction") > 1.0:
            raise DomainError(f"a positron fraction of {self.positron_fraction:g} is above 1", remedy="check the file")


Y90_AS_EMITTER = PositronEmitter(Y90.half_life_hours, Y90_POSITRON_FRACTION)
"""90Y as this program knows it."""


def frame_mean_factor(duration_hours: float, *, half_life_hours: float) -> float:
    """Activity at the start of a frame over its mean during the frame: x / (1 - exp(-x)), x = ln 2 duration / half-life.

    Raises
    ------
    DomainError
        The duration is negative or not finite, or the half-life is not above 0.

    Examples
    --------
    >>> round(frame_mean_factor(0.5, half_life_hours=64.1), 6)
    1.002706
    """
    if finite(duration_hours, "duration_hours") < 0:
        raise DomainError(f"a frame of {duration_hours} h is not possible", remedy="check the duration of the frames")
    decays = math.log(2.0) * duration_hours / positive(half_life_hours, "half_life_hours")
    return 1.0 if decays < 1e-12 else decays / -math.expm1(-decays)


def decay_correction_factor(start_hours: float, duration_hours: float, *, half_life_hours: float) -> float:
    """Factor from the mean of a frame to the activity at a reference moment.

    The frame starts ``start_hours`` after the reference (before it: negative): exp(lambda start) x / (1 - exp(-x)).

    Raises
    ------
    DomainError
        A number is out of range.

    Examples
    --------
    >>> round(decay_correction_factor(64.1, 0.0, half_life_hours=64.1), 6)
    2.0
    """
    return decay_factor(-start_hours, half_life_hours=half_life_hours) * frame_mean_factor(
        duration_hours, half_life_hours=half_life_hours
    )


def isotope_factor(
    set_to: PositronEmitter,
    *,
    start_hours: float,
    duration_hours: float,
    decay_ratio: float,
    given: PositronEmitter = Y90_AS_EMITTER,
) -> float:
    """Factor from the value of a voxel to the activity concentration of ``given`` at the reference moment.

    A scanner counts positrons. It divides their mean rate in a frame by the positron fraction of the nuclide that it is
    ``set_to``, and multiplies by a decay factor (``decay_ratio``; 1 where it corrects no decay). Both are undone, and those
    of the ``given`` nuclide put in: (f_set / f_given) (D_given / applied), D as ``decay_correction_factor``. The theory page
    has the derivation.

    Raises
    ------
    DomainError
        A number is out of range.

    Examples
    --------
    >>> unchanged = decay_correction_factor(1.0, 0.5, half_life_hours=64.1)
    >>> isotope_factor(Y90_AS_EMITTER, start_hours=1.0, duration_hours=0.5, decay_ratio=unchanged)
    1.0
    """
    redone = decay_correction_factor(start_hours, duration_hours, half_life_hours=given.half_life_hours)
    branching = set_to.positron_fraction / given.positron_fraction
    return branching * redone / positive(decay_ratio, "decay_ratio")
