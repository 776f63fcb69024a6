"""Models of dose against activity, side by side: each gives straight lines, from what was given before, so much per GBq.

Theory: docs/theory/planning.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ytterby.dosimetry.bsa import bsa_m2, lobar_bsa_activity_gbq, reduced_for_lung_shunt_gbq
from ytterby.dosimetry.compartment import Compartment, arrived_fraction
from ytterby.dosimetry.partition import multi_tumour_partition_doses, tumours_by_counts
from ytterby.errors import DomainError
from ytterby.model.segment import Role
from ytterby.model.treatment import Device
from ytterby.planning.targets import Amount, PlanQuantity
from ytterby.units import finite, non_negative, positive

__all__ = [
    "BodySize",
    "ModelLines",
    "PlanLine",
    "PlanModel",
    "PlannedSession",
    "RegionDosePerGbq",
    "joined",
    "plan_models",
]


class PlanModel(StrEnum):
    """A model that turns an activity into doses; ``bsa`` gives an activity and no dose."""

    MULTICOMPARTMENT = "multicompartment"
    SINGLE_COMPARTMENT = "single_compartment"
    PARTITION = "partition"
    MULTI_TUMOUR_PARTITION = "multi_tumour_partition"
    BSA = "bsa"


@dataclass(frozen=True)
class RegionDosePerGbq:
    """A part of the liver: mean dose per GBq administered in the planned session, and the dose that other sessions give it.

    ``arrived_fraction`` is the share of the administered activity that comes to rest in it, after residual and lung shunt.

    Raises
    ------
    DomainError
        Volume or mass is not above 0, or a dose is below 0.
    """

    name: str
    role: Role
    volume_ml: float
    mass_kg: float
    dose_gy_per_gbq: float
    arrived_fraction: float
    given_gy: float = 0.0

    def __post_init__(self) -> None:
        positive(self.volume_ml, f"volume_ml of '{self.name}'")
        positive(self.mass_kg, f"mass_kg of '{self.name}'")
        non_negative(self.dose_gy_per_gbq, f"dose_gy_per_gbq of '{self.name}'")
        non_negative(self.arrived_fraction, f"arrived_fraction of '{self.name}'")
        non_negative(self.given_gy, f"given_gy of '{self.name}'")


@dataclass(frozen=True)
class BodySize:
    """Height and weight of the patient, for the method of body surface area."""

    height_m: float
    weight_kg: float


@dataclass(frozen=True)
class PlannedSession:
    """The session that is planned, per GBq: what the models of all kinds need.

    ``tumours`` are those that the session treats; ``perfused`` is its volume with the single-compartment dose;
    ``perfused_normal`` and ``normal_liver`` are None where there is no such tissue. ``lung_mass_kg`` None: no lung dose can be
    given. ``given_lung_gy`` is the lung dose of everything before and beside it, None where that is not known.
    ``liver_ml`` is the volume of the whole liver with its tumours.
    """

    session_id: str
    device: Device
    tumours: tuple[RegionDosePerGbq, ...]
    perfused: RegionDosePerGbq
    perfused_normal: RegionDosePerGbq | None
    normal_liver: RegionDosePerGbq | None
    energy_j_per_gbq: float
    lung_shunt_fraction: float
    residual_fraction: float
    lung_mass_kg: float | None
    given_lung_gy: float | None
    liver_ml: float
    body: BodySize | None = None

    @property
    def arrived_fraction(self) -> float:
        """Share of the administered activity that stays in the liver: (1 - F)(1 - R)."""
        return arrived_fraction(self.lung_shunt_fraction, self.residual_fraction)

    @property
    def lung_activity_fraction(self) -> float:
        """Share of the administered activity that passes to the lungs: F (1 - R)."""
        return self.lung_shunt_fraction * (1.0 - self.residual_fraction)

    @property
    def lung_gy_per_gbq(self) -> float | None:
        """Lung dose per GBq administered: K F (1 - R) / m; None without a lung mass.

        Source: as ``dosimetry.lung.lung_dose_gy``.

        Raises
        ------
        DomainError
            The lung mass is not above 0.
        """
        if self.lung_mass_kg is None:
            return None
        return self.energy_j_per_gbq * self.lung_activity_fraction / positive(self.lung_mass_kg, "lung_mass_kg")


@dataclass(frozen=True)
class PlanLine:
    """A quantity against the administered activity: ``value`` (what other sessions give) + ``value_per_gbq`` x activity.

    Both are in the quantity's unit.

    Examples
    --------
    >>> line = PlanLine(PlanQuantity.TUMOUR, value=5.0, value_per_gbq=50.0)
    >>> line.at(3.0).value, line.activity_gbq(205.0)
    (155.0, 4.0)
    """

    quantity: PlanQuantity
    value: float
    value_per_gbq: float
    region: str = ""

    def __post_init__(self) -> None:
        non_negative(self.value, f"{self.quantity} given by other sessions")
        non_negative(self.value_per_gbq, f"{self.quantity} per GBq")

    def at(self, activity_gbq: float) -> Amount:
        """The quantity at an activity, in its own unit.

        Raises
        ------
        DomainError
            The activity is below 0, or the quantity is too large to be a number.
        """
        amount = self.value + self.value_per_gbq * non_negative(activity_gbq, "activity_gbq")
        return Amount(finite(amount, str(self.quantity)), self.quantity.unit)

    def activity_gbq(self, value: float) -> float | None:
        """Activity at which the quantity is ``value``; below 0 where it is more already, None where no activity changes it.

        Raises
        ------
        DomainError
            The activity is too large to be a number.
        """
        if self.value_per_gbq <= 0.0:
            return None
        return finite((value - self.value) / self.value_per_gbq, f"activity for {self.quantity}")


@dataclass(frozen=True)
class ModelLines:
    """A model's lines; ``activity_gbq`` where it prescribes an activity itself (BSA).

    ``absent`` says why the model cannot be used; ``notes`` what is to be known of it.
    """

    model: PlanModel
    lines: tuple[PlanLine, ...]
    activity_gbq: float | None = None
    absent: str = ""
    notes: tuple[str, ...] = ()

    def line(self, quantity: PlanQuantity, region: str = "") -> PlanLine | None:
        """The line of a quantity (and lesion); None where the model does not know it."""
        for line in self.lines:
            if line.quantity is quantity and line.region == region:
                return line
        return None


def joined(regions: tuple[RegionDosePerGbq, ...], name: str) -> RegionDosePerGbq | None:
    """Several regions as one: energy over mass; None without regions. They must not overlap."""
    if not regions:
        return None
    mass_kg = math.fsum(region.mass_kg for region in regions)
    return RegionDosePerGbq(
        name,
        regions[0].role,
        volume_ml=math.fsum(region.volume_ml for region in regions),
        mass_kg=mass_kg,
        dose_gy_per_gbq=math.fsum(region.dose_gy_per_gbq * region.mass_kg for region in regions) / mass_kg,
        arrived_fraction=math.fsum(region.arrived_fraction for region in regions),
        given_gy=math.fsum(region.given_gy * region.mass_kg for region in regions) / mass_kg,
    )


def plan_models(session: PlannedSession) -> tuple[ModelLines, ...]:
    """The five models of a session, the multicompartment one first; those that cannot be used say why.

    Sources: multicompartment by counts, Chiesa et al. 2021, doi:10.1186/s40658-021-00394-3; single compartment, EANM guideline
    2022, doi:10.1007/s00259-021-05600-z; partition, Ho et al. 1996, doi:10.1007/BF01084369; partition with several
    tumours, Moran et al. 2020, doi:10.1186/s40658-020-00343-6; BSA, instructions for use of resin microspheres (dosimetry.bsa).
    """
    return (
        _multicompartment(session),
        _single_compartment(session),
        _partition(session),
        _multi_tumour(session),
        _bsa(session),
    )


def _common(session: PlannedSession) -> Iterator[PlanLine]:
    """Lines that every model has: single-compartment dose, lungs, activity."""
    perfused = session.perfused
    yield PlanLine(PlanQuantity.PERFUSED, perfused.given_gy, perfused.dose_gy_per_gbq)
    yield PlanLine(PlanQuantity.ACTIVITY, 0.0, 1.0)
    yield PlanLine(PlanQuantity.LUNG_ACTIVITY, 0.0, session.lung_activity_fraction)
    lung_gy_per_gbq = session.lung_gy_per_gbq
    if lung_gy_per_gbq is not None:
        yield PlanLine(PlanQuantity.LUNG, 0.0, lung_gy_per_gbq)
        if session.given_lung_gy is not None:
            yield PlanLine(PlanQuantity.LUNG_CUMULATIVE, session.given_lung_gy, lung_gy_per_gbq)


def _multicompartment(session: PlannedSession) -> ModelLines:
    lines = []
    tumours = joined(session.tumours, "tumours")
    if tumours is not None:
        lines.append(PlanLine(PlanQuantity.TUMOUR, tumours.given_gy, tumours.dose_gy_per_gbq))
        lines += [PlanLine(PlanQuantity.LESION, one.given_gy, one.dose_gy_per_gbq, one.name) for one in session.tumours]
    for quantity, region in (
        (PlanQuantity.PERFUSED_NORMAL, session.perfused_normal),
        (PlanQuantity.NORMAL_LIVER, session.normal_liver),
    ):
        if region is not None:
            lines.append(PlanLine(quantity, region.given_gy, region.dose_gy_per_gbq))
    return ModelLines(PlanModel.MULTICOMPARTMENT, (*lines, *_common(session)))


def _single_compartment(session: PlannedSession) -> ModelLines:
    return ModelLines(
        PlanModel.SINGLE_COMPARTMENT,
        tuple(_common(session)),
        notes=("One dose for the whole perfused volume: tumour and normal liver are not told apart.",),
    )


def _partition(session: PlannedSession) -> ModelLines:
    """Tumours as one compartment, perfused normal liver as the other; all the liver's activity in the two."""
    absent = _no_partition(session)
    tumours = joined(session.tumours, "tumours")
    if absent or tumours is None:
        return ModelLines(PlanModel.PARTITION, tuple(_common(session)), absent=absent)
    return _partitioned(PlanModel.PARTITION, session, (tumours,), PlanQuantity.TUMOUR)


def _multi_tumour(session: PlannedSession) -> ModelLines:
    """Each tumour with its own T/N (dosimetry.partition)."""
    absent = _no_partition(session)
    if absent:
        return ModelLines(PlanModel.MULTI_TUMOUR_PARTITION, tuple(_common(session)), absent=absent)
    return _partitioned(PlanModel.MULTI_TUMOUR_PARTITION, session, session.tumours, PlanQuantity.LESION)


def _no_partition(session: PlannedSession) -> str:
    if not session.tumours:
        return "the session treats no tumour"
    if session.perfused_normal is None:
        return "the perfused volume holds no normal liver"
    if session.perfused_normal.arrived_fraction <= 0.0:
        return "the image holds no counts in the perfused normal liver, so there is no tumour-to-normal ratio"
    if not any(tumour.arrived_fraction > 0.0 for tumour in session.tumours):
        return "the image holds no counts in the tumours that the session treats"
    return ""


def _partitioned(
    model: PlanModel, session: PlannedSession, tumours: tuple[RegionDosePerGbq, ...], quantity: PlanQuantity
) -> ModelLines:
    normal = session.perfused_normal
    assert normal is not None  # looked at before
    # A tumour without counts has no share in the activity, and a dose of 0.
    ratios = tumours_by_counts(
        [Compartment(one.name, one.mass_kg, one.arrived_fraction) for one in tumours if one.arrived_fraction > 0.0],
        Compartment(normal.name, normal.mass_kg, normal.arrived_fraction),
    )
    doses = multi_tumour_partition_doses(
        1.0,
        ratios,
        normal_mass_kg=normal.mass_kg,
        energy_j_per_gbq=session.energy_j_per_gbq,
        lung_shunt_fraction=session.lung_shunt_fraction,
        residual_fraction=session.residual_fraction,
    )
    normal_gy_per_gbq = doses.normal_dose_gy
    own = [doses.tumour_doses_gy.get(one.name, 0.0) for one in tumours]
    mass_kg = math.fsum(one.mass_kg for one in tumours)
    together = math.fsum(dose * one.mass_kg for dose, one in zip(own, tumours, strict=True)) / mass_kg
    given_gy = math.fsum(one.given_gy * one.mass_kg for one in tumours) / mass_kg
    lines = [PlanLine(PlanQuantity.TUMOUR, given_gy, together)]
    if quantity is PlanQuantity.LESION:
        lines += [
            PlanLine(PlanQuantity.LESION, one.given_gy, dose, one.name) for dose, one in zip(own, tumours, strict=True)
        ]
    lines.append(PlanLine(PlanQuantity.PERFUSED_NORMAL, normal.given_gy, normal_gy_per_gbq))
    whole = session.normal_liver
    if whole is not None:
        # What the model puts into normal liver lies in its perfused part; the rest of the organ gets nothing.
        lines.append(
            PlanLine(PlanQuantity.NORMAL_LIVER, whole.given_gy, normal_gy_per_gbq * normal.mass_kg / whole.mass_kg)
        )
    listed = ", ".join(f"{one.name} {one.tn_ratio:.3g}" for one in ratios)
    return ModelLines(
        model,
        (*lines, *_common(session)),
        notes=(f"T/N from counts: {listed}. All activity of the liver is taken to lie in the perfused volume.",),
    )


def _bsa(session: PlannedSession) -> ModelLines:
    common = tuple(_common(session))
    if session.device is not Device.RESIN:
        return ModelLines(
            PlanModel.BSA, common, absent=f"the method is one for resin, and the session uses {session.device}"
        )
    if session.body is None:
        return ModelLines(PlanModel.BSA, common, absent="height and weight are not stated (plan: height_m, weight_kg)")
    surface_m2 = bsa_m2(session.body.height_m, session.body.weight_kg)
    # Contours of one volume can differ by a rim, and a territory is no larger than its liver.
    treated_ml = min(session.perfused.volume_ml, session.liver_ml)
    tumours_ml = math.fsum(tumour.volume_ml for tumour in session.tumours)
    try:
        whole_gbq = lobar_bsa_activity_gbq(
            surface_m2, lobe_tumour_ml=tumours_ml, lobe_ml=treated_ml, liver_ml=session.liver_ml
        )
        activity_gbq = reduced_for_lung_shunt_gbq(whole_gbq, session.lung_shunt_fraction)
    except DomainError as error:
        return ModelLines(PlanModel.BSA, common, absent=error.what)
    off_fraction = 1.0 - activity_gbq / whole_gbq
    reduced = f"less {off_fraction:.0%} for the lung shunt" if off_fraction > 0.0 else "nothing off for the lung shunt"
    note = (
        f"BSA {surface_m2:.4g} m2; tumours {tumours_ml:.1f} mL in the {treated_ml:.1f} mL treated of "
        f"{session.liver_ml:.1f} mL of liver: {whole_gbq:.4g} GBq, {reduced}."
    )
    return ModelLines(PlanModel.BSA, common, activity_gbq=activity_gbq, notes=(note,))
