"""The plan once more by hand: plain formulas with the numbers put in, for a pocket calculator.

Each result is worked out from the plain formula, not taken from the plan; the plan's own number stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ytterby.dosimetry.compartment import mass_kg
from ytterby.model.dose import Engine
from ytterby.planning.models import PlannedSession, RegionDosePerGbq, joined
from ytterby.planning.plan import AimResult, ModelPlan
from ytterby.planning.sessionplan import SessionPlan
from ytterby.planning.targets import PlanQuantity

__all__ = ["HandCheck", "HandStep", "hand_checks"]


@dataclass(frozen=True)
class HandStep:
    """One line of the check: what, the expression with numbers, its result, and what the program has (empty: nothing)."""

    text: str
    expression: str
    result: str
    unit: str
    program: str = ""


@dataclass(frozen=True)
class HandCheck:
    """A section of the check: its formula and its steps."""

    title: str
    formula: str
    steps: tuple[HandStep, ...]
    note: str = ""


def hand_checks(plan: SessionPlan) -> tuple[HandCheck, ...]:
    """The plan by plain formulas: single compartment, compartments by counts, lungs, decay of the vial."""
    checks = [_single(plan), *_compartments(plan), *_lungs(plan), *_decay(plan)]
    return tuple(check for check in checks if check.steps)


def _number(value: float) -> str:
    """Six significant digits, written out."""
    if value == 0.0:
        return "0"
    decimals = max(0, 5 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _energy(plan: SessionPlan) -> tuple[str, float]:
    """K (1 - F)(1 - R) with its numbers, and its value: the energy that reaches the liver per GBq administered."""
    session = plan.session
    text = (
        f"{_number(session.energy_j_per_gbq)} × (1 − {_number(session.lung_shunt_fraction)}) "
        f"× (1 − {_number(session.residual_fraction)})"
    )
    return text, session.energy_j_per_gbq * session.arrived_fraction


def _single(plan: SessionPlan) -> HandCheck:
    region = plan.session.perfused
    energy_text, energy = _energy(plan)
    density = plan.options.tissue_density_g_ml
    mass = mass_kg(region.volume_ml, density_g_ml=density)
    per_gbq = energy / mass
    steps = [
        HandStep(
            f"Mass of the perfused volume ({region.name})",
            f"{_number(region.volume_ml)} × {_number(density)} / 1000",
            _number(mass),
            "kg",
            _number(region.mass_kg),
        ),
        HandStep(
            "Dose per GBq",
            f"{energy_text} / {_number(mass)}",
            _number(per_gbq),
            "Gy/GBq",
            _number(region.dose_gy_per_gbq),
        ),
    ]
    steps += _aims(plan, PlanQuantity.PERFUSED, given_gy=region.given_gy, gy_per_gbq=per_gbq)
    return HandCheck(
        "Single compartment (MIRD)",
        "M = V ρ;  D = K A (1 − F)(1 − R) / M;  A = D M / (K (1 − F)(1 − R))",
        tuple(steps),
        _given_note(region),
    )


def _compartments(plan: SessionPlan) -> Iterator[HandCheck]:
    session = plan.session
    tumours = joined(session.tumours, "all treated tumours")
    parts: list[tuple[PlanQuantity, RegionDosePerGbq, str]] = []
    if tumours is not None:
        parts.append((PlanQuantity.TUMOUR, tumours, ""))
    wanted = {aim.region for aim in plan.aims.targets if aim.quantity is PlanQuantity.LESION}
    parts += [(PlanQuantity.LESION, one, one.name) for one in session.tumours if one.name in wanted]
    if session.perfused_normal is not None:
        parts.append((PlanQuantity.PERFUSED_NORMAL, session.perfused_normal, ""))
    if session.normal_liver is not None:
        parts.append((PlanQuantity.NORMAL_LIVER, session.normal_liver, ""))
    energy_text, energy = _energy(plan)
    for quantity, region, name in parts:
        share = region.arrived_fraction / session.arrived_fraction
        per_gbq = energy * share / region.mass_kg
        steps = [
            HandStep(
                "Dose per GBq",
                f"{energy_text} × {_number(share)} / {_number(region.mass_kg)}",
                _number(per_gbq),
                "Gy/GBq",
                _number(region.dose_gy_per_gbq),
            ),
            *_aims(plan, quantity, given_gy=region.given_gy, gy_per_gbq=per_gbq, region=name),
        ]
        notes = [_given_note(region)]
        if plan.options.engine is not Engine.LOCAL_DEPOSITION:
            notes.append(
                "The plan's doses are by kernel, which carries energy across borders; this formula is local deposition."
            )
        yield HandCheck(
            f"Compartment by counts: {region.name}",
            "D = K A (1 − F)(1 − R) f / m, f the share of the liver's activity "
            f"({_number(share)}), m the mass ({_number(region.mass_kg)} kg)",
            tuple(steps),
            " ".join(note for note in notes if note),
        )


def _given_note(region: RegionDosePerGbq) -> str:
    return f"Other sessions give {_number(region.given_gy)} Gy, which counts." if region.given_gy > 0 else ""


def _aims(
    plan: SessionPlan, quantity: PlanQuantity, *, given_gy: float, gy_per_gbq: float, region: str = ""
) -> Iterator[HandStep]:
    """Activity for each target and limit on a quantity, and the quantity at the plan's activity."""
    answer = plan.answer
    given = f" − {_number(given_gy)}" if given_gy > 0 else ""
    for kind, result in _results(answer):
        if result.aim.quantity is not quantity or result.aim.region != region or gy_per_gbq <= 0.0:
            continue
        activity_gbq = (result.aim.value - given_gy) / gy_per_gbq
        top = f"({_number(result.aim.value)}{given})" if given else _number(result.aim.value)
        word = "reaches the target" if kind == "target" else "comes to the limit"
        yield HandStep(
            f"Activity that {word} of {_number(result.aim.value)} Gy",
            f"{top} / {_number(gy_per_gbq)}",
            _number(activity_gbq),
            "GBq",
            "" if result.activity_gbq is None else _number(result.activity_gbq),
        )
    if answer.activity_gbq:
        dose_gy = given_gy + gy_per_gbq * answer.activity_gbq
        own = answer.at(quantity, answer.activity_gbq, region=region)
        plus = f"{_number(given_gy)} + " if given_gy > 0 else ""
        yield HandStep(
            "Dose at the plan's activity",
            f"{plus}{_number(gy_per_gbq)} × {_number(answer.activity_gbq)}",
            _number(dose_gy),
            "Gy",
            "" if own is None else _number(own.value),
        )


def _results(model: ModelPlan) -> Iterator[tuple[str, AimResult]]:
    yield from (("target", result) for result in model.targets)
    yield from (("limit", result) for result in model.limits)


def _lungs(plan: SessionPlan) -> Iterator[HandCheck]:
    session = plan.session
    if session.lung_shunt_fraction <= 0.0:
        return
    if session.lung_mass_kg is not None:
        yield _lung_dose(plan, session, session.lung_mass_kg)
    caps = [result for _, result in _results(plan.answer) if result.aim.quantity is PlanQuantity.LUNG_ACTIVITY]
    share_text = f"{_number(session.lung_shunt_fraction)} × (1 − {_number(session.residual_fraction)})"
    share = session.lung_activity_fraction
    yield HandCheck(
        "Activity to the lungs",
        "A_lung = A F (1 − R)",
        tuple(
            HandStep(
                f"Activity that comes to the limit of {_number(result.aim.value)} GBq",
                f"{_number(result.aim.value)} / ({share_text})",
                _number(result.aim.value / share),
                "GBq",
                "" if result.activity_gbq is None else _number(result.activity_gbq),
            )
            for result in caps
        ),
    )


def _lung_dose(plan: SessionPlan, session: PlannedSession, lung_mass_kg: float) -> HandCheck:
    per_gbq = session.energy_j_per_gbq * session.lung_shunt_fraction * (1.0 - session.residual_fraction) / lung_mass_kg
    expression = (
        f"{_number(session.energy_j_per_gbq)} × {_number(session.lung_shunt_fraction)} "
        f"× (1 − {_number(session.residual_fraction)}) / {_number(lung_mass_kg)}"
    )
    given_gy = session.given_lung_gy or 0.0
    return HandCheck(
        "Lungs",
        "D = K A F (1 − R) / m",
        (
            HandStep(
                "Dose per GBq",
                expression,
                _number(per_gbq),
                "Gy/GBq",
                _number(session.lung_gy_per_gbq or 0.0),
            ),
            *_aims(plan, PlanQuantity.LUNG, given_gy=0.0, gy_per_gbq=per_gbq),
            *(
                step
                for step in _aims(plan, PlanQuantity.LUNG_CUMULATIVE, given_gy=given_gy, gy_per_gbq=per_gbq)
                if given_gy > 0 or "limit" in step.text
            ),
        ),
        f"Lungs have had {_number(given_gy)} Gy by other sessions and before." if given_gy > 0 else "",
    )


def _decay(plan: SessionPlan) -> Iterator[HandCheck]:
    """Decay of the first vial that fits."""
    if plan.vials is None:
        return
    for row in plan.vials.rows:
        for day in row.days:
            if day.in_window:
                half_life = plan.vials.spheres.nuclide.half_life_hours
                held = row.vial_gbq * 2.0 ** (-day.hours / half_life)
                step = HandStep(
                    f"The vial of {row.vial_gbq:g} GBq on day {day.day}, after {_number(day.hours)} h",
                    f"{_number(row.vial_gbq)} × 2^(−{_number(day.hours)} / {_number(half_life)})",
                    _number(held),
                    "GBq",
                    _number(day.activity_gbq),
                )
                yield HandCheck("Decay of the vial", "A = V 2^(−t / T)", (step,))
                return
