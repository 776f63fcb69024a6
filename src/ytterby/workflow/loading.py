"""Reading what a case names, whatever format it has: the suffix says which reader, and DICOM is what has none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ytterby.dicom.layout.frames import STATE_WINDOW
from ytterby.dicom.nuclide import Radiopharmaceutical
from ytterby.dicom.read import read_segments, read_structures, read_volume, y90_pet_volume
from ytterby.dicom.series import Series, scan
from ytterby.dicom.series.checks import ISOTOPE_REMEDY
from ytterby.errors import ConfigurationError, DicomError, SegmentError
from ytterby.files.interfile import INTERFILE_SUFFIXES, read_interfile
from ytterby.files.nifti import read_nifti, read_nifti_segments
from ytterby.files.nrrd import read_nrrd, read_nrrd_segments
from ytterby.files.voxels import labelled_segments
from ytterby.model.dose import Notice
from ytterby.model.segment import Segment
from ytterby.model.volume import Volume

__all__ = [
    "LoadedImage",
    "LoadedSegments",
    "image_notices",
    "load_ct",
    "load_image",
    "load_segments",
    "load_volume",
    "only_series",
    "series_image",
]

_NIFTI = (".nii", ".nii.gz")
_NRRD = (".nrrd", ".nhdr")
_CT = ("ct", "diagnostic")
_SEGMENTED = ("segmentation", "structure_set")
# A folder of a whole study holds many series.
_MOST_TOLD = 8


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image, what its file says against it though it can be read, and what it says of the radiopharmaceutical.

    ``file`` is the first of its DICOM files; None where it is of another format.
    """

    volume: Volume
    notices: tuple[Notice, ...]
    radiopharmaceutical: Radiopharmaceutical | None = None
    file: Path | None = None

    @property
    def pair(self) -> tuple[Volume, tuple[Notice, ...]]:
        """The volume with the notices."""
        return self.volume, self.notices


def load_volume(
    path: Path,
    *,
    roles: tuple[str, ...],
    time_zone: str | None = None,
    part: str | None = None,
) -> tuple[Volume, tuple[Notice, ...]]:
    """The volume of an image file, of a DICOM file, or of the one series of a DICOM folder with one of the ``roles``.

    With it comes what its file says against it, though it can be read. ``part`` says which volume of an enhanced object is read,
    where there are several.

    Raises
    ------
    InputError
        The file cannot be read, or a folder holds no series of these roles, or several.
    """
    name = path.name.lower()
    if path.is_file() and name.endswith(_NIFTI):
        return read_nifti(path), ()
    if path.is_file() and name.endswith(_NRRD):
        return read_nrrd(path), ()
    if path.is_file() and name.endswith(INTERFILE_SUFFIXES):
        image = read_interfile(path)
        return image.volume, tuple(Notice("image_problem", str(problem)) for problem in image.problems)
    series = only_series(path, roles, part=part)
    return _of_series(series, time_zone=time_zone, energy_window=None).pair


def load_image(
    path: Path,
    *,
    roles: tuple[str, ...],
    time_zone: str | None = None,
    part: str | None = None,
    energy_window: str | None = None,
    isotope_correction: str | None = None,
) -> LoadedImage:
    """The activity image at a path (its ``part``, of several), with the energy window and the isotope correction asked for.

    Raises
    ------
    InputError
        As ``load_volume``; also a correction of what is no PET in DICOM.
    """
    if path.is_file() and path.name.lower().endswith((*_NIFTI, *_NRRD, *INTERFILE_SUFFIXES)):
        if isotope_correction is not None:
            raise ConfigurationError(
                "an isotope correction needs the header of a PET in DICOM",
                where=f"{path.name}, isotope_correction",
                remedy="name the DICOM series, or take isotope_correction out",
            )
        return LoadedImage(*load_volume(path, roles=roles, time_zone=time_zone))
    return series_image(
        only_series(path, roles, part=part),
        time_zone=time_zone,
        energy_window=energy_window,
        isotope_correction=isotope_correction,
    )


def series_image(
    series: Series, *, time_zone: str | None, energy_window: str | None = None, isotope_correction: str | None = None
) -> LoadedImage:
    """The activity image of a series, as ``load_image``."""
    if isotope_correction is None:
        return _of_series(series, time_zone=time_zone, energy_window=energy_window)
    with_y90 = y90_pet_volume(series, time_zone=time_zone)
    told = tuple(notice for notice in image_notices(series) if ISOTOPE_REMEDY not in notice.message)
    done = Notice("isotope_correction", f"{series.path.name}: {with_y90.done}")
    return LoadedImage(with_y90.volume, (*told, done), series.radiopharmaceutical, series.files[0])


def _of_series(series: Series, *, time_zone: str | None, energy_window: str | None) -> LoadedImage:
    volume = read_volume(series, time_zone=time_zone, energy_window=energy_window or "")
    told = image_notices(series)
    if energy_window:
        # Which of several is meant has been said.
        told = tuple(notice for notice in told if STATE_WINDOW not in notice.message)
    return LoadedImage(volume, told, series.radiopharmaceutical, series.files[0])


def load_ct(path: Path, *, part: str | None = None) -> tuple[Volume, tuple[Path, ...]]:
    """The CT at a path, and the DICOM files of its slices (none where it is another format, or one file), for references to them.

    Raises
    ------
    InputError
        As for ``load_volume``.
    """
    if path.is_file():
        return load_volume(path, roles=_CT, part=part)[0], ()
    series = only_series(path, _CT, part=part)
    volume = read_volume(series)
    return volume, series.files if len(series.files) == volume.grid.shape[2] else ()


def image_notices(series: Series) -> tuple[Notice, ...]:
    """What is wrong with an image that can be read all the same: a surrogate isotope, a missing decay reference."""
    return tuple(
        Notice("image_problem", f"{series.path.name}: {problem}")
        for problem in series.problems
        if problem.level == "red"
    )


@dataclass(frozen=True, eq=False)
class LoadedSegments:
    """The segments of a file, and what is to be told of each by its name."""

    segments: tuple[Segment, ...]
    told: tuple[tuple[str, Notice], ...] = ()

    def notices(self, names: Collection[str]) -> tuple[Notice, ...]:
        """What is to be told of the segments of these names: a structure set holds many that nobody asked for."""
        return tuple(notice for name, notice in self.told if name in names)


def load_segments(path: Path, *, labels: Mapping[int, str] | None = None, ct: Volume | None = None) -> LoadedSegments:
    """The segments of a DICOM SEG or RTSTRUCT (a file, or the one in a folder), a .seg.nrrd, or another label map.

    A label map needs ``labels``. The contours of an RTSTRUCT are drawn on the grid of ``ct``, of one frame of reference.
    """
    name = path.name.lower()
    if path.is_file() and name.endswith(_NIFTI):
        if not labels:
            raise ConfigurationError(
                "a NIfTI label map does not say what its labels mean",
                where=path.name,
                remedy="state segments.labels, e.g. {1: liver, 2: Tumour 1}",
            )
        return LoadedSegments(read_nifti_segments(path, labels=labels))
    if path.is_file() and name.endswith(_NRRD):
        return LoadedSegments(read_nrrd_segments(path, labels=labels))
    if path.is_file() and name.endswith(INTERFILE_SUFFIXES):
        volume = read_interfile(path).volume
        return LoadedSegments(labelled_segments(np.asarray(volume.array), volume.grid, path, labels=labels or {}))
    series = only_series(path, _SEGMENTED)
    if series.kind == "rtstruct":
        found = read_structures(series.files[0], image=ct)
        return LoadedSegments(
            found.segments, (*found.told, *(() if ct is not None else map(_on_own_lattice, found.segments)))
        )
    return LoadedSegments(read_segments(series.files[0]))


def _on_own_lattice(segment: Segment) -> tuple[str, Notice]:
    spacing = " x ".join(f"{value:.3g}" for value in segment.grid.spacing_mm)
    text = (
        f"'{segment.name}': there is no CT to draw its contours on, so it lies on voxels of its own of {spacing} mm; volumes and "
        "smallest doses differ a little from those on the image that it was drawn on."
    )
    return segment.name, Notice("contours_own_lattice", text)


def only_series(path: Path, roles: tuple[str, ...], *, part: str | None = None) -> Series:
    """The one series at a path that has one of the ``roles`` (and is the ``part``); a single file is taken whatever its role."""
    found = scan(path)
    fitting = [series for series in found.series if path.is_file() or series.role in roles]
    if part is not None:
        parts = [series.part for series in fitting]
        fitting = [series for series in fitting if series.part == part]
        if not fitting:
            raise DicomError(
                f"there is no part '{part}'; found: {', '.join(one or 'a whole volume' for one in parts) or 'nothing'}",
                where=str(path),
                remedy="name a part as 'ytterby inspect' does, or leave it out where there is one volume",
            )
    if len(fitting) == 1:
        return fitting[0]
    wanted = " or ".join(roles)
    if fitting:
        listed = ", ".join(
            f"{series.part or series.description or series.kind} ({series.path.name})" for series in fitting
        )
        raise DicomError(
            f"{len(fitting)} series could be the {wanted}: {listed}",
            where=str(path),
            remedy="state part: which of the volumes is meant"
            if fitting[0].part
            else "name the file or the folder of the one that is meant",
        )
    kinds = "; ".join(sorted({_why(series) for series in found.series})[:_MOST_TOLD]) or "no DICOM series"
    error = SegmentError if roles == _SEGMENTED else DicomError
    skipped = f"; skipped: {found.skipped[0].path.name}: {found.skipped[0].reason}" if found.skipped else ""
    raise error(
        f"no series is a {wanted}; found: {kinds}{skipped}",
        where=str(path),
        remedy="run 'ytterby inspect' on the folder",
    )


def _why(series: Series) -> str:
    """What a series is, and what is wrong with it in red."""
    red = [problem.message for problem in series.problems if problem.level == "red"]
    return f"{series.reason} (role {series.role}){': ' if red else ''}{', '.join(red)}"
