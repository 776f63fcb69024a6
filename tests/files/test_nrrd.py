from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import FileFormatError, GeometryError, InputError, SegmentError
from ytterby.files.nrrd import read_nrrd, read_nrrd_segments
from ytterby.model.segment import Role
from ytterby.model.volume import Quantity

RAMP = np.arange(2 * 3 * 4, dtype="<i2").reshape((2, 3, 4), order="F")
FIELDS = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "2 3 4",
    "space directions": "(2,0,0) (0,3,0) (0,0,-4)",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(10,20,30)",
}


def written(path: Path, data: bytes, **changes: str | None) -> Path:
    fields = {**FIELDS, **{name.replace("_", " "): value for name, value in changes.items()}}
    lines = ["NRRD0004", "# a comment", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + data)
    return path


def segmentation(path: Path, array: np.ndarray, keys: dict[str, str], **changes: str | None) -> Path:
    """A .seg.nrrd; ``array`` is (i, j, k) or (layers, i, j, k)."""
    array = array.astype(np.uint8)
    spatial = "(2,0,0) (0,2,0) (0,0,2)"
    fields: dict[str, str | None] = {
        "type": "unsigned char",
        "dimension": str(array.ndim),
        "sizes": " ".join(str(n) for n in array.shape),
        "space directions": spatial if array.ndim == 3 else f"none {spatial}",
        "encoding": "gzip",
        "endian": None,
        **changes,
    }
    fields = {**FIELDS, **fields}
    lines = ["NRRD0004", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    lines += [f"{name}:={value}" for name, value in keys.items()]
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + gzip.compress(array.tobytes(order="F"), mtime=0))
    return path


DATA = RAMP.tobytes(order="F")


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("raw", DATA),
        ("gzip", gzip.compress(DATA, mtime=0)),
        (
            "gz",
            gzip.compress(DATA[:10], mtime=0) + gzip.compress(DATA[10:], mtime=0),
        ),  # members, as block compressors write them
        ("bzip2", bz2.compress(DATA)),
        ("ascii", " ".join(str(n) for n in RAMP.ravel(order="F")).encode()),
        ("text", "\n".join(str(n) for n in RAMP.ravel(order="F")).encode() + b"\n"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, data: bytes) -> None:
    volume = read_nrrd(written(tmp_path / "a.nrrd", data, encoding=encoding))
    assert np.array_equal(volume.array, RAMP)
    assert volume.array.dtype == np.float32
    assert (volume.quantity, volume.source) == (Quantity.UNSTATED, "a.nrrd")


def test_big_endian_and_carriage_returns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nrrd", RAMP.astype(">i2").tobytes(order="F"), endian="big")
    head, data = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + data)
    assert np.array_equal(read_nrrd(path).array, RAMP)


@pytest.mark.parametrize(
    ("space", "flip"),
    [
        ("left-posterior-superior", (1, 1)),
        ("LPS", (1, 1)),
        ("right-anterior-superior", (-1, -1)),
        ("RAS", (-1, -1)),
        ("left-anterior-superior", (1, -1)),
    ],
)
def test_spaces_and_oblique_directions(tmp_path: Path, space: str, flip: tuple[int, int]) -> None:
    directions = "(0,3,0) (-2,0,0.5) (0,1,-4)"
    volume = read_nrrd(written(tmp_path / "a.nrrd", DATA, space=space, space_directions=directions))
    stated = np.array([10, 20, 30]) + 1 * np.array([0, 3, 0]) + 2 * np.array([-2, 0, 0.5]) + 3 * np.array([0, 1, -4])
    assert volume.grid.positions_mm([1, 2, 3])[0] == pytest.approx(stated * [*flip, 1])


def test_a_list_axis_of_one_is_dropped_wherever_it_stands(tmp_path: Path) -> None:
    changes = {"dimension": "4", "sizes": "2 3 4 1", "space_directions": "(2,0,0) (0,3,0) (0,0,4) none"}
    assert np.array_equal(read_nrrd(written(tmp_path / "a.nrrd", DATA, **changes)).array, RAMP)
    changes = {"dimension": "4", "sizes": "2 1 3 4", "space_directions": "none (1,0,0) (0,3,0) (0,0,4)"}
    with pytest.raises(GeometryError, match=r"a\.nrrd: the file holds 2 values a voxel"):
        read_nrrd(written(tmp_path / "a.nrrd", DATA, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"space": None, "space_directions": None, "space_origin": None, "spacings": "2 3 4"},
            r"lacks 'space', 'space directions', 'space origin'.*spacings alone",
        ),
        ({"space_origin": None}, "lacks 'space origin'"),
        ({"space": None, "space_dimension": "3"}, "lacks 'space'"),
        ({"space": "scanner-xyz"}, "the space 'scanner-xyz' is no patient's frame"),
        ({"space_units": '"m" "m" "m"'}, "unit of length"),
        ({"space_directions": "(2,0,0) (0,3,0) none"}, "2 of the 3 axes have a direction"),
        ({"space_directions": "(2,0,0) (0,3,0)"}, "do not fit the dimension"),
        ({"space_directions": "(2,0,0) (4,0,0) (0,0,4)"}, "singular"),
        ({"dimension": "2", "sizes": "6 4"}, "three axes in space are needed"),
    ],
)
def test_missing_geometry_is_said(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        read_nrrd(written(tmp_path / "a.nrrd", DATA, **changes))


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"data_file": "a.raw"}, b"", "stands apart from its data.*attached header"),
        ({"encoding": "hex"}, DATA, "the encoding 'hex' is not read here"),
        ({"type": "block"}, DATA, "samples of type 'block'"),
        ({"endian": None}, DATA, "endian: little"),
        ({"encoding": None}, DATA, "lacks the field 'encoding'"),
        ({"byte_skip": "-1"}, DATA, "asks for 'byte skip: -1'"),
        ({"sizes": "2 3 x"}, DATA, "header is damaged"),
        ({"sizes": "90000 90000 90000"}, DATA, "claims an image of 90000 x 90000 x 90000 voxels"),
        ({"sizes": "2 3 -4"}, DATA, r"header is damaged \(sizes: 2 3 -4\)"),
        ({"sizes": "2 3 4.7"}, DATA, "header is damaged"),
        ({"sizes": "2 3 0"}, DATA, "claims an image"),
        ({}, DATA[:-1], "47 bytes of data follow a header that needs 48"),
        ({}, DATA + b"x", "more than the 48 bytes follow"),
        ({"encoding": "gzip"}, gzip.compress(DATA, mtime=0)[:-10], "end too early or are damaged"),
        ({"encoding": "gzip"}, gzip.compress(DATA + b"xx", mtime=0), "more than the 48 bytes"),
        ({"encoding": "gzip"}, gzip.compress(DATA[:-2], mtime=0), "46 bytes of data follow a header that needs 48"),
        ({"encoding": "gzip"}, DATA, "damaged"),
        ({"encoding": "bzip2"}, bz2.compress(DATA)[:-3], "end too early or are damaged"),
        (
            {"encoding": "gzip", "sizes": "1000 1000 1000"},
            gzip.compress(DATA, mtime=0),
            "a header that needs 2000000000 bytes",
        ),
        ({"encoding": "ascii"}, b"1 2 3", "3 numbers follow a header that needs 24"),
        ({"encoding": "ascii"}, b"x " * 24, "a sample is no number"),
        ({"encoding": "ascii"}, b"70000 " * 24, "does not fit the type"),
        ({"type": "float"}, np.full(24, np.nan, "<f4").tobytes(), "24 of 24 voxels are not finite"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, changes: dict[str, str | None], data: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=rf"a\.nrrd: .*{message}"):
        read_nrrd(written(tmp_path / "a.nrrd", data, **changes))


@pytest.mark.parametrize(
    "content", [b"", b"NRR", b"NRRD0004", b"NRRD0009\n\n", b"NRRD0004\nsizes: 1", b"NRRD0004\nnonsense\n\n"]
)
def test_what_is_no_nrrd_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nrrd").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.nrrd"):
        read_nrrd(tmp_path / "a.nrrd")


@given(
    field=st.sampled_from(sorted(FIELDS)),
    value=st.one_of(
        st.text(max_size=30),
        st.sampled_from(["", "nan", "1e9 2 2", "(nan,0,0) (0,1,0) (0,0,1)", "none none none", "9" * 40]),
    ),
)
def test_any_header_is_read_or_refused_by_an_error_of_ours(field: str, value: str, tmp_path_factory) -> None:
    path = written(tmp_path_factory.mktemp("h") / "a.nrrd", DATA, **{field.replace(" ", "_"): value})
    try:
        volume = read_nrrd(path)
    except InputError as error:
        message = str(error)
    else:
        message = "read"
        assert volume.array.shape == volume.grid.shape
    assert message


# ---------------------------------------------------------------- segmentations of 3D Slicer

LAYERS = np.zeros((2, 3, 4, 5), dtype=np.uint8)
LAYERS[0, :2] = 1
LAYERS[0, 2] = 7
LAYERS[1, 1:] = 1
KEYS = {
    "Segment0_Name": "Leber \\\\ ü",
    "Segment0_Layer": "0",
    "Segment0_LabelValue": "1",
    "Segment0_Extent": "0 0 0 0 0 0",
    "Segment1_Name": "Tumor 1",
    "Segment1_Layer": "0",
    "Segment1_LabelValue": "7",
    "Segment2_Name": "perfused",
    "Segment2_Layer": "1",
    "Segment2_LabelValue": "1",
    "Segmentation_ReferenceImageExtentOffset": "100 100 100",
}


def test_layers_labels_and_names(tmp_path: Path) -> None:
    segments = read_nrrd_segments(segmentation(tmp_path / "a.seg.nrrd", LAYERS, KEYS))
    assert [segment.name for segment in segments] == ["Leber \\ ü", "Tumor 1", "perfused"]
    liver, tumour, perfused = segments
    assert np.array_equal(liver.mask, LAYERS[0] == 1)
    assert np.array_equal(tumour.mask, LAYERS[0] == 7)
    assert np.array_equal(perfused.mask, LAYERS[1] == 1)  # layers overlap
    assert (liver.role, liver.method, liver.source) == (Role.OTHER, "imported", "a.seg.nrrd")
    # Extent and offset are informative: the origin of the file already accounts for them.
    assert liver.grid.affine[:3, 3] == pytest.approx([10, 20, 30])
    assert liver.volume_ml == pytest.approx(40 * 0.008)


def test_older_versions_have_one_layer_a_segment_or_one_volume(tmp_path: Path) -> None:
    old = segmentation(tmp_path / "a.seg.nrrd", LAYERS == 1, {"Segment0_Name": "liver", "Segment1_Name": "perfused"})
    assert [int(segment.mask.sum()) for segment in read_nrrd_segments(old)] == [40, 40]
    one = segmentation(tmp_path / "b.seg.nrrd", LAYERS[0], {"Segment0_ID": "Segment_1", "Segment0_LabelValue": "7"})
    (segment,) = read_nrrd_segments(one)
    assert (segment.name, int(segment.mask.sum())) == ("Segment_1", 20)


def test_a_segment_without_voxels_is_kept_for_its_user_to_refuse(tmp_path: Path) -> None:
    keys = {"Segment0_Name": "liver", "Segment0_Layer": "0", "Segment0_LabelValue": "99"}
    (segment,) = read_nrrd_segments(segmentation(tmp_path / "a.seg.nrrd", LAYERS, keys))
    with pytest.raises(SegmentError, match=r"segment 'liver' of a\.seg\.nrrd: the segment is empty"):
        segment.require_voxels()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Segment2_Layer": "2"}, "segment 'perfused' lies in layer 2, but the file has 2 layer"),
        ({"Segment2_Layer": "one"}, "Segment2_Layer is 'one', not a whole number"),
        ({"Segment2_Name": "Tumor 1"}, "more than one segment is called 'Tumor 1'"),
        ({"Segment1_LabelValue": "1"}, "share label 1 of layer 0"),
        ({"Segmentation_MasterRepresentation": "Fractional labelmap"}, "fractional"),
    ],
)
def test_contradictions_of_the_header_are_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    path = segmentation(tmp_path / "a.seg.nrrd", LAYERS, {**KEYS, **changes})
    with pytest.raises(SegmentError, match=rf"a\.seg\.nrrd: .*{message}"):
        read_nrrd_segments(path)


def test_plain_label_maps_need_labels_and_named_ones_refuse_them(tmp_path: Path) -> None:
    plain = segmentation(tmp_path / "a.nrrd", LAYERS[0], {})
    (tumour,) = read_nrrd_segments(plain, labels={7: "tumour"})
    assert int(tumour.mask.sum()) == 20
    with pytest.raises(SegmentError, match=r"a\.nrrd: label 3 \('liver'\) is not in the file, which holds labels 1, 7"):
        read_nrrd_segments(plain, labels={3: "liver"})
    with pytest.raises(SegmentError, match="does not name its segments, and no labels are stated"):
        read_nrrd_segments(plain)
    with pytest.raises(GeometryError, match="2 values a voxel and names no segments"):
        read_nrrd_segments(segmentation(tmp_path / "b.nrrd", LAYERS, {}), labels={1: "liver"})
    with pytest.raises(SegmentError, match="names its own segments"):
        read_nrrd_segments(segmentation(tmp_path / "c.seg.nrrd", LAYERS, KEYS), labels={1: "liver"})


# ---------------------------------------------------------------- real images


@pytest.mark.external
def test_real_segmentation_agrees_with_simpleitk(external_data: Path) -> None:
    import SimpleITK as sitk

    path = external_data / "maa_spect_patient2" / "patient_2_Segmentation.seg.nrrd"
    segments = {segment.name: segment for segment in read_nrrd_segments(path)}
    assert list(segments) == [
        "gallbladder",
        "liver",
        "Tumor 1",
        "Tumor 2",
        "perfused volume",
        "whole liver normal",
        "perfused normal",
    ]
    image = sitk.ReadImage(str(path))
    layers = sitk.GetArrayViewFromImage(image)
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000
    places = {
        "liver": (1, 1),
        "Tumor 1": (0, 6),
        "Tumor 2": (0, 7),
        "perfused volume": (2, 1),
        "perfused normal": (3, 1),
    }
    for name, (layer, label) in places.items():
        mask = (layers[..., layer] == label).transpose(2, 1, 0)
        assert np.array_equal(segments[name].mask, mask)
        assert segments[name].volume_ml == pytest.approx(int(mask.sum()) * voxel_ml, rel=1e-9)
    last = tuple(n - 1 for n in image.GetSize())
    corner = image.TransformIndexToPhysicalPoint(last)
    assert segments["liver"].grid.positions_mm(last)[0] == pytest.approx(corner, abs=1e-6)


@pytest.mark.external
def test_real_spect_agrees_with_simpleitk(external_data: Path) -> None:
    import SimpleITK as sitk

    path = external_data / "maa_spect_patient2" / "patient_2_SPECT.nrrd"
    volume = read_nrrd(path)
    image = sitk.ReadImage(str(path))
    assert np.array_equal(volume.array, sitk.GetArrayViewFromImage(image).transpose(2, 1, 0))
    assert volume.grid.affine[2, 2] == pytest.approx(-2.5)  # slices run from head to feet
    for index in [(0, 0, 0), (127, 5, 159)]:
        place = image.TransformIndexToPhysicalPoint(index)
        assert volume.grid.positions_mm(index)[0] == pytest.approx(place, abs=1e-6)
