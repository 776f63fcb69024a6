"""Dose reports of the hot laboratory: what they say comes back, and what contradicts itself is told or refused."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ytterby.dicom.layout import content
from ytterby.dicom.layout.content import MAX_CONTENT_DEPTH, content_tree
from ytterby.dicom.read import read_dose_report
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, write_dose_report
from ytterby.errors import CalibrationError, DicomError, DomainError, MissingMeasurement
from ytterby.model.administration import DoseRecord, MeasuredActivity

CET = timezone(timedelta(hours=1))
START = datetime(2024, 3, 8, 11, 0, tzinfo=CET)
HALF_LIFE = 64.1
BEFORE, AFTER = 4.0, 0.05
# 2 h before and 1 h after: both brought to the start by hand.
VIAL = BEFORE * 0.5 ** (2 / HALF_LIFE)
LEFT = AFTER * 2 ** (1 / HALF_LIFE)


@pytest.fixture
def record() -> DoseRecord:
    return DoseRecord(
        agent="Yttrium^90^ microspheres",
        radionuclide="90Y",
        half_life_hours=HALF_LIFE,
        started_at=START,
        administered_activity_gbq=VIAL - LEFT,
        stopped_at=START + timedelta(minutes=4, seconds=30),
        before=MeasuredActivity(BEFORE, START - timedelta(hours=2)),
        after=MeasuredActivity(AFTER, START + timedelta(hours=1)),
        patient_id="P1",
        event_uid="2.25.11",
        source="dose.dcm",
    )


@pytest.fixture
def written(record: DoseRecord, header: DicomHeader, tmp_path: Path) -> Path:
    return write_dose_report(record, tmp_path / "dose.dcm", header)


def event(dataset: Dataset) -> Dataset:
    return next(item for item in dataset.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "113502")


def item(dataset: Dataset, code: str) -> Dataset:
    """The content item of that name, wherever it stands."""
    for child in dataset.get("ContentSequence", []):
        if child.ConceptNameCodeSequence[0].CodeValue == code:
            return child
        found = item(child, code) if "ContentSequence" in child else Dataset()
        if found:
            return found
    return Dataset()


def changed(path: Path, change: Callable[[Dataset], Any]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def unit(dataset: Dataset, code: str, value: float, name: str, scheme: str = "UCUM") -> None:
    measured = item(dataset, code).MeasuredValueSequence[0]
    measured.NumericValue, measured.FloatingPointValue = f"{value:.10g}", value
    measured.MeasurementUnitsCodeSequence[0].CodeValue = name
    measured.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator = scheme


def without(dataset: Dataset, code: str) -> None:
    content = event(dataset).ContentSequence
    event(dataset).ContentSequence = Sequence(
        [one for one in content if one.ConceptNameCodeSequence[0].CodeValue != code]
    )


def test_a_record_comes_back(written: Path, record: DoseRecord) -> None:
    read = read_dose_report(written)
    for measured in ("before", "after"):
        one, other = getattr(read, measured), getattr(record, measured)
        assert one.activity_gbq == pytest.approx(other.activity_gbq, rel=1e-15)
        assert one.measured_at == other.measured_at
    assert read.administered_activity_gbq == pytest.approx(record.administered_activity_gbq, rel=1e-15)
    assert read.half_life_hours == pytest.approx(HALF_LIFE, rel=1e-15)
    same = replace(
        read,
        before=record.before,
        after=record.after,
        administered_activity_gbq=record.administered_activity_gbq,
        half_life_hours=HALF_LIFE,
    )
    assert same == record


def test_the_residual_is_decayed_to_the_start(written: Path) -> None:
    read = read_dose_report(written)
    assert read.vial_activity_gbq == pytest.approx(VIAL)
    assert read.residual_activity_gbq == pytest.approx(LEFT)
    assert read.residual_fraction == pytest.approx(LEFT / VIAL)
    assert read.net_activity_gbq == pytest.approx(VIAL - LEFT)
    assert read.doubts == ()


def test_dciodvfy_finds_no_error(written: Path, dciodvfy: Callable[[Path], list[str]]) -> None:
    assert dciodvfy(written) == []


def test_dcmtk_reads_the_tree(written: Path) -> None:
    program = shutil.which("dsrdump")
    if program is None:
        pytest.skip("dsrdump is not installed: apt-get install dcmtk")
    done = subprocess.run([program, str(written)], capture_output=True, text=True, check=True)
    assert "Radiopharmaceutical Radiation Dose SR Document" in done.stdout
    assert '"Pre-Administration Measured Activity")="4000" (MBq' in done.stdout
    assert "2024-03-08 09:00:00 +01:00" in done.stdout


def test_the_same_record_gives_the_same_bytes(
    written: Path, record: DoseRecord, header: DicomHeader, tmp_path: Path
) -> None:
    again = write_dose_report(record, tmp_path / "again.dcm", header)
    assert again.read_bytes() == written.read_bytes()
    other = write_dose_report(replace(record, administered_activity_gbq=3.8), tmp_path / "other.dcm", header)
    assert pydicom.dcmread(other).SOPInstanceUID != pydicom.dcmread(written).SOPInstanceUID


@pytest.mark.parametrize("sop_class", ["22", "33", "34"])
def test_the_title_counts_not_the_sop_class(written: Path, sop_class: str) -> None:
    def change(dataset: Dataset) -> None:
        uid = f"1.2.840.10008.5.1.4.1.1.88.{sop_class}"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid

    assert read_dose_report(changed(written, change)).radionuclide == "90Y"


@pytest.mark.parametrize(
    ("value", "name"),
    [(4e9, "Bq"), (4e6, "kBq"), (4000.0, "MBq"), (4.0, "GBq"), (4 / 0.037, "mCi"), (4 / 3.7e-5, "uCi")],
    ids=["Bq", "kBq", "MBq", "GBq", "mCi", "uCi"],
)
def test_units_are_taken_as_they_are_stated(written: Path, value: float, name: str) -> None:
    read = read_dose_report(changed(written, lambda dataset: unit(dataset, "113508", value, name)))
    assert read.before is not None
    assert read.before.activity_gbq == pytest.approx(4.0)


@pytest.mark.parametrize(("name", "scheme"), [("Gy", "UCUM"), ("", "UCUM"), ("MBq", "99ME")])
def test_other_units_are_refused(written: Path, name: str, scheme: str) -> None:
    with pytest.raises(CalibrationError, match="no unit of activity"):
        read_dose_report(changed(written, lambda dataset: unit(dataset, "113507", 3900.0, name, scheme)))


def test_a_half_life_in_hours_is_one(written: Path) -> None:
    read = read_dose_report(changed(written, lambda dataset: unit(dataset, "304283002", 64.0, "h")))
    assert read.half_life_hours == 64.0


def test_contradicting_activities_are_told(written: Path) -> None:
    read = read_dose_report(changed(written, lambda dataset: unit(dataset, "113507", 3600.0, "MBq")))
    [doubt] = read.doubts
    assert "+7.3%" in doubt
    assert read.net_activity_gbq == pytest.approx(VIAL - LEFT)
    [series] = scan(written).series
    assert [(problem.level, problem.message) for problem in series.problems] == [("amber", doubt)]


def test_a_measurement_without_its_moment_is_not_used(written: Path) -> None:
    read = read_dose_report(changed(written, lambda dataset: item(dataset, "113509").pop("ObservationDateTime")))
    assert read.residual_fraction is None
    assert read.net_activity_gbq == read.administered_activity_gbq
    assert "after the administration is not recorded" in read.doubts[0]


def test_without_measurements_the_administered_activity_stands(written: Path) -> None:
    def change(dataset: Dataset) -> None:
        without(dataset, "113508")
        without(dataset, "113509")

    read = read_dose_report(changed(written, change))
    assert (read.before, read.after, read.residual_fraction) == (None, None, None)
    assert read.doubts == ()


@pytest.mark.parametrize("code", ["113507", "123003", "349358000"])
def test_what_is_missing_is_told(written: Path, code: str) -> None:
    with pytest.raises(MissingMeasurement, match="dose report"):
        read_dose_report(changed(written, lambda dataset: without(dataset, code)))


def test_more_left_than_there_was_is_refused(written: Path) -> None:
    with pytest.raises(CalibrationError, match="before and"):
        read_dose_report(changed(written, lambda dataset: unit(dataset, "113509", 5000.0, "MBq")))


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_an_activity_that_cannot_be_is_refused(written: Path, value: float) -> None:
    with pytest.raises(CalibrationError, match="cannot be"):
        read_dose_report(changed(written, lambda dataset: unit(dataset, "113507", value, "MBq")))


def test_the_half_life_of_another_nuclide_is_refused(written: Path) -> None:
    with pytest.raises(CalibrationError, match=r"names 90Y and a half-life of 1\.8295 h"):
        read_dose_report(changed(written, lambda dataset: unit(dataset, "304283002", 6586.2, "s")))


def test_the_surrogate_is_told_from_the_treatment(record: DoseRecord, header: DicomHeader, tmp_path: Path) -> None:
    maa = DoseRecord("", "99mTc", 6.015, START, 0.15)
    path = write_dose_report(maa, tmp_path / "maa.dcm", header)
    assert read_dose_report(path).radionuclide == "99mTc"
    assert read_dose_report(path).agent == "^99m^Technetium macroaggregated albumin"
    [series] = scan(path).series
    assert "99mTc 0.15 GBq net at 2024-03-08 11:00" in series.reason
    holmium = replace(record, radionuclide="166Ho", half_life_hours=26.8)
    assert read_dose_report(write_dose_report(holmium, tmp_path / "ho.dcm", header)).radionuclide == "166Ho"
    with pytest.raises(DomainError, match="18F"):
        write_dose_report(replace(record, radionuclide="18F"), tmp_path / "f.dcm", header)


def test_moments_without_an_offset_need_a_time_zone(written: Path) -> None:
    def change(dataset: Dataset) -> None:
        del dataset.TimezoneOffsetFromUTC
        for one in event(dataset).ContentSequence:
            for keyword in ("DateTime", "ObservationDateTime"):
                if keyword in one:
                    setattr(one, keyword, str(one[keyword].value)[:14])

    with pytest.raises(CalibrationError, match="time_zone"):
        read_dose_report(changed(written, change))
    assert read_dose_report(written, time_zone="Europe/Berlin").started_at == START
    [series] = scan(written).series
    assert series.role == "dose_report"
    assert not series.problems


def test_a_damaged_moment_is_told(written: Path) -> None:
    written.write_bytes(written.read_bytes().replace(b"20240308110000+0100", b"20241399110000+0100"))
    with pytest.raises(CalibrationError, match="Start DateTime is no date with a time: '20241399110000"):
        read_dose_report(written)


def test_several_administrations_are_refused(written: Path) -> None:
    with pytest.raises(DicomError, match="2 administrations"):
        read_dose_report(changed(written, lambda dataset: dataset.ContentSequence.append(event(dataset))))


def test_other_objects_are_refused(written: Path, segments: Any, header: DicomHeader, tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.ConceptNameCodeSequence[0].CodeValue = "113701"
        dataset.ConceptNameCodeSequence[0].CodeMeaning = "X-Ray Radiation Dose Report"

    with pytest.raises(DicomError, match="'X-Ray Radiation Dose Report'"):
        read_dose_report(changed(written, change))
    from ytterby.dicom.write import write_segmentation

    with pytest.raises(DicomError, match="no structured report but SEG"):
        read_dose_report(write_segmentation(segments, tmp_path / "seg.dcm", header))


def nested(depth: int) -> Dataset:
    outer = inner = Dataset()
    for _ in range(depth):
        inner.ValueType = "CONTAINER"
        child = Dataset()
        inner.ContentSequence = Sequence([child])
        inner = child
    inner.ValueType = "CONTAINER"
    return outer


def test_trees_are_bounded(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_CONTENT_ITEMS", 200)
    assert content_tree(nested(MAX_CONTENT_DEPTH), "x").value_type == "CONTAINER"
    with pytest.raises(DicomError, match="nested more than"):
        content_tree(nested(MAX_CONTENT_DEPTH + 1), "x")
    wide, leaf = nested(0), Dataset()
    leaf.ValueType = "TEXT"
    wide.ContentSequence = Sequence([leaf] * 200)
    with pytest.raises(DicomError, match="more than 200 items"):
        content_tree(wide, "x")

    def deep(dataset: Dataset) -> None:
        event(dataset).ContentSequence.append(nested(200))

    with pytest.raises(DicomError, match="nested more than"):
        read_dose_report(changed(written, deep))


def test_every_cut_of_the_file_is_told(written: Path) -> None:
    data = written.read_bytes()
    for length in range(0, len(data), 97):
        written.write_bytes(data[:length])
        with pytest.raises((DicomError, MissingMeasurement, CalibrationError)):
            read_dose_report(written)
        scan(written.parent)
