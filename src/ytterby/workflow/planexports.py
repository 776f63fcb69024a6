"""What a plan leaves behind: plan.json, plan.csv, vials.csv and the page; all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

import ytterby
from ytterby.cohort.assemble import marked
from ytterby.files.analysistables import write_table
from ytterby.planning.models import PlanLine, RegionDosePerGbq
from ytterby.planning.plan import AimResult, ModelPlan
from ytterby.planning.sessionplan import AppliedGuideline, SessionPlan
from ytterby.planning.targets import Aim, Amount
from ytterby.planning.vials import TreatmentMoment, VialDay, VialTable
from ytterby.report.plan_page import write_plan_page
from ytterby.workflow.outputs import whole_or_nothing
from ytterby.workflow.provenance import write_json

__all__ = ["plan_record", "write_plan"]

# Columns of plan.csv and vials.csv, in the order of docs/reference.
_PLAN_COLUMNS = (
    "model",
    "kind",
    "quantity",
    "region",
    "unit",
    "aim",
    "activity_gbq",
    "at_answer",
    "at_plan",
    "margin_fraction",
    "is_met",
    "status",
    "origin",
)


def write_plan(out: Path, plan: SessionPlan, *, simulated: bool) -> None:
    """Write plan.json, plan.csv, vials.csv (where there is a table of vials) and plan.html into ``out``."""
    with whole_or_nothing(out, optional=("vials.csv",)) as folder:
        table = pd.DataFrame(list(_plan_rows(plan)), columns=list(_PLAN_COLUMNS)).astype({"is_met": "Int64"})
        write_table(folder / "plan.csv", marked(table, simulated))
        if plan.vials is not None:
            write_table(folder / "vials.csv", marked(pd.DataFrame(list(_vial_rows(plan.vials))), simulated))
        write_json(folder / "plan.json", plan_record(plan, simulated=simulated))
        write_plan_page(folder / "plan.html", plan=plan, simulated=simulated, software=f"ytterby {ytterby.__version__}")


def plan_record(plan: SessionPlan, *, simulated: bool) -> dict[str, Any]:
    """Everything that the planning found, as JSON holds it (unrounded; units in the names or beside the values)."""
    session, answer = plan.session, plan.answer
    stated_gbq = plan.stated_activity_gbq
    return {
        "schema": 1,
        "patient_id": plan.patient_id,
        "simulated": simulated,
        "software": {"name": "ytterby", "version": ytterby.__version__},
        "research_use_only": True,
        "options": asdict(plan.options),
        "session": {
            "session_id": session.session_id,
            "device": session.device.value,
            "perfused": list(plan.perfused_names),
            "lung_shunt_fraction": session.lung_shunt_fraction,
            "residual_fraction": session.residual_fraction,
            "lung_gy_per_gbq": session.lung_gy_per_gbq,
            "given_lung_gy": session.given_lung_gy,
            "other_sessions": list(plan.sessions_beside),
            "untreated_tumours": list(plan.untreated),
            "stated_activity_gbq": stated_gbq,
        },
        "regions": [_region(region) for region in _regions(plan)],
        "targets": [_aim(aim) for aim in plan.aims.targets],
        "limits": [_aim(aim) for aim in plan.aims.limits],
        "guidelines": [_guideline(one) for one in plan.aims.guidelines],
        "answer": {
            "model": answer.model.value,
            "status": answer.status.value,
            "activity_gbq": answer.activity_gbq,
            "target_activity_gbq": answer.target_activity_gbq,
            "limit_activity_gbq": answer.limit_activity_gbq,
            "binding": None if answer.binding is None else _aim(answer.binding),
            "explanation": answer.explanation,
            "at_stated_activity": None
            if stated_gbq is None
            else [_line(line, line.at(stated_gbq)) for line in answer.lines],
        },
        "models": [_model(model, answer.activity_gbq) for model in plan.models],
        "vials": None if plan.vials is None else _vials(plan.vials),
        "warnings": [asdict(notice) for notice in plan.notices],
    }


def _regions(plan: SessionPlan) -> Iterator[RegionDosePerGbq]:
    yield from plan.session.tumours
    yield plan.session.perfused
    for region in (plan.session.perfused_normal, plan.session.normal_liver):
        if region is not None:
            yield region


def _region(region: RegionDosePerGbq) -> dict[str, Any]:
    return {**asdict(region), "role": region.role.value}


def _aim(aim: Aim) -> dict[str, Any]:
    return {
        "quantity": aim.quantity.value,
        "region": aim.region or None,
        "value": aim.value,
        "unit": aim.quantity.unit,
        "origin": aim.origin,
    }


def _guideline(one: AppliedGuideline) -> dict[str, Any]:
    guideline = one.guideline
    return {
        "id": guideline.guideline_id,
        "title": guideline.title,
        "source": asdict(guideline.source),
        "left_out": [{"row": row.row_id, "reason": reason} for row, reason in one.aims.left_out],
        "disagreements": [asdict(each) for each in one.disagreements],
    }


def _line(line: PlanLine, amount: Amount) -> dict[str, Any]:
    return {
        "quantity": line.quantity.value,
        "region": line.region or None,
        "value": amount.value,
        "unit": amount.unit,
        "value_per_gbq": line.value_per_gbq,
        "given": line.value,
    }


def _result(result: AimResult) -> dict[str, Any]:
    return {
        **_aim(result.aim),
        "activity_gbq": result.activity_gbq,
        "at_answer": None if result.reached is None else result.reached.value,
        "margin_fraction": result.margin_fraction,
        "is_met": result.is_met,
        "note": result.note or None,
    }


def _model(model: ModelPlan, plan_gbq: float | None) -> dict[str, Any]:
    return {
        "model": model.model.value,
        "status": model.status.value,
        "activity_gbq": model.activity_gbq,
        "target_activity_gbq": model.target_activity_gbq,
        "limit_activity_gbq": model.limit_activity_gbq,
        "binding": None if model.binding is None else _aim(model.binding),
        "explanation": model.explanation,
        "targets": [_result(result) for result in model.targets],
        "limits": [_result(result) for result in model.limits],
        "at_answer": []
        if model.activity_gbq is None
        else [_line(line, line.at(model.activity_gbq)) for line in model.lines],
        "at_plan": [] if plan_gbq is None else [_line(line, line.at(plan_gbq)) for line in model.lines],
        "notes": list(model.notes),
    }


def _vials(table: VialTable) -> dict[str, Any]:
    return {
        "wanted_gbq": table.wanted_gbq,
        "tolerance_fraction": table.tolerance_fraction,
        "supply": table.spheres.supply.value,
        "latest_hours": table.latest_hours,
        "aims": [_aim(aim) for aim in table.aims],
        "orders": [
            {"day": moment.day, "hours": moment.hours, "moment": _moment(moment), "activity_gbq_at_calibration": order}
            for moment, order in zip(table.moments, table.orders_gbq, strict=True)
        ],
        "vials": [
            {
                "vial_gbq": row.vial_gbq,
                "spheres": row.spheres,
                "window": None if row.window is None else asdict(row.window),
                "days": [_day(day) for day in row.days],
            }
            for row in table.rows
        ],
    }


def _moment(one: VialDay | TreatmentMoment) -> str | None:
    return None if one.moment is None else one.moment.isoformat()


def _day(day: VialDay) -> dict[str, Any]:
    return {
        "day": day.day,
        "hours": day.hours,
        "moment": _moment(day),
        "activity_gbq": day.activity_gbq,
        "given_gbq": day.given_gbq,
        "spheres": day.spheres,
        "activity_per_sphere_bq": day.activity_per_sphere_bq,
        "in_window": day.in_window,
        "reason": day.reason or None,
        "aims_come_to": [None if amount is None else amount.value for amount in day.doses],
    }


def _plan_rows(plan: SessionPlan) -> Iterator[dict[str, Any]]:
    """Rows of plan.csv: each model's answer, its aims, and its quantities."""
    plan_gbq = plan.answer.activity_gbq
    for model in plan.models:
        own = {"model": model.model.value, "status": model.status.value}
        yield {
            **own,
            "kind": "answer",
            "quantity": "activity",
            "region": "",
            "unit": "GBq",
            "activity_gbq": model.activity_gbq,
            "at_answer": model.activity_gbq,
            "at_plan": plan_gbq,
            "origin": "" if model.binding is None else model.binding.origin,
        }
        for kind, results in (("target", model.targets), ("limit", model.limits)):
            for result in results:
                at_plan = None
                if plan_gbq is not None:
                    at_plan = model.at(result.aim.quantity, plan_gbq, region=result.aim.region)
                yield {
                    **own,
                    "kind": kind,
                    "quantity": result.aim.quantity.value,
                    "region": result.aim.region,
                    "unit": result.aim.quantity.unit,
                    "aim": result.aim.value,
                    "activity_gbq": result.activity_gbq,
                    "at_answer": None if result.reached is None else result.reached.value,
                    "at_plan": None if at_plan is None else at_plan.value,
                    "margin_fraction": result.margin_fraction,
                    "is_met": None if result.is_met is None else int(result.is_met),
                    "origin": result.aim.origin,
                }
        for line in model.lines:
            yield {
                **own,
                "kind": "quantity",
                "quantity": line.quantity.value,
                "region": line.region,
                "unit": line.quantity.unit,
                "at_answer": None if model.activity_gbq is None else line.at(model.activity_gbq).value,
                "at_plan": None if plan_gbq is None else line.at(plan_gbq).value,
            }


def _vial_rows(table: VialTable) -> Iterator[dict[str, Any]]:
    """Rows of vials.csv: each vial on each day, with what every aim comes to."""
    for row in table.rows:
        for day in row.days:
            yield {
                "vial_gbq": row.vial_gbq,
                "day": day.day,
                "hours": day.hours,
                "moment": _moment(day) or "",
                "activity_gbq": day.activity_gbq,
                "given_gbq": day.given_gbq,
                "in_window": int(day.in_window),
                "reason": day.reason,
                "spheres": day.spheres,
                "activity_per_sphere_bq": day.activity_per_sphere_bq,
                **{
                    _column(aim): None if amount is None else amount.value
                    for aim, amount in zip(table.aims, day.doses, strict=True)
                },
            }


def _column(aim: Aim) -> str:
    """Name of an aim's column: quantity, lesion, unit."""
    parts = [aim.quantity.value, *([aim.region] if aim.region else []), aim.quantity.unit.lower()]
    return "_".join(parts)
