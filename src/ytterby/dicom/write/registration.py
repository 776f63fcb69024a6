"""Transforms between frames of reference written as Spatial Registration (REG)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from ytterby.dicom.layout.registration import RIGID
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.identity import DicomHeader, decimal, image_object, save
from ytterby.errors import GeometryError
from ytterby.model.transform import Transform

__all__ = ["write_registration"]


def write_registration(
    transforms: Sequence[Transform], path: Path, header: DicomHeader, *, label: str = "REGISTRATION"
) -> Path:
    """Write transforms that end in one frame of reference as a REG object; returns the path.

    The object's own frame of reference is the one in which they end; it gets an item too, with the identity, as many readers
    want. Numbers are decimal strings of at most 16 characters. ``label`` is the Content Label.

    Raises
    ------
    GeometryError
        There is no transform, they end in several frames of reference, or two begin in one.
    """
    where = str(path)
    ends = {one.to_frame for one in transforms}
    starts = [one.from_frame for one in transforms]
    if len(ends) != 1 or not all((*ends, *starts)) or len({*starts, *ends}) != len(starts) + 1:
        raise GeometryError(
            "the transforms do not each lead from a frame of reference of its own to the one that is common to them",
            where=where,
            remedy="write one registration for each registered frame of reference",
        )
    registered = ends.pop()
    written = [
        (registered, "RIGID", _numbers(np.eye(4))),
        *((one.from_frame, one.kind.value, _numbers(one.matrix)) for one in transforms),
    ]
    mark = repr(written)
    series_uid = content_uid(header.uid_seed, "REG series", header.series_description, mark)
    dataset = image_object(
        header,
        sop_class=RIGID,
        modality="REG",
        series_uid=series_uid,
        instance_uid=content_uid(series_uid, "instance"),
    )
    if "ImageComments" in dataset:
        del dataset.ImageComments  # said of images alone
    dataset.InstanceNumber = 1
    dataset.ContentLabel = label
    dataset.ContentDescription = ("Simulated. " if header.simulated else "") + "Research use only"
    dataset.ContentCreatorName = ""
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = registered, ""
    dataset.RegistrationSequence = DicomSequence([_item(*one) for one in written])
    return save(dataset, path)


def _numbers(matrix: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> list[str]:
    return [decimal(float(value)) for value in matrix.ravel()]


def _item(frame: str, kind: str, numbers: list[str]) -> Dataset:
    matrix = Dataset()
    matrix.FrameOfReferenceTransformationMatrixType = kind
    matrix.FrameOfReferenceTransformationMatrix = numbers
    group = Dataset()
    group.FrameOfReferenceTransformationComment = ""
    group.RegistrationTypeCodeSequence = DicomSequence([])
    group.MatrixSequence = DicomSequence([matrix])
    item = Dataset()
    item.FrameOfReferenceUID = frame
    item.MatrixRegistrationSequence = DicomSequence([group])
    return item
