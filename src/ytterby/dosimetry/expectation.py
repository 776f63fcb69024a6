"""What published dose-effect relations expect of a case's doses: each relation that the case names, on each of its segments."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ytterby.dosimetry.effect import DoseQuantity, EffectKind, EffectModel, EffectRow, effect_probability
from ytterby.errors import MissingMeasurement
from ytterby.model.dose import ExpectedEffect, SegmentDose
from ytterby.model.segment import Role
from ytterby.model.treatment import Device

__all__ = ["expected_effects"]

_ROLES = {EffectKind.TUMOUR_CONTROL: Role.TUMOUR, EffectKind.COMPLICATION: Role.NORMAL_LIVER}


def expected_effects(
    rows: Sequence[SegmentDose], relations: Sequence[EffectRow], *, devices: Collection[Device]
) -> tuple[ExpectedEffect, ...]:
    """Tumour control of each tumour, complication of whole normal liver, by each relation, in the order given.

    Where a relation has no curve, or the case has no dose of the kind that it takes, the probability is None and ``caution`` says
    why: so too where it was fitted to other microspheres than the ``devices`` that were given. A relation that is a limit says
    whether the dose passes it.
    """
    return tuple(
        _expected(row, relation, devices) for relation in relations for row in rows if row.role is _ROLES[relation.kind]
    )


def _expected(row: SegmentDose, relation: EffectRow, devices: Collection[Device]) -> ExpectedEffect:
    dose_gy = _dose_gy(row, relation.dose_quantity)
    probability: float | None = None
    said = relation.caution
    if any(device is not relation.device for device in devices):
        given = " and ".join(sorted(device.value for device in devices))
        said = f"No probability: it was fitted to {relation.device.value} microspheres, and {given} was given. {said}"
    elif dose_gy is None:
        said = f"The case gives no {relation.dose_quantity.value.replace('_', ' ')} of '{row.segment}'. {said}"
    elif relation.model is EffectModel.LIMIT and relation.limit_gy is not None:
        passed = "above" if dose_gy > relation.limit_gy else "within"
        said = f"{dose_gy:.1f} Gy is {passed} the limit of {relation.limit_gy:g} Gy. {said}"
    else:
        try:
            probability = effect_probability(relation, max(dose_gy, 0.0))
        except MissingMeasurement as error:
            said = f"No probability: {error.what}. {said}"
    return ExpectedEffect(
        effect_id=relation.effect_id,
        kind=relation.kind.value,
        endpoint=relation.endpoint,
        segment=row.segment,
        dose_quantity=relation.dose_quantity.value,
        dose_gy=dose_gy,
        probability=probability,
        source=relation.source,
        caution=said,
    )


def _dose_gy(row: SegmentDose, quantity: DoseQuantity) -> float | None:
    """The figure of a segment that a relation takes; None where the case has not computed it."""
    if quantity is DoseQuantity.MEAN_ABSORBED_DOSE:
        return row.mean_dose_gy
    if quantity is DoseQuantity.MEAN_BED:
        return row.bed_mean_gy
    return row.eud_gy if quantity is DoseQuantity.EUD else None
