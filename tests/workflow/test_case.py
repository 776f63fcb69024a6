"""A case end to end, from files to files: known activity, the simulated patient, the real patient, wrong input."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import yaml

from ytterby.errors import CalibrationError, ConfigurationError, GeometryError, SegmentError
from ytterby.files.treatmentfields import ImageKind
from ytterby.model.volume import Grid, Quantity, Volume
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.images import stated_unit
from ytterby.workflow.simulate import simulate_patient

K, DENSITY = 49.67, 1.03
SPACING = (5.0, 5.0, 4.0)
SHAPE = (40, 36, 30)


def nifti(path: Path, array: np.ndarray, spacing: tuple[float, ...] = SPACING) -> Path:
    image = nib.Nifti1Image(array, np.diag([*spacing, 1.0]))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    nib.save(image, path)
    return path


def known_activity_gbq() -> tuple[np.ndarray, np.ndarray]:
    """Activity of each voxel in GBq, and labels: 1 liver, 2 and 3 tumours."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:32, 6:30, 5:25] = 1
    labels[12:18, 10:16, 8:14] = 2
    labels[22:26, 18:22, 15:20] = 3
    concentration = np.select([labels == 1, labels == 2, labels == 3], [1.0, 6.0, 3.0], 0.0)
    concentration *= 1 + 0.3 * np.sin(np.arange(SHAPE[0]) / 3)[:, None, None]
    return 2.5 * concentration / concentration.sum(), labels


def write_known_case(folder: Path, **changes: Any) -> Path:
    activity, labels = known_activity_gbq()
    nifti(folder / "spect.nii.gz", (activity * 1e6).astype(np.float32))
    whole = nifti(folder / "labels.nii.gz", labels)
    case: dict[str, Any] = {
        "schema": 1,
        "patient_id": "K1",
        "image": {"path": "spect.nii.gz", "kind": "maa_spect", "unit": "counts"},
        "segments": {
            "path": whole.name,
            "labels": {1: "rest", 2: "T1", 3: "T2"},
            "roles": {"liver": ["rest", "T1", "T2"], "tumour": []},
        },
        "sessions": [
            {
                "device": "glass",
                "administered_activity_gbq": 2.5 / 0.9 / 0.98,
                "administered_at": "2024-03-08T11:00:00+01:00",
                "residual_fraction": 0.02,
                "lung_shunt_fraction": 0.1,
            }
        ],
        "options": {
            "energy_j_per_gbq": K,
            "tissue_density_g_ml": DENSITY,
            "lung_mass_kg": 1.0,
            "engine": "local_deposition",
        },
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump({**case, **changes}))
    return path


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as stream:
        return {row["segment"]: row for row in csv.DictReader(stream)}


def test_the_dose_map_is_that_of_the_known_activity(tmp_path: Path) -> None:
    activity, labels = known_activity_gbq()
    run_case(load_case(write_known_case(tmp_path)), tmp_path / "out")
    found = nib.load(tmp_path / "out" / "dose.nii.gz")
    np.testing.assert_allclose(found.affine, np.diag([*SPACING, 1.0]), atol=1e-6)
    dose_gy = found.get_fdata()
    voxel_kg = np.prod(SPACING) / 1e6 * DENSITY
    # Each voxel against K A / m of the activity that was put there, not against the program's own sum.
    np.testing.assert_allclose(dose_gy[labels > 0], K * activity[labels > 0] / voxel_kg, rtol=2e-5)
    assert dose_gy[labels > 0].sum() * voxel_kg == pytest.approx(K * 2.5, rel=1e-5)
    assert dose_gy[labels == 0].max() == 0.0


def test_what_is_written(tmp_path: Path) -> None:
    run_case(load_case(write_known_case(tmp_path)), tmp_path / "out")
    out = tmp_path / "out"
    expected = {"doses.csv", "dvh.csv", "case.json", "report.html", "dose.nii.gz", "dose.dcm", "segments.dcm"}
    expected |= {"report.pdf", "report_pdf.dcm", "measurements.dcm"}
    assert expected <= {path.name for path in out.iterdir()}
    table = rows(out / "doses.csv")
    record = json.loads((out / "case.json").read_text())
    for name, row in table.items():
        [same] = [dose for dose in record["doses"] if dose["segment"] == name]
        assert float(row["mean_dose_gy"]) == same["mean_dose_gy"]
    assert abs(record["activity_balance"]["closure_fraction"]) < 1e-3
    rtdose = pydicom.dcmread(out / "dose.dcm")
    assert rtdose.DoseUnits == "GY"
    stored = rtdose.pixel_array.astype(float) * float(rtdose.DoseGridScaling)
    dose_gy = nib.load(out / "dose.nii.gz").get_fdata()
    assert stored.max() == pytest.approx(dose_gy.max(), rel=1e-6)
    assert stored.sum() == pytest.approx(dose_gy.sum(), rel=1e-6)
    with (out / "dvh.csv").open(newline="") as stream:
        curve = [float(row["volume_fraction"]) for row in csv.DictReader(stream) if row["segment"] == "rest"]
    assert curve[0] == 1.0
    assert curve == sorted(curve, reverse=True)


def test_the_same_case_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    case = write_known_case(tmp_path)
    for name in ("one", "two"):
        run_case(load_case(case), tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        if path.name != "run.json":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_thresholds_make_segments(tmp_path: Path) -> None:
    case = write_known_case(
        tmp_path,
        tumours={"method": "percent_of_max", "percent": 35, "region": "liver", "minimum_diameter_mm": 20},
        derived=[
            {"name": "hot", "role": "perfused", "inside": "rest", "method": "percent_of_max", "percent": 5},
        ],
        segments={"path": "labels.nii.gz", "labels": {1: "rest"}, "roles": {"liver": "rest"}},
    )
    _, labels = known_activity_gbq()
    # The liver of the file, here, is everything that has a label.
    nifti(tmp_path / "labels.nii.gz", (labels > 0).astype(np.uint8))
    dose = run_case(load_case(case), tmp_path / "out")
    tumours = [row for row in dose.doses if row.role.value == "tumour"]
    assert [row.segment for row in tumours] == ["Tumour 1", "Tumour 2"]
    assert tumours[0].volume_ml == pytest.approx((labels == 2).sum() * 0.1, rel=0.2)
    assert "35 % of maximum" in tumours[0].method


def test_a_region_named_by_its_role_is_all_its_segments(tmp_path: Path) -> None:
    case = write_known_case(
        tmp_path,
        tumours={"method": "percent_of_max", "percent": 35, "region": "liver", "minimum_diameter_mm": 20},
        segments={
            "path": "labels.nii.gz",
            "labels": {1: "rest", 2: "right", 3: "left"},
            "roles": {"liver": ["rest", "right", "left"]},
        },
    )
    dose = run_case(load_case(case), tmp_path / "out")
    # The hot spots are labels of their own here: a region of the first liver segment alone would miss them.
    assert [row.segment for row in dose.doses if row.role.value == "tumour"] == ["Tumour 1", "Tumour 2"]


def test_the_simulated_patient_is_dosed_near_the_truth(tmp_path: Path) -> None:
    case = load_case(simulate_patient(tmp_path / "patient", seed=3))
    dose = run_case(case, tmp_path / "out")
    truth = json.loads((tmp_path / "patient" / "truth.json").read_text())
    # Energy in the whole map, against the activity that the simulator put into the liver.
    found = nib.load(tmp_path / "out" / "dose.nii.gz")
    voxel_kg = abs(np.linalg.det(found.affine[:3, :3])) / 1e6 * DENSITY
    assert found.get_fdata().sum() * voxel_kg / K == pytest.approx(truth["liver_activity_gbq"], rel=0.01)
    # The RTDOSE on the CT's grid, read by another program, has the means of the table in the true masks.
    rtdose = sitk.ReadImage(str(tmp_path / "out" / "dose.dcm"))
    scaling = float(pydicom.dcmread(tmp_path / "out" / "dose.dcm").DoseGridScaling)
    stored = sitk.GetArrayFromImage(rtdose).transpose(2, 1, 0).astype(float)
    scale = 1.0 if stored.max() < 1e4 else scaling
    for segment in case.segments:
        if segment.role.value in ("liver", "tumour"):
            assert case.ct is not None
            mean_gy = stored[segment.on_grid(case.ct.grid).mask].mean() * scale
            assert mean_gy == pytest.approx(dose.of(segment.name).mean_dose_gy, rel=1e-4)
    for lesion in truth["lesions"]:
        if lesion["longest_diameter_mm"] > 50:
            # What is left is the scanner's resolution and noise.
            assert dose.of(lesion["segment"]).mean_dose_gy == pytest.approx(lesion["mad_gy"], rel=0.15)
    assert dose.of("normal_liver").mean_dose_gy == pytest.approx(truth["normal_liver_gy"], rel=0.1)
    assert json.loads((tmp_path / "out" / "case.json").read_text())["simulated"] is True
    assert "Simulated data" in (tmp_path / "out" / "report.html").read_text()


def oracle() -> ModuleType:
    path = Path(__file__).parents[1] / "oracles" / "maa_patient2.py"
    spec = util.spec_from_file_location("maa_patient2", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["maa_patient2"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.external
def test_the_real_patient_agrees_with_the_independent_script(tmp_path: Path, external_data: Path) -> None:
    folder = external_data / "maa_spect_patient2"
    names = {"liver": ["liver"], "tumour": ["Tumor 1", "Tumor 2"], "perfused": ["perfused volume"], "lungs": []}
    extra = ["whole liver normal", "perfused normal", "gallbladder"]
    case = {
        "schema": 1,
        "patient_id": "P2",
        "image": {"path": str(folder / "patient_2_SPECT.nrrd"), "kind": "maa_spect", "unit": "counts"},
        "segments": {"path": str(folder / "patient_2_Segmentation.seg.nrrd"), "roles": {**names, "other": extra}},
        "sessions": [
            {
                "device": "glass",
                "administered_activity_gbq": 3.9,
                "administered_at": "2024-03-08T11:00:00+01:00",
                "residual_fraction": 0,
                "lung_shunt_fraction": 0.029,
                "perfused": "perfused volume",
            }
        ],
        "options": {
            "energy_j_per_gbq": K,
            "tissue_density_g_ml": DENSITY,
            "lung_mass_kg": 1.0,
            "engine": "local_deposition",
        },
    }
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(case))
    dose = run_case(load_case(tmp_path / "case.yaml"), tmp_path / "out")
    independent = oracle().doses(folder)
    assert len(independent) == 7
    for name, (volume_ml, mean_gy) in independent.items():
        assert dose.of(name).volume_ml == pytest.approx(volume_ml, rel=5e-3)
        assert dose.of(name).mean_dose_gy == pytest.approx(mean_gy, rel=5e-3)
    for name in ("normal_liver", "perfused_normal", "Tumor 1", "Tumor 2"):
        assert dose.of(name).mean_dose_gy > 0
    assert abs(dose.balance.closure_fraction) < 1e-3
    assert dose.balance.counts_outside_fraction == pytest.approx(oracle().counts_outside_liver(folder), abs=0.005)
    assert dose.balance.counts_outside_fraction == pytest.approx(0.40, abs=0.01)
    assert "counts_outside" in {notice.code for notice in dose.notices}


def test_the_labels_of_a_label_map_are_joined_to_the_whole_liver(tmp_path: Path) -> None:
    segments = {
        "path": "labels.nii.gz",
        "labels": {1: "rest", 2: "T1", 3: "T2"},
        "roles": {"liver": ["rest"], "tumour": ["T1", "T2"]},
    }
    dose = run_case(load_case(write_known_case(tmp_path, segments=segments)), tmp_path / "out")
    activity, labels = known_activity_gbq()
    voxel_kg = np.prod(SPACING) / 1e6 * DENSITY
    assert dose.of("rest").volume_ml == pytest.approx((labels > 0).sum() * 0.1)
    for name, label in (("T1", 2), ("T2", 3)):
        assert dose.of(name).mean_dose_gy == pytest.approx(K * activity[labels == label].mean() / voxel_kg, rel=1e-5)
    assert "tumours_joined_to_liver" in {notice.code for notice in dose.notices}


def in_bq_ml(folder: Path, kind: str, **changes: Any) -> Path:
    image = {"path": "spect.nii.gz", "kind": kind, "unit": "bq_ml", "reference_time": "2024-03-08T11:00:00+01:00"}
    return write_known_case(folder, image={**image, **changes})


def test_absolute_images_are_written_though_noise_is_below_0(tmp_path: Path) -> None:
    case = in_bq_ml(tmp_path, "y90_pet")
    activity, labels = known_activity_gbq()
    bq_ml = activity * 1e9 / (np.prod(SPACING) / 1000)
    bq_ml[labels == 0] = -5.0
    nifti(tmp_path / "spect.nii.gz", bq_ml.astype(np.float32))
    run_case(load_case(case), tmp_path / "out")
    assert pydicom.dcmread(tmp_path / "out" / "dose.dcm").pixel_array.min() == 0
    assert nib.load(tmp_path / "out" / "dose.nii.gz").get_fdata().min() < 0


def test_a_surrogate_is_never_dosed_by_its_own_becquerels() -> None:
    grid = Grid.axis_aligned((2, 2, 2), (4, 4, 4))
    maa = Volume(np.ones(grid.shape), grid, Quantity.CONCENTRATION, source="maa.dcm")
    taken = stated_unit(maa, ImageKind.MAA_SPECT, unit=None, reference_time=None, where="")
    assert taken.quantity is Quantity.COUNTS
    with pytest.raises(CalibrationError, match=r"maa\.dcm: the file is no image of activity"):
        stated_unit(
            maa.with_array(maa.array, Quantity.OTHER), ImageKind.Y90_PET, unit=None, reference_time=None, where=""
        )


def test_file_and_case_must_agree_on_the_decay_reference() -> None:
    grid = Grid.axis_aligned((2, 2, 2), (4, 4, 4))
    eleven = datetime(2024, 3, 8, 11, tzinfo=UTC)
    pet = Volume(np.ones(grid.shape), grid, Quantity.CONCENTRATION, reference_time=eleven, source="pet")
    agreed = stated_unit(pet, ImageKind.Y90_PET, unit=None, reference_time=eleven, where="")
    assert agreed.reference_time == eleven
    with pytest.raises(CalibrationError, match="decay-corrected to 2024-03-08T21:00:00"):
        stated_unit(pet, ImageKind.Y90_PET, unit=None, reference_time=eleven.replace(hour=21), where="")


def test_an_activity_far_from_the_decayed_vial_is_told(tmp_path: Path) -> None:
    path = write_known_case(tmp_path)
    case = yaml.safe_load(path.read_text())
    activity = case["sessions"][0]["administered_activity_gbq"]
    case["sessions"][0] |= {"calibrated_activity_gbq": activity, "calibrated_at": "2024-03-03T12:00:00+01:00"}
    path.write_text(yaml.safe_dump(case))
    assert "vial_activity" in {notice.code for notice in load_case(path).notices}


def test_the_same_pixels_in_another_study_are_another_object(tmp_path: Path) -> None:
    path = write_known_case(tmp_path)
    run_case(load_case(path), tmp_path / "one")
    path.write_text(path.read_text().replace("2024-03-08T11", "2024-03-09T11"))
    run_case(load_case(path), tmp_path / "two")
    for name in ("dose.dcm", "segments.dcm"):
        one, two = (pydicom.dcmread(tmp_path / folder / name) for folder in ("one", "two"))
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            assert one[keyword].value != two[keyword].value, (name, keyword)


def test_a_segment_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    roles = {"liver": ["rest"], "tumour": ["T9"]}
    segments = {"path": "labels.nii.gz", "labels": {1: "rest", 2: "T1", 3: "T2"}, "roles": roles}
    with pytest.raises(SegmentError, match=r"labels\.nii\.gz, role tumour: there is no segment 'T9'.*T1, T2, rest"):
        load_case(write_known_case(tmp_path, segments=segments))


def test_an_image_without_a_unit_is_refused(tmp_path: Path) -> None:
    case = write_known_case(tmp_path, image={"path": "spect.nii.gz", "kind": "maa_spect"})
    with pytest.raises(CalibrationError, match=r"spect\.nii\.gz.*unit.*state image\.unit"):
        load_case(case)


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    case = write_known_case(tmp_path)
    _, labels = known_activity_gbq()
    nifti(tmp_path / "labels.nii.gz", np.where(labels == 3, 0, labels).astype(np.uint8))
    with pytest.raises(SegmentError, match=r"T2|label 3"):
        load_case(case)


def test_a_missing_quantity_is_refused_with_its_field(tmp_path: Path) -> None:
    case = write_known_case(tmp_path)
    text = case.read_text().replace("  lung_shunt_fraction: 0.1\n", "").replace("  lung_shunt_fraction: 0.1", "")
    case.write_text(text)
    with pytest.raises(ConfigurationError, match=r"case\.yaml, sessions\.0\.lung_shunt_fraction"):
        load_case(case)


def test_frames_of_reference_that_differ_are_refused(tmp_path: Path) -> None:
    case = load_case(simulate_patient(tmp_path / "patient", seed=3))
    from dataclasses import replace

    other = tuple(replace(segment, frame_of_reference="1.2.3") for segment in case.segments)
    with pytest.raises(GeometryError, match="another frame of reference"):
        run_case(replace(case, segments=other), tmp_path / "out")
    assert not (tmp_path / "out").exists()
