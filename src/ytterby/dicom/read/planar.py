"""Planar nuclear medicine images (NM STATIC and WHOLE BODY) to views from the front and from the back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from ytterby.dicom.header import naming, number, numbers, open_whole, quiet
from ytterby.dicom.layout.frames import chosen_window
from ytterby.dicom.layout.views import ViewFrame, view_frames
from ytterby.dicom.nuclide import radionuclide
from ytterby.dicom.pixels import rescale_of, stored_pixels
from ytterby.dicom.series import Series, scan
from ytterby.errors import CalibrationError, DicomError, GeometryError
from ytterby.model.planar import PlanarPair, PlanarView, ViewDirection

__all__ = ["PLANAR_KINDS", "paired_views", "read_view", "read_views"]

PLANAR_KINDS = ("nm_static", "nm_whole_body")
"""Kinds of series that hold planar views."""


@quiet()
def read_views(source: Series | Path | str, *, energy_window: str = "") -> tuple[PlanarView, ...]:
    """The planar views of a series, a file, or a folder (of all its planar series), in the order of files and frames.

    Counts are as they are stored, or by the Real World Value Mapping where that leads to counts. Of several energy windows
    one is taken: ``energy_window`` (name or number), else the one whose range holds the nuclide's photopeak. A posterior view
    is mirrored relative to an anterior one and is not turned here: ``PlanarPair`` carries regions from one to the other.

    Raises
    ------
    DicomError
        There is no planar image, its pixels cannot be decoded, or which energy window is meant cannot be told.
    GeometryError
        Frame vectors make no sense, or frames are of a time series.
    CalibrationError
        The values are no counts.
    """
    if isinstance(source, Series):
        series: Sequence[Series] = (source,)
    else:
        found = scan(Path(source))
        series = [one for one in found.series if one.kind in PLANAR_KINDS]
        if not series:
            seen = "; ".join(one.reason for one in found.series[:6]) or "no DICOM object"
            raise DicomError(
                f"no planar image here, but {seen}", where=str(source), remedy="name an NM STATIC or WHOLE BODY image"
            )
    views = []
    for one in series:
        if one.kind not in PLANAR_KINDS:
            raise DicomError(
                f"{one.reason}: this is no planar image", where=str(one.path), remedy="name a planar image"
            )
        for path in one.files:
            with naming(path):
                views += _views_of(open_whole(path), path, energy_window)
    return tuple(views)


@quiet()
def read_view(path: Path, *, frame: int | None = None) -> PlanarView:
    """One planar view of a file: its ``frame`` (from 1), or the only one.

    Raises
    ------
    DicomError
        The file is no planar image, has no such frame, or several of which none is named; or its pixels cannot be decoded.
    GeometryError
        Frame vectors make no sense, or frames are of a time series.
    CalibrationError
        The values are no counts.
    """
    if path.is_dir():
        raise DicomError("a view is one file, and this is a folder", where=str(path), remedy="name the file")
    (series,) = scan(path).series
    if series.kind not in PLANAR_KINDS:
        raise DicomError(f"{series.reason}: this is no planar image", where=str(path), remedy="name a planar image")
    with naming(path):
        return _one_view(open_whole(path), path, frame)


def _one_view(dataset: Dataset, path: Path, frame: int | None) -> PlanarView:
    frames = view_frames(dataset, str(path))
    if frame is None and len(frames) == 1:
        frame = 1
    if frame is None or frame > len(frames):
        what = "no frame is named" if frame is None else f"there is no frame {frame}"
        raise DicomError(
            f"{what}; the file has {len(frames)}: "
            + "; ".join(f"{one.frame + 1} {one.direction or 'not known'}, {one.window.title}" for one in frames[:8]),
            where=str(path),
            remedy="state frame: a number from 1",
        )
    return _views(dataset, path, [frames[frame - 1]])[0]


def _views_of(dataset: Dataset, path: Path, energy_window: str) -> list[PlanarView]:
    where = str(path)
    frames = view_frames(dataset, where)
    used = frozenset(frame.window.number for frame in frames)
    chosen = chosen_window(dataset, radionuclide(dataset), where, wanted=energy_window, among=used)
    return _views(dataset, path, [frame for frame in frames if frame.window.number == chosen.number])


def _views(dataset: Dataset, path: Path, frames: Sequence[ViewFrame]) -> list[PlanarView]:
    """The views of some frames of an object."""
    where = str(path)
    stored = stored_pixels(dataset, where)
    scale, _ = rescale_of(dataset)
    if scale is not None and scale.unit == "bq_ml":
        raise CalibrationError("a planar image cannot be in Bq/mL", where=where, remedy="export the counts")
    spacing = numbers(dataset, "PixelSpacing")
    duration_ms = number(dataset, "ActualFrameDuration")

    def counts(frame: ViewFrame) -> npt.NDArray[Any]:
        plane: npt.NDArray[Any] = stored[frame.frame]
        if scale is None or scale.is_identity:
            return plane
        return np.asarray(plane * np.float64(scale.slope) + np.float64(scale.intercept))

    return [
        PlanarView(
            array=counts(frame),
            direction=frame.direction,
            direction_source=frame.source,
            energy_window=frame.window.name,
            energy_ranges_kev=frame.window.ranges_kev,
            spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 and min(spacing) > 0 else None,
            duration_seconds=None if duration_ms is None else duration_ms / 1000.0,
            columns_towards=frame.columns_towards,
            source=path.name,
            frame=frame.frame + 1,
        )
        for frame in frames
    ]


def paired_views(views: Iterable[PlanarView], *, where: str) -> PlanarPair:
    """The anterior and the posterior view among ``views``.

    Raises
    ------
    DicomError
        There is not exactly one of each whose direction is known; what is there is listed.
    GeometryError
        The two do not fit together.
    """
    views = tuple(views)
    sides = {side: [view for view in views if view.direction is side] for side in ViewDirection}
    if any(len(found) != 1 for found in sides.values()):
        listed = "; ".join(view.title + ("" if view.direction else f" ({view.direction_source})") for view in views[:8])
        raise DicomError(
            f"one anterior and one posterior view are needed, and there are {len(sides[ViewDirection.ANTERIOR])} and "
            f"{len(sides[ViewDirection.POSTERIOR])}: {listed or 'no view at all'}",
            where=where,
            remedy="name file and frame of each: lung_shunt: {anterior: {path, frame}, posterior: {path, frame}}",
        )
    try:
        return PlanarPair(sides[ViewDirection.ANTERIOR][0], sides[ViewDirection.POSTERIOR][0])
    except GeometryError as error:
        raise GeometryError(error.what, where=where, remedy=error.remedy) from error
