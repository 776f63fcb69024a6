"""The benchmark runs, compares outputs, and writes both of its files (on small inputs; its times mean nothing here)."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_benchmark_compares_and_writes(root, tmp_path) -> None:
    command = [
        sys.executable,
        "benchmarks/run.py",
        "--small",
        "--runs",
        "2",
        "--cold-runs",
        "0",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in results["rows"]] == ["cox", "roc", "delong", "sampling"]
    for row in results["rows"]:
        assert row["agrees"], row
        for side in ("ours", "peer"):
            seconds = row["warm_seconds"][side]
            assert 0 < seconds["minimum"] <= seconds["median"] <= seconds["maximum"]
            assert seconds["runs"] == 2
    assert len(results["source_sha256"]) == 64
    assert results["versions"]["lifelines"]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert page.count("| ROC: area and Youden's cut-off |") == 1
