"""Whose results they are: they join the study of the image, or say why they do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import yaml

from ytterby.model.dose import CaseDose
from ytterby.workflow.case import run_case_file
from ytterby.workflow.simulate import simulate_patient

OF_THE_PATIENT = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_patient(tmp_path_factory.mktemp("patient") / "P", seed=1)


def said(dose: CaseDose, code: str) -> list[str]:
    return [notice.message for notice in dose.notices if notice.code == code]


def test_results_join_the_study_of_the_image(
    patient: Path, tmp_path: Path, dciodvfy: Callable[[Path], list[str]]
) -> None:
    dose = run_case_file(patient, tmp_path / "out")
    assert not said(dose, "other_patient") + said(dose, "patient_id_of_case")
    image = pydicom.dcmread(next((patient.parent / "CT").iterdir()), stop_before_pixels=True)
    first = min(yaml.safe_load(patient.read_text())["sessions"], key=lambda one: str(one["administered_at"]))
    for path in sorted((tmp_path / "out").glob("*.dcm")):
        found = pydicom.dcmread(path, stop_before_pixels=True)
        assert [found.get(name) for name in OF_THE_PATIENT] == [image.get(name) for name in OF_THE_PATIENT], path.name
        assert found.SeriesDate == str(first["administered_at"])[:10].replace("-", "")
        assert path.name in ("dose.dcm", "bed.dcm") or dciodvfy(path) == [], path.name


def test_another_patient_id_is_told_and_not_repeated(patient: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(patient.read_text())
    folder = tmp_path / "P"
    shutil.copytree(patient.parent, folder)
    (folder / patient.name).write_text(yaml.safe_dump({**case, "patient_id": "PSEUDONYM"}))
    dose = run_case_file(folder / patient.name, tmp_path / "out")
    (message,) = said(dose, "patient_id_of_case")
    assert case["patient_id"] not in message
    image = pydicom.dcmread(next((folder / "CT").iterdir()), stop_before_pixels=True)
    found = pydicom.dcmread(tmp_path / "out" / "segments.dcm", stop_before_pixels=True)
    assert (found.PatientID, found.PatientName) == ("PSEUDONYM", "PSEUDONYM")
    assert found.StudyInstanceUID != image.StudyInstanceUID


def test_files_of_two_patients_are_told(patient: Path, tmp_path: Path) -> None:
    folder = tmp_path / "P"
    shutil.copytree(patient.parent, folder)
    path = folder / "segments.dcm"
    segments = pydicom.dcmread(path)
    segments.PatientID = "SOMEBODY ELSE"
    segments.save_as(path)
    dose = run_case_file(folder / patient.name, tmp_path / "out")
    (message,) = said(dose, "other_patient")
    assert "the segments and of the image have different patient IDs" in message
