"""Dose-volume figures of a scene by dicompyler-core; runs in an environment of its own (see environments.py), prints JSON.

    python dvh_dicompyler.py SCENE.npz [--runs N] [--plane-mm D]

The scene becomes an RT Dose (32 bits) and an RT Structure Set in memory, before the clock starts. Contours are polygons of 360
points on the ellipsoids, in the planes of the dose, or every D mm. The figures are read from the program's own histogram, which
has bins of 0.01 Gy. Only the part of the planes that holds the structure is computed (``use_structure_extents``), which is
the quicker way.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from dicompylercore import dvhcalc
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def dataset(kind: str, modality: str) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.is_little_endian, data.is_implicit_VR = True, False
    data.SOPClassUID, data.SOPInstanceUID = kind, generate_uid()
    data.Modality = modality
    return data


def rt_dose(dose: np.ndarray, spacing_mm: np.ndarray, origin_mm: np.ndarray) -> Dataset:
    data = dataset("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE")
    data.ImagePositionPatient = [float(x) for x in origin_mm]
    data.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    data.PatientPosition = "HFS"
    data.PixelSpacing = [float(spacing_mm[1]), float(spacing_mm[0])]
    data.Columns, data.Rows, data.NumberOfFrames = dose.shape
    data.GridFrameOffsetVector = [float(k * spacing_mm[2]) for k in range(dose.shape[2])]
    data.BitsAllocated = data.BitsStored = 32
    data.HighBit = 31
    data.PixelRepresentation = 0
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.DoseUnits, data.DoseType, data.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    data.DoseGridScaling = float(dose.max()) / (2**32 - 1)
    stored = np.round(dose.astype(np.float64) / data.DoseGridScaling).astype("<u4")
    data.PixelData = stored.transpose(2, 1, 0).tobytes()
    return data


def rt_structures(ellipsoids: np.ndarray, planes_mm: np.ndarray) -> Dataset:
    data = dataset("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT")
    data.StructureSetROISequence, data.ROIContourSequence = Sequence(), Sequence()
    data.RTROIObservationsSequence = Sequence()
    angle = np.deg2rad(np.arange(360) + 0.5)
    for number, (x, y, z, a, b, c) in enumerate(ellipsoids, start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, str(number)
        data.StructureSetROISequence.append(roi)
        observation = Dataset()
        observation.ObservationNumber = observation.ReferencedROINumber = number
        observation.RTROIInterpretedType = "ORGAN"
        data.RTROIObservationsSequence.append(observation)
        contours = Dataset()
        contours.ReferencedROINumber = number
        contours.ROIDisplayColor = [255, 0, 0]
        contours.ContourSequence = Sequence()
        for plane in planes_mm[np.abs(planes_mm - z) < c]:
            part = np.sqrt(1.0 - ((plane - z) / c) ** 2)
            points = np.column_stack((x + a * part * np.cos(angle), y + b * part * np.sin(angle), np.full(360, plane)))
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = 360
            contour.ContourData = [float(f"{value:.9g}") for value in points.ravel()]
            contours.ContourSequence.append(contour)
        data.ROIContourSequence.append(contours)
    return data


def figures(dvh: Any) -> dict[str, float]:
    """Figures of a cumulative histogram; the standard deviation is that of its bins."""
    bins = dvh.differential
    middle = bins.bincenters
    share = bins.counts / bins.counts.sum()
    mean = float((share * middle).sum())
    return {
        "volume_ml": float(dvh.volume),
        "mean_gy": float(dvh.mean),
        "sd_gy": float(np.sqrt((share * (middle - mean) ** 2).sum())),
        **{f"d{x}_gy": float(dvh.dose_constraint(x).value) for x in (98, 95, 90, 70, 50, 2)},
        "v100gy_fraction": float(dvh.volume_constraint(100, "Gy").value) / float(dvh.volume),
    }


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
    parser.add_argument("--plane-mm", type=float)
    parser.add_argument("--whole-planes", action="store_true", help="without use_structure_extents")
    arguments = parser.parse_args()
    scene = np.load(arguments.scene)
    dose, spacing, origin = scene["dose"], scene["spacing_mm"], scene["origin_mm"]
    planes = origin[2] + spacing[2] * np.arange(dose.shape[2])
    if arguments.plane_mm:
        half = int(np.abs(planes).max() / arguments.plane_mm)
        planes = arguments.plane_mm * np.arange(-half, half + 1)
    structures = rt_structures(scene["ellipsoids"], planes)
    rtdose = rt_dose(dose, spacing, origin)
    forget_peak()
    before_mib = memory_mib("VmRSS")
    seconds, rows = [], []
    for _ in range(arguments.runs):
        begin = time.perf_counter()
        rows = [
            figures(dvhcalc.get_dvh(structures, rtdose, number + 1, use_structure_extents=not arguments.whole_planes))
            for number in range(len(scene["ellipsoids"]))
        ]
        seconds.append(time.perf_counter() - begin)
    print(
        json.dumps(
            {
                "versions": {name: version(name) for name in ("dicompyler-core", "numpy", "matplotlib", "pydicom")},
                "seconds": [round(one, 4) for one in seconds],
                "input_mib": round(before_mib, 1),
                "peak_mib": round(memory_mib("VmHWM"), 1),
                "figures": rows,
            }
        )
    )


if __name__ == "__main__":
    main()
