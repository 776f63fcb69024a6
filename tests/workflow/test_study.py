"""A study end to end on a small simulated cohort: workers, failures of single patients, wrong tables, the truth."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ytterby.errors import ConfigurationError, InconsistentStudy
from ytterby.workflow.simulate import simulate_study
from ytterby.workflow.study import check_study, run_study

PATIENTS = 5


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_study(tmp_path_factory.mktemp("study") / "study", patients=PATIENTS, seed=5, workers=2)


@pytest.fixture(scope="module")
def finished(simulated: Path) -> Path:
    out = simulated.parent / "results"
    assert run_study(simulated, out, workers=2).finished == PATIENTS
    return out


@pytest.fixture
def study(simulated: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(simulated, tmp_path / "study"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def edit(path: Path, change: Callable[[list[dict[str, str]]], None], *, drop: str = "") -> None:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    names = [name for name in rows[0] if name != drop]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def first_included(study: Path) -> str:
    with (study / "patients.csv").open(newline="") as stream:
        return next(row["patient_id"] for row in csv.DictReader(stream) if not row["exclusion_reason"])


def test_one_worker_and_two_write_the_same_bytes(simulated: Path, finished: Path, tmp_path: Path) -> None:
    run_study(simulated, tmp_path / "one", workers=1)
    one, two = files(tmp_path / "one"), files(finished)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    suffixes = {Path(name).suffix for name in one}
    assert {".svg", ".png", ".pdf", ".dcm", ".gz", ".json", ".csv", ".html"} <= suffixes


def test_everything_says_simulated(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert results["simulated"] is True
    assert results["flow"]["analysed"] == PATIENTS
    assert results["toxicity"]["window_months"] == 12
    for page in (finished / "report" / "index.html", *sorted(finished.glob("cases/*/report.html"))):
        text = page.read_text().lower()
        assert "simulated" in text
        assert "research use only" in text
    tables = [path for path in sorted(finished.rglob("*.csv")) if path.name != "codebook.csv"]
    assert len(tables) > 10
    for table in tables:
        with table.open(newline="") as stream:
            reader = csv.DictReader(stream)
            assert reader.fieldnames is not None
            assert reader.fieldnames[-1] == "simulated", table.name
            assert {row["simulated"] for row in reader} <= {"1"}, table.name
    for figure in sorted((finished / "figures").glob("*.svg")):
        assert "simulated" in figure.read_text().lower(), figure.name


def test_measured_doses_are_near_the_true_ones(finished: Path) -> None:
    with (finished / "tables" / "truth.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    normal = [
        float(row["measured_gy"]) / float(row["true_gy"]) for row in rows if row["quantity"] == "whole normal liver"
    ]
    assert len(normal) == PATIENTS
    assert all(abs(ratio - 1) < 0.15 for ratio in normal)
    lesions = [row for row in rows if row["quantity"] == "MAD per lesion"]
    with (finished / "tables" / "analysis_lesions.csv").open(newline="") as stream:
        assert len(lesions) == len(list(csv.DictReader(stream)))


def test_the_inputs_are_recorded(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert record["options"]["workers"] == 2
    assert len(record["inputs"]["patients.csv"]) == 64
    assert any(name.endswith("spect.dcm") for name in record["inputs"])


def test_a_corrupt_image_stops_its_patient_alone(study: Path, tmp_path: Path) -> None:
    patient = first_included(study)
    spect = study / "imaging" / patient / "spect.dcm"
    spect.write_bytes(spect.read_bytes()[:2000])
    result = run_study(study, tmp_path / "out", workers=1)
    assert result.finished == PATIENTS - 1
    [failed] = result.failed
    assert failed.key == patient
    assert not failed.is_internal
    assert "spect.dcm" in failed.failure
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {"reason": "could not be computed", "n": 1} in results["flow"]["excluded"]
    assert patient in (tmp_path / "out" / "report" / "index.html").read_text()


def test_a_text_for_a_number_stops_its_patient_and_names_the_cell(study: Path, tmp_path: Path) -> None:
    patient = first_included(study)

    def spoil(rows: list[dict[str, str]]) -> None:
        next(row for row in rows if row["patient_id"] == patient)["administered_activity_gbq"] = "three"

    edit(study / "sessions.csv", spoil)
    problems = check_study(study)
    [problem] = [one for one in problems if one.level == "red"]
    assert (problem.file, problem.row, problem.column) == ("sessions.csv", 2, "administered_activity_gbq")
    result = run_study(study, tmp_path / "out")
    assert [failed.key for failed in result.failed] == [patient]
    assert "sessions.csv, row 2, column administered_activity_gbq" in result.failed[0].failure


def test_a_missing_column_stops_the_study_and_is_named(study: Path, tmp_path: Path) -> None:
    edit(study / "sessions.csv", lambda rows: None, drop="lung_shunt_fraction")
    with pytest.raises(InconsistentStudy, match=r"sessions\.csv.*lung_shunt_fraction"):
        run_study(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_do_not_take_the_place_of_what_no_run_wrote(study: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "figures" / "mine.svg"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(ConfigurationError, match="'figures' that no earlier run wrote"):
        run_study(study, tmp_path / "mine")
    assert mine.read_text() == "mine"
    for inside in (study, study / "imaging" / "results"):
        with pytest.raises(ConfigurationError, match="among the study's own files"):
            run_study(study, inside)


def test_a_lesion_of_an_unknown_patient_is_named(study: Path, tmp_path: Path) -> None:
    def spoil(rows: list[dict[str, str]]) -> None:
        rows[0]["patient_id"] = "V999"

    edit(study / "lesions.csv", spoil)
    assert any(
        "V999" in str(problem) and problem.row == 2 and problem.file == "lesions.csv" for problem in check_study(study)
    )
    [left_out] = run_study(study, tmp_path / "out").problems
    assert "V999" in str(left_out)


def test_a_lesion_whose_segment_does_not_exist_stops_its_patient(study: Path, tmp_path: Path) -> None:
    with (study / "truth" / "patients.csv").open(newline="") as stream:
        evaluable = next(row["patient_id"] for row in csv.DictReader(stream) if row["evaluable"] == "1")

    def spoil(rows: list[dict[str, str]]) -> None:
        for row in rows:
            if row["patient_id"] == evaluable:
                row["segment"] = "L77"

    edit(study / "lesions.csv", spoil)
    result = run_study(study, tmp_path / "out")
    assert [failed.key for failed in result.failed] == [evaluable]
    assert "'L77', which has no dose as a tumour" in result.failed[0].failure


def test_without_imaging_a_patient_is_told_by_check_and_run(study: Path, tmp_path: Path) -> None:
    patient = first_included(study)
    shutil.rmtree(study / "imaging" / patient)
    assert any(f"imaging/{patient}" in str(problem) for problem in check_study(study))
    result = run_study(study, tmp_path / "out")
    assert [failed.key for failed in result.failed] == [patient]


def test_no_patient_at_all_is_an_error_with_every_reason(study: Path, tmp_path: Path) -> None:
    shutil.rmtree(study / "segments")
    with pytest.raises(InconsistentStudy, match="no patient could be run") as caught:
        run_study(study, tmp_path / "out")
    assert len(caught.value.problems) == PATIENTS
