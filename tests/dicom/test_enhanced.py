"""Enhanced multi-frame CT, MR and PET: volumes told apart, each frame with its place and its factors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.legacy import (
    LegacyConvertedEnhancedCTImage,
    LegacyConvertedEnhancedMRImage,
    LegacyConvertedEnhancedPETImage,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from tests.dicom.enhanced import Frame, item, sliced, write_enhanced

from ytterby.dicom.header import quiet
from ytterby.dicom.read import read_volume
from ytterby.dicom.series import Series, scan
from ytterby.dicom.write import DicomHeader, write_ct, write_pet
from ytterby.errors import CalibrationError, DicomError, GeometryError, InputError
from ytterby.model.volume import Grid, Quantity, Volume

Y90 = {"half_life_seconds": 64.1 * 3600, "positron_fraction": 31.86e-6, "actual_frame_duration_ms": 900_000}
SHAPE = (4, 3, 5)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


@pytest.fixture
def grid(oblique_grid: Grid) -> Grid:
    return Grid(SHAPE, oblique_grid.affine)


@pytest.fixture
def stored() -> np.ndarray:
    return np.random.default_rng(1).integers(-1000, 1500, size=SHAPE).astype(np.int16)


def rescale(slope: float = 1, intercept: float = 0, kind: str = "HU") -> dict[str, Any]:
    return {"RescaleSlope": f"{slope:.12g}", "RescaleIntercept": f"{intercept:.12g}", "RescaleType": kind}


def with_content(frames: list[Frame], **content: Any) -> list[Frame]:
    return [
        replace(
            one,
            groups={**one.groups, "FrameContentSequence": {**one.groups.get("FrameContentSequence", {}), **content}},
        )
        for one in frames
    ]


def messages(series: Series, level: str) -> list[str]:
    return [problem.message for problem in series.problems if problem.level == level]


# ---------------------------------------------------------------- as another program converts classic slices


def converted(paths: tuple[Path, ...], kind: Any, path: Path) -> Path:
    uids = iter(f"1.2.3.{number}" for number in range(1, 9))
    image = kind(
        [pydicom.dcmread(one) for one in paths],
        series_instance_uid=hd.UID(next(uids)),
        series_number=1,
        sop_instance_uid=hd.UID(next(uids)),
        instance_number=1,
    )
    image.save_as(path)
    return path


def test_a_converted_ct_is_the_classic_one(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path / "classic", header, contrast_agent="iomeprol")
    path = converted(paths, LegacyConvertedEnhancedCTImage, tmp_path / "e.dcm")
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, hu.array)
    assert read.array.dtype == np.int16
    assert read.grid.same_as(hu.grid)
    assert read.quantity is Quantity.HU
    series = scan(path).series[0]
    assert (series.kind, series.unit, series.shape, series.part) == ("ct", "HU", hu.grid.shape, "")
    assert series.problems == ()


def test_a_converted_pet_keeps_its_unit_and_moment(concentration: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_pet(concentration, tmp_path / "classic", header, **Y90)
    path = converted(paths, LegacyConvertedEnhancedPETImage, tmp_path / "e.dcm")
    classic = read_volume(tmp_path / "classic")
    read = read_volume(path, require_reference_time=True)
    np.testing.assert_array_equal(read.array, classic.array)
    assert read.grid.same_as(classic.grid)
    assert (read.quantity, read.reference_time) == (Quantity.CONCENTRATION, classic.reference_time)
    series = scan(path).series[0]
    assert (series.role, series.unit, series.reason) == ("y90_pet", "bq_ml", "PT, 90Y, units BQML")
    assert not messages(series, "red")


def test_a_converted_mr_is_read_as_stored(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    paths = write_ct(hu, tmp_path / "classic", header)
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        dataset.Modality = "MR"
        del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType
        dataset.save_as(path)
    read = read_volume(converted(paths, LegacyConvertedEnhancedMRImage, tmp_path / "e.dcm"))
    np.testing.assert_array_equal(read.array, hu.array)
    assert read.quantity is Quantity.OTHER
    assert read.grid.same_as(hu.grid)


# ---------------------------------------------------------------- factors


def test_each_frame_has_its_own_factors(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    frames = sliced(stored, grid)
    frames = [
        replace(frame, groups={"PixelValueTransformationSequence": rescale(0.5 * k, -10 * k)})
        for k, frame in enumerate(frames, start=1)
    ]
    read = read_volume(write_enhanced(tmp_path / "e.dcm", frames[::-1], "CT"))
    number = np.arange(1, 6)
    np.testing.assert_array_equal(read.array, (stored * (0.5 * number) - 10 * number).astype(np.float32))
    assert read.grid.same_as(grid)


def test_factors_may_be_shared(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    shared = item(
        PixelMeasuresSequence=Items([item(PixelSpacing=[2.0, 1.5], SliceThickness=5)]),
        PixelValueTransformationSequence=Items([item(**rescale(2, -1000))]),
    )
    path = write_enhanced(tmp_path / "e.dcm", sliced(stored, grid), "CT")
    dataset = pydicom.dcmread(path)
    dataset.SharedFunctionalGroupsSequence[0].update(shared)
    dataset.save_as(path)
    read = read_volume(path)
    assert read.array.dtype == np.int16
    np.testing.assert_array_equal(read.array, 2 * stored - 1000)
    assert "SliceThickness says 5 mm: slices overlap" in messages(scan(path).series[0], "green")[0]


def test_a_ct_without_factors_or_in_other_units(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "e.dcm", sliced(stored, grid), "CT")
    with pytest.raises(CalibrationError, match=r"frame 1 has no rescale"):
        read_volume(path)
    assert "RescaleSlope or RescaleIntercept is missing" in messages(scan(path).series[0], "red")[0]
    frames = sliced(stored, grid, PixelValueTransformationSequence=rescale(kind="MGML"))
    path = write_enhanced(tmp_path / "e.dcm", frames, "CT")
    assert read_volume(path).quantity is Quantity.OTHER
    assert scan(path).series[0].unit == "MGML"


def test_padding_is_air(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    padded = stored.copy()
    padded[0, 0], padded[3, 2] = -2000, -2000
    frames = sliced(padded, grid, PixelValueTransformationSequence=rescale(1, -1024))
    read = read_volume(write_enhanced(tmp_path / "e.dcm", frames, "CT", PixelPaddingValue=-2000))
    np.testing.assert_array_equal(read.array, np.where(padded == -2000, -1024, padded - 1024))


# ---------------------------------------------------------------- PET


def mapping(slope: float, code: str = "Bq/ml") -> dict[str, Any]:
    unit = item(CodeValue=code, CodingSchemeDesignator="UCUM", CodeMeaning=code)
    return {
        "RealWorldValueSlope": slope,
        "RealWorldValueIntercept": 0.0,
        "MeasurementUnitsCodeSequence": Items([unit]),
    }


@pytest.fixture
def pet(stored: np.ndarray, grid: Grid, tmp_path: Path) -> Callable[..., Path]:
    def written(groups: dict[str, Any], times: tuple[str, ...] = ("20240302093000",), **root: Any) -> Path:
        frames = sliced(np.abs(stored).astype(np.uint16), grid, **groups)
        frames = [
            with_content([frame], FrameAcquisitionDateTime=times[k % len(times)])[0] for k, frame in enumerate(frames)
        ]
        stated = {"TimezoneOffsetFromUTC": "+0100", "AttenuationCorrected": "YES", **root}
        return write_enhanced(tmp_path / "e.dcm", frames, "PT", **stated)

    return written


def test_a_real_world_mapping_to_bq_ml_is_a_concentration(pet: Callable[..., Path], stored: np.ndarray) -> None:
    groups = {
        "RealWorldValueMappingSequence": mapping(3.25),
        "PixelValueTransformationSequence": rescale(7, 1, "US"),  # for display: the mapping is of stored values
    }
    path = pet(groups, DecayCorrected="YES", DecayCorrectionDateTime="20240302081500.5-0500", SeriesDate="20240301")
    read = read_volume(path, require_reference_time=True)
    assert read.quantity is Quantity.CONCENTRATION
    np.testing.assert_array_equal(read.array, np.abs(stored).astype(np.float32) * np.float32(3.25))
    assert read.reference_time is not None
    assert read.reference_time.isoformat() == "2024-03-02T08:15:00.500000-05:00"
    series = scan(path).series[0]
    assert (series.unit, messages(series, "red")) == ("bq_ml", [])


def test_a_rescale_type_may_state_bq_ml(pet: Callable[..., Path], stored: np.ndarray) -> None:
    groups = {"PixelValueTransformationSequence": rescale(2, 0, "BQML")}
    read = read_volume(pet(groups, DecayCorrected="NO"), require_reference_time=True)
    np.testing.assert_array_equal(read.array, 2 * np.abs(stored))
    assert read.reference_time is not None
    assert read.reference_time.isoformat() == "2024-03-02T09:30:00+01:00"
    several = pet(groups, ("20240302093000", "20240302094500"), DecayCorrected="NO")
    assert read_volume(several).reference_time is None
    with pytest.raises(CalibrationError, match="acquired at different times"):
        read_volume(several, require_reference_time=True)
    assert "acquired at different times" in messages(scan(several).series[0], "red")[0]


def test_a_pet_in_other_units_is_refused(pet: Callable[..., Path]) -> None:
    for groups, message in (
        ({"RealWorldValueMappingSequence": mapping(1, "g/ml{SUVbw}")}, r"Units is 'G/ML{SUVBW}'"),
        ({"PixelValueTransformationSequence": rescale(1, 0, "GML")}, "GML"),
        ({"PixelValueTransformationSequence": rescale(1, 0, "US")}, r"Units \(0054,1001\) is absent"),
    ):
        path = pet(groups, DecayCorrected="YES", DecayCorrectionDateTime="20240302081500")
        with pytest.raises(CalibrationError, match=message):
            read_volume(path)
        assert any("refused for dosimetry" in said for said in messages(scan(path).series[0], "red"))


def test_a_pet_without_its_moment_is_told(pet: Callable[..., Path]) -> None:
    path = pet({"RealWorldValueMappingSequence": mapping(1)}, DecayCorrected="YES")
    assert read_volume(path).reference_time is None
    with pytest.raises(CalibrationError):
        read_volume(path, require_reference_time=True)


# ---------------------------------------------------------------- several volumes in one object


def test_temporal_positions_are_told_apart(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    frames = [
        frame
        for time in (1, 2, 3)
        for frame in with_content(
            sliced(stored + np.int16(time), grid, PixelValueTransformationSequence=rescale()),
            TemporalPositionIndex=time,
            StackID="1",
            FrameAcquisitionNumber=time,
        )
    ]
    path = write_enhanced(tmp_path / "e.dcm", frames, "CT")
    series = scan(path).series
    assert [one.part for one in series] == [f"temporal position {time}" for time in (1, 2, 3)]
    assert series[1].reason == "CT, no contrast agent stated, temporal position 2"
    assert all(one.grid is not None and one.grid.same_as(grid) for one in series)
    for time, one in enumerate(series, start=1):
        np.testing.assert_array_equal(read_volume(one).array, stored + time)
    np.testing.assert_array_equal(read_volume(path, part="temporal position 3").array, stored + 3)
    with pytest.raises(DicomError, match=r"3 image series here: .*temporal position 1.*name the volume \(part\)"):
        read_volume(path)
    with pytest.raises(DicomError, match="no image series"):
        read_volume(path, part="temporal position 4")


def test_stacks_of_other_orientation_are_told_apart(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    other = Grid(SHAPE, Grid.axis_aligned(SHAPE, (1.0, 1.0, 4.0)).affine)
    frames = with_content(sliced(stored, grid), StackID="A") + with_content(sliced(stored, other), StackID="B")
    path = write_enhanced(tmp_path / "e.dcm", frames, "MR")
    first, second = scan(path).series
    assert (first.part, second.part) == ("stack A", "stack B")
    assert first.grid is not None
    assert first.grid.same_as(grid)
    assert read_volume(second).grid.same_as(other)


@pytest.mark.parametrize(
    ("sequence", "keyword", "values", "label"),
    [
        ("MREchoSequence", "EffectiveEchoTime", (2.3, 4.6), "echo time 2.3"),
        ("MRDiffusionSequence", "DiffusionBValue", (50.0, 800.0), "b-value 50.0"),
        (
            "MRImageFrameTypeSequence",
            "FrameType",
            (["ORIGINAL", "WATER"], ["ORIGINAL", "FAT"]),
            "frame type ORIGINAL WATER",
        ),
        ("FrameContentSequence", "FrameAcquisitionNumber", (4, 5), "acquisition 4"),
        ("FrameContentSequence", "DimensionIndexValues", ([1, 7], [1, 8]), "Flip Angle 7"),
    ],
)
def test_other_dimensions_are_told_apart(
    sequence: str, keyword: str, values: tuple[Any, Any], label: str, stored: np.ndarray, grid: Grid, tmp_path: Path
) -> None:
    first, second = (sliced(stored * np.int16(n), grid, **{sequence: {keyword: values[n]}}) for n in (0, 1))
    mixed = [frame for pair in zip(first, second, strict=True) for frame in pair]
    index = [
        item(DimensionIndexPointer=0x00209057),
        item(DimensionIndexPointer=0x00181314, DimensionDescriptionLabel="Flip Angle"),
    ]
    path = write_enhanced(tmp_path / "e.dcm", mixed, "MR", DimensionIndexSequence=Items(index))
    series = scan(path).series
    assert series[0].part == label
    assert len(series) == 2
    np.testing.assert_array_equal(read_volume(series[0]).array, 0 * stored)
    np.testing.assert_array_equal(read_volume(series[1]).array, stored)


def test_a_number_for_each_slice_splits_nothing(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    frames = sliced(stored, grid)
    frames = [
        with_content([frame], FrameAcquisitionNumber=k, TemporalPositionIndex=k)[0] for k, frame in enumerate(frames)
    ]
    path = write_enhanced(tmp_path / "e.dcm", frames, "MR")
    assert [one.part for one in scan(path).series] == [""]
    np.testing.assert_array_equal(read_volume(path).array, stored)


def test_frames_that_nothing_tells_apart_are_named(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "e.dcm", sliced(stored, grid) + sliced(stored, grid)[:1], "MR")
    with pytest.raises(GeometryError, match=r"1 duplicate slice: frame [16] of e.dcm and frame [16] of e.dcm"):
        read_volume(path)
    assert "duplicate" in messages(scan(path).series[0], "red")[0]


def test_one_damaged_volume_does_not_hide_the_other(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    frames = with_content(sliced(stored, grid), StackID="1") + with_content(sliced(stored, grid)[:1], StackID="2")
    whole, alone = scan(write_enhanced(tmp_path / "e.dcm", frames, "MR")).series
    assert messages(whole, "red") == []
    np.testing.assert_array_equal(read_volume(whole).array, stored)
    assert messages(alone, "red") == ["one slice alone has no spacing between slices"]
    assert alone.part == "stack 2"
    with pytest.raises(GeometryError, match=r"one slice alone"):
        read_volume(alone)


# ---------------------------------------------------------------- what is no volume


def edited(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_what_is_wrong_is_said(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    def fewer(dataset: Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence[3]

    def nowhere(dataset: Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence

    def several(dataset: Dataset) -> None:
        dataset.ConcatenationUID = "1.2.3"

    def undescribed(dataset: Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence

    for change, message in (
        (fewer, "NumberOfFrames says 5, the functional groups describe 4 frames"),
        (nowhere, "ImagePositionPatient is missing"),
        (several, "cut into several files"),
        (undescribed, "the functional groups describe 0 frames"),
    ):
        path = edited(write_enhanced(tmp_path / "e.dcm", sliced(stored, grid), "MR"), change)
        with pytest.raises((DicomError, GeometryError), match=message) as caught:
            read_volume(path)
        assert "e.dcm" in str(caught.value)
        assert message in messages(scan(path).series[0], "red")[0]


def test_enhanced_images_beside_each_other(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    for name in ("a", "b"):
        frames = sliced(stored + np.int16(name == "b"), grid)
        write_enhanced(tmp_path / f"{name}.dcm", frames, "MR")
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "a.dcm").read_bytes())
    series = scan(tmp_path).series
    assert [one.path.name for one in series] == ["a.dcm", "b.dcm"]
    assert messages(series[0], "amber")[0] == "the file is a copy of others in the series: read once"
    np.testing.assert_array_equal(read_volume(series[1]).array, stored + 1)


def test_flipped_bytes_never_crash(stored: np.ndarray, grid: Grid, tmp_path: Path) -> None:
    frames = sliced(np.abs(stored), grid, RealWorldValueMappingSequence=mapping(2.0))
    frames = with_content(frames, TemporalPositionIndex=1) + with_content(frames, TemporalPositionIndex=2)
    stated = {"DecayCorrected": "YES", "DecayCorrectionDateTime": "20240302081500", "TimezoneOffsetFromUTC": "+0100"}
    original = write_enhanced(tmp_path / "e.dcm", frames, "PT", **stated).read_bytes()
    rng, path, read = np.random.default_rng(4), tmp_path / "flipped.dcm", 0
    for number in range(150):
        content = np.frombuffer(original, dtype=np.uint8).copy()
        places = rng.integers(132, len(content), size=rng.integers(1, 9))
        content[places] = rng.integers(0, 256, size=places.size)
        path.write_bytes(content[: rng.integers(200, len(content)) if number % 5 == 0 else None].tobytes())
        read += not refusal(path)
    assert 10 < read < 150


def refusal(path: Path) -> str:
    """What is said of a file that is refused; "" when its volumes are read."""
    try:
        for series in scan(path).series:
            read_volume(series)
    except InputError as error:
        return str(error) or "nothing is said"
    return ""
