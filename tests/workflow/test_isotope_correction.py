"""A case asks for the surrogate isotope of its PET to be redone, and is told in numbers what was done."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml

from ytterby.dicom.read import read_volume
from ytterby.dicom.write import DicomHeader, content_uid, write_pet, write_segmentation
from ytterby.errors import ConfigurationError
from ytterby.files.casefile import read_case
from ytterby.files.studyfile import StudyFile
from ytterby.model.patient import Patient
from ytterby.model.volume import Grid, Quantity, Volume
from ytterby.physics.surrogate import PositronEmitter, isotope_factor
from ytterby.workflow.case import load_case, run_case_file
from ytterby.workflow.inspect import inspect
from ytterby.workflow.patient import patient_case

HALF_LIFE_HOURS, POSITRONS, APPLIED = 270.95 * 24, 0.891, 1.00005


def pet_case(folder: Path, **image: Any) -> Path:
    """A liver of one concentration in a PET whose scanner was set to 68Ge, administered 20 h before the scan."""
    grid = Grid.axis_aligned((10, 10, 8), (4.0, 4.0, 4.0))
    liver = np.zeros(grid.shape, np.uint8)
    liver[2:8, 2:8, 2:6] = 1
    header = DicomHeader(
        patient_id="K1",
        patient_name="K1",
        patient_sex="",
        study_uid=content_uid("study"),
        study_date="20240302",
        study_time="101500",
        uid_seed="tests",
        frame_of_reference_uid=content_uid("frame"),
        timezone_offset="+0100",
    )
    moment = datetime.fromisoformat("2024-03-02T09:30:00+01:00")
    volume = Volume(liver * 50.0, grid, Quantity.CONCENTRATION, reference_time=moment)
    paths = write_pet(
        volume,
        folder / "pet",
        header,
        half_life_seconds=HALF_LIFE_HOURS * 3600,
        positron_fraction=POSITRONS,
        actual_frame_duration_ms=1_800_000,
        radionuclide="68Ge",
    )
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.DecayFactor = str(APPLIED)
        dataset.save_as(path)
    # NIfTI counts towards the right and the front.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    mask = nib.Nifti1Image(liver, affine)
    mask.header.set_xyzt_units("mm")
    mask.set_sform(affine, code=1)
    nib.save(mask, folder / "liver.nii.gz")
    case = {
        "schema": 1,
        "patient_id": "K1",
        "image": {"path": "pet", "kind": "y90_pet", **image},
        "segments": {"path": "liver.nii.gz", "labels": {1: "liver"}, "roles": {"liver": "liver"}},
        "sessions": [
            {
                "device": "glass",
                "administered_activity_gbq": 0.1,
                "administered_at": "2024-03-01T13:30:00+01:00",
                "residual_fraction": 0.01,
                "lung_shunt_fraction": 0.02,
            }
        ],
        "options": {
            "energy_j_per_gbq": 49.67,
            "tissue_density_g_ml": 1.03,
            "lung_mass_kg": 1.0,
            "engine": "local_deposition",
        },
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(case), "utf-8")
    return path


def mean_dose_gy(folder: Path) -> float:
    record = json.loads((folder / "case.json").read_text("utf-8"))
    return float(next(row for row in record["doses"] if row["segment"] == "liver")["mean_dose_gy"])


def test_the_dose_grows_by_the_factor_that_is_told(tmp_path: Path) -> None:
    run_case_file(pet_case(tmp_path), tmp_path / "as_it_is")
    run_case_file(pet_case(tmp_path, isotope_correction="y90"), tmp_path / "redone")
    factor = isotope_factor(
        PositronEmitter(HALF_LIFE_HOURS, POSITRONS), start_hours=0.0, duration_hours=0.5, decay_ratio=APPLIED
    )
    assert mean_dose_gy(tmp_path / "redone") / mean_dose_gy(tmp_path / "as_it_is") == pytest.approx(factor, rel=1e-6)
    plain, redone = (json.loads((tmp_path / name / "case.json").read_text("utf-8")) for name in ("as_it_is", "redone"))
    codes = {notice["code"]: notice["message"] for notice in plain["warnings"]}
    assert "surrogate or other isotope: radionuclide 68Ge" in codes["image_problem"]
    assert "isotope_correction" not in codes
    codes = {notice["code"]: notice["message"] for notice in redone["warnings"]}
    assert "image_problem" not in codes
    assert f"values multiplied by {factor:.6g}" in codes["isotope_correction"]
    assert "scanner set to 68Ge (half-life 6502.8 h" in codes["isotope_correction"]
    assert redone["parameters"]["radiopharmaceutical"]["pet"]["nuclide"] == "68Ge"
    assert "isotope correction on request" in (tmp_path / "redone" / "report.html").read_text("utf-8")


def test_a_study_asks_for_it_once_for_all(tmp_path: Path) -> None:
    case = yaml.safe_load(pet_case(tmp_path, isotope_correction="y90").read_text("utf-8"))
    expected = load_case(tmp_path / "case.yaml")
    imaging, segments = tmp_path / "imaging" / "K1", tmp_path / "segments" / "K1"
    imaging.mkdir(parents=True)
    shutil.move(tmp_path / "pet", imaging / "pet")
    segments.mkdir(parents=True)
    frame = read_volume(imaging / "pet", time_zone="Europe/Berlin").frame_of_reference
    header = DicomHeader("K1", "K1", "", content_uid("study"), "20240302", "101500", "tests", frame)
    (liver,) = expected.segments
    write_segmentation([replace(liver, frame_of_reference=frame)], segments / "segments.dcm", header)
    study = StudyFile.model_validate(
        {
            "schema": 1,
            "name": "PET of a surrogate",
            "simulated": True,
            "device": "glass",
            "options": case["options"],
            "image": {"kind": "y90_pet", "isotope_correction": "y90"},
            "roles": {"liver": ["liver"]},
            "response": {"criterion": "choi", "minimum_diameter_mm": 20, "maximum_lesions": 10},
        }
    )
    sessions = tuple(session for imaged in expected.imaged for session in imaged.sessions)
    found = patient_case(tmp_path, study, Patient("K1", sessions=sessions), {})
    np.testing.assert_allclose(found.imaged[0].image.array, expected.imaged[0].image.array, rtol=1e-6)
    assert [notice.code for notice in found.notices] == ["isotope_correction"]


def test_inspect_tells_the_radiopharmaceutical(tmp_path: Path) -> None:
    pet_case(tmp_path)
    (found,) = inspect(tmp_path / "pet").series
    assert found.record()["radiopharmaceutical"]["half_life_hours"] == pytest.approx(HALF_LIFE_HOURS)
    assert "image.isotope_correction: y90" in str(found.problems[0])


def test_only_a_pet_in_dicom_can_be_corrected(tmp_path: Path) -> None:
    path = pet_case(tmp_path, isotope_correction="f18")
    with pytest.raises(ConfigurationError, match="must be 'y90'"):
        read_case(path)
    path = pet_case(tmp_path, isotope_correction="y90", kind="y90_spect", unit="bq_ml")
    with pytest.raises(
        ConfigurationError, match="an isotope correction is for a PET of 90Y, and this image is y90_spect"
    ):
        read_case(path)
    path = pet_case(tmp_path, isotope_correction="y90", path="liver.nii.gz", unit="bq_ml")
    with pytest.raises(ConfigurationError, match="needs the header of a PET in DICOM"):
        load_case(path)
