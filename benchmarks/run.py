"""Benchmarks against the peers, side by side: ``make bench``. Writes results.json and results.md beside this file.

Same input, same ties, one thread, outputs compared in the same run. A slower result stays in the table.
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

from cases import CASES, Case, first_use
from timing import as_record, cold, warm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIBRARIES = ("numpy", "scipy", "numba", "pandas", "lifelines", "scikit-learn", "simpleitk")
MEASURED = ("errors.py", "model", "imaging", "stats")


def main() -> int:
    arguments = _arguments()
    if arguments.first_use:
        (case,) = (case for case in CASES if case.name == arguments.first_use)
        print(json.dumps(first_use(case, arguments.side, arguments.size)))
        return 0
    before = os.getloadavg()
    kind = "small" if arguments.small else "full"
    rows = [
        _row(case, size, runs=arguments.runs, cold_runs=arguments.cold_runs)
        for case in CASES
        for size in case.sizes[kind]
    ]
    results = {
        "what": "Ytterby beside its peers: same input, one thread, outputs compared",
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", *(f"src/ytterby/{name}" for name in MEASURED))),
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
        "rows": rows,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (arguments.out / "results.md").write_text(_page(results), encoding="utf-8")
    print(f"{len(rows)} rows in {arguments.out / 'results.md'}")
    disagreeing = [row for row in rows if not row["agrees"]]
    for row in disagreeing:
        print(f"outputs differ: {row['case']} at {row['size']}: {row['differences']}", file=sys.stderr)
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
    print(f"{case.name} {size}: ours {our_seconds.median:.4f} s, peer {peer_seconds.median:.4f} s", flush=True)
    row: dict[str, Any] = {
        "case": case.name,
        "what": case.what,
        "peer": case.peer_name,
        "size": size,
        "note": case.note,
        "warm_seconds": {"ours": as_record(our_seconds), "peer": as_record(peer_seconds)},
        "warm_ratio_ours_over_peer": round(our_seconds.median / peer_seconds.median, 4),
        "differences": differences,
        "limit": case.limit,
        "agrees": max(differences.values()) <= case.limit,
    }
    if cold_runs:
        sides = {side: cold(HERE / "run.py", case.name, side, size=size, runs=cold_runs) for side in ("ours", "peer")}
        row["cold_seconds"] = {side: as_record(value) for side, value in sides.items()}
        totals = {side: value.imports.median + value.first_call.median for side, value in sides.items()}
        row["cold_ratio_ours_over_peer"] = round(totals["ours"] / totals["peer"], 4)
    return row


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _source_digest() -> str:
    """SHA-256 over the source files that were measured: what the commit cannot say where there are uncommitted changes."""
    digest = hashlib.sha256()
    for name in MEASURED:
        place = ROOT / "src" / "ytterby" / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _page(results: dict[str, Any]) -> str:
    machine = results["machine"]
    changes = " with uncommitted changes" if results["uncommitted_changes"] else ""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Same input, one thread, outputs compared in the same run; times in milliseconds as",
        "minimum / median / maximum. A ratio below 1 means that Ytterby is faster.",
        "",
        f"Commit `{results['commit'][:12] or 'unknown'}`{changes}; source digest `{results['source_sha256'][:12]}`;",
        ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + ";",
        f"{machine['system']} {machine['architecture']}, {machine['processors']} processors,"
        f" load {machine['load_before'][0]} before and {machine['load_after'][0]} after."
        + (f" {machine['note']}" if machine["note"] else ""),
        "",
        "## Warm (later calls in one process)",
        "",
        "| what | n | ours | peer | ratio | peer is | greatest relative difference of outputs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        differences = ", ".join(f"{name} {value:.1e}" for name, value in row["differences"].items())
        verdict = "" if row["agrees"] else f" **more than {row['limit']:g}**"
        times = " | ".join(_milliseconds(row["warm_seconds"][side]) for side in ("ours", "peer"))
        ratio = row["warm_ratio_ours_over_peer"]
        lines.append(
            f"| {row['what']} | {row['size']} | {times} | {ratio:.3g} | {row['peer']} | {differences}{verdict} |"
        )
    if any("cold_seconds" in row for row in results["rows"]):
        lines += [
            "",
            "## Cold (first use in a new process, numpy loaded; numba has nothing cached and compiles in the first call)",
            "",
            "| what | n | ours: imports | ours: first call | peer: imports | peer: first call | ratio of the sums |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in results["rows"]:
            cells = []
            for side in ("ours", "peer"):
                cells += [_milliseconds(row["cold_seconds"][side][part]) for part in ("imports", "first_call")]
            lines.append(
                f"| {row['what']} | {row['size']} | {' | '.join(cells)} | {row['cold_ratio_ours_over_peer']:.3g} |"
            )
    notes = {row["what"]: row["note"] for row in results["rows"] if row["note"]}
    lines += ["", "## Notes", "", *(f"- {what}: {note}." for what, note in notes.items()), ""]
    return "\n".join(lines)


def _milliseconds(seconds: dict[str, float]) -> str:
    return " / ".join(f"{1000 * seconds[name]:.3g}" for name in ("minimum", "median", "maximum"))


if __name__ == "__main__":
    sys.exit(main())
