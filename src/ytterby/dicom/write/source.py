"""What segments are written on: one grid, one frame of reference, and the images of its slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ytterby.dicom.header import Header, text
from ytterby.dicom.layout.planes import plane_of
from ytterby.dicom.write.identity import DicomHeader, Frames
from ytterby.errors import GeometryError, SegmentError
from ytterby.model.segment import Segment

__all__ = ["shared_frame", "uids_by_slice"]

_SAME_PLACE_MM = 0.01


def shared_frame(segments: Sequence[Segment], header: DicomHeader, *, where: str) -> str:
    """The frame of reference of segments, which must share one grid.

    Raises
    ------
    SegmentError
        No segment, or all are empty.
    GeometryError
        Segments on several grids or in several frames of reference, or in none.
    """
    if not segments or all(segment.is_empty for segment in segments):
        raise SegmentError("there is no voxel to write", where=where, remedy="give segments that are not empty")
    if any(not segment.grid.same_as(segments[0].grid) for segment in segments):
        raise GeometryError("the segments lie on several grids", where=where, remedy="bring them onto one grid first")
    references = sorted({segment.frame_of_reference for segment in segments} - {""})
    if len(references) > 1:
        raise GeometryError(
            "the segments lie in several frames of reference", where=where, remedy="write one object for each"
        )
    return header.frame_of_reference(references[0] if references else "", where=where)


def uids_by_slice(
    frames: Frames, headers: Sequence[Header], frame_of_reference: str, *, where: str
) -> dict[int, tuple[str, str]]:
    """SOP class and instance UID of the image of each slice.

    Raises
    ------
    GeometryError
        An image lies on another grid or in another frame of reference, or one is missing.
    """
    positions = frames.grid.affine[:3, 3] + np.arange(frames.grid.shape[2])[:, None] * frames.grid.affine[:3, 2]
    found = {}
    for header in headers:
        plane = plane_of(header.dataset, header.path.name)
        distances = np.linalg.norm(positions - plane.position_mm, axis=1)
        nearest = int(np.argmin(distances))
        if (
            distances[nearest] > _SAME_PLACE_MM
            or plane.size != (frames.grid.shape[1], frames.grid.shape[0])
            or text(header.dataset, "FrameOfReferenceUID") != frame_of_reference
        ):
            raise GeometryError(
                f"the segments do not lie on the grid of their source ({header.path.name})",
                where=where,
                remedy="bring them onto the grid of the source, or leave the source out",
            )
        found[nearest] = (header.sop_class, text(header.dataset, "SOPInstanceUID"))
    if len(found) != frames.grid.shape[2]:
        raise GeometryError(
            f"the source has {len(found)} of {frames.grid.shape[2]} slices", where=where, remedy="give the whole series"
        )
    return found
