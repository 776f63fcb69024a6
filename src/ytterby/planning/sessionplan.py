"""The plan of one session: models side by side, the guidelines that were asked for, the vials, and what has to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ytterby.dosimetry.bsa import GREATEST_RESIN_LUNG_SHUNT_FRACTION
from ytterby.errors import ConfigurationError
from ytterby.model.dose import DoseOptions, Notice
from ytterby.planning.models import PlannedSession, plan_models
from ytterby.planning.plan import ModelPlan, aim_name, model_plan
from ytterby.planning.targets import (
    Aim,
    Disagreement,
    Guideline,
    GuidelineAims,
    GuidelineTable,
    PlanQuantity,
    guideline_aims,
)
from ytterby.planning.vials import VialTable

__all__ = [
    "AppliedGuideline",
    "PlanAims",
    "SessionPlan",
    "answer_notices",
    "plan_aims",
    "session_models",
    "territory_notices",
]

_LUNG_DOSES = (PlanQuantity.LUNG, PlanQuantity.LUNG_CUMULATIVE)


@dataclass(frozen=True)
class AppliedGuideline:
    """A preset that the case names, what it gave, and the disagreements that concern it."""

    guideline: Guideline
    aims: GuidelineAims
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class PlanAims:
    """All targets and limits of a plan, those of the case first, and the guidelines that they come from."""

    targets: tuple[Aim, ...]
    limits: tuple[Aim, ...]
    guidelines: tuple[AppliedGuideline, ...] = ()


@dataclass(frozen=True)
class SessionPlan:
    """Everything that the planning of one session found.

    ``models`` has the multicompartment model first: its answer is the plan's. ``stated_activity_gbq`` is the activity that the
    case states for the session, which plays no part. ``untreated`` are tumours that lie outside what the session treats.
    ``sessions_beside`` are the other sessions, whose doses count.
    """

    patient_id: str
    session: PlannedSession
    options: DoseOptions
    aims: PlanAims
    models: tuple[ModelPlan, ...]
    perfused_names: tuple[str, ...]
    sessions_beside: tuple[str, ...] = ()
    untreated: tuple[str, ...] = ()
    stated_activity_gbq: float | None = None
    vials: VialTable | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def answer(self) -> ModelPlan:
        """The answer by the multicompartment model."""
        return self.models[0]


def plan_aims(
    targets: Sequence[Aim],
    limits: Sequence[Aim],
    *,
    session: PlannedSession,
    table: GuidelineTable,
    presets: Sequence[str],
    conditions: Sequence[str] | None,
) -> PlanAims:
    """Targets and limits that the case states, and those of its presets on other quantities.

    Raises
    ------
    ConfigurationError
        A preset or a condition does not exist or does not fit, or rows with a condition are left undecided; a target is one for
        a lesion that the session does not treat; a limit needs a lung dose that cannot be given; nothing is aimed at.
    """
    chosen = [table.of(name) for name in presets]
    known = {row.row_id for guideline in chosen for row in guideline.rows if row.condition}
    for name in conditions or ():
        if name not in known:
            raise ConfigurationError(
                f"'{name}' is no row with a condition of the presets",
                where="plan: conditions",
                remedy="use some of: " + (", ".join(sorted(known)) or "none, the presets have none"),
            )
    applied = []
    for guideline in chosen:
        own = guideline_aims(
            guideline, session.device, conditions=conditions, stated_targets=targets, stated_limits=limits
        )
        applied.append(AppliedGuideline(guideline, own, table.disagreements_about(guideline)))
    found = PlanAims(
        (*targets, *(aim for one in applied for aim in one.aims.targets)),
        (*limits, *(aim for one in applied for aim in one.aims.limits)),
        tuple(applied),
    )
    _require_known(found, session)
    return found


def _require_known(aims: PlanAims, session: PlannedSession) -> None:
    if not aims.targets and not aims.limits:
        raise ConfigurationError(
            "no target and no limit is left", where="plan", remedy="state one, or name conditions that hold"
        )
    treated = {tumour.name for tumour in session.tumours}
    for aim in aims.targets:
        if aim.quantity is PlanQuantity.LESION and aim.region not in treated:
            raise ConfigurationError(
                f"the session treats no lesion '{aim.region}'",
                where="plan: targets: lesions",
                remedy="name one of: " + (", ".join(sorted(treated)) or "none (no tumour lies in what it treats)"),
            )
    for aim in aims.limits:
        if aim.quantity in _LUNG_DOSES and session.lung_gy_per_gbq is None:
            raise ConfigurationError(
                f"the limit for {aim_name(aim)} ({aim.amount}) needs a lung mass, and none is stated",
                where="options: lung_mass_kg",
                remedy="state the mass, or limit lung_activity_gbq instead",
            )
        if aim.quantity is PlanQuantity.LUNG_CUMULATIVE and session.given_lung_gy is None:
            raise ConfigurationError(
                "the lung dose of the other sessions is not known, so that their sum cannot be limited",
                where="plan: limits: lung_cumulative_gy",
                remedy="give the lungs a segment (roles: lungs), or take the limit out",
            )


def session_models(session: PlannedSession, aims: PlanAims) -> tuple[ModelPlan, ...]:
    """Every model's answer to the aims, the multicompartment one first."""
    return tuple(model_plan(model, aims.targets, limits=aims.limits) for model in plan_models(session))


def answer_notices(answer: ModelPlan, *, stated_activity_gbq: float | None) -> tuple[Notice, ...]:
    """What has to be told of the answer: tumours that stay below a target that is met on average, a stated activity beyond it."""
    found = []
    for result in answer.targets:
        if result.aim.quantity is PlanQuantity.TUMOUR and answer.activity_gbq is not None:
            below = [
                f"'{line.region}' {line.at(answer.activity_gbq)}"
                for line in answer.lines
                if line.quantity is PlanQuantity.LESION and line.at(answer.activity_gbq).value < result.aim.value
            ]
            if below and result.is_met:
                text = f"All tumours together reach {result.aim.value:g} Gy; these stay below it: {', '.join(below)}."
                found.append(Notice("tumour_below_target", text))
    if stated_activity_gbq is not None and answer.limit_activity_gbq is not None:
        passed = [
            f"{aim_name(result.aim)} {answer.at(result.aim.quantity, stated_activity_gbq, region=result.aim.region)}"
            for result in answer.limits
            if result.activity_gbq is not None and stated_activity_gbq > result.activity_gbq
        ]
        if passed:
            text = (
                f"The activity that the case states, {stated_activity_gbq:g} GBq, passes limits: {'; '.join(passed)}."
            )
            found.append(Notice("stated_beyond_limit", text))
    return tuple(found)


def territory_notices(session: PlannedSession, aims: PlanAims, *, untreated: Sequence[str]) -> tuple[Notice, ...]:
    """What has to be told of a plan: tissue that there is not, limits that nobody set, tumours that are not treated."""
    found = []
    if not session.tumours:
        found.append(Notice("no_tumour", "The session treats no tumour: there is no tumour dose to plan for."))
    if untreated:
        text = "These tumours lie for the most part outside what the session treats, and are not planned for: "
        found.append(Notice("untreated_tumours", text + ", ".join(untreated) + "."))
    quantities = {aim.quantity for aim in aims.limits}
    if session.perfused_normal is None:
        text = "The perfused volume holds no normal liver: there is no dose of perfused normal liver to limit."
        found.append(Notice("no_perfused_normal", text))
    if not quantities & {PlanQuantity.PERFUSED_NORMAL, PlanQuantity.NORMAL_LIVER}:
        found.append(Notice("no_liver_limit", "No limit for normal liver is among the limits of this plan."))
    if not quantities & {*_LUNG_DOSES, PlanQuantity.LUNG_ACTIVITY}:
        found.append(Notice("no_lung_limit", "No limit for the lungs is among the limits of this plan."))
    if session.lung_shunt_fraction == 0.0:
        found.append(Notice("no_shunt", "The lung shunt is 0: no activity reaches the lungs, and no lung limit binds."))
    if session.lung_shunt_fraction > GREATEST_RESIN_LUNG_SHUNT_FRACTION:
        text = (
            f"The lung shunt is {session.lung_shunt_fraction:.1%}; above 20 %, resin microspheres are ruled out by their "
            "instructions for use."
        )
        found.append(Notice("high_shunt", text))
    return tuple(found)
