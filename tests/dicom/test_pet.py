"""PET: what its values measure, when they were, and the isotope that the scanner was set to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from scipy.integrate import quad

from ytterby.dicom.read import read_volume, y90_pet_volume
from ytterby.dicom.series import Series, scan
from ytterby.dicom.write import DicomHeader, write_pet
from ytterby.dicom.write.identity import decimal
from ytterby.errors import CalibrationError, DicomError
from ytterby.model.volume import Grid, Quantity, Volume

BERLIN = ZoneInfo("Europe/Berlin")
MOMENT = datetime(2024, 3, 2, 9, 30, tzinfo=BERLIN)
Y90_HOURS, Y90_POSITRONS = 64.1, 31.86e-6
Change = Callable[[Dataset], None]


def edit(path: Path, change: Change) -> None:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def messages(series: Series, level: str) -> str:
    return "\n".join(problem.message for problem in series.problems if problem.level == level)


@pytest.fixture
def slices(header: DicomHeader, tmp_path: Path) -> Callable[..., Path]:
    """A PET of six slices of one value each, with a change to every file; ``radionuclide`` and the rest as write_pet has it."""

    def written(change: Change | None = None, **options: Any) -> Path:
        grid = Grid.axis_aligned((4, 3, 6), (4.0, 4.0, 3.0))
        array = np.ones(grid.shape) * np.array([1.0, 2, 3, 4, 5, 6]) * 1e5
        volume = Volume(array, grid, Quantity.CONCENTRATION, reference_time=MOMENT)
        told = {
            "half_life_seconds": 64.1 * 3600,
            "positron_fraction": Y90_POSITRONS,
            "actual_frame_duration_ms": 1_200_000,
        }
        for path in write_pet(volume, tmp_path / "pet", header, **(told | options)):
            if change is not None:
                edit(path, change)
        return tmp_path / "pet"

    return written


# ---------------------------------------------------------------- units


def philips(block: int, **factors: str) -> Change:
    def change(dataset: Dataset) -> None:
        dataset.Units = "CNTS"
        dataset.add_new((0x7053, block), "LO", "Philips PET Private Group")
        for element, value in factors.items():
            dataset.add_new((0x7053, (block << 8) | int(element[1:], 16)), "DS", value)

    return change


@pytest.mark.parametrize("block", [0x10, 0x11, 0x1F])
def test_philips_counts_become_bq_ml_by_the_right_factor(slices: Callable[..., Path], block: int) -> None:
    plain = read_volume(slices()).array.copy()
    folder = slices(philips(block, x09="2.5", x00="0.0004"))
    read = read_volume(folder, require_reference_time=True)
    assert read.quantity is Quantity.CONCENTRATION
    np.testing.assert_allclose(read.array, plain * 2.5, rtol=1e-6)
    series = scan(folder).series[0]
    assert series.unit == "bq_ml"
    assert "Units CNTS times (7053,1009) = 2.5" in messages(series, "green")
    assert messages(series, "red") == ""


def test_each_slice_has_its_own_factor(slices: Callable[..., Path]) -> None:
    plain = read_volume(slices()).array.copy()
    folder = slices(philips(0x10, x09="2"))
    edit(folder / "0003.dcm", philips(0x10, x09="7"))
    ratio = (read_volume(folder).array / plain)[0, 0]
    np.testing.assert_allclose(ratio, [2, 2, 7, 2, 2, 2], rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        philips(0x10),
        philips(0x10, x00="0.0004"),
        philips(0x10, x09="0"),
        philips(0x10, x09="-1"),
        lambda d: (
            setattr(d, "Units", "CNTS"),
            d.add_new((0x7053, 0x10), "LO", "Another"),
            d.add_new((0x7053, 0x1009), "DS", "3"),
        ),
    ],
    ids=["no-factor", "suv-factor-alone", "zero", "negative", "of-another"],
)
def test_counts_without_the_factor_are_refused(slices: Callable[..., Path], change: Change) -> None:
    folder = slices(change)
    with pytest.raises(
        CalibrationError, match=r"counts of a PET \(CNTS\) need the scanner's own factor.*\(7053,1009\) is absent"
    ):
        read_volume(folder)
    assert "refused for dosimetry" in messages(scan(folder).series[0], "red")


def nuclide(code: str, meaning: str, **more: Any) -> Change:
    def change(dataset: Dataset) -> None:
        item = dataset.RadiopharmaceuticalInformationSequence[0]
        item.RadionuclideCodeSequence[0].CodeValue = code
        item.RadionuclideCodeSequence[0].CodeMeaning = meaning
        for keyword, value in more.items():
            setattr(dataset, keyword, value)

    return change


def test_a_spect_that_arrives_as_pet_is_a_spect(slices: Callable[..., Path]) -> None:
    folder = slices(nuclide("72454006", "^99m^Technetium", Units="CNTS"))
    series = scan(folder).series[0]
    assert (series.kind, series.role, series.unit) == ("pt", "maa_spect", "counts")
    assert "a SPECT in counts that was exported as PT" in messages(series, "green")
    assert messages(series, "red") == messages(series, "amber") == ""
    assert read_volume(folder).quantity is Quantity.COUNTS
    # In Bq/mL, with the collimator that no PET has.
    folder = slices(nuclide("14691008", "^90^Yttrium", CollimatorType="PARA"))
    series = scan(folder).series[0]
    assert (series.role, series.unit) == ("y90_spect", "bq_ml")
    assert read_volume(folder).quantity is Quantity.CONCENTRATION
    with pytest.raises(CalibrationError, match="no isotope to correct"):
        y90_pet_volume(scan(slices(nuclide("72454006", "^99m^Technetium", Units="CNTS"))).series[0])


def test_what_was_given_is_told(slices: Callable[..., Path]) -> None:
    def change(dataset: Dataset) -> None:
        item = dataset.RadiopharmaceuticalInformationSequence[0]
        item.RadionuclideTotalDose, item.RadiopharmaceuticalStartDateTime = "2.5e9", "20240301120000"

    found = scan(slices(change)).series[0].radiopharmaceutical
    assert found is not None
    assert found.record() == {
        "nuclide": "90Y",
        "half_life_hours": pytest.approx(64.1),
        "positron_fraction": pytest.approx(Y90_POSITRONS),
        "total_activity_gbq": 2.5,
        "started_at": "20240301120000",
    }
    assert found.words == "half-life 64.1 h, positron fraction 3.186e-05, 2.5 GBq, at 2024-03-01 12:00:00"


# ---------------------------------------------------------------- moments


def setting(**values: Any) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return change


def reference(folder: Path, **options: Any) -> str:
    moment = read_volume(folder, require_reference_time=True, **options).reference_time
    assert moment is not None
    return moment.isoformat()


def test_beds_acquired_one_after_the_other_have_one_reference(slices: Callable[..., Path]) -> None:
    folder = slices()
    for place, name in enumerate(sorted(path.name for path in folder.iterdir())):
        edit(folder / name, setting(AcquisitionTime=f"10{20 * (place // 2):02d}00.5"))
    assert reference(folder) == "2024-03-02T09:30:00+01:00"
    # Of a series that was reprocessed later, the first bed's start.
    for path in folder.iterdir():
        edit(path, setting(SeriesTime="170000"))
    assert reference(folder) == "2024-03-02T10:00:00.500000+01:00"


def test_a_scan_past_midnight_has_its_dates(slices: Callable[..., Path]) -> None:
    folder = slices(setting(SeriesDate="20240302", SeriesTime="235000"))
    for place, path in enumerate(sorted(folder.iterdir())):
        late = place < 3
        edit(
            path,
            setting(AcquisitionDate="20240302" if late else "20240303", AcquisitionTime="235000" if late else "001000"),
        )
    assert reference(folder) == "2024-03-02T23:50:00+01:00"
    for path in folder.iterdir():
        edit(path, setting(SeriesDate="20240303", SeriesTime="080000"))
    assert reference(folder) == "2024-03-02T23:50:00+01:00"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0930", "09:30:00"),
        ("09", "09:00:00"),
        ("093015.25", "09:30:15.250000"),
        ("093015.123456", "09:30:15.123456"),
        ("093060", "09:30:59"),
    ],
    ids=["minutes", "hours", "quarter", "microseconds", "leap-second"],
)
def test_times_are_written_in_many_ways(slices: Callable[..., Path], written: str, read: str) -> None:
    assert reference(slices(setting(SeriesTime=written, AcquisitionTime="230000"))) == f"2024-03-02T{read}+01:00"


def test_offsets_and_zones(slices: Callable[..., Path]) -> None:
    assert reference(slices(setting(TimezoneOffsetFromUTC="-0330"))) == "2024-03-02T09:30:00-03:30"
    # A file's own offset outranks the case's zone.
    assert reference(slices(setting(TimezoneOffsetFromUTC="+0900")), time_zone="Europe/Berlin").endswith("+09:00")
    # In the night when the clocks are put back, 02:30 is two moments.
    twice = {
        "SeriesDate": "20241027",
        "SeriesTime": "023000",
        "AcquisitionDate": "20241027",
        "AcquisitionTime": "023000",
    }
    folder = slices(setting(TimezoneOffsetFromUTC=None, **twice))
    with pytest.raises(CalibrationError, match="is not one moment in this time zone: the clocks were changed"):
        reference(folder, time_zone="Europe/Berlin")


def test_an_acquisition_may_be_dated_by_one_element(slices: Callable[..., Path]) -> None:
    gone = {"AcquisitionDate": None, "AcquisitionTime": None}
    folder = slices(setting(SeriesTime="180000", AcquisitionDateTime="20240302091500.5", **gone))
    assert reference(folder) == "2024-03-02T09:15:00.500000+01:00"
    assert reference(slices(setting(**gone))) == "2024-03-02T09:30:00+01:00"
    folder = slices(setting(SeriesDate=None, SeriesTime=None, **gone))
    with pytest.raises(CalibrationError, match="AcquisitionDate or AcquisitionTime is absent"):
        reference(folder)
    assert "AcquisitionTime is absent" in messages(scan(folder).series[0], "red")


def test_an_administration_without_its_day_is_refused(slices: Callable[..., Path]) -> None:
    def change(dataset: Dataset) -> None:
        dataset.DecayCorrection = "ADMIN"
        dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "080000"

    with pytest.raises(CalibrationError, match=r"StartTime \(0018,1072\) alone does not say on which day"):
        reference(slices(change))


# ---------------------------------------------------------------- the isotope that the scanner was set to

SCANNERS = {
    "68Ge": ("53315004", "^68^Germanium", 270.95 * 24, 0.891),
    "86Y": ("10738001", "^86^Yttrium", 14.74, 0.3193),
    "22Na": ("71633006", "^22^Sodium", 2.6018 * 365.25 * 24, 0.9038),
    "89Zr": ("63360001", "^89^Zirconium", 78.41, 0.227),
    "half-life of 90Y, every decay a positron": ("14691008", "^90^Yttrium", 64.1, 1.0),
}
TRUTH_BQ_ML = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) * 1.2345e6
ADMINISTERED = MOMENT - timedelta(hours=19, minutes=12)
BED_HOURS, FRAME_HOURS = 0.35, 1 / 3


def mean(start_hours: float, half_life_hours: float) -> float:
    """Mean of a unit activity (at hour 0) over a frame, by integration."""
    decay = math.log(2) / half_life_hours
    total, _ = quad(lambda t: math.exp(-decay * t), start_hours, start_hours + FRAME_HOURS, epsrel=1e-13)
    return float(total / FRAME_HOURS)


def scan_with(folder: Path, scanner: str, correction: str, *, states_factor: bool) -> None:
    """What a scanner set to ``scanner`` writes of a known activity of 90Y: three beds of two slices, one after the other."""
    code, meaning, half_life_hours, positrons = SCANNERS[scanner]
    reference_time = ADMINISTERED if correction == "ADMIN" else MOMENT
    for place, path in enumerate(sorted(folder.iterdir())):
        started = MOMENT + timedelta(hours=BED_HOURS * (place // 2))
        since = (started - reference_time).total_seconds() / 3600
        rate = TRUTH_BQ_ML[place] * Y90_POSITRONS * mean(since, Y90_HOURS)
        factor = 1.0 if correction == "NONE" else 1 / mean(since, half_life_hours)

        def change(
            dataset: Dataset,
            started: datetime = started,
            value: float = rate / positrons * factor,
            factor: float = factor,
        ) -> None:
            nuclide(code, meaning)(dataset)
            item = dataset.RadiopharmaceuticalInformationSequence[0]
            item.RadionuclideHalfLife = decimal(half_life_hours * 3600)
            item.RadionuclidePositronFraction = decimal(positrons)
            item.RadiopharmaceuticalStartDateTime = ADMINISTERED.strftime("%Y%m%d%H%M%S")
            dataset.AcquisitionDate, dataset.AcquisitionTime = started.strftime("%Y%m%d"), started.strftime("%H%M%S.%f")
            dataset.DecayCorrection, dataset.DecayFactor = correction, decimal(factor)
            if not states_factor:
                del dataset.DecayFactor
            dataset.RescaleSlope = decimal(value / 10000)
            dataset.PixelData = np.full((dataset.Rows, dataset.Columns), 10000, "<i2").tobytes()

        edit(path, change)


@pytest.mark.parametrize("states_factor", [True, False], ids=["factor-stated", "factor-computed"])
@pytest.mark.parametrize("correction", ["START", "ADMIN", "NONE"])
@pytest.mark.parametrize("scanner", SCANNERS)
def test_the_true_activity_comes_back(
    slices: Callable[..., Path], scanner: str, correction: str, states_factor: bool
) -> None:
    folder = slices()
    scan_with(folder, scanner, correction, states_factor=states_factor)
    series = scan(folder).series[0]
    assert "surrogate or other isotope" in messages(series, "red")
    redone = y90_pet_volume(series)
    truth = TRUTH_BQ_ML
    if correction == "NONE":
        # The truth was given at the moment of the first bed, to which all slices are brought.
        assert redone.volume.reference_time == MOMENT
    else:
        assert redone.volume.reference_time == (ADMINISTERED if correction == "ADMIN" else MOMENT)
        # Nothing is done without a request.
        unasked = read_volume(folder)
        assert unasked.array[0, 0, 0] != pytest.approx(truth[0], rel=0.5)
    np.testing.assert_allclose(redone.volume.array[1, 1], truth, rtol=1e-6)
    assert f"half-life {SCANNERS[scanner][2]:.6g} h" in redone.done
    assert "values multiplied by" in redone.done


def test_what_was_done_is_told_in_numbers(slices: Callable[..., Path]) -> None:
    folder = slices()
    scan_with(folder, "86Y", "START", states_factor=True)
    done = y90_pet_volume(scan(folder).series[0]).done
    assert "scanner set to 86Y (half-life 14.74 h, positron fraction 0.3193)" in done
    assert "decay factors 1.00786 to 1.04159 of DecayCorrection START undone, as the file states them" in done
    assert "branching 0.3193 / 3.186e-05" in done
    assert "decay of 90Y (half-life 64.1 h) to 2024-03-02T09:30:00+01:00" in done
    scan_with(folder, "86Y", "START", states_factor=False)
    assert "computed from acquisition time and frame duration" in y90_pet_volume(scan(folder).series[0]).done


def test_a_doubtful_decay_factor_is_told_and_a_wrong_one_refused(slices: Callable[..., Path]) -> None:
    folder = slices()
    scan_with(folder, "86Y", "START", states_factor=True)
    for path in folder.iterdir():
        edit(path, setting(DecayFactor="1"))
    assert "they differ by up to 4.0% from those that the times give" in y90_pet_volume(scan(folder).series[0]).done
    for path in folder.iterdir():
        edit(path, setting(DecayFactor="1.3"))
    with pytest.raises(CalibrationError, match=r"DecayFactor \(0054,1321\) is 1.3, where"):
        y90_pet_volume(scan(folder).series[0])


def test_90y_itself_is_left_alone(slices: Callable[..., Path]) -> None:
    folder = slices()
    redone = y90_pet_volume(scan(folder).series[0])
    np.testing.assert_array_equal(redone.volume.array, read_volume(folder).array)
    assert "no isotope correction was made" in redone.done


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting(ActualFrameDuration=None), r"ActualFrameDuration \(0018,1242\) is not stated"),
        (setting(AcquisitionTime=None), "when a slice was acquired is not known"),
        (setting(Units="GML"), "no activity"),
        (
            setting(RadiopharmaceuticalInformationSequence=Sequence()),
            r"RadionuclideHalfLife \(0018,1075\) is not stated",
        ),
        (
            lambda d: delattr(d.RadiopharmaceuticalInformationSequence[0], "RadionuclidePositronFraction"),
            r"RadionuclidePositronFraction \(0018,1076\) is not stated",
        ),
        (setting(TimezoneOffsetFromUTC=None), "carries no offset"),
    ],
    ids=["duration", "acquisition", "unit", "half-life", "positrons", "zone"],
)
def test_what_is_not_known_is_not_made_up(slices: Callable[..., Path], change: Change, message: str) -> None:
    folder = slices()
    scan_with(folder, "68Ge", "START", states_factor=True)
    for path in folder.iterdir():
        edit(path, change)
    with pytest.raises(CalibrationError, match=message):
        y90_pet_volume(scan(folder).series[0])


def test_slices_of_several_nuclides_and_other_series_are_refused(
    slices: Callable[..., Path], hu: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    folder = slices()
    edit(folder / "0002.dcm", nuclide("53315004", "^68^Germanium"))
    with pytest.raises(CalibrationError, match="state different radionuclides"):
        y90_pet_volume(scan(folder).series[0])
    with pytest.raises(DicomError, match="an isotope correction is for a PET"):
        y90_pet_volume(replace(scan(folder).series[0], kind="ct"))
