"""What a case may ask for beside the doses: engines, corrections, uncertainty, lungs, effects; from files to files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ytterby.errors import ConfigurationError, DomainError, FileFormatError, InconsistentStudy
from ytterby.files.resultfolder import read_case_result
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.simulate import simulate_patient

UNCERTAINTY = {
    "fwhm_mm": 12,
    "fwhm_uncertainty_mm": 1,
    "activity_fraction": 0.05,
    "calibration_fraction": 0.05,
    "lung_shunt_sd_fraction": 0.01,
    "residual_sd_fraction": 0.005,
    "boundary_mm": 1.5,
    "registration_mm": 3,
    "noise_fraction": 0.1,
    "draws": 300,
    "seed": 7,
}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_patient(tmp_path_factory.mktemp("patient") / "P", seed=1)


def changed(patient: Path, name: str, **keys: Any) -> Path:
    """A case file beside the patient's, with other keys (None: taken out)."""
    case = {**yaml.safe_load(patient.read_text()), **keys}
    path = patient.with_name(name)
    path.write_text(yaml.safe_dump({key: value for key, value in case.items() if value is not None}))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_that_can_be_asked_for_is_written(patient: Path, tmp_path: Path) -> None:
    options = {**yaml.safe_load(patient.read_text())["options"], "lung_mass_kg": "from_ct"}
    case = changed(
        patient,
        "all.yaml",
        options={**options, "engine": ["local_deposition", "kernel"]},
        uncertainty=UNCERTAINTY,
        radiobiology={
            "tumour": {"alpha_beta_gy": 10, "repair_hours": 1.5, "alpha_per_gy": 0.002},
            "normal": {"alpha_beta_gy": 2.5, "repair_hours": 2.5},
        },
        effects={"relations": ["dewaraja_2020_dose", "strigari_2010_liver"]},
        lung_shunt={"method": "spect_ct"},
    )
    dose = run_case(load_case(case), tmp_path / "out")
    out = tmp_path / "out"
    record = json.loads((out / "case.json").read_text())

    engines = rows(out / "engines.csv")
    assert [row["engine"] for row in engines[:2]] == ["local_deposition", "kernel"]
    for row in engines:
        [reported] = [one for one in dose.doses if one.segment == row["segment"]]
        assert float(row["mean_ratio"]) == pytest.approx(float(row["mean_dose_gy"]) / reported.mean_dose_gy)
        assert row["engine"] == "local_deposition" or 0.85 < float(row["mean_ratio"]) < 1.02

    terms = rows(out / "uncertainty.csv")
    for kind, budgets in (("measured", dose.budgets), ("corrected", dose.corrected_budgets)):
        for budget in budgets:
            own = [row for row in terms if row["segment"] == budget.segment and row["dose"] == kind]
            summed = sum(
                float(row["standard_gy"]) ** 2 for row in own if not row["part_of"] and row["term"] != "combined"
            )
            [combined] = [float(row["standard_gy"]) for row in own if row["term"] == "combined"]
            assert combined == pytest.approx(summed**0.5)
            column = "mean_dose_uncertainty_gy" if kind == "measured" else "corrected_mean_dose_uncertainty_gy"
            [table_row] = [row for row in rows(out / "doses.csv") if row["segment"] == budget.segment]
            assert float(table_row[column]) == combined
    tumour = dose.of("L01")
    assert tumour.corrected_low_gy is not None
    assert tumour.corrected_low_gy < (tumour.corrected_mean_dose_gy or 0) < (tumour.corrected_high_gy or 0)
    assert tumour.eud_gy is not None
    assert tumour.eud_gy < tumour.mean_dose_gy < (tumour.bed_mean_gy or 0)
    assert dose.of("normal_liver").eud_gy is None

    assert record["options"]["lung_mass_kg"] == pytest.approx(dose.lungs[0].lung_mass_kg)
    assert 0.3 < dose.lungs[0].lung_mass_kg < 1.5
    assert record["measured_lung_shunt"]["lung_shunt_fraction"] >= 0
    assert {one["effect_id"] for one in record["effects"]} == {"dewaraja_2020_dose", "strigari_2010_liver"}
    assert all(one["caution"] for one in record["effects"])
    page = (out / "report.html").read_text()
    for heading in (
        "Partial volume",
        "Uncertainty budget",
        "Engines side by side",
        "Biological effect",
        "Published dose-effect relations",
        "Measured lung shunt",
    ):
        assert heading in page


def test_a_lung_shunt_that_is_measured_is_used_where_none_is_stated(patient: Path, tmp_path: Path) -> None:
    sessions = yaml.safe_load(patient.read_text())["sessions"]
    for session in sessions:
        del session["lung_shunt_fraction"]
    counts = dict(zip(("anterior_lung_counts", "posterior_lung_counts"), (20e3, 25e3), strict=True))
    counts |= {"anterior_liver_counts": 400e3, "posterior_liver_counts": 350e3}
    case = load_case(changed(patient, "planar.yaml", sessions=sessions, lung_shunt={"method": "planar", **counts}))
    assert case.sessions[0].lung_shunt_fraction == pytest.approx(0.056391, abs=1e-6)
    with pytest.raises(ConfigurationError, match=r"sessions\.0\.lung_shunt_fraction: is missing"):
        load_case(changed(patient, "none.yaml", sessions=sessions))


def test_a_table_of_recovery_coefficients_is_read_and_used(patient: Path, tmp_path: Path) -> None:
    table = patient.with_name("recovery.csv")
    table.write_text("diameter_mm,recovery_fraction\n37,0.68\n10,0.15\n60,0.8\n22,0.48\n")
    case = changed(patient, "table.yaml", partial_volume={"method": "table", "table": "recovery.csv"})
    loaded = load_case(case)
    assert loaded.accuracy.recovery is not None
    assert loaded.accuracy.recovery.diameter_mm == (10.0, 22.0, 37.0, 60.0)
    assert table in loaded.inputs
    dose = run_case(loaded, tmp_path / "out")
    assert dose.of("L01").recovery_coefficient == pytest.approx(0.76, abs=0.05)
    table.write_text("diameter_mm,recovery_fraction\n37,68\n10,0.15\n")
    with pytest.raises(InconsistentStudy, match=r"recovery\.csv, row 2, column recovery_fraction"):
        load_case(case)
    table.write_text("diameter_mm,recovery_fraction\n37,0.4\n10,0.5\n")
    with pytest.raises(DomainError, match="not fall with the diameter"):
        load_case(case)


def test_a_session_that_is_planned_cannot_be_dosed(patient: Path) -> None:
    sessions = yaml.safe_load(patient.read_text())["sessions"]
    del sessions[0]["administered_activity_gbq"]
    with pytest.raises(ConfigurationError, match=r"administered_activity_gbq: is missing"):
        load_case(changed(patient, "missing.yaml", sessions=sessions))
    planned = changed(patient, "planned.yaml", sessions=sessions, plan={"targets": {"tumour_gy": 205}})
    with pytest.raises(ConfigurationError, match=r"states no administered activity.*ytterby plan"):
        load_case(planned)


def test_the_same_case_gives_the_same_bytes_with_everything_on(patient: Path, tmp_path: Path) -> None:
    case = load_case(changed(patient, "twice.yaml", uncertainty=UNCERTAINTY))
    for name in ("one", "two"):
        run_case(case, tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_parameters_are_recorded_and_files_belong_together(patient: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_case(load_case(changed(patient, "stated.yaml", uncertainty=UNCERTAINTY)), out)
    record = json.loads((out / "case.json").read_text())
    assert record["parameters"]["partial_volume"] == {"method": "gaussian", "fwhm_mm": 12.0}
    assert {key: record["parameters"]["uncertainty"][key] for key in UNCERTAINTY} == UNCERTAINTY
    assert "FWHM 12 mm" in (out / "report.html").read_text()
    assert read_case_result(out).dose.patient_id == record["patient_id"]
    # A run that has no budgets leaves none of an earlier run's beside its doses.
    run_case(load_case(changed(patient, "plain.yaml", uncertainty=None, partial_volume=None)), out)
    assert not (out / "uncertainty.csv").exists()
    # Doses and map of two runs are refused.
    other = tmp_path / "other"
    sessions = yaml.safe_load(patient.read_text())["sessions"]
    sessions[0]["administered_activity_gbq"] *= 1.1
    run_case(load_case(changed(patient, "more.yaml", sessions=sessions, uncertainty=None)), other)
    (out / "dose.nii.gz").write_bytes((other / "dose.nii.gz").read_bytes())
    with pytest.raises(FileFormatError, match=r"out/dose\.nii\.gz: the file is not the one that was written"):
        read_case_result(out)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"uncertainty": {"fwhm_mm": 6}}, r"FWHM is 12 mm in partial_volume, 6 mm in uncertainty"),
        ({"uncertainty": {"fwhm_mm": 12, "activity_fraction": 5}}, r"uncertainty\.activity_fraction: lies outside"),
        ({"uncertainty": {"fwhm_mm": 12, "noise_fraction": 10}}, r"uncertainty\.noise_fraction: lies outside"),
        ({"uncertainty": {"fwhm_mm": 12, "registration_mm": 30}}, r"uncertainty\.registration_mm: lies outside"),
        ({"uncertainty": {"fwhm_mm": 1.2}, "partial_volume": None}, r"uncertainty\.fwhm_mm: lies outside"),
        (
            {"partial_volume": {"method": "gaussian", "fwhm_mm": 12, "table": "wrong.yaml"}},
            "uses one of fwhm_mm and table",
        ),
        ({"uncertainty": {"fwhm_mm": 12, "draws": 500}}, "draws and seed belong together"),
        ({"uncertainty": {"fwhm_mm": 12, "delineation_fwhm_mm": 3}}, "stated by half"),
        (
            {"uncertainty": {"fwhm_mm": 12, "boundary_mm": 1, "delineation_fwhm_mm": 3, "delineation_voxel_mm": 1}},
            "stated twice",
        ),
        ({"effects": {"relations": ["nobody_2000"]}}, "there is no dose-effect relation 'nobody_2000'"),
        ({"effects": {"relations": []}}, "is an empty list"),
    ],
)
def test_what_cannot_be_used_is_named(patient: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_case(changed(patient, "wrong.yaml", **keys))
