"""DICOM files opened with care: bounded, never trusted, every damage told as DicomError."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ytterby.dicom.bounded import read_bounded
from ytterby.dicom.plain import plain_header
from ytterby.dicom.values import DAMAGE, first_item, items, number, numbers, text, texts, touch
from ytterby.errors import DicomError, InputError

__all__ = [
    "DAMAGE",
    "MAX_FILE_BYTES",
    "MAX_FRAMES",
    "NOT_DICOM",
    "PHILIPS_PET_TAGS",
    "UNFINISHED",
    "Header",
    "first_item",
    "items",
    "naming",
    "number",
    "numbers",
    "open_header",
    "open_object",
    "open_whole",
    "quiet",
    "reopened_header",
    "text",
    "texts",
]

MAX_FILE_BYTES = 4 * 2**30
"""Larger files are not opened: no nuclear medicine object comes near, and memory is finite."""

MAX_FRAMES = 100_000
"""Objects that claim more frames are not opened: what is counted frame by frame must end."""

UNFINISHED = ".part"
"""Ending of the name of a file that belongs to no whole study yet (docs/decisions/0019-receiving.md)."""

NOT_DICOM = "not a DICOM file (no DICM mark)"

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_FIRST_BYTES = 4096
_HEADER_BYTES = 2**15

PHILIPS_PET_TAGS = tuple(0x70530000 + offset for block in range(0x10, 0x20) for offset in (block, block * 256 + 9))
"""Creator and Activity Concentration Scale Factor of the first blocks of Philips' private PET group (7053)."""
_UNDEFINED_LENGTH = 0xFFFFFFFF

# Only these are read by a scan: the rest (private blocks, icons, overlays) is skipped over and costs no memory.
_SCANNED = [
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate", "AcquisitionDate",
    "AcquisitionDateTime", "StudyTime", "SeriesTime", "AcquisitionTime", "Modality", "Manufacturer", "SeriesDescription",
    "TimezoneOffsetFromUTC", "PatientID", "ContrastBolusAgent", "SliceThickness", "SpacingBetweenSlices",
    "FrameReferenceTime", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber", "ImagePositionPatient",
    "ImageOrientationPatient", "FrameOfReferenceUID", "SamplesPerPixel", "NumberOfFrames", "FrameIncrementPointer", "Rows",
    "Columns", "PixelSpacing", "BitsAllocated", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "RadiopharmaceuticalInformationSequence", "DetectorInformationSequence", "SliceVector", "NumberOfSlices", "Units",
    "DecayCorrection", "CorrectedImage", "RealWorldValueMappingSequence", "SegmentationType", "SegmentSequence",
    "GridFrameOffsetVector", "DoseUnits", "DoseType", "DoseGridScaling", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence", "ConcatenationUID", "DecayCorrected",
    "DecayCorrectionDateTime", "AttenuationCorrected", "ScatterCorrected", "ContrastBolusAgentSequence",
    "PhotometricInterpretation", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "EnergyWindowVector", "DetectorVector", "PhaseVector", "RotationVector", "RRIntervalVector", "TimeSlotVector",
    "AngularViewVector", "TimeSliceVector", "NumberOfEnergyWindows", "NumberOfDetectors", "NumberOfPhases",
    "NumberOfRotations", "NumberOfRRIntervals", "NumberOfTimeSlots", "EnergyWindowInformationSequence", "ImageID",
    "RotationInformationSequence", "ViewPosition", "PatientOrientation", "ActualFrameDuration", "DecayFactor",
    "CollimatorType", "StructureSetROISequence",
]  # fmt: skip
_TAGS = {
    int(tag): BaseTag(tag)
    for tag in (*(tag_for_keyword(keyword) for keyword in _SCANNED), *PHILIPS_PET_TAGS)
    if tag is not None
}


@contextmanager
def quiet() -> Iterator[None]:
    """Context (or decorator) in which pydicom does not warn of odd values: what matters is told as Problem or error."""
    before = config.settings.reading_validation_mode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config.settings.reading_validation_mode = config.IGNORE
        try:
            yield
        finally:
            config.settings.reading_validation_mode = before


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Context (or decorator) in which an error that names no place gets ``path`` for one: values do not know their file."""
    try:
        yield
    except InputError as error:
        if error.where:
            raise
        raise type(error)(error.what, where=str(path), remedy=error.remedy) from error


_NO_META = Dataset()


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says before its pixels: ``dataset``, and the number of bytes that follow it, from ``pixel_start`` on."""

    path: Path
    dataset: Dataset
    bytes_after: int
    pixel_start: int = 0

    @property
    def sop_class(self) -> str:
        """SOP Class UID, from the file's meta header where the object itself has none."""
        return text(self.dataset, "SOPClassUID") or text(self._meta, "MediaStorageSOPClassUID")

    @property
    def transfer_syntax(self) -> str:
        """Transfer Syntax UID."""
        return text(self._meta, "TransferSyntaxUID")

    @property
    def _meta(self) -> Dataset:
        found: Dataset = getattr(self.dataset, "file_meta", _NO_META)
        return found


def _checked_start(path: Path, stream: BinaryIO) -> tuple[int, bytes]:
    """Size of an open file, and its first bytes."""
    size = os.fstat(stream.fileno()).st_size
    if size == 0:
        raise DicomError("the file is empty", where=str(path), remedy="copy it again from the archive")
    if size > MAX_FILE_BYTES:
        raise DicomError(
            f"the file has {size} bytes; {MAX_FILE_BYTES} is the most that is opened",
            where=str(path),
            remedy="give the series itself, not an archive of it",
        )
    start = stream.read(_HEADER_BYTES)
    if start[128:132] != b"DICM":
        raise DicomError(NOT_DICOM, where=str(path), remedy="give a DICOM file")
    if _DEFLATED in start[:_FIRST_BYTES]:
        # Inflating has no bound: a small file may become terabytes.
        raise DicomError("deflated DICOM is not read", where=str(path), remedy="export it as Explicit VR Little Endian")
    return size, start


def _opened(path: Path) -> BinaryIO:
    # A pipe would block, and a folder is no file.
    if not path.is_file():
        raise DicomError("there is no such file", where=str(path), remedy="check the path")
    return path.open("rb")


def _damaged(path: Path, error: BaseException) -> DicomError:
    if isinstance(error, OSError) and error.errno is not None:
        return DicomError(f"cannot be read ({error.strerror})", where=str(path), remedy="check its permissions")
    reason = str(error).split("\n")[0][:200] or type(error).__name__
    return DicomError(
        f"the DICOM file is damaged or incomplete ({reason})",
        where=str(path),
        remedy="copy or export it again from the archive",
    )


def open_header(path: Path) -> Header:
    """Header of one file, without pixels; DicomError when it is no DICOM file, or damaged."""
    try:
        with naming(path):
            header = _parsed(path)
            touch(header.dataset)
            _require_few_frames(header.dataset)
            if not (header.sop_class or text(header.dataset, "Modality")):
                raise DicomError(
                    "the DICOM file names no kind of object: it is damaged",
                    where=str(path),
                    remedy="copy or export it again from the archive",
                )
            if header.sop_class == "1.2.840.10008.1.3.10":
                raise DicomError(
                    "a DICOMDIR, an index without images", where=str(path), remedy="give the images' folder"
                )
    except DAMAGE as error:
        raise _damaged(path, error) from error
    return header


def reopened_header(path: Path) -> Header:
    """Header of a file that a scan has looked through before: its values are not looked at until they are asked for."""
    try:
        with naming(path):
            header = _parsed(path)
            _require_few_frames(header.dataset)
            return header
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _parsed(path: Path) -> Header:
    dataset: Dataset
    with _opened(path) as stream:
        size, start = _checked_start(path, stream)
        plain = plain_header(start, _TAGS)
        if plain is None:
            stream.seek(0)
            dataset = read_bounded(stream, stop_before_pixels=True, tags=list(_TAGS.values()))
            place = stream.tell()
        else:
            dataset, place = plain
    return Header(path, dataset, size - place, place)


def _require_few_frames(dataset: Dataset) -> None:
    frames = number(dataset, "NumberOfFrames")
    if frames is not None and not 0 <= frames <= MAX_FRAMES:
        raise DicomError(
            f"NumberOfFrames says {frames:.10g}; {MAX_FRAMES} is the most that is read",
            remedy="copy or export it again from the archive",
        )


def open_object(path: Path) -> Dataset:
    """The whole object of one file, pixels included; DicomError when it is no DICOM file, or damaged."""
    return _object(path, stop_before_pixels=False)


def open_until_pixels(path: Path) -> Dataset:
    """All attributes of one file that stand before its pixels; DicomError when it is no DICOM file, or damaged."""
    return _object(path, stop_before_pixels=True)


def _object(path: Path, *, stop_before_pixels: bool) -> Dataset:
    try:
        with naming(path):
            with _opened(path) as stream:
                _checked_start(path, stream)
                stream.seek(0)
                dataset = read_bounded(stream, stop_before_pixels=stop_before_pixels)
            dataset.filename = str(path)
            _require_few_frames(dataset)
            return dataset
    except DAMAGE as error:
        raise _damaged(path, error) from error


def open_whole(path: Path) -> Dataset:
    """The whole object of one file, whose every element is as long as it says; DicomError when it is not, or damaged.

    A sequence that ends before its stated length would be read in silence, without its last items.
    """
    dataset = open_object(path)
    element: Any
    for element in list(dataset.values()):  # as they were read, not yet converted
        if not isinstance(element, RawDataElement) or element.length == _UNDEFINED_LENGTH:
            continue
        if len(element.value or b"") < element.length:
            raise DicomError(
                f"the file ends within element {element.tag}",
                where=str(path),
                remedy="copy or export it again from the archive",
            )
    return dataset
