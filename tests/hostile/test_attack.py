"""Thousands of damaged DICOM files: each is read or refused by an error that names it, soon and in little memory.

The attack runs as a program of its own, so that a reader that takes the process with it is found and counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SURROUNDINGS = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
SEED = 20261125
READERS_OF_VOLUMES = ("inspect", "read_volume")


def attack(folder: Path, count: int, seed: int, *more: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "attack.py"), "--count", str(count), "--seed", str(seed), *more]
    done = subprocess.run(
        [*command, "--folder", str(folder)], capture_output=True, text=True, check=False, cwd=ROOT, env=SURROUNDINGS
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_few_hundred_damaged_files(tmp_path: Path) -> None:
    found = attack(tmp_path, 300, SEED)
    assert found["failures"] == []
    assert len(found["by_mutation"]) == 10
    # The attack is no shadow play: some files are still read, pixels and all, and many are refused.
    assert found["outcomes"]["read_volume read"] > 20
    assert found["outcomes"]["read_volume refused"] > 100


@pytest.mark.slow
@pytest.mark.external
def test_six_thousand_damaged_files(tmp_path: Path, external_data: Path) -> None:
    found = attack(tmp_path, 6000, SEED + 1, "--real", str(external_data))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    evidence = {
        "claim": "damaged DICOM files are read, or refused by an error that names the file: no crash, no hang, little memory",
        "commit": commit.stdout.strip(),
        "limits": {"seconds": 5, "mebibytes": 512},
        **found,
    }
    (ROOT / "docs" / "evidence" / "hostile.json").write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
    assert found["failures"] == []
