"""Geometry of nuclear medicine tomography (NM RECON TOMO): one object, many frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import first_item, number, numbers
from ytterby.dicom.layout.frames import chosen_window, frame_count, frame_vectors
from ytterby.dicom.layout.planes import in_plane, stepped_grid
from ytterby.dicom.nuclide import radionuclide
from ytterby.errors import GeometryError
from ytterby.model.volume import Grid

__all__ = ["recon_geometry"]

# What makes several volumes of one object, in words.
_SEVERAL = {
    "DetectorVector": "detectors",
    "PhaseVector": "phases (dynamic)",
    "RotationVector": "rotations (dynamic)",
    "RRIntervalVector": "R-R intervals (gated)",
    "TimeSlotVector": "time slots (gated)",
    "AngularViewVector": "angular views (projections)",
    "TimeSliceVector": "time slices (dynamic)",
}


def recon_geometry(dataset: Dataset, name: str, *, energy_window: str = "") -> tuple[Grid, tuple[int, ...]]:
    """Grid of a reconstructed SPECT, and for each of its slices the number of the frame that holds it.

    Position and orientation stand in the DetectorInformationSequence, or at the root. Slice k lies at
    position + k * SpacingBetweenSlices * normal, normal = row x column: a positive spacing stacks slices behind
    the first one along the normal, a negative one in front of it (DICOM PS3.3 C.8.4.8). The Slice Vector says
    which slice a frame is. Of several energy windows the frames of one are taken: ``energy_window`` (name or number),
    else the one that holds the nuclide's photopeak.

    Raises
    ------
    GeometryError
        A field is missing (named), the spacing is 0 or absent, a frame vector makes no sense, or the object holds
        several volumes (gated, dynamic).
    DicomError
        Which energy window is meant cannot be told.
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
    order = _frames_of_one_volume(dataset, name, energy_window)
    return stepped_grid(plane, plane.normal * spacing, len(order)), order


def _frames_of_one_volume(dataset: Dataset, name: str, energy_window: str) -> tuple[int, ...]:
    """Index of the frame of each slice, of the one volume that is to be read."""
    vectors = frame_vectors(dataset, name)
    for keyword, words in _SEVERAL.items():
        several = len(set(vectors.get(keyword, ())))
        if several > 1:
            raise GeometryError(
                f"the object holds {several} {words} of a volume: {keyword}",
                where=name,
                remedy="export one ungated, static volume",
            )
    frames: Sequence[int] = range(frame_count(dataset, name))
    windows = vectors.get("EnergyWindowVector", ())
    if windows:
        used = frozenset(windows)
        chosen = chosen_window(dataset, radionuclide(dataset), name, wanted=energy_window, among=used)
        frames = [frame for frame in frames if windows[frame] == chosen.number]
    elif energy_window:
        chosen_window(dataset, radionuclide(dataset), name, wanted=energy_window)
    slices = vectors.get("SliceVector")
    numbers_of_slices = [place + 1 if slices is None else slices[frame] for place, frame in enumerate(frames)]
    if sorted(numbers_of_slices) != list(range(1, len(frames) + 1)):
        raise GeometryError(
            f"the Slice Vector does not name each of {len(frames)} slices once (gated, or several volumes)",
            where=name,
            remedy="export one ungated volume of one energy window",
        )
    return tuple(frames[int(place)] for place in np.argsort(numbers_of_slices, kind="stable"))
