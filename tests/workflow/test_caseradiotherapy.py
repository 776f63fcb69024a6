"""Radiotherapy objects of a case: which are there, what they refer to, and whether they say what the tables say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml

from ytterby.dicom.read import read_segments, read_structures, read_volume
from ytterby.model.dose import CaseDose, Radiobiology, Tissue
from ytterby.model.segment import Role
from ytterby.model.volume import Quantity
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.caseradiotherapy import bed_comment
from ytterby.workflow.simulate import simulate_patient

BIOLOGY = {
    "tumour": {"alpha_beta_gy": 10.0, "repair_hours": 1.5},
    "normal": {"alpha_beta_gy": 2.5, "repair_hours": 2.5},
}
SPACING = (5.0, 5.0, 4.0)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_patient(tmp_path_factory.mktemp("simulated") / "patient", seed=3).parent


@pytest.fixture(scope="module")
def dosed(patient: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CaseDose]:
    """Result folder and doses of a simulated patient with a CT, with parameters of both tissues."""
    path = patient / "CASE.yaml"
    case = yaml.safe_load(path.read_text())
    (patient / "BED.yaml").write_text(yaml.safe_dump({**case, "radiobiology": BIOLOGY}))
    out = tmp_path_factory.mktemp("out")
    return out, run_case(load_case(patient / "BED.yaml"), out)


def small_case(folder: Path, **changes: Any) -> Path:
    """A case without a CT: image and labels on one grid."""
    labels = np.zeros((20, 18, 16), np.uint8)
    labels[4:16, 3:15, 3:13] = 1
    labels[6:10, 5:9, 5:8] = 2
    counts = np.where(labels > 0, np.where(labels == 2, 500.0, 100.0), 0.0)
    for name, array in (("spect.nii.gz", counts.astype(np.float32)), ("labels.nii.gz", labels)):
        image = nib.Nifti1Image(array, np.diag([*SPACING, 1.0]))
        image.header.set_xyzt_units("mm")
        nib.save(image, folder / name)
    session = {
        "device": "glass",
        "administered_activity_gbq": 2.0,
        "administered_at": "2024-03-08T11:00:00+01:00",
        "residual_fraction": 0.02,
        "lung_shunt_fraction": 0.05,
    }
    case: dict[str, Any] = {
        "schema": 1,
        "patient_id": "K1",
        "image": {"path": "spect.nii.gz", "kind": "maa_spect", "unit": "counts"},
        "segments": {
            "path": "labels.nii.gz",
            "labels": {1: "liver", 2: "T1"},
            "roles": {"liver": ["liver"], "tumour": ["T1"]},
        },
        "sessions": [session],
        "options": {"energy_j_per_gbq": 49.67, "tissue_density_g_ml": 1.03, "lung_mass_kg": 1.0},
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump({**case, **changes}))
    return path


def test_objects_are_there_and_valid(dosed: tuple[Path, CaseDose], dciodvfy: Callable[[Path], list[str]]) -> None:
    out, dose = dosed
    names = {path.name for path in out.iterdir() if path.suffix == ".dcm"}
    assert names >= {"segments.dcm", "structures.dcm", "plan_1.dcm", "plan_2.dcm", "dose.dcm", "bed.dcm"}
    for name in ("segments.dcm", "structures.dcm", "plan_1.dcm", "plan_2.dcm"):
        assert dciodvfy(out / name) == [], name
    assert not {"no_bed_map", "no_dicom", "dicom_off_ct"} & {notice.code for notice in dose.notices}


def test_objects_refer_to_each_other_and_to_the_ct(patient: Path, dosed: tuple[Path, CaseDose]) -> None:
    out, _ = dosed
    structures = pydicom.dcmread(out / "structures.dcm")
    # The simulated patient had two sessions.
    plans = [pydicom.dcmread(out / f"plan_{number}.dcm") for number in (1, 2)]
    for name in ("dose.dcm", "bed.dcm"):
        reference = pydicom.dcmread(out / name).ReferencedRTPlanSequence
        assert [item.ReferencedSOPInstanceUID for item in reference] == [plan.SOPInstanceUID for plan in plans]
    for plan in plans:
        assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures.SOPInstanceUID
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in (patient / "CT").iterdir()]
    study = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    assert study.ReferencedSOPInstanceUID == slices[0].StudyInstanceUID
    named = {item.ReferencedSOPInstanceUID for item in study.RTReferencedSeriesSequence[0].ContourImageSequence}
    assert named == {one.SOPInstanceUID for one in slices}
    segmentation = pydicom.dcmread(out / "segments.dcm")
    # The results are of the study of the image: what they refer to is no other study's.
    assert "StudiesContainingOtherReferencedInstancesSequence" not in segmentation
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == slices[0].SeriesInstanceUID
    frames = {
        pydicom.dcmread(path).get("FrameOfReferenceUID", "")
        for path in out.glob("*.dcm")
        if not path.name.startswith("plan")
    }
    assert frames - {""} == {slices[0].FrameOfReferenceUID}


def test_masks_and_contours_hold_the_same_voxels(patient: Path, dosed: tuple[Path, CaseDose]) -> None:
    out, _ = dosed
    ct = read_volume(patient / "CT")
    by_masks = {segment.name: segment for segment in read_segments(out / "segments.dcm")}
    by_contours = read_structures(out / "structures.dcm", image=ct).segments
    assert [segment.name for segment in by_contours] == list(by_masks)
    for segment in by_contours:
        np.testing.assert_array_equal(segment.mask, by_masks[segment.name].on_grid(ct.grid).mask)


def test_bed_on_the_grid_of_the_ct(patient: Path, dosed: tuple[Path, CaseDose]) -> None:
    out, dose = dosed
    bed, absorbed = read_volume(out / "bed.dcm"), read_volume(out / "dose.dcm")
    assert (bed.quantity, absorbed.quantity) == (Quantity.OTHER, Quantity.DOSE)
    assert bed.grid.same_as(read_volume(patient / "CT").grid)
    written = pydicom.dcmread(out / "bed.dcm")
    assert (written.DoseType, written.DoseUnits, written.DoseSummationType) == ("EFFECTIVE", "GY", "MULTI_PLAN")
    assert written.DoseComment == "BED: tumour a/b 10 Gy, 1.5 h; normal a/b 2.5 Gy, 2.5 h"
    segments = {segment.name: segment.on_grid(bed.grid).mask for segment in read_segments(out / "segments.dcm")}
    for row in dose.doses:
        if row.role in (Role.TUMOUR, Role.NORMAL_LIVER):
            assert row.bed_mean_gy is not None
            assert bed.array[segments[row.segment]].mean() == pytest.approx(row.bed_mean_gy, rel=0.01)
    # Outside the liver nothing is said.
    lungs = next(row.segment for row in dose.doses if row.role is Role.LUNGS)
    assert bed.array[segments[lungs] & ~segments["Liver"]].max() == 0.0


def test_bed_voxel_by_voxel(tmp_path: Path) -> None:
    run_case(load_case(small_case(tmp_path, radiobiology=BIOLOGY)), tmp_path / "out")
    dose, bed = (read_volume(tmp_path / "out" / name).array.astype(float) for name in ("dose.dcm", "bed.dcm"))
    labels = nib.load(tmp_path / "labels.nii.gz").get_fdata()
    half_life_hours = 64.1
    expected = np.zeros_like(dose)
    for label, tissue in ((1, BIOLOGY["normal"]), (2, BIOLOGY["tumour"])):
        share = tissue["repair_hours"] / (tissue["repair_hours"] + half_life_hours)
        own = dose[labels == label]
        expected[labels == label] = own * (1 + share * own / tissue["alpha_beta_gy"])
    assert expected.max() > 1.05 * dose.max()
    np.testing.assert_allclose(bed, expected, atol=2e-3 * expected.max())


def test_a_bed_needs_parameters_of_every_tissue(tmp_path: Path) -> None:
    case = small_case(tmp_path, radiobiology=BIOLOGY)
    run_case(load_case(case), tmp_path / "out")
    assert (tmp_path / "out" / "bed.dcm").exists()
    one_tissue = replace(load_case(case), radiobiology=Radiobiology(normal=Tissue(2.5, 2.5)))
    dose = run_case(one_tissue, tmp_path / "out")
    assert "no_bed_map" in {notice.code for notice in dose.notices}
    # What the run before left does not stay beside the new dose.
    assert not (tmp_path / "out" / "bed.dcm").exists()
    dose = run_case(load_case(small_case(tmp_path)), tmp_path / "out")
    assert "no_bed_map" not in {notice.code for notice in dose.notices}


def test_several_sessions_have_a_plan_each(tmp_path: Path) -> None:
    path = small_case(tmp_path)
    case = yaml.safe_load(path.read_text())
    labels = nib.load(tmp_path / "labels.nii.gz")
    halves = np.asarray(labels.dataobj).copy()
    halves[(halves == 1) & (np.arange(20)[:, None, None] < 10)] = 3
    nib.save(nib.Nifti1Image(halves, labels.affine, labels.header), tmp_path / "labels.nii.gz")
    case["segments"]["labels"] = {1: "left", 2: "T1", 3: "right"}
    case["segments"]["roles"] = {"liver": ["left", "T1", "right"]}
    case["sessions"] = [
        {**case["sessions"][0], "image": "spect.nii.gz"},
        {**case["sessions"][0], "administered_at": "2024-04-08T11:00:00+02:00", "image": "second.nii.gz"},
    ]
    spect = nib.load(tmp_path / "spect.nii.gz")
    nib.save(spect, tmp_path / "second.nii.gz")
    path.write_text(yaml.safe_dump(case))
    out = tmp_path / "out"
    run_case(load_case(path), out)
    plans = [pydicom.dcmread(out / f"plan_{number}.dcm") for number in (1, 2)]
    dose = pydicom.dcmread(out / "dose.dcm")
    assert dose.DoseSummationType == "MULTI_PLAN"
    assert [item.ReferencedSOPInstanceUID for item in dose.ReferencedRTPlanSequence] == [
        p.SOPInstanceUID for p in plans
    ]
    assert [plan.RTPlanDate for plan in plans] == ["20240308", "20240408"]
    assert not (out / "plan.dcm").exists()
    case["sessions"] = case["sessions"][:1]
    path.write_text(yaml.safe_dump(case))
    run_case(load_case(path), out)
    assert (out / "plan.dcm").exists()
    assert list(out.glob("plan_*.dcm")) == []


def test_the_comment_of_a_bed_is_short_enough() -> None:
    long = Radiobiology(Tissue(10.123456, 1.23456789), Tissue(2.51234567, 2.50123456))
    assert bed_comment(long) == "BED: tumour a/b 10.12 Gy, 1.235 h; normal a/b 2.512 Gy, 2.501 h"
    assert len(bed_comment(long)) <= 64
    assert bed_comment(Radiobiology(normal=Tissue(2.5, 2.5))) == "BED: normal a/b 2.5 Gy, 2.5 h"
