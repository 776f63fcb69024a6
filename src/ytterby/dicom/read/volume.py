"""DICOM images to Volumes: NM RECON TOMO, PT, CT, MR and RTDOSE, with their place and their quantity."""

from __future__ import annotations

from pathlib import Path

from ytterby.dicom.header import naming, open_header, open_whole, quiet
from ytterby.dicom.layout.enhanced import is_enhanced
from ytterby.dicom.pixels import is_hounsfield
from ytterby.dicom.read.dose import dose_volume
from ytterby.dicom.read.enhanced import enhanced_volume
from ytterby.dicom.read.nuclear import pet_volume, spect_volume
from ytterby.dicom.read.slices import open_slices
from ytterby.dicom.series import Scan, Series, scan
from ytterby.dicom.times import zone_of
from ytterby.errors import DicomError, GeometryError
from ytterby.model.volume import Quantity, Volume

__all__ = ["READABLE", "read_volume"]

READABLE = ("nm_recon_tomo", "pt", "ct", "mr", "rtdose")
"""Kinds of series that hold a volume."""


@quiet()
def read_volume(
    source: Series | Path | str,
    *,
    time_zone: str | None = None,
    require_reference_time: bool = False,
    energy_window: str = "",
    part: str = "",
) -> Volume:
    """Volume of a series, or of the one image series at a path (file or folder).

    The array is indexed (i, j, k) and is a view of the (k, rows, columns) array. Sample types: CT is int16 in HU where
    all factors are whole numbers and the range fits (else int32 or float32); NM keeps its stored integers as counts,
    or float64 where a stated unit asks for a factor; PT, RTDOSE and MR with factors are computed in float64 and kept
    as float32 (rounding below 6e-8).

    ``time_zone`` (IANA name) serves dates without an offset from UTC. Activity concentrations get their reference time; where it
    cannot be known it is None, or CalibrationError with ``require_reference_time``. ``energy_window`` (name or number) says
    which volume of an NM RECON TOMO of several is read; without it, the one whose window holds the nuclide's photopeak is.
    ``part`` says which volume of an enhanced multi-frame object of several is read, in the words of ``Series.part``.

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
    series = source if isinstance(source, Series) else _only_series(Path(source), part)
    if series.kind not in READABLE:
        raise DicomError(
            f"{series.reason}: this is no volume that can be read",
            where=str(series.path),
            remedy="name an image series",
        )
    with naming(series.path):
        return _read(series, time_zone, require_reference_time, energy_window)


def _only_series(path: Path, part: str) -> Series:
    found: Scan = scan(path)
    images = [series for series in found.series if series.kind in READABLE and part in ("", series.part)]
    if len(images) == 1:
        return images[0]
    if images:
        names = "; ".join(f"{series.reason} ({series.description or series.uid})" for series in images[:6])
        remedy = "name the volume (part) that is meant" if images[0].part else "name the folder of one"
        raise DicomError(f"{len(images)} image series here: {names}", where=str(path), remedy=remedy)
    seen = "; ".join(series.reason for series in found.series[:6]) or "no DICOM object"
    why = f" ({found.skipped[0].path.name}: {found.skipped[0].reason})" if found.skipped else ""
    raise DicomError(f"no image series here, but {seen}{why}", where=str(path), remedy="name an image series")


def _read(series: Series, time_zone: str | None, require_reference_time: bool, energy_window: str) -> Volume:
    if series.kind in ("nm_recon_tomo", "rtdose"):
        if len(series.files) != 1:
            raise GeometryError(
                f"{len(series.files)} volumes in one series",
                where=str(series.path),
                remedy="name the file that is meant",
            )
        dataset = open_whole(series.files[0])
        if series.kind == "rtdose":
            return dose_volume(series, dataset)
        return spect_volume(
            series,
            dataset,
            time_zone=time_zone,
            require_reference_time=require_reference_time,
            energy_window=energy_window,
        )
    if len(series.files) == 1:
        header = open_header(series.files[0])
        if is_enhanced(header.dataset):
            return enhanced_volume(series, header, time_zone=time_zone, require_reference_time=require_reference_time)
    opened = open_slices(series)
    if series.kind == "pt":
        return pet_volume(opened, time_zone=time_zone, require_reference_time=require_reference_time)
    hounsfield = series.kind == "ct" and all(is_hounsfield(dataset) for dataset in opened.datasets)
    return opened.volume(Quantity.HU if hounsfield else Quantity.OTHER)
