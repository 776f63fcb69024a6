"""Spatial registrations: matrices come back as they were written, and lead where they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from scipy.spatial.transform import Rotation

from ytterby.dicom.read import read_registration
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, content_uid, write_registration
from ytterby.errors import DicomError, GeometryError
from ytterby.model.segment import Segment
from ytterby.model.transform import Transform, TransformKind, transform_between

FRAME = content_uid("tests", "frame of reference")
OTHER = content_uid("tests", "other frame")
THIRD = content_uid("tests", "third frame")


def matrix(linear: np.ndarray, shift: tuple[float, float, float] = (5.0, -12.25, 80.5)) -> np.ndarray:
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = linear, shift
    return found


TURN = Rotation.from_rotvec(np.array([0.14, -0.28, 0.42])).as_matrix()
KINDS = {
    TransformKind.RIGID: matrix(TURN),
    TransformKind.RIGID_SCALE: matrix(TURN @ np.diag([1.1, 0.9, 1.02])),
    TransformKind.AFFINE: matrix(TURN @ np.array([[1, 0.1, 0], [0, 1, 0.05], [0, 0, 1]])),
}


@pytest.fixture
def rigid() -> Transform:
    return Transform(OTHER, FRAME, KINDS[TransformKind.RIGID])


@pytest.fixture
def written(rigid: Transform, header: DicomHeader, tmp_path: Path) -> Path:
    return write_registration([rigid], tmp_path / "reg.dcm", header)


def changed(path: Path, change: Callable[[Dataset], Any]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def matrices(dataset: Dataset) -> Sequence:
    return dataset.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence


@pytest.mark.parametrize("kind", list(TransformKind))
def test_a_transform_comes_back(kind: TransformKind, header: DicomHeader, tmp_path: Path) -> None:
    one = Transform(OTHER, FRAME, KINDS[kind])
    assert one.kind is kind
    [read] = read_registration(write_registration([one], tmp_path / "reg.dcm", header))
    assert (read.from_frame, read.to_frame, read.kind) == (OTHER, FRAME, kind)
    # Decimal strings hold 16 characters.
    np.testing.assert_allclose(read.matrix, one.matrix, rtol=0, atol=1e-13)


def test_numbers_that_fit_come_back_exactly(header: DicomHeader, tmp_path: Path) -> None:
    quarter = matrix(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), (0.125, -7.5, 1e-3))
    [read] = read_registration(write_registration([Transform(OTHER, FRAME, quarter)], tmp_path / "reg.dcm", header))
    np.testing.assert_array_equal(read.matrix, quarter)


def test_dciodvfy_finds_no_error(
    rigid: Transform, header: DicomHeader, tmp_path: Path, dciodvfy: Callable[[Path], list[str]]
) -> None:
    both = [rigid, Transform(THIRD, FRAME, KINDS[TransformKind.AFFINE])]
    assert dciodvfy(write_registration(both, tmp_path / "reg.dcm", header)) == []


def test_the_same_transform_gives_the_same_bytes(
    written: Path, rigid: Transform, header: DicomHeader, tmp_path: Path
) -> None:
    assert write_registration([rigid], tmp_path / "again.dcm", header).read_bytes() == written.read_bytes()


def test_matrices_are_applied_in_their_order(written: Path, rigid: Transform) -> None:
    second = matrix(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), (10.0, 0.0, 0.0))

    def change(dataset: Dataset) -> None:
        more = Dataset()
        more.FrameOfReferenceTransformationMatrixType = "RIGID"
        more.FrameOfReferenceTransformationMatrix = [f"{value:.14g}" for value in second.ravel()]
        matrices(dataset).append(more)

    [read] = read_registration(changed(written, change))
    np.testing.assert_allclose(read.matrix, second @ rigid.matrix, atol=1e-12)


def test_points_go_there_and_back(rigid: Transform) -> None:
    points = np.random.default_rng(5).normal(0, 100, (20, 3))
    there = rigid.points_mm(points)
    np.testing.assert_allclose(there, (rigid.matrix @ np.c_[points, np.ones(20)].T).T[:, :3], atol=1e-12)
    np.testing.assert_allclose(rigid.inverse.points_mm(there), points, atol=1e-10)
    assert (rigid.inverse.from_frame, rigid.inverse.to_frame) == (FRAME, OTHER)


def test_chains_lead_over_a_common_frame(rigid: Transform) -> None:
    third = Transform(THIRD, FRAME, KINDS[TransformKind.AFFINE])
    found = transform_between([rigid, third], OTHER, THIRD)
    assert found is not None
    np.testing.assert_allclose(found.matrix, np.linalg.inv(third.matrix) @ rigid.matrix, atol=1e-12)
    assert transform_between([rigid], OTHER, THIRD) is None
    with pytest.raises(GeometryError, match="cannot go on"):
        rigid.then(third)


def test_a_segment_is_carried_with_its_voxels(rigid: Transform, segments: tuple[Segment, ...]) -> None:
    away = rigid.inverse.carried(segments[0])
    assert away.frame_of_reference == OTHER
    assert away.volume_ml == pytest.approx(segments[0].volume_ml)
    back = rigid.carried(away)
    assert back.frame_of_reference == FRAME
    assert back.grid.same_as(segments[0].grid, tolerance_mm=1e-9)
    with pytest.raises(GeometryError, match="the transform begins in"):
        rigid.carried(segments[0])


def test_inspect_says_what_it_is(written: Path) -> None:
    [series] = scan(written).series
    assert (series.kind, series.role, series.problems) == ("reg", "registration", ())
    assert series.reason == f"spatial registration (rigid): {OTHER} to {FRAME}"


def stated(kind: str) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(matrices(dataset)[0], "FrameOfReferenceTransformationMatrixType", kind)


def values(linear: np.ndarray) -> Callable[[Dataset], None]:
    numbers = [f"{value:.12g}" for value in matrix(linear).ravel()]
    return lambda dataset: setattr(matrices(dataset)[0], "FrameOfReferenceTransformationMatrix", numbers)


def deformable(dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.3"


def own_frame_moved(dataset: Dataset) -> None:
    dataset.RegistrationSequence[1].FrameOfReferenceUID = FRAME


def two_of_one(dataset: Dataset) -> None:
    dataset.RegistrationSequence[0].FrameOfReferenceUID = OTHER


REFUSED: dict[str, tuple[Callable[[Dataset], None], type[Exception], str]] = {
    "deformable": (deformable, DicomError, "deformable registration is not read"),
    "scaled-not-rigid": (values(TURN * 1.05), GeometryError, "said to be RIGID and is RIGID_SCALE"),
    "sheared-not-rigid": (values(KINDS[TransformKind.AFFINE][:3, :3]), GeometryError, "and is AFFINE"),
    "mirrored": (values(np.diag([-1.0, 1, 1])), GeometryError, "mirrors the patient"),
    "flat": (values(np.diag([1.0, 1, 0])), GeometryError, "changes volumes by a factor of 0"),
    "unknown-kind": (stated("CURVED"), DicomError, "type CURVED is not read"),
    "no-kind": (stated(""), DicomError, "type unknown is not read"),
    "own-frame-moved": (own_frame_moved, GeometryError, "against itself"),
    "two-of-one": (two_of_one, GeometryError, "two registrations"),
    "no-frame": (lambda dataset: dataset.pop("FrameOfReferenceUID"), DicomError, "no Frame of Reference UID"),
    "no-items": (lambda dataset: dataset.pop("RegistrationSequence"), DicomError, "no items"),
    "no-matrix": (
        lambda dataset: dataset.RegistrationSequence[1].pop("MatrixRegistrationSequence"),
        DicomError,
        "has no matrix",
    ),
    "no-source-frame": (
        lambda dataset: dataset.RegistrationSequence[1].pop("FrameOfReferenceUID"),
        DicomError,
        "has no frame of reference",
    ),
    "short": (
        lambda dataset: setattr(matrices(dataset)[0], "FrameOfReferenceTransformationMatrix", ["1"] * 12),
        DicomError,
        "12 of 16 numbers",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_cannot_be_is_refused(name: str, written: Path) -> None:
    change, error, match = REFUSED[name]
    with pytest.raises(error, match=match):
        read_registration(changed(written, change))
    assert scan(written).series[0].problems


def test_other_objects_are_refused(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    from ytterby.dicom.write import write_segmentation

    with pytest.raises(DicomError, match="no registration but SEG"):
        read_registration(write_segmentation(segments, tmp_path / "seg.dcm", header))


def test_transforms_of_several_ends_are_not_written(rigid: Transform, header: DicomHeader, tmp_path: Path) -> None:
    for wrong in ([], [rigid, rigid], [rigid, Transform(FRAME, THIRD, np.eye(4))]):
        with pytest.raises(GeometryError, match="do not each lead"):
            write_registration(wrong, tmp_path / "reg.dcm", header)


def test_every_cut_of_the_file_is_told(written: Path) -> None:
    data = written.read_bytes()
    for length in range(0, len(data), 97):
        written.write_bytes(data[:length])
        with pytest.raises((DicomError, GeometryError)):
            read_registration(written)
