"""What a case leaves behind: tables, JSON, report page, dose maps and segments; all of it, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ytterby
from ytterby.cohort.assemble import marked
from ytterby.dicom.identity import DicomHeader, content_uid
from ytterby.dicom.write import write_dose, write_segmentation
from ytterby.dosimetry.case import DosedCase
from ytterby.errors import GeometryError
from ytterby.files.analysistables import write_table
from ytterby.files.nifti import write_nifti
from ytterby.model.dose import CaseDose, Notice, SegmentDose
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Session
from ytterby.model.uncertainty import UncertaintyBudget
from ytterby.model.volume import Grid, Volume
from ytterby.report.case_page import write_case_page
from ytterby.workflow.outputs import whole_or_nothing
from ytterby.workflow.provenance import write_json

__all__ = ["case_record", "write_case"]

# A segment carried to the CT's grid loses or gains voxels at its rim; more than this is told.
_TOLERATED_LOSS_FRACTION = 0.05

# Columns of doses.csv, in the order of docs/reference.
_DOSE_COLUMNS = (
    "segment",
    "role",
    "volume_ml",
    "mass_kg",
    "activity_fraction",
    "mean_dose_gy",
    "mean_dose_uncertainty_gy",
    "min_dose_gy",
    "max_dose_gy",
    "d98_gy",
    "d95_gy",
    "d90_gy",
    "d70_gy",
    "d50_gy",
    "d2_gy",
    "v100gy_fraction",
    "bed_mean_gy",
    "engine",
    "method",
    "sd_dose_gy",
    "eqd2_mean_gy",
    "eud_gy",
    "recovery_coefficient",
    "corrected_mean_dose_gy",
    "corrected_mean_dose_uncertainty_gy",
    "corrected_low_gy",
    "corrected_high_gy",
)
# Columns of engines.csv: what the engines can differ in.
_ENGINE_COLUMNS = (
    "segment",
    "role",
    "engine",
    "volume_ml",
    "mean_dose_gy",
    "sd_dose_gy",
    "d98_gy",
    "d95_gy",
    "d90_gy",
    "d70_gy",
    "d50_gy",
    "d2_gy",
    "v100gy_fraction",
    "bed_mean_gy",
)


def write_case(
    out: Path,
    found: DosedCase,
    *,
    image: Volume,
    ct: Volume | None,
    sessions: Sequence[Session],
    simulated: bool,
) -> CaseDose:
    """Write doses.csv, dvh.csv, case.json, report.html, dose.nii.gz, dose.dcm and segments.dcm into ``out``.

    Returns the dose with what the writing had to tell.
    """
    dose, segments = found.dose, found.segments
    dose_map = found.map_on(image.grid)
    with whole_or_nothing(out) as folder:
        write_table(folder / "doses.csv", marked(pd.DataFrame([_dose_row(row) for row in dose.doses]), simulated))
        write_table(folder / "dvh.csv", marked(_histograms(dose), simulated))
        if dose.budgets:
            write_table(folder / "uncertainty.csv", marked(_budgets(dose), simulated))
        if dose.compared:
            write_table(folder / "engines.csv", marked(_engines(dose), simulated))
        write_nifti(folder / "dose.nii.gz", dose_map)
        header = _header(dose.patient_id, image, ct, segments, sessions, simulated=simulated)
        notices = _write_dicom(folder, header, found, dose_map, ct)
        dose = replace(dose, notices=(*dose.notices, *notices))
        write_case_page(
            folder / "report.html",
            dose=dose,
            dose_map=dose_map,
            image=image,
            ct=ct,
            segments=segments,
            sessions=sessions,
            simulated=simulated,
            software=f"ytterby {ytterby.__version__}",
        )
        write_json(folder / "case.json", case_record(dose, image=image, sessions=sessions, simulated=simulated))
    return dose


def case_record(dose: CaseDose, *, image: Volume, sessions: Sequence[Session], simulated: bool) -> dict[str, Any]:
    """Everything that the dosimetry found, as JSON holds it (unrounded; units in the names)."""
    tumours = [row for row in dose.doses if row.role is Role.TUMOUR]
    return {
        "schema": 1,
        "patient_id": dose.patient_id,
        "simulated": simulated,
        "software": {"name": "ytterby", "version": ytterby.__version__},
        "research_use_only": True,
        "options": asdict(dose.options),
        "image": {
            "quantity": image.quantity.value,
            "shape": list(image.grid.shape),
            "spacing_mm": list(image.grid.spacing_mm),
            "affine_lps": image.grid.affine.tolist(),
            "frame_of_reference": image.frame_of_reference,
            "reference_time": None if image.reference_time is None else image.reference_time.isoformat(),
        },
        "sessions": [
            {
                "session_id": session.session_id,
                "device": session.device.value,
                "administered_activity_gbq": session.administered_activity_gbq,
                "administered_at": session.administered_at.isoformat(),
                "residual_fraction": session.residual_fraction,
                "net_activity_gbq": session.net_activity_gbq,
                "lung_shunt_fraction": session.lung_shunt_fraction,
                "perfused": list(session.perfused),
            }
            for session in sessions
        ],
        "doses": [_dose_row(row) for row in dose.doses],
        "engines": _engines(dose).to_dict("records") if dose.compared else [],
        "tumours": {
            "n": len(tumours),
            "mass_kg": sum(row.mass_kg for row in tumours),
            "mean_dose_gy": dose.tumour_mean_dose_gy,
            **asdict(dose.tumours),
        },
        "uncertainty": {
            "measured": [_budget(one) for one in dose.budgets],
            "corrected": [_budget(one) for one in dose.corrected_budgets],
        },
        "single_compartment": [asdict(row) for row in dose.single_compartment],
        "lungs": [asdict(row) for row in dose.lungs],
        "measured_lung_shunt": None if dose.measured_lung_shunt is None else asdict(dose.measured_lung_shunt),
        "effects": [asdict(row) for row in dose.effects],
        "activity_balance": {**asdict(dose.balance), "closure_fraction": dose.balance.closure_fraction},
        "warnings": [asdict(notice) for notice in dose.notices],
    }


def _dose_row(row: SegmentDose) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    values["role"] = row.role.value
    return {name: values[name] for name in _DOSE_COLUMNS}


def _histograms(dose: CaseDose) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "segment": curve.segment,
                "role": curve.role.value,
                "dose_gy": curve.dose_gy.round(9),
                "volume_fraction": curve.volume_fraction,
                "volume_ml": curve.volume_fraction * curve.total_volume_ml,
            }
        )
        for curve in dose.histograms
    ]
    return pd.concat(parts, ignore_index=True)


def _budget(budget: UncertaintyBudget) -> dict[str, Any]:
    return {**asdict(budget), "combined_fraction": budget.combined_fraction, "combined_gy": budget.combined_gy}


def _budgets(dose: CaseDose) -> pd.DataFrame:
    """A row a term of every budget: first of the measured doses, then of the corrected ones, each with its sum."""
    rows = []
    for kind, budgets in (("measured", dose.budgets), ("corrected", dose.corrected_budgets)):
        for budget in budgets:
            lines = [(term.name, term.part_of, term.standard_fraction, term.standard_gy) for term in budget.terms]
            lines.append(("combined", "", budget.combined_fraction, budget.combined_gy))
            for name, part_of, share, gray in lines:
                rows.append(
                    {
                        "segment": budget.segment,
                        "dose": kind,
                        "mean_dose_gy": budget.mean_dose_gy,
                        "term": name,
                        "part_of": part_of,
                        "standard_fraction": share,
                        "standard_gy": gray,
                    }
                )
    return pd.DataFrame(rows)


def _engines(dose: CaseDose) -> pd.DataFrame:
    """The engines side by side: for each segment a row an engine, the reported one first; its mean over the reported mean."""
    rows = []
    for reported in dose.doses:
        others = [row for row in dose.compared if row.segment == reported.segment]
        for row in (reported, *others) if others else ():
            values = {name: getattr(row, name) for name in _ENGINE_COLUMNS}
            values["role"] = row.role.value
            ratio = row.mean_dose_gy / reported.mean_dose_gy if reported.mean_dose_gy > 0 else None
            rows.append({**values, "mean_ratio": ratio})
    return pd.DataFrame(rows)


def _write_dicom(
    folder: Path, header: DicomHeader, found: DosedCase, dose_map: Volume, ct: Volume | None
) -> list[Notice]:
    """Write dose.dcm and segments.dcm on the CT's grid where there is a CT that DICOM can hold; what was lost is told."""
    segments = found.segments
    notices: list[Notice] = []
    try:
        write_dose(_shown(dose_map if ct is None else found.map_on(ct.grid)), folder / "dose.dcm", header)
        kept = _on_grid(segments, segments[0].grid if ct is None else ct.grid)
        write_segmentation(kept, folder / "segments.dcm", header)
    except GeometryError as error:
        if ct is None:
            raise
        notices.append(
            Notice("dicom_off_ct", f"dose.dcm and segments.dcm could not be written on the CT's grid ({error.what}).")
        )
        write_dose(_shown(dose_map), folder / "dose.dcm", header)
        kept = _on_grid(segments, segments[0].grid)
        write_segmentation(kept, folder / "segments.dcm", header)
    volumes = {segment.name: segment.volume_ml for segment in kept}
    for segment in segments:
        lost = 1.0 - volumes.get(segment.name, 0.0) / segment.volume_ml
        if lost > _TOLERATED_LOSS_FRACTION:
            text = (
                f"segments.dcm lacks {lost:.0%} of '{segment.name}', which reaches beyond the CT or is finer than it."
            )
            notices.append(Notice("segments_cropped", text))
    return notices


def _shown(dose_map: Volume) -> Volume:
    """A dose map without what lies below 0, which noise of an image in Bq/mL can give and RTDOSE does not know."""
    return dose_map.with_array(np.maximum(dose_map.array, 0.0))


def _on_grid(segments: Sequence[Segment], grid: Grid) -> tuple[Segment, ...]:
    """Segments as one DICOM SEG can hold them: on one grid, those that have voxels there."""
    carried = (segment.on_grid(grid) for segment in segments)
    return tuple(segment for segment in carried if not segment.is_empty)


def _header(
    patient_id: str,
    image: Volume,
    ct: Volume | None,
    segments: Sequence[Segment],
    sessions: Sequence[Session],
    *,
    simulated: bool,
) -> DicomHeader:
    """Identity of the written objects: one study a patient, dated by the first administration, UIDs from the content."""
    frames = [image.frame_of_reference, "" if ct is None else ct.frame_of_reference]
    frame = next((one for one in (*frames, *(segment.frame_of_reference for segment in segments)) if one), "")
    first = min(session.administered_at for session in sessions)
    study_uid = content_uid("ytterby dosimetry", patient_id, frame, first.isoformat())
    return DicomHeader(
        patient_id=patient_id,
        patient_name=patient_id,
        patient_sex="",
        study_uid=study_uid,
        study_date=first.strftime("%Y%m%d"),
        study_time=first.strftime("%H%M%S"),
        # One UID, one object: the same pixels in another study are another object.
        uid_seed=study_uid,
        frame_of_reference_uid=frame or content_uid("frame of reference", patient_id, first.isoformat()),
        series_description="Ytterby dosimetry",
        timezone_offset=first.strftime("%z")[:5],
        simulated=simulated,
    )
