"""A result folder is believed only when its files are whole and agree with each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ytterby.errors import FileFormatError, InputError
from ytterby.files.nifti import write_nifti
from ytterby.files.resultfolder import MAX_JSON_BYTES, read_case_result
from ytterby.model.segment import Role
from ytterby.model.volume import Grid, Quantity, Volume

GRID = Grid.axis_aligned((5, 4, 3), (4.0, 4.0, 5.0), origin_mm=(-12.3, 7.1, 100.0))
ROWS = (("liver", "liver", 61.25), ("T1", "tumour", 212.5))


def record() -> dict[str, Any]:
    return {
        "schema": 1,
        "patient_id": "P1",
        "simulated": True,
        "software": {"name": "ytterby", "version": "0.1.0"},
        "options": {
            "energy_j_per_gbq": 49.67,
            "tissue_density_g_ml": 1.03,
            "lung_mass_kg": None,
            "engine": "local_deposition",
            "a_later_option": 3,
        },
        "image": {
            "quantity": "counts",
            "shape": list(GRID.shape),
            "affine_lps": GRID.affine.tolist(),
            "frame_of_reference": "1.2.3",
        },
        "doses": [
            {
                "segment": name,
                "role": role,
                "method": "imported",
                "volume_ml": 50.0,
                "mass_kg": 0.0515,
                "activity_fraction": 0.4,
                "mean_dose_gy": mean,
                "mean_dose_uncertainty_gy": None,
                "d70_gy": 0.8 * mean,
                "engine": "local_deposition",
                "a_later_column": None,
            }
            for name, role, mean in ROWS
        ],
        "activity_balance": {
            "administered_gbq": 3.0,
            "residual_gbq": 0.06,
            "liver_gbq": 2.8,
            "lung_gbq": 0.14,
            "outside_gbq": 0.0,
            "recovered_fraction": None,
        },
        "warnings": [{"code": "counts_outside", "message": "40 % lie outside"}],
    }


def write_result(folder: Path, change: Callable[[dict[str, Any]], object] = lambda data: None) -> Path:
    folder.mkdir(exist_ok=True)
    data = record()
    change(data)
    (folder / "case.json").write_text(json.dumps(data), encoding="utf-8")
    lines = ["segment,role,mean_dose_gy,engine", *(f"{n},{r},{m!r},local_deposition" for n, r, m in ROWS)]
    (folder / "doses.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    curves = ["segment,role,dose_gy,volume_fraction,volume_ml"]
    for name, role, _ in ROWS:
        curves += [f"{name},{role},0.0,1.0,50.0", f"{name},{role},100.0,0.5,25.0", f"{name},{role},250.0,0.0,0.0"]
    (folder / "dvh.csv").write_text("\n".join(curves) + "\n", encoding="utf-8")
    dose = np.arange(60, dtype=np.float32).reshape(GRID.shape)
    write_nifti(folder / "dose.nii.gz", Volume(dose, GRID, Quantity.DOSE))
    return folder


def test_a_folder_is_read_back(tmp_path: Path) -> None:
    found = read_case_result(write_result(tmp_path / "maa"))
    assert found.dose.patient_id == "P1"
    assert found.simulated is True
    assert found.software == "ytterby 0.1.0"
    assert found.quantity is Quantity.COUNTS
    assert found.net_activity_gbq == pytest.approx(2.94)
    assert [(row.segment, row.role, row.mean_dose_gy) for row in found.dose.doses] == [
        ("liver", Role.LIVER, 61.25),
        ("T1", Role.TUMOUR, 212.5),
    ]
    assert found.dose.of("T1").d70_gy == pytest.approx(170.0)
    assert found.dose.tumour_mean_dose_gy == pytest.approx(212.5)
    curve = found.dose.histograms[1]
    assert (curve.segment, curve.role, curve.total_volume_ml) == ("T1", Role.TUMOUR, 50.0)
    np.testing.assert_array_equal(curve.volume_fraction, [1.0, 0.5, 0.0])
    assert found.dose.notices[0].code == "counts_outside"
    assert found.dose_map.quantity is Quantity.DOSE
    assert found.dose_map.frame_of_reference == "1.2.3"
    assert found.dose_map.grid.same_as(GRID)
    np.testing.assert_array_equal(found.dose_map.array.ravel(), np.arange(60))


def set_path(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(data: dict[str, Any]) -> None:
        here: Any = data
        for key in keys[:-1]:
            here = here[key]
        here[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_path("schema", value=2), "schema 2 is not read"),
        (set_path("patient_id", value="../../etc"), "cannot name a patient"),
        (set_path("patient_id", value=17), "is no text"),
        (set_path("simulated", value="yes"), "neither true nor false"),
        (lambda data: data.pop("activity_balance"), "activity_balance: is missing"),
        (set_path("doses", value=[]), "doses"),
        (set_path("doses", 0, "mean_dose_gy", value="61"), r"doses\.0\.mean_dose_gy: is no number"),
        (set_path("doses", 0, "mean_dose_gy", value=None), r"doses\.0\.mean_dose_gy: is no number"),
        (set_path("doses", 0, "mean_dose_gy", value=62.0), "not of one run"),
        (set_path("doses", 0, "role", value="spleen"), r"doses\.0\.role"),
        (set_path("doses", 0, "segment", value="T1"), "'T1' stands twice"),
        (set_path("doses", 0, "segment", value="li\x07ver"), "control character"),
        (set_path("doses", 1, "segment", value="T2"), "not of one run"),
        (set_path("doses", 0, "volume_ml", value=-1.0), "lies outside its range"),
        (set_path("options", "engine", value="magic"), r"options\.engine"),
        (set_path("options", "energy_j_per_gbq", value=0), "lies outside its range"),
        (set_path("activity_balance", "residual_gbq", value=3.0), "nothing was administered"),
        (set_path("image", "shape", value=[5, 4]), "shape or affine is none"),
        (set_path("image", "shape", value=[5, 4, 2]), "does not lie where case.json says"),
        (set_path("image", "affine_lps", 0, 3, value=-13.3), "does not lie where case.json says"),
        (set_path("image", "affine_lps", value=[[1.0, 0, 0, 0]] * 3), "shape or affine is none"),
        (set_path("image", "affine_lps", value=[[0, 0, 0, 0]] * 4), "affine"),
    ],
)
def test_a_case_json_that_is_wrong_or_of_another_run(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        read_case_result(write_result(tmp_path / "maa", change))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no JSON"),
        (b"[1, 2]", "no mapping"),
        (b'{"schema": NaN}', "NaN is no number"),
        (b'{"schema": 1e999}', "is not what a case writes"),
        (b"\xff\xfe{}", "is no JSON"),
        (b"[" * 200_000, "is no JSON"),
        (b'{"schema": ' + b"9" * 6000 + b"}", "is no"),
        (b" " * (MAX_JSON_BYTES + 1), "more than 16777216 bytes"),
    ],
)
def test_hostile_json(tmp_path: Path, content: bytes, told: str) -> None:
    folder = write_result(tmp_path / "maa")
    (folder / "case.json").write_bytes(content)
    with pytest.raises(FileFormatError, match=told):
        read_case_result(folder)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("T1,tumour,100.0,0.5", "T1,tumour,100.0,1.5", r"dvh\.csv: 1\.5 lies outside the range"),
        ("T1,tumour,250.0,0.0", "T1,tumour,250.0,0.7", "the histogram of 'T1' rises"),
        ("T1,tumour,250.0,0.0", "T1,tumour,50.0,0.0", "or its doses do not"),
        ("T1,tumour,100.0,0.5", "T9,tumour,100.0,0.5", "'T9' has a histogram and no dose"),
        ("segment,role,dose_gy", "segment,role,dose", "dose_gy"),
        ("100.0", "nan", "is no number"),
    ],
)
def test_histograms_that_are_none(tmp_path: Path, old: str, new: str, told: str) -> None:
    folder = write_result(tmp_path / "maa")
    path = folder / "dvh.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(FileFormatError, match=told):
        read_case_result(folder)


@pytest.mark.parametrize("name", ["case.json", "doses.csv", "dvh.csv", "dose.nii.gz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_result(tmp_path / "maa")
    (folder / name).unlink()
    with pytest.raises(FileFormatError, match=name.replace(".", r"\.")):
        read_case_result(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="there is no such folder"):
        read_case_result(tmp_path / "nowhere")


def test_a_damaged_dose_map_is_refused(tmp_path: Path) -> None:
    folder = write_result(tmp_path / "maa")
    content = (folder / "dose.nii.gz").read_bytes()
    (folder / "dose.nii.gz").write_bytes(content[:-20])
    with pytest.raises(FileFormatError):
        read_case_result(folder)
