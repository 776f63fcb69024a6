"""Interfile: sizes, samples and spacing as the header says, and its traps told."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ytterby.errors import FileFormatError, GeometryError, InputError
from ytterby.files.interfile import read_interfile

HEADER = {
    "!INTERFILE ": "",
    "!imaging modality ": "nucmed",
    "!data offset in bytes ": "0",
    "!name of data file ": "map.i33",
    "imagedata byte order ": "LITTLEENDIAN",
    "!total number of images ": "4",
    "!matrix size [1] ": "2",
    "!matrix size [2] ": "3",
    "!number format ": "unsigned integer",
    "!number of bytes per pixel ": "2",
    "scaling factor (mm/pixel) [1] ": "2.5",
    "scaling factor (mm/pixel) [2] ": "2.0",
    "!number of slices ": "4",
    "slice thickness (pixels) ": "1.2",
    "!END OF INTERFILE ": "",
}
DATA = np.arange(24, dtype="<u2").tobytes()


def written(folder: Path, data: bytes = DATA, **changes: str | None) -> Path:
    fields = dict(HEADER)
    for name, value in changes.items():
        (key,) = [key for key in HEADER if key.strip("! ").replace(" ", "_") == name]
        if value is None:
            del fields[key]
        else:
            fields[key] = value
    path = folder / "map.h33"
    path.write_text("".join(f"{key}:= {value}\n" for key, value in fields.items()))
    (folder / "map.i33").write_bytes(data)
    return path


def test_columns_run_fastest_then_rows_then_slices(tmp_path: Path) -> None:
    image = read_interfile(written(tmp_path))
    assert image.volume.grid.shape == (2, 3, 4)
    np.testing.assert_allclose(image.volume.grid.spacing_mm, (2.5, 2.0, 3.0))  # 1.2 pixels of 2.5 mm
    assert image.volume.array[1, 0, 0] == 1
    assert image.volume.array[0, 1, 0] == 2
    assert image.volume.array[0, 0, 1] == 6
    assert [problem.level for problem in image.problems] == ["amber"]
    assert "does not say where" in image.problems[0].message


def test_samples_of_other_types(tmp_path: Path) -> None:
    big = (np.arange(24) / 7).astype(">f4")
    path = written(
        tmp_path,
        big.tobytes(),
        number_format="short float",
        number_of_bytes_per_pixel="4",
        imagedata_byte_order="BIGENDIAN",
    )
    np.testing.assert_array_equal(read_interfile(path).volume.array.transpose(2, 1, 0).ravel(), big)
    path = written(tmp_path, b"head" + DATA + b"tail", data_offset_in_bytes="4")
    assert read_interfile(path).volume.array[1, 2, 3] == 23


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name_of_data_file": "../map.i33"}, "no file beside the header"),
        ({"name_of_data_file": "absent.i33"}, r"absent\.i33.*cannot be read"),
        ({"name_of_data_file": None}, "'name of data file' is missing"),
        ({"number_of_bytes_per_pixel": "3"}, "3 bytes are not read"),
        ({"number_format": "bit"}, "are not read"),
        ({"imagedata_byte_order": None}, "the byte order is"),
        ({"number_of_slices": "2.5"}, "no whole number"),
        ({"total_number_of_images": "8"}, "8 images for 4 slices"),
        ({"matrix_size_[1]": "-2"}, "is '-2'"),
        ({"matrix_size_[2]": "nan"}, "is 'nan'"),
        ({"data_offset_in_bytes": "-4"}, "the data offset"),
        ({"data_offset_in_bytes": "1"}, "47 bytes of data follow"),
        (
            {"number_of_slices": "900000", "total_number_of_images": "900000", "matrix_size_[1]": "90000"},
            "claims an image",
        ),
        ({"scaling_factor_(mm/pixel)_[1]": None}, "is missing"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_interfile(written(tmp_path, **changes))
    assert caught.value.remedy
    assert isinstance(caught.value, (FileFormatError, GeometryError))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"NRRD0004\n", bytes(range(256))):
        (tmp_path / "map.h33").write_bytes(content)
        with pytest.raises(FileFormatError, match="no Interfile header"):
            read_interfile(tmp_path / "map.h33")


@pytest.mark.external
def test_the_phantom_of_a_patient(external_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(external_data / "lu177_patient_phantom" / "sim_patient_LuDOTATATE_phantoms.zip") as archive:
        archive.extractall(tmp_path)
    (path,) = tmp_path.rglob("*_src.h33")
    image = read_interfile(path)
    assert image.volume.grid.shape == (108, 70, 90)
    np.testing.assert_allclose(image.volume.grid.spacing_mm, (3.9063, 3.9063, 4.4196))
    assert any("it is taken as mm" in problem.message for problem in image.problems)
    volumes = {
        code: round(float((image.volume.array == code).sum()) * image.volume.grid.voxel_volume_ml, 1)
        for code in range(15000, 21001, 1000)
    }
    assert volumes == {15000: 1037.3, 16000: 103.5, 17000: 138.4, 18000: 168.1, 19000: 6.3, 20000: 3.7, 21000: 6.1}
