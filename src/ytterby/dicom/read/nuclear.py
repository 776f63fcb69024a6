"""Nuclear medicine tomography to Volumes: reconstructed SPECT (NM RECON TOMO) and PET (PT)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import text
from ytterby.dicom.layout.nuclear import recon_geometry
from ytterby.dicom.pet import pet_unit
from ytterby.dicom.pixels import rescale_of, stored_pixels
from ytterby.dicom.read.slices import OpenedSlices
from ytterby.dicom.series import Series
from ytterby.dicom.times import reference_time
from ytterby.errors import CalibrationError
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["pet_volume", "sliced", "spect_volume"]


def spect_volume(
    series: Series,
    dataset: Dataset,
    *,
    time_zone: str | None,
    require_reference_time: bool,
    energy_window: str = "",
) -> Volume:
    """Counts of a reconstructed SPECT, or its activity concentration where the file states Bq/mL.

    Of several energy windows one is read: ``energy_window`` (name or number), else the one that holds the photopeak.

    Raises
    ------
    GeometryError
        Position, orientation, spacing or slice vector is missing or makes no sense.
    CalibrationError
        The moment of the activity is not known, where it is required.
    DicomError
        The pixels cannot be decoded, or which energy window is meant cannot be told.
    """
    where = str(series.path)
    grid, order = recon_geometry(dataset, where, energy_window=energy_window)
    stored = stored_pixels(dataset, where)
    if order != tuple(range(len(stored))):
        stored = stored[list(order)]
    scale, _ = rescale_of(dataset)
    if scale is not None and not scale.is_identity:
        stored = stored * np.float64(scale.slope) + np.float64(scale.intercept)
    absolute = scale is not None and scale.unit == "bq_ml"
    moment = _moment([dataset], where, time_zone, required=require_reference_time) if absolute else None
    return Volume(
        cast(FloatArray, stored.transpose(2, 1, 0)),
        grid,
        Quantity.CONCENTRATION if absolute else Quantity.COUNTS,
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        reference_time=moment,
        source=series.path.name,
    )


def pet_volume(opened: OpenedSlices, *, time_zone: str | None, require_reference_time: bool) -> Volume:
    """Activity concentration of a PET in Bq/mL, as float32; or the counts of a SPECT that was exported as a PET.

    Counts of a Philips PET become Bq/mL by its Activity Concentration Scale Factor (7053,1009), slice by slice.

    Raises
    ------
    CalibrationError
        The values are no activity, the rescale is missing, or no reference time where one is required.
    GeometryError
        The slices do not lie on one grid.
    DicomError
        The pixels cannot be decoded.
    """
    units = [pet_unit(dataset) for dataset in opened.datasets]
    refusal = next((unit.refusal for unit in units if unit.refusal), "")
    if not refusal and len({unit.unit for unit in units}) > 1:
        refusal = "several Units in one series"
    if refusal:
        raise CalibrationError(
            f"PET values are not activity concentrations: {refusal}",
            where=opened.where,
            remedy="export the series in Bq/mL (Units BQML)",
        )
    if units[0].unit == "counts":
        return opened.volume(Quantity.COUNTS)
    moment = _moment(opened.datasets, opened.where, time_zone, required=require_reference_time)
    volume = opened.volume(Quantity.CONCENTRATION, reference_time=moment)
    if all(unit.factor == 1.0 for unit in units):
        return volume
    factors = sliced(opened, [unit.factor for unit in units])
    return volume.with_array(np.asarray(volume.array * factors, dtype=np.float32))


def sliced(opened: OpenedSlices, factors: Sequence[float]) -> FloatArray:
    """Factors of the files, in the order of the volume's slices, shape (1, 1, k): ready to multiply a volume."""
    return np.array([factors[index] for index in opened.stacked.order], dtype=np.float64)[None, None, :]


def _moment(datasets: Sequence[Dataset], where: str, time_zone: str | None, *, required: bool) -> datetime | None:
    try:
        return reference_time(datasets, where=where, time_zone=time_zone)
    except CalibrationError:
        if required:
            raise
        return None
