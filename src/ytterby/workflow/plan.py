"""The plan of a session, from a case file to an activity: doses per GBq, models, guidelines, vials, the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ytterby.dosimetry.case import ImagedSessions, case_dose
from ytterby.errors import CalibrationError, ConfigurationError
from ytterby.files.casefile import CaseFile, read_case
from ytterby.files.devicetable import read_devices
from ytterby.files.guidelinetable import read_guidelines
from ytterby.files.moments import parse_moment, parse_zone
from ytterby.files.planrequest import PlanRequest
from ytterby.model.dose import CaseDose, Notice, SegmentDose, joint_mean_dose_gy
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import Device, Session
from ytterby.model.volume import Quantity
from ytterby.planning.models import PlannedSession, RegionDosePerGbq
from ytterby.planning.plan import ModelPlan
from ytterby.planning.sessionplan import SessionPlan, answer_notices, plan_aims, session_models, territory_notices
from ytterby.planning.vials import TreatmentMoment, VialTable, elapsed_hours, moments_after, vial_table
from ytterby.units import HOURS_PER_DAY
from ytterby.workflow.case import Case, load_case, require_one_frame
from ytterby.workflow.planexports import write_plan
from ytterby.workflow.provenance import RunRecord

__all__ = ["planned_session", "run_plan_file", "session_plan"]

# The moment of a session that has none: no dose of a counts image depends on it.
_NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
# Less than this share of a dose is rounding of the difference of two runs, not activity that arrived.
_ROUNDING_FRACTION = 1e-6
_PLANNED_NORMAL = "perfused_normal of the planned session"


def run_plan_file(path: Path, out: Path) -> SessionPlan:
    """The plan that a case file asks for, written to ``out`` as plan.json, plan.csv, vials.csv, plan.html and run.json.

    Raises
    ------
    InputError
        The case asks for no plan, or cannot be planned; names what, where and the remedy. Nothing is left in ``out``.
    """
    record = RunRecord("plan", options={"case": path.name})
    with record.step("read"):
        file = read_case(path)
        request = _required_plan(file, path)
        name = _planned_name(file, request)
        index = file.session_names.index(name)
        moment = request.calibrated_at or file.sessions[index].administered_at or _NO_MOMENT
        case = load_case(path, planned=(name, moment))
        stated_gbq = file.sessions[index].administered_activity_gbq
    with record.step("hash inputs"):
        tables = (request.guidelines, request.devices)
        given_files = (*case.inputs, *(path for path in tables if path is not None))
        for given in given_files:
            files = [given] if given.is_file() else [entry for entry in given.rglob("*") if entry.is_file()]
            record.add_inputs(given.parent, files)
    with record.step("plan"):
        plan = session_plan(case, name, request=request, time_zone=file.time_zone, stated_activity_gbq=stated_gbq)
    with record.step("write"):
        write_plan(out, plan, simulated=case.simulated)
    record.write(out / "run.json")
    return plan


def _required_plan(file: CaseFile, path: Path) -> PlanRequest:
    """What the case asks for under ``plan``; ConfigurationError where it asks for nothing."""
    if file.plan is None:
        raise ConfigurationError(
            "the case asks for no plan",
            where=f"{path.name}, plan",
            remedy="state it: plan: {targets: {tumour_gy: ...}, limits: {...}}",
        )
    return file.plan


def _planned_name(file: CaseFile, request: PlanRequest) -> str:
    """Name of the session that is planned: the one that the plan names, or the only one.

    Raises
    ------
    ConfigurationError
        There are several sessions and none is named, or the name is none of theirs.
    """
    names = file.session_names
    if request.session is None and len(names) == 1:
        return names[0]
    if request.session is None or request.session not in names:
        raise ConfigurationError(
            "there are several sessions, and none is named"
            if request.session is None
            else f"there is no session '{request.session}'",
            where="plan: session",
            remedy="name one of: " + ", ".join(f"'{name}'" for name in names),
        )
    return request.session


def session_plan(
    case: Case,
    name: str,
    *,
    request: PlanRequest,
    time_zone: str | None = None,
    stated_activity_gbq: float | None = None,
) -> SessionPlan:
    """The plan of the session ``name``, which stands in the case as one of 1 GBq.

    Raises
    ------
    InputError
        The case cannot be dosed, or what is aimed at does not fit it.
    """
    session, untreated, told = planned_session(case, name, request=request)
    aims = plan_aims(
        request.target_aims(),
        request.limit_aims(),
        session=session,
        table=read_guidelines(request.guidelines),
        presets=request.preset,
        conditions=request.conditions,
    )
    models = session_models(session, aims)
    vials, about_vials = _vials(models[0], session.device, request=request, time_zone=time_zone)
    [planned] = [one for one in case.sessions if one.session_id == name]
    return SessionPlan(
        patient_id=case.patient_id,
        session=session,
        options=case.options,
        aims=aims,
        models=models,
        perfused_names=planned.perfused,
        sessions_beside=tuple(one.session_id for one in case.sessions if one.session_id != name),
        untreated=untreated,
        stated_activity_gbq=stated_activity_gbq,
        vials=vials,
        notices=(
            *case.notices,
            *told,
            *territory_notices(session, aims, untreated=untreated),
            *answer_notices(models[0], stated_activity_gbq=stated_activity_gbq),
            *about_vials,
        ),
    )


def planned_session(
    case: Case, name: str, *, request: PlanRequest
) -> tuple[PlannedSession, tuple[str, ...], tuple[Notice, ...]]:
    """Doses per GBq of the session ``name``, the tumours that it does not treat, and what has to be told.

    The case is dosed with the session at 1 GBq and, where there are others, at 2 GBq: dose is linear in activity, so that the
    difference is the dose per GBq, and the rest was given by the others.

    Raises
    ------
    CalibrationError
        The session's image is in Bq/mL: it shows what was given, and cannot be scaled to another activity.
    """
    require_one_frame(case)
    [part] = [one for one in case.imaged if any(session.session_id == name for session in one.sessions)]
    if part.image.quantity is not Quantity.COUNTS:
        raise CalibrationError(
            "the planned session's image is in Bq/mL: it measures an activity that was given",
            where=f"session '{name}'",
            remedy="plan on an image of counts (99mTc-MAA, a scout dose), or name another session",
        )
    [planned] = [session for session in part.sessions if session.session_id == name]
    segments = _with_planned_normal(case.segments, planned)
    options = replace(case.options, compared_engines=())
    one = case_dose(case.patient_id, case.imaged, segments, options=options).dose
    two = one
    if len(case.sessions) > 1:
        two = case_dose(case.patient_id, _at_gbq(case.imaged, name, 2.0), segments, options=options).dose
    rows = {row.segment: _region(row, one, two, alone=len(case.sessions) == 1) for row in one.doses}
    tumours, untreated = _treated(segments, planned)
    normal = [row for row in one.doses if row.role is Role.NORMAL_LIVER]
    perfused_normal = _perfused_normal(one, segments, planned)
    given_lung_gy, told = _given_lung_gy(case, one, two, name, prior_gy=request.prior_lung_gy)
    liver_ml = sum(row.volume_ml for row in one.doses if row.role is Role.LIVER)
    session = PlannedSession(
        session_id=name,
        device=planned.device,
        tumours=tuple(rows[tumour] for tumour in tumours),
        perfused=_single_compartment(one, planned),
        perfused_normal=None if perfused_normal is None else rows[perfused_normal],
        normal_liver=rows[normal[0].segment] if normal else None,
        energy_j_per_gbq=options.energy_j_per_gbq,
        lung_shunt_fraction=planned.lung_shunt_fraction,
        residual_fraction=planned.residual_fraction,
        lung_mass_kg=options.lung_mass_kg,
        given_lung_gy=given_lung_gy,
        liver_ml=liver_ml,
        body=request.body(),
    )
    about_dose = tuple(notice for notice in one.notices if notice.code != "no_lung_mass")
    return session, untreated, (*about_dose, *told)


def _at_gbq(imaged: Sequence[ImagedSessions], name: str, activity_gbq: float) -> tuple[ImagedSessions, ...]:
    """The same images with the session ``name`` at another activity."""
    return tuple(
        replace(
            part,
            sessions=tuple(
                replace(session, administered_activity_gbq=activity_gbq) if session.session_id == name else session
                for session in part.sessions
            ),
        )
        for part in imaged
    )


def _region(row: SegmentDose, one: CaseDose, two: CaseDose, *, alone: bool) -> RegionDosePerGbq:
    """A segment's dose per GBq of the planned session, and what the other sessions give it."""
    net_gbq = one.balance.administered_gbq - one.balance.residual_gbq
    dose_gy, arrived_gbq, given_gy = row.mean_dose_gy, row.activity_fraction * net_gbq, 0.0
    if not alone:
        doubled = two.of(row.segment)
        net_two_gbq = two.balance.administered_gbq - two.balance.residual_gbq
        dose_gy = doubled.mean_dose_gy - row.mean_dose_gy
        arrived_gbq = doubled.activity_fraction * net_two_gbq - arrived_gbq
        if dose_gy <= _ROUNDING_FRACTION * doubled.mean_dose_gy:
            dose_gy, arrived_gbq = 0.0, 0.0
        given_gy = max(0.0, row.mean_dose_gy - dose_gy)
    return RegionDosePerGbq(
        row.segment,
        row.role,
        volume_ml=row.volume_ml,
        mass_kg=row.mass_kg,
        dose_gy_per_gbq=max(0.0, dose_gy),
        arrived_fraction=max(0.0, arrived_gbq),
        given_gy=given_gy,
    )


def _territory(segments: Sequence[Segment], planned: Session) -> Segment | None:
    """What the session treats, as one segment; None for the whole liver."""
    named = tuple(segment for segment in segments if segment.name in planned.perfused)
    return union(named, "perfused", Role.PERFUSED) if named else None


def _with_planned_normal(segments: tuple[Segment, ...], planned: Session) -> tuple[Segment, ...]:
    """The segments, with the normal tissue of the session's own territory where it is not all that is perfused."""
    perfused = {segment.name for segment in segments if segment.role is Role.PERFUSED}
    territory = _territory(segments, planned)
    if territory is None or set(planned.perfused) == perfused:
        return segments
    normal = territory
    for segment in segments:
        if segment.role is Role.TUMOUR:
            normal = normal.difference(segment)
    if normal.is_empty:
        return segments
    method = f"{' + '.join(planned.perfused)} - tumours"
    return (*segments, normal.relabelled(_PLANNED_NORMAL, Role.PERFUSED_NORMAL, method))


def _perfused_normal(dose: CaseDose, segments: Sequence[Segment], planned: Session) -> str | None:
    """Name of the segment that is the normal tissue of the session's territory; None where there is none."""
    if not planned.perfused:
        return next((row.segment for row in dose.doses if row.role is Role.NORMAL_LIVER), None)
    perfused = {segment.name for segment in segments if segment.role is Role.PERFUSED}
    wanted = "perfused_normal" if set(planned.perfused) == perfused else _PLANNED_NORMAL
    return next((row.segment for row in dose.doses if row.segment == wanted), None)


def _treated(segments: Sequence[Segment], planned: Session) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tumours with more than half of their volume in what the session treats, and the others."""
    territory = _territory(segments, planned)
    inside: list[str] = []
    outside: list[str] = []
    for segment in segments:
        if segment.role is not Role.TUMOUR:
            continue
        treated = territory is None or segment.intersection(territory).volume_ml > 0.5 * segment.volume_ml
        (inside if treated else outside).append(segment.name)
    return tuple(inside), tuple(outside)


def _single_compartment(dose: CaseDose, planned: Session) -> RegionDosePerGbq:
    """The session's perfused volume as one compartment; given by other sessions is what they gave the very same volume."""
    [own] = [row for row in dose.single_compartment if row.session_id == planned.session_id]
    others = [
        row.mean_dose_gy
        for row in dose.single_compartment
        if row.session_id not in (planned.session_id, "all") and row.target == own.target
    ]
    return RegionDosePerGbq(
        own.target,
        Role.PERFUSED,
        volume_ml=own.volume_ml,
        mass_kg=own.mass_kg,
        dose_gy_per_gbq=own.mean_dose_gy,
        arrived_fraction=own.activity_gbq,
        given_gy=sum(others),
    )


def _given_lung_gy(
    case: Case, one: CaseDose, two: CaseDose, name: str, *, prior_gy: float | None
) -> tuple[float | None, tuple[Notice, ...]]:
    """Lung dose of the other sessions and from before; None where a session's lung dose was not measured."""
    told = []
    if prior_gy is None:
        told.append(
            Notice(
                "no_prior_lung_dose",
                "No lung dose from before this case is stated (plan: prior_lung_gy): none is counted.",
            )
        )
    before_gy = 0.0 if prior_gy is None else prior_gy
    measured = [part for part in case.imaged if part.image.quantity is Quantity.CONCENTRATION]
    if not measured:
        return before_gy + sum(row.mean_dose_gy for row in one.lungs if row.session_id != name), tuple(told)
    # A session with an image in Bq/mL has a lung dose only where the lungs have a segment.
    first, second = (joint_mean_dose_gy([row for row in dose.doses if row.role is Role.LUNGS]) for dose in (one, two))
    if first is None or second is None:
        names = ", ".join(session.session_id for part in measured for session in part.sessions)
        text = f"The lung dose of session {names} is not known: its image is in Bq/mL, and the lungs have no segment."
        return None, (*told, Notice("unknown_lung_dose", text))
    return before_gy + max(0.0, 2.0 * first - second), tuple(told)


def _vials(
    answer: ModelPlan, device: Device, *, request: PlanRequest, time_zone: str | None
) -> tuple[VialTable | None, tuple[Notice, ...]]:
    """Vials against days for the plan's answer; none, with the reason, where there is no activity or no shelf life."""
    spheres = read_devices(request.devices)[device]
    if not answer.activity_gbq:
        return None, (Notice("no_vials", "There is no activity to choose a vial for."),)
    latest_hours = request.shelf_life_hours or spheres.shelf_life_hours
    if latest_hours is None:
        text = f"No shelf life of {device} microspheres is known, and none is stated (plan: shelf_life_hours): no table of vials."
        return None, (Notice("no_vials", text),)
    moments = _moments(request, latest_hours, time_zone=time_zone)
    table = vial_table(
        answer,
        spheres,
        vials_gbq=request.vials_gbq or spheres.vial_sizes_gbq,
        moments=moments,
        tolerance_fraction=request.tolerance_fraction,
        latest_hours=latest_hours,
    )
    if table.rows and not any(day.in_window for row in table.rows for day in row.days):
        return table, (Notice("no_vial_fits", "None of these vials fits on any of these days."),)
    return table, ()


def _moments(request: PlanRequest, latest_hours: float, *, time_zone: str | None) -> tuple[TreatmentMoment, ...]:
    """The days of the table; with ``treat_at`` each at that time of day on the clock of the case's zone."""
    calibrated_at = request.calibrated_at
    if request.treat_at is None or calibrated_at is None:
        if calibrated_at is not None and time_zone is not None:
            calibrated_at = calibrated_at.astimezone(parse_zone(time_zone))
        return moments_after(latest_hours, calibrated_at=calibrated_at, days=request.days)
    if time_zone is None:
        raise ConfigurationError(
            f"{request.treat_at} is a time of day, and of which time zone is not stated",
            where="plan: treat_at",
            remedy="state time_zone, such as Europe/Berlin",
        )
    zone = parse_zone(time_zone)
    first = calibrated_at.astimezone(zone).date()
    days = request.days or range(int(latest_hours // HOURS_PER_DAY) + 1)
    found = []
    for day in days:
        moment = parse_moment(f"{(first + timedelta(days=day)).isoformat()}T{request.treat_at}", zone)
        found.append(TreatmentMoment(day, elapsed_hours(calibrated_at, moment), moment))
    return tuple(found)
