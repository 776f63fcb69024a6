"""Geometry of a radiotherapy dose grid (RTDOSE)."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import number, numbers
from ytterby.dicom.layout.planes import UNEVEN_FRACTION, plane_of, stepped_grid
from ytterby.errors import GeometryError
from ytterby.model.volume import Grid

__all__ = ["dose_grid"]


def dose_grid(dataset: Dataset, name: str) -> Grid:
    """Grid of an RTDOSE: frames lie along row x column at the GridFrameOffsetVector (DICOM PS3.3 C.8.8.3.2).

    Raises
    ------
    GeometryError
        Position, orientation, spacing or offsets are missing, or the offsets are uneven.
    """
    plane = plane_of(dataset, name)
    frames = int(number(dataset, "NumberOfFrames") or 1)
    offsets = np.array(numbers(dataset, "GridFrameOffsetVector"))
    if frames < 2 or offsets.size != frames:
        raise GeometryError(
            f"GridFrameOffsetVector has {offsets.size} values for {frames} frames; a volume needs one each, and two or more",
            where=name,
            remedy="export the dose again as a volume",
        )
    step = float(offsets[-1] - offsets[0]) / (frames - 1)
    if np.abs(np.diff(offsets) - step).max() > UNEVEN_FRACTION * abs(step):
        raise GeometryError(
            "the frames of the dose are unevenly spaced", where=name, remedy="export it on an even grid"
        )
    # Offsets that do not start at 0 are positions along the axis (axial grids only); differences serve both kinds.
    return stepped_grid(plane, plane.normal * step, frames)
