"""The ``ytterby`` command."""

from __future__ import annotations

import os

# Before numpy is imported anywhere: one thread per process. Sums over two threads end in other bits, and patients, not sums, are
# what runs in parallel here.
for _name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
):
    os.environ[_name] = "1"


def main() -> None:
    """Run the command line."""
    from ytterby.cli.main import run

    run()


if __name__ == "__main__":
    main()
