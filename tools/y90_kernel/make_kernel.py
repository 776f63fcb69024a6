"""Energy around a point source of 90Y in water: transports the beta particles and keeps the energy in cans of many sizes.

A development tool: the package never imports it, and it runs in an environment of its own (see README.md). The electrons of
the ICRP-107 spectrum start at one point of a water cylinder, isotropically; ompMC transports them, their secondary electrons
and the bremsstrahlung photons with the physics of EGSnrc. No number here is fitted to a published kernel or S value.

The energy is scored in a can about the source (radius and half height the same), one can in a run, from 0.1 to 12 mm; beyond
13 mm, where no beta particle arrives, coarse rings and slabs score the bremsstrahlung. ``unfold.py`` turns this into spherical
shells. One can in a run, and not a fine grid, because every boundary that a particle crosses costs accuracy: README.md shows
by how much.

    python make_kernel.py BATCHES --batches 10

A batch is one file, named by its number, and depends on that number and on this script alone: a run may be stopped and
continued.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import ompmc
from icrp107_database import get_icrp107_spectrum
from scipy.interpolate import CubicSpline

SEED = 9039
HISTORIES = 20_000  # of one can, in one batch

# Kinetic cut-offs are 10 keV: an electron of 10 keV goes 2.5 micrometres in water. ompMC counts electrons by total energy.
ELECTRON_CUT_MEV = 0.521
PHOTON_CUT_MEV = 0.010
MEDIUM = "H2O521ICRU"
DENSITY_G_ML = 1.0

CANS_MM = np.round(np.arange(1, 121) * 0.1, 1)
TAIL_MM = np.array([13, 16, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 300, 500, 1000.0])

IAEA_HEADER = """$IAEA_INDEX:
1000

$TITLE:
isotropic beta particles of 90Y

$FILE_TYPE:
0

$CHECKSUM:
{checksum}

$RECORD_CONTENTS:
    1     // X is stored ?
    1     // Y is stored ?
    1     // Z is stored ?
    1     // U is stored ?
    1     // V is stored ?
    1     // W is stored ?
    0     // Weight is stored ?
    0     // Extra floats stored ?
    0     // Extra longs stored ?

$RECORD_CONSTANT:
    1.0000     // Constant Weight

$RECORD_LENGTH:
{length}

$BYTE_ORDER:
1234

$ORIG_HISTORIES:
{number}

$PARTICLES:
{number}

$ELECTRONS:
{number}

$TRANSPORT_PARAMETERS:

"""


def script_sha256() -> str:
    """SHA-256 of this file."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def energies_mev(quantiles: np.ndarray) -> np.ndarray:
    """Kinetic energies at quantiles of the beta spectrum of ICRP Publication 107 (120 points, number per MeV and decay).

    Between the points goes a cubic spline: its mean, 0.93291 MeV, is that of the publication's list of branches (0.93290), where
    straight lines give 0.93424.
    """
    spectrum = get_icrp107_spectrum("Y-90", "b-spectra")
    energy = np.linspace(0.0, spectrum["energies"][-1], 200_001)
    density = np.maximum(CubicSpline(spectrum["energies"], spectrum["weights"])(energy), 0.0)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp(quantiles, cumulative / cumulative[-1], energy)


def write_source(base: Path, rng: np.random.Generator) -> float:
    """Mean kinetic energy (MeV) of the electrons of one batch, whose IAEA phase space is written at ``base``.

    Energy and polar angle come from a lattice of the plane, shifted at random, so that every batch holds the whole spectrum in
    every direction evenly; the azimuth is random.
    """
    index = np.arange(HISTORIES)
    shift = rng.random(2)
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    energy = energies_mev((index + shift[0]) / HISTORIES)
    cosine = 2.0 * np.mod(index * golden + shift[1], 1.0) - 1.0
    azimuth = 2.0 * np.pi * rng.random(HISTORIES)
    sine = np.sqrt(1.0 - cosine**2)
    record = np.zeros(
        HISTORIES,
        dtype=[("kind", "i1"), ("e", "<f4"), ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("u", "<f4"), ("v", "<f4")],
    )
    record["kind"] = np.where(cosine < 0, -2, 2)  # 2 is an electron; the sign is that of the direction along z
    record["e"] = -energy  # a negative energy begins a new history
    record["u"] = sine * np.cos(azimuth)
    record["v"] = sine * np.sin(azimuth)
    order = rng.permutation(HISTORIES)
    record[order].tofile(base.with_suffix(".IAEAphsp"))
    header = IAEA_HEADER.format(checksum=record.nbytes, length=record.dtype.itemsize, number=HISTORIES)
    base.with_suffix(".IAEAheader").write_text(header)
    return float(np.mean(np.abs(record["e"], dtype=np.float64)))


def transport(source: Path, can_mm: float, seeds: tuple[int, int]) -> np.ndarray:
    """Energy (MeV per history) by ring and by distance of the slab from the source, both with the edges can, TAIL_MM."""
    edges = np.concatenate([[can_mm], TAIL_MM])
    # No boundary goes through the source: the middle slab reaches to both sides of it.
    slabs = np.concatenate([-edges[::-1], edges])
    energy, _, summary = ompmc.calc_radial(
        ompmc.CylinderGeometry(np.concatenate([[0.0], edges]) / 10.0, slabs / 10.0, MEDIUM, DENSITY_G_ML),
        ompmc.PhaseSpaceSource(source),
        physics=ompmc.Physics(
            pegs_file=ompmc.data_path() / "pegs4" / "521icru.pegs4dat",
            global_ecut=ELECTRON_CUT_MEV,
            global_pcut=PHOTON_CUT_MEV,
            n_split=1,
            seeds=seeds,
        ),
        n_histories=HISTORIES,
        n_batches=2,
        output_dose=False,
    )
    if summary.n_started != HISTORIES:
        raise RuntimeError(f"{summary.n_started} of {HISTORIES} electrons started")
    middle = edges.size - 1
    folded = energy[:, middle:].copy()
    folded[:, 1:] += energy[:, middle - 1 :: -1]
    return folded


def run_batch(folder: Path, number: int) -> None:
    """Transport batch ``number`` and write ``batch_NNN.npz``.

    All cans of a batch get the same electrons and the same random numbers, so that the differences between neighbouring cans
    have little noise; the batches are independent of each other.
    """
    source = folder / f"source_{number:03d}"
    emitted_mev = write_source(source, np.random.default_rng([SEED, number]))
    can_mev = np.zeros(CANS_MM.size)
    tail_mev = np.zeros((TAIL_MM.size, TAIL_MM.size))
    for index, can_mm in enumerate(CANS_MM):
        energy = transport(source, float(can_mm), (SEED, number + 1))
        can_mev[index] = energy[0, 0]
        # The can and what lies between it and 13 mm, as one cell; the cells of the tail are the same in every run.
        rows = np.vstack([energy[:2].sum(axis=0), energy[2:]])
        tail_mev += np.hstack([rows[:, :2].sum(axis=1, keepdims=True), rows[:, 2:]]) / CANS_MM.size
    source.with_suffix(".IAEAphsp").unlink()
    source.with_suffix(".IAEAheader").unlink()
    np.savez_compressed(
        folder / f"batch_{number:03d}.npz",
        can_mev=can_mev,
        tail_mev=tail_mev,
        emitted_mev=emitted_mev,
        script_sha256=script_sha256(),
    )


def main() -> None:
    """Run the batches that the folder does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the batches are kept")
    parser.add_argument("--batches", type=int, required=True, help="number of batches")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.batches):
        if not (arguments.folder / f"batch_{number:03d}.npz").exists():
            run_batch(arguments.folder, number)


if __name__ == "__main__":
    main()
