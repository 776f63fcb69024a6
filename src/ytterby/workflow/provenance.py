"""run.json: with what, from what, when and how long; and how JSON is written here.

Everything but run.json is the same to the byte when the same input is run again; times and durations stand in it alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ytterby

__all__ = ["LIBRARIES", "RunRecord", "sha256_of", "software_versions", "write_json"]

LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "pandas",
    "matplotlib",
    "jinja2",
    "typst",
    "pydicom",
    "highdicom",
    "nibabel",
    "pynrrd",
    "pydantic",
)
_CHUNK_BYTES = 1 << 20


def write_json(path: Path, value: Any) -> None:
    """Write JSON in the order that the value has: UTF-8, indented by two, a line end.

    Numbers are the shortest text that gives them back. Raises ValueError for NaN and the infinities, which JSON does not
    know: they must have become null before.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_bytes((text + "\n").encode("utf-8"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def software_versions() -> dict[str, str]:
    """Versions of Python, of Ytterby and of the libraries that numbers and files depend on."""
    versions = {"python": platform.python_version(), "ytterby": ytterby.__version__}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


class RunRecord:
    """What run.json says of one run: start it, time its steps, write it.

    Examples
    --------
    >>> record = RunRecord("analyse", options={"plan": "paper"})
    >>> with record.step("statistics"):
    ...     pass
    >>> sorted(record.as_dict())
    ['command', 'inputs', 'options', 'platform', 'seconds', 'software', 'started_at']
    """

    def __init__(self, command: str, *, options: Mapping[str, Any]) -> None:
        self.command = command
        self.options = dict(options)
        self.started_at = datetime.now(UTC)
        self._inputs: dict[str, str] = {}
        self._seconds: dict[str, float] = {}

    def add_inputs(self, folder: Path, files: Iterable[Path]) -> None:
        """Record the SHA-256 of files, named relative to ``folder`` where they lie in it."""
        for path in sorted(files):
            name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
            self._inputs[name] = sha256_of(path)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside; a step that comes again adds up."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begin

    def as_dict(self) -> dict[str, Any]:
        """The record, JSON-ready."""
        return {
            "command": self.command,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "software": software_versions(),
            "platform": platform.platform(),
            "options": self.options,
            "inputs": self._inputs,
            "seconds": {name: round(seconds, 3) for name, seconds in self._seconds.items()},
        }

    def write(self, path: Path) -> None:
        """Write run.json."""
        write_json(path, self.as_dict())
