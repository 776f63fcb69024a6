"""Reading a CT of single slices and a reconstructed SPECT from DICOM: ours beside SimpleITK's readers, on the same files.

Both begin at a folder and a file: finding and ordering the slices is part of it. Voxels are compared by place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20261126
SIZES = {"full": ("512/300/128",), "small": ("64/12/16",)}
AT_MOST = {"512/300/128": 1.2}  # what we set out for: seconds of ours over seconds of the peer
LIMIT = 0.0  # values and places are the same


@dataclass(frozen=True)
class Files:
    """A folder of CT slices and the file of a SPECT; the folder lives as long as this."""

    ct: Path
    spect: Path
    kept: tempfile.TemporaryDirectory[str] = field(repr=False)


def prepare(size: str) -> Files:
    """A CT of ``columns / slices`` and a SPECT of ``side`` frames (size: columns/slices/side), written as DICOM."""
    from ytterby.dicom.uids import content_uid
    from ytterby.dicom.write import DicomHeader, write_ct, write_nm_recon_tomo
    from ytterby.model.volume import Grid, Quantity, Volume

    columns, slices, side = (int(part) for part in size.split("/"))
    rng = np.random.default_rng(SEED)
    kept = tempfile.TemporaryDirectory()
    header = DicomHeader(
        patient_id="BENCH",
        patient_name="Bench",
        patient_sex="",
        study_uid=content_uid("bench"),
        study_date="20240301",
        study_time="101500",
        uid_seed="bench",
        frame_of_reference_uid=content_uid("bench", "frame"),
        simulated=True,
    )
    ct = Volume(
        rng.integers(-1000, 1500, (columns, columns, slices), dtype=np.int16),
        Grid.axis_aligned((columns, columns, slices), (400 / columns, 400 / columns, 400 / slices)),
        Quantity.HU,
    )
    spect = Volume(
        rng.poisson(20.0, (side, side, side)).astype(np.float32),
        Grid.axis_aligned((side, side, side), (614.4 / side,) * 3),
        Quantity.COUNTS,
    )
    folder = Path(kept.name)
    write_ct(ct, folder / "ct", header)
    return Files(folder / "ct", write_nm_recon_tomo(spect, folder / "spect.dcm", header), kept)


def ours(files: Files) -> Callable[[], Any]:
    """Both volumes, as any command reads them."""
    from ytterby.dicom.read import read_volume

    return lambda: [(volume.array, volume.grid.affine) for volume in (read_volume(files.ct), read_volume(files.spect))]


def simpleitk(files: Files) -> Callable[[], Any]:
    """Both images, with one thread."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

    def both() -> list[Any]:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(files.ct)))
        return [reader.Execute(), sitk.ReadImage(str(files.spect))]

    return both


def agreement(mine: Any, theirs: Any) -> dict[str, float]:
    """Greatest difference of values, and of the places (mm, beyond a thousandth) of the corners."""
    import SimpleITK as sitk  # noqa: N813

    values, places = 0.0, 0.0
    for (array, affine), image in zip(mine, theirs, strict=True):
        other = sitk.GetArrayViewFromImage(image).transpose(2, 1, 0)
        values = max(values, float(np.max(np.abs(array.astype(np.float32) - other))))
        for corner in ((0, 0, 0), tuple(n - 1 for n in array.shape)):
            place = np.array(image.TransformIndexToPhysicalPoint([int(n) for n in corner]))
            places = max(places, float(np.abs(affine[:3, :3] @ corner + affine[:3, 3] - place).max()))
    return {"values": values, "places": 0.0 if places < 1e-3 else places}
