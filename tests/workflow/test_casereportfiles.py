"""The reports of a case as DICOM, end to end: the same numbers as its table, the same bytes as its PDF."""

from __future__ import annotations

import csv
from pathlib import Path

import pydicom
import pytest

from ytterby.dicom.read import read_document, read_measurements
from ytterby.workflow.case import run_case_file
from ytterby.workflow.simulate import simulate_patient


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    run_case_file(simulate_patient(folder / "patient", seed=4), folder / "out")
    return folder / "out"


def test_the_measurements_are_those_of_the_table(results: Path) -> None:
    with (results / "doses.csv").open(newline="") as stream:
        table = {row["segment"]: row for row in csv.DictReader(stream)}
    report = read_measurements(results / "measurements.dcm")
    assert {one.segment for one in report.segments} <= set(table)
    assert sum(table[one.segment]["role"] == "tumour" for one in report.segments) >= 1
    for one in report.segments:
        row = table[one.segment]
        assert one.simulated
        for name in ("volume_ml", "mean_dose_gy", "mean_dose_uncertainty_gy", "d70_gy"):
            assert getattr(one, name) == (float(row[name]) if row[name] else None)
    labels = {
        int(item.SegmentNumber): item.SegmentLabel for item in pydicom.dcmread(results / "segments.dcm").SegmentSequence
    }
    assert all(labels[one.segment_number] == one.segment for one in report.segments)
    assert any("49.67 J/GBq" in words for words in report.comments)


def test_the_pdf_is_the_same_inside_and_outside(results: Path) -> None:
    pdf = (results / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert read_document(results / "report_pdf.dcm").pdf == pdf


def test_all_objects_are_of_one_study(results: Path) -> None:
    objects = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(results.glob("*.dcm"))]
    assert len({one.StudyInstanceUID for one in objects}) == 1
    assert len({one.SeriesInstanceUID for one in objects}) == len(objects)
    assert {one.Manufacturer for one in objects} == {"Ytterby developers"}
    assert all(one.SoftwareVersions for one in objects)
