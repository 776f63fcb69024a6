"""Segments written as a radiotherapy structure set (RTSTRUCT)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from ytterby.dicom.header import open_header, quiet, text
from ytterby.dicom.uids import content_uid, digest
from ytterby.dicom.write.identity import DicomHeader, Frames, decimal, frames_of, save, treatment_object
from ytterby.dicom.write.roles import CODES, COLOURS, REGION_TYPES
from ytterby.dicom.write.source import shared_frame, uids_by_slice
from ytterby.imaging.contours import outlines
from ytterby.model.segment import BoolArray, Segment
from ytterby.model.volume import FloatArray

__all__ = ["write_structures"]

_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_STUDY = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management: retired, and still what readers expect here
_CHARACTERS = "iso8859"  # pydicom's own, of a dataset that states none: its numbers need no conversion
_ALGORITHMS = {"imported, manual": "MANUAL", "imported, automatic": "AUTOMATIC"}


@quiet()
def write_structures(
    segments: Sequence[Segment], path: Path, header: DicomHeader, *, source: Sequence[Path] = ()
) -> Path:
    """Write segments, which share one grid, as an RTSTRUCT; returns the path.

    Contours run along the edges of voxels, in the grid's slices: the mask comes back as it was. Holes are joined to the contour
    around them by a channel of no width. ``source``: files of the image series on whose grid the segments lie; each contour then
    names its slice. An empty segment is a region without contours.

    Source: DICOM PS3.3 A.19 (RT Structure Set IOD).

    Raises
    ------
    SegmentError
        No segment, or all are empty.
    GeometryError
        Segments on several grids or frames of reference, a grid that is not upright, or a source on another grid.
    """
    where = str(path)
    frame_of_reference = shared_frame(segments, header, where=where)
    frames = frames_of(np.asarray(segments[0].mask), segments[0].grid, where=where)
    headers = [open_header(file) for file in source]
    images = uids_by_slice(frames, headers, frame_of_reference, where=where) if headers else {}
    traced = [_contours(segment, frames, where=where) for segment in segments]
    mark = "\n".join(
        [
            *(segment.name for segment in segments),
            digest(*(points for contours in traced for _, points in contours)),
            *(uid for _, uid in images.values()),
        ]
    )
    series_uid = content_uid(header.uid_seed, "RTSTRUCT series", header.series_description, mark)
    dataset = treatment_object(
        header,
        sop_class=_RTSTRUCT,
        modality="RTSTRUCT",
        series_uid=series_uid,
        instance_uid=content_uid(series_uid, "instance"),
    )
    # A contour may be longer than an explicit decimal string can be.
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = "SEGMENTS"
    dataset.StructureSetName = header.series_description[:64] or "Segments"
    dataset.StructureSetDescription = ("Simulated: no patient. " if header.simulated else "") + "Research use only"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.SeriesDate, dataset.SeriesTime
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame_of_reference, ""
    place = Dataset()
    place.FrameOfReferenceUID = frame_of_reference
    if images:
        place.RTReferencedStudySequence = DicomSequence([_referenced_study(headers[0].dataset, images)])
    dataset.ReferencedFrameOfReferenceSequence = DicomSequence([place])
    dataset.StructureSetROISequence = DicomSequence(
        [_region(number, segment, frame_of_reference) for number, segment in enumerate(segments, start=1)]
    )
    met: Counter[str] = Counter()
    regions = []
    for number, (segment, contours) in enumerate(zip(segments, traced, strict=True), start=1):
        colours = COLOURS[segment.role]
        region = Dataset()
        region.ROIDisplayColor = list(colours[met[segment.role] % len(colours)])
        met[segment.role] += 1
        if contours:
            region.ContourSequence = DicomSequence(
                [_contour(n, points, images.get(k)) for n, (k, points) in enumerate(contours, start=1)]
            )
        region.ReferencedROINumber = number
        regions.append(region)
    dataset.ROIContourSequence = DicomSequence(regions)
    dataset.RTROIObservationsSequence = DicomSequence(
        [_observation(number, segment) for number, segment in enumerate(segments, start=1)]
    )
    dataset.ApprovalStatus = "UNAPPROVED"
    return save(dataset, path)


def _contours(segment: Segment, frames: Frames, *, where: str) -> list[tuple[int, FloatArray]]:
    """Slice and points (n, 3) in LPS millimetres of each contour."""
    if segment.is_empty:
        return []
    own = frames_of(np.asarray(segment.mask), segment.grid, where=where).pixels
    filled = np.flatnonzero(np.any(own, axis=(1, 2)))
    found = []
    for k in filled:
        plane: BoolArray = np.asarray(own[k])
        for outline in outlines(plane):
            index = np.column_stack([outline[:, 1], outline[:, 0], np.full(len(outline), float(k))])
            found.append((int(k), frames.grid.positions_mm(index)))
    return found


def _contour(number: int, points: FloatArray, image: tuple[str, str] | None) -> Dataset:
    contour = Dataset()
    if image is not None:
        contour.ContourImageSequence = DicomSequence([_reference(*image)])
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourNumber = number
    # A tenth of a micrometre is finer than any voxel; -0.0 is 0.0.
    written = "\\".join(f"{value:.10g}" for value in (np.round(points.ravel(), 4) + 0.0).tolist()).encode()
    written += b" " * (len(written) % 2)
    tag = Tag("ContourData")
    # As bytes that are written as they are: pydicom would make an object of every number.
    contour[tag] = RawDataElement(tag, "DS", len(written), written, 0, True, True)
    contour.set_original_encoding(True, True, _CHARACTERS)
    return contour


def _reference(sop_class: str, uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, uid
    return reference


def _referenced_study(image: Dataset, images: dict[int, tuple[str, str]]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = text(image, "SeriesInstanceUID")
    series.ContourImageSequence = DicomSequence([_reference(*images[k]) for k in sorted(images)])
    study = _reference(_STUDY, text(image, "StudyInstanceUID"))
    study.RTReferencedSeriesSequence = DicomSequence([series])
    return study


def _region(number: int, segment: Segment, frame_of_reference: str) -> Dataset:
    region = Dataset()
    region.ROINumber = number
    region.ReferencedFrameOfReferenceUID = frame_of_reference
    region.ROIName = segment.name[:64]
    region.ROIVolume = decimal(segment.volume_ml)
    algorithm = next((word for start, word in _ALGORITHMS.items() if segment.method.startswith(start)), "")
    region.ROIGenerationAlgorithm = algorithm or "SEMIAUTOMATIC"
    region.ROIGenerationDescription = segment.method[:64]
    return region


def _observation(number: int, segment: Segment) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.ROIObservationLabel = segment.name[:16]
    observation.RTROIInterpretedType = REGION_TYPES[segment.role]
    observation.ROIInterpreter = ""
    _, (value, meaning) = CODES[segment.role]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    observation.RTROIIdentificationCodeSequence = DicomSequence([code])
    return observation
