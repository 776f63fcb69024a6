"""The command as a user meets it: exit codes, messages without tracebacks, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def ytterby(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ytterby", *map(str, words)], capture_output=True, text=True, check=False, timeout=300
    )


def test_version_and_help() -> None:
    assert ytterby("--version").stdout.startswith("ytterby 0.")
    shown = ytterby("--help").stdout
    for command in (
        "demo",
        "inspect",
        "case",
        "plan",
        "verify",
        "listen",
        "find",
        "fetch",
        "send",
        "study",
        "analyse",
        "calc",
        "virtual",
        "tables",
        "deidentify",
    ):
        assert command in shown


def test_wrong_input_is_exit_code_2_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text("schema: 1\npatient_id: P1\n")
    done = ytterby("case", "run", tmp_path / "case.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "case.yaml" in done.stderr
    assert "What to do" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = ytterby("case", "run", tmp_path / "absent.yaml", "--out", tmp_path / "out", "--debug")
    assert "Traceback" in done.stderr


def test_an_unknown_command_is_exit_code_2() -> None:
    assert ytterby("dance").returncode == 2


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("virtual") / "patient"
    done = ytterby("virtual", "patient", "--out", folder, "--seed", "2")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_case_by_the_command_line(patient: Path, tmp_path: Path) -> None:
    done = ytterby("case", "run", patient / "CASE.yaml", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"CASE.yaml", "spect.dcm", "segments.dcm"} <= set(record["inputs"])
    assert any(name.startswith("CT/") for name in record["inputs"])
    as_json = ytterby("case", "run", patient / "CASE.yaml", "--out", tmp_path / "out", "--json")
    record = json.loads(as_json.stdout)
    assert record == json.loads((tmp_path / "out" / "case.json").read_text())


def test_a_corrupt_image_names_the_file(patient: Path, tmp_path: Path) -> None:
    (tmp_path / "spect.dcm").write_bytes((patient / "spect.dcm").read_bytes()[:3000])
    case = yaml.safe_load((patient / "CASE.yaml").read_text())
    case["ct"] = {"path": str(patient / "CT")}
    case["segments"]["path"] = str(patient / "segments.dcm")
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(case))
    done = ytterby("case", "run", tmp_path / "case.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "spect.dcm" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_study_with_a_failed_patient_is_exit_code_1(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert ytterby("virtual", "cohort", "--out", study, "--patients", "3", "--seed", "4").returncode == 0
    victim = sorted((study / "imaging").iterdir())[0].name
    (study / "imaging" / victim / "spect.dcm").write_bytes(b"not DICOM")
    done = ytterby("study", "run", study, "--out", tmp_path / "out", "--json")
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert summary["patients"] == 2
    assert [failed["patient_id"] for failed in summary["failed"]] == [victim]
    assert f"failed: patient {victim}" in done.stderr
    assert Path(summary["report"]).is_file()


def test_a_demo_says_where_its_report_is_and_how_near_the_truth(tmp_path: Path) -> None:
    done = ytterby("demo", "--out", tmp_path / "demo", "--patients", "3", "--seed", "4")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "demo" / "results" / "report" / "index.html") in done.stdout
    assert "measured against known truth" in done.stdout
    assert "Simulated data" in done.stdout
    assert "patients: 3/3" in done.stderr


@pytest.mark.parametrize("name", ["devices", "guidelines", "effects"])
def test_a_shipped_table_can_be_copied_and_read_again(name: str, tmp_path: Path) -> None:
    from ytterby.files.devicetable import read_devices
    from ytterby.files.effecttable import read_effects
    from ytterby.files.guidelinetable import read_guidelines

    shown = ytterby("tables", name)
    assert shown.returncode == 0, shown.stderr
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(shown.stdout, encoding="utf-8")
    read = {"devices": read_devices, "guidelines": read_guidelines, "effects": read_effects}[name]
    assert read(copy) == read(None)
