"""Energy in cans of 1 and 2 mm about the source, with and without a fine grid inside: what the boundaries of the grid do.

A development tool, as ``make_kernel.py``. ompMC carries an electron by steps of many collisions, and collision by collision
within three mean free paths of a boundary. In cells of 5 micrometres every step is of the second kind: slow, and without any
condensed step. One can without a grid inside has long condensed steps. README.md holds the results.

    python check_boundaries.py 0.005 --histories 20000
    python check_boundaries.py 1.0 --histories 200000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import make_kernel
import numpy as np
import ompmc


def main() -> None:
    """Print the share of the energy in both cans for one size of cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell_mm", type=float, help="side of the cells within 2 mm of the source; 2 for none")
    parser.add_argument("--histories", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    make_kernel.HISTORIES = arguments.histories
    grid = np.round(np.arange(1, round(2.0 / arguments.cell_mm) + 1) * arguments.cell_mm, 6)
    edges = np.concatenate([grid, [20.0, 100.0, 1000.0]])
    slabs = np.concatenate([-edges[::-1], edges])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        make_kernel.write_source(source, np.random.default_rng(arguments.seed))
        energy, _, _ = ompmc.calc_radial(
            ompmc.CylinderGeometry(
                np.concatenate([[0.0], edges]) / 10.0, slabs / 10.0, make_kernel.MEDIUM, make_kernel.DENSITY_G_ML
            ),
            ompmc.PhaseSpaceSource(source),
            physics=ompmc.Physics(
                pegs_file=ompmc.data_path() / "pegs4" / "521icru.pegs4dat",
                global_ecut=make_kernel.ELECTRON_CUT_MEV,
                global_pcut=make_kernel.PHOTON_CUT_MEV,
                n_split=1,
                seeds=(arguments.seed, 1),
            ),
            n_histories=arguments.histories,
            n_batches=2,
            output_dose=False,
        )
    for can_mm in (1.0, 2.0):
        rings = edges <= can_mm + 1e-6
        layers = (slabs[1:] <= can_mm + 1e-6) & (slabs[:-1] >= -can_mm - 1e-6)
        share = energy[rings][:, layers].sum() / energy.sum()
        sys.stdout.write(f"cells {arguments.cell_mm} mm, can {can_mm} mm: {share:.5f}\n")


if __name__ == "__main__":
    main()
