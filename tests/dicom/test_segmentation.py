"""SEG objects: frames anywhere, in any order, sparse, fractional or packed, end where they belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from ytterby.dicom.read import read_volume
from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, write_segmentation
from ytterby.errors import DicomError, GeometryError, SegmentError
from ytterby.model.segment import Segment


@pytest.fixture
def seg(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> Path:
    return write_segmentation(segments, tmp_path / "seg.dcm", header)


def save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path)
    return path


def reordered(dataset: Dataset, order: list[int]) -> Dataset:
    pixels = dataset.pixel_array[order]
    items = [dataset.PerFrameFunctionalGroupsSequence[index] for index in order]
    dataset.PerFrameFunctionalGroupsSequence = items
    dataset.NumberOfFrames = len(items)
    packed = np.packbits(pixels, bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    return dataset


def expect(path: Path, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    read = read_segments(path)
    for one, other in zip(read, segments, strict=True):
        np.testing.assert_array_equal(one.on_grid(other.grid).mask, other.mask)
    return read


def test_order_of_frames_does_not_matter(seg: Path, segments: tuple[Segment, ...]) -> None:
    expect(save(reordered(pydicom.dcmread(seg), [4, 2, 0, 3, 1]), seg), segments)


def test_sparse_frames_span_the_grid(seg: Path, segments: tuple[Segment, ...]) -> None:
    read = expect(
        save(reordered(pydicom.dcmread(seg), [3, 0]), seg),
        tuple(
            replace(s, mask=s.mask & np.isin(np.arange(5), [0, 3]) if s.name == "Liver" else s.mask & False)
            for s in segments
        ),
    )
    assert read[0].grid.shape == (7, 6, 4)
    assert read[1].is_empty


def test_a_single_frame_takes_the_stated_spacing(seg: Path) -> None:
    read = read_segments(save(reordered(pydicom.dcmread(seg), [4]), seg))
    assert read[1].grid.shape == (7, 6, 1)
    assert read[1].grid.spacing_mm == pytest.approx((1.5, 2.0, 3.0))
    assert read[1].volume_ml == pytest.approx(4 * 9e-3)


def test_a_wrong_spacing_in_the_header_is_outvoted_by_positions(seg: Path, segments: tuple[Segment, ...]) -> None:
    dataset = pydicom.dcmread(seg)
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = "7"
    expect(save(dataset, seg), segments)
    # Half the distance is a lattice on which all frames lie: it is taken, and says that slices between them are empty.
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = "1.5"
    assert read_segments(save(dataset, seg))[0].grid.shape == (7, 6, 7)


def fractional(dataset: Dataset, share: np.ndarray) -> Dataset:
    dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
    dataset.MaximumFractionalValue = 200
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    content = np.rint(share * 200).astype(np.uint8).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    return dataset


def test_fractional_segments_take_half_and_more(seg: Path) -> None:
    dataset = pydicom.dcmread(seg)
    share = np.random.default_rng(6).random(dataset.pixel_array.shape)
    share[0, 0, :2] = [0.5, 0.495]
    read = read_segments(save(fractional(dataset, share), seg))
    expected = (np.rint(share * 200) >= 100)[:4]
    np.testing.assert_array_equal(read[0].mask.transpose(2, 1, 0), expected)
    assert read[0].mask[0, 0, 0]
    assert not read[0].mask[1, 0, 0]


def test_bytes_instead_of_bits_are_read_too(seg: Path, segments: tuple[Segment, ...]) -> None:
    dataset = pydicom.dcmread(seg)
    pixels = dataset.pixel_array
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    content = pixels.astype(np.uint8).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    expect(save(dataset, seg), segments)


def move(dataset: Dataset, frame: int, **values: Any) -> None:
    position = dataset.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]
    place = np.array(position.ImagePositionPatient, dtype=float)
    position.ImagePositionPatient = list(np.round(place + values["by"], 6))


def test_frames_that_do_not_fit_are_refused(seg: Path, segments: tuple[Segment, ...]) -> None:
    normal = segments[0].grid.affine[:3, 2] / 3
    row = segments[0].grid.affine[:3, 0] / 1.5
    for by, message in ((1.1 * normal, "no regular lattice"), (0.2 * row, "shifted against each other")):
        dataset = pydicom.dcmread(seg)
        move(dataset, 1, by=by)
        with pytest.raises(GeometryError, match=message):
            read_segments(save(dataset, seg.with_name("moved.dcm")))
    assert scan(seg.with_name("moved.dcm")).series[0].problems[0].level == "red"


def test_damaged_segmentations_are_refused(seg: Path) -> None:
    def broken(name: str, **values: Any) -> Path:
        dataset = pydicom.dcmread(seg)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        return save(dataset, seg.with_name(name))

    with pytest.raises(DicomError, match="describe 5 frames"):
        read_segments(broken("count.dcm", NumberOfFrames=6))
    with pytest.raises(DicomError, match="truncated or too large"):
        read_segments(broken("short.dcm", PixelData=b"\0\0"))
    with pytest.raises(DicomError, match="LABELMAP is not read"):
        read_segments(broken("labelmap.dcm", SegmentationType="LABELMAP"))
    with pytest.raises(SegmentError, match="segment 2, which the object does not describe"):
        read_segments(broken("segment.dcm", SegmentSequence=pydicom.dcmread(seg).SegmentSequence[:1]))
    with pytest.raises(DicomError, match="no segmentation but CT"):
        read_segments(broken("ct.dcm", Modality="CT"))


def test_a_segmentation_is_no_image(seg: Path) -> None:
    with pytest.raises(DicomError, match=r"no image series here, but DICOM segmentation \(SEG\)"):
        read_volume(seg)
    series = scan(seg).series[0]
    assert (series.kind, series.role, series.shape, series.problems) == ("seg", "segmentation", (7, 6, 4), ())
