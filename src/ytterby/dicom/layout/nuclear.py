"""Geometry of nuclear medicine tomography (NM RECON TOMO): one object, many frames."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, number, numbers
from ytterby.dicom.layout.planes import in_plane, stepped_grid
from ytterby.errors import GeometryError
from ytterby.model.volume import Grid

__all__ = ["recon_geometry"]


def recon_geometry(dataset: Dataset, name: str) -> tuple[Grid, tuple[int, ...]]:
    """Grid of a reconstructed SPECT, and for each of its slices the number of the frame that holds it.

    Position and orientation stand in the DetectorInformationSequence, or at the root. Slice k lies at
    position + k * SpacingBetweenSlices * normal, normal = row x column: a positive spacing stacks slices behind
    the first one along the normal, a negative one in front of it (DICOM PS3.3 C.8.4.8). The Slice Vector says
    which slice a frame is.

    Raises
    ------
    GeometryError
        A field is missing (named), the spacing is 0 or absent, or the Slice Vector does not name each slice once.
    """
    detector = first_item(dataset, "DetectorInformationSequence")
    sources = {
        keyword: detector if numbers(detector, keyword) else dataset
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient")
    }
    rows, columns = number(dataset, "Rows") or 0, number(dataset, "Columns") or 0
    plane = in_plane(
        name,
        sources["ImagePositionPatient"],
        sources["ImageOrientationPatient"],
        dataset,
        size=(int(rows), int(columns)),
    )
    spacing = number(dataset, "SpacingBetweenSlices")
    if not spacing:
        raise GeometryError(
            "SpacingBetweenSlices is missing or 0: neither the distance of the slices nor their direction is known",
            where=name,
            remedy="export the reconstruction again with SpacingBetweenSlices (its sign says the direction)",
        )
    frames = int(number(dataset, "NumberOfFrames") or 1)
    vector = [int(value) for value in numbers(dataset, "SliceVector")] or list(range(1, frames + 1))
    if sorted(vector) != list(range(1, frames + 1)):
        raise GeometryError(
            f"the Slice Vector does not name each of {frames} slices once (gated, or several energy windows)",
            where=name,
            remedy="export one ungated volume of one energy window",
        )
    order = tuple(int(frame) for frame in np.argsort(vector, kind="stable"))
    return stepped_grid(plane, plane.normal * spacing, frames), order
