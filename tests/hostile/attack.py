"""Damages valid files, gives each to every reader in a process of its own, and says what came of it.

``python tests/hostile/attack.py --count N --seed S --folder DIR`` prints one JSON object. A file is withstood where each reader
gives a result, or an error of ours that names the file (or the folder of its series), within ``SECONDS`` and with at most
``MEBIBYTES`` of memory beyond what the process held before. ``--real DIR`` adds small files of a folder of real images.

Slices are damaged among their neighbours: a series of one slice would be refused before its pixels are looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from corpus import originals
from mutations import MUTATIONS

from ytterby.dicom.deidentify import deidentify_folder
from ytterby.dicom.header import open_header
from ytterby.dicom.read import (
    read_dose_report,
    read_measurements,
    read_registration,
    read_segments,
    read_structures,
    read_views,
    read_volume,
)
from ytterby.dicom.series.kinds import kind_of
from ytterby.errors import InputError
from ytterby.workflow.inspect import inspect

SECONDS = 5.0
MEBIBYTES = 512
MOST_REAL_BYTES = 700_000


def deidentified(path: Path) -> object:
    """The folder of a file without identities, written anew and thrown away."""
    folder = path if path.is_dir() else path.parent
    with tempfile.TemporaryDirectory() as place:
        try:
            return deidentify_folder(folder, Path(place) / "out")
        except InputError as error:
            # Where nothing can be written it is the folder that is named.
            raise type(error)(error.what, where=f"{error.where} {path}", remedy=error.remedy) from error


READERS: dict[str, Callable[[Path], object]] = {
    "inspect": inspect,
    "read_volume": read_volume,
    "read_segments": read_segments,
    "read_structures": read_structures,
    "read_views": read_views,
    "read_registration": read_registration,
    "read_dose_report": read_dose_report,
    "read_measurements": read_measurements,
    "deidentify": deidentified,
}


@dataclass(frozen=True)
class Target:
    """A valid file, and the slices beside it where it is one of a series."""

    path: Path
    content: bytes
    siblings: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> Target:
        """A file that stands alone, or up to three slices of the folder that a slice lies in."""
        header = open_header(path)
        alone = kind_of(header) not in ("ct", "pt", "mr") or not path.parent.is_dir()
        beside = (
            () if alone else tuple(sorted(one for one in path.parent.iterdir() if one.is_file() and one != path)[:3])
        )
        return cls(path if alone else path.parent, path.read_bytes(), beside)

    def laid_out(self, content: bytes, folder: Path) -> Path:
        """The damaged file, or the folder where it lies among its siblings."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for number, sibling in enumerate(self.siblings, start=1):
            shutil.copy(sibling, folder / f"{number}.dcm")
        damaged = folder / "0.dcm"
        damaged.write_bytes(content)
        return folder if self.siblings else damaged


def outcome(path: Path) -> tuple[dict[str, str], float]:
    """What each reader says of a file ("read", "refused", or what went wrong), and the seconds of the slowest."""
    slowest = 0.0
    said = {}
    for name, reader in READERS.items():
        started = time.perf_counter()
        try:
            reader(path)
            said[name] = "read"
        except InputError as error:
            said[name] = "refused" if path.name in str(error) else f"does not name the file: {error}"
        except Exception as error:  # noqa: BLE001 - any other error is what is looked for
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
            said[name] = f"{type(error).__name__}: {error} ({where})"[:300]
        slowest = max(slowest, time.perf_counter() - started)
    return said, slowest


def withstood_here(path: Path) -> None:
    """Read a file in this process, whatever comes of it."""
    with contextlib.suppress(InputError):
        read_views(path)


def withstood(path: Path) -> dict[str, Any]:
    """The outcome of a file, found by a child process; ``failure`` where it died, took too long or too much memory."""
    ends, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        held = _peak_mib()
        said, seconds = outcome(path)
        told = {"said": said, "seconds": seconds, "mib": _peak_mib() - held}
        os.write(begin, json.dumps(told).encode())
        os._exit(0)
    os.close(begin)
    answer = b""
    deadline = time.monotonic() + 3 * SECONDS * len(READERS)
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ends], [], [], 0.5)
        if ready:
            part = os.read(ends, 65536)
            if not part:
                break
            answer += part
    os.close(ends)
    if not answer:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not answer:
        ended = f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"ended with {status}"
        late = time.monotonic() >= deadline
        return {"said": {}, "seconds": 0.0, "mib": 0.0, "failure": "it hangs" if late else ended}
    told: dict[str, Any] = json.loads(answer)
    wrong = [f"{name}: {words}" for name, words in told["said"].items() if words not in ("read", "refused")]
    if told["seconds"] > SECONDS:
        wrong.append(f"it takes {told['seconds']:.1f} s")
    if told["mib"] > MEBIBYTES:
        wrong.append(f"it takes {told['mib']:.0f} MiB")
    if wrong:
        told["failure"] = "; ".join(wrong)
    return told


def _peak_mib() -> float:
    """Greatest resident memory of this process; in a child of fork it begins at what the child holds."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def attack(count: int, seed: int, folder: Path, real: Sequence[Path]) -> dict[str, Any]:
    """Counts of what came of ``count`` damaged files, and every failure with how to make it again."""
    files = {name: Target.of(path) for name, path in originals(folder / "originals").items()}
    kinds = sorted(files)
    for name in kinds:
        whole = withstood(files[name].path)
        assert "failure" not in whole, (name, whole)
    # A process that has decoded once has its decoder ready: what numba takes to load is no file's fault.
    for path in real:
        withstood_here(path)
    files |= {f"real {path.parent.name}/{path.name[-12:]}": Target.of(path) for path in real}
    kinds = sorted(files)
    outcomes: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    by_mutation: Counter[str] = Counter()
    failures, slowest, largest = [], 0.0, 0.0
    for number in range(count):
        kind = kinds[number % len(kinds)]
        mutation = MUTATIONS[(number // len(kinds)) % len(MUTATIONS)]
        damaged = mutation(files[kind].content, np.random.default_rng([seed, number]))
        told = withstood(files[kind].laid_out(damaged, folder / "damaged"))
        by_kind[kind] += 1
        by_mutation[mutation.__name__] += 1
        outcomes.update(
            f"{name} {words if words in ('read', 'refused') else 'failed'}" for name, words in told["said"].items()
        )
        slowest, largest = max(slowest, told["seconds"]), max(largest, told["mib"])
        if "failure" in told:
            (folder / f"failure-{number}.dcm").write_bytes(damaged)
            failures.append({"number": number, "kind": kind, "mutation": mutation.__name__, "failure": told["failure"]})
    return {
        "files": count,
        "seed": seed,
        "by_kind": dict(sorted(by_kind.items())),
        "by_mutation": dict(sorted(by_mutation.items())),
        "outcomes": dict(sorted(outcomes.items())),
        "slowest_seconds": round(slowest, 3),
        "largest_mib": round(largest, 1),
        "failures": failures,
    }


def real_files(folder: Path) -> list[Path]:
    """Small real DICOM files: one of each series, all of a folder that has few."""
    found = []
    for place in sorted({path.parent for path in folder.rglob("*") if path.is_file()}):
        files = sorted(path for path in place.iterdir() if path.is_file() and path.stat().st_size <= MOST_REAL_BYTES)
        dicom = [path for path in files if path.read_bytes()[128:132] == b"DICM"]
        found += dicom if len(dicom) <= 4 else dicom[:1]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    arguments = parser.parse_args()
    found = attack(
        arguments.count, arguments.seed, arguments.folder, real_files(arguments.real) if arguments.real else []
    )
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
