"""What is said of slices in their stack: spacing, overlap, unevenness, tilt."""

from __future__ import annotations

from pydicom.dataset import Dataset

from ytterby.dicom.header import number
from ytterby.dicom.layout.planes import Stack
from ytterby.errors import Problem

__all__ = ["stack_notes"]


def stack_notes(dataset: Dataset, name: str, stacked: Stack) -> list[Problem]:
    """Notes on how slices lie, from the first of them: a thickness that is no spacing, unevenness, tilt."""
    notes = []
    spacing = stacked.grid.spacing_mm[2]
    thickness = number(dataset, "SliceThickness")
    if thickness is not None and abs(thickness - spacing) > 0.01 * spacing:
        overlap = ": slices overlap" if thickness > spacing else ""
        notes.append(
            Problem(
                "green",
                f"slices are {spacing:.4g} mm apart by their positions, which is taken; SliceThickness says "
                f"{thickness:.4g} mm{overlap}",
                name,
            )
        )
    if stacked.stray_mm:
        notes.append(
            Problem(
                "amber",
                f"the slices are not quite even: they lie up to {stacked.stray_mm:.3g} mm from where they are read, "
                f"{spacing:.4g} mm apart",
                name,
                remedy="reconstruct or export the series with one spacing",
            )
        )
    if stacked.tilt_degrees:
        notes.append(
            Problem(
                "amber",
                f"the slices are tilted by {stacked.tilt_degrees:.3g} degrees against their row (gantry tilt): "
                "voxels are slanted",
                name,
                remedy="resample to an upright grid before exporting results",
            )
        )
    return notes
