"""From target and limit doses to an activity: for each model, which activity, and which target or limit decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ytterby.errors import ConfigurationError
from ytterby.planning.models import ModelLines, PlanLine, PlanModel
from ytterby.planning.targets import Aim, Amount, PlanQuantity

__all__ = ["QUANTITY_NAMES", "AimResult", "ModelPlan", "PlanStatus", "aim_name", "model_plan"]

# What arithmetic on two equal activities may differ by.
_RELATIVE_ROUNDING = 1e-9

QUANTITY_NAMES = {
    PlanQuantity.TUMOUR: "tumours",
    PlanQuantity.LESION: "lesion",
    PlanQuantity.PERFUSED: "perfused volume (single compartment)",
    PlanQuantity.PERFUSED_NORMAL: "perfused normal liver",
    PlanQuantity.NORMAL_LIVER: "whole normal liver",
    PlanQuantity.LUNG: "lungs, this session",
    PlanQuantity.LUNG_CUMULATIVE: "lungs, all sessions",
    PlanQuantity.LUNG_ACTIVITY: "activity to the lungs",
    PlanQuantity.ACTIVITY: "administered activity",
}
"""Quantities as a reader knows them."""


class PlanStatus(StrEnum):
    """How a model's answer came about."""

    TARGETS_REACHED = "targets_reached"
    """Every target is reached, and every limit that the model knows is kept."""
    CONFLICT = "conflict"
    """A limit allows less than a target needs: the answer is what the limit allows, both activities are shown."""
    NOTHING_ALLOWED = "nothing_allowed"
    """A limit is used up by what was given: the answer is 0."""
    LIMITS_ONLY = "limits_only"
    """No target was stated: the answer is the greatest activity that the limits allow."""
    UNREACHABLE = "unreachable"
    """A target that no activity reaches (the region gets nothing): there is no answer."""
    NO_ANSWER = "no_answer"
    """The model knows none of the targets, or cannot be used."""


@dataclass(frozen=True)
class AimResult:
    """A target or limit in one model.

    ``activity_gbq`` is the least activity that reaches the target, or the greatest that the limit allows; None where no
    activity does, or every one. ``reached`` is the quantity at the model's answer, ``margin_fraction`` how far on the right side
    of the aim it is, relative to it (below 0: missed or passed). ``note`` says what is special.
    """

    aim: Aim
    activity_gbq: float | None
    reached: Amount | None = None
    margin_fraction: float | None = None
    is_met: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class ModelPlan:
    """A model's answer.

    ``target_activity_gbq`` is the least activity that reaches every target, ``limit_activity_gbq`` the greatest that every limit
    allows (None: none is needed, or nothing limits it); ``activity_gbq`` is the answer. ``binding`` is the aim that decides it.
    """

    model: PlanModel
    status: PlanStatus
    activity_gbq: float | None
    target_activity_gbq: float | None
    limit_activity_gbq: float | None
    binding: Aim | None
    targets: tuple[AimResult, ...]
    limits: tuple[AimResult, ...]
    lines: tuple[PlanLine, ...]
    explanation: str
    notes: tuple[str, ...] = ()

    def at(self, quantity: PlanQuantity, activity_gbq: float, *, region: str = "") -> Amount | None:
        """A quantity at an activity by this model; None where the model does not know it."""
        for line in self.lines:
            if line.quantity is quantity and line.region == region:
                return line.at(activity_gbq)
        return None


def aim_name(aim: Aim) -> str:
    """What an aim is about, in words.

    Examples
    --------
    >>> aim_name(Aim(PlanQuantity.LESION, 205.0, region="Tumour 1"))
    "lesion 'Tumour 1'"
    """
    name = QUANTITY_NAMES[aim.quantity]
    return f"{name} '{aim.region}'" if aim.region else name


def model_plan(model: ModelLines, targets: Sequence[Aim], *, limits: Sequence[Aim]) -> ModelPlan:
    """The activity that a model gives for targets and limits, and why.

    All targets must be reached and no limit passed. Doses of other sessions count, to targets and limits alike.

    Raises
    ------
    ConfigurationError
        There is neither a target nor a limit.

    Notes
    -----
    Each quantity is g + s A. A target v needs A >= (v - g) / s, a limit v allows A <= (v - g) / s; the greatest need and the
    least allowance decide. Derived in docs/theory/planning.md; sources of the models: ``planning.models.plan_models``.
    """
    if not targets and not limits:
        raise ConfigurationError(
            "a plan needs at least one target or limit", where="plan", remedy="state targets, limits or a preset"
        )
    if model.absent:
        text = f"This model cannot be used: {model.absent}."
        nothing = tuple(AimResult(aim, None) for aim in targets)
        unknown = tuple(AimResult(aim, None) for aim in limits)
        return ModelPlan(
            model.model, PlanStatus.NO_ANSWER, None, None, None, None, nothing, unknown, (), text, model.notes
        )
    needs = [_need(model, aim) for aim in targets]
    allowances = [_allowance(model, aim) for aim in limits]
    known = [one for one in needs if model.line(one.aim.quantity, one.aim.region) is not None]
    needed = max((one for one in known if one.activity_gbq is not None), key=_activity, default=None)
    allowed = min((one for one in allowances if one.activity_gbq is not None), key=_activity, default=None)
    unreachable = [one for one in known if one.activity_gbq is None]
    target_gbq = None if needed is None or unreachable else needed.activity_gbq
    if model.activity_gbq is not None and (target_gbq is None or not known):
        target_gbq, needed = model.activity_gbq, None
    limit_gbq = None if allowed is None else allowed.activity_gbq

    status, activity_gbq, binding, text = _answer(
        model, target_gbq, limit_gbq, needed=needed, allowed=allowed, unreachable=unreachable, stated=bool(targets)
    )
    unknown_limits = [one.aim for one in allowances if model.line(one.aim.quantity, one.aim.region) is None]
    unknown_targets = [one.aim for one in needs if model.line(one.aim.quantity, one.aim.region) is None]
    if activity_gbq is not None and (unknown_limits or unknown_targets):
        named = ", ".join(dict.fromkeys(aim_name(aim) for aim in (*unknown_targets, *unknown_limits)))
        text += f" Not looked at, because this model does not know it: {named}."
    return ModelPlan(
        model.model,
        status,
        activity_gbq,
        target_gbq,
        limit_gbq,
        binding,
        tuple(_at_answer(model, one, activity_gbq, is_target=True) for one in needs),
        tuple(_at_answer(model, one, activity_gbq, is_target=False) for one in allowances),
        model.lines,
        text,
        model.notes,
    )


def _activity(result: AimResult) -> float:
    assert result.activity_gbq is not None
    return result.activity_gbq


def _need(model: ModelLines, aim: Aim) -> AimResult:
    """The least activity that reaches a target."""
    line = model.line(aim.quantity, aim.region)
    if line is None:
        return AimResult(aim, None, note="this model does not know it")
    if line.value >= aim.value:
        return AimResult(aim, 0.0, note="reached by the other sessions already")
    activity_gbq = line.activity_gbq(aim.value)
    if activity_gbq is None:
        return AimResult(aim, None, note="no activity reaches it: nothing of this session arrives there")
    return AimResult(aim, activity_gbq)


def _allowance(model: ModelLines, aim: Aim) -> AimResult:
    """The greatest activity that a limit allows."""
    line = model.line(aim.quantity, aim.region)
    if line is None:
        return AimResult(aim, None, note="this model does not know it")
    if line.value >= aim.value:
        spent = f"{line.at(0.0)} already, from before this session"
        return AimResult(aim, 0.0, note=spent)
    activity_gbq = line.activity_gbq(aim.value)
    if activity_gbq is None:
        return AimResult(aim, None, note="no activity of this session passes it: nothing arrives there")
    return AimResult(aim, activity_gbq)


def _answer(
    model: ModelLines,
    target_gbq: float | None,
    limit_gbq: float | None,
    *,
    needed: AimResult | None,
    allowed: AimResult | None,
    unreachable: Sequence[AimResult],
    stated: bool,
) -> tuple[PlanStatus, float | None, Aim | None, str]:
    """Status, activity, binding aim and its explanation."""
    if limit_gbq is not None and limit_gbq <= 0.0:
        assert allowed is not None
        text = (
            f"Nothing more may be given: the limit of {allowed.aim.amount} for {aim_name(allowed.aim)} is used up "
            f"({allowed.note})."
        )
        return PlanStatus.NOTHING_ALLOWED, 0.0, allowed.aim, text
    if unreachable:
        named = "; ".join(f"{aim_name(one.aim)}, {one.aim.amount}: {one.note}" for one in unreachable)
        return PlanStatus.UNREACHABLE, None, unreachable[0].aim, f"There is no such activity ({named})."
    if target_gbq is None:
        if stated:
            return PlanStatus.NO_ANSWER, None, None, "This model knows none of the targets."
        if limit_gbq is None:
            return PlanStatus.NO_ANSWER, None, None, "None of the limits restricts the activity in this model."
        assert allowed is not None
        text = (
            f"No target is stated: {limit_gbq:.4g} GBq is the greatest activity that the limits allow, by "
            f"{aim_name(allowed.aim)} (limit {allowed.aim.amount})."
        )
        return PlanStatus.LIMITS_ONLY, limit_gbq, allowed.aim, text
    what = (
        f"the model's own activity, {target_gbq:.4g} GBq"
        if needed is None
        else f"the target of {needed.aim.amount} for {aim_name(needed.aim)} needs {target_gbq:.4g} GBq"
    )
    if limit_gbq is None or target_gbq <= limit_gbq * (1.0 + _RELATIVE_ROUNDING):
        room = (
            "No limit restricts it."
            if allowed is None or limit_gbq is None
            else f"The limits would allow {limit_gbq:.4g} GBq, the first of them {aim_name(allowed.aim)} ({allowed.aim.amount})."
        )
        text = f"{what[0].upper()}{what[1:]}. {room}"
        return PlanStatus.TARGETS_REACHED, target_gbq, None if needed is None else needed.aim, text
    assert allowed is not None
    text = (
        f"Conflict: {what}, and the limit of {allowed.aim.amount} for {aim_name(allowed.aim)} allows {limit_gbq:.4g} GBq. At the "
        f"limit{_shortfall(model, needed, limit_gbq)}; at {target_gbq:.4g} GBq, {aim_name(allowed.aim)} would come to "
        f"{_reached(model, allowed.aim, target_gbq)}."
    )
    return PlanStatus.CONFLICT, limit_gbq, allowed.aim, text


def _shortfall(model: ModelLines, needed: AimResult | None, limit_gbq: float) -> str:
    if needed is None:
        return ", less than the method asks for is given"
    return f", {aim_name(needed.aim)} would come to {_reached(model, needed.aim, limit_gbq)} instead of {needed.aim.amount}"


def _reached(model: ModelLines, aim: Aim, activity_gbq: float) -> Amount:
    line = model.line(aim.quantity, aim.region)
    assert line is not None
    return line.at(activity_gbq)


def _at_answer(model: ModelLines, result: AimResult, activity_gbq: float | None, *, is_target: bool) -> AimResult:
    """The result with what its quantity comes to at the answer."""
    line = model.line(result.aim.quantity, result.aim.region)
    if line is None or activity_gbq is None:
        return result
    reached = line.at(activity_gbq)
    margin = (reached.value - result.aim.value) / result.aim.value
    margin = margin if is_target else -margin
    return AimResult(result.aim, result.activity_gbq, reached, margin, margin >= -_RELATIVE_ROUNDING, result.note)
