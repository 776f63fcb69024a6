"""Planar views: told apart by their headers, read frame by frame, and counted in regions; never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ytterby.dicom.read import paired_views, read_view, read_views
from ytterby.dicom.series import Series, scan, total_counts
from ytterby.dicom.write import DicomHeader, write_nm_planar
from ytterby.errors import CalibrationError, DicomError, DomainError, GeometryError
from ytterby.model.planar import PlanarPair, PlanarView, ViewDirection

FRONT, BACK = ViewDirection.ANTERIOR, ViewDirection.POSTERIOR


def view(direction: ViewDirection | None, *, shape: tuple[int, int] = (40, 24)) -> PlanarView:
    seed = 1 if direction is FRONT else 2
    return PlanarView(
        array=np.random.default_rng(seed).poisson(20, shape),
        direction=direction,
        direction_source="made for a test",
        energy_window="Tc99m",
        energy_ranges_kev=((126.0, 154.0),),
        spacing_mm=(2.4, 2.2),
        duration_seconds=600.0,
        columns_towards="",
        source="test",
        frame=1,
    )


@pytest.fixture
def whole_body(header: DicomHeader, tmp_path: Path) -> Path:
    return write_nm_planar([view(FRONT), view(BACK)], tmp_path / "wb.dcm", header)


def edit(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def bare(dataset: Dataset) -> None:
    """A change that takes away all that says from where the camera looked."""
    for detector in dataset.DetectorInformationSequence:
        del detector.ViewCodeSequence, detector.StartAngle
        detector.ImageOrientationPatient = ""


def messages(series: Series, level: str) -> str:
    return "\n".join(problem.message for problem in series.problems if problem.level == level)


@pytest.mark.parametrize("image_type", ["STATIC", "WHOLE BODY"])
def test_views_come_back(
    image_type: Any, header: DicomHeader, dciodvfy: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    written = [view(FRONT), view(BACK)]
    path = write_nm_planar(written, tmp_path / "p.dcm", header, image_type=image_type)
    assert dciodvfy(path) == []
    read = read_views(path)
    assert [one.direction for one in read] == [FRONT, BACK]
    assert [one.columns_towards for one in read] == ["left", "right"]
    for one, other in zip(read, written, strict=True):
        np.testing.assert_array_equal(one.array, other.array)
        assert (one.spacing_mm, one.duration_seconds) == ((2.4, 2.2), 600.0)
        assert (one.energy_window, one.energy_ranges_kev) == ("Tc99m", ((126.0, 154.0),))
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(image, np.stack([one.array for one in read]))
    series = scan(path).series[0]
    assert (series.role, series.unit) == ("planar", "counts")
    assert "views: anterior and posterior" in messages(series, "green")
    assert messages(series, "red") == messages(series, "amber") == ""
    assert total_counts(series) == sum(one.array.sum() for one in written)
    pair = paired_views(read, where="p.dcm")
    assert (pair.anterior.direction, pair.posterior.direction, pair.is_mirrored) == (FRONT, BACK, True)


def test_writing_is_repeatable_and_careful(header: DicomHeader, tmp_path: Path) -> None:
    views = [view(FRONT), view(BACK)]
    one, two = (write_nm_planar(views, tmp_path / name, header) for name in ("a.dcm", "b.dcm"))
    assert one.read_bytes() == two.read_bytes()
    for wrong, message in (
        ([], "directions are known and differ"),
        ([view(FRONT), view(FRONT)], "directions are known and differ"),
        ([view(None)], "directions are known and differ"),
        ([view(FRONT), view(BACK, shape=(8, 8))], "differ in size"),
        ([replace(view(FRONT), array=np.full((4, 4), 70000))], "at most 65535"),
        ([replace(view(FRONT), array=np.full((4, 4), -1))], "not negative"),
        ([replace(view(FRONT), spacing_mm=None)], "no pixel spacing"),
    ):
        with pytest.raises(DomainError, match=message):
            write_nm_planar(wrong, tmp_path / "x.dcm", header)


def code(value: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SRT", meaning
    return Sequence([item])


@pytest.mark.parametrize(
    ("keyword", "front", "back"),
    [
        ("ViewCodeSequence", code("G-5215", "anterior"), code("G-5216", "posterior")),
        ("ViewCodeSequence", code("R-10206", "antero-posterior"), code("R-10214", "postero-anterior")),
        ("ViewCodeSequence", code("255549009", "Anterior"), code("255551008", "Posterior")),
        ("ViewCodeSequence", code("99-1", "Anterior projection"), code("99-2", "Posterior projection")),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0, -1], [-1, 0, 0, 0, 0, -1]),
        # The standard counts the angle from the patient's back.
        ("StartAngle", "180", "0"),
        ("StartAngle", "-175", "352"),
    ],
    ids=["projection", "way-through", "qualifier", "meaning", "orientation", "angle", "angle-near"],
)
def test_directions_are_read_from_many_fields(whole_body: Path, keyword: str, front: Any, back: Any) -> None:
    def change(dataset: Dataset) -> None:
        bare(dataset)
        for detector, value in zip(dataset.DetectorInformationSequence, (back, front), strict=True):
            setattr(detector, keyword, value)

    edit(whole_body, change)
    assert [one.direction for one in read_views(whole_body)] == [BACK, FRONT]


def test_what_is_not_said_or_contradicts_itself_stays_unknown(whole_body: Path) -> None:
    edit(whole_body, bare)
    views = read_views(whole_body)
    assert [one.direction for one in views] == [None, None]
    with pytest.raises(
        DicomError, match=r"there are 0 and 0: frame 1 of wb\.dcm: direction not known.*neither view code"
    ):
        paired_views(views, where="wb.dcm")
    assert "not known of 2 of 2 frames" in messages(scan(whole_body).series[0], "amber")

    def contradict(dataset: Dataset) -> None:
        for detector in dataset.DetectorInformationSequence:
            detector.ViewCodeSequence = code("G-5215", "anterior")
            detector.ImageOrientationPatient = [-1, 0, 0, 0, 0, -1]

    edit(whole_body, contradict)
    assert {one.direction for one in read_views(whole_body)} == {None}
    assert "contradicts itself" in read_views(whole_body)[0].direction_source


@pytest.mark.parametrize(
    ("written", "direction"),
    [
        ({"ImageID": "ANT_THORAX"}, FRONT),
        ({"ImageID": "LSF POST"}, BACK),
        ({"SeriesDescription": "Lung shunt ANT/POST"}, None),
        ({"ImageID": "CONTRAST"}, None),
        ({"ImageID": "ANT", "SeriesDescription": "posterior"}, None),
        ({"ViewPosition": "PA"}, BACK),
    ],
    ids=["ant", "post", "both", "within-a-word", "two-names", "view-position"],
)
def test_names_speak_where_nothing_else_does(
    header: DicomHeader, tmp_path: Path, written: dict[str, str], direction: ViewDirection | None
) -> None:
    path = write_nm_planar(
        [view(FRONT)], tmp_path / "p.dcm", replace(header, series_description=""), image_type="STATIC"
    )

    def change(dataset: Dataset) -> None:
        bare(dataset)
        for keyword, value in written.items():
            setattr(dataset, keyword, value)

    edit(path, change)
    assert read_views(path)[0].direction is direction


def test_two_files_of_one_folder_make_a_pair(header: DicomHeader, tmp_path: Path) -> None:
    for name, side in (("b.dcm", FRONT), ("a.dcm", BACK)):
        write_nm_planar([view(side)], tmp_path / name, header, image_type="STATIC")
    pair = paired_views(read_views(tmp_path), where="folder")
    assert (pair.anterior.source, pair.posterior.source) == ("b.dcm", "a.dcm")
    assert read_view(tmp_path / "a.dcm").direction is BACK


def test_one_view_can_be_named(whole_body: Path, counts: Any, header: DicomHeader, tmp_path: Path) -> None:
    assert read_view(whole_body, frame=2).direction is BACK
    for frame, message in ((None, "no frame is named; the file has 2: 1 anterior"), (3, "there is no frame 3")):
        with pytest.raises(DicomError, match=message):
            read_view(whole_body, frame=frame)
    with pytest.raises(DicomError, match="this is a folder"):
        read_view(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DicomError, match="no planar image here, but no DICOM object"):
        read_views(tmp_path / "empty")


def two_windows(dataset: Dataset) -> None:
    """The two frames become one detector's, in the windows of the peak and of the scatter below."""
    (peak,) = dataset.EnergyWindowInformationSequence
    scatter, limits = Dataset(), Dataset()
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = "108", "125"
    scatter.EnergyWindowName, scatter.EnergyWindowRangeSequence = "Scatter", Sequence([limits])
    dataset.EnergyWindowInformationSequence = Sequence([scatter, peak])
    dataset.NumberOfEnergyWindows = 2
    dataset.EnergyWindowVector, dataset.DetectorVector = [1, 2], [1, 1]


def test_the_window_of_the_photopeak_is_read(whole_body: Path) -> None:
    edit(whole_body, two_windows)
    (one,) = read_views(whole_body)
    assert (one.frame, one.energy_window) == (2, "Tc99m")
    assert read_views(whole_body, energy_window="Scatter")[0].frame == 1
    assert "'Tc99m' (126-154 keV), which holds a photopeak" in messages(scan(whole_body).series[0], "green")
    with pytest.raises(DicomError, match=r"no energy window is 'Y90'; there are 'Scatter' \(108-125 keV\), 'Tc99m'"):
        read_views(whole_body, energy_window="Y90")

    def blind(dataset: Dataset) -> None:
        dataset.RadiopharmaceuticalInformationSequence = Sequence()

    edit(whole_body, blind)
    with pytest.raises(DicomError, match=r"2 energy windows, 'Scatter'.*no photopeak is known for a radionuclide"):
        read_views(whole_body)
    assert "2 energy windows" in messages(scan(whole_body).series[0], "red")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"DetectorVector": [1, 2, 1]}, "DetectorVector has 3 values for 2 frames"),
        ({"DetectorVector": [0, 1]}, "DetectorVector names 0"),
        ({"DetectorVector": [1, 3]}, "DetectorVector names 3, and NumberOfDetectors is 2"),
        ({"DetectorVector": [1, 3], "NumberOfDetectors": 3}, "frame 2 is of detector 3, and 2 are described"),
        ({"EnergyWindowVector": [1, 9]}, "EnergyWindowVector names 9, and NumberOfEnergyWindows is 1"),
        ({"NumberOfFrames": "0"}, "NumberOfFrames is 0"),
        ({"FrameIncrementPointer": [0x00540100], "TimeSliceVector": [1, 2]}, "a time series"),
    ],
    ids=["length", "zero", "beyond", "undescribed", "window", "no-frame", "dynamic"],
)
def test_vectors_that_make_no_sense_are_refused(whole_body: Path, values: dict[str, Any], message: str) -> None:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    edit(whole_body, change)
    with pytest.raises(GeometryError, match=message):
        read_views(whole_body)
    assert message.partition(",")[0] in messages(scan(whole_body).series[0], "red")


def test_the_pointer_says_which_vectors_count(whole_body: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.FrameIncrementPointer = 0x00540020
        dataset.EnergyWindowVector = [7, 7, 7]

    edit(whole_body, change)
    assert [one.direction for one in read_views(whole_body)] == [FRONT, BACK]


def test_a_planar_image_is_never_bq_ml(whole_body: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.Units = "2", "0", "BQML"

    edit(whole_body, change)
    with pytest.raises(CalibrationError, match="cannot be in Bq/mL"):
        read_views(whole_body)


def test_pairs_fit_together() -> None:
    mask = np.zeros((40, 24), dtype=bool)
    mask[5, 2] = True
    pair = PlanarPair(view(FRONT), view(BACK))
    assert pair.on_posterior(mask)[5, 21]
    turned = PlanarPair(replace(view(FRONT), columns_towards="left"), replace(view(BACK), columns_towards="left"))
    assert not turned.is_mirrored
    assert turned.on_posterior(mask)[5, 2]
    with pytest.raises(GeometryError, match="differ in size"):
        PlanarPair(view(FRONT), view(BACK, shape=(24, 40)))
    with pytest.raises(GeometryError, match="differ in pixel spacing"):
        PlanarPair(view(FRONT), replace(view(BACK), spacing_mm=(1.0, 1.0)))


@pytest.mark.external
def test_real_planar_images_are_read(external_data: Path) -> None:
    folder = external_data / "nm_spect_planar"
    (one,) = read_views(folder / "UNIFORMIDAD_1.dcm")
    assert one.counts_in(np.ones(one.array.shape, dtype=bool)) == 16_000_045
    assert (one.direction, one.duration_seconds, one.energy_ranges_kev) == (None, 812.39, ((126.0, 154.0),))
    assert one.spacing_mm == pytest.approx((2.065, 2.065), abs=1e-5)
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "Spatial_Resol_X.dcm")))
    np.testing.assert_array_equal(read_view(folder / "Spatial_Resol_X.dcm").array, image[0])
    whole = read_view(folder / "NM1_JPLL")
    assert whole.array.shape == (1024, 256)
    assert whole.counts_in(np.ones(whole.array.shape, dtype=bool)) == 3_596_452  # CountsAccumulated of the file
    # Real, and of one detector: from where it looked is not said anywhere.
    series = scan(folder / "NM1_JPLL").series[0]
    assert "not known of 1 of 1 frames" in messages(series, "amber")
