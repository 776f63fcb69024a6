"""What a case leaves behind: tables, JSON, report page, dose maps and segments; all of it, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

import ytterby
from ytterby.cohort.assemble import marked
from ytterby.dicom.read import StudyIdentity
from ytterby.dicom.write import write_registration
from ytterby.dosimetry.case import DosedCase
from ytterby.dosimetry.planar import PlanarScan
from ytterby.files.analysistables import write_table
from ytterby.files.nifti import write_nifti
from ytterby.model.dose import CaseDose, Radiobiology
from ytterby.model.segment import Role
from ytterby.model.transform import Transform
from ytterby.model.treatment import Session
from ytterby.model.volume import Volume
from ytterby.report.case_page import write_case_page
from ytterby.report.case_pdf import case_pdf
from ytterby.workflow.casedicom import case_header, write_case_dicom
from ytterby.workflow.caseradiotherapy import DICOM_FILES
from ytterby.workflow.casereportfiles import write_case_reports
from ytterby.workflow.casetables import budget_record, budget_table, dose_row, engine_table, histogram_table
from ytterby.workflow.outputs import whole_or_nothing
from ytterby.workflow.provenance import sha256_of, write_json

__all__ = ["case_record", "write_case"]

# Files that not every case has: what an earlier run left of them must not stay beside new doses.
_OPTIONAL = ("uncertainty.csv", "engines.csv", *DICOM_FILES, "measurements.dcm", "registration.dcm")


def write_case(
    out: Path,
    found: DosedCase,
    *,
    image: Volume,
    ct: Volume | None,
    ct_files: Sequence[Path],
    radiobiology: Radiobiology | None,
    sessions: Sequence[Session],
    simulated: bool,
    parameters: Mapping[str, Any],
    planar: PlanarScan | None = None,
    transforms: Sequence[Transform] = (),
    identity: StudyIdentity | None = None,
) -> CaseDose:
    """Write doses.csv, dvh.csv, case.json, report.html, dose.nii.gz, report.pdf and the DICOM objects into ``out``.

    ``parameters`` are what the case stated beside its options, JSON-ready; ``planar`` is the scan in which the lung shunt was
    counted, ``transforms`` carried images and segments into the image's frame of reference. ``identity`` is that of
    the image's study. Returns the dose with what the writing had to tell.
    """
    dose, segments = found.dose, found.segments
    dose_map = found.map_on(image.grid)
    with whole_or_nothing(out, optional=(*_OPTIONAL, *(path.name for path in out.glob("plan_*.dcm")))) as folder:
        write_table(folder / "doses.csv", marked(pd.DataFrame([dose_row(row) for row in dose.doses]), simulated))
        write_table(folder / "dvh.csv", marked(histogram_table(dose), simulated))
        if dose.budgets:
            write_table(folder / "uncertainty.csv", marked(budget_table(dose), simulated))
        if dose.compared:
            write_table(folder / "engines.csv", marked(engine_table(dose), simulated))
        write_nifti(folder / "dose.nii.gz", dose_map)
        header = case_header(dose.patient_id, image, ct, segments, sessions, simulated=simulated, identity=identity)
        notices = write_case_dicom(folder, header, found, dose_map, ct, ct_files=ct_files, radiobiology=radiobiology)
        if transforms:
            write_registration(transforms, folder / "registration.dcm", header, label="INTO_IMAGE")
        dose = replace(dose, notices=(*dose.notices, *notices))
        facts = write_case_page(
            folder / "report.html",
            dose=dose,
            dose_map=dose_map,
            image=image,
            ct=ct,
            segments=segments,
            sessions=sessions,
            simulated=simulated,
            software=f"ytterby {ytterby.__version__}",
            parameters=parameters,
            planar=planar,
        )
        write_case_reports(folder, header, dose, case_pdf(facts), title=f"Dosimetry of {dose.patient_id}")
        record = case_record(dose, image=image, sessions=sessions, simulated=simulated)
        record |= {
            "parameters": dict(parameters),
            # Whoever reads the folder can see that table and map are of one run.
            "files": {name: sha256_of(folder / name) for name in ("doses.csv", "dvh.csv", "dose.nii.gz")},
        }
        write_json(folder / "case.json", record)
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
        "doses": [dose_row(row) for row in dose.doses],
        "engines": engine_table(dose).to_dict("records") if dose.compared else [],
        "tumours": {
            "n": len(tumours),
            "mass_kg": sum(row.mass_kg for row in tumours),
            "mean_dose_gy": dose.tumour_mean_dose_gy,
            **asdict(dose.tumours),
        },
        "uncertainty": {
            "measured": [budget_record(one) for one in dose.budgets],
            "corrected": [budget_record(one) for one in dose.corrected_budgets],
        },
        "single_compartment": [asdict(row) for row in dose.single_compartment],
        "lungs": [asdict(row) for row in dose.lungs],
        "measured_lung_shunt": None if dose.measured_lung_shunt is None else asdict(dose.measured_lung_shunt),
        "effects": [asdict(row) for row in dose.effects],
        "activity_balance": {**asdict(dose.balance), "closure_fraction": dose.balance.closure_fraction},
        "warnings": [asdict(notice) for notice in dose.notices],
    }
