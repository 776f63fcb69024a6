from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ytterby.errors import FileFormatError, GeometryError, InputError, SegmentError
from ytterby.files.nifti import read_nifti, read_nifti_segments, write_nifti
from ytterby.model.segment import Role
from ytterby.model.volume import Grid, Quantity, Volume

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def rotation(degrees: float, axis: int) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    a, b = [n for n in range(3) if n != axis]
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = c, -s, s, c
    return matrix


def affine_of(spacing: tuple[float, ...], degrees: float = 0.0, origin: tuple[float, ...] = (1, 2, 3)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees, 2) @ rotation(degrees / 2, 0) @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


def saved(
    path: Path, array: np.ndarray, affine: np.ndarray, *, sform: int = 1, qform: int = 0, units: str = "mm"
) -> Path:
    image = nibabel.Nifti1Image(array, None)
    image.header.set_sform(affine if sform else None, code=sform)
    image.header.set_qform(affine if qform else None, code=qform)
    image.header.set_xyzt_units(units)
    nibabel.save(image, path)
    return path


RAMP = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


@pytest.mark.parametrize("degrees", [0.0, 23.0])
@pytest.mark.parametrize("spacing", [(2.0, 3.0, 4.0), (-2.0, 3.0, -4.0)])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_place_is_kept_for_flipped_and_oblique_images(
    tmp_path: Path, degrees: float, spacing: tuple[float, ...], form: str
) -> None:
    affine = affine_of(spacing, degrees)
    path = saved(tmp_path / "a.nii.gz", RAMP, affine, sform=int(form == "sform"), qform=int(form == "qform"))
    volume = read_nifti(path)
    assert np.array_equal(volume.array, RAMP)
    assert volume.quantity is Quantity.UNSTATED
    assert volume.source == "a.nii.gz"
    world = affine @ np.array([1, 2, 3, 1])  # RAS
    assert volume.grid.positions_mm([1, 2, 3])[0] == pytest.approx([-world[0], -world[1], world[2]], abs=1e-4)


def test_sform_goes_before_qform(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(RAMP, None)
    image.header.set_qform(affine_of((1, 1, 1)), code=1)
    image.header.set_sform(affine_of((5, 6, 7)), code=2)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii").grid.spacing_mm == pytest.approx((5, 6, 7))


def test_neither_form_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", RAMP, np.eye(4), sform=0, qform=0)
    with pytest.raises(GeometryError, match=r"a\.nii: neither sform nor qform is set.*What to do: .*sform_code"):
        read_nifti(path)


@pytest.mark.parametrize("units", ["meter", "micron"])
def test_other_units_of_length_are_refused(tmp_path: Path, units: str) -> None:
    with pytest.raises(GeometryError, match=f"unit of length is '{units}'"):
        read_nifti(saved(tmp_path / "a.nii", RAMP, affine_of((2, 2, 2)), units=units))


def test_an_unstated_unit_is_the_millimetre_only_where_it_can_be(tmp_path: Path) -> None:
    near = saved(tmp_path / "a.nii", RAMP, affine_of((2, 2, 2)), units="unknown")
    assert read_nifti(near).grid.spacing_mm == pytest.approx((2, 2, 2))
    far = saved(tmp_path / "b.nii", RAMP, affine_of((0.002, 0.002, 0.002)), units="unknown")
    with pytest.raises(GeometryError, match=r"unit of length is 'unknown' at a voxel spacing of 0\.002"):
        read_nifti(far)


def test_scaling_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(RAMP, affine_of((1, 1, 1)))
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(0.5, -10.0)
    nibabel.save(image, tmp_path / "a.nii")
    stored = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    assert np.array_equal(read_nifti(tmp_path / "a.nii").array, stored)
    assert stored.min() != stored.max()


def test_one_fourth_volume_is_dropped_and_two_are_refused(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.nii", RAMP[..., np.newaxis], affine_of((1, 1, 1)))
    assert read_nifti(one).grid.shape == (2, 3, 4)
    two = saved(tmp_path / "two.nii", np.stack([RAMP, RAMP], axis=-1), affine_of((1, 1, 1)))
    with pytest.raises(GeometryError, match=r"two\.nii: the image has the shape \(2, 3, 4, 2\)"):
        read_nifti(two)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
def test_sample_types_and_byte_orders(tmp_path: Path, byte_order: str, kind: str) -> None:
    header = nibabel.Nifti1Header(endianness=byte_order)
    header.set_data_dtype(kind)
    header.set_xyzt_units("mm")
    image = nibabel.Nifti1Image(RAMP.astype(byte_order + kind), affine_of((1, 2, 3)), header)
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_nifti(tmp_path / "a.nii")
    assert np.array_equal(volume.array, RAMP)
    assert volume.array.dtype == (np.float32 if kind in ("u1", "i2", "f4") else np.float64)


@given(
    array=hnp.arrays(np.float32, (3, 2, 4), elements=st.floats(-1e6, 1e6, width=32)),
    degrees=st.floats(-80, 80),
    spacing=st.tuples(*[st.floats(0.5, 9).flatmap(lambda x: st.sampled_from([x, -x]))] * 3),
)
def test_written_volumes_read_back(
    array: np.ndarray, degrees: float, spacing: tuple[float, ...], tmp_path_factory
) -> None:
    path = tmp_path_factory.mktemp("n") / "a.nii.gz"
    volume = Volume(array, Grid(array.shape, affine_of(spacing, degrees)), Quantity.DOSE)
    write_nifti(path, volume)
    again = read_nifti(path)
    assert np.array_equal(again.array, array)
    assert again.grid.same_as(volume.grid)


def test_the_same_volume_gives_the_same_bytes_whatever_the_name(tmp_path: Path) -> None:
    volume = Volume(RAMP.astype(np.float32), Grid(RAMP.shape, affine_of((1, 2, 3), 10)), Quantity.DOSE)
    write_nifti(tmp_path / "a.nii.gz", volume)
    write_nifti(tmp_path / "b.nii.gz", volume)
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content == (tmp_path / "b.nii.gz").read_bytes()
    assert content[3] == 0  # flags: no file name
    assert content[4:8] == bytes(4)  # no time stamp
    assert b"absorbed_dose_gy" in gzip.decompress(content)


def test_a_sheared_grid_is_written_without_a_qform(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    volume = Volume(RAMP.astype(np.float32), Grid(RAMP.shape, affine), Quantity.OTHER)
    write_nifti(tmp_path / "a.nii", volume)
    header = nibabel.load(tmp_path / "a.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 0)
    assert read_nifti(tmp_path / "a.nii").grid.same_as(volume.grid)


def test_integers_are_written_only_where_they_hold_the_samples(tmp_path: Path) -> None:
    grid = Grid(RAMP.shape, affine_of((1, 2, 3)))
    write_nifti(tmp_path / "a.nii", Volume(RAMP.astype(np.float32), grid, Quantity.OTHER), dtype=np.uint8)
    assert nibabel.load(tmp_path / "a.nii").header.get_data_dtype() == np.uint8
    with pytest.raises(FileFormatError, match=r"a\.nii: samples that are not whole numbers of type uint8"):
        write_nifti(tmp_path / "a.nii", Volume(RAMP * np.float32(0.5), grid, Quantity.OTHER), dtype=np.uint8)


def test_another_reader_finds_the_same_place(tmp_path: Path) -> None:
    import SimpleITK as sitk

    volume = Volume(RAMP.astype(np.float32), Grid(RAMP.shape, affine_of((-1, 2, 3), 31)), Quantity.DOSE)
    write_nifti(tmp_path / "a.nii.gz", volume)
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert image.TransformIndexToPhysicalPoint((1, 2, 3)) == pytest.approx(
        volume.grid.positions_mm([1, 2, 3])[0], abs=1e-4
    )
    assert image.GetPixel(1, 2, 3) == RAMP[1, 2, 3]


# ---------------------------------------------------------------- label maps


def test_labels_become_segments_in_their_order(tmp_path: Path) -> None:
    path = saved(tmp_path / "seg.nii.gz", (RAMP % 3).astype(np.uint8), affine_of((2, 2, 2)))
    two, one = read_nifti_segments(path, labels={2: "tumour", 1: "liver"})
    assert (two.name, one.name, one.role, one.method, one.source) == (
        "tumour",
        "liver",
        Role.OTHER,
        "imported",
        "seg.nii.gz",
    )
    assert np.array_equal(one.mask, RAMP % 3 == 1)
    assert two.volume_ml == pytest.approx(8 * 0.008)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({1: "liver", 7: "spleen"}, r"seg\.nii: label 7 \('spleen'\) is not in the file, which holds labels 1, 2"),
        ({0: "background"}, r"label 0 \('background'\)"),
        ({}, r"no labels are stated \(it holds labels 1, 2\).*labels: \{1: liver"),
        ({1: "liver", 2: "liver"}, "more than one segment is called 'liver'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: dict[int, str], message: str) -> None:
    path = saved(tmp_path / "seg.nii", (RAMP % 3).astype(np.uint8), affine_of((2, 2, 2)))
    with pytest.raises(SegmentError, match=message):
        read_nifti_segments(path, labels=labels)


def test_fractional_labels_are_refused_and_whole_floats_are_not(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.nii", (RAMP % 2).astype(np.float64), affine_of((2, 2, 2)))
    assert read_nifti_segments(whole, labels={1: "liver"})[0].volume_ml == pytest.approx(12 * 0.008)
    soft = saved(tmp_path / "soft.nii", (RAMP / 23).astype(np.float32), affine_of((2, 2, 2)))
    with pytest.raises(SegmentError, match=r"soft\.nii: the samples are no whole numbers"):
        read_nifti_segments(soft, labels={1: "liver"})


# ---------------------------------------------------------------- damaged and hostile files


def test_damaged_files_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 30000, (20, 20, 20)).astype(np.int16)
    path = saved(tmp_path / "a.nii.gz", noise, affine_of((1, 1, 1)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match=r"a\.nii\.gz: the compressed data end too early"):
        read_nifti(path)
    spoilt = bytearray(whole)
    spoilt[-6] ^= 255  # the checksum
    path.write_bytes(bytes(spoilt))
    with pytest.raises(FileFormatError, match="damaged"):
        read_nifti(path)
    plain = saved(tmp_path / "b.nii", noise, affine_of((1, 1, 1)))
    plain.write_bytes(plain.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=r"b\.nii: 16351 bytes of data follow a header that needs 16352"):
        read_nifti(plain)
    with pytest.raises(FileFormatError, match=r"none\.nii: the file cannot be read \(No such file"):
        read_nifti(tmp_path / "none.nii")


@pytest.mark.parametrize("content", [b"", b"NRRD0004\n", b"\x1f\x8b", bytes(400), b"\x5c\x01\x00\x00" + bytes(500)])
def test_what_is_no_nifti_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nii"):
        read_nifti(tmp_path / "a.nii")


def test_a_header_that_claims_too_much_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", RAMP, affine_of((1, 1, 1)))
    content = bytearray(path.read_bytes())
    content[40:48] = struct.pack("<4h", 3, 32767, 32767, 32767)
    path.write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match="the header claims an image of 32767 x 32767 x 32767 voxels"):
        read_nifti(path)
    content[40:48] = struct.pack("<4h", 3, 1000, 1000, 1000)
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(
        FileFormatError, match=r"b\.nii\.gz: \d+ bytes of data follow a header that needs 2000000352 bytes"
    ):
        read_nifti(packed)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    array = RAMP.astype(np.float32)
    array[0, 0, :2] = np.nan, np.inf
    with pytest.raises(FileFormatError, match="2 of 24 voxels are not finite numbers"):
        read_nifti(saved(tmp_path / "a.nii", array, affine_of((1, 1, 1))))
    with pytest.raises(FileFormatError, match="not real numbers"):
        read_nifti(saved(tmp_path / "b.nii", RAMP.astype(np.complex64), affine_of((1, 1, 1))))


@given(changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_header_is_read_or_refused_by_an_error_of_ours(changes: list[tuple[int, int]], tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("h") / "a.nii"
    saved(path, RAMP, affine_of((1, 1, 1)), qform=1)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place] = value
    path.write_bytes(bytes(content))
    try:
        volume = read_nifti(path)
    except InputError as error:
        message = str(error)
    else:
        message = "a.nii"
        assert volume.array.shape == volume.grid.shape
    assert "a.nii" in message


# ---------------------------------------------------------------- real images


@pytest.mark.external
def test_real_liver_mask_and_ct(external_data: Path) -> None:
    folder = external_data / "ct_liver_totalseg"
    (liver,) = read_nifti_segments(folder / "masks_full" / "liver.nii.gz", labels={1: "liver"})
    ct = read_nifti(folder / "example_ct.nii.gz")
    assert liver.volume_ml == pytest.approx(1123.3, abs=0.05)
    assert liver.grid.same_as(ct.grid)
    assert float(ct.array[liver.mask].mean()) == pytest.approx(44.3, abs=0.05)
    assert float(ct.array[liver.mask].std()) == pytest.approx(16.7, abs=0.05)


@pytest.mark.external
def test_real_label_map_in_las_order(external_data: Path) -> None:
    path = external_data / "ct_liver_totalseg" / "example_seg_dicom.nii.gz"
    liver, aorta = read_nifti_segments(path, labels={5: "liver", 52: "aorta"})
    assert liver.volume_ml == pytest.approx(699.4, abs=0.05)
    assert aorta.grid.affine[0, 0] > 0  # stored right to left: its columns run to the patient's left, as DICOM's do
