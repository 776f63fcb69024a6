"""The scripts of tests/oracles still give the files that are kept beside them."""

from __future__ import annotations

import csv
import math
import runpy
import subprocess
from pathlib import Path

import pytest

ORACLES = Path(__file__).parents[1] / "oracles"


def test_samples_are_what_their_script_writes(tmp_path):
    script = runpy.run_path(str(ORACLES / "stats_data.py"))
    script["main"](tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(path.name for path in ORACLES.glob("stats_data_*.csv"))
    for name in written:
        assert (tmp_path / name).read_bytes() == (ORACLES / name).read_bytes()


def rerun(rscript: str, folder: Path, kept: str, tmp_path: Path) -> None:
    fresh = tmp_path / kept
    command = [rscript, str(ORACLES / "stats_r.R"), str(folder), str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with fresh.open(newline="") as new, (ORACLES / kept).open(newline="") as old:
        for ours, theirs in zip(csv.DictReader(new), csv.DictReader(old), strict=True):
            *place, value = ours.values()
            *kept_place, kept_value = theirs.values()
            assert place == kept_place
            numbers = [math.nan if text == "NA" else float(text) for text in (value, kept_value)]
            assert numbers[0] == pytest.approx(numbers[1], rel=1e-9, abs=1e-25, nan_ok=True), place


@pytest.mark.needs_r
def test_r_on_simulated_samples(rscript, tmp_path):
    rerun(rscript, ORACLES, "stats_r.csv", tmp_path)


@pytest.mark.needs_r
@pytest.mark.external
def test_r_on_simulated_cohort(rscript, reference_data, tmp_path):
    rerun(rscript, reference_data / "synthetic_cohort", "stats_r_cohort.csv", tmp_path)


@pytest.mark.needs_r
@pytest.mark.external
def test_r_on_public_samples(rscript, external_data, tmp_path):
    rerun(rscript, external_data / "stats", "stats_r_public.csv", tmp_path)
