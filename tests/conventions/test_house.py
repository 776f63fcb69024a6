"""The house: the lock, the layers, how light the command line is."""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

HEAVY = ("numpy", "pydicom", "SimpleITK", "numba", "matplotlib", "pandas", "scipy", "highdicom", "nibabel", "pydantic")


def test_every_locked_requirement_has_a_hash_and_no_address(root) -> None:
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|--(extra-)?index|--find-links|(?m:^-e )| @ ", text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 40
    for block in blocks:
        name = block.splitlines()[0]
        assert re.match(r"^[a-z0-9][a-z0-9._-]*==[^\s;]+", name), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), f"{name} has no hash"


def test_every_declared_requirement_is_locked(root) -> None:
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [*pyproject["project"]["dependencies"]]
    for group in pyproject["dependency-groups"].values():
        declared += group
    locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", (root / "requirements.lock").read_text(encoding="utf-8")))
    names = {re.split(r"[<>=~!\[; ]", entry)[0].lower().replace("_", "-") for entry in declared}
    assert not names - locked


def test_the_layers_hold_without_exception(root) -> None:
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    assert contracts
    assert "ignore_imports" not in (root / "pyproject.toml").read_text(encoding="utf-8")
    layers = next(contract for contract in contracts if contract["type"] == "layers")
    assert layers["exhaustive"] is True
    assert layers["exhaustive_ignores"] == ["__main__"]
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert f"Contracts: {len(contracts)} kept, 0 broken" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from ytterby.cli.main import run\n"
        "try:\n    run(['--help'])\n"
        "except SystemExit as left:\n    assert not left.code\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage: ytterby" in done.stdout
    assert done.stdout.strip().endswith("HEAVY []")


def _seconds_of_children() -> float:
    """Processor time, which is that of the program alone: what else the machine is doing does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_takes_less_than_a_second() -> None:
    environment = {**os.environ, "TERM": "dumb"}
    seconds = []
    for _ in range(5):
        begin = _seconds_of_children()
        done = subprocess.run(
            [sys.executable, "-m", "ytterby", "--help"], capture_output=True, text=True, check=True, env=environment
        )
        seconds.append(_seconds_of_children() - begin)
        assert "Usage: ytterby" in done.stdout
    assert statistics.median(seconds) < 1.0, [round(second, 2) for second in seconds]
