"""NRRD images (.nrrd) and the segmentations of 3D Slicer (.seg.nrrd), attached headers only.

Source: the NRRD definition, https://teem.sourceforge.net/nrrd/format.html; 3D Slicer's segmentation storage node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nrrd as pynrrd
import numpy as np
import numpy.typing as npt

from ytterby.errors import FileFormatError, GeometryError
from ytterby.files.bounded import checked_count, exact_bytes, opened
from ytterby.files.slicer import names_segments, slicer_segments
from ytterby.files.voxels import finite_float, labelled_segments, placed_grid
from ytterby.model.segment import Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

__all__ = ["read_nrrd", "read_nrrd_segments"]

_TO_LPS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
_ENCODINGS = {
    "raw": "raw",
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
    "ascii": "ascii",
    "text": "ascii",
    "txt": "ascii",
}
# The names that the definition allows for each type of sample.
_TYPES = {
    "signed char|int8|int8_t": "i1",
    "uchar|unsigned char|uint8|uint8_t": "u1",
    "short|short int|signed short|signed short int|int16|int16_t": "i2",
    "ushort|unsigned short|unsigned short int|uint16|uint16_t": "u2",
    "int|signed int|int32|int32_t": "i4",
    "uint|unsigned int|uint32|uint32_t": "u4",
    "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t": "i8",
    "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t": "u8",
    "float": "f4",
    "double": "f8",
}
_NUMPY_TYPES = {name: code for names, code in _TYPES.items() for name in names.split("|")}
_HEADER_LIMIT_BYTES = 8 << 20
_ENDIANS = {"little": "<", "big": ">"}


def read_nrrd(path: Path) -> Volume:
    """The image as a volume, LPS, quantity UNSTATED (NRRD does not say what it measures).

    Raises
    ------
    FileFormatError
        The file is no NRRD, its header is detached, or it is damaged.
    GeometryError
        The header does not say where the image lies in the patient, or there is more than one volume.
    """
    stored = _stored(path)
    array = stored.array
    if array.shape[0] != 1:
        raise GeometryError(
            f"the file holds {array.shape[0]} values a voxel; one volume is needed",
            where=str(path),
            remedy="export one volume a file",
        )
    return Volume(finite_float(array[0], path), stored.grid, Quantity.UNSTATED, source=path.name)


def read_nrrd_segments(path: Path, *, labels: Mapping[int, str] | None = None) -> tuple[Segment, ...]:
    """The segments of a .seg.nrrd (names in the file), or of a plain label map (``labels``: label -> name); role OTHER.

    Raises
    ------
    SegmentError
        A segment's layer or a label is not in the file, names stand twice, or nobody names the segments.
    FileFormatError, GeometryError
        As ``read_nrrd``.
    """
    stored = _stored(path)
    if not names_segments(stored.header):
        if stored.array.shape[0] != 1:
            raise GeometryError(
                f"the label map holds {stored.array.shape[0]} values a voxel and names no segments",
                where=str(path),
                remedy="export a label map of one volume, or save it as .seg.nrrd",
            )
        return labelled_segments(stored.array[0], stored.grid, path, labels=labels or {})
    return slicer_segments(stored.array, stored.header, stored.grid, path, labels=labels)


@dataclass(frozen=True, eq=False)
class _Stored:
    header: dict[str, Any]
    array: npt.NDArray[Any]  # (layers, i, j, k)
    grid: Grid


def _stored(path: Path) -> _Stored:
    with opened(path) as handle:
        header = _header(handle, path)
        sizes = _sizes(header, path)
        dtype = _dtype(header, path)
        matrix, spatial = _matrix(header, path)
        count = checked_count(sizes, path)
        encoding = _ENCODINGS[str(header["encoding"]).lower()]
        if encoding == "ascii":
            flat = _numbers(handle.read(), dtype, count, path)
        else:
            content = exact_bytes(handle, count * dtype.itemsize, path, encoding=encoding, trailing=False)
            flat = np.frombuffer(content, dtype=dtype)
    array = flat.reshape(sizes, order="F")
    if array.ndim == 3:
        array = array[np.newaxis]
    else:
        array = np.moveaxis(array, next(axis for axis in range(4) if axis not in spatial), 0)
    i, j, k = (sizes[axis] for axis in spatial)
    return _Stored(header, array, placed_grid((i, j, k), matrix, path))


def _wrong(path: Path, what: str, remedy: str = "copy or export the file again") -> FileFormatError:
    return FileFormatError(what, where=str(path), remedy=remedy)


def _header(handle: IO[bytes], path: Path) -> dict[str, Any]:
    """Fields of the header, parsed by pynrrd; ``handle`` then stands at the first byte of the data."""
    if handle.read(4) != b"NRRD":
        raise _wrong(path, "this is no NRRD file", "give a .nrrd or .seg.nrrd file")
    handle.seek(0)
    lines: list[str] = []
    left = _HEADER_LIMIT_BYTES
    while left > 0:
        line = handle.readline(left)
        left -= len(line)
        # pynrrd would drop what is not ASCII; 3D Slicer writes names in UTF-8.
        lines.append(line.decode("utf-8", errors="replace"))
        # pynrrd would take 2.7 voxels, or nan, for a whole number.
        if line.startswith(b"sizes:") and not re.fullmatch(rb"sizes:(\s+\d{1,10})+\s*", line):
            raise _wrong(path, f"the NRRD header is damaged ({lines[-1].strip()[:80]})")
        if not line.strip():
            break
    if not line.endswith(b"\n"):
        raise _wrong(path, "the NRRD header has no end (an empty line)")
    try:
        header = dict(pynrrd.read_header(lines))
    except (pynrrd.NRRDError, ValueError, TypeError, OverflowError, IndexError) as error:
        raise _wrong(path, f"the NRRD header is damaged ({error})") from error
    if any(name in header for name in ("data file", "datafile")):
        raise _wrong(
            path, "the header stands apart from its data", "save header and data in one .nrrd file (attached header)"
        )
    for name in ("type", "dimension", "sizes", "encoding"):
        if name not in header:
            raise _wrong(path, f"the NRRD header lacks the field '{name}'")
    if str(header["encoding"]).lower() not in _ENCODINGS:
        raise _wrong(path, f"the encoding '{header['encoding']}' is not read here", "save it as raw or gzip")
    for name in ("line skip", "lineskip", "byte skip", "byteskip"):
        if header.get(name, 0) != 0:
            raise _wrong(path, f"the header asks for '{name}: {header[name]}'", "save it again, without skips")
    return header


def _sizes(header: dict[str, Any], path: Path) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in np.atleast_1d(header["sizes"]))
    if len(sizes) != header["dimension"] or len(sizes) not in (3, 4):
        raise GeometryError(
            f"the image has dimension {header['dimension']} and sizes {sizes}; three axes in space are needed",
            where=str(path),
            remedy="export one volume, or a segmentation with its layers",
        )
    return sizes


def _dtype(header: dict[str, Any], path: Path) -> np.dtype[Any]:
    name = str(header["type"])
    if name not in _NUMPY_TYPES:
        raise _wrong(path, f"samples of type '{name}' are not read here", "save it as integers or floats")
    code = _NUMPY_TYPES[name]
    if code.endswith("1") or _ENCODINGS[str(header["encoding"]).lower()] == "ascii":
        return np.dtype(code)
    if header.get("endian") not in _ENDIANS:
        raise _wrong(path, "the NRRD header does not say 'endian: little' or 'endian: big'")
    return np.dtype(_ENDIANS[header["endian"]] + code)


def _matrix(header: dict[str, Any], path: Path) -> tuple[FloatArray, tuple[int, int, int]]:
    """Affine index -> LPS mm, and which axes of the file are i, j and k."""
    missing = [name for name in ("space", "space directions", "space origin") if name not in header]
    if missing:
        rest = " (spacings alone do not say the place)" if "spacings" in header else ""
        raise GeometryError(
            f"the header lacks {', '.join(repr(name) for name in missing)}, so nobody knows where the image lies in the "
            f"patient{rest}",
            where=str(path),
            remedy="export it again from a program that knows the position",
        )
    space = str(header["space"]).lower()
    if space not in _TO_LPS:
        raise GeometryError(
            f"the space '{header['space']}' is no patient's frame",
            where=str(path),
            remedy="export it in left-posterior-superior (or RAS, LAS)",
        )
    if any(str(unit) not in ("mm", "") for unit in header.get("space units", ())):
        raise GeometryError(
            f"the unit of length is {header['space units']}", where=str(path), remedy="export it in millimetres"
        )
    directions = np.asarray(header["space directions"], dtype=np.float64)
    origin = np.asarray(header["space origin"], dtype=np.float64)
    if directions.shape != (header["dimension"], 3) or origin.shape != (3,):
        raise GeometryError(
            "'space directions' and 'space origin' do not fit the dimension of the image",
            where=str(path),
            remedy="export the file again",
        )
    spatial = tuple(int(axis) for axis in np.flatnonzero(np.all(np.isfinite(directions), axis=1)))
    if len(spatial) != 3:
        raise GeometryError(
            f"{len(spatial)} of the {header['dimension']} axes have a direction in space; three must",
            where=str(path),
            remedy="export one volume, or a segmentation with its layers",
        )
    flip = np.array(_TO_LPS[space])
    matrix = np.eye(4)
    matrix[:3, :3] = flip[:, None] * directions[list(spatial)].T
    matrix[:3, 3] = flip * origin
    return matrix, (spatial[0], spatial[1], spatial[2])


def _numbers(text: bytes, dtype: np.dtype[Any], count: int, path: Path) -> npt.NDArray[Any]:
    """Samples of the text encoding; ``count`` bounds them, for each takes two bytes at least."""
    words = text.split()
    if len(words) != count:
        raise _wrong(path, f"{len(words)} numbers follow a header that needs {count}")
    try:
        values = np.array([float(word) for word in words])
        exact = values.astype(dtype)
    except (ValueError, OverflowError) as error:
        raise _wrong(path, f"a sample is no number ({error})") from error
    if dtype.kind in "iu" and not np.array_equal(exact.astype(np.float64), values):
        raise _wrong(path, f"a sample does not fit the type '{dtype}' of the header")
    return exact
