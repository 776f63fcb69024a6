"""Dose of a case: images, segments and sessions in, every dose figure out, with the activity accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ytterby.dosimetry.balance import absolute_balance, relative_balance
from ytterby.dosimetry.compartment import mass_kg, mean_dose_gy
from ytterby.dosimetry.segments import SegmentResult, derived_segments, lung_row, segment_result
from ytterby.dosimetry.voxel import local_deposition_map
from ytterby.errors import CalibrationError, SegmentError
from ytterby.imaging.quantify import ActivityField, ActivityLayer, absolute_layer, non_negative_counts, relative_layer
from ytterby.model.dose import (
    CaseDose,
    DoseOptions,
    LungDose,
    Notice,
    Radiobiology,
    SegmentDose,
    SingleCompartmentDose,
)
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import Session
from ytterby.model.volume import Quantity, Volume

__all__ = ["ImagedSessions", "case_dose"]

# Row order of doses.csv.
_ORDER = (Role.LIVER, Role.PERFUSED, Role.TUMOUR, Role.NORMAL_LIVER, Role.PERFUSED_NORMAL, Role.OTHER)
# A rim this wide is disagreement of contours; more of a tumour or territory outside the liver is told.
_TOLERATED_OUTSIDE_FRACTION = 0.01


@dataclass(frozen=True, eq=False)
class ImagedSessions:
    """An image and the sessions whose activity it stands for; ``half_life_hours`` of the nuclide that was imaged or given."""

    image: Volume = field(repr=False)
    sessions: tuple[Session, ...]
    half_life_hours: float


def case_dose(
    patient_id: str,
    imaged: Sequence[ImagedSessions],
    segments: Sequence[Segment],
    *,
    options: DoseOptions,
    radiobiology: Radiobiology | None = None,
) -> tuple[CaseDose, Volume, tuple[Segment, ...]]:
    """Doses of every segment with a role, the dose map on the first image's grid, and all segments with the derived ones.

    Raises
    ------
    SegmentError
        No liver where counts must be shared out, an empty segment, a session that names no known segment, or
        overlapping territories.
    CalibrationError
        An image without a stated unit, or counts that cannot be turned into activity.
    GeometryError
        Image and segment lie apart, or in different frames of reference.
    """
    segments = tuple(segment.require_voxels() for segment in segments)
    sessions = tuple(session for part in imaged for session in part.sessions)
    liver = _joined(segments, Role.LIVER, "liver")
    lungs = _joined(segments, Role.LUNGS, "lungs")
    notices: list[Notice] = list(_outside_liver_notices(segments, liver))

    layers = []
    for part in imaged:
        layer, told = _layer(part, segments, liver)
        layers.append(layer)
        notices += told
    activity = ActivityField(tuple(layers))

    if radiobiology is not None and len(sessions) > 1:
        radiobiology = None
        told_bed = (
            "BED is not given: with several sessions it is the sum of each session's BED, not the BED of the sum."
        )
        notices.append(Notice("no_bed", told_bed))

    everything = (*segments, *derived_segments(segments))
    net_gbq = sum(session.net_activity_gbq for session in sessions)
    results = [
        segment_result(
            segment,
            activity,
            options=options,
            net_activity_gbq=net_gbq,
            radiobiology=radiobiology,
            half_life_hours=imaged[0].half_life_hours,
        )
        for role in _ORDER
        for segment in everything
        if segment.role is role
    ]
    notices += _view_notices(results)
    rows: list[SegmentDose] = [result.dose for result in results]
    lung_mass_kg = options.lung_mass_kg
    if lung_mass_kg is None:
        notices.append(Notice("no_lung_mass", "No lung mass was stated (options.lung_mass_kg): no lung dose is given."))
    else:
        rows += [
            lung_row(segment, sessions, options=options, lung_mass_kg=lung_mass_kg)
            for segment in segments
            if segment.role is Role.LUNGS
        ]

    if all(part.image.quantity is Quantity.COUNTS for part in imaged):
        assert liver is not None  # relative_layer has refused counts without a liver
        balance, told = relative_balance(layers, sessions, everything, liver=liver, lungs=lungs)
    else:
        balance, told = absolute_balance(layers, sessions, liver=liver, lungs=lungs)
    notices += told

    dose = CaseDose(
        patient_id=patient_id,
        options=options,
        doses=tuple(rows),
        histograms=tuple(result.histogram for result in results),
        balance=balance,
        single_compartment=_single_compartment(sessions, segments, liver, options),
        lungs=() if lung_mass_kg is None else _lung_doses(sessions, options, lung_mass_kg),
        notices=tuple(notices),
    )
    return dose, local_deposition_map(activity.map_gbq_ml(), options), everything


def _layer(
    part: ImagedSessions, segments: Sequence[Segment], liver: Segment | None
) -> tuple[ActivityLayer, list[Notice]]:
    if part.image.quantity is Quantity.CONCENTRATION:
        if len(part.sessions) != 1:
            raise CalibrationError(
                "one image in Bq/mL cannot stand for several sessions",
                where=part.image.source,
                remedy="give each session its own image",
            )
        told = []
        if liver is None:
            told.append(
                Notice("no_liver", "No segment has the role liver: normal liver and the balance cannot be given.")
            )
        return absolute_layer(part.image, part.sessions[0], half_life_hours=part.half_life_hours), told
    if part.image.quantity is not Quantity.COUNTS:
        raise CalibrationError(
            f"the image's unit is {part.image.quantity.value}",
            where=part.image.source,
            remedy="state image.unit: counts or bq_ml",
        )
    if liver is None:
        raise SegmentError(
            "no segment has the role liver, and counts can be shared out only over the whole liver",
            remedy="name the liver segment under segments.roles.liver",
        )
    image, removed_fraction = non_negative_counts(part.image)
    territories = [_territory(session, segments) for session in part.sessions]
    told = []
    if removed_fraction > 1e-3:
        told.append(
            Notice("negative_counts", f"Samples below 0 were set to 0; they held {removed_fraction:.2%} of the counts.")
        )
    tumours = [segment for segment in segments if segment.role is Role.TUMOUR]
    return relative_layer(image, part.sessions, liver=liver, territories=territories, tumours=tumours), told


def _territory(session: Session, segments: Sequence[Segment]) -> Segment | None:
    """What the session treated, as one segment; None for the whole liver."""
    named = []
    for name in session.perfused:
        matching = [segment for segment in segments if segment.name == name]
        if not matching:
            raise SegmentError(
                f"the session names the perfused segment '{name}', which does not exist",
                where=f"session '{session.session_id}'",
                remedy="use one of: " + (", ".join(sorted(segment.name for segment in segments)) or "(no segments)"),
            )
        named.append(matching[0])
    if not named:
        return None
    return named[0] if len(named) == 1 else union(tuple(named), " + ".join(session.perfused), Role.PERFUSED)


def _joined(segments: Sequence[Segment], role: Role, name: str) -> Segment | None:
    chosen = tuple(segment for segment in segments if segment.role is role)
    if len(chosen) <= 1:
        return chosen[0] if chosen else None
    return union(chosen, name, role)


def _lung_doses(sessions: Sequence[Session], options: DoseOptions, lung_mass_kg: float) -> tuple[LungDose, ...]:
    return tuple(
        LungDose(
            session.session_id,
            session.lung_shunt_fraction,
            lung_mass_kg,
            mean_dose_gy(session.lung_activity_gbq, lung_mass_kg, energy_j_per_gbq=options.energy_j_per_gbq),
        )
        for session in sessions
    )


def _single_compartment(
    sessions: Sequence[Session], segments: Sequence[Segment], liver: Segment | None, options: DoseOptions
) -> tuple[SingleCompartmentDose, ...]:
    """MIRD dose of each session to what it perfused, and of several sessions together to all that they perfused."""
    targets: list[tuple[str, float, Segment]] = []
    for session in sessions:
        target = _territory(session, segments) or liver
        if target is not None:
            targets.append((session.session_id, session.liver_activity_gbq, target))
    if len(targets) > 1:
        whole = union(tuple(target for *_, target in targets), "all territories", Role.PERFUSED)
        targets.append(("all", sum(activity for _, activity, _ in targets), whole))
    rows = []
    for session_id, activity_gbq, target in targets:
        mass = mass_kg(target.volume_ml, density_g_ml=options.tissue_density_g_ml)
        dose = mean_dose_gy(activity_gbq, mass, energy_j_per_gbq=options.energy_j_per_gbq)
        rows.append(SingleCompartmentDose(session_id, target.name, target.volume_ml, mass, activity_gbq, dose))
    return tuple(rows)


def _outside_liver_notices(segments: Sequence[Segment], liver: Segment | None) -> list[Notice]:
    if liver is None:
        return []
    told = []
    for segment in segments:
        if segment.role in (Role.TUMOUR, Role.PERFUSED):
            outside = segment.difference(liver).volume_ml / segment.volume_ml
            if outside > _TOLERATED_OUTSIDE_FRACTION:
                told.append(
                    Notice(
                        f"{segment.role.value}_outside_liver",
                        f"{outside:.1%} of '{segment.name}' ({segment.role.value}) lies outside the liver segment.",
                    )
                )
    tumours = [segment for segment in segments if segment.role is Role.TUMOUR]
    for n, one in enumerate(tumours):
        for other in tumours[n + 1 :]:
            shared = one.intersection(other)
            if not shared.is_empty:
                text = f"'{one.name}' and '{other.name}' share {shared.volume_ml:.1f} mL; each counts it."
                told.append(Notice("tumours_overlap", text))
    return told


def _view_notices(results: Sequence[SegmentResult]) -> list[Notice]:
    return [
        Notice(
            "outside_image",
            f"{result.out_of_view_fraction:.1%} of '{result.dose.segment}' lies outside the image and was given no activity.",
        )
        for result in results
        if result.out_of_view_fraction > np.finfo(float).eps
    ]
