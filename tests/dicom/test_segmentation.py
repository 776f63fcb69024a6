"""SEG objects: frames anywhere, in any order, sparse, fractional or packed, end where they belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.dataset import Dataset

from ytterby.dicom.read import read_volume
from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, content_uid, write_ct, write_segmentation
from ytterby.errors import DicomError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Volume


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
    with pytest.raises(DicomError, match="of type ODD is not read"):
        read_segments(broken("odd.dcm", SegmentationType="ODD"))
    with pytest.raises(SegmentError, match="segment 2, which the object does not describe"):
        read_segments(broken("segment.dcm", SegmentSequence=pydicom.dcmread(seg).SegmentSequence[:1]))
    with pytest.raises(DicomError, match="no segmentation but CT"):
        read_segments(broken("ct.dcm", Modality="CT"))


def test_a_segmentation_is_no_image(seg: Path) -> None:
    with pytest.raises(DicomError, match=r"no image series here, but DICOM segmentation \(SEG\)"):
        read_volume(seg)
    series = scan(seg).series[0]
    assert (series.kind, series.role, series.shape, series.problems) == ("seg", "segmentation", (7, 6, 4), ())


# ------------------------------------------------------------------------------------------------ of another writer


def written_by_highdicom(ct: tuple[Path, ...], array: np.ndarray, kind: str, path: Path, *, count: int) -> Path:
    """A SEG of highdicom on a CT's slices; ``array`` is (slices, rows, columns[, segments]) in the order of ``ct``."""
    code = highdicom.sr.CodedConcept
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"part {number}",
            segmented_property_category=code("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=code("85756007", "SCT", "Tissue"),
            algorithm_type="AUTOMATIC",
            algorithm_identification=highdicom.AlgorithmIdentificationSequence(
                name="net", version="1", family=code("123109", "DCM", "Artificial Intelligence")
            ),
        )
        for number in range(1, count + 1)
    ]
    fractional = {} if "_" not in kind else {"fractional_type": kind.split("_")[1]}
    seg = highdicom.seg.Segmentation(
        source_images=[pydicom.dcmread(one) for one in ct],
        pixel_array=array,
        segmentation_type=kind.split("_")[0],
        segment_descriptions=described,
        series_instance_uid="1.2.3",
        series_number=1,
        sop_instance_uid="1.2.3.4",
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        **fractional,
    )
    seg.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL_PROBABILITY", "FRACTIONAL_OCCUPANCY", "LABELMAP"])
def test_every_type_that_highdicom_writes(kind: str, hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    ct = write_ct(hu, tmp_path / "ct", header)
    columns, rows, count = hu.grid.shape
    chance = np.random.default_rng(7)
    parts = chance.random((count, rows, columns, 2))
    if kind == "LABELMAP":
        labels = chance.integers(0, 3, (count, rows, columns)).astype(np.uint8)
        array, expected = labels, [labels == 1, labels == 2]
    elif kind == "BINARY":
        array = (parts > 0.6).astype(np.uint8)  # the two overlap
        expected = [array[..., 0] > 0, array[..., 1] > 0]
    else:
        array = np.round(parts, 2).astype(np.float32)
        stored = np.rint(array * 255)
        expected = [stored[..., 0] >= 127.5, stored[..., 1] >= 127.5]
    path = written_by_highdicom(ct, array, kind, tmp_path / "seg.dcm", count=2)
    segments = read_segments(path)
    assert [segment.name for segment in segments] == ["part 1", "part 2"]
    for segment, mask in zip(segments, expected, strict=True):
        np.testing.assert_array_equal(segment.on_grid(hu.grid).mask, mask.transpose(2, 1, 0))
        assert segment.frame_of_reference == header.frame_of_reference_uid
    half = {"PROBABILITY": ", probability of half and more", "OCCUPANCY": ", occupancy of half and more"}
    assert segments[0].method == "imported, automatic net" + half.get(kind.split("_")[-1], "")
    series = scan(path).series[0]
    assert (series.kind, series.reason) == ("seg", "DICOM segmentation (SEG): part 1, part 2")
    assert not [problem for problem in series.problems if problem.level == "red"]


def test_a_label_that_is_not_described_is_refused(hu: Volume, header: DicomHeader, tmp_path: Path) -> None:
    ct = write_ct(hu, tmp_path / "ct", header)
    labels = np.ones((hu.grid.shape[2], hu.grid.shape[1], hu.grid.shape[0]), dtype=np.uint8)
    path = written_by_highdicom(ct, labels, "LABELMAP", tmp_path / "seg.dcm", count=1)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = bytes(value * 3 for value in dataset.PixelData)
    with pytest.raises(SegmentError, match="segment 3, which the object does not describe"):
        read_segments(save(dataset, path))


@given(
    mask=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)).filter(np.any),
    axes=st.permutations([0, 1, 2]),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    turn=st.sampled_from([0.0, 0.3, 1.1]),
)
def test_a_mask_comes_back_as_it_was(
    mask: np.ndarray,
    axes: list[int],
    signs: tuple[int, int, int],
    turn: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    header = DicomHeader("P1", "T", "", content_uid("study"), "20240301", "101500", "t", content_uid("frame"))
    cosine, sine = np.cos(turn), np.sin(turn)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ (np.eye(3)[:, axes] * signs)
    affine[:3, :3] *= [0.78125, 1.171875, 2.5]
    affine[:3, 3] = [-250.5, 31.25, -1204.875]
    written = Segment("any", Role.OTHER, mask, Grid(mask.shape, affine))
    (read,) = read_segments(write_segmentation([written], tmp_path_factory.mktemp("seg") / "seg.dcm", header))
    np.testing.assert_array_equal(read.on_grid(written.grid).mask, mask)
