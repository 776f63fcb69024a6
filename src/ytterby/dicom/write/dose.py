"""Absorbed dose written as RTDOSE, on its own grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag

from ytterby.dicom.header import open_header, quiet, text
from ytterby.dicom.uids import content_uid, digest
from ytterby.dicom.write.identity import DicomHeader, decimal, image_object, save, volume_frames
from ytterby.errors import DomainError, GeometryError
from ytterby.model.volume import Quantity, Volume

__all__ = ["write_dose", "write_effective_dose"]

_RTDOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_RTPLAN = "1.2.840.10008.5.1.4.1.1.481.5"
_COMMENT_LENGTH = 64
_MOST = 2**31 - 1  # readers are known that take 32-bit pixels for signed


def write_dose(
    volume: Volume, path: Path, header: DicomHeader, *, comment: str = "", plans: Sequence[Path] = ()
) -> Path:
    """Write an absorbed dose as RTDOSE (GY, PHYSICAL, 32 bits, DoseGridScaling in float64); returns the path.

    A dose must name what it is the dose of: ``plans`` are files of ``write_plan``, one (DoseSummationType PLAN) or several of
    which the dose is the sum (MULTI_PLAN). Without them it names a plan by a UID that follows from the header,
    which no object has.

    Raises
    ------
    DomainError
        The volume is no absorbed dose, a value is negative or not finite, or the comment is longer than DICOM can hold.
    GeometryError
        The grid is not upright, has one slice, or there is no frame of reference.
    """
    if volume.quantity is not Quantity.DOSE:
        raise DomainError(f"a volume of {volume.quantity} is no absorbed dose", where=str(path), remedy="give gray")
    return _write(volume, path, header, dose_type="PHYSICAL", comment=comment, plans=plans)


def write_effective_dose(
    volume: Volume, path: Path, header: DicomHeader, *, comment: str, plans: Sequence[Path] = ()
) -> Path:
    """Write a dose that allows for its biological effect, such as BED, in gray as RTDOSE of type EFFECTIVE; returns the path.

    ``comment`` (DoseComment, up to 64 characters) says by which model and parameters; the rest is as in ``write_dose``.

    Raises
    ------
    DomainError
        The volume is an absorbed dose, the comment is missing, or as for ``write_dose``.
    GeometryError
        As for ``write_dose``.
    """
    if volume.quantity is not Quantity.OTHER:
        raise DomainError(f"a volume of {volume.quantity} is no BED", where=str(path), remedy="use write_dose")
    if not comment:
        raise DomainError("an effective dose must say its model", where=str(path), remedy="give a comment")
    return _write(volume, path, header, dose_type="EFFECTIVE", comment=comment, plans=plans)


@quiet()
def _write(
    volume: Volume, path: Path, header: DicomHeader, *, dose_type: str, comment: str, plans: Sequence[Path]
) -> Path:
    where = str(path)
    if len(comment) > _COMMENT_LENGTH:
        raise DomainError(
            f"a comment of {len(comment)} characters", where=where, remedy=f"{_COMMENT_LENGTH} are the most"
        )
    if volume.grid.shape[2] < 2:
        raise GeometryError("a dose of one slice has no frame offsets", where=where, remedy="give two slices or more")
    frames = volume_frames(volume, where=where)
    dose = frames.pixels
    highest = float(dose.max())
    if not np.isfinite(highest) or not float(dose.min()) >= 0:  # a NaN makes both a NaN
        raise DomainError("dose must be finite and not negative", where=where, remedy="check the dose map")
    # The factor as its text says it, rounded up: otherwise the largest dose would not fit.
    scaling = float(f"{highest / _MOST * (1 + 1e-9):.10g}") if highest > 0 else 1.0
    pixels: npt.NDArray[np.uint32] = np.empty(dose.shape, dtype="<u4")
    for stored, plane in zip(pixels, dose, strict=True):  # slice by slice: in float64 the whole would be large
        stored[...] = np.rint(plane.astype(np.float64) / scaling)
    named = [text(open_header(plan).dataset, "SOPInstanceUID") for plan in plans]
    plan_uids = named or [content_uid(header.uid_seed, "RTPLAN", header.study_uid)]
    mark = "\n".join([digest(pixels, frames.grid.affine) + decimal(scaling), dose_type, comment, *named])
    dataset = image_object(
        header,
        sop_class=_RTDOSE,
        modality="RTDOSE",
        series_uid=content_uid(header.uid_seed, "RTDOSE series", header.series_description, mark),
        instance_uid=content_uid(header.uid_seed, "RTDOSE", header.series_description, mark),
    )
    count, rows, columns = pixels.shape
    dataset.InstanceNumber, dataset.OperatorsName = 1, ""
    dataset.FrameOfReferenceUID = header.frame_of_reference(volume.frame_of_reference, where=where)
    dataset.PositionReferenceIndicator = ""
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = frames.position(0), frames.orientation
    dataset.SliceThickness = decimal(frames.step_mm)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.FrameIncrementPointer = count, Tag("GridFrameOffsetVector")
    dataset.Rows, dataset.Columns, dataset.PixelSpacing = rows, columns, frames.spacing
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.DoseUnits, dataset.DoseType = "GY", dose_type
    dataset.DoseSummationType = "MULTI_PLAN" if len(plan_uids) > 1 else "PLAN"
    if comment:
        dataset.DoseComment = comment
    dataset.GridFrameOffsetVector = [decimal(k * frames.step_mm) for k in range(count)]
    dataset.DoseGridScaling = decimal(scaling)
    references = []
    for uid in plan_uids:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = _RTPLAN, uid
        references.append(reference)
    dataset.ReferencedRTPlanSequence = DicomSequence(references)
    dataset.PixelData = pixels.tobytes()
    return save(dataset, path)
