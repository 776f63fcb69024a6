"""The whole walk at full size: 43 simulated patients, with one worker and with two, to the same bytes. Run by `make slow`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from ytterby.workflow.simulate import simulate_study
from ytterby.workflow.study import run_study

ROOT = Path(__file__).resolve().parents[2]
SEED = 1


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.mark.slow
def test_43_patients_end_in_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    begun = time.perf_counter()
    studies = [simulate_study(tmp_path / f"study{n}", seed=SEED, workers=n) for n in (1, 2)]
    assert digests(studies[0]) == digests(studies[1])
    results = {n: run_study(studies[0], tmp_path / f"results{n}", workers=n) for n in (1, 2)}
    one, two = digests(tmp_path / "results1"), digests(tmp_path / "results2")
    assert one == two
    found = json.loads((tmp_path / "results2" / "results.json").read_text())
    assert not results[2].failed
    cohort = found["cohort"]
    assert (results[2].finished, cohort["evaluable_patients"], cohort["evaluable_lesions"]) == (43, 28, 126)
    truth = results[2].truth
    assert truth is not None
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    evidence = {
        "claim": "43 simulated patients: the same bytes with 1 worker and with 2, in everything but run.json",
        "commit": commit.stdout.strip(),
        "seed": SEED,
        "files_compared": len(one),
        "suffixes": sorted({Path(name).suffix for name in one}),
        "patients": results[2].finished,
        **cohort,
        "measured_against_truth": truth.summary(),
        "seconds": round(time.perf_counter() - begun),
    }
    (ROOT / "docs" / "evidence" / "walk.json").write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
