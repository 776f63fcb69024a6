"""DICOM images to Volumes: NM RECON TOMO, PT, CT, MR and RTDOSE, with their place and their quantity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.checks import unit_refusal
from ytterby.dicom.dose import dose_grid
from ytterby.dicom.geometry import plane_of, stack
from ytterby.dicom.header import number, open_object, quiet, text
from ytterby.dicom.nm import recon_geometry
from ytterby.dicom.pixels import MAX_PIXELS, rescale_of, slice_rescale, stored_pixels
from ytterby.dicom.series import Scan, Series, scan
from ytterby.dicom.times import reference_time, zone_of
from ytterby.errors import CalibrationError, DicomError, GeometryError
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["READABLE", "read_volume"]

READABLE = ("nm_recon_tomo", "pt", "ct", "mr", "rtdose")
"""Kinds of series that hold a volume."""

_INT16 = np.iinfo(np.int16)
_AGAIN = "export the series again from the archive"


@quiet()
def read_volume(
    source: Series | Path | str, *, time_zone: str | None = None, require_reference_time: bool = False
) -> Volume:
    """Volume of a series, or of the one image series at a path (file or folder).

    The array is indexed (i, j, k) and is a view of the (k, rows, columns) array. Sample types: CT is int16 in HU where
    all factors are whole numbers and the range fits (else int32 or float32); NM keeps its stored integers as counts,
    or float64 where a stated unit asks for a factor; PT, RTDOSE and MR with factors are computed in float64 and kept
    as float32 (rounding below 6e-8).

    ``time_zone`` (IANA name) serves dates without an offset from UTC. Activity concentrations get their reference time; where it
    cannot be known it is None, or CalibrationError with ``require_reference_time``.

    Raises
    ------
    DicomError
        Nothing readable there, several series to choose from, damaged or undecodable pixels.
    GeometryError
        Slices are missing, repeated, uneven or turned, or geometry is absent.
    CalibrationError
        PT in units other than BQML, missing rescale, or no reference time where one is required.
    """
    if time_zone:
        zone_of(time_zone)
    series = source if isinstance(source, Series) else _only_series(Path(source))
    if series.kind not in READABLE:
        raise DicomError(
            f"{series.reason}: this is no volume that can be read",
            where=str(series.path),
            remedy="name an image series",
        )
    return _Reader(series, time_zone, require_reference_time).read()


def _only_series(path: Path) -> Series:
    found: Scan = scan(path)
    images = [series for series in found.series if series.kind in READABLE]
    if len(images) == 1:
        return images[0]
    if images:
        names = "; ".join(f"{series.reason} ({series.description or series.uid})" for series in images[:6])
        raise DicomError(f"{len(images)} image series here: {names}", where=str(path), remedy="name the folder of one")
    seen = "; ".join(series.reason for series in found.series[:6]) or "no DICOM object"
    why = f" ({found.skipped[0].path.name}: {found.skipped[0].reason})" if found.skipped else ""
    raise DicomError(f"no image series here, but {seen}{why}", where=str(path), remedy="name an image series")


class _Reader:
    """Reads one series; errors name its path."""

    def __init__(self, series: Series, time_zone: str | None, require_reference_time: bool) -> None:
        self.series = series
        self.where = str(series.path)
        self.time_zone = time_zone
        self.require_reference_time = require_reference_time

    def read(self) -> Volume:
        if self.series.kind in ("nm_recon_tomo", "rtdose"):
            if len(self.series.files) != 1:
                raise GeometryError(
                    f"{len(self.series.files)} volumes in one series",
                    where=self.where,
                    remedy="name the file that is meant",
                )
            dataset = open_object(self.series.files[0])
            return self._spect(dataset) if self.series.kind == "nm_recon_tomo" else self._dose(dataset)
        return self._slices()

    def _spect(self, dataset: Dataset) -> Volume:
        grid, order = recon_geometry(dataset, self.where)
        stored = stored_pixels(dataset, self.where)
        if order != tuple(range(len(order))):
            stored = stored[list(order)]
        scale, _ = rescale_of(dataset)
        if scale is not None and not scale.is_identity:
            stored = stored * np.float64(scale.slope) + np.float64(scale.intercept)
        absolute = scale is not None and scale.unit == "bq_ml"
        return Volume(
            cast(FloatArray, stored.transpose(2, 1, 0)),
            grid,
            Quantity.CONCENTRATION if absolute else Quantity.COUNTS,
            frame_of_reference=text(dataset, "FrameOfReferenceUID"),
            reference_time=self._reference_time([dataset]) if absolute else None,
            source=self.series.path.name,
        )

    def _dose(self, dataset: Dataset) -> Volume:
        grid = dose_grid(dataset, self.where)
        scaling = number(dataset, "DoseGridScaling")
        if text(dataset, "DoseUnits").upper() != "GY" or not scaling or scaling <= 0:
            raise CalibrationError(
                "DoseUnits is not GY, or DoseGridScaling is missing", where=self.where, remedy="export the dose in gray"
            )
        array = (stored_pixels(dataset, self.where) * np.float64(scaling)).astype(np.float32)
        # An equivalent dose (BED, EQD2) is EFFECTIVE: no absorbed dose.
        physical = text(dataset, "DoseType").upper() == "PHYSICAL"
        return Volume(
            cast(FloatArray, array.transpose(2, 1, 0)),
            grid,
            Quantity.DOSE if physical else Quantity.OTHER,
            frame_of_reference=text(dataset, "FrameOfReferenceUID"),
            source=self.series.path.name,
        )

    def _slices(self) -> Volume:
        datasets = [open_object(path) for path in self.series.files]
        names = [path.name for path in self.series.files]
        if (number(datasets[0], "NumberOfFrames") or 1) > 1:
            raise DicomError(
                "enhanced multi-frame images are not read yet", where=self.where, remedy="export classic single slices"
            )
        try:
            stacked = stack([plane_of(dataset, name) for dataset, name in zip(datasets, names, strict=True)])
        except GeometryError as error:
            where = f"{self.where}, {error.where}" if error.where and error.where != self.where else self.where
            raise GeometryError(error.what, where=where, remedy=error.remedy) from error
        frames = {text(dataset, "FrameOfReferenceUID") for dataset in datasets}
        if len(frames) > 1:
            raise GeometryError("several frames of reference in one series", where=self.where, remedy=_AGAIN)
        if int(np.prod(stacked.grid.shape)) > MAX_PIXELS:
            raise DicomError(f"a volume of {stacked.grid.shape} is too large", where=self.where, remedy="export less")
        quantity = {"ct": Quantity.HU, "pt": Quantity.CONCENTRATION, "mr": Quantity.OTHER}[self.series.kind]
        if quantity is Quantity.CONCENTRATION:
            self._require_bq_ml(datasets)
        factors = [self._factors(dataset, name) for dataset, name in zip(datasets, names, strict=True)]
        columns, rows, count = stacked.grid.shape
        array = np.empty((count, rows, columns), dtype=_sample_type(datasets, factors, quantity))
        for k, index in enumerate(stacked.order):
            stored = stored_pixels(datasets[index], f"{self.where}, {names[index]}")[0]
            slope, intercept = factors[index]
            if array.dtype.kind == "i":
                array[k] = stored.astype(np.int32) * int(slope) + int(intercept)
            else:
                array[k] = stored * np.float64(slope) + np.float64(intercept)
        if array.dtype == np.int32 and array.min() >= _INT16.min and array.max() <= _INT16.max:
            array = array.astype(np.int16)
        return Volume(
            cast(FloatArray, array.transpose(2, 1, 0)),
            stacked.grid,
            quantity,
            frame_of_reference=frames.pop(),
            reference_time=self._reference_time(datasets) if quantity is Quantity.CONCENTRATION else None,
            source=self.series.path.name,
        )

    def _require_bq_ml(self, datasets: list[Dataset]) -> None:
        for units in sorted({text(dataset, "Units").upper() for dataset in datasets}):
            refusal = unit_refusal(units)
            if refusal:
                raise CalibrationError(
                    f"PET values are not activity concentrations: {refusal}",
                    where=self.where,
                    remedy="export the series in Bq/mL (Units BQML)",
                )

    def _factors(self, dataset: Dataset, name: str) -> tuple[float, float]:
        factors = slice_rescale(dataset)
        if factors is not None:
            return factors
        if self.series.kind == "mr":
            return 1.0, 0.0
        raise CalibrationError(
            "RescaleSlope or RescaleIntercept is missing: stored values have no unit",
            where=f"{self.where}, {name}",
            remedy=_AGAIN,
        )

    def _reference_time(self, datasets: list[Dataset]) -> datetime | None:
        try:
            return reference_time(datasets, where=self.where, time_zone=self.time_zone)
        except CalibrationError:
            if self.require_reference_time:
                raise
            return None


def _whole(value: float) -> bool:
    return value == int(value)


def _stored_range(datasets: list[Dataset]) -> Iterator[tuple[int, int]]:
    for dataset in datasets:
        bits = int(number(dataset, "BitsStored") or number(dataset, "BitsAllocated") or 16)
        signed = number(dataset, "PixelRepresentation") == 1
        yield (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _sample_type(datasets: list[Dataset], factors: list[tuple[float, float]], quantity: Quantity) -> type[np.generic]:
    if quantity is Quantity.CONCENTRATION or not all(_whole(a) and _whole(b) for a, b in factors):
        return np.float32
    ends = [
        end * slope + intercept
        for (low, high), (slope, intercept) in zip(_stored_range(datasets), factors, strict=True)
        for end in (low, high)
    ]
    if min(ends) >= _INT16.min and max(ends) <= _INT16.max:
        return np.int16
    return np.int32 if max(map(abs, ends)) < 2**31 else np.float32
