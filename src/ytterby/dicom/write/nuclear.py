"""Nuclear medicine images written as DICOM: reconstructed SPECT (NM RECON TOMO) and PET (PT, Units BQML)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from ytterby.dicom.uids import content_uid, digest
from ytterby.dicom.write.identity import DicomHeader, decimal, image_object, save, volume_frames
from ytterby.errors import CalibrationError, DomainError
from ytterby.model.volume import Quantity, Volume

__all__ = [
    "coded",
    "lying",
    "pixel_module",
    "radiopharmaceutical_item",
    "write_nm_recon_tomo",
    "write_pet",
]

_NM = "1.2.840.10008.5.1.4.1.1.20"
_PT = "1.2.840.10008.5.1.4.1.1.128"
_UINT16_MAX = 65535
# CID 18 and 4020: code (SNOMED), meaning.
_NUCLIDES = {
    "99mTc": ("72454006", "^99m^Technetium"),
    "90Y": ("14691008", "^90^Yttrium"),
    "86Y": ("10738001", "^86^Yttrium"),
    "89Zr": ("63360001", "^89^Zirconium"),
    "68Ge": ("53315004", "^68^Germanium"),
    "22Na": ("71633006", "^22^Sodium"),
}


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    """Item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def lying(dataset: Dataset, position: str) -> None:
    """Put in NM/PET Patient Orientation, which has codes of its own; left open but for lying on the back, head first."""
    dataset.PatientOrientationCodeSequence = Sequence()
    dataset.PatientGantryRelationshipCodeSequence = Sequence()
    if position == "HFS":
        recumbent = coded("102538003", "SCT", "Recumbent")
        recumbent.PatientOrientationModifierCodeSequence = Sequence([coded("40199007", "SCT", "Supine")])
        dataset.PatientOrientationCodeSequence.append(recumbent)
        dataset.PatientGantryRelationshipCodeSequence.append(coded("102540008", "SCT", "Headfirst"))


def write_nm_recon_tomo(
    volume: Volume,
    path: Path,
    header: DicomHeader,
    *,
    radionuclide: str = "99mTc",
    radiopharmaceutical: str = "",
    energy_window_kev: tuple[float, float] = (126.0, 154.0),
) -> Path:
    """Write a volume of counts as one NM RECON TOMO object of 16-bit whole counts; returns the path.

    Counts are rounded to whole numbers. Where the largest does not fit 16 bits, stored values are scaled and a Real World Value
    Mapping (unit: counts) says by what.

    Raises
    ------
    DomainError
        The volume holds no counts, or a negative or non-finite one.
    GeometryError
        The grid is not upright, or there is no frame of reference.
    """
    where = str(path)
    if volume.quantity is not Quantity.COUNTS:
        raise DomainError(f"a volume of {volume.quantity} is no SPECT of counts", where=where, remedy="give counts")
    frames = volume_frames(volume, where=where)
    highest = float(np.max(frames.pixels))
    if not np.isfinite(highest) or float(np.min(frames.pixels)) < 0:
        raise DomainError("counts must be finite and not negative", where=where, remedy="check the image")
    slope = float(decimal(highest / _UINT16_MAX)) if highest > _UINT16_MAX else 1.0
    pixels = np.minimum(np.rint(frames.pixels / slope), _UINT16_MAX).astype("<u2")
    mark = digest(pixels, frames.grid.affine)
    dataset = image_object(
        header,
        sop_class=_NM,
        modality="NM",
        series_uid=content_uid(header.uid_seed, "NM series", header.series_description, mark),
        instance_uid=content_uid(header.uid_seed, "NM", header.series_description, mark),
    )
    count, rows, columns = pixels.shape
    dataset.ImageType = ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    dataset.InstanceNumber = 1
    dataset.AcquisitionDate, dataset.AcquisitionTime = dataset.SeriesDate, dataset.SeriesTime
    dataset.FrameOfReferenceUID = header.frame_of_reference(volume.frame_of_reference, where=where)
    dataset.PositionReferenceIndicator = ""
    lying(dataset, header.patient_position)
    pixel_module(dataset, rows, columns, frames.spacing, signed=False)
    dataset.NumberOfFrames = count
    dataset.FrameIncrementPointer = [Tag("SliceVector")]
    dataset.SliceVector = list(range(1, count + 1))
    dataset.NumberOfSlices = count
    dataset.SliceThickness = dataset.SpacingBetweenSlices = decimal(frames.step_mm)
    total = int(np.rint(float(np.sum(frames.pixels, dtype=np.float64))))
    dataset.CountsAccumulated = total if total < 2**31 else ""  # more does not fit the element, which may be empty
    window = Dataset()
    window.EnergyWindowLowerLimit, window.EnergyWindowUpperLimit = map(decimal, energy_window_kev)
    windows = Dataset()
    windows.EnergyWindowName, windows.EnergyWindowRangeSequence = radionuclide, Sequence([window])
    dataset.NumberOfEnergyWindows = 1
    dataset.EnergyWindowInformationSequence = Sequence([windows])
    dataset.RadiopharmaceuticalInformationSequence = Sequence(
        [radiopharmaceutical_item(radionuclide, radiopharmaceutical)]
    )
    detector = Dataset()
    detector.CollimatorType, detector.FocalDistance = "", ""
    detector.ImagePositionPatient = frames.position(0)
    detector.ImageOrientationPatient = frames.orientation
    dataset.NumberOfDetectors = 1
    dataset.DetectorInformationSequence = Sequence([detector])
    dataset.NumberOfRotations = 1
    dataset.RotationInformationSequence = Sequence()
    if slope != 1.0:
        dataset.RealWorldValueMappingSequence = Sequence([_counts_mapping(slope)])
    dataset.PixelData = pixels.tobytes()
    return save(dataset, path)


def pixel_module(dataset: Dataset, rows: int, columns: int, spacing: list[str], *, signed: bool) -> None:
    """Put the attributes of 16-bit greyscale pixels into a dataset."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns, dataset.PixelSpacing = rows, columns, spacing
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(signed)


def _counts_mapping(slope: float) -> Dataset:
    mapping = Dataset()
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, _UINT16_MAX
    mapping.RealWorldValueIntercept, mapping.RealWorldValueSlope = 0.0, slope
    mapping.LUTExplanation, mapping.LUTLabel = "stored values to counts", "counts"
    mapping.MeasurementUnitsCodeSequence = Sequence([coded("{counts}", "UCUM", "counts")])
    return mapping


def radiopharmaceutical_item(radionuclide: str, name: str) -> Dataset:
    """Item of the Radiopharmaceutical Information Sequence; DomainError where the radionuclide is not known here."""
    if radionuclide not in _NUCLIDES:
        raise DomainError(
            f"'{radionuclide}' is no radionuclide known here",
            where="radionuclide",
            remedy=f"use one of {sorted(_NUCLIDES)}",
        )
    item = Dataset()
    item.RadionuclideCodeSequence = Sequence([coded(_NUCLIDES[radionuclide][0], "SCT", _NUCLIDES[radionuclide][1])])
    if name:
        item.Radiopharmaceutical = name
    return item


def write_pet(
    volume: Volume,
    folder: Path,
    header: DicomHeader,
    *,
    half_life_seconds: float,
    positron_fraction: float,
    actual_frame_duration_ms: int,
    radionuclide: str = "90Y",
    corrections: tuple[str, ...] = ("DECY", "ATTN", "SCAT"),
) -> tuple[Path, ...]:
    """Write an activity concentration as PT slices (Units BQML, DecayCorrection START); returns the paths.

    Each slice has its own rescale slope. The volume's reference time becomes series and acquisition time, with its
    offset from UTC.

    Raises
    ------
    CalibrationError
        The volume is no activity concentration, or has no reference time.
    DomainError
        A value is negative or not finite.
    GeometryError
        The grid is not upright, or there is no frame of reference.
    """
    where = str(folder)
    moment = volume.reference_time
    if volume.quantity is not Quantity.CONCENTRATION or moment is None or moment.utcoffset() is None:
        raise CalibrationError(
            "a PET needs an activity concentration with a reference time (with its time zone)",
            where=where,
            remedy="give Volume.reference_time",
        )
    frames = volume_frames(volume, where=where)
    if not np.isfinite(frames.pixels).all() or float(np.min(frames.pixels)) < 0:
        raise DomainError("concentrations must be finite and not negative", where=where, remedy="check the image")
    mark = digest(np.asarray(volume.array), frames.grid.affine)
    series_uid = content_uid(header.uid_seed, "PT series", header.series_description, mark)
    frame_of_reference = header.frame_of_reference(volume.frame_of_reference, where=where)
    item = radiopharmaceutical_item(radionuclide, "")
    item.RadionuclideHalfLife, item.RadionuclidePositronFraction = (
        decimal(half_life_seconds),
        decimal(positron_fraction),
    )
    count, rows, columns = frames.pixels.shape
    paths = []
    for k in range(count):
        plane = np.asarray(frames.pixels[k], dtype=np.float64)
        # Rounded up to what the text can say, so that the largest value still fits.
        slope = float(f"{float(plane.max()) / 32767 * (1 + 1e-9):.10g}") or 1.0
        dataset = image_object(
            header, sop_class=_PT, modality="PT", series_uid=series_uid, instance_uid=content_uid(series_uid, str(k))
        )
        dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = moment.strftime("%Y%m%d")
        dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = moment.strftime("%H%M%S.%f")
        dataset.TimezoneOffsetFromUTC = moment.strftime("%z")[:5]
        dataset.ImageType = ["ORIGINAL", "PRIMARY"]
        dataset.InstanceNumber = dataset.ImageIndex = k + 1
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame_of_reference, ""
        lying(dataset, header.patient_position)
        pixel_module(dataset, rows, columns, frames.spacing, signed=True)
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = frames.position(k), frames.orientation
        dataset.SliceThickness = decimal(frames.step_mm)
        dataset.RescaleIntercept, dataset.RescaleSlope = "0", decimal(slope)
        dataset.SeriesType, dataset.Units, dataset.CountsSource = ["STATIC", "IMAGE"], "BQML", "EMISSION"
        dataset.NumberOfSlices, dataset.CorrectedImage = count, list(corrections)
        dataset.DecayCorrection, dataset.DecayFactor = "START", "1"
        dataset.RandomsCorrectionMethod, dataset.CollimatorType = "NONE", "NONE"
        dataset.FrameReferenceTime, dataset.ActualFrameDuration = "0", actual_frame_duration_ms
        dataset.RadiopharmaceuticalInformationSequence = Sequence([item])
        dataset.PixelData = np.rint(plane / slope).astype("<i2").tobytes()
        paths.append(save(dataset, folder / f"{k + 1:04d}.dcm"))
    return tuple(paths)
