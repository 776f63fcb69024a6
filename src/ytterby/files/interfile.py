"""Interfile 3.3 images (.h33 or .hv beside their data): what SIMIND, STIR and simulated phantoms come in.

Source: Todd-Pokropek, Cradduck, Deconinck, A file format for the exchange of nuclear medicine image data: a specification of
Interfile version 3.3, Nucl Med Commun 1992; 13: 673-699.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ytterby.errors import FileFormatError, GeometryError, Problem
from ytterby.files.bounded import checked_count, exact_bytes, opened
from ytterby.files.voxels import finite_float
from ytterby.model.volume import Grid, Quantity, Volume

__all__ = ["INTERFILE_SUFFIXES", "InterfileImage", "read_interfile"]

INTERFILE_SUFFIXES = (".h33", ".hv")
"""Endings of header files, in lower case."""

_HEADER_LIMIT_BYTES = 1 << 20
_TYPES = {"signed integer": "i", "unsigned integer": "u", "short float": "f", "long float": "f", "float": "f"}
_ENDIANS = {"littleendian": "<", "bigendian": ">"}
# Slices of three pixels and more are not made: such a number is in mm, whatever its key says.
_MOST_PIXELS_A_SLICE = 3.0


@dataclass(frozen=True, eq=False)
class InterfileImage:
    """The volume of an Interfile (quantity UNSTATED), and what its header leaves open."""

    volume: Volume
    problems: tuple[Problem, ...]


def read_interfile(path: Path) -> InterfileImage:
    """The image that an Interfile header describes; its data lie in a file beside it.

    Interfile does not say where the image lies in the patient: the grid is centred on the origin, columns towards the left,
    rows towards the back, slices towards the head, and the image says so as a problem. ``slice thickness (pixels)`` is in
    pixels by definition; where that would be three pixels or more it is taken as mm, as some programs write it, and told.

    Raises
    ------
    FileFormatError
        The header is none, names no data beside it, or the data do not have the size that it says.
    GeometryError
        A size or a spacing is missing or makes no sense.
    """
    fields = _fields(path)
    columns, rows = (_whole(fields, f"matrix size [{axis}]", path) for axis in (1, 2))
    slices = _whole(fields, "matrix size [3]" if "matrix size [3]" in fields else "number of slices", path)
    images = _whole(fields, "total number of images", path) if "total number of images" in fields else slices
    if images != slices:
        raise GeometryError(
            f"{images} images for {slices} slices: one volume is read",
            where=str(path),
            remedy="export one volume (one energy window, one time)",
        )
    dtype = _dtype(fields, path)
    count = checked_count((columns, rows, slices), path)
    data = path.parent / _name_of_data(fields, path)
    with opened(data) as handle:
        handle.seek(_offset(fields, path))
        content = exact_bytes(handle, count * dtype.itemsize, data, encoding="raw", trailing=True)
    array = np.frombuffer(content, dtype=dtype).reshape(slices, rows, columns).transpose(2, 1, 0)
    width, height = (_positive(fields, f"scaling factor (mm/pixel) [{axis}]", path) for axis in (1, 2))
    step, problems = _step(fields, width, path)
    grid = Grid.axis_aligned((columns, rows, slices), (width, height, step))
    volume = Volume(finite_float(array, path), grid, Quantity.UNSTATED, source=path.name)
    return InterfileImage(volume, (_placeless(path), *problems))


def _fields(path: Path) -> dict[str, str]:
    with opened(path) as handle:
        lines = handle.read(_HEADER_LIMIT_BYTES).decode("latin-1").splitlines()
    if not lines or re.sub(r"[^a-z]", "", lines[0].lower()) != "interfile":
        raise FileFormatError("this is no Interfile header", where=str(path), remedy="give the header (.h33 or .hv)")
    fields: dict[str, str] = {}
    for line in lines[1:]:
        key, mark, value = line.partition(":=")
        if mark and not line.lstrip().startswith(";"):
            name = re.sub(r"\s+", " ", key.strip().lstrip("!").lower())
            if name == "end of interfile":
                break
            # Of keys that stand twice the first holds.
            fields.setdefault(re.sub(r" ?\[ ?(\d) ?\]", r" [\1]", name), value.strip())
    return fields


def _text(fields: dict[str, str], key: str, path: Path) -> str:
    if not fields.get(key):
        raise GeometryError(
            f"'{key}' is missing from the Interfile header", where=str(path), remedy="complete the header"
        )
    return fields[key]


def _positive(fields: dict[str, str], key: str, path: Path) -> float:
    written = _text(fields, key, path)
    try:
        value = float(written)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1e6:
        raise GeometryError(f"'{key}' is '{written[:40]}'", where=str(path), remedy="correct the header")
    return value


def _whole(fields: dict[str, str], key: str, path: Path) -> int:
    value = _positive(fields, key, path)
    if value != int(value):
        raise GeometryError(f"'{key}' is {value:g}, no whole number", where=str(path), remedy="correct the header")
    return int(value)


def _dtype(fields: dict[str, str], path: Path) -> np.dtype[np.generic]:
    words = _text(fields, "number format", path).lower()
    size = _whole(fields, "number of bytes per pixel", path)
    order = fields.get("imagedata byte order", "").lower()
    if words not in _TYPES or size not in ((4, 8) if _TYPES[words] == "f" else (1, 2, 4)):
        raise FileFormatError(
            f"samples of '{words[:40]}' of {size} bytes are not read",
            where=str(path),
            remedy="export integers or floats",
        )
    if size > 1 and order not in _ENDIANS:
        raise FileFormatError(
            f"the byte order is '{order[:40]}'", where=str(path), remedy="state LITTLEENDIAN or BIGENDIAN in the header"
        )
    return np.dtype(f"{_ENDIANS.get(order, '<')}{_TYPES[words]}{size}")


def _name_of_data(fields: dict[str, str], path: Path) -> str:
    name = _text(fields, "name of data file", path)
    if Path(name).name != name or name in (".", ".."):
        raise FileFormatError(
            f"the data are named '{name[:60]}', which is no file beside the header",
            where=str(path),
            remedy="put both into one folder, and name the data without a path",
        )
    return name


def _offset(fields: dict[str, str], path: Path) -> int:
    written = fields.get("data offset in bytes", "0") or "0"
    if not re.fullmatch(r"\d{1,12}", written):
        raise FileFormatError(f"the data offset is '{written[:40]}'", where=str(path), remedy="correct the header")
    return int(written)


def _step(fields: dict[str, str], width_mm: float, path: Path) -> tuple[float, tuple[Problem, ...]]:
    if "scaling factor (mm/pixel) [3]" in fields:
        return _positive(fields, "scaling factor (mm/pixel) [3]", path), ()
    thickness = _positive(fields, "slice thickness (pixels)", path)
    if thickness < _MOST_PIXELS_A_SLICE:
        return thickness * width_mm, ()
    told = Problem(
        "amber",
        f"'slice thickness (pixels)' is {thickness:g}, which would be {thickness * width_mm:.4g} mm: it is taken as mm",
        path.name,
        remedy="check the length of the patient along the slices",
    )
    return thickness, (told,)


def _placeless(path: Path) -> Problem:
    return Problem(
        "amber",
        "Interfile does not say where the image lies in the patient: it is centred, slices towards the head",
        path.name,
        remedy="check the orientation by eye, and overlay it only with images of the same source",
    )
