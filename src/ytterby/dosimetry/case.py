"""Dose of a case: images, segments and sessions in, every dose figure out, with the activity accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ytterby.dosimetry.balance import activity_balance
from ytterby.dosimetry.compartment import mass_kg, mean_dose_gy
from ytterby.dosimetry.field import DoseField, dose_field
from ytterby.dosimetry.notices import (
    energy_notices,
    liver_in_view_notices,
    outside_liver_notices,
    overlap_notices,
    require_tumours_in,
    view_notices,
)
from ytterby.dosimetry.segments import SegmentResult, derived_segments, lung_rows, segment_results
from ytterby.errors import CalibrationError, DomainError, SegmentError
from ytterby.imaging.quantify import ActivityField, ActivityLayer, absolute_layer, non_negative_counts, relative_layer
from ytterby.model.dose import (
    CaseDose,
    DoseOptions,
    Engine,
    LungDose,
    Notice,
    Radiobiology,
    SegmentDose,
    SingleCompartmentDose,
)
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import Session
from ytterby.model.volume import Grid, Quantity, Volume
from ytterby.physics.devices import MICROSPHERES
from ytterby.physics.nuclides import Y90

__all__ = ["DosedCase", "ImagedSessions", "case_dose"]

# Row order of doses.csv.
_ORDER = (Role.LIVER, Role.PERFUSED, Role.TUMOUR, Role.NORMAL_LIVER, Role.PERFUSED_NORMAL, Role.OTHER)


_MOST_NEGATIVE_FRACTION = 0.25


@dataclass(frozen=True, eq=False)
class ImagedSessions:
    """An image and the sessions whose activity it stands for; ``half_life_hours`` of the nuclide that was imaged or given."""

    image: Volume = field(repr=False)
    sessions: tuple[Session, ...]
    half_life_hours: float


@dataclass(frozen=True, eq=False)
class DosedCase:
    """What the dosimetry of a case found: the dose figures, the reported engine's dose, all segments with the derived ones.

    ``activity``, ``results`` and ``sessions`` (in the order of the images) are what an assessment of the doses' accuracy needs;
    ``half_life_hours`` is that of each session's nuclide.
    """

    dose: CaseDose
    dose_field: DoseField = field(repr=False)
    segments: tuple[Segment, ...]
    activity: ActivityField = field(repr=False)
    results: tuple[SegmentResult, ...] = field(repr=False)
    sessions: tuple[Session, ...]
    half_life_hours: tuple[float, ...]

    def map_on(self, grid: Grid) -> Volume:
        """Dose map of the reported engine (Gy, float32) at the voxel centres of ``grid``."""
        return self.dose_field.map_on(grid)


def case_dose(
    patient_id: str,
    imaged: Sequence[ImagedSessions],
    segments: Sequence[Segment],
    *,
    options: DoseOptions,
    radiobiology: Radiobiology | None = None,
) -> DosedCase:
    """Doses of every segment with a role, and what a dose map needs. Theory: docs/theory/multicompartment.md.

    Source: Chiesa et al., EANM dosimetry committee, EJNMMI Phys 2021;8:77, doi:10.1186/s40658-021-00394-3.

    Raises
    ------
    SegmentError
        No liver where counts must be shared out, an empty segment, a session that names no known segment, or
        overlapping territories.
    CalibrationError
        An image without a stated unit, or counts that cannot be turned into activity.
    GeometryError
        Image and segment lie apart, or in different frames of reference.
    DomainError
        The kernel engine, and microspheres of another nuclide than 90Y.
    """
    segments = tuple(segment.require_voxels() for segment in segments)
    sessions = tuple(session for part in imaged for session in part.sessions)
    liver = _joined(segments, Role.LIVER, "liver")
    lungs = _joined(segments, Role.LUNGS, "lungs")
    notices = [*outside_liver_notices(segments, liver), *overlap_notices(segments), *energy_notices(sessions, options)]

    layers = []
    for part in imaged:
        layer, told = _layer(part, segments, liver)
        layers.append(layer)
        notices += told
    activity = ActivityField(tuple(layers))

    everything = (*segments, *derived_segments(segments))
    net_gbq = sum(session.net_activity_gbq for session in sessions)
    if Engine.KERNEL in options.engines:
        _require_y90(sessions)
    fields = [dose_field(engine, activity, options) for engine in options.engines]
    half_lives = tuple(part.half_life_hours for part in imaged for _ in part.sessions)
    results = segment_results(
        [segment for role in _ORDER for segment in everything if segment.role is role],
        activity,
        fields,
        options=options,
        net_activity_gbq=net_gbq,
        radiobiology=radiobiology,
        half_life_hours=half_lives,
    )
    notices += view_notices(results, [", ".join(one.session_id for one in part.sessions) for part in imaged])
    rows: list[SegmentDose] = [result.dose for result in results]
    lung_mass_kg = options.lung_mass_kg
    if lung_mass_kg is None:
        notices.append(Notice("no_lung_mass", "No lung mass was stated (options.lung_mass_kg): no lung dose is given."))
    balance, told = activity_balance(layers, sessions, results, everything, liver=liver, lungs=lungs)
    notices += told

    lung_segments = [segment for segment in segments if segment.role is Role.LUNGS]
    if lung_mass_kg is not None and lung_segments:
        rows += lung_rows(lung_segments, balance.lung_gbq, net_gbq, options=options, lung_mass_kg=lung_mass_kg)
    dose = CaseDose(
        patient_id=patient_id,
        options=options,
        doses=tuple(rows),
        histograms=tuple(result.histogram for result in results),
        balance=balance,
        single_compartment=_single_compartment(sessions, segments, liver, options),
        # An image in Bq/mL measures the lungs; the lung shunt plays no part in its sessions.
        lungs=()
        if lung_mass_kg is None
        else _lung_doses(
            [one for part in imaged if part.image.quantity is Quantity.COUNTS for one in part.sessions],
            options,
            lung_mass_kg,
        ),
        notices=tuple(notices),
        compared=tuple(row for result in results for row in result.compared),
    )
    return DosedCase(dose, fields[0], everything, activity, results, sessions, half_lives)


def _require_y90(sessions: Sequence[Session]) -> None:
    """DomainError naming a session whose microspheres carry another nuclide than the one that there is a dose kernel of."""
    for session in sessions:
        nuclide = MICROSPHERES[session.device].nuclide
        if nuclide is not Y90:
            raise DomainError(
                f"there is a dose kernel of {Y90.name} alone, and {session.device} microspheres carry {nuclide.name}",
                where=f"session '{session.session_id}'",
                remedy="write engine: local_deposition",
            )


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
    require_tumours_in(liver, segments)
    image, removed_fraction = non_negative_counts(part.image)
    territories = [_territory(session, segments) for session in part.sessions]
    told = liver_in_view_notices(image, liver, part.sessions)
    if removed_fraction > _MOST_NEGATIVE_FRACTION:
        raise CalibrationError(
            f"samples below 0 hold {removed_fraction:.0%} as many counts as the others: this is no image of counts",
            where=part.image.source or "the image",
            remedy="check the image, its rescale slope and intercept, and its unit",
        )
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
    """Lung dose of each session, the earliest first, and what the lungs have had with it."""
    rows: list[LungDose] = []
    for session in sorted(sessions, key=lambda one: one.administered_at):
        dose_gy = mean_dose_gy(session.lung_activity_gbq, lung_mass_kg, energy_j_per_gbq=options.energy_j_per_gbq)
        before_gy = rows[-1].cumulative_gy if rows else 0.0
        rows.append(
            LungDose(session.session_id, session.lung_shunt_fraction, lung_mass_kg, dose_gy, before_gy + dose_gy)
        )
    return tuple(rows)


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
