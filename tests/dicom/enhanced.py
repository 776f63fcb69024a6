"""Enhanced multi-frame objects for tests, made with pydicom alone: frames, each with what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian

from ytterby.dicom.write import content_uid
from ytterby.dicom.write.identity import decimal
from ytterby.model.volume import Grid

__all__ = ["ENHANCED", "Frame", "item", "sliced", "write_enhanced"]

ENHANCED = {
    "CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "PT": "1.2.840.10008.5.1.4.1.1.130",
}


@dataclass(frozen=True)
class Frame:
    """One frame: stored values (rows, columns), geometry, and further groups as {sequence: {keyword: value}}."""

    stored: np.ndarray
    position: Sequence[float]
    orientation: Sequence[float]
    spacing: Sequence[float]
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def item(**values: Any) -> Dataset:
    """A dataset with these elements."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def sliced(stored: np.ndarray, grid: Grid, **groups: Mapping[str, Any]) -> list[Frame]:
    """Frames of an (i, j, k) array on a right-handed grid, all with the same further groups."""
    axes = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    return [
        Frame(
            stored[:, :, k].T,
            [float(value) for value in grid.positions_mm([0, 0, k])[0]],
            [float(value) for value in (*axes[:, 0], *axes[:, 1])],
            [grid.spacing_mm[1], grid.spacing_mm[0]],
            groups,
        )
        for k in range(grid.shape[2])
    ]


def write_enhanced(path: Path, frames: Sequence[Frame], modality: str, **root: Any) -> Path:
    """Write frames as an enhanced image; orientation and spacing are shared where they are the same for all."""
    pixels = np.stack([frame.stored for frame in frames])
    dataset = item(
        SOPClassUID=ENHANCED[modality],
        SOPInstanceUID=content_uid(str(path)),
        StudyInstanceUID=content_uid("study"),
        SeriesInstanceUID=content_uid("series"),
        FrameOfReferenceUID=content_uid("frame"),
        Modality=modality,
        PatientID="P1",
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        NumberOfFrames=len(frames),
        Rows=pixels.shape[1],
        Columns=pixels.shape[2],
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=int(pixels.dtype.kind == "i"),
    )
    dataset.add_new("PixelData", "OW", pixels.astype(f"<{pixels.dtype.kind}2").tobytes())
    geometry = [
        {
            "PlaneOrientationSequence": item(ImageOrientationPatient=[decimal(v) for v in frame.orientation]),
            "PixelMeasuresSequence": item(PixelSpacing=[decimal(v) for v in frame.spacing]),
        }
        for frame in frames
    ]
    common = {name for name in geometry[0] if all(other[name] == geometry[0][name] for other in geometry)}
    dataset.SharedFunctionalGroupsSequence = Items([item(**{name: Items([geometry[0][name]]) for name in common})])
    described = []
    for frame, places in zip(frames, geometry, strict=True):
        own = item(PlanePositionSequence=Items([item(ImagePositionPatient=[decimal(v) for v in frame.position])]))
        for name in set(places) - common:
            setattr(own, name, Items([places[name]]))
        for name, values in frame.groups.items():
            setattr(own, name, Items([item(**values)]))
        described.append(own)
    dataset.PerFrameFunctionalGroupsSequence = Items(described)
    for keyword, value in root.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path
