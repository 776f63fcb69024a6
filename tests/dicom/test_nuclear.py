"""Reconstructed SPECT of several volumes: an energy window is chosen with reason or by name; gated and dynamic are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ytterby.dicom.read import read_volume
from ytterby.dicom.series import Series, scan
from ytterby.dicom.write import DicomHeader, write_nm_recon_tomo
from ytterby.errors import DicomError, GeometryError
from ytterby.model.volume import Quantity, Volume

EW, TIME_SLOT, SLICE, RR = 0x00540010, 0x00540070, 0x00540080, 0x00540060


def edit(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def messages(series: Series, level: str) -> str:
    return "\n".join(problem.message for problem in series.problems if problem.level == level)


def window(name: str, low: float, high: float) -> Dataset:
    limits, item = Dataset(), Dataset()
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = str(low), str(high)
    item.EnergyWindowName, item.EnergyWindowRangeSequence = name, Sequence([limits])
    return item


@pytest.fixture
def two_windows(counts: Volume, header: DicomHeader, tmp_path: Path) -> Path:
    """Frames of two energy windows, mixed: slice 1 of both, slice 2 of both; the scatter's counts are 3 times the peak's."""

    def change(dataset: Dataset) -> None:
        frames = dataset.pixel_array
        n = len(frames)
        dataset.PixelData = np.stack([frames * 3, frames], axis=1).astype("<u2").tobytes()
        dataset.NumberOfFrames = 2 * n
        dataset.NumberOfEnergyWindows = 2
        dataset.EnergyWindowInformationSequence = Sequence([window("Scatter", 108, 125), window("Tc99m", 126, 154)])
        dataset.FrameIncrementPointer = [EW, SLICE]
        dataset.EnergyWindowVector = [1, 2] * n
        dataset.SliceVector = [k for k in range(1, n + 1) for _ in range(2)]

    return edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), change)


def test_the_window_of_the_photopeak_is_read(two_windows: Path, counts: Volume) -> None:
    series = scan(two_windows).series[0]
    assert series.shape == counts.grid.shape
    assert messages(series, "green") == (
        "2 energy windows: 'Scatter' (108-125 keV), 'Tc99m' (126-154 keV); 'Tc99m' (126-154 keV), which holds a photopeak of "
        "99mTc, is read"
    )
    read = read_volume(two_windows)
    assert read.quantity is Quantity.COUNTS
    assert read.grid.same_as(counts.grid)
    np.testing.assert_array_equal(read.array, counts.array)


@pytest.mark.parametrize(("name", "factor"), [("Scatter", 3), ("1", 3), ("2", 1), ("Tc99m", 1)])
def test_a_window_can_be_named(two_windows: Path, counts: Volume, name: str, factor: int) -> None:
    np.testing.assert_array_equal(read_volume(two_windows, energy_window=name).array, factor * counts.array)


def test_an_ambiguous_window_is_refused_by_name(two_windows: Path) -> None:
    with pytest.raises(DicomError, match=r"no energy window is 'Y90'; there are 'Scatter' \(108-125 keV\), 'Tc99m'"):
        read_volume(two_windows, energy_window="Y90")

    def change(dataset: Dataset) -> None:
        dataset.EnergyWindowInformationSequence = Sequence([window("wide", 108, 170), window("narrow", 126, 154)])

    edit(two_windows, change)
    with pytest.raises(DicomError, match=r"2 energy windows, 'wide' \(108-170 keV\), 'narrow'.*more than one holds"):
        read_volume(two_windows)
    series = scan(two_windows).series[0]
    assert "more than one holds a photopeak of 99mTc" in messages(series, "red")
    assert "state energy_window" in series.problems[0].remedy
    assert read_volume(two_windows, energy_window="narrow").array.max() > 0


def test_the_bremsstrahlung_of_90y_has_no_photopeak(two_windows: Path) -> None:
    def change(dataset: Dataset) -> None:
        code = dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence[0]
        code.CodeValue, code.CodeMeaning = "14691008", "^90^Yttrium"

    edit(two_windows, change)
    with pytest.raises(DicomError, match="no photopeak is known for 90Y"):
        read_volume(two_windows)


@pytest.mark.parametrize(
    ("tag", "keyword", "bound", "words"),
    [
        (TIME_SLOT, "TimeSlotVector", "NumberOfTimeSlots", r"5 time slots \(gated\)"),
        (RR, "RRIntervalVector", "NumberOfRRIntervals", r"5 R-R intervals \(gated\)"),
        (0x00540030, "PhaseVector", "NumberOfPhases", r"5 phases \(dynamic\)"),
        (0x00540050, "RotationVector", "NumberOfRotations", r"5 rotations \(dynamic\)"),
        (0x00540020, "DetectorVector", "NumberOfDetectors", "5 detectors"),
        (0x00540100, "TimeSliceVector", "", r"5 time slices \(dynamic\)"),
        (0x00540090, "AngularViewVector", "", r"5 angular views \(projections\)"),
    ],
    ids=["time-slot", "rr", "phase", "rotation", "detector", "time-slice", "angular-view"],
)
def test_gated_and_dynamic_objects_are_refused(
    counts: Volume, header: DicomHeader, tmp_path: Path, tag: int, keyword: str, bound: str, words: str
) -> None:
    def change(dataset: Dataset) -> None:
        dataset.FrameIncrementPointer = [tag, SLICE]
        setattr(dataset, keyword, [1, 2, 3, 4, 5])
        if bound:
            setattr(dataset, bound, 5)

    path = edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), change)
    with pytest.raises(GeometryError, match=words):
        read_volume(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"SliceVector": [1, 2, 3, 4]}, "SliceVector has 4 values for 5 frames"),
        ({"SliceVector": [1, 2, 3, 4, 6]}, "SliceVector names 6, and NumberOfSlices is 5"),
        ({"SliceVector": [0, 1, 2, 3, 4]}, "SliceVector names 0"),
        ({"FrameIncrementPointer": [EW, SLICE]}, "EnergyWindowVector has 0 values for 5 frames"),
        ({"FrameIncrementPointer": [EW, SLICE], "EnergyWindowVector": [1, 1, 2, 1, 1]}, "EnergyWindowVector names 2"),
    ],
    ids=["length", "beyond", "zero", "absent", "window"],
)
def test_vectors_that_make_no_sense_are_refused(
    counts: Volume, header: DicomHeader, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    path = edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), change)
    with pytest.raises(GeometryError, match=message):
        read_volume(path)
    assert message in messages(scan(path).series[0], "red")


def test_vectors_without_a_pointer_are_taken(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    order = [3, 1, 5, 2, 4]

    def change(dataset: Dataset) -> None:
        del dataset.FrameIncrementPointer
        dataset.SliceVector = order
        dataset.PixelData = dataset.pixel_array[[k - 1 for k in order]].tobytes()

    path = edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), change)
    np.testing.assert_array_equal(read_volume(path).array, counts.array)


def test_projections_are_recognised_and_no_volume(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
        dataset.FrameIncrementPointer = [EW, 0x00540020, 0x00540050, 0x00540090]
        dataset.EnergyWindowVector = dataset.DetectorVector = dataset.RotationVector = [1] * 5
        dataset.AngularViewVector = [1, 2, 3, 4, 5]
        del dataset.SliceVector

    path = edit(write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header), change)
    series = scan(path).series[0]
    assert (series.kind, series.role) == ("nm_tomo", "none")
    assert series.reason == "NM TOMO, 99mTc: projections, not reconstructed"
    assert messages(series, "red") == ""
    with pytest.raises(DicomError, match="projections, not reconstructed"):
        read_volume(path)
    edit(path, lambda dataset: setattr(dataset, "AngularViewVector", [1, 2]))
    assert "AngularViewVector has 2 values for 5 frames" in messages(scan(path).series[0], "red")
