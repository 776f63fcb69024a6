"""A plan end to end: from a case file to an activity, checked against the known activity of its image, and its files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner

from ytterby.cli.plan import register
from ytterby.errors import CalibrationError, ConfigurationError
from ytterby.planning.plan import PlanStatus
from ytterby.planning.targets import PlanQuantity
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.plan import run_plan_file
from ytterby.workflow.simulate import simulate_patient

K, DENSITY = 49.67, 1.03
SPACING = (5.0, 5.0, 4.0)
SHAPE = (40, 36, 30)
VOXEL_ML = 0.1
SHUNT, RESIDUAL = 0.05, 0.01
ARRIVED = (1 - SHUNT) * (1 - RESIDUAL)


def nifti(path: Path, array: np.ndarray) -> Path:
    image = nib.Nifti1Image(array, np.diag([*SPACING, 1.0]))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    nib.save(image, path)
    return path


def counts_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Counts, and labels: 1 right liver, 2 tumour in it, 3 left liver, 4 tumour in it."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:24, 6:30, 5:25] = 1
    labels[24:32, 6:30, 5:25] = 3
    labels[12:18, 10:16, 8:14] = 2
    labels[26:30, 18:22, 15:20] = 4
    counts = np.select([labels == 1, labels == 2, labels == 3, labels == 4], [2.0, 10.0, 1.0, 4.0], 0.0)
    return counts, labels


def write_case(
    folder: Path, plan: dict[str, Any] | None, sessions: list[dict[str, Any]] | None = None, **changes: Any
) -> Path:
    counts, labels = counts_and_labels()
    nifti(folder / "spect.nii.gz", counts.astype(np.float32))
    nifti(folder / "labels.nii.gz", labels)
    one = {
        "device": "glass",
        "administered_activity_gbq": 2.0,
        "administered_at": "2024-03-08T11:00:00+01:00",
        "residual_fraction": RESIDUAL,
        "lung_shunt_fraction": SHUNT,
    }
    case: dict[str, Any] = {
        "schema": 1,
        "patient_id": "K1",
        "time_zone": "Europe/Berlin",
        "image": {"path": "spect.nii.gz", "kind": "maa_spect", "unit": "counts"},
        "segments": {
            "path": "labels.nii.gz",
            "labels": {1: "right", 2: "T1", 3: "left", 4: "T2"},
            "roles": {"liver": ["right", "left"], "tumour": ["T1", "T2"]},
        },
        "sessions": sessions or [one],
        "options": {"energy_j_per_gbq": K, "tissue_density_g_ml": DENSITY, "lung_mass_kg": 1.0},
    }
    if plan is not None:
        case["plan"] = plan
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump({**case, **changes}))
    return path


def share(*labels_of: int) -> float:
    counts, labels = counts_and_labels()
    return float(counts[np.isin(labels, labels_of)].sum() / counts.sum())


def kg(*labels_of: int) -> float:
    return float(np.isin(counts_and_labels()[1], labels_of).sum()) * VOXEL_ML * DENSITY / 1000


def test_the_activity_is_that_of_the_known_counts(tmp_path: Path) -> None:
    plan = {"targets": {"tumour_gy": 205}, "limits": {"normal_liver_gy": 75, "lung_gy": 30}, "tolerance_fraction": 0.1}
    found = run_plan_file(write_case(tmp_path, plan), tmp_path / "out")
    # By a formula of this test's own, from the voxels: K A (1 - F)(1 - R) f / m.
    expected_gbq = 205 * kg(2, 4) / (K * ARRIVED * share(2, 4))
    assert found.answer.activity_gbq == pytest.approx(expected_gbq, rel=1e-6)
    [normal, lung] = found.answer.limits
    assert normal.activity_gbq == pytest.approx(75 * kg(1, 3) / (K * ARRIVED * share(1, 3)), rel=1e-6)
    assert lung.activity_gbq == pytest.approx(30 / (K * SHUNT * (1 - RESIDUAL)), rel=1e-9)
    assert found.stated_activity_gbq == 2.0


def test_the_planned_activity_gives_the_planned_dose(tmp_path: Path) -> None:
    plan = {"targets": {"tumour_gy": 205}, "limits": {"lung_gy": 30}}
    path = write_case(tmp_path, plan)
    activity_gbq = run_plan_file(path, tmp_path / "out").answer.activity_gbq
    data = yaml.safe_load(path.read_text())
    data["sessions"][0]["administered_activity_gbq"] = activity_gbq
    path.write_text(yaml.safe_dump(data))
    dose = run_case(load_case(path), tmp_path / "dosed")
    assert dose.tumour_mean_dose_gy == pytest.approx(205, rel=1e-9)


def test_the_other_session_counts_and_is_not_scaled(tmp_path: Path) -> None:
    case = simulate_patient(tmp_path / "patient", seed=3)
    data = yaml.safe_load(case.read_text())
    del data["sessions"][1]["administered_activity_gbq"], data["sessions"][1]["administered_at"]
    data["plan"] = {
        "session": "S2",
        "limits": {"normal_liver_gy": 120, "lung_cumulative_gy": 50},
        "targets": {"tumour_gy": 120},
        "prior_lung_gy": 5,
    }
    case.write_text(yaml.safe_dump(data))
    found = run_plan_file(case, tmp_path / "out")
    first, second = data["sessions"]
    assert found.sessions_beside == ("S1",)
    # Lungs: what session 1 gives by its own shunt, and what was there before.
    given = K * first["administered_activity_gbq"] * (1 - first["residual_fraction"]) * first["lung_shunt_fraction"]
    assert found.session.given_lung_gy == pytest.approx(given + 5, rel=1e-9)
    # Dosed with the planned activity, the case has the doses that the plan says, of both sessions together.
    data["sessions"][1] |= {
        "administered_activity_gbq": found.answer.activity_gbq,
        "administered_at": "2016-05-31T11:45+02:00",
    }
    case.write_text(yaml.safe_dump(data))
    dose = run_case(load_case(case), tmp_path / "dosed")
    normal = next(one for one in found.answer.limits if one.aim.quantity is PlanQuantity.NORMAL_LIVER)
    assert dose.of("normal_liver").mean_dose_gy == pytest.approx(normal.reached.value, rel=1e-6)
    own = sum(dose.of(one.name).mean_dose_gy * one.mass_kg for one in found.session.tumours)
    assert own / sum(one.mass_kg for one in found.session.tumours) == pytest.approx(
        found.answer.at(PlanQuantity.TUMOUR, found.answer.activity_gbq).value, rel=1e-6
    )
    # Territory by territory: the perfused normal liver of the planned session alone.
    assert found.session.perfused_normal.volume_ml < dose.of("perfused_normal").volume_ml
    assert set(found.untreated) | {one.name for one in found.session.tumours} == {
        row.segment for row in dose.doses if row.role.value == "tumour"
    }
    assert second["residual_fraction"] == found.session.residual_fraction


def test_a_measured_session_beside_it_counts(tmp_path: Path) -> None:
    counts, labels = counts_and_labels()
    labels[2:6, 6:30, 5:25] = 5
    bq_ml = np.where(labels == 5, 4e4, 1e5 * counts)
    nifti(tmp_path / "pet.nii.gz", bq_ml.astype(np.float32))
    first = {
        "session_id": "1",
        "device": "glass",
        "administered_activity_gbq": 2.0,
        "administered_at": "2024-02-01T11:00:00+01:00",
        "residual_fraction": RESIDUAL,
        "lung_shunt_fraction": SHUNT,
        "image": {
            "path": "pet.nii.gz",
            "kind": "y90_pet",
            "unit": "bq_ml",
            "reference_time": "2024-02-01T11:00:00+01:00",
        },
    }
    second = {"session_id": "2", "device": "glass", "residual_fraction": RESIDUAL, "lung_shunt_fraction": SHUNT}
    plan = {"session": "2", "targets": {"tumour_gy": 500}, "limits": {"normal_liver_gy": 200, "lung_cumulative_gy": 50}}
    path = write_case(tmp_path, plan, [first, second])
    data = yaml.safe_load(path.read_text())
    # Without a segment of the lungs nobody knows what the measured session gave them.
    with pytest.raises(ConfigurationError, match="lung dose of the other sessions is not known"):
        run_plan_file(path, tmp_path / "out")
    nifti(tmp_path / "labels.nii.gz", labels)
    data["segments"]["labels"][5] = "lungs"
    data["segments"]["roles"]["lungs"] = ["lungs"]
    path.write_text(yaml.safe_dump(data))
    found = run_plan_file(path, tmp_path / "out")

    def given_gy(*own: int, mass_kg: float) -> float:
        return float(K * bq_ml[np.isin(labels, own)].sum() * VOXEL_ML * 1e-9 / mass_kg)

    normal = found.session.normal_liver
    assert normal is not None
    assert normal.given_gy == pytest.approx(given_gy(1, 3, mass_kg=kg(1, 3)), rel=1e-5)
    assert normal.dose_gy_per_gbq == pytest.approx(K * ARRIVED * share(1, 3) / kg(1, 3), rel=1e-5)
    assert found.session.given_lung_gy == pytest.approx(given_gy(5, mass_kg=1.0), rel=1e-4)
    # Tumour 2: what it was given is part of its target.
    second_tumour = found.session.tumours[1]
    assert second_tumour.given_gy == pytest.approx(given_gy(4, mass_kg=kg(4)), rel=1e-5)


def test_what_is_written(tmp_path: Path) -> None:
    plan = {
        "targets": {"tumour_gy": 205},
        "preset": ["glass-lungs", "nen-watanabe-2024"],
        "tolerance_fraction": 0.1,
        "calibrated_at": "2024-03-29T12:00",
        "treat_at": "10:30",
    }
    found = run_plan_file(write_case(tmp_path, plan), tmp_path / "out")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"plan.json", "plan.csv", "vials.csv", "plan.html", "run.json"}
    record = json.loads((out / "plan.json").read_text())
    assert record["research_use_only"] is True
    assert record["answer"]["activity_gbq"] == found.answer.activity_gbq
    assert record["models"][0]["model"] == "multicompartment"
    assert record["targets"] == [
        {"quantity": "tumour", "region": None, "value": 205.0, "unit": "Gy", "origin": "stated in the case"}
    ]
    assert record["guidelines"][1]["left_out"] == [{"row": "nen-wa-tumour", "reason": "the case states its own value"}]
    with (out / "plan.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    [answer] = [row for row in rows if row["model"] == "multicompartment" and row["kind"] == "answer"]
    assert float(answer["activity_gbq"]) == found.answer.activity_gbq
    with (out / "vials.csv").open(newline="") as stream:
        vials = list(csv.DictReader(stream))
    assert len(vials) == 6 * 13
    # The clocks go forward on 31 March: from day 2 on, half past ten is an hour less after calibration.
    hours = {int(row["day"]): float(row["hours"]) for row in vials}
    assert [hours[day] for day in (0, 1, 2, 3)] == [-1.5, 22.5, 45.5, 69.5]
    page = (out / "plan.html").read_text()
    assert "Research use only" in page
    run = json.loads((out / "run.json").read_text())
    assert "case.yaml" in run["inputs"]


def test_the_same_case_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_case(tmp_path, {"targets": {"tumour_gy": 205}, "limits": {"lung_gy": 30}, "tolerance_fraction": 0.1})
    for name in ("one", "two"):
        run_plan_file(path, tmp_path / name)
    for file in ("plan.json", "plan.csv", "vials.csv", "plan.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_holmium_has_no_vials_and_says_so(tmp_path: Path) -> None:
    session = {
        "device": "holmium",
        "residual_fraction": 0.0,
        "lung_shunt_fraction": 0.01,
    }
    plan = {"targets": {"perfused_gy": 60}, "limits": {"lung_gy": 30}}
    options = {"energy_j_per_gbq": 15.8, "tissue_density_g_ml": DENSITY, "lung_mass_kg": 1.0}
    path = write_case(
        tmp_path,
        plan,
        [session],
        options=options,
    )
    found = run_plan_file(path, tmp_path / "out")
    assert found.vials is None
    assert "no_vials" in {notice.code for notice in found.notices}
    assert not (tmp_path / "out" / "vials.csv").exists()
    data = yaml.safe_load(path.read_text())
    data["plan"]["shelf_life_hours"] = 72
    path.write_text(yaml.safe_dump(data))
    again = run_plan_file(path, tmp_path / "again")
    assert again.vials is not None
    assert again.vials.rows == ()
    assert len(again.vials.orders_gbq) == 4
    assert "made to order" in (tmp_path / "again" / "plan.html").read_text()


def test_a_tumour_target_without_tumours_has_no_answer(tmp_path: Path) -> None:
    path = write_case(tmp_path, {"targets": {"tumour_gy": 205}, "limits": {"normal_liver_gy": 75}})
    data = yaml.safe_load(path.read_text())
    del data["segments"]["roles"]["tumour"]
    path.write_text(yaml.safe_dump(data))
    found = run_plan_file(path, tmp_path / "out")
    assert found.answer.status is PlanStatus.NO_ANSWER
    assert "no_tumour" in {notice.code for notice in found.notices}


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (None, "asks for no plan"),
        ({"limits": {"lung_gy": 30}, "session": "9"}, "no session '9'"),
        ({"preset": "nothing"}, "no preset 'nothing'"),
        ({"preset": "eanm-2022-glass-hcc-bilobar"}, "hold under a condition"),
        ({"preset": "eanm-2022-resin-segmentectomy"}, "one for resin"),
        ({"targets": {"lesions": {"T9": 205}}}, "no lesion 'T9'"),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path: Path, plan: dict[str, Any] | None, message: str) -> None:
    path = write_case(tmp_path, plan)
    with pytest.raises(ConfigurationError, match=message):
        run_plan_file(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_treat_at_needs_a_time_zone(tmp_path: Path) -> None:
    plan = {"limits": {"lung_gy": 30}, "calibrated_at": "2024-03-29T12:00Z", "treat_at": "10:30"}
    path = write_case(tmp_path, plan)
    data = yaml.safe_load(path.read_text())
    del data["time_zone"]
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigurationError, match="of which time zone"):
        run_plan_file(path, tmp_path / "out")


def test_an_image_in_bq_ml_cannot_be_planned_on(tmp_path: Path) -> None:
    image = {
        "path": "spect.nii.gz",
        "kind": "y90_spect",
        "unit": "bq_ml",
        "reference_time": "2024-03-08T11:00:00+01:00",
    }
    path = write_case(tmp_path, {"limits": {"lung_gy": 30}}, image=image)
    with pytest.raises(CalibrationError, match="measures an activity that was given"):
        run_plan_file(path, tmp_path / "out")


def test_the_plans_of_the_page_are_plans(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "plan.md").read_text(encoding="utf-8")
    first, second = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    path = write_case(tmp_path, None)
    case = path.read_text()
    path.write_text(case + first)
    found = run_plan_file(path, tmp_path / "first")
    assert found.answer.activity_gbq is not None
    assert found.vials is not None
    path.write_text(case + second)
    again = run_plan_file(path, tmp_path / "second")
    assert {aim.origin for aim in again.aims.limits} >= {"stated in the case", "glass-lungs, row gl-lung"}


@pytest.mark.external
def test_the_real_patient_gets_what_was_planned(tmp_path: Path, external_data: Path) -> None:
    folder = external_data / "maa_spect_patient2"
    case: dict[str, Any] = {
        "schema": 1,
        "patient_id": "P2",
        "image": {"path": str(folder / "patient_2_SPECT.nrrd"), "kind": "maa_spect", "unit": "counts"},
        "segments": {
            "path": str(folder / "patient_2_Segmentation.seg.nrrd"),
            "roles": {"liver": ["liver"], "tumour": ["Tumor 1", "Tumor 2"], "perfused": ["perfused volume"]},
        },
        "sessions": [
            {
                "device": "glass",
                "residual_fraction": 0,
                "lung_shunt_fraction": 0.029,
                "perfused": "perfused volume",
            }
        ],
        "options": {"energy_j_per_gbq": K, "tissue_density_g_ml": DENSITY, "lung_mass_kg": 1.0},
        "plan": {
            "targets": {"tumour_gy": 205},
            "limits": {"perfused_normal_gy": 120, "normal_liver_gy": 75, "lung_gy": 30},
            "tolerance_fraction": 0.1,
        },
    }
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(case))
    found = run_plan_file(path, tmp_path / "out")
    assert found.answer.activity_gbq is not None
    case["sessions"][0] |= {
        "administered_activity_gbq": found.answer.activity_gbq,
        "administered_at": "2024-03-08T11:00:00+01:00",
    }
    path.write_text(yaml.safe_dump(case))
    dose = run_case(load_case(path), tmp_path / "dosed")
    for result in (*found.answer.targets, *found.answer.limits):
        assert result.reached is not None
    assert dose.tumour_mean_dose_gy == pytest.approx(found.answer.targets[0].reached.value, rel=1e-9)
    assert dose.of("perfused_normal").mean_dose_gy == pytest.approx(found.answer.limits[0].reached.value, rel=1e-9)
    assert dose.of("normal_liver").mean_dose_gy == pytest.approx(found.answer.limits[1].reached.value, rel=1e-9)


def command() -> typer.Typer:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)  # with one command alone, typer would not know its name
    return app


def test_the_command(tmp_path: Path) -> None:
    path = write_case(tmp_path, {"targets": {"tumour_gy": 205}, "limits": {"lung_gy": 0.5}})
    runner = CliRunner()
    told = runner.invoke(command(), ["plan", str(path), "--out", str(tmp_path / "out")])
    assert told.exit_code == 0
    assert "Conflict" in told.stdout
    assert "Research use only" in told.stdout
    alone = runner.invoke(command(), ["plan", str(path), "--json"])
    assert alone.exit_code == 0
    assert alone.stdout == (tmp_path / "out" / "plan.json").read_text()
    as_json = runner.invoke(command(), ["plan", str(path), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(as_json.stdout)["answer"]["status"] == "conflict"
    listed = runner.invoke(command(), ["plan", "--list-presets"])
    assert "dosisphere-01-personalised" in listed.stdout
    assert "disagreement (hepatic-reserve)" in listed.stdout
    presets = json.loads(runner.invoke(command(), ["plan", "--list-presets", "--json"]).stdout)
    assert len(presets["guidelines"]) >= 19
    assert isinstance(runner.invoke(command(), ["plan"]).exception, ConfigurationError)
