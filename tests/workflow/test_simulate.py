from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from ytterby.cli.virtual import app
from ytterby.dicom.read.segmentation import read_segments
from ytterby.errors import ConfigurationError
from ytterby.files.studyfile import read_study
from ytterby.files.studytables import read_study_tables
from ytterby.model.segment import Role
from ytterby.model.treatment import Device
from ytterby.virtual.cohort import virtual_cohort
from ytterby.workflow import simulate
from ytterby.workflow.case import load_case
from ytterby.workflow.simulate import simulate_patient, simulate_study

PATIENTS, SEED = 3, 4


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_study(tmp_path_factory.mktemp("simulated") / "study", patients=PATIENTS, seed=SEED)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_two_workers_write_the_same_bytes_as_one(study: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    again = simulate_study(
        tmp_path / "again",
        patients=PATIENTS,
        seed=SEED,
        workers=2,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert _bytes(again) == _bytes(study)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_tables_are_read_without_a_problem(study: Path) -> None:
    settings = read_study(study)
    tables = read_study_tables(study, settings, half_life_hours={Device.GLASS: 64.1})
    assert tables.problems == ()
    assert settings.simulated
    cohort = virtual_cohort(PATIENTS, seed=SEED)
    assert len(tables.cohort.patients) == cohort.plan.screened
    assert [patient.patient_id for patient in tables.cohort.included] == ["V001", "V002", "V003"]
    for index, patient in enumerate(tables.cohort.included):
        built = cohort.patient(index).patient
        assert patient.lesions == built.lesions
        assert patient.follow_up == built.follow_up
        assert {*patient.labs} == {*built.labs}
        for read, given in zip(patient.sessions, built.sessions, strict=True):
            assert read.administered_at == given.administered_at
            assert (read.perfused, read.net_activity_gbq) == (given.perfused, given.net_activity_gbq)
            assert read.vial is not None
            assert given.vial is not None
            assert read.vial.calibrated_at == given.vial.calibrated_at


def test_every_lesion_has_its_segment_and_every_segment_its_role(study: Path) -> None:
    settings = read_study(study)
    for patient in {row["patient_id"] for row in _rows(study / "lesions.csv")}:
        segments = read_segments(study / "segments" / patient / "segments.dcm")
        roles = {segment.name: settings.role_of(segment.name) for segment in segments}
        assert list(roles.values()).count(Role.LIVER) == list(roles.values()).count(Role.LUNGS) == 1
        tumours = {name for name, role in roles.items() if role is Role.TUMOUR}
        assert tumours == {row["segment"] for row in _rows(study / "lesions.csv") if row["patient_id"] == patient}
        wanted = {row["territory"] for row in _rows(study / "sessions.csv") if row["patient_id"] == patient} - {""}
        assert wanted == {name for name, role in roles.items() if role is Role.PERFUSED}


def test_another_reader_finds_the_images_where_they_were_put(study: Path) -> None:
    subject = virtual_cohort(PATIENTS, seed=SEED).patient(0)
    folder = study / "imaging" / subject.patient.patient_id
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "CT")))
    for image, volume in ((reader.Execute(), subject.ct), (sitk.ReadImage(str(folder / "spect.dcm")), subject.spect)):
        assert image.GetSize() == volume.grid.shape
        assert image.GetSpacing() == pytest.approx(volume.grid.spacing_mm)
        assert image.GetOrigin() == pytest.approx(volume.grid.affine[:3, 3])
        assert image.GetDirection() == pytest.approx(np.eye(3).ravel())
        assert np.array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), volume.array)


def test_segments_come_back_as_they_were(study: Path) -> None:
    subject = virtual_cohort(PATIENTS, seed=SEED).patient(1)
    found = read_segments(study / "segments" / subject.patient.patient_id / "segments.dcm")
    assert [segment.name for segment in found] == [segment.name for segment in subject.segments]
    for segment, true in zip(found, subject.segments, strict=True):
        assert np.array_equal(segment.on_grid(true.grid).mask, true.mask)
        assert segment.volume_ml == pytest.approx(true.volume_ml, rel=1e-9)


def test_the_truth_is_that_of_the_patients(study: Path) -> None:
    cohort = virtual_cohort(PATIENTS, seed=SEED)
    rows = _rows(study / "truth" / "patients.csv")
    assert [float(row["mad_gy"]) for row in rows] == [subject.truth.mad_gy for subject in cohort]
    lesions = _rows(study / "truth" / "lesions.csv")
    for row in rows:
        inside = sum(float(one["activity_gbq"]) for one in lesions if one["patient_id"] == row["patient_id"])
        assert inside == pytest.approx(float(row["tumour_activity_gbq"]), rel=1e-12)


def test_everything_says_that_it_is_simulated(study: Path) -> None:
    assert (study / "README.txt").read_text(encoding="utf-8").startswith("Simulated")
    image = sitk.ReadImage(str(study / "imaging" / "V001" / "spect.dcm"))
    assert image.GetMetaData("0010|0010").startswith("Simulated")
    assert "imulated" in image.GetMetaData("0020|4000")


def test_an_earlier_simulation_is_replaced(tmp_path: Path) -> None:
    out = simulate_study(tmp_path / "study", patients=1, seed=1)
    before = _bytes(out)
    simulate_study(out, patients=1, seed=2)
    assert _bytes(out).keys() - before.keys() == set()
    assert _bytes(out) != before
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


@pytest.mark.parametrize("kind", ["foreign", "mixed", "file"])
def test_what_is_not_ours_is_left_alone(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "study"
    if kind == "file":
        out.write_text("notes", encoding="utf-8")
    else:
        out.mkdir()
        (out / "results.xlsx").write_text("mine", encoding="utf-8")
    if kind == "mixed":
        (out / "README.txt").write_text(simulate._MARK, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"new folder"):
        simulate_study(out, patients=1, seed=1)
    assert (out if kind == "file" else out / "results.xlsx").read_text(encoding="utf-8") in ("notes", "mine")


def test_a_simulation_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(simulate, "write_segmentation", broken)
    with pytest.raises(Exception, match="no space left"):
        simulate_study(tmp_path / "study", patients=1, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_one_patient_is_ready_to_be_run(tmp_path: Path) -> None:
    path = simulate_patient(tmp_path / "one", seed=2)
    case = load_case(path)
    truth = json.loads((tmp_path / "one" / "truth.json").read_text(encoding="utf-8"))
    assert case.patient_id == truth["patient_id"]
    assert sum(session.net_activity_gbq for session in case.sessions) == pytest.approx(truth["net_activity_gbq"])
    tumours = [segment for segment in case.segments if segment.role is Role.TUMOUR]
    assert [segment.volume_ml for segment in tumours] == pytest.approx(
        [lesion["volume_ml"] for lesion in truth["lesions"]]
    )


def test_the_commands_write_and_say_where(tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(app, ["cohort", "--out", str(tmp_path / "a"), "--patients", "1", "--seed", "3", "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout) == {"study": str(tmp_path / "a"), "patients": 1, "seed": 3, "simulated": True}
    made = runner.invoke(app, ["patient", "--out", str(tmp_path / "b"), "--seed", "3"])
    assert made.exit_code == 0, made.output
    assert (tmp_path / "b" / "CASE.yaml").is_file()
    refused = runner.invoke(app, ["cohort", "--out", str(tmp_path / "c"), "--patients", "0"])
    assert isinstance(refused.exception, ValueError)
