"""Probability of tumour control (TCP) and of complications of normal tissue (NTCP) at a dose, by published models.

A model is chosen by whoever asks, by the name of its row in a table; there is no default. Each holds for the tissue, device,
dose quantity and endpoint that it was fitted to, and for research only. Theory: docs/theory/radiobiology.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import overload

import numpy as np
from scipy.special import expit, ndtr

from ytterby.dosimetry.radiobiology import geud_gy
from ytterby.errors import ConfigurationError, DomainError, MissingMeasurement, SegmentError
from ytterby.model.treatment import Device
from ytterby.model.volume import FloatArray
from ytterby.units import positive

__all__ = [
    "DoseQuantity",
    "EffectKind",
    "EffectModel",
    "EffectRow",
    "effect_probability",
    "effect_row",
    "lkb_probability",
    "logistic_probability",
    "poisson_probability",
]


class EffectKind(StrEnum):
    """What the probability is of: tumour control, or a complication of normal tissue."""

    TUMOUR_CONTROL = "tcp"
    COMPLICATION = "ntcp"


class EffectModel(StrEnum):
    """Form of the dose-effect curve; LIMIT: no curve, a dose that a source advises not to pass."""

    LOGISTIC = "logistic"
    LKB = "lkb"
    LIMIT = "limit"


class DoseQuantity(StrEnum):
    """The figure of a segment that a model takes as its dose."""

    MEAN_ABSORBED_DOSE = "mean_absorbed_dose"
    MEAN_BED = "mean_bed"
    EUD = "eud"
    EUBED = "eubed"
    GEUD = "geud"


@dataclass(frozen=True)
class EffectRow:
    """One published dose-effect relation: what it is about, its parameters, and where they were read.

    ``d50_gy`` is the dose (of ``dose_quantity``) with an effect in one half of the cases, called TD50 of a complication.
    ``slope_per_gy`` is that of the logit (``logistic``); ``m_fraction`` the spread of the tolerance doses over TD50, and
    ``n_fraction`` the volume effect from 0 (serial) to 1 (parallel) (``lkb``). ``alpha_beta_gy`` is that of the source's BED.
    None where the source does not say. ``verified`` is True where the parameters were read in a source, which ``note`` names
    when it is not the first one.
    """

    effect_id: str
    kind: EffectKind
    endpoint: str
    tissue: str
    device: Device
    model: EffectModel
    dose_quantity: DoseQuantity
    population: str
    source: str
    doi: str
    verified: bool
    note: str = ""
    d50_gy: float | None = None
    slope_per_gy: float | None = None
    m_fraction: float | None = None
    n_fraction: float | None = None
    limit_gy: float | None = None
    alpha_beta_gy: float | None = None

    @property
    def caution(self) -> str:
        """What has to be told beside a number of this row."""
        text = f"Research use only. Fitted to: {self.population}; {self.device.value} microspheres; {self.endpoint}."
        if not self.verified:
            text += f" The parameters of '{self.effect_id}' were not verified in their source ({self.source})."
        return f"{text} {self.note}".rstrip()


@overload
def logistic_probability(dose_gy: float, d50_gy: float, *, slope_per_gy: float) -> float: ...
@overload
def logistic_probability(dose_gy: FloatArray, d50_gy: float, *, slope_per_gy: float) -> FloatArray: ...
def logistic_probability(dose_gy: float | FloatArray, d50_gy: float, *, slope_per_gy: float) -> float | FloatArray:
    """Probability of an effect (shape of ``dose_gy``) where its log odds rise linearly: 1 / (1 + exp(-k (D - D50))).

    The normalised slope gamma50 of the literature (rise of the probability at D50 for a relative rise of the dose) is
    k D50 / 4. At dose 0 the probability is not 0: 1 / (1 + exp(k D50)).
    Source of the model in radioembolization: Dewaraja et al., J Nucl Med 2020;61:104.

    Raises
    ------
    DomainError
        A dose is negative or not finite, or a parameter is not above 0.

    Examples
    --------
    >>> round(logistic_probability(300.0, 200.0, slope_per_gy=0.02), 4)
    0.8808
    """
    slope = positive(slope_per_gy, "slope_per_gy")
    return _plain(expit(slope * (_doses(dose_gy) - positive(d50_gy, "d50_gy"))))


def lkb_probability(
    dose_gy: FloatArray, volume_ml: FloatArray | None = None, *, td50_gy: float, m_fraction: float, n_fraction: float
) -> float:
    """Complication probability by Lyman, Kutcher and Burman, from dose samples: Phi((gEUD - TD50) / (m TD50)).

    gEUD has the exponent 1/n: n = 1 takes the mean dose, n near 0 the greatest. ``volume_ml`` (shape of ``dose_gy``; None:
    equal) weighs the samples. gamma50 is 1 / (m sqrt(2 pi)).
    Source: Lyman, Radiat Res 1985;104:S13; Kutcher and Burman, Int J Radiat Oncol Biol Phys 1989;16:1623,
    doi:10.1016/0360-3016(89)90972-3.

    Raises
    ------
    SegmentError
        There is no sample, or no volume.
    DomainError
        A dose or volume is negative or not finite, a parameter is not above 0, or n is above 1.

    Examples
    --------
    >>> round(lkb_probability(np.array([30.0, 50.0]), td50_gy=50.0, m_fraction=0.2, n_fraction=1.0), 4)
    0.1587
    """
    if positive(n_fraction, "n_fraction") > 1.0:
        raise DomainError(f"n_fraction lies between 0 and 1, got {n_fraction}", remedy="write n = 1 for the mean dose")
    uniform = geud_gy(dose_gy, volume_ml, exponent=1.0 / n_fraction)
    return float(_probit(np.asarray(uniform), td50_gy, m_fraction=m_fraction))


def poisson_probability(
    bed_gy: FloatArray, volume_ml: FloatArray, *, alpha_per_gy: float, clonogens_per_ml: float
) -> float:
    """Probability that no clonogenic cell survives, from samples of BED: exp(-sum rho v_i exp(-alpha BED_i)).

    ``volume_ml`` has the shape of ``bed_gy``. alpha fitted to responses after radioembolization is far below that of cells in
    culture, because the dose between spheres is not what an image shows. All cells are alike: one alpha, one density.
    Source: Webb and Nahum, Phys Med Biol 1993;38:653, without their spread of alpha.

    Raises
    ------
    SegmentError
        There is no sample.
    DomainError
        A BED or volume is negative or not finite, shapes differ, or a parameter is not above 0.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> round(poisson_probability(np.array([100.0]), one, alpha_per_gy=0.1, clonogens_per_ml=22026.0), 4)
    0.3679
    """
    bed, volume = _doses(bed_gy, name="bed_gy"), _doses(volume_ml, name="volume_ml")
    if bed.shape != volume.shape:
        raise DomainError(
            f"BED of shape {bed.shape} does not go with volumes of shape {volume.shape}",
            remedy="give one volume for each sample",
        )
    if bed.size == 0:
        raise SegmentError("a segment without samples has no control probability", remedy="draw the segment")
    density = positive(clonogens_per_ml, "clonogens_per_ml")
    survivors = density * float(np.sum(volume * np.exp(-positive(alpha_per_gy, "alpha_per_gy") * bed)))
    return float(np.exp(-survivors))


def effect_row(rows: Sequence[EffectRow], effect_id: str) -> EffectRow:
    """The row of that name.

    Raises
    ------
    ConfigurationError
        There is none of that name.
    """
    for row in rows:
        if row.effect_id == effect_id:
            return row
    raise ConfigurationError(
        f"there is no dose-effect relation '{effect_id}'",
        remedy=f"name one of: {', '.join(row.effect_id for row in rows) or 'none is known'}",
    )


@overload
def effect_probability(row: EffectRow, dose_gy: float) -> float: ...
@overload
def effect_probability(row: EffectRow, dose_gy: FloatArray) -> FloatArray: ...
def effect_probability(row: EffectRow, dose_gy: float | FloatArray) -> float | FloatArray:
    """Probability of the row's effect (shape of ``dose_gy``), at doses that are of the row's ``dose_quantity``.

    What ``row.caution`` says has to stand beside it.

    Raises
    ------
    MissingMeasurement
        The source gives no curve: a parameter of the model, or the whole of it, is not known.
    DomainError
        A dose is negative or not finite.
    """
    where = f"dose-effect relation '{row.effect_id}'"
    if row.model is EffectModel.LIMIT:
        raise MissingMeasurement(
            "the source advises a limit and gives no curve, so that there is no probability",
            where=where,
            remedy="compare the dose with limit_gy, or name a relation with a curve",
        )
    spread_name = "slope_per_gy" if row.model is EffectModel.LOGISTIC else "m_fraction"
    spread = row.slope_per_gy if row.model is EffectModel.LOGISTIC else row.m_fraction
    for name, known in (("d50_gy", row.d50_gy), (spread_name, spread)):
        if known is None:
            raise MissingMeasurement(
                f"{name} is not known ({row.source})",
                where=where,
                remedy=f"read {name} in the source and state it in a table of your own, or name another relation",
            )
    assert row.d50_gy is not None  # both were looked at above
    assert spread is not None
    if row.model is EffectModel.LOGISTIC:
        return logistic_probability(dose_gy, row.d50_gy, slope_per_gy=spread)
    return _plain(_probit(_doses(dose_gy), row.d50_gy, m_fraction=spread))


def _probit(dose_gy: FloatArray, td50_gy: float, *, m_fraction: float) -> FloatArray:
    td50 = positive(td50_gy, "td50_gy")
    return np.asarray(ndtr((dose_gy - td50) / (positive(m_fraction, "m_fraction") * td50)))


def _doses(values: float | FloatArray, *, name: str = "dose_gy") -> FloatArray:
    samples: FloatArray = np.asarray(values, dtype=np.float64)
    if samples.size and not (np.all(np.isfinite(samples)) and float(samples.min()) >= 0.0):
        raise DomainError(f"{name} holds a number below 0 or not finite", remedy=f"check {name}")
    return samples


def _plain(probability: FloatArray | np.floating) -> float | FloatArray:
    return float(probability) if np.ndim(probability) == 0 else np.asarray(probability)
