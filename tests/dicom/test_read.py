"""Images are read where they lie, whatever the order of slices, the names of files or the sign of their spacing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ytterby.dicom.layout.planes import Plane, stack
from ytterby.dicom.read import read_volume
from ytterby.dicom.series import Series, scan, total_counts
from ytterby.dicom.write import DicomHeader, write_ct, write_dose, write_nm_recon_tomo, write_pet
from ytterby.errors import CalibrationError, ConfigurationError, DicomError, DomainError, GeometryError
from ytterby.imaging.sample import resample
from ytterby.model.volume import Grid, Quantity, Volume

Y90 = {"half_life_seconds": 64.1 * 3600, "positron_fraction": 31.86e-6, "actual_frame_duration_ms": 900_000}


def edit(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def setting(**values: Any) -> Callable[[Dataset], None]:
    """A change that sets elements, or removes them where the value is None."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return change


def levels(series: Series) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in series.problems:
        found.setdefault(problem.level, []).append(problem.message)
    return found


# ---------------------------------------------------------------- slices


def test_names_of_files_do_not_matter(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    for path, name in zip(paths, ["c", "a.dcm", "IM", "b", "0"], strict=True):
        path.rename(tmp_path / name)
    read = read_volume(tmp_path)
    np.testing.assert_array_equal(read.array, hu.array)
    assert read.grid.same_as(hu.grid)


@given(
    order=st.permutations(range(6)),
    step=st.floats(0.5, 9.0),
    angles=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_slices_are_put_in_order(
    order: list[int], step: float, angles: tuple[float, float], origin: tuple[float, float, float]
) -> None:
    a, b = angles
    row = np.array([np.cos(a), np.sin(a), 0.0])
    column = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    normal = np.cross(row, column)
    planes = [Plane(f"s{k}", np.array(origin) + k * step * normal, row, column, (2.0, 1.0), (4, 3)) for k in order]
    stacked = stack(planes)
    assert [planes[index].name for index in stacked.order] == [f"s{k}" for k in range(6)]
    assert stacked.grid.shape == (3, 4, 6)
    np.testing.assert_allclose(
        stacked.grid.positions_mm([2, 3, 5])[0], origin + 2 * row + 6 * column + 5 * step * normal
    )
    assert stacked.tilt_degrees == 0


def test_slices_may_be_rescaled_each_in_its_way(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    edit(paths[1], setting(RescaleSlope="0.5", RescaleIntercept="-1000.25"))
    read = read_volume(tmp_path)
    assert read.array.dtype == np.float32
    expected = hu.array.astype(np.float64)
    expected[:, :, 1] = expected[:, :, 1] * 0.5 - 1000.25
    np.testing.assert_array_equal(read.array, expected.astype(np.float32))


def test_unsigned_ct_is_read_in_hu(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    def unsigned(dataset: Dataset) -> None:
        dataset.PixelData = (dataset.pixel_array + 1024).astype("<u2").tobytes()
        dataset.PixelRepresentation, dataset.RescaleIntercept = 0, "-1024"

    for path in write_ct(hu, tmp_path, header):
        edit(path, unsigned)
    read = read_volume(tmp_path)
    assert read.array.dtype == np.int16
    np.testing.assert_array_equal(read.array, hu.array)


def test_spacing_comes_from_positions(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    for path in write_ct(hu, tmp_path, header):
        edit(path, setting(SliceThickness="5", SpacingBetweenSlices="4"))
    assert read_volume(tmp_path).grid.spacing_mm == pytest.approx((1.5, 2.0, 3.0))
    assert levels(scan(tmp_path).series[0])["green"][0].startswith("slices are 3 mm apart by their positions")


def test_a_missing_slice_is_named(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    paths[3].unlink()
    with pytest.raises(GeometryError, match=r"missing slice: 6 mm between 0003.dcm and 0005.dcm"):
        read_volume(tmp_path)
    assert "missing slice" in levels(scan(tmp_path).series[0])["red"][0]


def test_slices_that_are_not_quite_even_are_read_with_a_note(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    normal = hu.grid.affine[:3, 2] / 3.0
    place = np.array(pydicom.dcmread(paths[4]).ImagePositionPatient, dtype=float)
    edit(paths[4], setting(ImagePositionPatient=list(np.round(place + 0.02 * normal, 9))))
    assert read_volume(tmp_path).grid.spacing_mm[2] == pytest.approx(3.005, abs=1e-6)
    assert "amber" not in levels(scan(tmp_path).series[0])
    edit(paths[4], setting(ImagePositionPatient=list(np.round(place + 0.25 * normal, 9))))
    assert read_volume(tmp_path).grid.spacing_mm[2] == pytest.approx(3.0625, abs=1e-6)
    assert (
        "not quite even: they lie up to 0.187 mm from where they are read"
        in levels(scan(tmp_path).series[0])["amber"][0]
    )
    edit(paths[4], setting(ImagePositionPatient=list(np.round(place + 0.35 * normal, 9))))
    with pytest.raises(GeometryError, match=r"uneven spacing: 3.35 mm between 0004.dcm and 0005.dcm"):
        read_volume(tmp_path)


def test_two_spacings_in_one_series_are_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    normal = hu.grid.affine[:3, 2] / 3.0
    for k, path in enumerate(write_ct(hu, tmp_path, header)):
        far = hu.grid.positions_mm([0, 0, 0])[0] + (3 * k + 3 * max(0, k - 2)) * normal
        edit(path, setting(ImagePositionPatient=list(np.round(far, 9))))
    with pytest.raises(GeometryError, match=r"missing slice: 6 mm between .* 3 mm apart, and 1 more such gap"):
        read_volume(tmp_path)
    # Small steps that add up put slices where they are not.
    places = [0, 3, 6, 9, 12, 15, 18, 21.2, 24.4, 27.6, 30.8, 34, 37.2]
    row, column = hu.grid.affine[:3, 0] / 1.5, hu.grid.affine[:3, 1] / 2.0
    planes = [Plane(f"s{k}", place * normal, row, column, (1.0, 1.0), (4, 4)) for k, place in enumerate(places)]
    with pytest.raises(GeometryError, match=r"slices lie up to 0.6 mm \(s6\) from an even, straight row"):
        stack(planes)


def test_duplicate_slices_are_named(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    (tmp_path / "copy.dcm").write_bytes(paths[2].read_bytes())
    edit(tmp_path / "copy.dcm", lambda dataset: setting(PixelData=dataset.PixelData[::-1])(dataset))
    with pytest.raises(GeometryError, match=r"1 duplicate slice: (0003|copy).dcm and (0003|copy).dcm lie at one place"):
        read_volume(tmp_path)
    red = levels(scan(tmp_path).series[0])["red"]
    assert any("the same object twice" in message for message in red)
    assert any("duplicate" in message for message in red)


@pytest.mark.parametrize("uid", [None, "1.2.3.4"])
def test_a_copy_of_a_slice_is_read_once(uid: str | None, hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path / "ct", header)
    for path in paths[1:3]:
        (tmp_path / "ct" / f"copy of {path.name}").write_bytes(path.read_bytes())
        if uid:  # an archive that gave a new name to the same slice
            edit(tmp_path / "ct" / f"copy of {path.name}", setting(SOPInstanceUID=f"{uid}.{int(path.stem)}"))
    np.testing.assert_array_equal(read_volume(tmp_path).array, hu.array)
    series = scan(tmp_path).series[0]
    assert series.files == paths
    assert levels(series) == {"amber": ["2 files are copies of others in the series: read once"]}


def test_several_orientations_are_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    edit(paths[0], setting(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]))
    with pytest.raises(GeometryError, match="several orientations"):
        read_volume(tmp_path)


def test_a_tilted_gantry_is_read_slanted_and_said(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    for k, path in enumerate(write_ct(hu, tmp_path, header)):
        place = hu.grid.positions_mm([0, 0, k])[0] + k * 0.5 * hu.grid.affine[:3, 1] / 2.0
        edit(path, setting(ImagePositionPatient=[round(float(value), 9) for value in place]))
    read = read_volume(tmp_path)
    np.testing.assert_allclose(read.grid.positions_mm([0, 0, 4])[0], place, atol=1e-6)
    assert read.grid.voxel_volume_ml == pytest.approx(hu.grid.voxel_volume_ml)
    assert "tilted by 9.46 degrees" in levels(scan(tmp_path).series[0])["amber"][0]


def test_what_is_sampled_from_a_tilted_ct_is_where_it_was(header: DicomHeader, tmp_path: Path) -> None:
    # A field that is linear in the patient: trilinear sampling is exact, wherever the voxels lie.
    upright = Grid.axis_aligned((12, 12, 8), (2.0, 2.0, 3.0))
    slope, tilted = np.array([3.0, -5.0, 7.0]), upright.affine.copy()
    tilted[:3, 2] += [0.0, 1.5, 0.0]
    grid = Grid(upright.shape, tilted)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    # Whole numbers at every voxel of the tilted grid, so that HU are exact.
    field = np.rint(grid.positions_mm(index) @ slope * 2).reshape(grid.shape).astype(np.int16)
    for k, path in enumerate(write_ct(Volume(field, upright, Quantity.HU), tmp_path, header)):
        edit(path, setting(ImagePositionPatient=[float(value) for value in grid.positions_mm([0, 0, k])[0]]))
    read = read_volume(tmp_path)
    assert read.grid.same_as(grid)
    inner = upright.cropped((slice(2, 9), slice(5, 8), slice(1, 6)))
    places = np.stack(np.meshgrid(*[np.arange(n) for n in inner.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    expected = (inner.positions_mm(places) @ slope * 2).reshape(inner.shape)
    np.testing.assert_allclose(resample(read, inner).array, expected, atol=1e-3)


def padded(dataset: Dataset, value: int, *, limit: int | None = None, stored: int = 16) -> None:
    """Two corners set to padding; the stated value is written as the other sign has it."""
    pixels = dataset.pixel_array.copy()
    pixels[0, 0], pixels[-1, -1] = value, value if limit is None else limit
    dataset.PixelData = pixels.tobytes()
    dataset.add_new("PixelPaddingValue", "US", value % 65536)
    if limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", "SS", limit)
    dataset.BitsStored, dataset.HighBit = stored, stored - 1


@pytest.mark.parametrize(
    ("value", "limit", "stored", "hu_read", "level"),
    [
        (-2000, None, 16, -1024, "green"),
        (-3024, -2001, 16, -1024, "green"),
        (-32768, None, 12, -1024, "green"),  # 12 bits cannot hold it: what stands there means nothing
        (-1024, None, 16, -1024, ""),
        (0, None, 16, 0, "amber"),  # water
    ],
)
def test_padding_is_air(
    value: int,
    limit: int | None,
    stored: int,
    hu_read: int,
    level: str,
    hu: Volume,
    header: DicomHeader,
    tmp_path: Path,
) -> None:
    for path in write_ct(hu, tmp_path, header):
        edit(path, lambda dataset: padded(dataset, value, limit=limit, stored=stored))
    read = read_volume(tmp_path)
    assert read.array.dtype == np.int16
    assert set(read.array[0, 0]) == set(read.array[-1, -1]) == {hu_read}
    np.testing.assert_array_equal(read.array[1:-1], hu.array[1:-1])
    found = levels(scan(tmp_path).series[0])
    assert list(found) == ([level] if level else [])
    if level == "green":
        assert "is read as air, -1024 HU" in found["green"][0]


def test_bits_that_are_no_value_are_left_out(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)

    def overlaid(dataset: Dataset) -> None:
        # 12 bits in the middle of 16, with an old overlay above and noise below.
        stored = (dataset.pixel_array + 1024).astype("<u2")
        noise = rng.integers(0, 2, size=(2, *stored.shape)).astype("<u2")
        dataset.PixelData = (noise[0] << 15 | stored << 2 | noise[1]).astype("<u2").tobytes()
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 13, 0
        dataset.RescaleIntercept, dataset.PhotometricInterpretation = "-1024", "MONOCHROME1"

    for path in write_ct(hu, tmp_path, header):
        edit(path, overlaid)
    read = read_volume(tmp_path)
    assert read.array.dtype == np.int16
    np.testing.assert_array_equal(read.array, hu.array)
    assert levels(scan(tmp_path).series[0])["green"] == [
        "made to be shown inverted (MONOCHROME1): values are read as measured"
    ]


@pytest.mark.parametrize("syntax", ["ImplicitVRLittleEndian", "ExplicitVRBigEndian"])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_uncompressed_syntax(syntax: str, bits: int, hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    uid = getattr(pydicom.uid, syntax)
    values = hu.array % 100
    for path in write_ct(Volume(values, hu.grid, Quantity.HU), tmp_path, header):
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array
        whole = pixels.astype(">i2" if "Big" in syntax else "<i2").tobytes()
        if bits == 8:
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
            whole = pixels.astype("u1").tobytes()
            if "Big" in syntax:  # words of two pixels, swapped
                whole = np.frombuffer(whole, dtype="<u2").astype(">u2").tobytes()
        dataset.PixelData = whole
        dataset["PixelData"].VR = "OW"
        dataset.file_meta.TransferSyntaxUID = uid
        pydicom.dcmwrite(path, dataset, implicit_vr=uid.is_implicit_VR, little_endian=uid.is_little_endian)
    read = read_volume(tmp_path)
    np.testing.assert_array_equal(read.array, values)
    assert read.grid.same_as(hu.grid)


def test_a_ct_in_other_units_is_no_hu(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    for path in write_ct(hu, tmp_path, header):
        edit(path, setting(RescaleType="MGML"))
    assert read_volume(tmp_path).quantity is Quantity.OTHER
    series = scan(tmp_path).series[0]
    assert series.unit == "MGML"
    assert "no Hounsfield units but 'MGML'" in levels(series)["amber"][0]


def test_numbers_of_colours_are_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    for path in write_ct(hu, tmp_path, header):
        edit(path, setting(PhotometricInterpretation="PALETTE COLOR"))
    with pytest.raises(DicomError, match="PALETTE COLOR"):
        read_volume(tmp_path)
    assert "PALETTE COLOR" in levels(scan(tmp_path).series[0])["red"][0]


def test_one_slice_alone_is_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="one slice alone"):
        read_volume(write_ct(hu, tmp_path, header)[0])


def test_missing_rescale_is_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    edit(paths[2], setting(RescaleSlope=None))
    with pytest.raises(CalibrationError, match=r"0003.dcm: RescaleSlope"):
        read_volume(tmp_path)
    assert "RescaleSlope" in levels(scan(tmp_path).series[0])["red"][0]


def test_frames_of_reference_may_not_differ(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path, header)
    edit(paths[2], setting(FrameOfReferenceUID="1.2.3"))
    with pytest.raises(GeometryError, match="several frames of reference"):
        read_volume(tmp_path)
    for path in paths:
        edit(path, setting(FrameOfReferenceUID=None))
    assert read_volume(tmp_path).frame_of_reference == ""
    assert "no frame of reference" in levels(scan(tmp_path).series[0])["amber"][0]


# ---------------------------------------------------------------- SPECT


def nm(path: Path, counts: Volume, header: DicomHeader, **values: Any) -> Path:
    return edit(write_nm_recon_tomo(counts, path, header), setting(**values))


def test_negative_spacing_stacks_in_front_of_the_first_slice(
    counts: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    path = nm(tmp_path / "nm.dcm", counts, header, SpacingBetweenSlices="-3")
    read = read_volume(path)
    # The frames are as before; they now run the other way from the same first slice.
    np.testing.assert_array_equal(read.array, counts.array)
    np.testing.assert_allclose(read.grid.affine[:3, 2], -counts.grid.affine[:3, 2], atol=1e-9)
    np.testing.assert_allclose(read.grid.affine[:3, 3], counts.grid.affine[:3, 3], atol=1e-9)
    assert "SpacingBetweenSlices is -3" in levels(scan(path).series[0])["green"][0]


def test_the_slice_vector_orders_frames(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    order = [3, 1, 5, 2, 4]

    def shuffled(dataset: Dataset) -> None:
        dataset.SliceVector = order
        dataset.PixelData = dataset.pixel_array[[k - 1 for k in order]].tobytes()

    path = edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), shuffled)
    np.testing.assert_array_equal(read_volume(path).array, counts.array)


def test_geometry_may_stand_at_the_root(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    def moved(dataset: Dataset) -> None:
        detector = dataset.DetectorInformationSequence[0]
        dataset.ImagePositionPatient = detector.ImagePositionPatient
        dataset.ImageOrientationPatient = detector.ImageOrientationPatient
        del dataset.DetectorInformationSequence

    path = edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), moved)
    assert read_volume(path).grid.same_as(counts.grid)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"SpacingBetweenSlices": ""}, "SpacingBetweenSlices is missing or 0"),
        ({"SpacingBetweenSlices": "0"}, "SpacingBetweenSlices is missing or 0"),
        ({"SliceVector": [1, 2, 3, 4, 4]}, "does not name each of 5 slices once"),
        ({"DetectorInformationSequence": None}, "ImagePositionPatient is missing"),
        ({"PixelSpacing": None}, "PixelSpacing is missing"),
    ],
)
def test_spect_without_a_place_is_refused(
    counts: Volume, header: DicomHeader, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    path = nm(tmp_path / "nm.dcm", counts, header, **values)
    with pytest.raises(GeometryError, match=message):
        read_volume(path)
    assert message in levels(scan(path).series[0])["red"][0]


def test_a_factor_without_a_unit_is_left_alone(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = nm(tmp_path / "nm.dcm", counts, header, RescaleSlope="7", RescaleIntercept="1")
    read = read_volume(path)
    assert read.quantity is Quantity.COUNTS
    np.testing.assert_array_equal(read.array, counts.array)
    series = scan(path).series[0]
    assert "RescaleSlope 7 and RescaleIntercept 1 without a unit are not applied" in levels(series)["amber"][0]
    assert total_counts(series) == counts.array.sum()


def test_a_factor_to_bq_ml_makes_a_concentration(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = nm(tmp_path / "nm.dcm", counts, header, RescaleSlope="7", RescaleIntercept="1", Units="BQML")
    read = read_volume(path)
    assert read.quantity is Quantity.CONCENTRATION
    np.testing.assert_array_equal(read.array, counts.array * 7 + 1)
    assert read.reference_time is None
    assert total_counts(scan(path).series[0]) is None
    with pytest.raises(CalibrationError, match="DecayCorrection"):
        read_volume(path, require_reference_time=True)


def test_real_world_values_need_a_known_unit(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    def mapped(code: str) -> Callable[[Dataset], None]:
        def change(dataset: Dataset) -> None:
            unit, item = Dataset(), Dataset()
            unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = code, "UCUM", code
            item.RealWorldValueSlope, item.RealWorldValueIntercept = 2.5, 0.0
            item.MeasurementUnitsCodeSequence = Sequence([unit])
            dataset.RealWorldValueMappingSequence = Sequence([item])

        return change

    path = write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    for code, factor, quantity in (
        ("Bq/ml", 2.5, Quantity.CONCENTRATION),
        ("{counts}", 2.5, Quantity.COUNTS),
        ("1/min", 1.0, Quantity.COUNTS),
    ):
        read = read_volume(edit(path, mapped(code)))
        assert read.quantity is quantity
        np.testing.assert_array_equal(read.array, counts.array * factor)
    assert "'1/min' is not applied" in levels(scan(path).series[0])["amber"][0]


def test_roles_follow_the_radionuclide(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    write_nm_recon_tomo(counts, tmp_path / "y.dcm", header, radionuclide="90Y")
    series = scan(tmp_path).series[0]
    assert (series.role, series.reason) == ("y90_spect", "NM RECON TOMO, 90Y")
    nm(tmp_path / "y.dcm", counts, header, RadiopharmaceuticalInformationSequence=Sequence())
    series = scan(tmp_path).series[0]
    assert series.role == "maa_spect"
    assert "radionuclide is not stated" in levels(series)["amber"][0]


# ---------------------------------------------------------------- PET


@pytest.fixture
def pet(concentration: Volume, header: DicomHeader, tmp_path: Path) -> Callable[..., Path]:
    def written(**values: Any) -> Path:
        for path in write_pet(concentration, tmp_path / "pet", header, **Y90):
            edit(path, setting(**values))
        return tmp_path / "pet"

    return written


@pytest.mark.parametrize("units", ["GML", "CNTS", "PROPCPS", None])
def test_only_bq_ml_is_activity(pet: Callable[..., Path], units: str | None) -> None:
    folder = pet(Units=units)
    with pytest.raises(CalibrationError, match="PET values are not activity concentrations"):
        read_volume(folder)
    assert "refused for dosimetry" in levels(scan(folder).series[0])["red"][0]


def reference(folder: Path, **options: Any) -> str:
    moment = read_volume(folder, require_reference_time=True, **options).reference_time
    assert moment is not None
    return moment.isoformat()


def test_start_takes_the_earlier_of_series_and_acquisition(pet: Callable[..., Path]) -> None:
    assert reference(pet()) == "2024-03-02T09:30:00+01:00"
    assert reference(pet(AcquisitionTime="101500")) == "2024-03-02T09:30:00+01:00"
    # Reprocessed later: the series time is no start.
    assert reference(pet(SeriesTime="150000", AcquisitionTime="093500.25")) == "2024-03-02T09:35:00.250000+01:00"


def test_administration_and_none_have_their_own_moments(pet: Callable[..., Path]) -> None:
    folder = pet(DecayCorrection="NONE", AcquisitionTime="110000")
    assert reference(folder) == "2024-03-02T11:00:00+01:00"
    edit(folder / "0001.dcm", setting(AcquisitionTime="111500"))
    with pytest.raises(CalibrationError, match="acquired at different times"):
        reference(folder)
    folder = pet(DecayCorrection="ADMIN")
    with pytest.raises(CalibrationError, match=r"RadiopharmaceuticalStartDateTime \(0018,1078\) is absent"):
        reference(folder)

    def administered(value: str) -> Path:
        for path in folder.iterdir():
            edit(
                path,
                lambda d: setting(RadiopharmaceuticalStartDateTime=value)(d.RadiopharmaceuticalInformationSequence[0]),
            )
        return folder

    assert reference(administered("20240301120000")) == "2024-03-01T12:00:00+01:00"
    assert reference(administered("20240301120000.5-0500")) == "2024-03-01T12:00:00.500000-05:00"


def test_a_time_without_an_offset_needs_a_zone(pet: Callable[..., Path]) -> None:
    folder = pet(TimezoneOffsetFromUTC=None)
    assert read_volume(folder).reference_time is None
    with pytest.raises(CalibrationError, match=r"pet: SeriesTime carries no offset .*time_zone"):
        reference(folder)
    assert reference(folder, time_zone="Europe/Berlin") == "2024-03-02T09:30:00+01:00"
    assert reference(folder, time_zone="America/New_York") == "2024-03-02T09:30:00-05:00"
    with pytest.raises(ConfigurationError, match="no time zone 'Mars/Olympus'"):
        read_volume(folder, time_zone="Mars/Olympus")
    assert "no offset from UTC" in levels(scan(folder).series[0])["amber"][0]


def test_surrogate_isotopes_are_told(pet: Callable[..., Path]) -> None:
    folder = pet()

    def surrogate(dataset: Dataset) -> None:
        item = dataset.RadiopharmaceuticalInformationSequence[0]
        item.RadionuclideCodeSequence[0].CodeValue = "63360001"
        item.RadionuclideCodeSequence[0].CodeMeaning = "^89^Zirconium"
        item.RadionuclideHalfLife, item.RadionuclidePositronFraction = "282276", "0.227"

    for path in folder.iterdir():
        edit(path, surrogate)
    series = scan(folder).series[0]
    assert series.role == "y90_pet"
    assert "radionuclide 89Zr, half-life 78.41 h, positron fraction 0.227" in levels(series)["red"][0]


# ---------------------------------------------------------------- dose, and choosing


def test_effective_dose_is_no_absorbed_dose(dose: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = edit(write_dose(dose, tmp_path / "d.dcm", header), setting(DoseType="EFFECTIVE"))
    assert read_volume(path).quantity is Quantity.OTHER
    edit(path, setting(DoseUnits="RELATIVE"))
    with pytest.raises(CalibrationError, match="DoseUnits is not GY"):
        read_volume(path)


def test_uneven_dose_frames_are_refused(dose: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = edit(write_dose(dose, tmp_path / "d.dcm", header), setting(GridFrameOffsetVector=[0, 3, 6, 9, 13]))
    with pytest.raises(GeometryError, match="unevenly spaced"):
        read_volume(path)


def test_one_series_must_be_meant(hu: Volume, counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no image series here, but no DICOM object"):
        read_volume(tmp_path)
    write_ct(hu, tmp_path / "ct", header)
    path = write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    with pytest.raises(DicomError, match=r"2 image series here: .*NM RECON TOMO, 99mTc"):
        read_volume(tmp_path)
    series = {one.kind: one for one in scan(tmp_path).series}
    assert read_volume(series["ct"]).quantity is Quantity.HU
    assert read_volume(path).quantity is Quantity.COUNTS
    with pytest.raises(DomainError):
        write_dose(counts, tmp_path / "d.dcm", header)


def test_planar_images_are_no_volumes(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    path = nm(tmp_path / "nm.dcm", counts, header, ImageType=["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"])
    series = scan(path).series[0]
    assert (series.kind, series.role, series.shape) == ("nm_whole_body", "planar", (7, 6, 5))
    assert total_counts(series) == counts.array.sum()
    with pytest.raises(DicomError, match="no volume that can be read"):
        read_volume(series)
