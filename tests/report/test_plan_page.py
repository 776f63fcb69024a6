"""The page of a plan: the hand check holds when it is done again, names stay text, the page needs nothing beside it."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from ytterby.files.guidelinetable import read_guidelines
from ytterby.model.dose import DoseOptions, Engine, Notice
from ytterby.model.segment import Role
from ytterby.model.treatment import Device
from ytterby.physics.devices import MICROSPHERES
from ytterby.planning.models import PlannedSession, RegionDosePerGbq
from ytterby.planning.sessionplan import SessionPlan, plan_aims, session_models
from ytterby.planning.targets import Aim, PlanQuantity
from ytterby.planning.vials import moments_after, vial_table
from ytterby.report.plan_figures import aims_figure
from ytterby.report.plan_page import plan_html, write_plan_page
from ytterby.report.plan_steps import hand_checks

Q = PlanQuantity
K, DENSITY, SHUNT, RESIDUAL = 49.67, 1.03, 0.0712345, 0.0123
ARRIVED = (1 - SHUNT) * (1 - RESIDUAL)
TARGETS = (Aim(Q.TUMOUR, 205), Aim(Q.LESION, 150, region="T<1>"), Aim(Q.PERFUSED, 90))
LIMITS = (
    Aim(Q.PERFUSED_NORMAL, 120),
    Aim(Q.NORMAL_LIVER, 75),
    Aim(Q.LUNG, 25),
    Aim(Q.LUNG_CUMULATIVE, 40),
    Aim(Q.LUNG_ACTIVITY, 0.61),
    Aim(Q.ACTIVITY, 12),
)


def region(name: str, role: Role, volume_ml: float, share: float, given_gy: float = 0.0) -> RegionDosePerGbq:
    mass_kg = volume_ml * DENSITY / 1000
    return RegionDosePerGbq(name, role, volume_ml, mass_kg, K * ARRIVED * share / mass_kg, ARRIVED * share, given_gy)


def made_plan(targets=TARGETS, limits=LIMITS, *, presets=(), conditions=None, tolerance=0.1, **changes) -> SessionPlan:
    session = PlannedSession(
        "1",
        Device.GLASS,
        (region("T<1>", Role.TUMOUR, 187.3, 0.31, 3.7), region("T2", Role.TUMOUR, 41.9, 0.06)),
        region("perfused & more", Role.PERFUSED, 1204.4, 1.0),
        region("perfused_normal", Role.PERFUSED_NORMAL, 975.2, 0.55),
        region("normal_liver", Role.NORMAL_LIVER, 1611.8, 0.63, 21.9),
        K,
        SHUNT,
        RESIDUAL,
        1.0,
        6.4,
        1841.0,
    )
    session = replace(session, **changes)
    aims = plan_aims(
        targets, limits, session=session, table=read_guidelines(None), presets=presets, conditions=conditions
    )
    models = session_models(session, aims)
    vials = None
    if models[0].activity_gbq:
        vials = vial_table(
            models[0],
            MICROSPHERES[Device.GLASS],
            vials_gbq=(3, 5, 7, 10, 15, 20),
            moments=moments_after(288, calibrated_at=None),
            tolerance_fraction=tolerance,
            latest_hours=288,
        )
    return SessionPlan(
        "P <script>",
        session,
        DoseOptions(K, DENSITY, 1.0),
        aims,
        models,
        ("perfused & more",),
        vials=vials,
        stated_activity_gbq=3.3,
        notices=(Notice("code", "<b>a notice</b>"),),
    )


def page(plan: SessionPlan, *, simulated: bool = False) -> str:
    return plan_html(plan, simulated=simulated, software="ytterby 0")


def evaluated(expression: str) -> float:
    """The value of an expression as it is printed."""
    text = expression.replace("×", "*").replace("−", "-").replace("^", "**")
    assert re.fullmatch(r"[0-9.+\-*/() ]+", text)
    return float(eval(text))


def test_the_hand_check_on_the_page_holds() -> None:
    cells = (r'<td class="text">([^<]*)</td>', r'<td class="formula">([^<]*)</td>')
    results = (r'<td class="main whole">([0-9.]+) [^<]*</td>', r"<td>([^<]*)</td>")
    rows = re.findall("".join((*cells, *results)), page(made_plan()))
    assert len(rows) >= 20
    for text, expression, result, program in rows:
        # Six digits in, so five have to come out.
        assert evaluated(html.unescape(expression)) == pytest.approx(float(result), rel=2e-5), text
        if program != "–":
            assert float(program) == pytest.approx(float(result), rel=2e-5), text


def test_the_hand_check_has_single_compartment_and_compartments_by_counts() -> None:
    checks = {check.title: check for check in hand_checks(made_plan())}
    assert list(checks) == [
        "Single compartment (MIRD)",
        "Compartment by counts: all treated tumours",
        "Compartment by counts: T<1>",
        "Compartment by counts: perfused_normal",
        "Compartment by counts: normal_liver",
        "Lungs",
        "Activity to the lungs",
        "Decay of the vial",
    ]
    single = checks["Single compartment (MIRD)"]
    # By hand: 90 Gy x 1.240532 kg / (49.67 x 0.9287655 x 0.9877).
    [needed] = [step for step in single.steps if "target" in step.text]
    assert float(needed.result) == pytest.approx(90 * 1.2044 * 1.03 / (49.67 * 0.9287655 * 0.9877), rel=1e-5)
    assert "Other sessions give 21.9 Gy" in checks["Compartment by counts: normal_liver"].note
    # A target of several sessions is less what others gave.
    [limit] = [step for step in checks["Compartment by counts: normal_liver"].steps if "limit" in step.text]
    assert limit.expression.startswith("(75 − 21.9) / ")


def test_a_wrong_program_would_be_seen() -> None:
    plan = made_plan()
    wrong = replace(plan.session.perfused_normal, dose_gy_per_gbq=1.2 * plan.session.perfused_normal.dose_gy_per_gbq)
    steps = {
        check.title: check.steps
        for check in hand_checks(replace(plan, session=replace(plan.session, perfused_normal=wrong)))
    }
    first = steps["Compartment by counts: perfused_normal"][0]
    assert float(first.program) == pytest.approx(1.2 * float(first.result), rel=1e-4)


def test_by_kernel_the_difference_is_explained() -> None:
    plan = made_plan()
    kernel = replace(plan, options=replace(plan.options, engine=Engine.KERNEL))
    notes = [check.note for check in hand_checks(kernel) if check.title.startswith("Compartment")]
    assert all("kernel" in note for note in notes)


def test_names_are_text_and_nothing_is_loaded() -> None:
    text = page(made_plan(), simulated=True)
    assert "<script" not in text
    assert "P &lt;script&gt;" in text
    assert "&lt;b&gt;a notice&lt;/b&gt;" in text
    assert "T&lt;1&gt;" in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "Research use only" in text
    assert "Simulated data" in text
    assert "Simulated data" not in page(made_plan())
    assert "nan" not in re.sub(r"data:image[^\"]*", "", text).lower()


def test_the_binding_aim_and_a_conflict_are_shown() -> None:
    calm = page(made_plan())
    assert "target: tumours, 205.0\u00a0Gy" in calm
    assert "<td>at least 205.0\u00a0Gy</td>" in calm
    tight = page(made_plan(limits=(Aim(Q.LUNG, 5),)))
    assert "Conflict: the target of" in tight
    assert "limit: lungs, this session, 5.0\u00a0Gy" in tight
    assert 'class="card trouble"' in tight


def test_the_disagreements_of_the_preset_are_shown() -> None:
    text = page(
        made_plan((), LIMITS[2:], presets=("salem-2022-multicompartment",), conditions=("sa-mcd-perfused-normal",))
    )
    assert "hepatic-reserve" in text
    assert "salem-2022-multicompartment, row sa-mcd-tumour" in text
    assert "not used: its condition was not said to hold" in text
    assert "(not looked up)" in text
    assert "hepatic-reserve" not in page(made_plan())


def test_a_plan_without_an_answer_has_a_page() -> None:
    plan = made_plan((Aim(Q.TUMOUR, 205),), (), tumours=())
    text = page(plan)
    assert "no answer by this model" in text
    assert "Vials and days" not in text
    assert aims_figure(plan.answer) is None
    spent = page(made_plan((Aim(Q.TUMOUR, 205),), (Aim(Q.LUNG_CUMULATIVE, 6),)))
    assert "nothing more may be given" in spent


def test_the_page_is_the_same_each_time(tmp_path) -> None:
    for name in ("one", "two"):
        write_plan_page(tmp_path / name, plan=made_plan(), simulated=True, software="ytterby 0")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_vials_are_coloured_by_what_they_do() -> None:
    text = page(made_plan())
    plan = made_plan()
    assert plan.vials is not None
    fitting = sum(day.in_window for row in plan.vials.rows for day in row.days)
    assert fitting >= 1
    assert text.count('<td class="fits"') == fitting
    assert "8.00 million" in text
