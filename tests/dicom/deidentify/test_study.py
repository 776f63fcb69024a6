"""A simulated study of two patients: the de-identified images and tables of pseudonyms give the same doses."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from ytterby.dicom.deidentify import deidentify_folder
from ytterby.dicom.series import scan
from ytterby.workflow.simulate import simulate_study
from ytterby.workflow.study import run_study

PSEUDONYMS = {"V001": "A1", "V002": "A2"}


def doses(folder: Path) -> dict[str, list[dict[str, str]]]:
    found = {}
    for path in sorted(folder.glob("cases/*/doses.csv")):
        with path.open(newline="") as stream:
            found[PSEUDONYMS.get(path.parent.name, path.parent.name)] = list(csv.DictReader(stream))
    return found


def test_a_study_gives_the_same_doses(tmp_path: Path) -> None:
    study = simulate_study(tmp_path / "study", patients=2, seed=5, workers=1)
    assert run_study(study, tmp_path / "before", workers=1).finished == 2
    outcome = deidentify_folder(study, tmp_path / "dst", given=PSEUDONYMS)
    assert {file.reason for file in outcome.record.left_out} == {"no DICOM file"}
    new = tmp_path / "new"
    new.mkdir()
    for path in (*study.glob("*.csv"), study / "study.yaml"):
        text = path.read_text()
        for patient, pseudonym in PSEUDONYMS.items():
            text = text.replace(patient, pseudonym)
        (new / path.name).write_text(text)
    for pseudonym in PSEUDONYMS.values():
        images = {one.kind: one.path for one in scan(tmp_path / "dst" / pseudonym).series}
        for folder in (new / "imaging" / pseudonym, new / "segments" / pseudonym):
            folder.mkdir(parents=True)
        shutil.copytree(images["ct"], new / "imaging" / pseudonym / "CT")
        shutil.copy(images["nm_recon_tomo"], new / "imaging" / pseudonym / "spect.dcm")
        shutil.copy(images["seg"], new / "segments" / pseudonym / "segments.dcm")
    assert run_study(new, tmp_path / "after", workers=1).finished == 2
    before, after = doses(tmp_path / "before"), doses(tmp_path / "after")
    assert set(before) == set(PSEUDONYMS.values())
    assert all(len(rows) > 3 for rows in before.values())
    assert after == before
