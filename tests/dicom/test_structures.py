"""Structure sets: what other systems write ends in the right voxels, and what is written here comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.path import Path as Outline
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian

from ytterby.dicom.layout import contours as layout
from ytterby.dicom.read.structures import StructureSet, read_structures
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, content_uid, write_ct, write_structures
from ytterby.errors import DicomError, GeometryError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

FRAME = content_uid("tests", "frame of reference")
OTHER_FRAME = content_uid("tests", "another frame of reference")
Points = np.ndarray


def region(
    name: str,
    contours: Sequence[Points],
    *,
    kind: str = "CLOSED_PLANAR",
    frame: str = FRAME,
    algorithm: str = "MANUAL",
    interpreted: str = "ORGAN",
    slab: float | None = None,
) -> tuple[Dataset, Dataset, Dataset]:
    """The three items of a region of interest, as they stand in a file; its number is given later."""
    described, drawn, observed = Dataset(), Dataset(), Dataset()
    described.ReferencedFrameOfReferenceUID, described.ROIName = frame, name
    described.ROIGenerationAlgorithm = algorithm
    items = []
    for points in contours:
        item = Dataset()
        item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
        if slab is not None:
            item.ContourSlabThickness = slab
        item.ContourData = [f"{value:.6g}" for value in np.ravel(points)]
        items.append(item)
    drawn.ROIDisplayColor, drawn.ContourSequence = [255, 0, 0], items
    observed.RTROIInterpretedType, observed.ROIInterpreter = interpreted, ""
    return described, drawn, observed


def structure_set(path: Path, *regions: tuple[Dataset, Dataset, Dataset]) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3.4"
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        "1.2.3.4",
    )
    dataset.Modality, dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "RTSTRUCT", "1.2.3", "1.2"
    for number, (described, drawn, observed) in enumerate(regions, start=7):
        described.ROINumber = drawn.ReferencedROINumber = observed.ReferencedROINumber = number
        observed.ObservationNumber = number
    dataset.StructureSetROISequence = [one for one, _, _ in regions]
    # Not in the order of their description: the number is what counts.
    dataset.ROIContourSequence = [one for _, one, _ in reversed(regions)]
    dataset.RTROIObservationsSequence = [one for _, _, one in regions]
    dataset.save_as(path, enforce_file_format=True)
    return path


def circle(radius: float, z: float, *, at: tuple[float, float] = (0.0, 0.0), points: int = 120) -> Points:
    angle = np.arange(points) / points * 2 * np.pi
    return np.column_stack([at[0] + radius * np.cos(angle), at[1] + radius * np.sin(angle), np.full(points, z)])


def square(half: float, z: float, *, at: tuple[float, float] = (0.0, 0.0)) -> Points:
    x, y = at
    return np.array(
        [[x - half, y - half, z], [x + half, y - half, z], [x + half, y + half, z], [x - half, y + half, z]]
    )


def image(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    *,
    origin: tuple[float, float, float] | None = None,
) -> Volume:
    grid = Grid.axis_aligned(shape, spacing, origin_mm=origin)
    return Volume(np.zeros(shape, dtype=np.int16), grid, Quantity.HU, frame_of_reference=FRAME)


def codes(found: StructureSet) -> list[str]:
    return [notice.code for _, notice in found.told]


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def sphere_contours(radius: float, step: float, axes: np.ndarray, *, offset: float = 0.0) -> list[Points]:
    """Contours of a sphere around LPS 0 in planes across the third column of ``axes``."""
    found = []
    for place in np.arange(-radius + step / 2 + offset, radius, step):
        around = circle(float(np.sqrt(max(radius**2 - place**2, 0.01))), float(place))
        found.append(around @ axes.T)
    return found


def axes_across(direction: str) -> np.ndarray:
    oblique, _ = np.linalg.qr(np.array([[1.0, 0.3, -0.4], [-0.2, 1.0, 0.5], [0.3, -0.4, 1.0]]))
    oblique *= np.sign(np.linalg.det(oblique))
    return {
        "axial": np.eye(3),
        "coronal": np.eye(3)[:, [0, 2, 1]],
        "sagittal": np.eye(3)[:, [1, 2, 0]],
        "oblique": oblique,
    }[direction]


def in_sphere(grid: Grid, radius: float) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    return (np.linalg.norm(grid.positions_mm(index), axis=1) < radius).reshape(grid.shape)


@pytest.mark.parametrize("on_image", [False, True], ids=["own lattice", "image"])
@pytest.mark.parametrize("direction", ["axial", "coronal", "sagittal", "oblique"])
def test_a_sphere_in_planes_of_any_direction(direction: str, on_image: bool, tmp_path: Path) -> None:
    contours = sphere_contours(20.0, 2.5, axes_across(direction))
    shuffled = [contours[index] for index in np.random.default_rng(1).permutation(len(contours))]
    path = structure_set(tmp_path / "rs.dcm", region("ball", shuffled))
    found = read_structures(path, image=image((60, 60, 40), (1.0, 1.0, 1.5)) if on_image else None)
    (ball,) = found.segments
    volume = 4 / 3 * np.pi * 8.0
    assert ball.volume_ml == pytest.approx(volume, rel=0.02)
    assert dice(ball.mask, in_sphere(ball.grid, 20.0)) > 0.96
    assert found.told == ()
    assert (ball.name, ball.role, ball.method, ball.frame_of_reference) == (
        "ball",
        Role.OTHER,
        "imported, manual",
        FRAME,
    )
    if on_image:
        assert ball.grid.shape == (60, 60, 40)
    else:
        assert ball.grid.spacing_mm == pytest.approx((0.5, 0.5, 2.5))


def test_planes_between_the_slices_of_the_image(tmp_path: Path) -> None:
    # Planes every 4 mm, and an image of 3 mm that begins elsewhere: hardly any plane lies on a slice.
    path = structure_set(tmp_path / "rs.dcm", region("ball", sphere_contours(24.0, 4.0, np.eye(3), offset=0.7)))
    (ball,) = read_structures(path, image=image((60, 60, 30), (1.0, 1.0, 3.0))).segments
    assert ball.volume_ml == pytest.approx(4 / 3 * np.pi * 24**3 / 1000, rel=0.02)
    assert dice(ball.mask, in_sphere(ball.grid, 24.0)) > 0.97


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_holes_and_keyholes(kind: str, tmp_path: Path) -> None:
    planes = np.arange(-9.0, 10.0, 3.0)
    outer, inner = [circle(15, z) for z in planes], [circle(6, z)[::-1] for z in planes]
    keyholes = [np.concatenate([a, a[:1], b, b[:1]]) for a, b in zip(outer, inner, strict=True)]
    path = structure_set(
        tmp_path / "rs.dcm",
        region("tube", [*outer, *inner], kind=kind),
        region("keyhole", keyholes, kind=kind),
        region("tube in tube", [*outer, *inner, *[circle(3, z) for z in planes]], kind=kind),
    )
    found = read_structures(path, image=image((80, 80, 9), (0.5, 0.5, 3.0)))
    tube, keyhole, both = found.segments
    assert tube.volume_ml == pytest.approx(np.pi * (15**2 - 6**2) * 21 / 1000, rel=0.005)
    np.testing.assert_array_equal(keyhole.mask, tube.mask)
    assert both.volume_ml - tube.volume_ml == pytest.approx(np.pi * 9 * 21 / 1000, rel=0.02)
    assert found.told == ()


def test_neighbouring_structures_share_no_voxel(tmp_path: Path) -> None:
    # Edges that run through the centres of voxels.
    left, right = square(5, 0, at=(-5.0, 0.0)), square(5, 0, at=(5.0, 0.0))
    path = structure_set(tmp_path / "rs.dcm", region("left", [left]), region("right", [right]))
    left_part, right_part = read_structures(path, image=image((41, 41, 3), (1.0, 1.0, 3.0))).segments
    assert not (left_part.mask & right_part.mask).any()
    assert left_part.volume_ml == right_part.volume_ml == pytest.approx(0.3)


def test_gaps_are_filled_or_left_and_told(tmp_path: Path) -> None:
    planes = [0, 3, 6, 12, 15, 30, 33]
    path = structure_set(tmp_path / "rs.dcm", region("column", [circle(10, z) for z in planes]))
    found = read_structures(path, image=image((30, 30, 20), (1.0, 1.0, 3.0), origin=(-14.5, -14.5, -6.0)))
    filled = np.flatnonzero(found.segments[0].mask.any(axis=(0, 1))) * 3 - 6
    assert filled.tolist() == [0, 3, 6, 9, 12, 15, 30, 33]
    assert codes(found) == ["contour_gaps"]
    message = found.told[0][1].message
    assert "3 mm apart, but 2 times further, up to 15 mm; 1 of these gaps were filled" in message
    assert found.told[0][0] == "column"


def test_planes_further_apart_than_slices_are_joined_by_shape(tmp_path: Path) -> None:
    path = structure_set(tmp_path / "rs.dcm", region("cone", [circle(20 - z, z) for z in (0.0, 4.0, 8.0, 12.0)]))
    found = read_structures(path, image=image((50, 50, 20), (1.0, 1.0, 1.0), origin=(-24.5, -24.5, -3.0)))
    areas = found.segments[0].mask.sum(axis=(0, 1))
    assert np.flatnonzero(areas).tolist() == list(range(1, 17))  # two millimetres beyond both ends, half-open
    for k in range(3, 16):
        assert areas[k] == pytest.approx(np.pi * (20 - (k - 3)) ** 2, rel=0.04)
    assert found.told == ()


def test_points_open_and_bent_contours_are_left_out_and_told(tmp_path: Path) -> None:
    bent = circle(10, 0)
    bent[:, 2] += np.linspace(0, 3, len(bent))
    planes = [circle(10, z) for z in (0, 3, 6)]
    line = np.array([[0.0, 0, 0], [5, 5, 0], [9, 9, 0]])
    path = structure_set(
        tmp_path / "rs.dcm",
        region("organ", [*planes, bent, np.array([[1.0, 2, 3], [3, 4, 3]]), line]),
        region("isocentre", [np.array([[1.0, 2.0, 3.0]])], kind="POINT", interpreted="ISOCENTER"),
        region("catheter", [line], kind="OPEN_PLANAR"),
        region("nothing", []),
    )
    found = read_structures(path)
    assert [(segment.name, segment.is_empty) for segment in found.segments] == [
        ("organ", False),
        ("isocentre", True),
        ("catheter", True),
        ("nothing", True),
    ]
    assert found.segments[0].volume_ml == pytest.approx(np.pi * 0.9, rel=0.01)
    told = dict(found.told)
    assert told["organ"].message == (
        "'organ': contours were left out: 1 fewer than 3 points, 1 not flat or of another direction."
    )
    assert "1 POINT" in told["isocentre"].message
    assert "1 OPEN_PLANAR" in told["catheter"].message
    with pytest.raises(SegmentError, match="no region has a closed planar contour; found: only points"):
        read_structures(structure_set(tmp_path / "p.dcm", region("only points", [line], kind="POINT")))


def test_repeats_overlaps_and_duplicate_points(tmp_path: Path) -> None:
    planes = (0.0, 2.0, 4.0)
    stuttering = [np.repeat(circle(8, z), 3, axis=0) for z in planes]
    closed_twice = [np.concatenate([one, one[:1]]) for one in stuttering]
    path = structure_set(
        tmp_path / "rs.dcm",
        region("plain", [circle(8, z) for z in planes]),
        region("stuttering", closed_twice),
        region("twice", [circle(8, z) for z in planes for _ in range(2)]),
        region("overlapping", [c for z in planes for c in (circle(8, z, at=(-4, 0)), circle(8, z, at=(4, 0)))]),
        region("figure of eight", [np.array([[-8, -8, z], [8, 8, z], [8, -8, z], [-8, 8, z]]) for z in planes]),
    )
    found = read_structures(path)
    plain, stuttering_one, twice, overlapping, eight = found.segments
    np.testing.assert_array_equal(stuttering_one.mask, plain.mask)
    np.testing.assert_array_equal(twice.mask, plain.mask)
    assert [(name, notice.code) for name, notice in found.told] == [
        ("twice", "contours_repeated"),
        ("overlapping", "contours_overlap"),
    ]
    assert not overlapping.is_empty
    assert eight.volume_ml == pytest.approx(2 * 8 * 8 * 6 / 1000, rel=0.02)  # two triangles


def test_thickness_of_a_single_plane(tmp_path: Path) -> None:
    lone = region("lone", [circle(10, 5.0)])
    with pytest.raises(GeometryError, match="'lone' has contours in one plane alone"):
        read_structures(structure_set(tmp_path / "a.dcm", lone))
    area = np.pi * 0.1
    stated = read_structures(structure_set(tmp_path / "b.dcm", region("lone", [circle(10, 5.0)], slab=4.0)))
    assert stated.segments[0].volume_ml == pytest.approx(area * 4, rel=0.01)
    beside = structure_set(tmp_path / "c.dcm", lone, region("liver", [circle(30, z) for z in (0.0, 2.5, 5.0, 7.5)]))
    assert read_structures(beside).segments[0].volume_ml == pytest.approx(area * 2.5, rel=0.01)
    on_image = read_structures(tmp_path / "a.dcm", image=image((40, 40, 11), (1.0, 1.0, 5.0)))
    assert on_image.segments[0].volume_ml == pytest.approx(area * 5, rel=0.02)


def test_a_structure_reaches_beyond_its_image(tmp_path: Path) -> None:
    path = structure_set(tmp_path / "rs.dcm", region("ball", sphere_contours(20.0, 3.0, np.eye(3))))
    small = image((20, 44, 6), (1.0, 1.0, 3.0), origin=(0.5, -21.5, -18.5))
    (ball,) = read_structures(path, image=small).segments
    assert ball.volume_ml == pytest.approx(4 / 3 * np.pi * 8, rel=0.02)
    # The image's lattice goes on beyond it.
    places = small.grid.indices(ball.grid.positions_mm([[0, 0, 0], [1, 1, 1]]))
    np.testing.assert_allclose(places, np.rint(places), atol=1e-9)
    far = structure_set(
        tmp_path / "far.dcm", region("far", [*sphere_contours(20.0, 3.0, np.eye(3)), circle(5, 90000.0)])
    )
    with pytest.raises(GeometryError, match="far outside the image"):
        read_structures(far, image=small)


def test_frames_of_reference(tmp_path: Path) -> None:
    planes = [circle(8, z) for z in (0.0, 2.0, 4.0)]
    path = structure_set(tmp_path / "rs.dcm", region("here", planes), region("there", planes, frame=OTHER_FRAME))
    found = read_structures(path, image=image((40, 40, 8), (0.75, 0.75, 2.0)))
    assert [segment.frame_of_reference for segment in found.segments] == [FRAME, OTHER_FRAME]
    assert found.segments[0].grid.shape == (40, 40, 8)
    assert found.segments[1].grid.spacing_mm == pytest.approx((0.5, 0.5, 2.0))
    assert [(name, notice.code) for name, notice in found.told] == [("there", "other_frame_of_reference")]


def test_tiny_structures_are_told(tmp_path: Path) -> None:
    tiny = [circle(0.8, z, at=(0.1, 0.2)) for z in (0.0, 1.0, 2.0)]
    between_voxels = [circle(0.3, z, at=(0.5, 0.5)) for z in (0.0, 1.0, 2.0)]
    path = structure_set(tmp_path / "rs.dcm", region("tiny", tiny), region("between", between_voxels))
    found = read_structures(path, image=image((21, 21, 9), (1.0, 1.0, 1.0)))
    assert found.segments[1].is_empty
    assert [(name, notice.code) for name, notice in found.told] == [
        ("tiny", "structure_coarse"),
        ("between", "structure_coarse"),
    ]
    assert "mL by its contours are 0 mL" in found.told[1][1].message
    own = read_structures(path).segments
    assert own[0].volume_ml == pytest.approx(np.pi * 0.8**2 * 3 / 1000, rel=0.15)


def test_damaged_structure_sets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def edited(name: str, change: Callable[[Dataset], None]) -> Path:
        planes = [circle(8, z) for z in (0.0, 2.0)]
        dataset = pydicom.dcmread(structure_set(tmp_path / name, region("organ", planes)))
        change(dataset)
        dataset.save_as(tmp_path / name)
        return tmp_path / name

    def contour(**values: object) -> Callable[[Dataset], None]:
        def change(dataset: Dataset) -> None:
            for keyword, value in values.items():
                setattr(dataset.ROIContourSequence[0].ContourSequence[0], keyword, value)

        return change

    with pytest.raises(DicomError, match="no structure set but CT"):
        read_structures(edited("m.dcm", lambda dataset: setattr(dataset, "Modality", "CT")))
    with pytest.raises(DicomError, match="describes 0 regions"):
        read_structures(edited("r.dcm", lambda dataset: setattr(dataset, "StructureSetROISequence", [])))
    with pytest.raises(DicomError, match="11 numbers is no list of places"):
        read_structures(edited("n.dcm", contour(ContourData=["1"] * 11)))
    with pytest.raises(DicomError, match="no list of places"):
        read_structures(edited("f.dcm", contour(ContourData=["1e30"] * 12)))
    path = edited("t.dcm", lambda dataset: None)
    path.write_bytes(path.read_bytes().replace(b"\\-8\\", b"\\xx\\"))
    with pytest.raises(DicomError, match="no number"):
        read_structures(path)
    for limit, message in (("MAX_POINTS", "more than 100 points"), ("MAX_CONTOURS", "2 contours; 1 are the most")):
        with monkeypatch.context() as patch:
            patch.setattr(layout, limit, 100 if limit == "MAX_POINTS" else 1)
            with pytest.raises(DicomError, match=message):
                read_structures(edited("l.dcm", lambda dataset: None))


# ------------------------------------------------------------------------------------------------ written here


def rotated(
    grid_axes: tuple[int, int, int], signs: tuple[int, int, int], spacing: tuple[float, float, float], turn: float
) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, grid_axes] * np.array(signs)
    cosine, sine = np.cos(turn), np.sin(turn)
    tilt = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ np.array(
        [[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]
    )
    affine[:3, :3] = tilt @ affine[:3, :3] * np.array(spacing)
    affine[:3, 3] = [-31.25, 17.5, 802.125]
    return affine


grids = st.builds(
    rotated,
    st.permutations([0, 1, 2]).map(tuple),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.tuples(*[st.sampled_from([0.625, 1.0, 1.171875, 2.5, 5.0])] * 3),
    st.sampled_from([0.0, 0.1, 0.5, 1.2]),
)
masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=7)).filter(np.any)


@given(mask=masks, affine=grids)
def test_a_mask_comes_back_as_it_was(
    mask: np.ndarray, affine: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    header = DicomHeader("P1", "T", "", content_uid("study"), "20240301", "101500", "t", FRAME)
    grid = Grid(mask.shape, affine)
    written = Segment("any", Role.TUMOUR, mask, grid)
    path = write_structures([written], tmp_path_factory.mktemp("rs") / "rs.dcm", header)
    reference = Volume(np.zeros(mask.shape, dtype=np.int16), grid, Quantity.HU, frame_of_reference=FRAME)
    # Beside it a full block says how far apart the planes are; a lone mask may have gaps that are filled.
    block = replace(written, name="block", mask=np.ones_like(mask))
    both = write_structures([written, block], path, header)
    found = read_structures(both, image=reference)
    read = found.segments[0].on_grid(grid).mask
    np.testing.assert_array_equal(found.segments[1].on_grid(grid).mask, block.mask)
    if "contour_gaps" not in codes(found) and mask.any(axis=(0, 1)).all():
        np.testing.assert_array_equal(read, mask)
    else:
        assert not (mask & ~read).any()


def rings(grid: Grid) -> tuple[Segment, ...]:
    liver = np.ones(grid.shape, dtype=bool)
    liver[0], liver[:, -1] = False, False
    liver[3:5, 2:4, 1:4] = False
    one = np.zeros(grid.shape, dtype=bool)
    one[3, 2, 2] = True
    return (
        Segment(
            "Liver, named at such length that the name does not fit into DICOM's long string", Role.LIVER, liver, grid
        ),
        Segment("Tumor 1", Role.TUMOUR, one, grid, method="percent of maximum, 41 %"),
        Segment("Läsion 2", Role.TUMOUR, np.zeros(grid.shape, dtype=bool), grid, method="imported, automatic net"),
    )


def test_structures_name_their_slices_and_are_valid(
    hu: Volume, header: DicomHeader, dciodvfy: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    ct = write_ct(hu, tmp_path / "ct", header)
    segments = rings(hu.grid)
    path = write_structures(segments, tmp_path / "rs.dcm", header, source=ct)
    assert dciodvfy(path) == []
    assert write_structures(segments, tmp_path / "again.dcm", header, source=ct).read_bytes() == path.read_bytes()
    dataset = pydicom.dcmread(path)
    slices = {uid: one for one in ct for uid in [pydicom.dcmread(one).SOPInstanceUID]}
    for drawn in dataset.ROIContourSequence:
        for contour in drawn.get("ContourSequence", []):
            plane = pydicom.dcmread(slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID])
            normal = np.cross(plane.ImageOrientationPatient[:3], plane.ImageOrientationPatient[3:])
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            assert contour.NumberOfContourPoints == len(points)
            assert np.abs((points - np.array(plane.ImagePositionPatient, dtype=float)) @ normal).max() < 1e-3
    referenced = dataset.ReferencedFrameOfReferenceSequence[0]
    assert referenced.FrameOfReferenceUID == FRAME
    series = referenced.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert len(series.ContourImageSequence) == len(ct)
    assert [str(item.ROIName) for item in dataset.StructureSetROISequence] == [s.name[:64] for s in segments]
    assert [item.ROIGenerationAlgorithm for item in dataset.StructureSetROISequence] == ["SEMIAUTOMATIC"] * 2 + [
        "AUTOMATIC"
    ]
    assert [item.RTROIInterpretedType for item in dataset.RTROIObservationsSequence] == ["ORGAN", "GTV", "GTV"]
    colours = [tuple(item.ROIDisplayColor) for item in dataset.ROIContourSequence]
    assert len(set(colours)) == 3
    assert "ContourSequence" not in dataset.ROIContourSequence[2]
    found = read_structures(path, image=replace(hu, frame_of_reference=FRAME))
    for read, written in zip(found.segments, segments, strict=True):
        np.testing.assert_array_equal(read.on_grid(written.grid).mask, written.mask)


def test_another_program_fills_the_same_voxels(header: DicomHeader, tmp_path: Path) -> None:
    grid = Grid.axis_aligned((14, 12, 5), (0.9, 1.1, 3.0))
    segments = rings(grid)
    dataset = pydicom.dcmread(write_structures(segments, tmp_path / "rs.dcm", header))
    i, j = np.mgrid[: grid.shape[0], : grid.shape[1]]
    for drawn, segment in zip(dataset.ROIContourSequence, segments, strict=True):
        mask = np.zeros(grid.shape, dtype=bool)
        for contour in drawn.get("ContourSequence", []):
            index = grid.indices(np.array(contour.ContourData, dtype=float).reshape(-1, 3))
            inside = Outline(index[:, :2]).contains_points(np.column_stack([i.ravel(), j.ravel()]))
            mask[:, :, round(index[0, 2])] |= inside.reshape(i.shape)
        np.testing.assert_array_equal(mask, segment.mask)


def test_structures_without_place_are_refused(
    segments: tuple[Segment, ...], hu: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    with pytest.raises(SegmentError, match="no voxel to write"):
        write_structures([replace(segments[0], mask=segments[0].mask & False)], tmp_path / "rs.dcm", header)
    other = Segment("other", Role.OTHER, np.ones((2, 2, 2), dtype=bool), Grid.axis_aligned((2, 2, 2), (1, 1, 1)))
    with pytest.raises(GeometryError, match="several grids"):
        write_structures([*segments, other], tmp_path / "rs.dcm", header)
    with pytest.raises(GeometryError, match="do not lie on the grid of their source"):
        write_structures([other], tmp_path / "rs.dcm", header, source=write_ct(hu, tmp_path / "ct", header))


def test_a_scan_names_the_regions(segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path) -> None:
    path = write_structures(segments, tmp_path / "rs.dcm", header)
    series = scan(path).series[0]
    assert (series.kind, series.role, series.problems) == ("rtstruct", "structure_set", ())
    assert series.reason == "radiotherapy structure set (RTSTRUCT): Liver, Tumor 1"


@pytest.mark.external
@pytest.mark.parametrize("modality", ["CT", "PET"])
def test_real_structure_sets(modality: str, external_data: Path) -> None:
    folder = external_data / "ibsi_STS_001" / modality
    series = scan(folder / "image").series[0]
    assert series.grid is not None
    empty = np.zeros(series.grid.shape, dtype=np.int8)
    on = Volume(empty, series.grid, Quantity.OTHER, frame_of_reference=series.frame_of_reference)
    dataset = pydicom.dcmread(folder / "mask" / "RS.dcm", specific_tags=["ROIContourSequence"])
    contours = [
        np.array(item.ContourData, dtype=float).reshape(-1, 3) for item in dataset.ROIContourSequence[0].ContourSequence
    ]
    planimetric_ml = sum(
        abs(np.sum(one[:, 0] * np.roll(one[:, 1], -1) - np.roll(one[:, 0], -1) * one[:, 1])) / 2 for one in contours
    ) * (3.27 / 1000)
    for reference in (on, None):
        found = read_structures(folder / "mask" / "RS.dcm", image=reference)
        (mass,) = found.segments
        assert (mass.name, found.told) == (f"GTV_Mass_{modality}", ())
        expected = np.zeros(mass.grid.shape, dtype=bool)
        i, j = np.mgrid[: mass.grid.shape[0], : mass.grid.shape[1]]
        for contour in contours:
            index = mass.grid.indices(contour)
            inside = Outline(index[:, :2]).contains_points(np.column_stack([i.ravel(), j.ravel()]))
            expected[:, :, round(index[0, 2])] ^= inside.reshape(i.shape)
        assert dice(mass.mask, expected) > 0.999
        assert mass.volume_ml == pytest.approx(planimetric_ml, rel=0.01)


def test_a_file_that_is_cut_off_is_refused_and_told(
    segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path
) -> None:
    path = write_structures(segments, tmp_path / "structures.dcm", header)
    content = path.read_bytes()
    for size in (len(content) - 10, len(content) * 3 // 4, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(DicomError, match=r"the file ends within element|damaged or incomplete"):
            read_structures(path)
        series = scan(path).series[0]
        assert [problem.level for problem in series.problems] == ["red"]
