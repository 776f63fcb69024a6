"""What NIfTI and NRRD share: samples as floats, label maps as segments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ytterby.errors import FileFormatError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Grid

__all__ = ["as_float", "finite_float", "labelled_segments", "placed_grid", "require_labels", "unique_names"]

# So many labels are named in a message; a label map of more is rarely one.
_LABELS_SHOWN = 20


def as_float(array: npt.NDArray[np.generic]) -> FloatArray:
    """The samples as float32 where that keeps every value (8 and 16 bit integers, float32), else as float64."""
    small = array.dtype.itemsize <= 2 if array.dtype.kind in "iub" else array.dtype.itemsize <= 4
    return np.asarray(array.astype(np.float32 if small else np.float64))


def finite_float(array: npt.NDArray[np.generic], path: Path) -> FloatArray:
    """The samples as floats; FileFormatError when some are not finite numbers."""
    samples = as_float(array)
    bad = samples.size - int(np.count_nonzero(np.isfinite(samples)))
    if bad:
        raise FileFormatError(
            f"{bad} of {samples.size} voxels are not finite numbers",
            where=str(path),
            remedy="export the image again, with 0 where nothing was measured",
        )
    return samples


def placed_grid(shape: tuple[int, int, int], affine: FloatArray, path: Path) -> Grid:
    """The grid that a header describes; GeometryError that names the file where it is none."""
    try:
        return Grid(shape, affine)
    except GeometryError as error:
        raise GeometryError(error.what, where=str(path), remedy=error.remedy) from error


def require_labels(labels: Mapping[int, str], array: npt.NDArray[np.generic], path: Path) -> None:
    """Nothing, when ``labels`` gives names of their own to labels of the file; else SegmentError naming file and label.

    Raises
    ------
    SegmentError
        No label is named, a name stands twice, the samples are no whole numbers, or a label is not in the file.
    """
    if array.dtype.kind == "f" and not bool(np.all(np.isfinite(array) & (array == np.rint(array)))):
        raise SegmentError(
            "the samples are no whole numbers, so this is no label map",
            where=str(path),
            remedy="export the segmentation as a label map (0 background, 1, 2, ... segments)",
        )
    if not labels:
        raise SegmentError(
            f"the file does not name its segments, and no labels are stated (it holds {_labels_in(array)})",
            where=str(path),
            remedy="state them under segments: labels: {1: liver, ...}",
        )
    unique_names(list(labels.values()), path)
    for label, name in labels.items():
        if label == 0 or not bool(np.any(array == label)):
            raise SegmentError(
                f"label {label} ('{name}') is not in the file, which holds {_labels_in(array)}",
                where=str(path),
                remedy="name only labels that the file holds (0 is the background)",
            )


def labelled_segments(
    array: npt.NDArray[np.generic], grid: Grid, path: Path, *, labels: Mapping[int, str]
) -> tuple[Segment, ...]:
    """One segment for each entry of ``labels`` (label -> name), in their order, role OTHER.

    Raises
    ------
    SegmentError
        See ``require_labels``.
    """
    require_labels(labels, array, path)
    return tuple(
        Segment(name, Role.OTHER, np.asarray(array == label), grid, source=path.name) for label, name in labels.items()
    )


def unique_names(names: list[str], path: Path) -> None:
    """Nothing, when all names differ; else SegmentError."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SegmentError(
            f"more than one segment is called '{twice[0]}'",
            where=str(path),
            remedy="give each segment a name of its own",
        )


def _labels_in(array: npt.NDArray[np.generic]) -> str:
    found = [int(value) for value in np.unique(array) if value != 0]
    if not found:
        return "no label at all"
    shown = ", ".join(str(label) for label in found[:_LABELS_SHOWN])
    return f"labels {shown}" + (f" and {len(found) - _LABELS_SHOWN} more" if len(found) > _LABELS_SHOWN else "")
