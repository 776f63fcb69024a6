"""Real files, and a simulated case: what is read afterwards is what was read before, and doses are the same."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml

from ytterby.dicom.deidentify import deidentify_folder
from ytterby.dicom.read import read_segments, read_volume
from ytterby.dicom.series import scan
from ytterby.errors import CalibrationError
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.simulate import simulate_patient

COMPARED = 4


@pytest.mark.external
def test_a_gamma_camera_phantom_is_read_as_before(external_data: Path, tmp_path: Path) -> None:
    outcome = deidentify_folder(external_data / "nm_spect_planar", tmp_path / "dst")
    assert [file.path.name for file in outcome.record.left_out] == ["NM1_JPLL"]  # a secondary capture
    before = read_volume(external_data / "nm_spect_planar" / "Jaszack.dcm")
    (path,) = [one.path for one in scan(tmp_path / "dst").series if one.kind == "nm_recon_tomo"]
    after = read_volume(path)
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_array_equal(after.grid.affine, before.grid.affine)


@pytest.mark.external
def test_a_segmentation_lies_where_it_lay(external_data: Path, tmp_path: Path) -> None:
    folder = external_data / "dcmqi_liver_seg"
    deidentify_folder(folder, tmp_path / "dst")
    found = {one.kind: one for one in scan(tmp_path / "dst").series}
    (before,), (after,) = read_segments(folder / "liver.dcm"), read_segments(found["seg"].path)
    np.testing.assert_array_equal(after.mask, before.mask)
    ct = read_volume(found["ct"].path)
    np.testing.assert_array_equal(ct.array, read_volume(folder / "ct-3slice").array)
    assert ct.frame_of_reference == after.frame_of_reference != before.frame_of_reference


@pytest.mark.external
def test_voxels_and_structures_of_a_pet_and_a_ct_are_read_as_before(external_data: Path, tmp_path: Path) -> None:
    folder = external_data / "ibsi_STS_001"
    outcome = deidentify_folder(folder, tmp_path / "dst")
    assert outcome.record.left_out == []
    before = {one.kind: one for one in scan(folder / "CT").series}
    after: dict[str, list[Path]] = {}
    for one in scan(tmp_path / "dst").series:
        after.setdefault(one.kind, []).append(one.path)
    [path] = after["ct"]
    one, other = read_volume(before["ct"].path), read_volume(path)
    np.testing.assert_array_equal(other.array, one.array)
    np.testing.assert_array_equal(other.grid.affine, one.grid.affine)
    # Units of the PET are uptake values, which are no activity: told in the same words, but for the names of files.
    [path] = after["pt"]
    [pet] = [one.path for one in scan(folder / "PET").series if one.kind == "pt"]
    refused = []
    for place in (pet, path):
        with pytest.raises(CalibrationError) as caught:
            read_volume(place)
        refused.append(caught.value.what)
    assert refused[0] == refused[1]
    assert "GML" in refused[0]
    assert len(after["rtstruct"]) == 2


@pytest.mark.external
@pytest.mark.parametrize("name", ["ibsi_STS_001", "dcmqi_liver_seg", "nm_spect_planar"])
def test_objects_get_no_new_errors(
    external_data: Path, tmp_path: Path, dciodvfy: Callable[[Path], list[str]], name: str
) -> None:
    deidentify_folder(external_data / name, tmp_path / "dst", key_file=tmp_path / "key")
    originals: dict[tuple[str, int], list[Path]] = {}
    for path in sorted((external_data / name).rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID", "InstanceNumber"])
            originals.setdefault((dataset.SOPClassUID, int(dataset.get("InstanceNumber") or 0)), []).append(path)
    compared: dict[str, int] = {}
    for path in sorted((tmp_path / "dst").rglob("*.dcm")):
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID", "InstanceNumber"])
        compared[dataset.SOPClassUID] = compared.get(dataset.SOPClassUID, 0) + 1
        if compared[dataset.SOPClassUID] > COMPARED:
            continue
        same = originals[dataset.SOPClassUID, int(dataset.get("InstanceNumber") or 0)]
        before = {line.split("<2.")[0].split("<1.")[0] for original in same for line in dciodvfy(original)}
        assert [line for line in dciodvfy(path) if line.split("<2.")[0] not in before] == []


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_simulated_case_gives_the_same_doses(tmp_path: Path) -> None:
    case = simulate_patient(tmp_path / "src", seed=3)
    settings = yaml.safe_load(case.read_text())
    for key in ("partial_volume", "uncertainty"):
        settings.pop(key, None)
    settings["options"]["engine"] = "local_deposition"
    case.write_text(yaml.safe_dump(settings))
    run_case(load_case(case), tmp_path / "before")
    deidentify_folder(tmp_path / "src", tmp_path / "dst")
    found = {one.kind: one.path for one in scan(tmp_path / "dst").series}
    settings["image"]["path"], settings["ct"]["path"] = str(found["nm_recon_tomo"]), str(found["ct"])
    settings["segments"]["path"], settings["patient_id"] = str(found["seg"]), "P0001"
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(settings))
    run_case(load_case(tmp_path / "case.yaml"), tmp_path / "after")
    before, after = rows(tmp_path / "before" / "doses.csv"), rows(tmp_path / "after" / "doses.csv")
    assert len(before) > 4
    renamed = [{**row, "patient_id": "P0001"} if "patient_id" in row else row for row in before]
    assert after == renamed
