"""CT series written as DICOM, one file a slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.uid import UID

from ytterby.dicom.uids import content_uid, digest
from ytterby.dicom.write.identity import DicomHeader, decimal, image_object, save, volume_frames
from ytterby.errors import DomainError
from ytterby.model.volume import Quantity, Volume

__all__ = ["write_ct"]

_CT = "1.2.840.10008.5.1.4.1.1.2"
_INT16 = np.iinfo(np.int16)


def write_ct(volume: Volume, folder: Path, header: DicomHeader, *, contrast_agent: str = "") -> tuple[Path, ...]:
    """Write a volume in HU as CT slices of 16-bit integers; returns the paths in the order of the slices.

    HU are rounded to whole numbers. ``contrast_agent`` marks a contrast CT (ContrastBolusAgent).

    Raises
    ------
    DomainError
        The volume is not in HU, or a value does not fit 16 bits.
    GeometryError
        The grid is not upright, or there is no frame of reference.
    """
    where = str(folder)
    if volume.quantity is not Quantity.HU:
        raise DomainError(f"a volume of {volume.quantity} is no CT", where=where, remedy="give Hounsfield units")
    frames = volume_frames(volume, where=where)
    if not (float(np.min(frames.pixels)) >= _INT16.min and float(np.max(frames.pixels)) <= _INT16.max):
        raise DomainError("HU must be finite and fit 16 bits", where=where, remedy="check the image")
    pixels = np.rint(frames.pixels).astype("<i2")
    mark = digest(pixels, frames.grid.affine)
    series_uid = content_uid(header.uid_seed, "CT series", header.series_description, mark)
    frame_of_reference = header.frame_of_reference(volume.frame_of_reference, where=where)
    count, rows, columns = pixels.shape
    dataset = image_object(header, sop_class=_CT, modality="CT", series_uid=series_uid, instance_uid=series_uid)
    dataset.ImageType = ["DERIVED" if header.simulated else "ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.AcquisitionDate, dataset.AcquisitionTime = dataset.SeriesDate, dataset.SeriesTime
    dataset.AcquisitionNumber, dataset.KVP = 1, ""
    dataset.PatientPosition = header.patient_position
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame_of_reference, ""
    if contrast_agent:
        dataset.ContrastBolusAgent = contrast_agent
    dataset.SliceThickness, dataset.ImageOrientationPatient = decimal(frames.step_mm), frames.orientation
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns, dataset.PixelSpacing = rows, columns, frames.spacing
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
    paths = []
    for k in range(count):
        uid = UID(content_uid(series_uid, str(k)))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = frames.position(k)
        dataset.PixelData = pixels[k].tobytes()
        paths.append(save(dataset, folder / f"{k + 1:04d}.dcm"))
    return tuple(paths)
