"""DICOM files opened with care: bounded, never trusted, every damage told as DicomError."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag

from ytterby.dicom.plain import plain_header
from ytterby.errors import DicomError, InputError

__all__ = [
    "DAMAGE",
    "MAX_FILE_BYTES",
    "MAX_FRAMES",
    "NOT_DICOM",
    "PHILIPS_PET_TAGS",
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
    "text",
    "texts",
]

MAX_FILE_BYTES = 4 * 2**30
"""Larger files are not opened: no nuclear medicine object comes near, and memory is finite."""

MAX_FRAMES = 100_000
"""Objects that claim more frames are not opened: what is counted frame by frame must end."""

NOT_DICOM = "not a DICOM file (no DICM mark)"

DAMAGE = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    NotImplementedError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    AssertionError,
)
"""What pydicom is seen to raise on damaged files; each is told as DicomError."""

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

# Values that are plain text in every character set: read as they stand, without building an element first.
_PLAIN_TEXT = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"))
_NUMBERS = ("DS", "IS")


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
        meta = getattr(self.dataset, "file_meta", Dataset())
        return text(self.dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")

    @property
    def transfer_syntax(self) -> str:
        """Transfer Syntax UID."""
        return text(getattr(self.dataset, "file_meta", Dataset()), "TransferSyntaxUID")


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
            dataset: Dataset
            with _opened(path) as stream:
                size, start = _checked_start(path, stream)
                plain = plain_header(start, _TAGS)
                if plain is None:
                    stream.seek(0)
                    dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_TAGS.values()))
                    place = stream.tell()
                else:
                    dataset, place = plain
            header = Header(path, dataset, size - place, place)
            _touch(dataset)
            _require_few_frames(dataset)
            if not (header.sop_class or text(dataset, "Modality")):
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


def _require_few_frames(dataset: Dataset) -> None:
    frames = number(dataset, "NumberOfFrames")
    if frames is not None and not 0 <= frames <= MAX_FRAMES:
        raise DicomError(
            f"NumberOfFrames says {frames:.10g}; {MAX_FRAMES} is the most that is read",
            remedy="copy or export it again from the archive",
        )


def _touch(dataset: Dataset) -> None:
    # pydicom converts values when they are first asked for: ask here, where damage can still be told with its file.
    for tag in list(dataset.keys()):
        raw = _as_in_file(dataset, tag)
        kind = "" if raw is None else _kind(raw)
        if kind in _PLAIN_TEXT and kind not in _NUMBERS:
            continue
        plain = _plain_texts(raw) if raw is not None else None
        if plain is None:
            element = dataset[tag]
            if element.VR != "SQ":
                _ = element.value
        elif kind in _NUMBERS:
            _ = [float(value) for value in plain]


def open_object(path: Path) -> Dataset:
    """The whole object of one file, pixels included; DicomError when it is no DICOM file, or damaged."""
    try:
        with naming(path):
            with _opened(path) as stream:
                _checked_start(path, stream)
            dataset = pydicom.dcmread(path)
            _require_few_frames(dataset)
            return dataset
    except DAMAGE as error:
        raise _damaged(path, error) from error


def open_whole(path: Path) -> Dataset:
    """The whole object of one file, whose every element is as long as it says; DicomError when it is not, or damaged.

    A sequence that ends before its stated length would be read in silence, without its last items.
    """
    dataset = open_object(path)
    for tag in list(dataset.keys()):
        element: Any = dataset.get_item(tag)
        if not isinstance(element, RawDataElement) or element.length == _UNDEFINED_LENGTH:
            continue
        if len(element.value or b"") < element.length:
            raise DicomError(
                f"the file ends within element {tag}",
                where=str(path),
                remedy="copy or export it again from the archive",
            )
    return dataset


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except DAMAGE as error:
        raise DicomError(
            f"the value of {keyword} is damaged",
            where=str(getattr(dataset, "filename", "") or ""),
            remedy="copy or export it again from the archive",
        ) from error


@lru_cache(maxsize=1024)
def _tag(keyword: str) -> BaseTag | None:
    tag = tag_for_keyword(keyword)
    return None if tag is None else BaseTag(tag)


@lru_cache(maxsize=1024)
def _dictionary_kind(tag: BaseTag) -> str:
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


def _as_in_file(dataset: Dataset, tag: BaseTag) -> RawDataElement | None:
    """Element that pydicom has not converted yet; None where it is absent or converted."""
    element: object = dataset.get_item(tag, keep_deferred=True)
    return element if isinstance(element, RawDataElement) else None


def _kind(element: RawDataElement) -> str:
    return _dictionary_kind(element.tag) if element.VR is None else element.VR


def _plain_texts(element: RawDataElement) -> tuple[str, ...] | None:
    """Values of an element that is still as it stands in the file, as texts; None where pydicom must convert it."""
    kind, value = _kind(element), element.value
    if value is None or element.length == 0xFFFFFFFF:
        return None
    if kind == "US" and len(value) % 2 == 0:
        order = "<" if element.is_little_endian else ">"
        return tuple(map(str, struct.unpack(f"{order}{len(value) // 2}H", value)))
    if kind not in _PLAIN_TEXT:
        return None
    stripped = (part.strip(" \0") for part in bytes(value).decode("latin-1").split("\\"))
    return tuple(part for part in stripped if part)


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Values of an element as stripped texts; empty when it is absent or empty."""
    tag = _tag(keyword)
    if tag is not None:
        raw = _as_in_file(dataset, tag)
        plain = _plain_texts(raw) if raw is not None else None
        if plain is not None:
            return plain
    value = _value(dataset, keyword)
    if value is None:
        return ()
    if isinstance(value, pydicom.Sequence):
        raise DicomError(
            f"{keyword} is a sequence, where a value belongs",
            where=str(getattr(dataset, "filename", "") or ""),
            remedy="copy or export it again from the archive",
        )
    many = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return tuple(stripped for stripped in (str(item).strip(" \0") for item in many) if stripped)


def text(dataset: Dataset, keyword: str) -> str:
    """First value of an element as text; "" when it is absent or empty."""
    found = texts(dataset, keyword)
    return found[0] if found else ""


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Values of an element as floats; empty when it is absent or empty, DicomError when they are no finite numbers."""
    found = texts(dataset, keyword)
    try:
        result = tuple(float(item) for item in found)
    except ValueError:
        result = (float("nan"),)
    if any(value != value or value in (float("inf"), float("-inf")) for value in result):
        raise DicomError(
            f"{keyword} is not a number: {', '.join(found)[:60]}",
            where=str(getattr(dataset, "filename", "") or ""),
            remedy="export the series again",
        )
    return result


def number(dataset: Dataset, keyword: str) -> float | None:
    """First value of an element as float; None when it is absent or empty."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence; none when the sequence is absent or empty."""
    sequence = _value(dataset, keyword)
    if not isinstance(sequence, pydicom.Sequence):
        return ()
    return tuple(item for item in sequence if isinstance(item, Dataset))


def first_item(dataset: Dataset, keyword: str) -> Dataset:
    """First item of a sequence; an empty dataset when the sequence is absent or empty."""
    found = items(dataset, keyword)
    return found[0] if found else Dataset()
