"""How far a case's doses can be trusted: corrections for partial volume beside them, and the uncertainty of each.

The measured doses stay as they are. Theory: docs/theory/partial-volume.md and docs/theory/uncertainty.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ytterby.dosimetry.case import DosedCase
from ytterby.dosimetry.montecarlo import dose_interval
from ytterby.dosimetry.partialvolume import Correction, gaussian_corrections, table_corrections
from ytterby.dosimetry.recovery import RecoveryTable, size_notices
from ytterby.dosimetry.segments import SegmentResult
from ytterby.dosimetry.uncertainty import (
    corrected_dose_budget,
    delivery_fractions,
    measured_dose_budget,
    volume_sd_fraction,
)
from ytterby.imaging.threshold import longest_diameter_mm
from ytterby.model.dose import LungDose, Notice, SegmentDose, SingleCompartmentDose, TumoursTogether, joint_mean_dose_gy
from ytterby.model.segment import Role
from ytterby.model.treatment import Session
from ytterby.model.uncertainty import Delivery, DoseInterval, UncertaintyBudget, UncertaintyInputs, UncertaintyTerm
from ytterby.model.volume import Quantity

__all__ = ["Accuracy", "assessed"]

_SMALL_WITHOUT_FWHM_MM = 1e-6
# Terms that meet all tumours of a patient alike; the others meet each on its own.
_SHARED = frozenset({"activity", "calibration", "lung_shunt", "residual"})


@dataclass(frozen=True)
class Accuracy:
    """What a case states of partial volume and of errors; nothing of it has a default.

    Tumours are corrected by the image's resolution ``fwhm_mm`` or by the measured ``recovery``; with ``inputs`` every dose gets
    an uncertainty, and with ``draws`` and ``seed`` a corrected tumour an interval by Monte Carlo.
    """

    fwhm_mm: float | None = None
    recovery: RecoveryTable | None = None
    inputs: UncertaintyInputs | None = None
    draws: int | None = None
    seed: int | None = None

    @property
    def image_fwhm_mm(self) -> float | None:
        """Resolution of the image, wherever it is stated."""
        if self.fwhm_mm is not None or self.inputs is None:
            return self.fwhm_mm
        return self.inputs.fwhm_mm


def assessed(found: DosedCase, stated: Accuracy) -> DosedCase:
    """The case with corrected doses and uncertainties beside the measured doses, as far as the case states what they need.

    Source of the budgets: Gear et al. 2018, doi:10.1007/s00259-018-4136-7. Several tumours together: terms that meet them all
    alike add up by their shares of the mass, the others in quadrature (docs/theory/uncertainty.md).

    Raises
    ------
    GeometryError
        A region lies outside an image.
    """
    notices = list(_size_notices(found, stated))
    corrections: Sequence[Correction] = ()
    if stated.fwhm_mm is not None:
        corrections, told = gaussian_corrections(found, fwhm_mm=stated.fwhm_mm)
        notices += told
    elif stated.recovery is not None:
        corrections, told = table_corrections(found, stated.recovery)
        notices += told
    by_name = {correction.segment: correction for correction in corrections}
    rows = {row.segment: _with_correction(row, by_name.get(row.segment)) for row in found.dose.doses}
    dose = replace(found.dose, doses=tuple(rows.values()))
    if stated.inputs is None:
        together = TumoursTogether(corrected_mean_dose_gy=_corrected_together(dose.doses))
        dose = replace(dose, tumours=together, notices=(*dose.notices, *notices))
        return replace(found, dose=dose)
    inputs = _of_the_images(found, stated.inputs)
    budgets = _measured_budgets(found, inputs)
    corrected = _corrected_budgets(found, by_name, inputs)
    intervals = _intervals(found, by_name, inputs, stated)
    for interval in intervals.values():
        notices += interval.notices
    notices += _left_out_notices(stated, inputs)
    dose = replace(
        dose,
        doses=tuple(
            _with_uncertainty(row, budgets.get(name), corrected.get(name), intervals.get(name))
            for name, row in rows.items()
        ),
        single_compartment=tuple(
            _single_uncertainty(row, found.sessions, stated.inputs) for row in dose.single_compartment
        ),
        lungs=tuple(_lung_uncertainty(row, found.sessions, inputs) for row in dose.lungs),
        budgets=tuple(budgets.values()),
        corrected_budgets=tuple(corrected.values()),
        tumours=_together(dose.doses, budgets, corrected),
        notices=(*dose.notices, *notices),
    )
    return replace(found, dose=dose)


def _left_out_notices(stated: Accuracy, inputs: UncertaintyInputs) -> list[Notice]:
    """What the uncertainties leave out: what is not stated, what plays no part in these images, an interval that cannot be."""
    assert stated.inputs is not None
    notices = []
    if stated.inputs.left_out:
        text = f"The uncertainties leave out what the case does not state: {', '.join(stated.inputs.left_out)}."
        notices.append(Notice("uncertainty_terms_left_out", text))
    without = [term for term in inputs.left_out if term not in stated.inputs.left_out]
    if without:
        text = (
            f"An image in Bq/mL has measured what arrived: {', '.join(without)} play no part in its doses' uncertainty."
        )
        notices.append(Notice("uncertainty_terms_not_used", text))
    if stated.draws is not None and stated.fwhm_mm is None:
        text = "Draws are stated, but no interval is made: it needs partial_volume with method gaussian."
        notices.append(Notice("no_interval", text))
    return notices


def _size_notices(found: DosedCase, stated: Accuracy) -> list[Notice]:
    """Tumours so small that partial volume distorts them; without a stated resolution those under 2 cm alone."""
    fwhm_mm = stated.image_fwhm_mm or _SMALL_WITHOUT_FWHM_MM
    return [
        notice
        for segment in found.segments
        if segment.role is Role.TUMOUR
        for notice in size_notices(
            segment.name,
            volume_ml=segment.volume_ml,
            longest_mm=longest_diameter_mm(segment),
            fwhm_mm=fwhm_mm,
        )
    ]


def _with_correction(row: SegmentDose, correction: Correction | None) -> SegmentDose:
    if correction is None:
        return row
    return replace(
        row,
        recovery_coefficient=correction.recovery_fraction,
        corrected_mean_dose_gy=correction.corrected_gy,
    )


def _with_uncertainty(
    row: SegmentDose,
    budget: UncertaintyBudget | None,
    corrected: UncertaintyBudget | None,
    interval: DoseInterval | None,
) -> SegmentDose:
    return replace(
        row,
        mean_dose_uncertainty_gy=None if budget is None else budget.combined_gy,
        corrected_mean_dose_uncertainty_gy=None if corrected is None else corrected.combined_gy,
        corrected_low_gy=None if interval is None else interval.low_gy,
        corrected_high_gy=None if interval is None else interval.high_gy,
    )


def _of_the_images(found: DosedCase, inputs: UncertaintyInputs) -> UncertaintyInputs:
    """Inputs that act on these images: one in Bq/mL has measured what arrived, whatever vial, shunt and residual were."""
    if any(layer.image.quantity is Quantity.COUNTS for layer in found.activity.layers):
        return inputs
    return replace(inputs, activity_fraction=None, lung_shunt_sd_fraction=None, residual_sd_fraction=None)


def _deliveries(result: SegmentResult, sessions: Sequence[Session]) -> tuple[Delivery, ...]:
    return tuple(
        Delivery(session.lung_shunt_fraction, session.residual_fraction, max(mean_gy, 0.0))
        for session, mean_gy in zip(sessions, result.session_means_gy, strict=True)
    )


def _measured_budgets(found: DosedCase, inputs: UncertaintyInputs) -> dict[str, UncertaintyBudget]:
    """Budget of every segment that has a dose above 0, of the lungs by their own formula."""
    surrounding_gy = 0.0
    for role in (Role.NORMAL_LIVER, Role.PERFUSED_NORMAL):
        surrounding_gy = joint_mean_dose_gy([row for row in found.dose.doses if row.role is role]) or surrounding_gy
    grid = found.activity.grids[0]
    # Activity that counts shared out: what a segment's counts err by is in this whole too.
    counted = any(layer.image.quantity is Quantity.COUNTS for layer in found.activity.layers)
    shared_gbq = math.fsum(session.liver_activity_gbq for session in found.sessions) if counted else 0.0
    budgets = {}
    for result in found.results:
        row = result.dose
        if row.mean_dose_gy > 0:
            budgets[row.segment] = measured_dose_budget(
                row.segment,
                mean_gy=row.mean_dose_gy,
                surrounding_gy=max(surrounding_gy, 0.0) if row.role is Role.TUMOUR else 0.0,
                volume_ml=row.volume_ml,
                inputs=inputs,
                deliveries=_deliveries(result, found.sessions),
                image=grid,
                counts_share_fraction=result.activity_gbq / shared_gbq if shared_gbq > 0 else 0.0,
            )
    for row in found.dose.doses:
        if row.role is Role.LUNGS and row.mean_dose_gy > 0 and found.dose.lungs:
            budgets[row.segment] = _lung_budget(row.segment, row.mean_dose_gy, found.sessions, inputs)
    # A dose about which nothing is stated has no uncertainty, rather than one of 0.
    return {name: budget for name, budget in budgets.items() if budget.terms}


def _corrected_budgets(
    found: DosedCase, corrections: Mapping[str, Correction], inputs: UncertaintyInputs
) -> dict[str, UncertaintyBudget]:
    budgets = {}
    for result in found.results:
        correction = corrections.get(result.dose.segment)
        if correction is not None and correction.share is not None and (correction.corrected_gy or 0.0) > 0:
            budgets[correction.segment] = corrected_dose_budget(
                correction.share,
                corrected_gy=correction.corrected_gy or 0.0,
                volume_ml=result.dose.volume_ml,
                inputs=inputs,
                deliveries=_deliveries(result, found.sessions),
                image=found.activity.grids[0],
            )
    return budgets


def _intervals(
    found: DosedCase, corrections: Mapping[str, Correction], inputs: UncertaintyInputs, stated: Accuracy
) -> dict[str, DoseInterval]:
    """Intervals by Monte Carlo of the tumours that were corrected by resolution; each has draws of its own."""
    if stated.draws is None or stated.seed is None or stated.fwhm_mm is None:
        return {}
    intervals = {}
    for number, result in enumerate(found.results):
        correction = corrections.get(result.dose.segment)
        if correction is not None and correction.share is not None and (correction.corrected_gy or 0.0) > 0:
            intervals[correction.segment] = dose_interval(
                result.segment,
                correction.share,
                corrected_gy=correction.corrected_gy or 0.0,
                inputs=inputs,
                deliveries=_deliveries(result, found.sessions),
                image=found.activity.grids[0],
                seed=stated.seed + number,
                draws=stated.draws,
            )
    return intervals


def _lung_terms(session: Session, inputs: UncertaintyInputs) -> dict[str, float]:
    """Relative terms of D = K A (1 - R) F / m for one session; the stated lung mass has none."""
    terms: dict[str, float] = {}
    if inputs.activity_fraction is not None:
        terms["activity"] = inputs.activity_fraction
    if inputs.lung_shunt_sd_fraction is not None and session.lung_shunt_fraction > 0:
        terms["lung_shunt"] = inputs.lung_shunt_sd_fraction / session.lung_shunt_fraction
    if inputs.residual_sd_fraction is not None:
        terms["residual"] = inputs.residual_sd_fraction / (1.0 - session.residual_fraction)
    return terms


def _lung_budget(
    name: str, mean_gy: float, sessions: Sequence[Session], inputs: UncertaintyInputs
) -> UncertaintyBudget:
    """Budget of the lungs' dose over all sessions, which err apart from each other."""
    whole = math.fsum(session.lung_activity_gbq for session in sessions) or 1.0
    squares: dict[str, float] = {}
    for session in sessions:
        for term, value in _lung_terms(session, inputs).items():
            squares[term] = squares.get(term, 0.0) + (value * session.lung_activity_gbq / whole) ** 2
    terms = tuple(
        UncertaintyTerm(term, math.sqrt(value), math.sqrt(value) * mean_gy) for term, value in squares.items()
    )
    return UncertaintyBudget(name, mean_gy, terms, ("lung_mass",))


def _lung_uncertainty(row: LungDose, sessions: Sequence[Session], inputs: UncertaintyInputs) -> LungDose:
    terms = next(_lung_terms(session, inputs) for session in sessions if session.session_id == row.session_id)
    if not terms:
        return row
    return replace(row, mean_dose_uncertainty_gy=row.mean_dose_gy * math.hypot(*terms.values()))


def _single_uncertainty(
    row: SingleCompartmentDose, sessions: Sequence[Session], inputs: UncertaintyInputs
) -> SingleCompartmentDose:
    """Single compartment: the delivery's terms and the mass; counts play no part."""
    own = [session for session in sessions if row.session_id in (session.session_id, "all")]
    deliveries = [
        Delivery(session.lung_shunt_fraction, session.residual_fraction, session.liver_activity_gbq) for session in own
    ]
    terms = delivery_fractions(inputs, deliveries)
    if "volume" not in inputs.left_out:
        terms["volume"] = volume_sd_fraction(row.volume_ml, boundary_sd_mm=inputs.boundary_sd_mm)
    return replace(row, mean_dose_uncertainty_gy=row.mean_dose_gy * math.hypot(*terms.values())) if terms else row


def _corrected_together(rows: Sequence[SegmentDose]) -> float | None:
    """Corrected mean dose of all tumours: energy over mass; None where one of them has none."""
    tumours = [row for row in rows if row.role is Role.TUMOUR]
    if not tumours or any(row.corrected_mean_dose_gy is None for row in tumours):
        return None
    mass_kg = math.fsum(row.mass_kg for row in tumours)
    return math.fsum((row.corrected_mean_dose_gy or 0.0) * row.mass_kg for row in tumours) / mass_kg


def _together(
    rows: Sequence[SegmentDose],
    budgets: Mapping[str, UncertaintyBudget],
    corrected: Mapping[str, UncertaintyBudget],
) -> TumoursTogether:
    tumours = [row for row in rows if row.role is Role.TUMOUR]
    mean_gy = _corrected_together(rows)
    return TumoursTogether(
        mean_dose_uncertainty_gy=_joint_uncertainty_gy(tumours, budgets),
        corrected_mean_dose_gy=mean_gy,
        corrected_mean_dose_uncertainty_gy=None if mean_gy is None else _joint_uncertainty_gy(tumours, corrected),
    )


def _joint_uncertainty_gy(tumours: Sequence[SegmentDose], budgets: Mapping[str, UncertaintyBudget]) -> float | None:
    """Standard uncertainty of the energy over the mass of several tumours: what is shared adds up, the rest in quadrature."""
    if not tumours or any(row.segment not in budgets for row in tumours):
        return None
    mass_kg = math.fsum(row.mass_kg for row in tumours)
    shared: dict[str, float] = {}
    own = 0.0
    for row in tumours:
        weight = row.mass_kg / mass_kg
        for term in budgets[row.segment].terms:
            if term.part_of:
                continue
            if term.name in _SHARED:
                shared[term.name] = shared.get(term.name, 0.0) + weight * term.standard_gy
            else:
                own += (weight * term.standard_gy) ** 2
    return math.sqrt(own + math.fsum(value**2 for value in shared.values()))
