"""Dose-volume figures of a sphere in a linear dose as two other programs give them.

Run by hand, with the two interpreters that have them (``benchmarks/dvh_case.py`` says how to make them):

    python dvh_peers.py DICOMPYLER_PYTHON PLATIPY_PYTHON > dvh_peers.csv

The sphere has a radius of 15 mm, the dose is 100 Gy in its centre and rises by 2 Gy/mm along the first axis. The grids of the
dose are upright; the centre of the sphere lies in the centre of a voxel, or at a corner of voxels (shift of half a voxel).
dicompyler-core gets contours every millimetre, or in the planes of the dose; platipy a mask on the dose's grid, or of 1 mm.
The closed form is derived in ``tests/dosimetry/test_occupancy.py``.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

RADIUS_MM = 15.0
PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
NAMES = ("volume_ml", "mean_gy", "sd_gy", "d98_gy", "d95_gy", "d90_gy", "d70_gy", "d50_gy", "d2_gy")


def scene(path: Path, spacing_mm: float, shift_voxels: float) -> None:
    half = int(np.ceil(RADIUS_MM / spacing_mm)) + 3
    x = spacing_mm * (np.arange(-half, half + 1) + shift_voxels)
    dose = np.broadcast_to((100.0 + 2.0 * x)[:, None, None], (x.size,) * 3).astype(np.float32)
    np.savez(
        path,
        dose=dose,
        spacing_mm=np.full(3, spacing_mm),
        origin_mm=np.full(3, x[0]),
        ellipsoids=np.array([[0.0, 0.0, 0.0, RADIUS_MM, RADIUS_MM, RADIUS_MM]]),
    )


def main(dicompyler: str, platipy: str) -> None:
    """One row a program, way and grid, to standard output."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["program", "segment", "spacing_mm", "shift_voxels", *NAMES])
    ways = (
        (dicompyler, "dvh_dicompyler.py", "dicompyler-core", "contours every 1 mm", ["--plane-mm", "1"]),
        (dicompyler, "dvh_dicompyler.py", "dicompyler-core", "contours in the dose planes", []),
        (platipy, "dvh_platipy.py", "platipy", "mask on the dose grid", []),
        (platipy, "dvh_platipy.py", "platipy", "mask of 1 mm", ["--mask-mm", "1"]),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.npz"
        for spacing_mm, shift_voxels in product((2.0, 3.0, 4.0, 4.8), (0.0, 0.5)):
            scene(path, spacing_mm, shift_voxels)
            for python, script, program, segment, options in ways:
                done = subprocess.run(
                    [python, str(PEERS / script), str(path), *options], capture_output=True, text=True, check=True
                )
                answer = json.loads(done.stdout.splitlines()[-1])
                (row,) = answer["figures"]
                name = f"{program} {answer['versions'][program]}"
                out.writerow([name, segment, spacing_mm, shift_voxels, *(f"{row[one]:.6g}" for one in NAMES)])


if __name__ == "__main__":
    main(*sys.argv[1:])
