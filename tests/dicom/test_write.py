"""What is written is valid DICOM, the same each time, and read back as it was; SimpleITK sees the same geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dicom.read import read_volume
from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.series import scan
from ytterby.dicom.write import (
    DicomHeader,
    content_uid,
    write_ct,
    write_dose,
    write_nm_recon_tomo,
    write_pet,
    write_segmentation,
)
from ytterby.dicom.write.identity import decimal
from ytterby.errors import CalibrationError, ConfigurationError, DomainError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

Y90 = {"half_life_seconds": 64.1 * 3600, "positron_fraction": 31.86e-6, "actual_frame_duration_ms": 900_000}


def at(volume: Volume, points_mm: np.ndarray) -> np.ndarray:
    """Samples at places in the patient, whatever the order of the axes."""
    index = np.rint(volume.grid.indices(points_mm)).astype(int)
    return np.asarray(volume.array[tuple(index.T)])


def centres(grid: Grid) -> np.ndarray:
    return grid.positions_mm(np.argwhere(np.ones(grid.shape, dtype=bool)))


def same_image(read: Volume, written: Volume, *, atol: float) -> None:
    points = centres(written.grid)
    assert read.array.size == written.array.size
    assert np.abs(read.grid.indices(points) - np.rint(read.grid.indices(points))).max() < 1e-6
    np.testing.assert_allclose(at(read, points), at(written, points), rtol=0, atol=atol)


def itk_places(image: sitk.Image, grid: Grid, *, atol: float = 1e-4) -> None:
    """The image's corners lie where the grid's do."""
    assert image.GetSize() == grid.shape
    last = [n - 1 for n in grid.shape]
    for corner in ([0, 0, 0], [last[0], 0, 0], [0, last[1], 0], last):
        place = image.TransformIndexToPhysicalPoint([int(n) for n in corner])
        np.testing.assert_allclose(place, grid.positions_mm(corner)[0], atol=atol)


def mirrored(volume: Volume) -> Volume:
    """The same image with its third axis the other way round (left-handed)."""
    affine = np.array(volume.grid.affine)
    affine[:3, 3] += affine[:3, 2] * (volume.grid.shape[2] - 1)
    affine[:3, 2] *= -1
    return replace(volume, array=volume.array[:, :, ::-1], grid=Grid(volume.grid.shape, affine))


def test_ct_comes_back(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path / "ct", header)
    assert len(paths) == hu.grid.shape[2]
    read = read_volume(tmp_path / "ct")
    assert read.quantity is Quantity.HU
    assert read.array.dtype == np.int16
    assert read.grid.same_as(hu.grid)
    assert read.frame_of_reference == header.frame_of_reference_uid
    np.testing.assert_array_equal(read.array, hu.array)


def test_left_handed_grids_are_turned_not_mirrored(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    write_ct(mirrored(hu), tmp_path, header)
    same_image(read_volume(tmp_path), hu, atol=0)


def test_nm_comes_back(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    read = read_volume(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header))
    assert read.quantity is Quantity.COUNTS
    assert read.grid.same_as(counts.grid)
    np.testing.assert_array_equal(read.array, counts.array)
    series = scan(tmp_path).series[0]
    assert (series.kind, series.role) == ("nm_recon_tomo", "maa_spect")
    assert [problem for problem in series.problems if problem.level != "green"] == []


def test_counts_beyond_16_bits_carry_their_scale(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    high = counts.with_array(counts.array * 12345.0)
    read = read_volume(write_nm_recon_tomo(high, tmp_path / "nm.dcm", header))
    assert read.quantity is Quantity.COUNTS
    np.testing.assert_allclose(read.array, high.array, atol=high.array.max() / 65535)
    assert pydicom.dcmread(tmp_path / "nm.dcm").pixel_array.max() == 65535


def test_pet_comes_back(concentration: Volume, header: DicomHeader, tmp_path: Path) -> None:
    write_pet(concentration, tmp_path, header, **Y90)
    read = read_volume(tmp_path, require_reference_time=True)
    assert read.quantity is Quantity.CONCENTRATION
    assert read.grid.same_as(concentration.grid)
    assert read.reference_time == concentration.reference_time
    for k in range(concentration.grid.shape[2]):
        plane = concentration.array[:, :, k]
        np.testing.assert_allclose(read.array[:, :, k], plane, rtol=0, atol=plane.max() / 32767)
    series = scan(tmp_path).series[0]
    assert (series.role, series.unit, series.problems) == ("y90_pet", "bq_ml", ())


def test_dose_comes_back(dose: Volume, header: DicomHeader, tmp_path: Path) -> None:
    for written in (dose, mirrored(dose)):
        read = read_volume(write_dose(written, tmp_path / "dose.dcm", header))
        assert read.quantity is Quantity.DOSE
        same_image(read, dose, atol=float(dose.array.max()) * 1e-7)


def test_dose_scale_is_exact_in_32_bits(dose: Volume, header: DicomHeader, tmp_path: Path) -> None:
    written = pydicom.dcmread(write_dose(dose, tmp_path / "dose.dcm", header))
    stored = written.pixel_array.astype(np.float64) * float(written.DoseGridScaling)
    np.testing.assert_allclose(stored, dose.array.transpose(2, 1, 0), rtol=0, atol=float(dose.array.max()) / 2**31)


def test_a_dose_of_zero_is_written(dose: Volume, header: DicomHeader, tmp_path: Path) -> None:
    assert read_volume(write_dose(dose.with_array(dose.array * 0), tmp_path / "d.dcm", header)).array.max() == 0


def test_segments_come_back(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    read = read_segments(write_segmentation(segments, tmp_path / "seg.dcm", header))
    assert [segment.name for segment in read] == ["Liver", "Tumor 1"]
    assert [segment.method for segment in read] == ["imported, semiautomatic ellipsoid", "imported, manual"]
    assert {segment.frame_of_reference for segment in read} == {header.frame_of_reference_uid}
    assert {segment.role for segment in read} == {Role.OTHER}
    for one, other in zip(read, segments, strict=True):
        assert one.grid.shape[2] == 4  # the last slice is empty and is not written
        np.testing.assert_array_equal(one.on_grid(other.grid).mask, other.mask)
        assert one.volume_ml == pytest.approx(other.volume_ml, rel=1e-9)


def test_left_handed_segments_come_back(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    grid = mirrored(Volume(np.zeros(segments[0].grid.shape), segments[0].grid, Quantity.OTHER)).grid
    turned = [replace(segment, mask=segment.mask[:, :, ::-1], grid=grid) for segment in segments]
    read = read_segments(write_segmentation(turned, tmp_path / "seg.dcm", header))
    for one, other in zip(read, segments, strict=True):
        np.testing.assert_array_equal(one.on_grid(other.grid).mask, other.mask)


def test_segment_frames_name_their_slices(
    hu: Volume, segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path
) -> None:
    paths = write_ct(hu, tmp_path / "ct", header)
    seg = pydicom.dcmread(write_segmentation(segments, tmp_path / "seg.dcm", header, source=paths))
    by_uid = {}
    for path in paths:
        image = pydicom.dcmread(path, stop_before_pixels=True)
        by_uid[image.SOPInstanceUID] = [float(value) for value in image.ImagePositionPatient]
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == image.SeriesInstanceUID
    for frame in seg.PerFrameFunctionalGroupsSequence:
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        np.testing.assert_allclose(by_uid[uid], frame.PlanePositionSequence[0].ImagePositionPatient, atol=1e-6)
    affine = np.array(hu.grid.affine)
    affine[2, 3] += 1.0
    shifted = Grid(hu.grid.shape, affine)
    with pytest.raises(GeometryError, match="do not lie on the grid of their source"):
        write_segmentation([replace(s, grid=shifted) for s in segments], tmp_path / "x.dcm", header, source=paths)


def test_without_a_source_no_frame_points_anywhere(
    segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path
) -> None:
    seg = pydicom.dcmread(write_segmentation(segments, tmp_path / "seg.dcm", header))
    assert "ReferencedSeriesSequence" not in seg
    assert all("DerivationImageSequence" not in frame for frame in seg.PerFrameFunctionalGroupsSequence)


def write_all(
    folder: Path,
    header: DicomHeader,
    hu: Volume,
    counts: Volume,
    concentration: Volume,
    dose: Volume,
    segments: tuple[Segment, ...],
) -> list[Path]:
    ct = write_ct(hu, folder / "ct", header, contrast_agent="iodine")
    return [
        *ct,
        *write_pet(concentration, folder / "pet", header, **Y90),
        write_nm_recon_tomo(counts, folder / "nm.dcm", header, radiopharmaceutical="99mTc-MAA"),
        write_nm_recon_tomo(counts.with_array(counts.array * 5000), folder / "nm_scaled.dcm", header),
        write_dose(dose, folder / "dose.dcm", header, comment="simulated"),
        write_segmentation(segments, folder / "seg.dcm", header),
        write_segmentation(segments, folder / "seg_source.dcm", header, source=ct),
    ]


@pytest.fixture
def everything(
    hu: Volume,
    counts: Volume,
    concentration: Volume,
    dose: Volume,
    segments: tuple[Segment, ...],
    header: DicomHeader,
) -> Callable[[Path], list[Path]]:
    return lambda folder: write_all(folder, header, hu, counts, concentration, dose, segments)


def test_the_same_input_gives_the_same_bytes(everything: Callable[[Path], list[Path]], tmp_path: Path) -> None:
    one, two = everything(tmp_path / "a"), everything(tmp_path / "b")
    marks = [[hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] for paths in (one, two)]
    assert marks[0] == marks[1]
    uids = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in one]
    assert len(set(uids)) == len(uids) - 1  # only the two SEGs, of the same masks, share one
    for path in one:
        written = pydicom.dcmread(path, stop_before_pixels=True)
        assert written.file_meta.MediaStorageSOPInstanceUID == written.SOPInstanceUID
        dates = {element.value for element in written.iterall() if element.VR == "DA" and element.value}
        assert dates <= {"20240301", "20240302"}


def in_16_bits(folder: Path) -> Path:
    """The dose with 16-bit pixels: dciodvfy 1.00~20220618 breaks down (assertion) on any 32-bit pixel data."""
    dataset = pydicom.dcmread(folder / "dose.dcm")
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation) == (32, 32, 31, 0)
    dataset.PixelData = (dataset.pixel_array >> 16).astype("<u2").tobytes()
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.save_as(folder / "dose16.dcm")
    return folder / "dose16.dcm"


def test_dciodvfy_finds_no_error(
    everything: Callable[[Path], list[Path]], dciodvfy: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    paths = everything(tmp_path)
    one_of_each = [paths[0], paths[5], *(path for path in paths[10:] if path.name != "dose.dcm"), in_16_bits(tmp_path)]
    assert {path: dciodvfy(path) for path in one_of_each} == {path: [] for path in one_of_each}


def test_simpleitk_sees_the_same_places(
    hu: Volume, dose: Volume, segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path
) -> None:
    reader = sitk.ImageSeriesReader()
    write_ct(hu, tmp_path / "ct", header)
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    image = reader.Execute()
    itk_places(image, hu.grid)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, hu.array)
    image = sitk.ReadImage(str(write_dose(dose, tmp_path / "dose.dcm", header)))
    itk_places(image, dose.grid)
    gray = sitk.GetArrayFromImage(image).T * float(image.GetMetaData("3004|000e"))
    np.testing.assert_allclose(gray, dose.array, rtol=0, atol=dose.array.max() * 1e-6)
    one = segments[:1]
    path = write_segmentation(one, tmp_path / "seg.dcm", header)
    image = sitk.ReadImage(str(path))
    itk_places(image, read_segments(path)[0].grid)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T > 0, one[0].mask[:, :, :4])


def test_wrong_quantities_and_values_are_refused(
    hu: Volume, counts: Volume, concentration: Volume, dose: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    with pytest.raises(DomainError, match="no CT"):
        write_ct(counts, tmp_path, header)
    with pytest.raises(DomainError, match="16 bits"):
        write_ct(hu.with_array(hu.array * 40.0), tmp_path, header)
    with pytest.raises(DomainError, match="give counts"):
        write_nm_recon_tomo(hu, tmp_path / "x", header)
    with pytest.raises(DomainError, match="not negative"):
        write_nm_recon_tomo(counts.with_array(-counts.array), tmp_path / "x", header)
    with pytest.raises(DomainError, match="no radionuclide known"):
        write_nm_recon_tomo(counts, tmp_path / "x", header, radionuclide="42Xy")
    with pytest.raises(CalibrationError, match="reference time"):
        write_pet(replace(concentration, reference_time=None), tmp_path, header, **Y90)
    with pytest.raises(DomainError, match="finite"):
        write_dose(dose.with_array(dose.array * np.nan), tmp_path / "x", header)


def test_what_has_no_place_is_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="no frame of reference"):
        write_ct(hu, tmp_path, replace(header, frame_of_reference_uid=""))
    with pytest.raises(GeometryError, match=r"lies in frame of reference 1\.2\.3"):
        write_ct(replace(hu, frame_of_reference="1.2.3"), tmp_path, header)
    slanted = np.array(hu.grid.affine)
    slanted[0, 2] += 1.0
    with pytest.raises(GeometryError, match="right angles"):
        write_ct(replace(hu, grid=Grid(hu.grid.shape, slanted)), tmp_path, header)


def test_empty_segmentations_are_refused(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    empty = replace(segments[0], mask=np.zeros(segments[0].grid.shape, dtype=bool))
    for wrong in ((), (empty,)):
        with pytest.raises(SegmentError, match="no voxel"):
            write_segmentation(wrong, tmp_path / "x", header)
    read = read_segments(write_segmentation((segments[1], empty), tmp_path / "seg.dcm", header))
    assert [segment.is_empty for segment in read] == [False, True]


@pytest.mark.parametrize(
    "field", [{"study_date": "2024-03-01"}, {"study_time": "10:15"}, {"study_uid": "x"}, {"timezone_offset": "CET"}]
)
def test_headers_are_checked(header: DicomHeader, field: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        replace(header, **field)


def test_uids_follow_from_their_parts() -> None:
    assert content_uid("a", "b") == content_uid("a", "b")
    assert len({content_uid("a", "b"), content_uid("ab"), content_uid("b", "a"), content_uid("a", "b", "")}) == 4
    assert pydicom.uid.UID(content_uid("a")).is_valid


@given(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False))
def test_decimal_strings_fit_and_are_exact(value: float) -> None:
    text = decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8, abs=1e-12)
