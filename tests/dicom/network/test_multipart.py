"""Parts of a web answer, however the network cuts it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dicom.network.multipart import boundary_of, parts
from ytterby.dicom.network.store import Outgoing, _portions
from ytterby.errors import NetworkError

CONTENTS = [b"", b"one", b"\r\n--bound", b"\r\n--boun\r\n--boundar", bytes(range(256)) * 3]


def body(contents: list[bytes]) -> bytes:
    head = b"--boundary\r\nContent-Type: application/dicom\r\n\r\n"
    return b"\r\n".join(head + content for content in contents) + b"\r\n--boundary--\r\n"


def read(whole: bytes, size: int, *, most_parts: int = 10, most_bytes: int = 10_000) -> list[bytes]:
    pieces = iter([whole[start : start + size] for start in range(0, len(whole), size)])
    bounds = {"most_parts": most_parts, "most_bytes": most_bytes, "where": "test"}
    return [file.getvalue() for file in parts(pieces, b"boundary", io.BytesIO, **bounds)]


@given(st.integers(1, 900))
def test_parts_come_whole_however_they_are_cut(size: int) -> None:
    assert read(body(CONTENTS), size) == CONTENTS


@given(st.integers(0, len(body(CONTENTS)) - 4), st.integers(1, 50))
def test_an_answer_that_breaks_off_is_told(end: int, size: int) -> None:
    with pytest.raises(NetworkError):
        read(body(CONTENTS)[:end], size)


def test_parts_are_bounded() -> None:
    with pytest.raises(NetworkError, match="more than 4 parts"):
        read(body(CONTENTS), 100, most_parts=4)
    with pytest.raises(NetworkError, match="more than 700 bytes"):
        read(body(CONTENTS), 100, most_bytes=700)
    with pytest.raises(NetworkError, match="no part begins"):
        read(bytes(100_000), 1000)


def test_the_boundary_is_named_by_the_header() -> None:
    assert boundary_of('multipart/related; type="application/dicom"; boundary=a-b', "test") == b"a-b"
    assert boundary_of('Multipart/Related; boundary="a b"; type=x', "test") == b"a b"
    for header in ("text/html", "multipart/related", "application/dicom; boundary=x"):
        with pytest.raises(NetworkError, match="instead of parts"):
            boundary_of(header, "test")


def test_more_kinds_than_one_association_carries_go_in_several(tmp_path) -> None:
    files = [Outgoing(tmp_path / f"{n}.dcm", f"1.2.{n % 300}", f"1.3.{n}", "1.2.840.10008.1.2.1") for n in range(600)]
    portions = list(_portions(files))
    assert [len({(file.sop_class, file.transfer_syntax) for file in portion}) for portion in portions] == [128, 128, 44]
    assert sorted(file.sop_uid for portion in portions for file in portion) == sorted(file.sop_uid for file in files)
