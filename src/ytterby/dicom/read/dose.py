"""A radiotherapy dose (RTDOSE) to a Volume."""

from __future__ import annotations

from typing import cast

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import number, text
from ytterby.dicom.layout.dose import dose_grid
from ytterby.dicom.pixels import stored_pixels
from ytterby.dicom.series import Series
from ytterby.errors import CalibrationError
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["dose_volume"]


def dose_volume(series: Series, dataset: Dataset) -> Volume:
    """Dose of an RTDOSE in gray, float32: DOSE where it is PHYSICAL, else OTHER (an equivalent dose is no absorbed dose).

    Raises
    ------
    CalibrationError
        DoseUnits is not GY, or DoseGridScaling is missing.
    GeometryError
        The frames lie on no even grid.
    DicomError
        The pixels cannot be decoded.
    """
    where = str(series.path)
    grid = dose_grid(dataset, where)
    scaling = number(dataset, "DoseGridScaling")
    if text(dataset, "DoseUnits").upper() != "GY" or not scaling or scaling <= 0:
        raise CalibrationError(
            "DoseUnits is not GY, or DoseGridScaling is missing", where=where, remedy="export the dose in gray"
        )
    array = (stored_pixels(dataset, where) * np.float64(scaling)).astype(np.float32)
    physical = text(dataset, "DoseType").upper() == "PHYSICAL"
    return Volume(
        cast(FloatArray, array.transpose(2, 1, 0)),
        grid,
        Quantity.DOSE if physical else Quantity.OTHER,
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        source=series.path.name,
    )
