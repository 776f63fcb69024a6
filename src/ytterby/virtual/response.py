"""Virtual response: measurements of lesions before and after treatment, from a true dose-response relation.

A lesion responds with probability logistic(slope ln(D / D50) + u_patient + u_lesion); the measurements are then drawn inside the
category that this gives by the criteria of Choi (doi:10.1200/JCO.2006.07.3049), clear of its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ytterby.model.outcome import LesionMeasurement, Response
from ytterby.model.patient import Lesion
from ytterby.virtual import targets
from ytterby.virtual.anatomy import LARGE_MM
from ytterby.virtual.truth import LesionTruth

__all__ = ["TrueResponse", "baseline_hu", "lesions", "response_probability"]

_MINIMUM_MM = 20.0
_MEASURING_SD_MM = 0.8


@dataclass(frozen=True)
class TrueResponse:
    """What decided the response of one lesion; ``response`` is NE without follow-up imaging."""

    lesion_id: str
    probability: float
    response: Response


def response_probability(dose_gy: float, *, patient_effect: float = 0.0, lesion_effect: float = 0.0) -> float:
    """Chance that a lesion of that true dose responds (CR or PR); the effects are in logits.

    Examples
    --------
    >>> response_probability(140.0)
    0.5
    """
    numbers = targets.LESION_RESPONSE
    logit = numbers["slope"] * float(np.log(dose_gy / numbers["d50_gy"])) + patient_effect + lesion_effect
    return float(1.0 / (1.0 + np.exp(-logit)))


def baseline_hu(rng: np.random.Generator, number: int) -> tuple[int, ...]:
    """Portal-venous attenuation of ``number`` lesions before treatment."""
    return tuple(int(value) for value in np.clip(np.rint(rng.normal(80.0, 10.0, size=number)), 55, 110))


def lesions(
    truths: Sequence[LesionTruth], hu: Sequence[int], rng: np.random.Generator, *, with_follow_up: bool
) -> tuple[tuple[Lesion, ...], tuple[TrueResponse, ...]]:
    """Measured lesions of one patient and what decided their responses.

    A measured diameter stays on the side of 20 mm on which the lesion was planned.
    """
    numbers = targets.LESION_RESPONSE
    patient_effect = numbers["patient_sd"] * float(rng.standard_normal())
    measured, decided = [], []
    for truth, attenuation in zip(truths, hu, strict=True):
        before_mm = truth.longest_diameter_mm + _MEASURING_SD_MM * float(rng.standard_normal())
        is_large = truth.longest_diameter_mm >= LARGE_MM - 1e-9
        before_mm = max(before_mm, _MINIMUM_MM) if is_large else min(max(before_mm, 6.0), _MINIMUM_MM - 0.1)
        before = LesionMeasurement(round(before_mm, 1), float(attenuation))
        probability = response_probability(
            truth.mad_gy,
            patient_effect=patient_effect,
            lesion_effect=numbers["lesion_sd"] * float(rng.standard_normal()),
        )
        response = _category(probability, rng) if with_follow_up else Response.NE
        decided.append(TrueResponse(truth.lesion_id, probability, response))
        after = _after(before, response, rng) if with_follow_up else None
        measured.append(Lesion(truth.lesion_id, truth.segment, before, after))
    if with_follow_up and rng.random() < numbers["new_lesion"]:
        # A new lesion had no dose and no segment: the patient's first row says that it came.
        measured[0] = replace(measured[0], new_lesion=True)
    return tuple(measured), tuple(decided)


def _category(probability: float, rng: np.random.Generator) -> Response:
    numbers = targets.LESION_RESPONSE
    responds, which = rng.random(2)
    if responds < probability:
        return Response.CR if which < numbers["complete_share"] else Response.PR
    return Response.PD if which < numbers["progressive_share"] else Response.SD


def _after(before: LesionMeasurement, response: Response, rng: np.random.Generator) -> LesionMeasurement:
    """Follow-up measurement inside the category."""
    if response is Response.CR:
        return LesionMeasurement(0.0, None)
    size, density = {
        Response.PR: ((-0.45, -0.13), (-0.40, 0.05)),
        Response.SD: ((-0.08, 0.08), (-0.12, 0.12)),
        Response.PD: ((0.13, 0.50), (-0.10, 0.15)),
    }[response]
    if response is Response.PR and rng.random() < 0.3:
        size, density = (-0.08, 0.06), (-0.45, -0.18)  # response by attenuation alone
    hu = before.hu or 0.0
    return LesionMeasurement(
        round(before.diameter_mm * (1.0 + float(rng.uniform(*size))), 1),
        float(round(hu * (1.0 + float(rng.uniform(*density))))),
    )
