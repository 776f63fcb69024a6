"""Segments written as one binary DICOM segmentation (SEG)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import highdicom
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from ytterby import __version__
from ytterby.dicom.header import open_header, quiet, text
from ytterby.dicom.uids import content_uid, digest
from ytterby.dicom.write.identity import DicomHeader, Frames, decimal, frames_of, save, settle_dates
from ytterby.dicom.write.roles import CODES
from ytterby.dicom.write.source import shared_frame, uids_by_slice
from ytterby.model.segment import Segment

__all__ = ["write_segmentation"]

_CT = "1.2.840.10008.5.1.4.1.1.2"


@quiet()
def write_segmentation(
    segments: Sequence[Segment], path: Path, header: DicomHeader, *, source: Sequence[Path] = ()
) -> Path:
    """Write segments, which share one grid, as a binary SEG without empty frames; returns the path.

    ``source``: files of the image series on whose grid the segments lie (of ``write_ct`` or of a scan); each frame then names its
    slice. ``name`` becomes the SegmentLabel; the role chooses the code.

    Raises
    ------
    SegmentError
        No segment, or all are empty.
    GeometryError
        Segments on several grids or frames of reference, a grid that is not upright, or a source on another grid.
    """
    where = str(path)
    frame_of_reference = shared_frame(segments, header, where=where)
    stacked = [frames_of(np.asarray(segment.mask), segment.grid, where=where) for segment in segments]
    frames = stacked[0]
    # filled[k, s]: whether segment s has a voxel in slice k. Those are the frames, segment by segment.
    filled = np.stack([one.pixels.any(axis=(1, 2)) for one in stacked], axis=-1)
    packed = _packed([(one.pixels, filled[:, s]) for s, one in enumerate(stacked)])
    names = "\n".join(segment.name for segment in segments)
    mark = digest(np.frombuffer(packed, dtype=np.uint8), filled, frames.grid.affine) + names
    series_uid = content_uid(header.uid_seed, "SEG series", header.series_description, mark)
    images = _source_images(frames, header, frame_of_reference, source, where=where)
    # highdicom goes through every voxel of every segment several times. It is given slices of one pixel, which tell it the same
    # frames, and the object then gets the true pixels.
    seg = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=filled[:, None, None, :].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_description(number, segment) for number, segment in enumerate(segments, start=1)],
        series_instance_uid=series_uid,
        series_number=header.series_number,
        sop_instance_uid=content_uid(series_uid, "instance"),
        instance_number=1,
        manufacturer="Ytterby developers",
        manufacturer_model_name="ytterby",
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTS",
        content_description=("Simulated. " if header.simulated else "") + "Research use only",
        series_description=header.series_description or None,
        omit_empty_frames=True,
    )
    _order_frames(seg, frames)
    seg.Columns, seg.Rows = frames.grid.shape[:2]
    seg.PixelData = packed + b"\0" * (len(packed) % 2)
    _settle(seg, header, series_uid, with_source=bool(source))
    if source:
        _refer_to_study(seg, text(open_header(source[0]).dataset, "StudyInstanceUID"))
    return save(seg, path)


def _description(number: int, segment: Segment) -> highdicom.seg.SegmentDescription:
    category, kind = (highdicom.sr.CodedConcept(value, "SCT", meaning) for value, meaning in CODES[segment.role])
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="MANUAL",
    )
    if segment.method != "imported, manual":
        # How it came about, in the segment's own words: the standard's list of algorithm families has no word for most.
        automatic = segment.method.startswith("imported, automatic")
        described.SegmentAlgorithmType = "AUTOMATIC" if automatic else "SEMIAUTOMATIC"
        described.SegmentAlgorithmName = segment.method[:64]
    return described


def _source_images(
    frames: Frames, header: DicomHeader, frame_of_reference: str, source: Sequence[Path], *, where: str
) -> list[Dataset]:
    """One small dataset a slice, which tells highdicom the geometry, and the object that each frame comes from."""
    named = [open_header(file) for file in source]
    uids = uids_by_slice(frames, named, frame_of_reference, where=where) if named else {}
    series_uid = text(named[0].dataset, "SeriesInstanceUID") if named else content_uid(header.uid_seed, "no source")
    images = []
    for k in range(frames.grid.shape[2]):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        sop_class, uid = uids.get(k, (_CT, content_uid(header.uid_seed, "no source", str(k))))
        image.SOPClassUID, image.SOPInstanceUID = sop_class, uid
        image.SeriesInstanceUID, image.StudyInstanceUID = series_uid, header.study_uid
        image.FrameOfReferenceUID, image.PositionReferenceIndicator = frame_of_reference, ""
        image.PatientID, image.PatientName = header.patient_id, header.patient_name
        image.PatientBirthDate, image.PatientSex = header.patient_birth_date, header.patient_sex
        image.StudyDate, image.StudyTime, image.StudyID = header.study_date, header.study_time, header.study_id
        image.AccessionNumber, image.ReferringPhysicianName = header.accession_number, ""
        image.Modality, image.SeriesNumber, image.InstanceNumber = "CT", 1, k + 1
        image.Columns = image.Rows = 1
        image.PixelSpacing, image.SliceThickness = frames.spacing, decimal(frames.step_mm)
        image.ImageOrientationPatient, image.ImagePositionPatient = frames.orientation, frames.position(k)
        images.append(image)
    return images


def _packed(segments: Sequence[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]) -> bytes:
    """The filled planes of each segment one after the other, eight pixels a byte; a plane need not end where a byte ends."""
    planes = (plane for pixels, filled in segments for plane in _planes(pixels, filled))
    if segments[0][0][0].size % 8:
        return np.packbits(np.concatenate([plane.ravel() for plane in planes]), bitorder="little").tobytes()
    return b"".join(np.packbits(plane, bitorder="little").tobytes() for plane in planes)


def _planes(pixels: npt.NDArray[np.bool_], filled: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.bool_]]:
    """The filled planes of a segment, each in one piece of memory; only the box that holds its voxels is copied."""
    if not filled.any():
        return
    inner: npt.NDArray[np.bool_] = np.any(pixels, axis=0)
    rows, columns = np.flatnonzero(np.any(inner, axis=1)), np.flatnonzero(np.any(inner, axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    for k in np.flatnonzero(filled):
        plane = np.zeros(pixels.shape[1:], dtype=np.bool_)
        plane[box] = pixels[k][box]
        yield plane


def _order_frames(seg: Dataset, frames: Frames) -> None:
    """Frames along the normal, segment by segment: ITK takes the first for the origin, and highdicom begins at the far end."""
    origin, step = frames.grid.affine[:3, 3], frames.grid.affine[:3, 2]
    placed = []
    for item in seg.PerFrameFunctionalGroupsSequence:
        position = np.array(item.PlanePositionSequence[0].ImagePositionPatient, dtype=np.float64)
        k = int(np.rint((position - origin) @ step / (step @ step)))
        # What all frames have in common stands in the shared groups: the segment, where there is one alone.
        named = item if "SegmentIdentificationSequence" in item else seg.SharedFunctionalGroupsSequence[0]
        placed.append((int(named.SegmentIdentificationSequence[0].ReferencedSegmentNumber), k, item))
    placed.sort(key=lambda frame: frame[:2])
    rank = {k: number for number, k in enumerate(sorted({k for _, k, _ in placed}), start=1)}
    for segment, k, item in placed:
        item.FrameContentSequence[0].DimensionIndexValues = [segment, rank[k]]
    seg.PerFrameFunctionalGroupsSequence = DicomSequence([item for _, _, item in placed])


def _refer_to_study(seg: Dataset, study_uid: str) -> None:
    """References to images of another study than the object's own stand below that study (DICOM PS3.3 C.12.2)."""
    if study_uid == seg.StudyInstanceUID:
        return
    other = Dataset()
    other.StudyInstanceUID, other.ReferencedSeriesSequence = study_uid, seg.ReferencedSeriesSequence
    del seg.ReferencedSeriesSequence
    seg.StudiesContainingOtherReferencedInstancesSequence = DicomSequence([other])


def _settle(seg: Dataset, header: DicomHeader, series_uid: str, *, with_source: bool) -> None:
    """Dates from the header and UIDs from content, where highdicom takes the clock and chance."""
    settle_dates(seg, header)
    organization = content_uid(series_uid, "dimensions")
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    if not with_source:
        # No image stands behind it: the references that highdicom made lead nowhere.
        del seg.ReferencedSeriesSequence
        for frame in seg.PerFrameFunctionalGroupsSequence:
            if "DerivationImageSequence" in frame:
                del frame.DerivationImageSequence
