"""A case counts its lung shunt in regions of planar images, and says so wherever the lung shunt stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from ytterby.dicom.write import DicomHeader, content_uid, write_nm_planar
from ytterby.dosimetry.lung import planar_lung_shunt
from ytterby.errors import CalibrationError, ConfigurationError, DicomError, GeometryError
from ytterby.files.casefile import read_case
from ytterby.model.planar import PlanarView, ViewDirection
from ytterby.workflow.case import load_case, run_case_file

REGIONS = {
    "unit": "pixel",
    "lungs": [{"rectangle": [6, 4, 25, 19]}],
    "liver": [{"polygon": [[4, 22], [22, 22], [22, 33], [4, 33]]}],
}
SOURCE = {"method": "planar", "regions": REGIONS}
COUNTS = {
    "method": "planar",
    "anterior_lung_counts": 1.0,
    "posterior_lung_counts": 1.0,
    "anterior_liver_counts": 9.0,
    "posterior_liver_counts": 9.0,
}


def planar(folder: Path, name: str = "planar.dcm", *sides: ViewDirection) -> tuple[np.ndarray, np.ndarray]:
    """Two views with a hot liver on the patient's right, written as one object (or those of some ``sides``)."""
    rng = np.random.default_rng(7)
    front = rng.poisson(5, (48, 32)) + 0
    front[22:34, 4:23] += rng.poisson(200, (12, 19))
    back = rng.poisson(4, (48, 32)) + 0
    back[22:34, 9:28] += rng.poisson(150, (12, 19))
    views = [
        PlanarView(array, side, "test", "Tc99m", (), (4.8, 4.8), 300.0, "", "test", 1)
        for array, side in ((front, ViewDirection.ANTERIOR), (back, ViewDirection.POSTERIOR))
    ]
    header = DicomHeader(
        patient_id="K1",
        patient_name="K1",
        patient_sex="",
        study_uid=content_uid("study"),
        study_date="20240301",
        study_time="101500",
        uid_seed="tests",
    )
    write_nm_planar([one for one in views if not sides or one.direction in sides], folder / name, header)
    return front, back


def nifti(path: Path, array: np.ndarray) -> None:
    image = nib.Nifti1Image(array, np.diag([5.0, 5.0, 5.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def case(folder: Path, source: dict[str, Any], **more: Any) -> Path:
    """A small case with a session that states no lung shunt of its own."""
    labels = np.zeros((12, 12, 10), np.uint8)
    labels[3:9, 3:9, 2:8] = 1
    nifti(folder / "labels.nii.gz", labels)
    nifti(folder / "spect.nii.gz", labels.astype(np.float32) * 10)
    data = {
        "schema": 1,
        "patient_id": "K1",
        "image": {"path": "spect.nii.gz", "kind": "maa_spect", "unit": "counts"},
        "segments": {"path": "labels.nii.gz", "labels": {1: "liver"}, "roles": {"liver": "liver"}},
        "sessions": [
            {
                "device": "glass",
                "administered_activity_gbq": 2.5,
                "administered_at": "2024-03-08T11:00:00+01:00",
                "residual_fraction": 0.02,
            }
        ],
        "options": {
            "energy_j_per_gbq": 49.67,
            "tissue_density_g_ml": 1.03,
            "lung_mass_kg": 1.0,
            "engine": "local_deposition",
        },
        "lung_shunt": source,
        **more,
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    return path


def test_the_shunt_of_the_images_is_that_of_hand_counted_numbers(tmp_path: Path) -> None:
    front, back = planar(tmp_path)
    run_case_file(case(tmp_path, SOURCE, planar={"path": "planar.dcm"}), tmp_path / "out")
    record = json.loads((tmp_path / "out" / "case.json").read_text("utf-8"))
    counts = {
        "anterior_lung_counts": float(front[4:20, 6:26].sum()),
        "posterior_lung_counts": float(back[4:20, 6:26].sum()),
        "anterior_liver_counts": float(front[22:34, 4:23].sum()),
        "posterior_liver_counts": float(back[22:34, 9:28].sum()),
    }
    expected = planar_lung_shunt(**counts).lung_shunt_fraction
    assert 0.02 < expected < 0.05
    shown = record["measured_lung_shunt"]
    assert shown["counts"] == counts
    assert shown["lung_shunt_fraction"] == expected
    assert "anterior view: frame 1 of planar.dcm (by view code 399321004" in shown["method"]
    assert record["sessions"][0]["lung_shunt_fraction"] == expected
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Measured lung shunt" in page
    assert 'alt="Anterior and posterior planar view with the regions of lungs and liver"' in page
    run = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert any(name.endswith("planar.dcm") for name in map(str, json.dumps(run).split('"')))


def test_views_may_be_named_one_by_one_in_millimetres(tmp_path: Path) -> None:
    planar(tmp_path)
    whole = load_case(case(tmp_path, SOURCE, planar={"path": "planar.dcm"})).lung_shunt
    planar(tmp_path, "front.dcm", ViewDirection.ANTERIOR)
    in_mm = {
        "unit": "mm",
        "lungs": [{"rectangle": [4.8 * 6, 4.8 * 4, 4.8 * 25, 4.8 * 19]}],
        "liver": [{"rectangle": [4.8 * 4, 4.8 * 22, 4.8 * 22, 4.8 * 33]}],
    }
    named = {
        "method": "planar",
        "regions": in_mm,
        "anterior": "front.dcm",
        "posterior": {"path": "planar.dcm", "frame": 2},
    }
    other = load_case(case(tmp_path, named)).lung_shunt
    assert whole is not None
    assert other is not None
    assert other.counts == whole.counts
    exchanged = named | {"anterior": {"path": "planar.dcm", "frame": 2}, "posterior": "front.dcm"}
    with pytest.raises(CalibrationError, match="the case calls it the anterior view, and the file posterior"):
        load_case(case(tmp_path, exchanged))


def test_one_view_alone_and_regions_beside_it_are_refused(tmp_path: Path) -> None:
    planar(tmp_path, "front.dcm", ViewDirection.ANTERIOR)
    with pytest.raises(DicomError, match="there are 1 and 0"):
        load_case(case(tmp_path, SOURCE, planar={"path": "front.dcm"}))
    planar(tmp_path)
    wide = {"method": "planar", "regions": REGIONS | {"lungs": [{"rectangle": [0, 0, 40, 9]}]}}
    with pytest.raises(GeometryError, match="'lungs' reaches beyond the view of 32 columns and 48 rows"):
        load_case(case(tmp_path, wide, planar={"path": "planar.dcm"}))


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        (SOURCE, {}, "need planar images to lie on"),
        (COUNTS, {"planar": {"path": "planar.dcm"}}, "nothing is counted in the planar images"),
        ({"method": "planar", "anterior": "planar.dcm"}, {}, "belong together"),
        ({"method": "planar", "anterior": "planar.dcm", "posterior": "planar.dcm"}, {}, "need regions to count in"),
        (SOURCE | {"anterior_lung_counts": 3.0}, {}, "keep one of the two"),
        (SOURCE | {"method": "spect_ct"}, {}, "planar views play no part"),
        ({"method": "planar", "regions": REGIONS | {"unit": "cm"}}, {}, "must be 'pixel' or 'mm'"),
        ({"method": "planar", "regions": REGIONS | {"lungs": []}}, {}, "empty list"),
        ({"method": "planar", "regions": REGIONS | {"lungs": [{}]}}, {}, "a rectangle or a polygon"),
        ({"method": "planar", "regions": REGIONS | {"lungs": [{"rectangle": [5, 5, 1, 9]}]}}, {}, "left, top, right"),
    ],
    ids=["no-image", "unused", "one-view", "no-region", "both", "spect", "unit", "empty", "no-outline", "turned"],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, source: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    planar(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        read_case(case(tmp_path, source, **more))
