"""Half-lives and energies of ICRP Publication 107, as two independent packages hold them.

Run by hand, in an environment of its own, outside the project:

    pip install icrp107-database radioactivedecay
    python icrp107.py > icrp107.csv

Energies are sums of energy x yield per decay (MeV): betas, conversion electrons (IE), Auger electrons, photons. The first package
keeps its files as JSON within JSON, and its own reader hides nothing of them but the notation of the nuclide.
"""

from __future__ import annotations

import csv
import sys
from importlib.metadata import version

import radioactivedecay
from icrp107_database import get_icrp107_spectrum

NUCLIDES = ("Y-90", "Tc-99m", "Ho-166")
KINDS = ("beta-", "IE", "auger", "gamma", "X")
HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0, "y": 24.0 * 365.2422}


def sum_mev(name: str, kind: str) -> float:
    """Energy per decay in particles of a kind; 0 where the nuclide has none."""
    try:
        lines = get_icrp107_spectrum(name, kind)
    except KeyError:
        return 0.0
    return float((lines["energies"] * lines["weights"]).sum())


def main() -> None:
    """One row a nuclide, to standard output."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        [
            "nuclide",
            "half_life_hours_icrp107_database",
            "half_life_hours_radioactivedecay",
            *(f"{kind.strip('-').lower()}_mev" for kind in KINDS),
            "packages",
        ]
    )
    packages = "; ".join(f"{name} {version(name)}" for name in ("icrp107-database", "radioactivedecay"))
    for name in NUCLIDES:
        lines = get_icrp107_spectrum(name, "gamma")
        hours = float(lines["half_life"]) * HOURS[lines["time_unit"]]
        other = radioactivedecay.Nuclide(name).half_life("h")
        energies = [f"{sum_mev(name, kind):.9g}" for kind in KINDS]
        out.writerow([name, f"{hours:.9g}", f"{other:.9g}", *energies, packages])


if __name__ == "__main__":
    main()
