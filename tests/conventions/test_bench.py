"""The benchmark runs, compares outputs, and writes both of its files (on small inputs; its times mean nothing here)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = [sys.executable, "benchmarks/run.py"]
CASES = [
    "cox",
    "roc",
    "delong",
    "sampling",
    *["convolution_scipy"] * 2,
    *["convolution_numpy"] * 2,
    "reading",
    "dvh_dicompyler",
    "dvh_platipy",
]


def test_the_benchmark_compares_and_writes(root, tmp_path) -> None:
    command = [
        *RUN,
        "--small",
        "--runs",
        "2",
        "--cold-runs",
        "0",
        "--note",
        "Nothing else ran.",
        "--out",
        str(tmp_path),
    ]
    # One peer is surely missing: that is told and is no failure. The other may have its environment here or not.
    surroundings = {**os.environ, "YTTERBY_BENCH_PLATIPY": str(tmp_path / "no-python")}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in results["rows"]] == CASES
    for row in results["rows"]:
        assert row["agrees"], row
        compared = "not_compared" not in row
        assert compared or row["case"].startswith("dvh_")
        assert not compared or all(row["differences"][name] <= limit for name, limit in row["limits"].items())
        for side, seconds in row["warm_seconds"].items():
            assert side == "ours" or compared
            assert 0 < seconds["minimum"] <= seconds["median"] <= seconds["maximum"]
            assert seconds["runs"] == (1 if side == "peer" and row["case"].startswith("dvh_") else 2)
    missing = results["rows"][-1]
    assert missing["not_compared"] == "YTTERBY_BENCH_PLATIPY names no file"
    assert "platipy was left out: YTTERBY_BENCH_PLATIPY names no file" in done.stdout
    assert set(results["full_case"]) == {"whole", "dosimetry"}
    for part in results["full_case"].values():
        assert part["warm_seconds"]["median"] > 0
        assert part["input_mib"] is None or part["input_mib"] < part["peak_mib"]
    assert len(results["source_sha256"]) == 64
    assert results["versions"]["lifelines"]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert page.count("| ROC: area and Youden's cut-off |") == 1
    assert "| platipy | not compared: YTTERBY_BENCH_PLATIPY names no file |" in page
    assert "Nothing else ran." in page
    assert "these times mean nothing" in page


def test_outputs_that_differ_fail_and_a_missed_target_stays(root, tmp_path) -> None:
    program = f"""
import sys
sys.path.insert(0, "benchmarks")
sys.argv = ["run.py", "--small", "--runs", "2", "--cold-runs", "0", "--out", {str(tmp_path)!r}]
from dataclasses import replace
import run
run.CASES = tuple(replace(case, limit=-1.0) for case in run.CASES if case.name == "roc")
missed = {{"what": "a second a century", "measured": "2 s", "met": False}}
run.dvh_case.rows = lambda kind, **runs: []
run.full_case.measured = lambda kind, **runs: {{"parts": {{}}, "targets": [missed]}}
sys.exit(run.main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "outputs differ: roc at 126" in done.stderr
    assert "MISSED: a second a century: 2 s" in done.stdout
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| a second a century | 2 s | **no** |" in page
    assert "**more than -1**" in page


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
def test_first_use_measures_the_memory_of_the_call_alone(root) -> None:
    def of(side: str) -> float:
        command = [*RUN, "--first-use", "convolution_numpy", "--side", side, "--size", "96/13"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["peak_mib"]

    # Spectra of activity and kernel, padded to 108 x 108 x 55 complex numbers of 16 bytes: 10 MB each; the image itself is 7 MB.
    assert 19.0 < of("peer") < 100.0
    assert of("ours") < 19.0


def test_a_peer_that_breaks_is_a_failure(root) -> None:
    program = """
import json, sys
sys.path.insert(0, "benchmarks")
import dvh_case
print(json.dumps(dvh_case.rows("small", runs=1, peer_runs=1)))
"""
    # This interpreter has neither peer.
    surroundings = {**os.environ, **{f"YTTERBY_BENCH_{peer}": sys.executable for peer in ("DICOMPYLER", "PLATIPY")}}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, env=surroundings)
    rows = json.loads(done.stdout)
    assert [row["agrees"] for row in rows] == [False, False]
    assert [row["not_compared"] for row in rows] == [
        "ModuleNotFoundError: No module named 'dicompylercore'",
        "ModuleNotFoundError: No module named 'platipy'",
    ]


def test_a_peer_that_cannot_be_installed_is_told(root, tmp_path) -> None:
    (tmp_path / "platipy.txt").write_text("this is no requirement\n")
    command = [sys.executable, "benchmarks/environments.py", "--folder", str(tmp_path)]
    surroundings = {**os.environ, "YTTERBY_BENCH_DICOMPYLER": sys.executable}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert "platipy is left out of the benchmark: " in done.stdout
    assert [path.name for path in (tmp_path / ".venv-platipy").iterdir()] == ["failed.txt"]


def test_what_the_peers_need_is_pinned_and_hashed(root) -> None:
    for peer in ("dicompyler", "platipy"):
        text = (root / "benchmarks" / "peers" / f"{peer}.txt").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        named = [number for number, line in enumerate(lines) if not line.startswith(" ")]
        assert named
        for number in named:
            assert "==" in lines[number]
            assert lines[number + 1].startswith("    --hash=sha256:")
        assert "index-url" not in text
        assert "://" not in text
