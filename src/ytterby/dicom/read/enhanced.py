"""Enhanced multi-frame CT, MR and PET to Volumes: one object, one or several volumes in it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import numpy as np

from ytterby.dicom.header import Header, text
from ytterby.dicom.layout.classic import Factors, classic_datasets, frame_factors
from ytterby.dicom.layout.enhanced import FrameGroup, FunctionalGroups, frame_groups
from ytterby.dicom.layout.planes import stack
from ytterby.dicom.padding import padding_of, without_padding
from ytterby.dicom.pet import pet_unit
from ytterby.dicom.pixels import is_hounsfield, read_patterns, stored_values
from ytterby.dicom.read.samples import narrowed, rescale, sample_type
from ytterby.dicom.series import Series
from ytterby.dicom.times import reference_time
from ytterby.errors import CalibrationError, DicomError
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["enhanced_volume"]


def enhanced_volume(series: Series, header: Header, *, time_zone: str | None, require_reference_time: bool) -> Volume:
    """Volume of an enhanced image: the one that ``series.part`` names, with the factors of each of its frames.

    Raises
    ------
    DicomError
        The object does not hold that part, several volumes without one being named, or the pixels cannot be decoded.
    GeometryError
        The frames do not lie on one grid.
    CalibrationError
        CT without rescale, PET in units other than Bq/mL, or no reference time where one is required.
    """
    where = str(series.path)
    group = _chosen(frame_groups(header.dataset, header.path.name), series.part, where)
    stacked = stack(group.planes)
    flat = classic_datasets(header.dataset, series.kind)
    frames = [group.frames[index] for index in stacked.order]
    quantity, moment = Quantity.OTHER, None
    if series.kind == "ct" and is_hounsfield(flat[0]):
        quantity = Quantity.HU
    elif series.kind == "pt":
        unit = pet_unit(flat[0])
        if unit.unit != "bq_ml" or unit.factor != 1.0:
            reason = unit.refusal or f"{unit.source}, which is read of single slices alone"
            raise CalibrationError(
                f"PET values are not activity concentrations: {reason}",
                where=where,
                remedy="export the series in Bq/mL",
            )
        quantity = Quantity.CONCENTRATION
        with suppress(*(() if require_reference_time else (CalibrationError,))):
            moment = reference_time(flat, where=where, time_zone=time_zone)
    factors = _factors(FunctionalGroups.of(header.dataset), frames, series.kind, where)
    patterns, pixels = read_patterns(header)
    columns, rows, count = stacked.grid.shape
    pairs = [(one.slope, one.intercept) for one in factors]
    array = np.empty((count, rows, columns), dtype=sample_type([header.dataset] * count, pairs, quantity))
    for k, frame in enumerate(frames):
        of_frame = patterns[frame : frame + 1]
        stored = stored_values(of_frame, pixels)
        rescale(stored[0], *pairs[k], out=array[k])
        if quantity is Quantity.HU:
            without_padding(array[k : k + 1], padding_of(of_frame, stored, pixels, header.dataset))
    return Volume(
        cast(FloatArray, narrowed(array).transpose(2, 1, 0)),
        stacked.grid,
        quantity,
        frame_of_reference=text(header.dataset, "FrameOfReferenceUID"),
        reference_time=moment,
        source=series.path.name,
    )


def _chosen(groups: Sequence[FrameGroup], part: str, where: str) -> FrameGroup:
    for group in groups:
        if group.label == part:
            return group
    labels = "; ".join(group.label for group in groups[:6]) or "none"
    raise DicomError(
        f"the object holds these volumes: {labels}, and '{part}' is none of them",
        where=where,
        remedy="name one of them",
    )


def _factors(groups: FunctionalGroups, frames: Sequence[int], kind: str, where: str) -> list[Factors]:
    found = []
    for frame in frames:
        factors = frame_factors(groups, frame, kind)
        if factors is None and kind != "mr":
            raise CalibrationError(
                f"frame {frame + 1} has no rescale (Pixel Value Transformation): stored values have no unit",
                where=where,
                remedy="export the series again from the archive",
            )
        found.append(factors or Factors(1.0, 0.0, ""))
    return found
