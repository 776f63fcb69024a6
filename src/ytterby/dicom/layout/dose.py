"""Geometry of a radiotherapy dose grid (RTDOSE)."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import number, numbers
from ytterby.dicom.layout.planes import UNEVEN_FRACTION, plane_of, stepped_grid
from ytterby.errors import GeometryError
from ytterby.model.volume import Grid

__all__ = ["dose_grid"]

_ACROSS = 1e-4
_SAME_PLACE_MM = 0.01


def dose_grid(dataset: Dataset, name: str) -> Grid:
    """Grid of an RTDOSE by its GridFrameOffsetVector (DICOM PS3.3 C.8.8.3.2).

    Offsets that begin with 0 run from the first frame along row x column. Others are positions along the patient's z axis, for
    frames across it alone; the first must be where ImagePositionPatient is, or nobody knows which of both is meant.

    Raises
    ------
    GeometryError
        Position, orientation, spacing or offsets are missing, uneven, or contradict each other.
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
    # As steps of 0 would be: frames in one place.
    if not np.abs(np.diff(offsets) - step).max() <= UNEVEN_FRACTION * abs(step) or step == 0:
        raise GeometryError(
            "the frames of the dose are unevenly spaced", where=name, remedy="export it on an even grid"
        )
    if offsets[0] == 0:
        return stepped_grid(plane, plane.normal * step, frames)
    along = float(plane.normal[2])
    if abs(along) < 1 - _ACROSS or abs(offsets[0] - plane.position_mm[2]) > _SAME_PLACE_MM:
        raise GeometryError(
            f"GridFrameOffsetVector begins with {offsets[0]:g}, which is neither 0 nor the first frame's place on the z axis",
            where=name,
            remedy="export the dose again",
        )
    return stepped_grid(plane, plane.normal * (step / along), frames)
