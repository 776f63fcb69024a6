"""Table of the 90Y point kernel in water: spherical shells from the cans and rings of ``make_kernel.py``.

A development tool, as ``make_kernel.py``. Share of the sphere of radius r that lies in a cell, rings a to b and heights c to d
above the source (the cell below it counted too):

    g(r) = [min(d, sqrt(r^2 - a^2)) - max(c, sqrt(max(0, r^2 - b^2)))] / r, and 0 where this is negative

The energy of a cell is the integral of f(r) g(r) dr, with f the energy per distance from the source. Beyond 13 mm, f is
constant in each of the coarse shells, found by expectation maximisation, which keeps the energy. Nearer, f is a cubic spline,
fitted by least squares to the energies of the cans: the only smoothing of statistical noise. It is nowhere below the f of the
first coarse shell, because the bremsstrahlung thins out with the distance. The uncertainty is that of the mean of the batches
(jackknife).

    python unfold.py BATCHES ../../src/ytterby/physics/tables
"""

from __future__ import annotations

import argparse
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import make_kernel
import numpy as np
from make_kernel import CANS_MM, TAIL_MM
from scipy.interpolate import BSpline
from scipy.optimize import nnls

KNOT_MM = 1.0
REACH_MM = float(TAIL_MM[0])
STEP_MM = 0.005
SHELLS_MM = np.concatenate([CANS_MM, TAIL_MM])
ITERATIONS = 200


def share_in_cell(r_mm: np.ndarray, ring_mm: tuple[float, float], height_mm: tuple[float, float]) -> np.ndarray:
    """g(r) of the module's docstring at each ``r_mm``, for a cell and its mirror image below the source."""
    top = np.minimum(height_mm[1], np.sqrt(np.maximum(r_mm**2 - ring_mm[0] ** 2, 0.0)))
    bottom = np.maximum(height_mm[0], np.sqrt(np.maximum(r_mm**2 - ring_mm[1] ** 2, 0.0)))
    return np.maximum(top - bottom, 0.0) / r_mm


def tail_shells_mev(tail_mev: np.ndarray) -> np.ndarray:
    """Energy within 13 mm, then of each coarse shell beyond (expectation maximisation)."""
    edges = np.concatenate([[0.0], TAIL_MM])
    response = np.zeros((*tail_mev.shape, TAIL_MM.size))
    for shell in range(TAIL_MM.size):
        r = edges[shell] + (np.arange(400) + 0.5) / 400 * (edges[shell + 1] - edges[shell])
        for i in range(TAIL_MM.size):
            for k in range(TAIL_MM.size):
                share = share_in_cell(r, (edges[i], edges[i + 1]), (edges[k], edges[k + 1]))
                response[i, k, shell] = share.mean()
    matrix = response.reshape(-1, TAIL_MM.size)
    measured = tail_mev.ravel()
    # What the corners of the phantom hold beyond its radius counts to the last shell.
    matrix[matrix.sum(axis=1) == 0, -1] = 1e-12
    shells = np.full(TAIL_MM.size, measured.sum() / TAIL_MM.size)
    for _ in range(ITERATIONS):
        expected = matrix @ shells
        ratio = np.divide(measured, expected, out=np.zeros_like(measured), where=expected > 0)
        shells = shells * (matrix.T @ ratio) / matrix.sum(axis=0)
    return shells


def beta_shells_mev(
    can_mev: np.ndarray, within_mev: float, floor_mev_per_mm: float, deviation_mev: np.ndarray
) -> np.ndarray:
    """Energy of the shells to 12 mm and of the one from 12 to 13 mm, from the cans and the energy within 13 mm."""
    knots = np.arange(0.0, REACH_MM + KNOT_MM / 2, KNOT_MM)
    full = np.concatenate([[knots[0]] * 3, knots, [knots[-1]] * 3])
    r = (np.arange(round(REACH_MM / STEP_MM)) + 0.5) * STEP_MM
    basis = BSpline.design_matrix(r, full, 3).toarray() * STEP_MM
    # The last row is the energy within 13 mm, which has next to no noise.
    shares = np.array([share_in_cell(r, (0.0, can), (0.0, can)) for can in CANS_MM] + [np.ones_like(r)])
    weight = 1.0 / np.concatenate([deviation_mev, [deviation_mev.min() * 1e-2]])
    floor = np.full(r.size, floor_mev_per_mm * STEP_MM)
    above = np.concatenate([can_mev, [within_mev]]) - shares @ floor
    coefficients, _ = nnls(weight[:, None] * (shares @ basis), weight * above)
    energy = basis @ coefficients + floor
    inner = np.concatenate([CANS_MM, [REACH_MM]])
    return np.add.reduceat(energy, np.searchsorted(r, np.concatenate([[0.0], inner[:-1]])))


def shells_mev(can_mev: np.ndarray, tail_mev: np.ndarray, deviation_mev: np.ndarray) -> np.ndarray:
    """Energy of every shell of ``SHELLS_MM``, MeV per decay."""
    tail = tail_shells_mev(tail_mev)
    # The corners of the large cans lie beyond 13 mm: 12 sqrt(2) is 17 mm.
    corner = np.array([_corner_mev(can, tail) for can in CANS_MM])
    floor = float(tail[1] / (TAIL_MM[1] - TAIL_MM[0]))
    return np.concatenate([beta_shells_mev(can_mev - corner, float(tail[0]), floor, deviation_mev), tail[1:]])


def _corner_mev(can_mm: float, tail: np.ndarray) -> float:
    """Energy of shells beyond 13 mm that lies in the corners of a can."""
    energy = 0.0
    for inner, outer, shell in zip(TAIL_MM[:-1], TAIL_MM[1:], tail[1:], strict=True):
        if inner < can_mm * np.sqrt(2.0):
            r = inner + (np.arange(400) + 0.5) / 400 * (outer - inner)
            energy += float(shell * share_in_cell(r, (0.0, can_mm), (0.0, can_mm)).mean())
    return energy


def main() -> None:
    """Write ``y90_water.csv`` and, beside it, the record of how it was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batches", type=Path, help="the folder that make_kernel.py filled")
    parser.add_argument("tables", type=Path, help="the folder of the table")
    arguments = parser.parse_args()
    batches = [np.load(path) for path in sorted(arguments.batches.glob("batch_*.npz"))]
    if any(str(batch["script_sha256"]) != make_kernel.script_sha256() for batch in batches):
        raise SystemExit("a batch was made by another version of make_kernel.py: run it again")
    number = len(batches)
    cans = np.array([batch["can_mev"] for batch in batches])
    tails = np.array([batch["tail_mev"] for batch in batches])
    emitted_mev = float(np.mean([batch["emitted_mev"] for batch in batches]))
    # Weights of the least squares: the scatter between batches, which changes slowly from can to can.
    deviation = np.sqrt(
        np.convolve(np.pad(cans.var(axis=0, ddof=1), 7, mode="edge"), np.full(15, 1 / 15), mode="valid")
    )
    shells = shells_mev(cans.mean(axis=0), tails.mean(axis=0), deviation)
    without = np.array(
        [
            shells_mev(np.delete(cans, i, 0).mean(axis=0), np.delete(tails, i, 0).mean(axis=0), deviation)
            for i in range(number)
        ]
    )
    error = np.sqrt((number - 1) / number * np.sum((without - without.mean(axis=0)) ** 2, axis=0))
    within = np.cumsum(without, axis=1) / without.sum(axis=1, keepdims=True)
    cumulative_error = np.sqrt((number - 1) / number * np.sum((within - within.mean(axis=0)) ** 2, axis=0))
    fraction = shells / shells.sum()
    lines = ["outer_radius_mm,energy_fraction,relative_uncertainty"]
    lines += [
        f"{radius:g},{share:.12g},{relative:.3g}"
        for radius, share, relative in zip(SHELLS_MM, fraction, error / shells, strict=True)
    ]
    arguments.tables.mkdir(parents=True, exist_ok=True)
    (arguments.tables / "y90_water.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = {
        "nuclide": "Y-90",
        "medium": "water, 1 g/mL",
        "columns": "outer radius of a spherical shell about the decay; its share of all energy deposited, bremsstrahlung "
        "included; relative standard uncertainty of that share (statistics of the transport alone)",
        "scripts": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (Path(make_kernel.__file__), Path(__file__))
        },
        "transport": f"ompMC {version('ompmc')} (EGSnrc physics), medium {make_kernel.MEDIUM}, cut-offs "
        f"{make_kernel.ELECTRON_CUT_MEV} MeV (electrons, total energy) and {make_kernel.PHOTON_CUT_MEV} MeV (photons), "
        "step lengths and boundary crossing (single scattering) as compiled in; water cylinder of 1 m radius, 2 m high",
        "spectrum": f"ICRP Publication 107, from icrp107-database {version('icrp107-database')}: b-spectra of Y-90, 120 "
        "points joined by a cubic spline; conversion electrons (0.02 % of the energy) and internal bremsstrahlung left out",
        "libraries": f"numpy {version('numpy')}, scipy {version('scipy')}",
        "seed": make_kernel.SEED,
        "batches": number,
        "cans": CANS_MM.size,
        "histories": number * CANS_MM.size * make_kernel.HISTORIES,
        "histories_per_can": number * make_kernel.HISTORIES,
        "emitted_mev_per_decay": round(emitted_mev, 6),
        "deposited_mev_per_decay": round(float(shells.sum()), 6),
        "smoothing": f"cubic spline of the energy per distance, knots every {KNOT_MM:g} mm to {REACH_MM:g} mm, "
        "nowhere below that of the first shell beyond",
        "uncertainty_of_energy_fraction_within": {
            f"{radius} mm": float(f"{cumulative_error[radius * 10 - 1]:.2g}") for radius in (1, 2, 3, 5, 7, 9)
        },
    }
    (arguments.tables / "y90_water.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
