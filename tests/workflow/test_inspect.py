"""What inspect says of a folder, as JSON and on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ytterby.cli import inspect as command
from ytterby.dicom.write import DicomHeader, content_uid, write_ct, write_nm_recon_tomo
from ytterby.errors import FileFormatError, InputError
from ytterby.files.nifti import write_nifti
from ytterby.model.volume import Grid, Quantity, Volume
from ytterby.workflow.inspect import inspect

KEYS = {
    "path", "uid", "modality", "kind", "role", "reason", "shape", "spacing_mm", "unit", "total_counts",
    "frame_of_reference", "problems",
}  # fmt: skip

app = typer.Typer()
command.register(app)
app.callback()(lambda: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    header = DicomHeader(
        patient_id="P1",
        patient_name="Test^One",
        patient_sex="M",
        study_uid=content_uid("inspect"),
        study_date="20240301",
        study_time="101500",
        uid_seed="inspect",
        frame_of_reference_uid=content_uid("frame"),
        series_description="[red]SPECT\x1b[2J",
    )
    grid = Grid.axis_aligned((6, 5, 4), (4.0, 4.0, 2.5))
    array = np.arange(120, dtype=np.float32).reshape(grid.shape)
    write_nm_recon_tomo(Volume(array, grid, Quantity.COUNTS), tmp_path / "nm.dcm", header)
    write_ct(Volume(array.astype(np.int16), grid, Quantity.HU), tmp_path / "ct", header)
    write_nifti(tmp_path / "map.nii.gz", Volume(array, grid, Quantity.OTHER))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "broken.nrrd").write_text("NRRD0004\nnothing else\n")
    (tmp_path / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 200)
    return tmp_path


def test_a_folder_is_told_whole(folder: Path) -> None:
    record = json.loads(json.dumps(inspect(folder).record(), allow_nan=False))
    assert set(record) == {"series", "frames_of_reference", "files_skipped"}
    by_kind = {series["kind"]: series for series in record["series"]}
    assert set(by_kind) == {"nm_recon_tomo", "ct", "nifti"}
    assert all(set(series) >= KEYS for series in record["series"])
    spect = by_kind["nm_recon_tomo"]
    assert (spect["role"], spect["reason"], spect["unit"]) == ("maa_spect", "NM RECON TOMO, 99mTc", "counts")
    assert spect["shape"] == [6, 5, 4]
    assert spect["spacing_mm"] == [4.0, 4.0, 2.5]
    assert spect["total_counts"] == sum(range(120))
    assert spect["slice_direction"] == "towards the head"
    assert by_kind["ct"]["n_files"] == 4
    assert by_kind["ct"]["total_counts"] is None
    assert by_kind["nifti"]["problems"][0]["level"] == "amber"
    np.testing.assert_allclose(by_kind["nifti"]["affine_lps"], spect["affine_lps"], atol=1e-5)
    skipped = {Path(file["path"]).name: file["reason"] for file in record["files_skipped"]}
    assert set(skipped) == {"notes.txt", "broken.nrrd", "broken.dcm"}
    assert skipped["notes.txt"] == "not a DICOM file (no DICM mark)"


def test_one_file_that_cannot_be_read_is_an_error(folder: Path) -> None:
    for name in ("notes.txt", "broken.dcm", "broken.nrrd", "absent"):
        with pytest.raises(InputError, match=name):
            inspect(folder / name)
    with pytest.raises(FileFormatError):
        inspect(folder / "broken.nrrd")


def test_the_command_prints_json_and_text(folder: Path) -> None:
    printed = CliRunner().invoke(app, ["inspect", str(folder), "--json"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == json.loads(json.dumps(inspect(folder).record()))
    printed = CliRunner().invoke(app, ["inspect", str(folder)])
    assert printed.exit_code == 0
    for words in ("NM RECON TOMO, 99mTc   role: maa_spect", "counts     7140", "3 files skipped", "6 x 5 x 4"):
        assert words in printed.stdout
    # What a file says is shown as it is, and cannot steer the terminal.
    assert "[red]SPECT?[2J" in printed.stdout
    assert "\x1b[2J" not in printed.stdout


def test_frames_of_reference_are_compared(folder: Path) -> None:
    (space,) = inspect(folder).record()["frames_of_reference"]
    assert (space["uid"], space["patient_id"]) == (content_uid("frame"), "P1")
    assert {Path(series["path"]).name for series in space["series"]} == {"nm.dcm", "ct"}
    assert "Frames of reference" not in CliRunner().invoke(app, ["inspect", str(folder)]).stdout
    header = DicomHeader(
        patient_id="P1",
        patient_name="Test^One",
        patient_sex="M",
        study_uid=content_uid("later"),
        study_date="20240901",
        study_time="101500",
        uid_seed="later",
        frame_of_reference_uid=content_uid("another frame"),
    )
    grid = Grid.axis_aligned((6, 5, 4), (4.0, 4.0, 2.5))
    write_ct(Volume(np.zeros(grid.shape, dtype=np.int16), grid, Quantity.HU), folder / "later", header)
    assert [len(space["series"]) for space in inspect(folder).record()["frames_of_reference"]] == [2, 1]
    printed = CliRunner().invoke(app, ["inspect", str(folder)]).stdout
    assert "Frames of reference (series of one may be overlaid, others need a registration):" in printed
    assert "   series 1 (ct), 4 (nm_recon_tomo)" in printed


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    assert inspect(tmp_path).record() == {"series": [], "frames_of_reference": [], "files_skipped": []}
    assert "No image series" in CliRunner().invoke(app, ["inspect", str(tmp_path)]).stdout


@pytest.mark.external
def test_the_phantom_and_a_slicer_segmentation(external_data: Path) -> None:
    (spect,) = inspect(external_data / "nm_spect_planar" / "Jaszack.dcm").record()["series"]
    assert spect["shape"] == [128, 128, 45]
    assert spect["total_counts"] == 124_591_663
    assert spect["slice_direction"] == "towards the feet"
    found = {series["kind"]: series for series in inspect(external_data / "maa_spect_patient2").record()["series"]}
    assert found["nrrd"]["shape"] == [128, 128, 160]
    assert found["seg_nrrd"]["role"] == "segmentation"
    assert "perfused volume" in found["seg_nrrd"]["reason"]
