"""Measurement reports: the numbers come back exactly, and others read them too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from ytterby.dicom.read import read_measurements
from ytterby.dicom.series import scan
from ytterby.dicom.write import (
    DicomHeader,
    write_dose,
    write_measurements,
    write_segmentation,
)
from ytterby.errors import CalibrationError, DicomError, SegmentError
from ytterby.model.dose import SegmentDose
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Volume


def row(segment: str, role: Role, **changes: float | str | None) -> SegmentDose:
    made = SegmentDose(
        segment=segment,
        role=role,
        method="imported, manual",
        volume_ml=1.0 / 3.0,
        mass_kg=0.1,
        activity_fraction=0.5,
        mean_dose_gy=123.45678901234567,
        engine="local_deposition",
        mean_dose_uncertainty_gy=np.pi,
        d70_gy=np.sqrt(2) * 50,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


ROWS = (
    row("Liver", Role.LIVER, mean_dose_gy=1e-7 / 3),
    row("Tumor 1", Role.TUMOUR, engine="kernel", mean_dose_uncertainty_gy=None, d70_gy=None),
    row("not in the segmentation", Role.TUMOUR),
)


@pytest.fixture
def parts(segments: tuple[Segment, ...], dose: Volume, header: DicomHeader, tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_segmentation(segments, tmp_path / "segments.dcm", header),
        write_dose(dose, tmp_path / "dose.dcm", header),
    )


@pytest.fixture
def written(parts: tuple[Path, Path], header: DicomHeader, tmp_path: Path) -> Path:
    return write_measurements(
        ROWS, tmp_path / "sr" / "m.dcm", header, segmentation=parts[0], dose=parts[1], comments=["Engine: both."]
    )


def test_the_numbers_come_back_exactly(written: Path, parts: tuple[Path, Path]) -> None:
    report = read_measurements(written)
    assert [one.segment for one in report.segments] == ["Liver", "Tumor 1"]
    for one, other in zip(report.segments, ROWS, strict=False):
        for name in ("volume_ml", "mean_dose_gy", "mean_dose_uncertainty_gy", "d70_gy", "engine"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.simulated
    assert [one.segment_number for one in report.segments] == [1, 2]
    assert {one.segmentation_uid for one in report.segments} == {str(pydicom.dcmread(parts[0]).SOPInstanceUID)}
    assert [one.finding for one in report.segments] == ["Liver", "Neoplasm"]
    assert report.comments == ("Research use only.", "Simulated: no patient.", "Engine: both.")


def test_dciodvfy_finds_no_error(written: Path, dciodvfy: Callable[[Path], list[str]]) -> None:
    assert dciodvfy(written) == []


def test_highdicom_reads_the_groups(written: Path) -> None:
    document = highdicom.sr.srread(written)
    groups = document.content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["Liver", "Tumor 1"]
    values = {one.name.meaning: (one.value, one.unit.value) for one in groups[0].get_measurements()}
    assert values["Volume"] == (1.0 / 3.0, "mL")
    assert values["Absorbed Dose"] == (1e-7 / 3, "Gy")
    assert len(groups[0].get_measurements()) == 4
    assert len(groups[1].get_measurements()) == 2


def test_the_same_numbers_give_the_same_bytes(
    written: Path, parts: tuple[Path, Path], header: DicomHeader, tmp_path: Path
) -> None:
    common = {"segmentation": parts[0], "dose": parts[1], "comments": ["Engine: both."]}
    again = write_measurements(ROWS, tmp_path / "again.dcm", header, **common)
    assert again.read_bytes() == written.read_bytes()
    changed = (replace(ROWS[0], mean_dose_gy=2.0), *ROWS[1:])
    other = write_measurements(changed, tmp_path / "other.dcm", header, **common)
    assert pydicom.dcmread(other).SOPInstanceUID != pydicom.dcmread(written).SOPInstanceUID
    same, moved = read_measurements(written), read_measurements(other)
    assert [one.tracking_uid for one in same.segments] == [one.tracking_uid for one in moved.segments]


def test_real_data_are_not_said_to_be_simulated(parts: tuple[Path, Path], header: DicomHeader, tmp_path: Path) -> None:
    real = replace(header, simulated=False)
    path = write_measurements(ROWS, tmp_path / "real.dcm", real, segmentation=parts[0], dose=parts[1])
    report = read_measurements(path)
    assert not any(one.simulated for one in report.segments)
    assert report.comments == ("Research use only.",)


def test_inspect_says_what_it_is(written: Path) -> None:
    [series] = scan(written).series
    assert (series.kind, series.role, series.problems) == ("sr", "measurements", ())
    assert series.reason == ("structured report: Imaging Measurement Report, 2 measured regions, by Ytterby developers")


def test_other_units_and_cut_files_are_refused(written: Path) -> None:
    cut = written.read_bytes()
    written.write_bytes(cut.replace(b"mL", b"dL"))
    with pytest.raises(CalibrationError, match=r"Volume is in dL"):
        read_measurements(written)
    for length in range(0, len(cut), 997):
        written.write_bytes(cut[:length])
        with pytest.raises(DicomError):
            read_measurements(written)


def test_segments_that_are_not_there_are_refused(parts: tuple[Path, Path], header: DicomHeader, tmp_path: Path) -> None:
    with pytest.raises(SegmentError, match="no measured segment"):
        write_measurements(ROWS[2:], tmp_path / "m.dcm", header, segmentation=parts[0], dose=parts[1])
