"""CT, MR and PET of single slices, one file each, to one Volume."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import Header, number, reopened_header, text
from ytterby.dicom.layout.planes import Stack, plane_of, stack
from ytterby.dicom.padding import padding_of, without_padding
from ytterby.dicom.pixels import MAX_PIXELS, read_patterns, slice_rescale, stored_values
from ytterby.dicom.read.samples import narrowed, rescale, sample_type
from ytterby.dicom.series import Series
from ytterby.errors import CalibrationError, DicomError, GeometryError
from ytterby.model.volume import FloatArray, Quantity, Volume

__all__ = ["OpenedSlices", "open_slices"]

_AGAIN = "export the series again from the archive"


@dataclass(frozen=True, eq=False)
class OpenedSlices:
    """The headers of a series of slices, in the order of its files, and how the slices lie."""

    series: Series
    headers: tuple[Header, ...]
    stacked: Stack

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What the headers say, without pixels."""
        return tuple(header.dataset for header in self.headers)

    @property
    def where(self) -> str:
        """Path of the series, which errors name."""
        return str(self.series.path)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(path.name for path in self.series.files)

    def volume(self, quantity: Quantity, *, reference_time: datetime | None = None) -> Volume:
        """The slices as one volume of ``quantity``, with the rescale of each; padding of a CT is ``AIR_HU``.

        Raises
        ------
        CalibrationError
            A rescale is missing (MR alone may do without).
        DicomError
            The pixels cannot be decoded, or are too many.
        """
        if int(np.prod(self.stacked.grid.shape)) > MAX_PIXELS:
            raise DicomError(
                f"a volume of {self.stacked.grid.shape} is too large", where=self.where, remedy="export less"
            )
        factors = [self._factors(dataset, name) for dataset, name in zip(self.datasets, self.names, strict=True)]
        columns, rows, count = self.stacked.grid.shape
        array = np.empty((count, rows, columns), dtype=sample_type(self.datasets, factors, quantity))
        for k, index in enumerate(self.stacked.order):
            patterns, pixels = read_patterns(self.headers[index])
            stored = stored_values(patterns, pixels)
            rescale(stored[0], *factors[index], out=array[k])
            if quantity is Quantity.HU:
                without_padding(array[k : k + 1], padding_of(patterns, stored, pixels, self.datasets[index]))
        return Volume(
            cast(FloatArray, narrowed(array).transpose(2, 1, 0)),
            self.stacked.grid,
            quantity,
            frame_of_reference=text(self.datasets[0], "FrameOfReferenceUID"),
            reference_time=reference_time,
            source=self.series.path.name,
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


def open_slices(series: Series) -> OpenedSlices:
    """The headers of a series of slices, opened and put in order.

    Raises
    ------
    GeometryError
        Slices are missing, repeated, uneven or turned, or lie in several frames of reference.
    DicomError
        A file is damaged, or holds more than one frame.
    """
    where = str(series.path)
    headers = tuple(reopened_header(path) for path in series.files)
    datasets = tuple(header.dataset for header in headers)
    if any((number(dataset, "NumberOfFrames") or 1) > 1 for dataset in datasets):
        raise DicomError("several frames in a file of a series of slices", where=where, remedy=_AGAIN)
    try:
        stacked = stack([plane_of(dataset, path.name) for dataset, path in zip(datasets, series.files, strict=True)])
    except GeometryError as error:
        place = f"{where}, {error.where}" if error.where and error.where != where else where
        raise GeometryError(error.what, where=place, remedy=error.remedy) from error
    if any(text(dataset, "PhotometricInterpretation").upper() == "PALETTE COLOR" for dataset in datasets):
        raise DicomError("numbers of colours (PALETTE COLOR) are no measurements", where=where, remedy=_AGAIN)
    if len({text(dataset, "FrameOfReferenceUID") for dataset in datasets}) > 1:
        raise GeometryError("several frames of reference in one series", where=where, remedy=_AGAIN)
    return OpenedSlices(series, headers, stacked)
