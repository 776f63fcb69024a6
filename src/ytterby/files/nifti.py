"""NIfTI images (.nii, .nii.gz): volumes and label maps. Their RAS frame is turned to LPS here and nowhere else.

Source: the NIfTI-1 and NIfTI-2 definitions, https://nifti.nimh.nih.gov.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from ytterby.errors import FileFormatError, GeometryError
from ytterby.files.bounded import checked_count, decompressed, exact_bytes, opened
from ytterby.files.voxels import finite_float, labelled_segments, placed_grid
from ytterby.model.segment import Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

__all__ = ["read_nifti", "read_nifti_segments", "write_nifti"]

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# Widths that voxels of patient images have; outside them a file without a stated unit is not in millimetres.
_PLAUSIBLE_MM = (0.05, 50.0)
# nibabel is typed in parts only: Any at its border.
_HEADERS: dict[int, Any] = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_NIFTI_IMAGE: Any = nibabel.Nifti1Image


def read_nifti(path: Path) -> Volume:
    """The image as a volume, LPS, quantity UNSTATED (NIfTI does not say what it measures).

    The place is the sform where its code is above 0, else the qform. A fourth axis of one volume is dropped; ``scl_slope`` and
    ``scl_inter`` are applied.

    Raises
    ------
    FileFormatError
        The file is no NIfTI image, is damaged, or holds samples that are no finite real numbers.
    GeometryError
        Neither sform nor qform is set, the unit of length is not the millimetre, or there is more than one volume.
    """
    stored = _stored(path)
    samples: npt.NDArray[np.generic] = stored.array
    if stored.slope != 1.0 or stored.intercept != 0.0:
        samples = samples.astype(np.float64) * stored.slope + stored.intercept
    return Volume(finite_float(samples, path), stored.grid, Quantity.UNSTATED, source=path.name)


def read_nifti_segments(path: Path, *, labels: Mapping[int, str]) -> tuple[Segment, ...]:
    """The segments of a label map, one for each entry of ``labels`` (label -> name), role OTHER.

    Raises
    ------
    SegmentError
        A label is not in the file, or the samples are no whole numbers.
    FileFormatError, GeometryError
        As ``read_nifti``.
    """
    stored = _stored(path)
    array = stored.array
    if stored.slope != 1.0 or stored.intercept != 0.0:
        array = array.astype(np.float64) * stored.slope + stored.intercept
    return labelled_segments(array, stored.grid, path, labels=labels)


def write_nifti(path: Path, volume: Volume, *, dtype: npt.DTypeLike = np.float32) -> None:
    """Write a volume as NIfTI-1, RAS, in millimetres; gzip-compressed where the name ends in .gz.

    The same volume gives the same bytes: the compressed stream carries neither time nor name. The quantity stands in the
    header's description. ``dtype`` is the type of the stored samples (an integer type for label maps).

    Raises
    ------
    FileFormatError
        A sample does not fit an integer ``dtype``.
    """
    affine = RAS_TO_LPS @ volume.grid.affine
    samples = np.asarray(volume.array).astype(dtype)
    if samples.dtype.kind != "f" and not np.array_equal(samples, volume.array):
        raise FileFormatError(
            f"samples that are not whole numbers of type {samples.dtype} cannot be written as such",
            where=str(path),
            remedy="write them as float32",
        )
    image = _NIFTI_IMAGE(samples, affine)
    header = image.header
    header.set_data_dtype(samples.dtype)
    header.set_xyzt_units("mm")
    header["descrip"] = volume.quantity.value.encode("ascii")[:79]
    header.set_sform(affine, code=1)
    # A qform cannot hold a shear; where the axes are not at right angles the sform alone says the place.
    steps = affine[:3, :3] / np.array(volume.grid.spacing_mm)
    square = bool(np.allclose(steps.T @ steps, np.eye(3), atol=1e-6))
    header.set_qform(affine, code=int(square))
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as stream:
            stream.write(content)
        content = packed.getvalue()
    path.write_bytes(content)


@dataclass(frozen=True, eq=False)
class _Stored:
    array: npt.NDArray[Any]
    grid: Grid
    slope: float
    intercept: float


def _stored(path: Path) -> _Stored:
    """Samples as they are stored, their grid and their scaling."""
    with opened(path) as handle:
        encoding = "gzip" if handle.read(2) == b"\x1f\x8b" else "raw"
        handle.seek(0)
        header = _header(_start(decompressed(handle, encoding), path), path)
        shape = _shape(header, path)
        dtype = header.get_data_dtype()
        if dtype.kind not in "iuf":
            raise FileFormatError(
                f"the samples are of type {header.get_value_label('datatype')}, not real numbers",
                where=str(path),
                remedy="export the image as integers or floats",
            )
        offset = int(header.get_data_offset())
        size = offset + checked_count(shape, path) * dtype.itemsize
        handle.seek(0)
        content = exact_bytes(handle, size, path, encoding=encoding, trailing=True)
    array = np.frombuffer(content, dtype=dtype, offset=offset).reshape(shape, order="F")
    slope, intercept = header.get_slope_inter()
    grid = placed_grid(array.shape, RAS_TO_LPS @ _affine(header, path), path)
    return _Stored(array, grid, 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))


def _start(stream: Any, path: Path) -> bytes:
    try:
        return bytes(stream.read(max(_HEADERS)))
    except (EOFError, OSError) as error:
        raise FileFormatError(
            f"the compressed data end too early or are damaged ({error})",
            where=str(path),
            remedy="copy or export the file again",
        ) from error


def _header(start: bytes, path: Path) -> Any:
    for size, kind in _HEADERS.items():
        if start[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big")) and len(start) >= size:
            try:
                header = kind(start[:size], check=True)
                label = str(header.get_value_label("datatype"))
            except (nibabel.spatialimages.HeaderDataError, KeyError, ValueError) as error:
                raise FileFormatError(
                    f"the NIfTI header is damaged ({error})", where=str(path), remedy="copy or export the file again"
                ) from error
            if header["magic"].item()[:2] != b"n+" or "unknown" in label:
                break
            return header
    raise FileFormatError(
        "this is no NIfTI image in one file", where=str(path), remedy="give a .nii or .nii.gz file (no .hdr/.img pair)"
    )


def _shape(header: Any, path: Path) -> tuple[int, int, int]:
    sides = tuple(int(n) for n in header.get_data_shape())
    checked_count(sides, path)
    if len(sides) < 3 or any(n != 1 for n in sides[3:]):
        raise GeometryError(
            f"the image has the shape {sides}; one volume of three sides is needed",
            where=str(path),
            remedy="export one volume a file (one frame, one time point)",
        )
    return sides[0], sides[1], sides[2]


def _affine(header: Any, path: Path) -> FloatArray:
    """Index -> RAS mm."""
    sform, code = header.get_sform(coded=True)
    try:
        affine = sform if code > 0 else header.get_qform(coded=True)[0]
    except (ValueError, nibabel.spatialimages.HeaderDataError) as error:
        raise GeometryError(
            f"the qform is damaged ({error})", where=str(path), remedy="export the image again"
        ) from error
    if affine is None:
        raise GeometryError(
            "neither sform nor qform is set, so nobody knows where the image lies in the patient",
            where=str(path),
            remedy="export it again from a program that knows the position (sform_code or qform_code above 0)",
        )
    unit = header.get_xyzt_units()[0] if int(header["xyzt_units"]) & 7 in (0, 1, 2, 3) else "of a code nobody knows"
    spacing = np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    # Most programs leave the unit out and mean millimetres; what cannot be millimetres is refused.
    if unit == "unknown" and bool(np.all((spacing >= _PLAUSIBLE_MM[0]) & (spacing <= _PLAUSIBLE_MM[1]))):
        unit = "mm"
    if unit != "mm":
        raise GeometryError(
            f"the unit of length is '{unit}' at a voxel spacing of {', '.join(f'{s:g}' for s in spacing)}, not mm",
            where=str(path),
            remedy="export the image in millimetres (xyzt_units 2)",
        )
    return np.asarray(affine, dtype=np.float64)
