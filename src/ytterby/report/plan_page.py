"""The page of a plan: one HTML file that needs nothing beside it. Numbers are rounded here, and only here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ytterby.physics.devices import Supply
from ytterby.planning.models import PlanLine, PlanModel
from ytterby.planning.plan import QUANTITY_NAMES, AimResult, ModelPlan, PlanStatus, aim_name
from ytterby.planning.sessionplan import AppliedGuideline, SessionPlan
from ytterby.planning.targets import Aim, Amount, GuidelineRow, PlanQuantity
from ytterby.planning.vials import TreatmentMoment, VialDay, VialRow, VialTable
from ytterby.report.case_figures import svg_bytes
from ytterby.report.numbers import NOT_AVAILABLE, fixed
from ytterby.report.plan_figures import aims_figure
from ytterby.report.plan_steps import hand_checks
from ytterby.report.single_page import data_url, page_template

__all__ = ["plan_html", "write_plan_page"]

_MODEL_NAMES = {
    PlanModel.MULTICOMPARTMENT: "Multicompartment, by counts",
    PlanModel.SINGLE_COMPARTMENT: "Single compartment (MIRD)",
    PlanModel.PARTITION: "Partition, T/N",
    PlanModel.MULTI_TUMOUR_PARTITION: "Partition, each tumour",
    PlanModel.BSA: "Body surface area",
}
_STATUS_NAMES = {
    PlanStatus.TARGETS_REACHED: "targets reached within the limits",
    PlanStatus.CONFLICT: "conflict: a limit allows less than the target needs",
    PlanStatus.NOTHING_ALLOWED: "nothing more may be given",
    PlanStatus.LIMITS_ONLY: "greatest activity that the limits allow; no target stated",
    PlanStatus.UNREACHABLE: "a target cannot be reached",
    PlanStatus.NO_ANSWER: "no answer by this model",
}
_TROUBLE = (PlanStatus.CONFLICT, PlanStatus.NOTHING_ALLOWED, PlanStatus.UNREACHABLE)
_RELATIONS = {True: "at least", False: "at most"}


def write_plan_page(path: Path, *, plan: SessionPlan, simulated: bool, software: str) -> None:
    """Write the page of a plan to ``path``: one file, the same bytes for the same input; ``software`` names the program."""
    path.write_bytes(plan_html(plan, simulated=simulated, software=software).encode("utf-8"))


def plan_html(plan: SessionPlan, *, simulated: bool, software: str) -> str:
    """The page of ``write_plan_page`` as text."""
    figure = aims_figure(plan.answer, simulated=simulated)
    session = plan.session
    return page_template("plan.html").render(
        title=f"Plan for {plan.patient_id}",
        patient_id=plan.patient_id,
        simulated=simulated,
        software=software,
        notices=plan.notices,
        session={
            "name": session.session_id,
            "device": session.device.value,
            "perfused": ", ".join(plan.perfused_names) or "whole liver",
            "shunt": fixed(100.0 * session.lung_shunt_fraction, 1),
            "residual": fixed(100.0 * session.residual_fraction, 1),
            "treated": fixed(100.0 * session.perfused.volume_ml / session.liver_ml, 1),
            "untreated": fixed(100.0 * max(0.0, 1.0 - session.perfused.volume_ml / session.liver_ml), 1),
            "beside": ", ".join(plan.sessions_beside),
            "given_lung": fixed(session.given_lung_gy, 1),
        },
        options=_options(plan),
        answer=_answer(plan),
        models=[_model_row(model) for model in plan.models],
        aims=_aim_rows(plan),
        quantities=_quantity_rows(plan),
        model_names=[_MODEL_NAMES[model.model] for model in plan.models],
        figure=None if figure is None else data_url("image/svg+xml", svg_bytes(figure)),
        stated=_stated(plan),
        guidelines=[_guideline(one) for one in plan.aims.guidelines],
        vials=None if plan.vials is None else _vials(plan.vials),
        checks=hand_checks(plan),
    )


def _amount(amount: Amount | None) -> str:
    if amount is None:
        return NOT_AVAILABLE
    return f"{fixed(amount.value, 3 if amount.unit == 'GBq' else 1)}\u00a0{amount.unit}"


def _options(plan: SessionPlan) -> list[tuple[str, str]]:
    options = plan.options
    return [
        ("Engine", options.engine.value.replace("_", " ")),
        ("K", f"{options.energy_j_per_gbq:.6g} J/GBq"),
        ("density", f"{options.tissue_density_g_ml:g} g/mL"),
        ("lung mass", "not stated" if options.lung_mass_kg is None else f"{options.lung_mass_kg:g} kg"),
    ]


def _answer(plan: SessionPlan) -> dict[str, Any]:
    answer = plan.answer
    return {
        "model": _MODEL_NAMES[answer.model],
        "status": _STATUS_NAMES[answer.status],
        "is_trouble": answer.status in _TROUBLE,
        "activity": fixed(answer.activity_gbq, 3),
        "target": fixed(answer.target_activity_gbq, 3),
        "limit": fixed(answer.limit_activity_gbq, 3),
        "binding": _binding(answer),
        "origin": "" if answer.binding is None else answer.binding.origin,
        "explanation": answer.explanation,
    }


def _binding(model: ModelPlan) -> str:
    """The target or limit that decides the activity, in words."""
    if model.binding is None:
        return "the model itself" if model.activity_gbq is not None else NOT_AVAILABLE
    is_target = any(result.aim == model.binding for result in model.targets) and model.status not in (
        PlanStatus.CONFLICT,
        PlanStatus.LIMITS_ONLY,
        PlanStatus.NOTHING_ALLOWED,
    )
    return f"{'target' if is_target else 'limit'}: {aim_name(model.binding)}, {_amount(model.binding.amount)}"


def _model_row(model: ModelPlan) -> dict[str, Any]:
    return {
        "name": _MODEL_NAMES[model.model],
        "activity": fixed(model.activity_gbq, 3),
        "target": fixed(model.target_activity_gbq, 3),
        "limit": fixed(model.limit_activity_gbq, 3),
        "binding": _binding(model),
        "status": _STATUS_NAMES[model.status],
        "is_trouble": model.status in _TROUBLE,
        "explanation": model.explanation,
        "notes": model.notes,
    }


def _aim_rows(plan: SessionPlan) -> list[dict[str, Any]]:
    """Each target and limit: the activity for it by every model, and what it comes to at the plan's activity."""
    rows = []
    for is_target in (True, False):
        results = [model.targets if is_target else model.limits for model in plan.models]
        for number, own in enumerate(results[0]):
            rows.append(
                {
                    "kind": "target" if is_target else "limit",
                    "name": aim_name(own.aim),
                    "aim": f"{_RELATIONS[is_target]} {_amount(own.aim.amount)}",
                    "origin": own.aim.origin,
                    "activities": [fixed(each[number].activity_gbq, 3) for each in results],
                    "reached": _amount(own.reached),
                    "margin": _margin(own),
                    "is_met": own.is_met,
                    "is_binding": own.aim == plan.answer.binding,
                    "note": own.note,
                }
            )
    return rows


def _margin(result: AimResult) -> str:
    """How far on the right side of the aim, in its unit and in percent of it."""
    if result.margin_fraction is None:
        return NOT_AVAILABLE
    difference = result.margin_fraction * result.aim.value
    decimals = 3 if result.aim.quantity.unit == "GBq" else 1
    percent = 100.0 * result.margin_fraction
    # Rounding of binary numbers is no margin.
    if abs(percent) < 1e-6:
        difference, percent = 0.0, 0.0
    text = f"{difference:+.{decimals}f} {result.aim.quantity.unit} ({percent:+.1f} %)" if percent else "exactly there"
    return text.replace("-", "\u2212")


def _quantity_rows(plan: SessionPlan) -> list[dict[str, Any]]:
    """Each quantity at the plan's activity, by every model that knows it."""
    activity_gbq = plan.answer.activity_gbq
    if activity_gbq is None:
        return []
    lines: dict[tuple[PlanQuantity, str], PlanLine] = {}
    for model in plan.models:
        for line in model.lines:
            lines.setdefault((line.quantity, line.region), line)
    return [
        {
            "name": aim_name(Aim(quantity, 1.0, region=region)),
            "given": _amount(Amount(line.value, quantity.unit)) if line.value > 0 else NOT_AVAILABLE,
            "values": [_amount(model.at(quantity, activity_gbq, region=region)) for model in plan.models],
        }
        for (quantity, region), line in lines.items()
        if quantity is not PlanQuantity.ACTIVITY
    ]


def _stated(plan: SessionPlan) -> dict[str, Any] | None:
    """The activity that the case states for the session, beside the answer."""
    stated_gbq = plan.stated_activity_gbq
    if stated_gbq is None:
        return None
    answer = plan.answer
    ratio = None if not answer.activity_gbq else stated_gbq / answer.activity_gbq
    return {
        "activity": fixed(stated_gbq, 3),
        "against": NOT_AVAILABLE if ratio is None else f"{100.0 * (ratio - 1.0):+.1f} %".replace("-", "\u2212"),
        "doses": [
            {
                "name": aim_name(result.aim),
                "value": _amount(answer.at(result.aim.quantity, stated_gbq, region=result.aim.region)),
            }
            for result in (*answer.targets, *answer.limits)
        ],
    }


def _guideline(one: AppliedGuideline) -> dict[str, Any]:
    guideline = one.guideline
    left_out = {row.row_id: reason for row, reason in one.aims.left_out}
    source = guideline.source
    doi = f"doi:{source.doi}" + ("" if source.doi_verified else " (not looked up)") if source.doi else ""
    return {
        "id": guideline.guideline_id,
        "title": guideline.title,
        "disease": guideline.disease,
        "intent": guideline.intent,
        "citation": source.citation,
        "doi": doi,
        "note": guideline.note,
        "rows": [
            {
                "id": row.row_id,
                "quantity": QUANTITY_NAMES[row.quantity],
                "value": _row_value(row),
                "condition": row.condition,
                "note": row.note if row.verified else f"Not verified: {row.note}",
                "used": f"not used: {left_out[row.row_id]}" if row.row_id in left_out else "used",
            }
            for row in guideline.rows
        ],
        "disagreements": one.disagreements,
    }


def _row_value(row: GuidelineRow) -> str:
    if row.least is not None and row.most is not None:
        return f"{row.least.value:g} to {row.most.value:g} {row.most.unit}"
    if row.least is not None:
        return f"at least {row.least}"
    return f"at most {row.most}"


def _vials(table: VialTable) -> dict[str, Any]:
    spheres = table.spheres
    tolerance = table.tolerance_fraction
    # The administered activity has a column of its own.
    shown = [n for n, aim in enumerate(table.aims) if aim.quantity is not PlanQuantity.ACTIVITY]
    rule = (
        "reaches every target and passes no limit"
        if tolerance is None
        else f"holds the prescribed activity give or take {100.0 * tolerance:g} % and passes no limit"
    )
    if spheres.supply is Supply.DRAWN:
        rule = "holds at least the prescribed activity, which is drawn from it"
    return {
        "wanted": fixed(table.wanted_gbq, 3),
        "rule": rule,
        "is_drawn": spheres.supply is Supply.DRAWN,
        "is_to_order": spheres.supply is Supply.TO_ORDER,
        "latest": f"{table.latest_hours:g}",
        "aims": [f"{aim_name(table.aims[n])}, {table.aims[n].quantity.unit}" for n in shown],
        "days": [_day_head(moment) for moment in table.moments],
        "rows": [_vial_row(row) for row in table.rows],
        "orders": [fixed(order, 2) for order in table.orders_gbq],
        "fitting": [_fitting(row, day, shown) for row in table.rows for day in row.days if day.in_window],
        "assumptions": spheres.assumptions,
        "source": spheres.source,
        "half_life": f"{spheres.nuclide.half_life_hours:g}",
    }


def _day_head(moment: TreatmentMoment) -> dict[str, str]:
    when = "" if moment.moment is None else f"{moment.moment:%m-%d %H:%M}"
    return {"day": str(moment.day), "when": when or f"{moment.hours:g} h"}


def _moment(when: datetime | None) -> str:
    """A moment to the minute with its offset from UTC."""
    return "" if when is None else when.isoformat(sep=" ", timespec="minutes")


def _vial_row(row: VialRow) -> dict[str, Any]:
    window = row.window
    if window is None:
        text = NOT_AVAILABLE
    elif window.feasible:
        text = f"{window.from_hours:.2f} to {window.to_hours:.2f} h"
    else:
        text = window.explanation
    return {
        "vial": f"{row.vial_gbq:g}",
        "spheres": _millions(row.spheres),
        "window": text,
        "days": [
            {"activity": fixed(day.activity_gbq, 2), "fits": day.in_window, "reason": day.reason} for day in row.days
        ],
    }


def _fitting(row: VialRow, day: VialDay, shown: Sequence[int]) -> dict[str, Any]:
    return {
        "vial": f"{row.vial_gbq:g}",
        "day": day.day,
        "when": _moment(day.moment) or f"{day.hours:g} h",
        "given": fixed(day.given_gbq, 3),
        "doses": [_plain(day.doses[n]) for n in shown],
        "spheres": _millions(day.spheres),
        "each": fixed(day.activity_per_sphere_bq, 0 if day.activity_per_sphere_bq >= 100 else 1),
    }


def _plain(amount: Amount | None) -> str:
    if amount is None:
        return NOT_AVAILABLE
    return fixed(amount.value, 3 if amount.unit == "GBq" else 1)


def _millions(spheres: int) -> str:
    return f"{spheres / 1e6:.2f} million"
