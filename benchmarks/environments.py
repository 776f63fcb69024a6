"""Environments of the peers that do not fit beside Ytterby: ``benchmarks/peers/.venv-NAME`` from ``benchmarks/peers/NAME.txt``.

``make bench`` runs it before the benchmark. It uses uv where there is one, venv and pip where not. A peer that cannot be
installed is told, with the reason, and the benchmark goes on without it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = ("dicompyler", "platipy")
FOLDER = Path(__file__).resolve().parent / "peers"
READY = ".ready"  # holds the digest of the requirements that are installed
FAILED = "failed.txt"  # holds the reason where they could not be


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where NAME.txt are, and where .venv-NAME go")
    folder = parser.parse_args().folder
    for peer in PEERS:
        if _named(peer):
            print(f"{peer}: {_named(peer)}, as YTTERBY_BENCH_{peer.upper()} says")
            continue
        reason = set_up(folder / f"{peer}.txt", folder / f".venv-{peer}")
        if reason:
            print(f"{peer} is left out of the benchmark: {reason}")
    return 0


def set_up(requirements: Path, place: Path) -> str:
    """Install pinned and hashed requirements into an environment of their own; the reason where that fails, else nothing."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    ready = place / READY
    if ready.exists() and ready.read_text() == digest:
        return ""
    print(f"Setting up {place.name}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    for command in _commands(requirements, place):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return _failed(place, str(error))
        if done.returncode:
            lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            errors = [line for line in lines if "error" in line.lower()]
            return _failed(place, (errors or lines or [f"{command[0]} ended with {done.returncode}"])[-1])
    ready.write_text(digest)
    return ""


def interpreter(peer: str) -> Path | None:
    """The Python that has a peer: the one that YTTERBY_BENCH_NAME names, or that of its environment; None without."""
    named = _named(peer)
    if named:
        return Path(named) if Path(named).exists() else None
    place = FOLDER / f".venv-{peer}"
    return _python(place) if (place / READY).exists() else None


def why_missing(peer: str) -> str:
    """Why ``interpreter`` finds none."""
    named = _named(peer)
    if named:
        return f"YTTERBY_BENCH_{peer.upper()} names no file"
    failed = FOLDER / f".venv-{peer}" / FAILED
    if failed.exists():
        return f"it could not be installed: {failed.read_text().strip()}"
    return "it has no environment; make bench sets one up"


def _named(peer: str) -> str:
    return os.environ.get(f"YTTERBY_BENCH_{peer.upper()}", "")


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _commands(requirements: Path, place: Path) -> list[list[str]]:
    uv, python = shutil.which("uv"), str(_python(place))
    if uv:
        return [
            [uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(place)],
            [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(requirements)],
        ]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    return [[sys.executable, "-m", "venv", str(place)], [*pip, "-r", str(requirements)]]


def _failed(place: Path, reason: str) -> str:
    """Nothing is left of an environment but the reason: half an environment would fail later, and less clearly."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / FAILED).write_text(reason + "\n")
    return reason


if __name__ == "__main__":
    sys.exit(main())
