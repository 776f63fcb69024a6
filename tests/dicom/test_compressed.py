"""Compressed pixels: decoded as dcmtk and openjpeg encode them, refused in words where they are damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openjpeg.utils import encode_array
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import UID

from ytterby.dicom.compressed import decoded_frames
from ytterby.dicom.header import open_header, open_object, quiet
from ytterby.dicom.jpeglossless import decode_lossless
from ytterby.dicom.pixels import pixel_problem, read_patterns, stored_pixels, stored_values
from ytterby.dicom.write import DicomHeader, write_nm_recon_tomo
from ytterby.errors import DicomError
from ytterby.model.volume import Grid, Quantity, Volume

JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.70")
JPEG_2000 = UID("1.2.840.10008.1.2.4.90")
RLE = UID("1.2.840.10008.1.2.5")
DAMAGED = 300  # streams of each kind; the long run takes more


def picture(rows: int, columns: int, bits: int, *, signed: bool, seed: int = 1) -> np.ndarray:
    """Waves, noise, a flat part and the two ends of the range."""
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    noise = np.random.default_rng(seed).normal(0, 0.02, (rows, columns))
    image = np.rint((0.5 + 0.4 * np.sin(x / 5) * np.cos(y / 4) + noise) * (2**bits - 1)).astype(np.int64)
    image[: rows // 4] = 2 ** (bits - 1)
    image[-1, :2] = 0, 2**bits - 1
    image = np.clip(image, 0, 2**bits - 1) - (2 ** (bits - 1) if signed else 0)
    return image.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


@pytest.fixture
def stored(tmp_path: Path, header: DicomHeader) -> Callable[..., Path]:
    """A file whose pixels are those given, uncompressed."""

    def written(pixels: np.ndarray, bits: int) -> Path:
        frames = pixels.reshape(-1, *pixels.shape[-2:])
        volume = Volume(np.zeros(frames.shape[::-1]), Grid(frames.shape[::-1], np.eye(4)), Quantity.COUNTS)
        path = write_nm_recon_tomo(volume, tmp_path / "stored.dcm", header)
        dataset = pydicom.dcmread(path)
        dataset.PixelData = frames.tobytes() + b"\0" * (frames.nbytes % 2)
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * frames.itemsize, bits, bits - 1
        dataset.PixelRepresentation = int(frames.dtype.kind == "i")
        dataset["PixelData"].VR = "OB" if frames.itemsize == 1 else "OW"
        dataset.save_as(path)
        return path

    return written


def read(path: Path) -> np.ndarray:
    """Stored values, which are the same whether the object is opened whole or its pixels are taken from the file."""
    whole = stored_pixels(open_object(path), str(path))
    patterns, pixels = read_patterns(open_header(path))
    np.testing.assert_array_equal(whole, stored_values(patterns, pixels))
    return whole


# ---------------------------------------------------------------- as others encode them


@pytest.mark.parametrize(("bits", "signed"), [(16, True), (16, False), (12, True), (12, False), (8, False)])
def test_jpeg_lossless_is_what_dcmtk_encodes(
    bits: int, signed: bool, stored: Callable[..., Path], dcmtk: Callable[..., None], tmp_path: Path
) -> None:
    image = picture(41, 33, bits, signed=signed)
    path = stored(image, bits)
    for predictor in range(1, 8):
        dcmtk("dcmcjpeg", "+el", "+sv", predictor, path, tmp_path / "c.dcm")
        np.testing.assert_array_equal(read(tmp_path / "c.dcm")[0], image)
    dcmtk("dcmcjpeg", "+e1", path, tmp_path / "c.dcm")
    np.testing.assert_array_equal(read(tmp_path / "c.dcm")[0], image)
    assert pixel_problem(open_header(tmp_path / "c.dcm")) == ""


def test_a_point_transform_is_undone_as_dcmtk_does(
    stored: Callable[..., Path], dcmtk: Callable[..., None], tmp_path: Path
) -> None:
    image = picture(41, 33, 12, signed=False)
    dcmtk("dcmcjpeg", "+el", "+sv", 4, "+pt", 3, stored(image, 12), tmp_path / "c.dcm")
    dcmtk("dcmdjpeg", tmp_path / "c.dcm", tmp_path / "d.dcm")
    np.testing.assert_array_equal(read(tmp_path / "c.dcm"), read(tmp_path / "d.dcm"))
    np.testing.assert_array_equal(read(tmp_path / "c.dcm")[0], image >> 3 << 3)


@pytest.mark.parametrize(("bits", "signed"), [(16, True), (12, False), (8, False)])
def test_rle_is_what_dcmtk_encodes(
    bits: int, signed: bool, stored: Callable[..., Path], dcmtk: Callable[..., None], tmp_path: Path
) -> None:
    image = np.stack([picture(31, 23, bits, signed=signed, seed=k) for k in range(3)])
    dcmtk("dcmcrle", stored(image, bits), tmp_path / "c.dcm")
    np.testing.assert_array_equal(read(tmp_path / "c.dcm"), image)


@pytest.mark.parametrize(("bits", "signed"), [(16, True), (16, False), (12, True), (8, False)])
def test_jpeg_2000_is_what_openjpeg_encodes(
    bits: int, signed: bool, stored: Callable[..., Path], tmp_path: Path
) -> None:
    image = picture(41, 33, bits, signed=signed)
    stream = encode_array(image, bits_stored=bits)
    compressed(stored(image, bits), tmp_path / "c.dcm", encapsulate([stream]), JPEG_2000)
    np.testing.assert_array_equal(read(tmp_path / "c.dcm")[0], image)


def compressed(source: Path, target: Path, content: bytes, syntax: UID) -> None:
    dataset = pydicom.dcmread(source)
    dataset.PixelData = content
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(target)


# ---------------------------------------------------------------- an encoder of our own, for what dcmtk does not write


def categories(differences: np.ndarray) -> Iterator[tuple[int, int]]:
    for value in differences.tolist():
        # Modulo 65536, as T.81 H.1.2.1 has it.
        signed = (value + 32768) % 65536 - 32768
        if signed == -32768:
            yield 16, 0
        else:
            size = abs(signed).bit_length()
            yield size, signed if signed > 0 else signed + (1 << size) - 1


def encoded(image: np.ndarray, bits: int, *, lines: int = 0, fill: bytes = b"") -> bytes:
    """JPEG lossless of an image with predictor 1 and a restart after so many lines; all codes have 5 bits."""
    rows, columns = image.shape
    values = image.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    for row in range(0, rows, lines or rows):
        predicted[row, 0] = 1 << (bits - 1)
    scan = b""
    for row in range(0, rows, lines or rows):
        text = "".join(
            f"{size:05b}" + (f"{more:0{size}b}" if 0 < size < 16 else "")
            for size, more in categories((values - predicted)[row : row + (lines or rows)].ravel())
        )
        text += "1" * (-len(text) % 8)
        part = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
        scan += part + (b"\xff" * 2 + bytes([0xD0 + row // lines % 8]) if lines and row + lines < rows else b"")
    tables = bytes([0, *[0] * 4, 17, *[0] * 11, *range(17)])
    return (
        b"\xff\xd8" + fill
        + b"\xff\xc4" + struct.pack(">H", 2 + len(tables)) + tables
        + (b"\xff\xdd" + struct.pack(">HH", 4, lines * columns) if lines else b"")
        + b"\xff\xc3" + struct.pack(">HBHHB3B", 11, bits, rows, columns, 1, 1, 0x11, 0)
        + b"\xff\xda" + struct.pack(">HB5B", 8, 1, 1, 0, 1, 0, 0)
        + scan + b"\xff\xd9"
    )  # fmt: skip


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bits=st.integers(2, 16),
    lines=st.integers(0, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_restarts_and_every_depth(shape: tuple[int, int], bits: int, lines: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 2**bits, size=shape)
    comment = b"\xff\xfe\x00\x05abc"
    stream = encoded(image, bits, lines=lines, fill=comment)
    found = decode_lossless(stream, rows=shape[0], columns=shape[1], bits=8 if bits <= 8 else 16, where="x")
    np.testing.assert_array_equal(found, image)


def test_restarts_are_read_as_dcmtk_reads_them(
    stored: Callable[..., Path], dcmtk: Callable[..., None], tmp_path: Path
) -> None:
    image = picture(20, 9, 12, signed=False)
    compressed(stored(image, 12), tmp_path / "c.dcm", encapsulate([encoded(image, 12, lines=2)]), JPEG_LOSSLESS)
    dcmtk("dcmdjpeg", tmp_path / "c.dcm", tmp_path / "d.dcm")
    np.testing.assert_array_equal(read(tmp_path / "d.dcm")[0], image)
    np.testing.assert_array_equal(read(tmp_path / "c.dcm")[0], image)


# ---------------------------------------------------------------- frames


def test_frames_are_found_with_and_without_their_table(stored: Callable[..., Path], tmp_path: Path) -> None:
    image = np.stack([picture(9, 8, 12, signed=False, seed=k) for k in range(3)])
    source, path = stored(image, 12), tmp_path / "c.dcm"
    streams = [encoded(frame, 12) for frame in image]
    for content in (
        encapsulate(streams, has_bot=True),
        encapsulate(streams, has_bot=False),
        encapsulate(streams, fragments_per_frame=2, has_bot=True),
        encapsulate(streams, fragments_per_frame=2, has_bot=False),
    ):
        compressed(source, path, content, JPEG_LOSSLESS)
        np.testing.assert_array_equal(read(path), image)
    content, table, lengths = encapsulate_extended(streams)
    compressed(source, path, content, JPEG_LOSSLESS)
    dataset = pydicom.dcmread(path)
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = table, lengths
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path), image)


def test_missing_frames_are_counted() -> None:
    image = picture(9, 8, 12, signed=False)
    content = encapsulate([encoded(image, 12)] * 2, has_bot=True)
    with pytest.raises(DicomError, match="it holds 2 frames, where 3 are stated"):
        decoded_frames(content, JPEG_LOSSLESS, (3, 9, 8), bits=16, where="x")
    with pytest.raises(DicomError, match="cannot hold 1000000000 frames"):
        decoded_frames(content, JPEG_LOSSLESS, (10**9, 1, 1), bits=16, where="x")


@pytest.mark.parametrize(
    "syntax",
    [
        "JPEGBaseline8Bit",
        "JPEGExtended12Bit",
        "JPEGLSLossless",
        "JPEGLSNearLossless",
        "HTJ2KLossless",
        "HTJ2K",
        "MPEG2MPML",
    ],
)
def test_other_syntaxes_are_named(syntax: str, stored: Callable[..., Path], tmp_path: Path) -> None:
    uid = getattr(pydicom.uid, syntax)
    compressed(stored(picture(9, 8, 8, signed=False), 8), tmp_path / "c.dcm", encapsulate([bytes(100)]), uid)
    assert pixel_problem(open_header(tmp_path / "c.dcm")).startswith(f"compressed as {uid.name}: not read")
    with pytest.raises(DicomError, match="not read") as caught:
        read(tmp_path / "c.dcm")
    assert caught.value.remedy == "export it as Explicit VR Little Endian"


# ---------------------------------------------------------------- damage


def changed(stream: bytes, old: bytes, new: bytes) -> bytes:
    assert stream.count(old) >= 1
    return stream.replace(old, new, 1)


def test_what_is_wrong_with_a_jpeg_lossless_stream_is_said() -> None:
    image = picture(9, 8, 12, signed=False)
    good = encoded(image, 12, lines=3)
    frame = struct.pack(">HBHHB3B", 11, 12, 9, 8, 1, 1, 0x11, 0)
    for stream, message in (
        (b"", "does not begin as a JPEG stream"),
        (good[:2], "a marker is missing"),
        (good[:20], "a segment is cut off"),
        (good[:-12], "ends before the last sample"),
        (changed(good, b"\xff\xff\xd0", b"\xff\xff\xd1"), "a restart marker is missing"),
        (changed(good, frame, struct.pack(">HBHHB3B", 11, 12, 9, 65535, 1, 1, 0x11, 0)), "9 x 65535 samples"),
        (changed(good, frame, struct.pack(">HBHHB3B", 11, 17, 9, 8, 1, 1, 0x11, 0)), "17 bits a sample"),
        (changed(good, frame, struct.pack(">HBHHB3B", 11, 12, 9, 8, 3, 1, 0x11, 0)), "frame header is damaged"),
        (changed(good, frame, struct.pack(">HBHHB9B", 17, 12, 9, 8, 3, *[1, 17, 0] * 3)), "3 components"),
        (changed(good, b"\xff\xc3", b"\xff\xc0"), "another process of JPEG (marker FFC0)"),
        (changed(good, b"\xff\xda\x00\x08\x01\x01\x00\x01", b"\xff\xda\x00\x08\x01\x01\x00\x08"), "predictor 8"),
        (changed(good, b"\xff\xda\x00\x08\x01\x01\x00", b"\xff\xda\x00\x08\x01\x01\x10"), "a Huffman table is missing"),
        (
            changed(good, b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00", b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x0c"),
            "no bits",
        ),
        (changed(good, b"\xff\xdd\x00\x04\x00\x18", b"\xff\xdd\x00\x04\x00\x17"), "no number of whole lines"),
        (changed(good, bytes([17, *[0] * 11]), bytes([33, *[0] * 11])), "Huffman table is damaged"),
        (changed(good, bytes(range(17)), bytes([*range(16), 17])), "Huffman table is damaged"),
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 5000, "more than 4096 segments"),
        (changed(encoded(image, 12), frame, struct.pack(">HBHHB3B", 11, 8, 9, 8, 1, 1, 0x11, 0)), "beyond the stated"),
    ):
        with pytest.raises(DicomError) as caught:
            decode_lossless(stream, rows=9, columns=8, bits=16, where="IM7")
        assert message in caught.value.what
        assert caught.value.where == "IM7"


def damaged(stream: bytes, rng: np.random.Generator) -> bytes:
    """The stream with some bytes changed, cut out or repeated; the damage is as often in the header as behind it."""
    content = bytearray(stream)
    reach = len(content) if rng.random() < 0.5 else min(80, len(content))
    for place in rng.integers(0, reach, size=rng.integers(1, 6)):
        content[place] = rng.integers(0, 256)
    if rng.random() < 0.3:
        del content[rng.integers(2, len(content)) :]
    elif rng.random() < 0.3:
        start = int(rng.integers(0, len(content)))
        content[start:start] = content[start : start + int(rng.integers(1, 40))]
    return bytes(content)


def streams(dcmtk: Callable[..., None], stored: Callable[..., Path], tmp_path: Path) -> dict[UID, bytes]:
    """A stream of each kind, of one image of 41 x 33 samples with 12 bits."""
    image = picture(41, 33, 12, signed=False)
    path = stored(image, 12)
    dcmtk("dcmcrle", path, tmp_path / "rle.dcm")
    return {
        JPEG_LOSSLESS: encoded(image, 12, lines=4),
        JPEG_2000: encode_array(image, bits_stored=12),
        RLE: next(generate_frames(pydicom.dcmread(tmp_path / "rle.dcm").PixelData, number_of_frames=1)),
    }


def refusal(content: bytes, syntax: UID) -> DicomError | None:
    """What is said of encapsulated pixels; None when they are read."""
    try:
        assert decoded_frames(content, syntax, (1, 41, 33), bits=16, where="IM7").shape == (1, 41, 33)
    except DicomError as error:
        return error
    return None


def survivors(stream: bytes, syntax: UID, count: int) -> int:
    """How many of so many damaged streams still gave pixels; the others must be told in words."""
    rng = np.random.default_rng(11)
    survived = 0
    for number in range(count):
        content = encapsulate([damaged(stream, rng)])
        if number % 10 == 0:  # the frames' own headers are damaged too
            content = damaged(content, rng)
        told = refusal(content, syntax)
        survived += told is None
        assert told is None or (told.where == "IM7" and told.remedy)
    return survived


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_2000, RLE], ids=["jpeg_lossless", "jpeg_2000", "rle"])
def test_damaged_streams_are_told(
    syntax: UID, dcmtk: Callable[..., None], stored: Callable[..., Path], tmp_path: Path
) -> None:
    assert 0 < survivors(streams(dcmtk, stored, tmp_path)[syntax], syntax, DAMAGED) < DAMAGED


@pytest.mark.slow
@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_2000, RLE], ids=["jpeg_lossless", "jpeg_2000", "rle"])
def test_thousands_of_damaged_streams_are_told(
    syntax: UID, dcmtk: Callable[..., None], stored: Callable[..., Path], tmp_path: Path
) -> None:
    assert 0 < survivors(streams(dcmtk, stored, tmp_path)[syntax], syntax, 5000) < 5000


def test_a_file_that_ends_within_its_fragments_is_called_truncated(stored: Callable[..., Path], tmp_path: Path) -> None:
    dataset = pydicom.dcmread(stored(picture(41, 33, 16, signed=False), 16))
    dataset.compress(RLE)
    dataset.save_as(tmp_path / "whole.dcm")
    assert pixel_problem(open_header(tmp_path / "whole.dcm")) == ""
    cut = tmp_path / "cut.dcm"
    cut.write_bytes((tmp_path / "whole.dcm").read_bytes()[:-200])
    assert "the pixel data is truncated" in pixel_problem(open_header(cut))
    with quiet(), pytest.raises(DicomError, match="truncated: the file ends within element"):
        open_object(cut)
    with pytest.raises(DicomError, match="cannot be decoded"):
        read_patterns(open_header(cut))
