"""Response by the criteria of Choi: size or attenuation, per lesion and per patient, each decision told with its numbers.

Source: Choi et al., J Clin Oncol 2007;25:1753, doi:10.1200/JCO.2006.07.3049. Theory: docs/theory/response.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from ytterby.errors import DomainError
from ytterby.model.outcome import LesionMeasurement, Response, ResponseAssessment
from ytterby.model.patient import Lesion
from ytterby.units import finite, non_negative, positive

__all__ = ["CRITERION", "evaluable_lesions", "lesion_response", "patient_response"]

CRITERION = "Choi"

_SMALLER_FRACTION = -0.10
_LARGER_FRACTION = 0.10
_LESS_DENSE_FRACTION = -0.15
# 50 mm to 45 mm is exactly 10 % less, but not in binary floating point.
_ROUNDING = 1e-9


def lesion_response(baseline: LesionMeasurement | None, follow_up: LesionMeasurement | None) -> ResponseAssessment:
    """Response of one lesion.

    CR: gone (diameter 0). PR: 10 % smaller or more, or 15 % less dense or more. PD: 10 % larger or more, and not PR by
    density. SD: otherwise. NE: not measured at both visits, or the density, which the decision needs, has no change (no
    attenuation measured, or a baseline of 0 HU or less).

    Raises
    ------
    DomainError
        The baseline diameter is not above 0, the later one is negative, or a number is not finite.

    Examples
    --------
    >>> lesion_response(LesionMeasurement(50.0, 100.0), LesionMeasurement(56.0, 80.0)).response
    <Response.PR: 'PR'>
    """
    if baseline is None or follow_up is None:
        visit = "baseline" if baseline is None else "follow-up"
        return ResponseAssessment(Response.NE, CRITERION, f"the lesion was not measured at {visit}: NE")
    before_mm = positive(baseline.diameter_mm, "baseline diameter_mm")
    after_mm = non_negative(follow_up.diameter_mm, "follow-up diameter_mm")
    size_text = f"diameter {before_mm:.6g} to {after_mm:.6g} mm"
    if after_mm == 0.0:
        return ResponseAssessment(Response.CR, CRITERION, f"{size_text}: the lesion is gone: CR", -1.0)
    return _by_size_or_density(before_mm, after_mm, size_text, baseline.hu, follow_up.hu, "attenuation")


def evaluable_lesions(
    lesions: Sequence[Lesion], *, minimum_diameter_mm: float, maximum_lesions: int
) -> tuple[Lesion, ...]:
    """Lesions that count: ``minimum_diameter_mm`` or more at baseline, the larger first, at most ``maximum_lesions``.

    Equal diameters are ordered by lesion_id, so that the order of the table plays no part. What happened at follow-up plays none
    either.

    Raises
    ------
    DomainError
        The minimum is not above 0, or the maximum is below 1.
    """
    least_mm = positive(minimum_diameter_mm, "minimum_diameter_mm")
    if maximum_lesions < 1:
        raise DomainError(
            f"maximum_lesions must be at least 1, got {maximum_lesions}", remedy="write 10, as in the paper"
        )
    measured = [
        (
            -finite(lesion.baseline.diameter_mm, f"baseline diameter_mm of '{lesion.lesion_id}'"),
            lesion.lesion_id,
            lesion,
        )
        for lesion in lesions
        if lesion.baseline is not None and lesion.baseline.diameter_mm >= least_mm * (1.0 - _ROUNDING)
    ]
    measured.sort(key=lambda entry: entry[:2])
    return tuple(lesion for _, _, lesion in measured[:maximum_lesions])


def patient_response(
    lesions: Sequence[Lesion], *, minimum_diameter_mm: float, maximum_lesions: int
) -> ResponseAssessment:
    """Response of a patient: the sum of diameters and the unweighted mean attenuation of the evaluable lesions.

    A new lesion makes PD, whatever the others did. CR needs every lesion gone, the smaller ones too. Lesions that are gone
    have no attenuation: both means are taken over the evaluable lesions that are left.

    Raises
    ------
    DomainError
        As for ``evaluable_lesions`` and ``lesion_response``.
    """
    chosen = evaluable_lesions(lesions, minimum_diameter_mm=minimum_diameter_mm, maximum_lesions=maximum_lesions)
    new = [lesion.lesion_id for lesion in lesions if lesion.new_lesion]
    if new:
        return ResponseAssessment(Response.PD, CRITERION, f"a new lesion appeared ({', '.join(sorted(new))}): PD")
    if not chosen:
        return ResponseAssessment(
            Response.NE, CRITERION, f"no lesion measured {minimum_diameter_mm:.6g} mm or more at baseline: NE"
        )
    pairs = [(lesion.baseline, lesion.follow_up) for lesion in chosen]
    both = [(before, after) for before, after in pairs if before is not None and after is not None]
    if len(both) < len(chosen):
        unseen = ", ".join(lesion.lesion_id for lesion in chosen if lesion.follow_up is None)
        return ResponseAssessment(Response.NE, CRITERION, f"not measured at follow-up: {unseen}: NE")
    before_mm = sum(positive(before.diameter_mm, "baseline diameter_mm") for before, _ in both)
    after_mm = sum(non_negative(after.diameter_mm, "follow-up diameter_mm") for _, after in both)
    size_text = f"sum of {len(both)} diameters {before_mm:.6g} to {after_mm:.6g} mm"
    if after_mm == 0.0:
        left = sorted(lesion.lesion_id for lesion in lesions if lesion.follow_up and lesion.follow_up.diameter_mm > 0.0)
        if left:
            text = f"{size_text}, but smaller lesions are left ({', '.join(left)}): PR"
            return ResponseAssessment(Response.PR, CRITERION, text, -1.0)
        return ResponseAssessment(Response.CR, CRITERION, f"{size_text}: all lesions are gone: CR", -1.0)
    present = [(before, after) for before, after in both if after.diameter_mm > 0.0]
    return _by_size_or_density(
        before_mm,
        after_mm,
        size_text,
        _mean_hu([before for before, _ in present]),
        _mean_hu([after for _, after in present]),
        f"mean attenuation of {len(present)} lesions",
    )


def _mean_hu(measurements: Sequence[LesionMeasurement]) -> float | None:
    """Unweighted mean; None where one lesion has no attenuation."""
    values = [measurement.hu for measurement in measurements if measurement.hu is not None]
    return sum(values) / len(values) if len(values) == len(measurements) else None


def _by_size_or_density(
    before_mm: float,
    after_mm: float,
    size_text: str,
    before_hu: float | None,
    after_hu: float | None,
    density_name: str,
) -> ResponseAssessment:
    size_change = after_mm / before_mm - 1.0
    density_change, density_text = _density_change(before_hu, after_hu, density_name)
    smaller = size_change <= _SMALLER_FRACTION + _ROUNDING
    larger = size_change >= _LARGER_FRACTION - _ROUNDING
    less_dense = density_change is not None and density_change <= _LESS_DENSE_FRACTION + _ROUNDING
    if smaller or less_dense:
        by = "size and density" if smaller and less_dense else "size" if smaller else "density"
        response, reason = Response.PR, f"PR by {by}"
    elif density_change is None:
        response, reason = Response.NE, "PR by density cannot be ruled out: NE"
    elif larger:
        response, reason = Response.PD, "larger by 10 % or more and not PR by density: PD"
    else:
        response, reason = Response.SD, "neither 10 % smaller nor 15 % less dense nor 10 % larger: SD"
    text = f"{size_text} ({100.0 * size_change:+.2f} %); {density_text}; {reason}"
    return ResponseAssessment(response, CRITERION, text, size_change, density_change)


def _density_change(before_hu: float | None, after_hu: float | None, name: str) -> tuple[float | None, str]:
    """Relative change of attenuation, or None with the reason why there is none."""
    if before_hu is None or after_hu is None:
        return None, f"{name} was not measured at both visits"
    finite(before_hu, "baseline hu")
    finite(after_hu, "follow-up hu")
    if before_hu <= 0.0:
        # A relative change of a number that may be 0 or negative means nothing.
        return None, f"{name} {before_hu:.6g} HU at baseline: density not evaluable"
    change = (after_hu - before_hu) / before_hu
    return change, f"{name} {before_hu:.6g} to {after_hu:.6g} HU ({100.0 * change:+.2f} %)"
