"""Dose-volume figures of twenty segments on one dose map, ours and two peers, each in a process and an interpreter of its own.

A scene is a dose map and ellipsoids; a voxel belongs to a segment where its centre lies in the ellipsoid, and the contours that
one peer wants are the ellipsoids' own, in the planes of the map. Figures of a segment are those of ``FIGURES``.

``python benchmarks/dvh_case.py SCENE.npz --runs N`` is our side of it, and prints what the programs in ``peers/`` print. A peer
runs where an interpreter that has it is found: see environments.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import memory
from environments import PEERS, interpreter, why_missing
from timing import Seconds, as_record

SEED = 20261125
HERE = Path(__file__).resolve().parent
SIZES = {"full": "256", "small": "64"}
TARGET_SECONDS = 0.3  # what we set out for, on the full size
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

    @classmethod
    def read(cls, path: Path) -> DoseScene:
        """What was written; the masks are made anew, as the peers make theirs."""
        with np.load(path) as kept:
            given = {name: kept[name] for name in ("dose", "spacing_mm", "origin_mm", "ellipsoids")}
        where = (given["dose"].shape, given["spacing_mm"], given["origin_mm"])
        return cls(**given, masks=tuple(mask_of(*where, one) for one in given["ellipsoids"]))


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


# How far the outputs may be apart, relative: dicompyler-core counts voxels in polygons of 360 sides, and reads doses from bins of
# 0.01 Gy; platipy has our masks, and bins of 0.1 Gy in doses of about 60 Gy.
LIMITS = {
    "dicompyler": {"volume_ml": 1e-3, "mean_gy": 2e-4, "d50_gy": 2e-3},
    "platipy": {"volume_ml": 1e-9, "mean_gy": 1e-5, "d50_gy": 2e-3},
}
# D50 is compared where it is no matter of convention: in a few voxels it is, with whole grays between one voxel and the next. On
# the small map most segments have few.
LIMIT_OF_D50_SMALL = 1e-2
LEAST_VOXELS_OF_D50 = 100


def agreement(ours_rows: list[dict[str, float]], peer_rows: list[dict[str, float]], *, voxels: Any) -> dict[str, float]:
    """Greatest relative differences of the volume, the mean and D50 over the segments."""
    pairs = list(zip(ours_rows, peer_rows, voxels, strict=True))
    return {
        name: max(abs(a[name] - b[name]) / abs(b[name]) for a, b, n in pairs if n >= least)
        for name, least in (("volume_ml", 0), ("mean_gy", 0), ("d50_gy", LEAST_VOXELS_OF_D50))
    }


def answer_of(python: Path, program: Path, scene: Path, *, runs: int) -> dict[str, Any]:
    """What a program says of a scene: ``versions``, ``seconds`` of each run, ``input_mib``, ``peak_mib``, ``figures``.

    ``failed`` is the last thing that it said, if it ended with an error.
    """
    command = [str(python), str(program), str(scene), "--runs", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def rows(kind: str, *, runs: int, peer_runs: int) -> list[dict[str, Any]]:
    """One row a peer for the results; a peer that is missing or fails keeps its row, with the reason and our times alone."""
    size = SIZES[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.npz"
        scene = prepare(size)
        scene.write(path)
        voxels = [int(mask.sum()) for mask in scene.masks]
        del scene
        return [_row(peer, path, size, voxels, runs=runs, peer_runs=peer_runs) for peer in PEERS]


def _row(peer: str, scene: Path, size: str, voxels: list[int], *, runs: int, peer_runs: int) -> dict[str, Any]:
    # Ours anew for each peer, so that both meet about the same moment of the machine.
    mine = answer_of(Path(sys.executable), Path(__file__).resolve(), scene, runs=runs + 1)
    if "failed" in mine:
        raise RuntimeError(f"our own histograms failed: {mine['failed']}")
    seconds = _warm(mine)
    limits = LIMITS[peer] if size == SIZES["full"] else {**LIMITS[peer], "d50_gy": LIMIT_OF_D50_SMALL}
    row: dict[str, Any] = {
        "case": f"dvh_{peer}",
        "what": f"Dose-volume histograms and figures of {len(voxels)} segments (side of the dose map)",
        "peer": peer,
        "size": size,
        "note": "each in a process of its own, not by turns; the peers have no environment in common with ours. D50 is compared "
        f"in segments of {LEAST_VOXELS_OF_D50} voxels or more",
        "warm_seconds": {"ours": as_record(seconds)},
        "peak_mib": {"ours": _above_input(mine)},
        "limits": limits,
        "agrees": True,
    }
    if size == SIZES["full"]:
        what = f"DVH of {len(voxels)} segments on {size}^3: under {TARGET_SECONDS:g} s (measured beside {peer})"
        measured = round(seconds.median, 4)
        row["target"] = {"what": what, "measured": f"{measured:g} s", "met": measured < TARGET_SECONDS}
    python = interpreter(peer)
    if python is None:
        return {**row, "not_compared": why_missing(peer)}
    theirs = answer_of(python, HERE / "peers" / f"dvh_{peer}.py", scene, runs=peer_runs + 1)
    if "failed" in theirs:
        return {**row, "not_compared": theirs["failed"], "agrees": False}
    differences = agreement(mine["figures"], theirs["figures"], voxels=voxels)
    row["peer"] = f"{next(iter(theirs['versions']))} {next(iter(theirs['versions'].values()))}"
    row["peer_versions"] = theirs["versions"]
    row["warm_seconds"]["peer"] = as_record(_warm(theirs))
    row["warm_ratio_ours_over_peer"] = round(seconds.median / _warm(theirs).median, 4)
    row["peak_mib"]["peer"] = _above_input(theirs)
    row["differences"] = differences
    row["agrees"] = all(differences[name] <= limit for name, limit in limits.items())
    return row


def _warm(answer: dict[str, Any]) -> Seconds:
    return Seconds.of(answer["seconds"][1:])


def _above_input(answer: dict[str, Any]) -> float | None:
    return None if answer["input_mib"] is None else round(answer["peak_mib"] - answer["input_mib"], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    call = ours(DoseScene.read(arguments.scene))
    held, figures, seconds = memory.forget_peak(), [], []
    for _ in range(arguments.runs):
        begin = time.perf_counter()
        figures = call()
        seconds.append(time.perf_counter() - begin)
    answer = {"seconds": seconds, "input_mib": held, "peak_mib": memory.peak_mib(), "figures": figures}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
