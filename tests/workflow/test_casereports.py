"""Sessions from dose reports, and segments of another frame of reference, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from ytterby.dicom.read import read_registration, read_segments
from ytterby.dicom.write import DicomHeader, content_uid, write_dose_report, write_registration, write_segmentation
from ytterby.errors import CalibrationError, ConfigurationError, GeometryError
from ytterby.model.administration import DoseRecord, MeasuredActivity
from ytterby.model.transform import Transform
from ytterby.workflow.case import load_case, run_case_file
from ytterby.workflow.simulate import simulate_patient

OTHER = content_uid("tests", "another frame")


def header(**changes: Any) -> DicomHeader:
    return DicomHeader(
        **{
            "patient_id": "SIM-1",
            "patient_name": "Test",
            "patient_sex": "F",
            "study_uid": content_uid("tests", "reports"),
            "study_date": "20240308",
            "study_time": "110000",
            "uid_seed": "tests",
            "simulated": True,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_patient(tmp_path_factory.mktemp("patient"), seed=3)


def changed(case: Path, name: str, **changes: Any) -> Path:
    """The case beside the original, with keys of the file or of its first session changed; None takes a key out."""
    data = yaml.safe_load(case.read_text(encoding="utf-8"))
    for key, value in changes.items():
        part = data if key in ("registration", "segments") else data["sessions"][0]
        part[key] = value
        if value is None:
            del part[key]
    path = case.parent / name
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def reported(case: Path, **changes: Any) -> DoseRecord:
    """The record of the case's first session: the vial measured at the start, and its residual."""
    data = yaml.safe_load(case.read_text(encoding="utf-8"))
    session = data["sessions"][0]
    start = datetime.fromisoformat(session["administered_at"])
    vial, left = session["administered_activity_gbq"], session["residual_fraction"]
    record = DoseRecord(
        agent="",
        radionuclide="90Y",
        half_life_hours=64.1,
        started_at=start,
        administered_activity_gbq=vial * (1 - left),
        before=MeasuredActivity(vial, start),
        after=MeasuredActivity(vial * left, start),
        patient_id=data["patient_id"],
    )
    return replace(record, **changes)


UNSTATED = dict.fromkeys(("administered_activity_gbq", "administered_at", "residual_fraction"))


def test_a_dose_report_fills_the_session(patient: Path) -> None:
    record = reported(patient)
    write_dose_report(record, patient.parent / "dose.dcm", header(patient_id=record.patient_id))
    stated = load_case(patient)
    found = load_case(changed(patient, "filled.yaml", dose_report="dose.dcm", **UNSTATED))
    one, other = found.sessions[0], stated.sessions[0]
    assert one.administered_at == other.administered_at
    assert one.administered_activity_gbq == pytest.approx(other.administered_activity_gbq, rel=1e-12)
    assert one.residual_fraction == pytest.approx(other.residual_fraction, rel=1e-9)
    assert patient.parent / "dose.dcm" in found.inputs
    assert not [notice for notice in found.notices if notice.code.startswith("dose_report")]


def test_a_net_activity_comes_with_no_residual(patient: Path) -> None:
    record = reported(patient, before=None, after=None, patient_id="someone else")
    write_dose_report(record, patient.parent / "net.dcm", header(patient_id=record.patient_id))
    found = load_case(changed(patient, "net.yaml", dose_report="net.dcm", **UNSTATED))
    assert found.sessions[0].residual_fraction == 0.0
    assert found.sessions[0].net_activity_gbq == pytest.approx(record.administered_activity_gbq, rel=1e-12)
    assert "dose_report_patient" in {notice.code for notice in found.notices}
    # What the session states of the vial and its residual beside it makes the same net activity.
    both = load_case(changed(patient, "both.yaml", dose_report="net.dcm"))
    assert both.sessions[0].residual_fraction > 0.0


def test_contradictions_are_told_and_another_activity_is_refused(patient: Path) -> None:
    record = reported(patient)
    doubtful = replace(record, administered_activity_gbq=record.administered_activity_gbq * 0.9)
    write_dose_report(doubtful, patient.parent / "doubtful.dcm", header(patient_id=record.patient_id))
    found = load_case(changed(patient, "doubtful.yaml", dose_report="doubtful.dcm", **UNSTATED))
    [told] = [notice.message for notice in found.notices if notice.code == "dose_report"]
    assert "+11.1%" in told
    for key, value, match in (
        ("administered_activity_gbq", record.before.activity_gbq * 1.02, "administered_activity_gbq: the case states"),
        ("residual_fraction", 0.2, r"residual_fraction: the case states 0\.2"),
        ("administered_at", "2001-03-08T11:02:00+01:00", "administered_at: the case states 2001"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            load_case(changed(patient, "wrong.yaml", dose_report="doubtful.dcm", **{**UNSTATED, key: value}))


def test_the_report_of_the_surrogate_is_no_treatment(patient: Path) -> None:
    record = reported(patient, radionuclide="99mTc", half_life_hours=6.015)
    write_dose_report(record, patient.parent / "maa.dcm", header(patient_id=record.patient_id))
    with pytest.raises(CalibrationError, match=r"is of 99mTc, the session's \w+ microspheres carry 90Y"):
        load_case(changed(patient, "maa.yaml", dose_report="maa.dcm", **UNSTATED))


@pytest.fixture(scope="module")
def moved(patient: Path) -> Path:
    """The case with its segments in another, turned and shifted frame of reference; reg.dcm leads back."""
    data = yaml.safe_load(patient.read_text(encoding="utf-8"))
    segments = read_segments(patient.parent / data["segments"]["path"])
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec([0.05, -0.1, 0.3]).as_matrix()
    matrix[:3, 3] = (13.0, -40.5, 7.25)
    back = Transform(OTHER, segments[0].frame_of_reference, matrix)
    away = [back.inverse.carried(segment) for segment in segments]
    write_segmentation(away, patient.parent / "moved.dcm", header())
    write_registration([back], patient.parent / "reg.dcm", header())
    return changed(patient, "moved.yaml", segments={**data["segments"], "path": "moved.dcm"})


def test_registered_segments_give_the_same_doses(
    patient: Path, moved: Path, tmp_path: Path, dciodvfy: Callable[[Path], list[str]]
) -> None:
    registered = changed(moved, "registered.yaml", registration={"path": "reg.dcm", "accepted_by": "A. Physicist"})
    expected = run_case_file(patient, tmp_path / "original")
    found = run_case_file(registered, tmp_path / "registered")
    assert [row.segment for row in found.doses] == [row.segment for row in expected.doses]
    for one, other in zip(found.doses, expected.doses, strict=True):
        assert one.mean_dose_gy == pytest.approx(other.mean_dose_gy, rel=1e-6)
        assert one.volume_ml == pytest.approx(other.volume_ml, rel=1e-6)
        assert one.d70_gy == (None if other.d70_gy is None else pytest.approx(other.d70_gy, rel=1e-6))
    record = json.loads((tmp_path / "registered" / "case.json").read_text())
    assert record["parameters"]["registration"]["file"] == "reg.dcm"
    assert record["parameters"]["registration"]["accepted_by"] == "A. Physicist"
    assert "registered" in {warning["code"] for warning in record["warnings"]}
    assert "reg.dcm" in (tmp_path / "registered" / "run.json").read_text()
    # What was used goes out again, beside what was made with it.
    (used,) = (
        one for one in read_registration(tmp_path / "registered" / "registration.dcm") if one.from_frame == OTHER
    )
    (given,) = (one for one in read_registration(moved.parent / "reg.dcm") if one.from_frame == OTHER)
    np.testing.assert_allclose(used.matrix, given.matrix, atol=1e-9)
    assert not (tmp_path / "original" / "registration.dcm").exists()
    names = ["registration", "segments", "structures", "plan", "measurements", "report_pdf"]
    assert [dciodvfy(tmp_path / "registered" / f"{name}.dcm") for name in names] == [[]] * len(names)


def test_without_a_registration_frames_are_not_overlaid(patient: Path, moved: Path, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"another frame of reference.*registration: \{path: reg\.dcm\}"):
        run_case_file(moved, tmp_path / "out")
    with pytest.raises(GeometryError, match="the registration carries nothing"):
        load_case(changed(patient, "useless.yaml", registration={"path": "reg.dcm"}))
    write_registration([Transform(OTHER, content_uid("third"), np.eye(4))], patient.parent / "else.dcm", header())
    with pytest.raises(GeometryError, match="the registration carries nothing"):
        load_case(changed(moved, "else.yaml", registration={"path": "else.dcm"}))
