"""Bytes of image files, with their number bounded before anything is allocated."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ytterby.errors import FileFormatError

__all__ = ["MAX_VOXELS", "checked_count", "decompressed", "exact_bytes", "opened"]

MAX_VOXELS = 2_000_000_000
"""More voxels than any clinical image has (1024 x 1024 x 1900); a header that claims more is damaged or hostile."""

# Deflate cannot shrink data by more than 1032:1, so a short file cannot hold what a hostile header claims.
_DEFLATE_LIMIT = 1100


def opened(path: Path) -> IO[bytes]:
    """The file, open for reading; FileFormatError where it is missing or cannot be read."""
    try:
        return path.open("rb")
    except OSError as error:
        raise FileFormatError(
            f"the file cannot be read ({error.strerror or error})", where=str(path), remedy="check path and permissions"
        ) from error


def checked_count(shape: Sequence[int], path: Path) -> int:
    """Number of voxels of a shape; FileFormatError when a side is below 1 or the product exceeds ``MAX_VOXELS``."""
    count = math.prod(int(n) for n in shape)
    if min(shape, default=0) < 1 or count > MAX_VOXELS:
        raise FileFormatError(
            f"the header claims an image of {' x '.join(str(int(n)) for n in shape) or 'no'} voxels",
            where=str(path),
            remedy="export the file again from the program that made it",
        )
    return count


def decompressed(handle: IO[bytes], encoding: str) -> IO[bytes]:
    """A stream of the bytes behind ``handle``'s position; ``encoding`` is "raw", "gzip" or "bzip2"."""
    if encoding == "gzip":
        return gzip.GzipFile(fileobj=handle, mode="rb")  # type: ignore[return-value]
    if encoding == "bzip2":
        return bz2.BZ2File(handle)
    return handle


def exact_bytes(handle: IO[bytes], size: int, path: Path, *, encoding: str, trailing: bool) -> bytes:
    """``size`` bytes from the position of ``handle`` on, decompressed.

    With ``trailing`` false, anything behind them is an error too (the header then does not describe the data).

    Raises
    ------
    FileFormatError
        The data are shorter or longer than the header says, or their compression is damaged.
    """
    start = handle.tell()
    available = handle.seek(0, io.SEEK_END) - start
    handle.seek(start)
    if (encoding == "raw" and available < size) or (encoding == "gzip" and available * _DEFLATE_LIMIT < size):
        raise _damaged(path, f"{available} bytes of data follow a header that needs {size} bytes")
    stream = decompressed(handle, encoding)
    try:
        data = stream.read(size)
        surplus = b"" if trailing else stream.read(1)
        if trailing and encoding != "raw":
            _drain(stream)  # the checksum stands at the end
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(path, f"the compressed data end too early or are damaged ({error})") from error
    if len(data) < size:
        raise _damaged(path, f"{len(data)} bytes of data follow a header that needs {size} bytes")
    if surplus:
        raise _damaged(path, f"more than the {size} bytes follow that the header describes")
    return data


def _drain(stream: IO[bytes], *, limit: int = 1 << 28) -> None:
    left = limit
    while left > 0 and (chunk := stream.read(1 << 20)):
        left -= len(chunk)


def _damaged(path: Path, what: str) -> FileFormatError:
    return FileFormatError(what, where=str(path), remedy="copy or export the file again")
