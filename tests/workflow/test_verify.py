"""Predicted against delivered end to end: two cases of one phantom, whose differences are known, from files to files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner

from ytterby.cli.verify import register
from ytterby.dicom.write import DicomHeader, write_registration
from ytterby.errors import ConfigurationError, FileFormatError, GeometryError, InputError
from ytterby.model.transform import Transform
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.verify import run_verification_file

K, DENSITY = 49.67, 1.03
SPACING = (5.0, 5.0, 4.0)
SHAPE = (40, 36, 30)
VOXEL_KG = float(np.prod(SPACING)) / 1e6 * DENSITY
NET_GBQ = 2.5
LABELS = {1: "rest", 2: "T1", 3: "T2", 4: "T3"}


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """Activity of each voxel in GBq as predicted, and labels: 1 liver, 2 to 4 tumours."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:32, 6:30, 5:25] = 1
    labels[12:18, 10:16, 8:14] = 2
    labels[22:26, 18:22, 15:20] = 3
    labels[24:29, 8:13, 9:14] = 4
    relative = np.select([labels == n for n in (1, 2, 3, 4)], [1.0, 6.0, 3.0, 4.5], 0.0)
    relative *= 1 + 0.3 * np.sin(np.arange(SHAPE[0]) / 3)[:, None, None]
    return NET_GBQ * relative / relative.sum(), labels


FACTORS = {"T1": 0.7, "T2": 1.4, "T3": 1.1}


def delivered_activity() -> np.ndarray:
    """The predicted activity with the tumours changed by ``FACTORS`` and the rest of the liver by what is left."""
    activity, labels = phantom()
    changed = activity.copy()
    for label, name in LABELS.items():
        if name in FACTORS:
            changed[labels == label] *= FACTORS[name]
    rest = labels == 1
    changed[rest] *= (NET_GBQ - changed[~rest].sum()) / changed[rest].sum()
    return changed


def nifti(path: Path, array: np.ndarray) -> None:
    image = nib.Nifti1Image(array, np.diag([*SPACING, 1.0]))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    nib.save(image, path)


def run_phantom(folder: Path, name: str, activity_gbq: np.ndarray, kind: str, **session: Any) -> Path:
    """Result folder of a case of the phantom with that activity."""
    place = folder / f"{name}_input"
    place.mkdir()
    _, labels = phantom()
    image: dict[str, Any] = {"path": "image.nii.gz", "kind": kind}
    if kind == "maa_spect":
        nifti(place / "image.nii.gz", (activity_gbq * 1e6).astype(np.float32))
        image |= {"unit": "counts"}
    else:
        nifti(place / "image.nii.gz", (activity_gbq * 1e9 / (np.prod(SPACING) / 1000)).astype(np.float32))
        image |= {"unit": "bq_ml", "reference_time": "2024-03-08T11:00:00+01:00"}
    nifti(place / "labels.nii.gz", labels)
    case = {
        "schema": 1,
        "patient_id": "K1",
        "simulated": True,
        "image": image,
        "segments": {
            "path": "labels.nii.gz",
            "labels": LABELS,
            "roles": {"liver": ["rest"], "tumour": ["T1", "T2", "T3"]},
        },
        "sessions": [
            {
                "device": "glass",
                "administered_activity_gbq": NET_GBQ / 0.98,
                "administered_at": "2024-03-08T11:00:00+01:00",
                "residual_fraction": 0.02,
                "lung_shunt_fraction": 0.0,
                **session,
            }
        ],
        "options": {
            "energy_j_per_gbq": K,
            "tissue_density_g_ml": DENSITY,
            "lung_mass_kg": 1.0,
            "engine": "local_deposition",
        },
    }
    (place / "case.yaml").write_text(yaml.safe_dump(case))
    run_case(load_case(place / "case.yaml"), folder / name)
    return folder / name


def request(folder: Path, **verify: Any) -> Path:
    path = folder / "verify.yaml"
    text = {"schema": 1, "patient_id": "K1", "verify": {"predicted": "maa", "delivered": "pet", **verify}}
    path.write_text(yaml.safe_dump(text))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results maa (predicted) and pet (delivered)."""
    folder = tmp_path_factory.mktemp("results")
    run_phantom(folder, "maa", phantom()[0], "maa_spect")
    run_phantom(folder, "pet", delivered_activity(), "y90_pet")
    return folder


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["segment"]: row for row in csv.DictReader(stream)}


def test_the_known_differences_are_found(results: Path, tmp_path: Path) -> None:
    path = request(results, limits={"mean_dose_fraction": 0.2})
    run_verification_file(path, tmp_path / "out")
    table = rows(tmp_path / "out" / "verify.csv")
    _, labels = phantom()
    for label, name in LABELS.items():
        if name not in FACTORS:
            continue
        before, after = (
            K * activity[labels == label].mean() / VOXEL_KG for activity in (phantom()[0], delivered_activity())
        )
        assert float(table[name]["predicted_mean_dose_gy"]) == pytest.approx(before, rel=1e-4)
        assert float(table[name]["delivered_mean_dose_gy"]) == pytest.approx(after, rel=1e-4)
        assert float(table[name]["difference_fraction"]) == pytest.approx(FACTORS[name] - 1.0, abs=1e-4)
        assert float(table[name]["voxel_delivered_mean_gy"]) == pytest.approx(after, rel=1e-4)
    record = json.loads((tmp_path / "out" / "verify.json").read_text(encoding="utf-8"))
    flags = [(flag["code"], flag["message"].partition(":")[0]) for flag in record["flags"]]
    assert flags == [("mean_dose_beyond_limit", "T1"), ("mean_dose_beyond_limit", "T2")]
    assert record["delivered"]["recovered_fraction"] == pytest.approx(1.0, abs=1e-4)
    assert record["activity_ratio"] == pytest.approx(1.0)
    ratios = record["agreement"]["as_stated"]["ratio"]
    assert ratios["n"] == 3
    assert ratios["bias"]["value"] == pytest.approx(float(np.prod(list(FACTORS.values()))) ** (1 / 3), rel=1e-4)
    assert record["patient"]["predicted_mad_gy"] > record["patient"]["delivered_mad_gy"]
    codes = {notice["code"] for notice in record["notices"]}
    assert codes == {"frame_unknown", "resolutions_not_matched"}


def test_the_difference_map_is_that_of_the_known_activities(results: Path, tmp_path: Path) -> None:
    run_verification_file(request(results), tmp_path / "out")
    found = nib.load(tmp_path / "out" / "difference.nii.gz")
    np.testing.assert_allclose(found.affine, np.diag([*SPACING, 1.0]), atol=1e-6)
    activity, labels = phantom()
    expected = np.where(labels > 0, K * (delivered_activity() - activity) / VOXEL_KG, 0.0)
    np.testing.assert_allclose(found.get_fdata(), expected, atol=2e-3)
    # The same activity was given: what one place gained, others lost.
    assert found.get_fdata().sum() * VOXEL_KG == pytest.approx(0.0, abs=1e-3 * K * NET_GBQ)


def test_a_case_against_its_own_like_differs_nowhere(results: Path, tmp_path: Path) -> None:
    run_phantom(tmp_path, "again", phantom()[0], "maa_spect")
    strict = {
        "mean_dose_fraction": 1e-6,
        "d70_fraction": 1e-6,
        "gamma": {"dose_fraction": 0.001, "distance_mm": 1, "passing_fraction": 1.0},
    }
    path = request(results, delivered=str(tmp_path / "again"), limits=strict)
    found = run_verification_file(path, tmp_path / "out")
    assert found.flags == ()
    assert found.voxels is not None
    assert found.voxels.gamma is not None
    assert found.voxels.gamma.passing_fraction == 1.0
    assert all(row.rms_difference_gy == 0.0 for row in found.voxels.segments)
    assert not nib.load(tmp_path / "out" / "difference.nii.gz").get_fdata().any()
    assert {notice.code for notice in found.notices} >= {"delivered_is_relative"}


def test_ten_percent_more_activity_is_told_and_rescaled(results: Path, tmp_path: Path) -> None:
    pet = run_phantom(tmp_path, "more", 1.1 * phantom()[0], "y90_pet", administered_activity_gbq=1.1 * NET_GBQ / 0.98)
    found = run_verification_file(request(results, delivered=str(pet)), tmp_path / "out")
    assert found.is_rescaled
    assert found.ratio == pytest.approx(1.1)
    for pair in found.pairs:
        assert pair.difference_fraction == pytest.approx(0.10, abs=1e-4)
        assert pair.rescaled_difference_fraction == pytest.approx(0.0, abs=1e-4)
    assert found.voxels is not None
    for row, rescaled in zip(found.voxels.segments, found.voxels.rescaled, strict=True):
        assert row.mean_difference_gy == pytest.approx(0.1 * row.predicted_mean_gy, rel=1e-3)
        assert rescaled.rms_difference_gy < 1e-3
        assert dict(row.within)[0.20] == pytest.approx(1.0)
    assert "activities_differ" in {notice.code for notice in found.notices}
    assert "Predicted × 1.100" in (tmp_path / "out" / "verify.html").read_text(encoding="utf-8")


def test_activity_that_is_missing_is_flagged_without_any_limit(results: Path, tmp_path: Path) -> None:
    pet = run_phantom(tmp_path, "less", 0.7 * phantom()[0], "y90_pet")
    found = run_verification_file(request(results, delivered=str(pet)), tmp_path / "out")
    assert [flag.code for flag in found.flags] == ["recovery_beyond_limit"]
    assert "70.0%" in found.flags[0].message


def test_a_blurred_image_differs_until_the_resolutions_are_matched(results: Path, tmp_path: Path) -> None:
    from scipy.ndimage import gaussian_filter

    # An image of no blur at all against one of 14 mm: stated as 1 mm, the rest is by what a Gaussian of 13.96 mm leaves.
    sigma = [14.0 / 2.354820045 / side for side in SPACING]
    pet = run_phantom(tmp_path, "blurred", gaussian_filter(phantom()[0], sigma), "y90_pet")
    as_they_are = run_verification_file(request(results, delivered=str(pet)), tmp_path / "one")
    stated = request(results, delivered=str(pet), predicted_fwhm_mm=1.0, delivered_fwhm_mm=14.0)
    matched = run_verification_file(stated, tmp_path / "two")
    assert as_they_are.voxels is not None
    assert matched.voxels is not None
    assert matched.voxels.resolution is not None
    assert matched.voxels.resolution.smoothed == "predicted"
    assert matched.voxels.resolution.kernel_fwhm_mm == pytest.approx(np.sqrt(14.0**2 - 1.0))
    before = {row.segment: row for row in as_they_are.voxels.segments}
    for row in matched.voxels.segments:
        assert row.rms_difference_gy < 0.03 * before[row.segment].rms_difference_gy, row.segment
    assert "resolutions_not_matched" not in {notice.code for notice in matched.notices}


def test_a_shifted_delivery_is_seen(results: Path, tmp_path: Path) -> None:
    activity, labels = phantom()
    shifted = np.roll(activity, 2, axis=0)
    pet = run_phantom(tmp_path, "shifted", np.where(labels > 0, shifted, 0.0), "y90_pet")
    gamma = {"dose_fraction": 0.1, "distance_mm": 4.0, "passing_fraction": 0.95}
    found = run_verification_file(request(results, delivered=str(pet), limits={"gamma": gamma}), tmp_path / "out")
    assert "gamma_beyond_limit" in {flag.code for flag in found.flags}
    assert found.voxels is not None
    liver = found.voxels.segments[0]
    assert liver.correlation is not None
    assert liver.correlation < 0.9


def test_everything_but_run_json_is_the_same_twice(results: Path, tmp_path: Path) -> None:
    path = request(results, predicted_fwhm_mm=12.0, delivered_fwhm_mm=6.0)
    for name in ("one", "two"):
        run_verification_file(path, tmp_path / name)
    written = {file.name for file in (tmp_path / "one").iterdir()}
    assert written == {
        "verify.json",
        "verify.csv",
        "agreement.csv",
        "difference.nii.gz",
        "verify.html",
        "run.json",
    }
    for name in written - {"run.json"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    inputs = json.loads((tmp_path / "one" / "run.json").read_text(encoding="utf-8"))["inputs"]
    assert {"verify.yaml", "maa/case.json", "pet/case.json", "maa/segments.dcm", "pet/dose.nii.gz"} <= set(inputs)


def test_everything_simulated_says_so(results: Path, tmp_path: Path) -> None:
    run_verification_file(request(results), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "verify.json").read_text(encoding="utf-8"))["simulated"] is True
    assert all(row["simulated"] == "1" for row in rows(tmp_path / "out" / "verify.csv").values())
    assert "Simulated data" in (tmp_path / "out" / "verify.html").read_text(encoding="utf-8")


def copied(results: Path, folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a result with another case.json."""
    place = folder / name
    place.mkdir()
    for file in (results / name).iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    data = json.loads((place / "case.json").read_text(encoding="utf-8"))
    change(data)
    (place / "case.json").write_text(json.dumps(data), encoding="utf-8")
    return place


def test_different_frames_of_reference_compare_no_voxels_unless_somebody_vouches(results: Path, tmp_path: Path) -> None:
    folders = {
        key: str(copied(results, tmp_path, name, lambda data, uid=uid: data["image"].update(frame_of_reference=uid)))
        for key, name, uid in (("predicted", "maa", "1.2.3"), ("delivered", "pet", "1.2.4"))
    }
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "difference.nii.gz").write_bytes(b"of an earlier run")
    found = run_verification_file(request(results, **folders), tmp_path / "out")
    assert found.voxels is None
    assert "frames_differ" in {notice.code for notice in found.notices}
    header = DicomHeader("P1", "P1", "", "1.2.9", "20240308", "110000", "tests")
    write_registration([Transform("1.2.4", "1.2.3", np.eye(4))], results / "reg.dcm", header)
    registered = run_verification_file(request(results, **folders, registration="reg.dcm"), tmp_path / "registered")
    assert registered.voxels is not None
    assert "registered" in {notice.code for notice in registered.notices}
    write_registration([Transform("1.2.4", "1.2.5", np.eye(4))], results / "reg.dcm", header)
    with pytest.raises(GeometryError, match="does not lead from"):
        run_verification_file(request(results, **folders, registration="reg.dcm"), tmp_path / "not")
    assert len(found.pairs) >= 5
    assert not (tmp_path / "out" / "difference.nii.gz").exists()
    assert "frames of reference" in (tmp_path / "out" / "verify.html").read_text(encoding="utf-8")
    vouched = run_verification_file(request(results, registered_by="A. Physicist", **folders), tmp_path / "vouched")
    assert vouched.voxels is not None
    assert "registration_stated" in {notice.code for notice in vouched.notices}
    assert "A. Physicist" in (tmp_path / "vouched" / "verify.html").read_text(encoding="utf-8")


def test_what_cannot_be_compared_is_refused_and_leaves_nothing(results: Path, tmp_path: Path) -> None:
    path = request(results)
    path.write_text(path.read_text().replace("K1", "K2"))
    with pytest.raises(ConfigurationError, match=r"verify\.predicted: the results are of patient 'K1'.*'K2'"):
        run_verification_file(path, tmp_path / "out")
    real = copied(results, tmp_path, "pet", lambda data: data.update(simulated=False))
    with pytest.raises(ConfigurationError, match="one result is of a simulated patient"):
        run_verification_file(request(results, delivered=str(real)), tmp_path / "out")
    with pytest.raises(FileFormatError, match="there is no such folder"):
        run_verification_file(request(results, delivered="nowhere"), tmp_path / "out")
    (real / "segments.dcm").unlink()
    with pytest.raises(InputError):
        run_verification_file(request(results, predicted=str(real), delivered="maa"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_segments_flags_and_where_the_page_is(results: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    path = request(results, limits={"mean_dose_fraction": 0.2})
    shown = CliRunner().invoke(app, [str(path), "--out", str(tmp_path / "out")], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert re.search(r"T1 .*tumour .*-30\.0", shown.output)
    assert "beyond a limit T2: the delivered mean dose differs by +40.0%" in shown.output
    assert "Research use only." in shown.output
    alone = CliRunner().invoke(app, [str(path), "--json"])
    assert alone.stdout == (tmp_path / "out" / "verify.json").read_text(encoding="utf-8")
    told = CliRunner().invoke(app, [str(path), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(told.output) == json.loads((tmp_path / "out" / "verify.json").read_text(encoding="utf-8"))


@pytest.mark.external
def test_a_real_image_against_itself_with_more_activity(tmp_path: Path, external_data: Path) -> None:
    source = external_data / "maa_spect_patient2"
    for name, kind, activity_gbq in (("maa", "maa_spect", 3.9), ("pet", "y90_spect", 1.1 * 3.9)):
        case = {
            "schema": 1,
            "patient_id": "K1",
            "image": {"path": str(source / "patient_2_SPECT.nrrd"), "kind": kind, "unit": "counts"},
            "segments": {
                "path": str(source / "patient_2_Segmentation.seg.nrrd"),
                "roles": {"liver": "liver", "tumour": ["Tumor 1", "Tumor 2"], "perfused": "perfused volume"},
            },
            "sessions": [
                {
                    "device": "glass",
                    "administered_activity_gbq": activity_gbq,
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
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(case))
        run_case(load_case(tmp_path / f"{name}.yaml"), tmp_path / name)
    found = run_verification_file(request(tmp_path), tmp_path / "out")
    assert {pair.segment for pair in found.pairs} >= {"liver", "Tumor 1", "Tumor 2", "perfused volume", "normal_liver"}
    for pair in found.pairs:
        assert pair.difference_fraction == pytest.approx(0.10, abs=1e-6)
    assert found.voxels is not None
    for row, rescaled in zip(found.voxels.segments, found.voxels.rescaled, strict=True):
        assert row.mean_difference_gy == pytest.approx(0.1 * row.predicted_mean_gy, rel=1e-4)
        assert rescaled.rms_difference_gy < 1e-4 * row.predicted_mean_gy
        # The map is sampled at the image's voxels, the doses at the masks': they agree as the two samplings do.
        mean_gy = next(pair.predicted.mean_dose_gy for pair in found.pairs if pair.segment == row.segment)
        assert row.predicted_mean_gy == pytest.approx(mean_gy, rel=0.1)
