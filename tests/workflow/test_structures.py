"""A structure set in the place of a segmentation: a case, a study folder, and what inspect says of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ytterby.dicom.read import read_segments, read_volume
from ytterby.dicom.write import DicomHeader, content_uid, write_structures
from ytterby.errors import DicomError, GeometryError, SegmentError
from ytterby.model.segment import Segment
from ytterby.workflow.case import Case, dosed_case, load_case, run_case
from ytterby.workflow.inspect import inspect
from ytterby.workflow.loading import load_segments
from ytterby.workflow.simulate import simulate_patient, simulate_study
from ytterby.workflow.study import check_study, run_study


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_patient(tmp_path_factory.mktemp("simulated") / "patient", seed=3).parent


def structures(segments: tuple[Segment, ...], path: Path, *, ct: Path | None, frame: str = "") -> Path:
    header = DicomHeader("P", "P", "", content_uid("study"), "20240301", "101500", "t", frame)
    files = sorted(ct.iterdir()) if ct is not None else []
    return write_structures(segments, path, header, source=files)


def case_with(patient: Path, segments: Path, folder: Path) -> Path:
    case = yaml.safe_load((patient / "CASE.yaml").read_text())
    case["segments"]["path"] = str(segments)
    case["image"]["path"] = str(patient / case["image"]["path"])
    if "ct" in case:
        case["ct"]["path"] = str(patient / case["ct"]["path"])
    path = folder / "CASE.yaml"
    path.write_text(yaml.safe_dump(case))
    return path


def doses(case: Case) -> dict[str, tuple[float, float]]:
    return {row.segment: (row.volume_ml, row.mean_dose_gy) for row in dosed_case(case).dose.doses}


def test_a_case_is_dosed_the_same_by_masks_and_by_contours(patient: Path, tmp_path: Path) -> None:
    ct = read_volume(patient / "CT")
    segments = tuple(one.on_grid(ct.grid) for one in read_segments(patient / "segments.dcm"))
    (tmp_path / "rs").mkdir()
    structures(segments, tmp_path / "rs" / "structures.dcm", ct=patient / "CT")
    by_masks = load_case(patient / "CASE.yaml")
    # A folder that holds one structure set is as good as the file.
    by_contours = load_case(case_with(patient, tmp_path / "rs", tmp_path))
    found, expected = doses(by_contours), doses(by_masks)
    assert found.keys() == expected.keys()
    for name, (volume_ml, mean_gy) in expected.items():
        assert found[name] == (pytest.approx(volume_ml, rel=1e-9), pytest.approx(mean_gy, rel=1e-9)), name
    tumour = next(segment for segment in by_contours.segments if segment.role.value == "tumour")
    assert tumour.method.startswith("imported, ")
    assert by_contours.segments[0].grid.same_as(ct.grid)
    run_case(by_contours, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").is_file()


def test_without_a_ct_the_contours_have_their_own_lattice(patient: Path, tmp_path: Path) -> None:
    ct = read_volume(patient / "CT")
    segments = tuple(one.on_grid(ct.grid) for one in read_segments(patient / "segments.dcm"))
    path = case_with(patient, structures(segments, tmp_path / "rs.dcm", ct=None), tmp_path)
    case = yaml.safe_load(path.read_text())
    case.pop("ct")
    path.write_text(yaml.safe_dump(case))
    alone = load_case(path)
    assert alone.segments[0].grid.spacing_mm[:2] == pytest.approx((1.0, 1.0))
    told = [notice.message for notice in alone.notices if notice.code == "contours_own_lattice"]
    assert len(told) == len(alone.segments)
    assert "voxels of its own of 1 x 1 x" in told[0]
    assert "contours_own_lattice" not in {notice.code for notice in load_case(patient / "CASE.yaml").notices}
    found, expected = doses(alone), doses(load_case(patient / "CASE.yaml"))
    for name, (volume_ml, mean_gy) in expected.items():
        assert found[name] == (pytest.approx(volume_ml, rel=0.02), pytest.approx(mean_gy, rel=0.02)), name


def test_contours_of_another_frame_of_reference_stop_the_case(patient: Path, tmp_path: Path) -> None:
    segments = tuple(replace(one, frame_of_reference="") for one in read_segments(patient / "segments.dcm"))
    elsewhere = structures(segments, tmp_path / "rs.dcm", ct=None, frame="1.2.3.4")
    case = load_case(case_with(patient, elsewhere, tmp_path))
    assert "other_frame_of_reference" in {notice.code for notice in case.notices}
    with pytest.raises(GeometryError, match="another frame of reference"):
        dosed_case(case)


def test_which_file_of_a_folder(patient: Path, tmp_path: Path) -> None:
    segments = read_segments(patient / "segments.dcm")
    structures(segments, tmp_path / "rs.dcm", ct=None)
    assert [one.name for one in load_segments(tmp_path).segments] == [one.name for one in segments]
    shutil.copy(patient / "segments.dcm", tmp_path)
    with pytest.raises(DicomError, match="2 series could be the segmentation or structure_set"):
        load_segments(tmp_path)
    with pytest.raises(SegmentError, match="no series is a segmentation or structure_set"):
        load_segments(patient / "CT")


def test_inspect_lists_names(patient: Path, tmp_path: Path) -> None:
    segments = read_segments(patient / "segments.dcm")
    structures(segments, tmp_path / "rs.dcm", ct=None)
    shutil.copy(patient / "segments.dcm", tmp_path)
    names = ", ".join(segment.name for segment in segments)
    found = {one.kind: one.reason for one in inspect(tmp_path).series}
    assert found == {
        "rtstruct": f"radiotherapy structure set (RTSTRUCT): {names}",
        "seg": f"DICOM segmentation (SEG): {names}",
    }


def test_a_study_takes_structure_sets(tmp_path: Path) -> None:
    study = simulate_study(tmp_path / "study", patients=2, seed=5)
    for folder in (study / "segments").iterdir():
        # Beside the named ones an organ that no role fits, with what would otherwise have to be told of it.
        segments = read_segments(folder / "segments.dcm")
        structures(segments, folder / "RS.dcm", ct=None)
        (folder / "segments.dcm").unlink()
    assert not [problem for problem in check_study(study) if problem.level == "red"]
    assert run_study(study, tmp_path / "out").finished == 2
