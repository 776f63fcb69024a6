"""multipart/related (RFC 2387) as DICOMweb sends it: part after part from a stream, never the whole in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ytterby.errors import NetworkError

__all__ = ["boundary_of", "parts"]

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?', re.IGNORECASE)
_MOST_HEADER = 2**14


def boundary_of(content_type: str, where: str) -> bytes:
    """Boundary of a multipart answer; NetworkError when the content type names none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().lstrip().startswith("multipart/related") or found is None:
        raise NetworkError(
            f"it answers with '{content_type[:80]}' instead of parts",
            where=where,
            remedy="check the address of DICOMweb",
        )
    return found.group(1).rstrip().encode("ascii")


def parts(
    pieces: Iterator[bytes],
    boundary: bytes,
    opened: Callable[[], BinaryIO],
    *,
    most_parts: int,
    most_bytes: int,
    where: str,
) -> Iterator[BinaryIO]:
    """Each part, written to the file that ``opened`` gives for it; the file is the caller's to close.

    Raises
    ------
    NetworkError
        The stream ends early, or has too many parts or a part that is too large.
    """
    stream = _Stream(pieces, where)
    mark = b"\r\n--" + boundary
    # The first boundary may open the body without a line before it.
    stream.buffer += b"\r\n"
    stream.skip_to(mark)
    for number in range(most_parts + 1):
        after = stream.take(2)
        if after == b"--":
            return
        if number == most_parts:
            raise NetworkError(f"more than {most_parts} parts", where=where, remedy="report it to those who run it")
        stream.skip_header(after)
        file = opened()
        whole = False
        try:
            stream.copy_to(mark, file, most_bytes)
            whole = True
        finally:
            if not whole:
                file.close()
        yield file


class _Stream:
    """Bytes that come in pieces, looked at as one."""

    def __init__(self, pieces: Iterator[bytes], where: str) -> None:
        self.buffer = bytearray()
        self._pieces = pieces
        self._where = where

    def _more(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            raise NetworkError("the answer ends in the middle of a part", where=self._where, remedy="fetch it again")
        self.buffer += piece

    def take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def skip_to(self, mark: bytes) -> None:
        while (at := self.buffer.find(mark)) < 0:
            if len(self.buffer) > _MOST_HEADER:
                raise NetworkError("no part begins", where=self._where, remedy="check the address of DICOMweb")
            self._more()
        del self.buffer[: at + len(mark)]

    def skip_header(self, start: bytes) -> None:
        """Skip the rest of the boundary's line and the header of a part, up to its empty line."""
        self.buffer[:0] = start
        self.skip_to(b"\r\n\r\n")

    def copy_to(self, mark: bytes, file: BinaryIO, most_bytes: int) -> None:
        written = 0
        while True:
            at = self.buffer.find(mark)
            # The end of the buffer may be the beginning of the mark.
            end = at if at >= 0 else max(0, len(self.buffer) - len(mark) + 1)
            written += end
            if written > most_bytes:
                raise NetworkError(
                    f"a part has more than {most_bytes} bytes", where=self._where, remedy="allow more with --max-object"
                )
            file.write(self.buffer[:end])
            if at >= 0:
                del self.buffer[: at + len(mark)]
                return
            del self.buffer[:end]
            self._more()
