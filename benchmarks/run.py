"""Benchmarks against the peers, side by side: ``make bench``. Writes results.json and results.md beside this file.

Same input, same ties, one thread, outputs compared in the same run. A slower result stays in the table, and so does a target that
was missed; outputs that differ make the run fail. Nothing is installed here: environments.py does that.
"""

from __future__ import annotations

import os

# Before numpy is imported: one thread for everybody.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dvh_case
import full_case
from cases import CASES, Case, first_use
from page import page
from timing import as_record, cold, warm

# The slow ones, the peers' histograms and the full case, are run less often than the rest.
SLOW_RUNS = {"full": 5, "small": 1}
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIBRARIES = ("numpy", "scipy", "numba", "pandas", "lifelines", "scikit-learn", "simpleitk")
MEASURED = ROOT / "src" / "ytterby"  # all of it: a full case passes through most rooms


def main() -> int:
    arguments = _arguments()
    if arguments.first_use:
        (case,) = (case for case in CASES if case.name == arguments.first_use)
        print(json.dumps(first_use(case, arguments.side, arguments.size)))
        return 0
    before = os.getloadavg()
    kind = "small" if arguments.small else "full"
    slow_runs = min(arguments.runs, SLOW_RUNS[kind])
    rows = [
        _row(case, size, runs=arguments.runs, cold_runs=arguments.cold_runs)
        for case in CASES
        for size in case.sizes[kind]
    ]
    histograms = dvh_case.rows(kind, runs=arguments.runs, peer_runs=slow_runs)
    for row in histograms:
        print(_said(row), flush=True)
    rows += histograms
    full = full_case.measured(kind, runs=slow_runs)
    targets = [*(row["target"] for row in rows if "target" in row), *full["targets"]]
    results = {
        "what": "Ytterby beside its peers: same input, one thread, outputs compared",
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", str(MEASURED))),
        "source_sha256": _source_digest(),
        "sizes": kind,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "machine": {
            "architecture": platform.machine(),
            "system": platform.system(),
            "processors": os.cpu_count(),
            "load_before": [round(load, 2) for load in before],
            "load_after": [round(load, 2) for load in os.getloadavg()],
            "note": arguments.note,
        },
        "peer_versions": {row["case"]: row["peer_versions"] for row in rows if "peer_versions" in row},
        "targets": targets,
        "rows": rows,
        "full_case": full["parts"],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (arguments.out / "results.md").write_text(page(results), encoding="utf-8")
    print(f"{len(rows)} rows in {arguments.out / 'results.md'}")
    for target in targets:
        print(f"{'met' if target['met'] else 'MISSED'}: {target['what']}: {target['measured']}")
    disagreeing = [row for row in rows if not row["agrees"]]
    for row in disagreeing:
        why = row.get("not_compared") or row["differences"]
        print(f"outputs differ: {row['case']} at {row['size']}: {why}", file=sys.stderr)
    return 1 if disagreeing else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json and results.md")
    parser.add_argument("--small", action="store_true", help="small inputs, to see that the benchmark works")
    parser.add_argument("--runs", type=int, default=15, help="warm runs of each side")
    parser.add_argument("--cold-runs", type=int, default=3, help="fresh processes of each side")
    parser.add_argument("--note", default="", help="what else the machine was doing")
    parser.add_argument("--first-use", help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    return parser.parse_args()


def _row(case: Case, size: str, *, runs: int, cold_runs: int) -> dict[str, Any]:
    data = case.prepare(size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers: their advice on the data is not the question here
        ours, peer = case.ours(data), case.peer(data)
        differences = case.agreement(ours(), peer())
        our_seconds, peer_seconds = warm(ours, peer, runs=runs)
    row: dict[str, Any] = {
        "case": case.name,
        "what": case.what,
        "peer": case.peer_name,
        "size": size,
        "note": case.note,
        "warm_seconds": {"ours": as_record(our_seconds), "peer": as_record(peer_seconds)},
        "warm_ratio_ours_over_peer": round(our_seconds.median / peer_seconds.median, 4),
        "differences": differences,
        "limits": dict.fromkeys(differences, case.limit),
        "agrees": max(differences.values()) <= case.limit,
    }
    print(_said(row), flush=True)
    if size in case.times_faster:
        least, times = case.times_faster[size], peer_seconds.median / our_seconds.median
        what = f"{case.what} {size}: at least {least:g} times faster than {case.peer_name}"
        row["target"] = {"what": what, "measured": f"{times:.1f} times", "met": times >= least}
    if size in case.at_most:
        most, ratio = case.at_most[size], our_seconds.median / peer_seconds.median
        what = f"{case.what} {size}: at most {most:g} times the seconds of {case.peer_name}"
        row["target"] = {"what": what, "measured": f"{ratio:.2f} times", "met": ratio <= most}
    if cold_runs:
        sides = {side: cold(HERE / "run.py", case.name, side, size=size, runs=cold_runs) for side in ("ours", "peer")}
        row["cold_seconds"] = {
            side: {part: as_record(getattr(value, part)) for part in ("imports", "first_call")}
            for side, value in sides.items()
        }
        totals = {side: value.imports.median + value.first_call.median for side, value in sides.items()}
        row["cold_ratio_ours_over_peer"] = round(totals["ours"] / totals["peer"], 4)
        row["peak_mib"] = {side: value.peak_mib and round(value.peak_mib, 1) for side, value in sides.items()}
    return row


def _said(row: dict[str, Any]) -> str:
    """A row in one line, while the next is being measured."""
    seconds = {side: f"{value['median']:.4f} s" for side, value in row["warm_seconds"].items()}
    if "not_compared" in row:
        return f"{row['case']} {row['size']}: ours {seconds['ours']}; {row['peer']} was left out: {row['not_compared']}"
    return f"{row['case']} {row['size']}: ours {seconds['ours']}, peer {seconds['peer']}"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _source_digest() -> str:
    """SHA-256 over the source files that were measured: what the commit cannot say where there are uncommitted changes."""
    digest = hashlib.sha256()
    for path in sorted(MEASURED.rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
