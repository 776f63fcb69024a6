"""Dose-volume figures of a scene by platipy; runs in an environment of its own (see environments.py), prints JSON.

    python dvh_platipy.py SCENE.npz [--runs N] [--mask-mm D]

Dose and masks become SimpleITK images before the clock starts. A mask lies on the dose map's own grid, or on a grid of D mm about
the origin. Bins are the program's default of 0.1 Gy. It has no standard deviation: that field is NaN.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from platipy.imaging.dose.dvh import calculate_d_x, calculate_dvh_for_labels, calculate_v_x

SHARES = (98, 95, 90, 70, 50, 2)


def image(array: np.ndarray, spacing_mm: np.ndarray, origin_mm: np.ndarray) -> sitk.Image:
    found = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    found.SetSpacing([float(x) for x in spacing_mm])
    found.SetOrigin([float(x) for x in origin_mm])
    return found


def mask(shape: tuple[int, ...], spacing_mm: np.ndarray, origin_mm: np.ndarray, ellipsoid: np.ndarray) -> np.ndarray:
    axes = np.ogrid[: shape[0], : shape[1], : shape[2]]
    far = sum(((axes[a] * spacing_mm[a] + origin_mm[a] - ellipsoid[a]) / ellipsoid[3 + a]) ** 2 for a in range(3))
    return (far <= 1.0).astype(np.uint8)


def memory_mib(field: str) -> float:
    """VmRSS (now) or VmHWM (the peak) of this process, from Linux."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """Let the peak begin anew, so that it is not that of making the input; what the allocator keeps is given back first."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc
        libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--mask-mm", type=float)
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    scene = np.load(arguments.scene)
    array, spacing, origin = scene["dose"], scene["spacing_mm"], scene["origin_mm"]
    dose = image(array, spacing, origin)
    shape: tuple[int, ...] = array.shape
    if arguments.mask_mm:
        half = int(min(-origin) / arguments.mask_mm)
        shape, spacing = (2 * half + 1,) * 3, np.full(3, arguments.mask_mm)
        origin = -spacing * half
    labels = {
        str(number): image(mask(shape, spacing, origin, one), spacing, origin)
        for number, one in enumerate(scene["ellipsoids"])
    }
    forget_peak()
    before_mib = memory_mib("VmRSS")
    seconds, rows = [], []
    for _ in range(arguments.runs):
        begin = time.perf_counter()
        table = calculate_dvh_for_labels(dose, labels)
        reached = calculate_d_x(table, list(SHARES))
        above = calculate_v_x(table, [100.0])
        rows = [
            {
                "volume_ml": float(table["cc"].iloc[n]),
                "mean_gy": float(table["mean"].iloc[n]),
                "sd_gy": math.nan,
                **{f"d{x}_gy": float(reached[f"D{x}"].iloc[n]) for x in SHARES},
                "v100gy_fraction": float(above["V100"].iloc[n]) / float(table["cc"].iloc[n]),
            }
            for n in range(len(labels))
        ]
        seconds.append(time.perf_counter() - begin)
    print(
        json.dumps(
            {
                "versions": {name: version(name) for name in ("platipy", "numpy", "simpleitk", "pandas")},
                "seconds": [round(one, 4) for one in seconds],
                "input_mib": round(before_mib, 1),
                "peak_mib": round(memory_mib("VmHWM"), 1),
                "figures": rows,
            }
        )
    )


if __name__ == "__main__":
    main()
