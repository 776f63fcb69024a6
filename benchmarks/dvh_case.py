"""Dose-volume figures of twenty segments on one dose map, ours and two peers, each in its own interpreter.

A scene is a dose map and ellipsoids; a voxel belongs to a segment where its centre lies in the ellipsoid, and the contours that
one peer wants are the ellipsoids' own, in the planes of the map. Figures of a segment are those of ``FIGURES``.

Run as a script (``python benchmarks/dvh_case.py [SIDE]``) it prints one JSON object. A peer runs where an interpreter that has it
is named: YTTERBY_BENCH_DICOMPYLER and YTTERBY_BENCH_PLATIPY, or ``benchmarks/peers/.venv-dicompyler`` and ``.venv-platipy``:

    python -m venv benchmarks/peers/.venv-dicompyler
    benchmarks/peers/.venv-dicompyler/bin/pip install dicompyler-core==0.5.6 "pydicom<3"
    python -m venv benchmarks/peers/.venv-platipy
    benchmarks/peers/.venv-platipy/bin/pip install platipy==0.7.1
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20261125
HERE = Path(__file__).resolve().parent
PEERS = ("dicompyler", "platipy")
FIGURES = (
    "volume_ml",
    "mean_gy",
    "sd_gy",
    "d98_gy",
    "d95_gy",
    "d90_gy",
    "d70_gy",
    "d50_gy",
    "d2_gy",
    "v100gy_fraction",
)


@dataclass(frozen=True)
class DoseScene:
    """A dose map (Gy) on an upright grid, and ellipsoids: centre and half axes in mm, shape (segments, 6)."""

    dose: np.ndarray
    spacing_mm: np.ndarray
    origin_mm: np.ndarray
    ellipsoids: np.ndarray
    masks: tuple[np.ndarray, ...]

    def write(self, path: Path) -> None:
        """What the peers read."""
        np.savez(path, dose=self.dose, spacing_mm=self.spacing_mm, origin_mm=self.origin_mm, ellipsoids=self.ellipsoids)


def mask_of(scene_shape: tuple[int, ...], spacing_mm: Any, origin_mm: Any, ellipsoid: Any) -> np.ndarray:
    """Voxels whose centres lie in an ellipsoid."""
    axes = np.ogrid[: scene_shape[0], : scene_shape[1], : scene_shape[2]]
    return (
        sum(((axes[a] * spacing_mm[a] + origin_mm[a] - ellipsoid[a]) / ellipsoid[3 + a]) ** 2 for a in range(3)) <= 1.0
    )


def prepare(side: int | str) -> DoseScene:
    """A field of 410 mm: a liver of 1.9 L, a perfused part of 0.75 L, and 18 spheres of 1 to 5 cm; a smooth dose with noise."""
    n = int(side)
    rng = np.random.default_rng(SEED)
    spacing = np.full(3, 409.6 / n)
    origin = -spacing * (n - 1) / 2
    ellipsoids = [(0.0, 0.0, 0.0, 95.0, 75.0, 65.0), (25.0, 0.0, 0.0, 65.0, 60.0, 46.0)]
    for radius in np.linspace(5.0, 25.0, 18):
        ellipsoids.append((*rng.uniform(-30.0, 30.0, 3), radius, radius, radius))
    axes = np.ogrid[:n, :n, :n]
    place = [axes[a] * spacing[a] + origin[a] for a in range(3)]
    dose = 60.0 + 0.2 * place[0] + 0.1 * place[1] - 0.15 * place[2]
    for x, y, z, *_ in ellipsoids[2:]:
        dose = dose + 60.0 * np.exp(-((place[0] - x) ** 2 + (place[1] - y) ** 2 + (place[2] - z) ** 2) / 600.0)
    dose = np.maximum(dose + rng.normal(0.0, 3.0, (n, n, n)), 0.0).astype(np.float32)
    masks = tuple(mask_of(dose.shape, spacing, origin, one) for one in ellipsoids)
    return DoseScene(dose, spacing, origin, np.array(ellipsoids), masks)


def ours(scene: DoseScene) -> Callable[[], list[dict[str, float]]]:
    """From masks to all figures and the histograms; every call finds the voxels of the masks anew."""
    from ytterby.dosimetry.dvh import segment_dose_volume
    from ytterby.model.segment import Role, Segment
    from ytterby.model.volume import Grid, Quantity, Volume

    shape = (scene.dose.shape[0], scene.dose.shape[1], scene.dose.shape[2])
    affine = np.diag([*scene.spacing_mm, 1.0])
    affine[:3, 3] = scene.origin_mm
    grid = Grid(shape, affine)
    dose = Volume(scene.dose, grid, Quantity.DOSE)

    def figures() -> list[dict[str, float]]:
        rows = []
        for number, mask in enumerate(scene.masks):
            segment = segment_dose_volume(dose, Segment(str(number), Role.OTHER, mask, grid))
            segment.histogram(str(number), Role.OTHER)
            reached = (segment.dose_reached_gy(share) for share in (0.98, 0.95, 0.90, 0.70, 0.50, 0.02))
            values = (segment.total_volume_ml, segment.mean_gy, segment.sd_gy, *reached, segment.volume_fraction(100.0))
            rows.append(dict(zip(FIGURES, values, strict=True)))
        return rows

    return figures


def interpreter(peer: str) -> Path | None:
    """The Python that has a peer; None where none is named."""
    named = os.environ.get(f"YTTERBY_BENCH_{peer.upper()}")
    path = Path(named) if named else HERE / "peers" / f".venv-{peer}" / "bin" / "python"
    return path if path.exists() else None


def peer_result(peer: str, scene: DoseScene, *, runs: int = 3) -> dict[str, Any] | None:
    """What a peer says of a scene: ``seconds`` of each run, ``peak_mib``, ``versions``, ``figures``; None without its Python."""
    python = interpreter(peer)
    if python is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.npz"
        scene.write(path)
        done = subprocess.run(
            [str(python), str(HERE / "peers" / f"dvh_{peer}.py"), str(path), "--runs", str(runs)],
            capture_output=True,
            text=True,
            check=True,
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def agreement(ours_rows: list[dict[str, float]], peer_rows: list[dict[str, float]]) -> dict[str, float]:
    """Greatest relative differences of the volume, the mean and D50 over the segments."""
    return {
        name: max(abs(a[name] - b[name]) / abs(b[name]) for a, b in zip(ours_rows, peer_rows, strict=True))
        for name in ("volume_ml", "mean_gy", "d50_gy")
    }


def memory_mib(field: str) -> float:
    """VmRSS (now) or VmHWM (the peak) of this process, from Linux."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """Let the peak begin anew, so that it is not that of making the input."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    scene = prepare(sys.argv[1] if len(sys.argv) > 1 else 256)
    forget_peak()
    before_mib = memory_mib("VmRSS")
    call = ours(scene)
    rows, seconds = [], []
    for _ in range(8):
        begin = time.perf_counter()
        rows = call()
        seconds.append(time.perf_counter() - begin)
    result: dict[str, Any] = {
        "segments": len(rows),
        "voxels": [int(mask.sum()) for mask in scene.masks],
        "ours": {
            "first_seconds": round(seconds[0], 4),
            "warm_seconds": round(statistics.median(seconds[1:]), 4),
            "input_mib": round(before_mib, 1),
            "peak_mib": round(memory_mib("VmHWM"), 1),
        },
    }
    for peer in PEERS:
        answer = peer_result(peer, scene)
        if answer is not None:
            differences = agreement(rows, answer.pop("figures"))
            result[peer] = {**answer, "greatest_relative_difference": differences}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
