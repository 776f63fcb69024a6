"""A full case, as a clinic has it: SPECT 128^3, CT 512 x 512 x 120, liver, perfused volume, ten lesions, both engines.

Run as a script it makes the case in memory, runs it twice in one process (the first run compiles and fills caches) and prints
one JSON object: seconds of the imports, of both runs, and the peak of the process's memory.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def full_case(side: int = 128, ct_shape: tuple[int, int, int] = (512, 512, 120)) -> Any:
    """The case: an ellipsoid of 1.5 L with ten spheres of 12 to 60 mm, counts with Poisson noise."""
    from datetime import UTC, datetime

    import numpy as np
    from scipy import ndimage

    from ytterby.dosimetry.accuracy import Accuracy
    from ytterby.dosimetry.case import ImagedSessions
    from ytterby.model.dose import DoseOptions, Engine, Radiobiology, Tissue
    from ytterby.model.segment import Role, Segment
    from ytterby.model.treatment import Device, Session
    from ytterby.model.uncertainty import UncertaintyInputs
    from ytterby.model.volume import Grid, Quantity, Volume
    from ytterby.workflow.case import Case

    spect = Grid.axis_aligned((side, side, side), (4.42 * 128 / side,) * 3)
    ct_grid = Grid.axis_aligned(
        ct_shape, (400 / ct_shape[0], 400 / ct_shape[1], 300 / ct_shape[2]), origin_mm=(-199.6, -199.6, -148.75)
    )

    def ellipsoid(grid: Grid, centre: tuple[float, ...], radii: tuple[float, ...]) -> Any:
        axes = np.ogrid[: grid.shape[0], : grid.shape[1], : grid.shape[2]]
        far = sum(((grid.affine[a, 3] + grid.affine[a, a] * axes[a] - centre[a]) / radii[a]) ** 2 for a in range(3))
        return far <= 1.0

    liver_at, liver_radii = (0.0, 0.0, 0.0), (85.0, 68.0, 62.0)
    rng = np.random.default_rng(20)
    lesions: list[tuple[tuple[float, ...], float]] = []
    for diameter in (60, 45, 38, 32, 28, 24, 20, 18, 15, 12):
        while True:
            at = tuple(rng.uniform(-0.62, 0.62, 3) * liver_radii)
            apart = all(np.hypot.reduce(np.subtract(at, other)) > (diameter + size) / 2 for other, size in lesions)
            if apart and at[0] > -20:
                lesions.append((at, float(diameter)))
                break
    activity = np.where(ellipsoid(spect, liver_at, liver_radii), 1.0, 0.02)
    for at, size in lesions:
        activity[ellipsoid(spect, at, (size / 2,) * 3)] = 6.0
    counts = ndimage.gaussian_filter(activity, 12.0 / 2.3548 / spect.spacing_mm[0]) * 60.0
    image = Volume(rng.poisson(counts).astype(np.float32), spect, Quantity.COUNTS, "1.2.3")
    liver = ellipsoid(ct_grid, liver_at, liver_radii)
    half = liver & (np.arange(ct_shape[0])[:, None, None] * ct_grid.spacing_mm[0] - 199.6 > -30)
    hu = np.where(ellipsoid(ct_grid, (0, 0, 0), (170.0, 120.0, 400.0)), 40, -1000).astype(np.int16)
    hu[liver] = 110

    def segment(name: str, role: Role, mask: Any) -> Segment:
        return Segment(name, role, mask, ct_grid, frame_of_reference="1.2.3")

    segments = [segment("liver", Role.LIVER, liver), segment("perfused", Role.PERFUSED, half)]
    segments += [
        segment(f"Tumour {n}", Role.TUMOUR, ellipsoid(ct_grid, at, (size / 2,) * 3))
        for n, (at, size) in enumerate(lesions, start=1)
    ]
    session = Session("1", Device.GLASS, 3.0, datetime(2024, 3, 8, 11, tzinfo=UTC), 0.01, 0.03, ("perfused",))
    return Case(
        patient_id="bench",
        imaged=(ImagedSessions(image, (session,), 64.1),),
        segments=tuple(segments),
        options=DoseOptions(49.67, 1.03, 1.0, Engine.LOCAL_DEPOSITION, (Engine.KERNEL,)),
        ct=Volume(hu, ct_grid, Quantity.HU, "1.2.3"),
        radiobiology=Radiobiology(Tissue(10.0, 1.5), Tissue(2.5, 2.5)),
        accuracy=Accuracy(
            fwhm_mm=12.0,
            inputs=UncertaintyInputs(
                fwhm_mm=12.0,
                fwhm_uncertainty_mm=1.0,
                activity_fraction=0.05,
                calibration_fraction=0.05,
                lung_shunt_sd_fraction=0.01,
                residual_sd_fraction=0.005,
                boundary_mm=1.5,
                registration_mm=3.0,
                noise_fraction=0.1,
            ),
            draws=2000,
            seed=1,
        ),
        simulated=True,
    )


def main() -> None:
    small = "--small" in sys.argv
    begin = time.perf_counter()
    from ytterby.workflow.case import run_case

    imported = time.perf_counter() - begin
    case = full_case(64, (128, 128, 60)) if small else full_case()
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, processor_seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "warm"):
            begin, begin_processor = time.perf_counter(), time.process_time()
            run_case(case, Path(folder) / name)
            seconds.append(time.perf_counter() - begin)
            processor_seconds.append(time.process_time() - begin_processor)
    print(
        json.dumps(
            {
                "import_seconds": round(imported, 3),
                "cold_seconds": round(seconds[0], 3),
                "warm_seconds": round(seconds[1], 3),
                "warm_processor_seconds": round(processor_seconds[1], 3),
                "input_mib": round(before_mib, 1),
                "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
