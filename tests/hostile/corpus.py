"""Whole and valid DICOM files of every kind that is read, small, for damaging."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import JPEG2000Lossless, RLELossless
from tests.dicom.enhanced import sliced, write_enhanced

from ytterby.dicom.uids import content_uid
from ytterby.dicom.write import (
    DicomHeader,
    write_ct,
    write_dose,
    write_dose_report,
    write_measurements,
    write_nm_planar,
    write_nm_recon_tomo,
    write_pet,
    write_registration,
    write_segmentation,
    write_structures,
)
from ytterby.model.administration import DoseRecord, MeasuredActivity
from ytterby.model.dose import SegmentDose
from ytterby.model.planar import PlanarView, ViewDirection
from ytterby.model.segment import Role, Segment
from ytterby.model.transform import Transform
from ytterby.model.volume import Grid, Quantity, Volume

FRAME = content_uid("hostile", "frame of reference")
ENHANCED_CT = {
    "PixelValueTransformationSequence": {"RescaleSlope": 1, "RescaleIntercept": -1000, "RescaleType": "HU"},
}
HEADER = DicomHeader(
    patient_id="H1",
    patient_name="Test^Hostile",
    patient_sex="O",
    study_uid=content_uid("hostile", "study"),
    study_date="20240301",
    study_time="101500",
    uid_seed="hostile",
    frame_of_reference_uid=FRAME,
    timezone_offset="+0100",
    simulated=True,
)


def originals(folder: Path) -> dict[str, Path]:
    """One valid file of each kind, by name, written below ``folder``."""
    rng = np.random.default_rng(11)
    grid = Grid.axis_aligned((40, 36, 6), (4.0, 4.0, 3.0))

    def volume(quantity: Quantity, array: np.ndarray) -> Volume:
        return Volume(array, grid, quantity, frame_of_reference=FRAME)

    counts = volume(Quantity.COUNTS, rng.poisson(40, grid.shape).astype(np.float32))
    concentration = dataclasses.replace(
        volume(Quantity.CONCENTRATION, rng.uniform(0, 2e6, grid.shape)),
        reference_time=datetime(2024, 3, 2, 9, 30, tzinfo=UTC),
    )
    ct = write_ct(volume(Quantity.HU, rng.integers(-1000, 1000, grid.shape).astype(np.int16)), folder / "ct", HEADER)
    pet = write_pet(
        concentration,
        folder / "pt",
        HEADER,
        half_life_seconds=64.1 * 3600,
        positron_fraction=31.86e-6,
        actual_frame_duration_ms=900_000,
    )
    liver = np.zeros(grid.shape, dtype=bool)
    liver[5:35, 6:30, 1:5] = True
    tumour = np.zeros(grid.shape, dtype=bool)
    tumour[12:20, 9:16, 2:4] = True
    segments = (
        Segment("Liver", Role.LIVER, liver, grid, frame_of_reference=FRAME),
        Segment("Tumour 1", Role.TUMOUR, tumour, grid, frame_of_reference=FRAME),
    )
    views = [
        PlanarView(
            array=rng.poisson(30, (32, 16)),
            direction=direction,
            direction_source="made so",
            energy_window="Tc-99m",
            energy_ranges_kev=((126.0, 154.0),),
            spacing_mm=(4.0, 4.0),
            duration_seconds=300.0,
            columns_towards="left" if direction is ViewDirection.ANTERIOR else "right",
            source="made",
            frame=number,
        )
        for number, direction in enumerate(ViewDirection, start=1)
    ]
    seg = write_segmentation(segments, folder / "seg.dcm", HEADER)
    dose = write_dose(volume(Quantity.DOSE, rng.gamma(2.0, 60.0, grid.shape)), folder / "dose.dcm", HEADER)
    rows = [
        SegmentDose(
            segment=segment.name,
            role=segment.role,
            method=segment.method,
            volume_ml=segment.volume_ml,
            mass_kg=0.1,
            activity_fraction=0.5,
            mean_dose_gy=123.4,
            engine="local_deposition",
            mean_dose_uncertainty_gy=20.0,
            d70_gy=70.0,
        )
        for segment in segments
    ]
    given = datetime(2024, 3, 8, 10, 0, tzinfo=UTC)
    record = DoseRecord(
        agent="Y-90 glass microspheres",
        radionuclide="90Y",
        half_life_hours=64.1,
        started_at=given,
        administered_activity_gbq=3.86,
        before=MeasuredActivity(3.9, given - timedelta(minutes=20)),
        after=MeasuredActivity(0.03, given + timedelta(minutes=20)),
    )
    shift = np.eye(4)
    shift[:3, 3] = [3.0, -4.0, 12.5]
    moved = Transform(content_uid("hostile", "another frame"), FRAME, shift)
    stored = rng.integers(0, 2000, grid.shape).astype(np.uint16)
    (folder / "enhanced").mkdir()
    return {
        "reg": write_registration([moved], folder / "reg.dcm", HEADER),
        "dose_report": write_dose_report(record, folder / "report.dcm", HEADER),
        "enhanced_ct": write_enhanced(folder / "enhanced" / "1.dcm", sliced(stored, grid, **ENHANCED_CT), "CT"),
        "ct": ct[0],
        "ct_rle": _compressed(ct, folder / "rle", RLELossless),
        "ct_jpeg_2000": _compressed(ct, folder / "jpeg_2000", JPEG2000Lossless),
        "pt": pet[0],
        "nm_recon_tomo": write_nm_recon_tomo(counts, folder / "nm.dcm", HEADER),
        "rtdose": dose,
        "seg": seg,
        "measurements": write_measurements(rows, folder / "sr.dcm", HEADER, segmentation=seg, dose=dose),
        "rtstruct": write_structures(segments, folder / "structures.dcm", HEADER),
        "nm_whole_body": write_nm_planar(views, folder / "planar.dcm", HEADER),
    }


def _compressed(slices: tuple[Path, ...], folder: Path, syntax: pydicom.uid.UID) -> Path:
    """The slices once more, compressed; the path of the first."""
    folder.mkdir()
    for path in slices:
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(folder / path.name)
    return folder / slices[0].name
