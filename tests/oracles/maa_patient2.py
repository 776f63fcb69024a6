"""Doses of the real 99mTc-MAA SPECT by SimpleITK and numpy alone: an oracle that shares no code with the package.

usage: python maa_patient2.py FOLDER > doses.csv       (FOLDER holds patient_2_SPECT.nrrd and patient_2_Segmentation.seg.nrrd)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ADMINISTERED_GBQ, LUNG_SHUNT, K, DENSITY = 3.9, 0.029, 49.67, 1.03


def masks(path: Path) -> tuple[sitk.Image, dict[str, np.ndarray]]:
    image = sitk.ReadImage(str(path))
    layers = sitk.GetArrayFromImage(image)  # z, y, x, layer
    keys = image.GetMetaDataKeys()
    found = {}
    for n in range(1000):
        if f"Segment{n}_Name" not in keys:
            break
        layer = int(image.GetMetaData(f"Segment{n}_Layer"))
        label = int(image.GetMetaData(f"Segment{n}_LabelValue"))
        found[image.GetMetaData(f"Segment{n}_Name")] = layers[..., layer] == label
    return image, found


def doses(folder: Path) -> dict[str, tuple[float, float]]:
    """Name -> (volume in mL, mean dose in Gy)."""
    reference, segments = masks(folder / "patient_2_Segmentation.seg.nrrd")
    spect = sitk.Cast(sitk.ReadImage(str(folder / "patient_2_SPECT.nrrd")), sitk.sitkFloat64)
    spect = sitk.Clamp(spect, sitk.sitkFloat64, 0.0, 1e12)
    grid = sitk.Image(reference.GetSize(), sitk.sitkUInt8)
    grid.SetSpacing(reference.GetSpacing())
    grid.SetOrigin(reference.GetOrigin())
    grid.SetDirection(reference.GetDirection())
    counts = sitk.GetArrayFromImage(
        sitk.Resample(spect, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat64)
    )
    voxel_ml = float(np.prod(reference.GetSpacing())) / 1000.0
    liver_counts = counts[segments["liver"]].sum()
    table = {}
    for name, mask in segments.items():
        volume_ml = mask.sum() * voxel_ml
        share = counts[mask].sum() / liver_counts
        mass_kg = volume_ml * DENSITY / 1000.0
        table[name] = (volume_ml, K * ADMINISTERED_GBQ * (1 - LUNG_SHUNT) * share / mass_kg)
    return table


def counts_outside_liver(folder: Path) -> float:
    """Share of the counts outside the liver, by nearest neighbour: each SPECT voxel belongs where its centre lies."""
    reference, segments = masks(folder / "patient_2_Segmentation.seg.nrrd")
    liver = sitk.GetImageFromArray(segments["liver"].astype(np.uint8))
    liver.SetSpacing(reference.GetSpacing())
    liver.SetOrigin(reference.GetOrigin())
    liver.SetDirection(reference.GetDirection())
    spect = sitk.ReadImage(str(folder / "patient_2_SPECT.nrrd"))
    inside = sitk.GetArrayFromImage(sitk.Resample(liver, spect, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    counts = np.maximum(sitk.GetArrayFromImage(spect).astype(float), 0)
    return 1.0 - counts[inside].sum() / counts.sum()


if __name__ == "__main__":
    print("segment,volume_ml,mean_dose_gy")
    for name, (volume_ml, dose_gy) in doses(Path(sys.argv[1])).items():
        print(f"{name},{float(volume_ml)!r},{float(dose_gy)!r}")
    print(f"# counts outside the liver: {counts_outside_liver(Path(sys.argv[1])):.4f}", file=sys.stderr)
