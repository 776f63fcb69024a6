"""Planar nuclear medicine images written as DICOM: NM STATIC and WHOLE BODY, a detector for each side of the patient."""

from __future__ import annotations

from collections.abc import Sequence as Views
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from ytterby.dicom.uids import content_uid, digest
from ytterby.dicom.write.identity import DicomHeader, decimal, image_object, save
from ytterby.dicom.write.nuclear import coded, lying, pixel_module, radiopharmaceutical_item
from ytterby.errors import DomainError
from ytterby.model.planar import PlanarView, ViewDirection

__all__ = ["write_nm_planar"]

_NM = "1.2.840.10008.5.1.4.1.1.20"
_UINT16_MAX = 65535
# CID 26, the way of the columns along the patient's left, and the angle from the patient's back (PS3.3 C.8.4.11).
_VIEWS = {
    ViewDirection.ANTERIOR: ("399321004", "Anterior projection", "1", "180"),
    ViewDirection.POSTERIOR: ("399001007", "Posterior projection", "-1", "0"),
}


def write_nm_planar(
    views: Views[PlanarView],
    path: Path,
    header: DicomHeader,
    *,
    image_type: Literal["STATIC", "WHOLE BODY"] = "WHOLE BODY",
    radionuclide: str = "99mTc",
    radiopharmaceutical: str = "",
    energy_window_kev: tuple[float, float] = (126.0, 154.0),
) -> Path:
    """Write views of one scan as one NM object of 16-bit whole counts, a frame and a detector for each; returns the path.

    All views have one size, pixel spacing, duration and energy window, and each a direction of its own; counts are rounded.
    Posterior views are written as a camera sees them: mirrored relative to anterior ones.

    Raises
    ------
    DomainError
        There is no view, two views share a direction or one has none, they differ in size, spacing or duration, or counts
        are negative, not finite or beyond 16 bits.
    """
    where = str(path)
    frames = _frames(views, where)
    spacing = views[0].spacing_mm
    if spacing is None:
        raise DomainError("the views have no pixel spacing", where=where, remedy="state PlanarView.spacing_mm")
    mark = digest(frames, np.asarray(spacing), np.array([view.direction for view in views], dtype="S16"))
    seed = (header.uid_seed, header.series_description, image_type, mark)
    dataset = image_object(
        header,
        sop_class=_NM,
        modality="NM",
        series_uid=content_uid("NM planar series", *seed),
        instance_uid=content_uid("NM planar", *seed),
    )
    count, rows, columns = frames.shape
    dataset.ImageType = ["ORIGINAL", "PRIMARY", image_type, "EMISSION"]
    dataset.InstanceNumber = 1
    dataset.AcquisitionDate, dataset.AcquisitionTime = dataset.SeriesDate, dataset.SeriesTime
    lying(dataset, header.patient_position)
    dataset.PatientOrientation = ""
    pixel_module(dataset, rows, columns, [decimal(side) for side in spacing], signed=False)
    dataset.NumberOfFrames = count
    dataset.FrameIncrementPointer = [Tag("EnergyWindowVector"), Tag("DetectorVector")]
    dataset.EnergyWindowVector, dataset.DetectorVector = [1] * count, list(range(1, count + 1))
    dataset.CountsAccumulated = int(frames.sum(dtype=np.int64))
    duration = views[0].duration_seconds
    if duration is not None:
        dataset.ActualFrameDuration = round(duration * 1000.0)
    if image_type == "WHOLE BODY":
        dataset.WholeBodyTechnique, dataset.ScanVelocity = "1PS", ""
        dataset.ScanLength = round(rows * spacing[0])
    limits = Dataset()
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = map(decimal, energy_window_kev)
    window = Dataset()
    window.EnergyWindowName, window.EnergyWindowRangeSequence = (
        views[0].energy_window or radionuclide,
        Sequence([limits]),
    )
    dataset.NumberOfEnergyWindows, dataset.EnergyWindowInformationSequence = 1, Sequence([window])
    dataset.RadiopharmaceuticalInformationSequence = Sequence(
        [radiopharmaceutical_item(radionuclide, radiopharmaceutical)]
    )
    dataset.NumberOfDetectors = count
    dataset.DetectorInformationSequence = Sequence([_detector(view.direction) for view in views if view.direction])
    dataset.PixelData = frames.tobytes()
    return save(dataset, path)


def _detector(direction: ViewDirection) -> Dataset:
    value, meaning, along_left, angle = _VIEWS[direction]
    detector = Dataset()
    detector.CollimatorType, detector.FocalDistance = "PARA", "0"
    detector.StartAngle = angle
    # A projection has a direction and no depth: its position stays empty.
    detector.ImagePositionPatient = ""
    detector.ImageOrientationPatient = [along_left, "0", "0", "0", "0", "-1"]
    detector.ViewCodeSequence = Sequence([coded(value, "SCT", meaning)])
    return detector


def _frames(views: Views[PlanarView], where: str) -> npt.NDArray[np.uint16]:
    """The counts as (frames, rows, columns) of 16 bits."""
    directions = [view.direction for view in views]
    if not views or None in directions or len(set(directions)) < len(directions):
        raise DomainError(
            "a planar object needs views whose directions are known and differ", where=where, remedy="state direction"
        )
    if len({(view.array.shape, view.spacing_mm, view.duration_seconds) for view in views}) > 1:
        raise DomainError(
            "the views differ in size, pixel spacing or duration", where=where, remedy="write each into its own file"
        )
    planes = np.stack([np.asarray(view.array, dtype=np.float64) for view in views])
    if not np.isfinite(planes).all() or planes.min() < 0 or np.rint(planes.max()) > _UINT16_MAX:
        raise DomainError(
            f"counts must be finite, not negative and at most {_UINT16_MAX}", where=where, remedy="check the image"
        )
    return np.rint(planes).astype("<u2")
