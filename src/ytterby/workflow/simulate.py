"""Virtual patients written as a clinic would have them: a study folder with DICOM images, DICOM segmentations and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from ytterby.dicom.write import DicomHeader, content_uid, write_ct, write_nm_recon_tomo, write_segmentation
from ytterby.errors import ConfigurationError, InputError, YtterbyError
from ytterby.files.csvtable import number_text, write_csv
from ytterby.virtual import targets
from ytterby.virtual.cohort import VirtualCohort, VirtualPatient, virtual_cohort
from ytterby.virtual.rows import COLUMNS, Cell, Row, patient_rows, person_rows
from ytterby.virtual.scanner import FWHM_MM
from ytterby.virtual.treatment import CONSTANTS, TIME_ZONE
from ytterby.workflow.engine import Progress, run_tasks
from ytterby.workflow.outputs import whole_or_nothing

__all__ = ["simulate_patient", "simulate_study"]

_MARK = "Simulated by ytterby: no real patient is described here. Research use only."
_STUDY_ENTRIES = frozenset(
    {"README.txt", "study.yaml", "patients.csv", "sessions.csv", "lesions.csv", "labs.csv", "follow_up.csv", "imaging"}
    | {"segments", "truth"}
)
_PATIENT_ENTRIES = frozenset({"README.txt", "CASE.yaml", "truth.json", "CT", "spect.dcm", "segments.dcm"})
_OPTIONS = {
    "energy_j_per_gbq": CONSTANTS.energy_j_per_gbq,
    "tissue_density_g_ml": CONSTANTS.tissue_density_g_ml,
    "lung_mass_kg": CONSTANTS.lung_mass_kg,
    "engine": "local_deposition",
}
# The simulated scanner's own resolution; the rest are assumptions of the size that clinics report, and act on nothing simulated.
_ACCURACY: dict[str, object] = {
    "partial_volume": {"method": "gaussian", "fwhm_mm": FWHM_MM},
    "uncertainty": {
        "fwhm_mm": FWHM_MM,
        "fwhm_uncertainty_mm": 1.0,
        "activity_fraction": 0.05,
        "calibration_fraction": 0.05,
        "lung_shunt_sd_fraction": 0.01,
        "residual_sd_fraction": 0.005,
        "boundary_mm": 1.0,
        "registration_mm": 2.0,
        "noise_fraction": 0.1,
    },
}


@dataclass(frozen=True)
class _Task:
    """One patient to be built and written, small enough to be sent to another process."""

    folder: Path
    patients: int
    seed: int
    index: int


def simulate_study(
    out: Path, *, patients: int = targets.ENROLLED, seed: int = 1, workers: int = 1, progress: Progress | None = None
) -> Path:
    """The folder ``out``, with a simulated study in it: DICOM, tables, and the truth behind them in ``truth/``.

    The same ``patients`` and ``seed`` give the same bytes, whatever the number of workers. The study appears whole or not at all;
    an earlier simulated study at the same place is replaced.

    Raises
    ------
    ConfigurationError
        ``out`` holds something that is not a simulated study, or ``workers`` is below 1.
    DomainError
        ``patients`` or ``seed`` is out of range.
    """
    cohort = _cohort(patients, seed)
    _require_ours(out, _STUDY_ENTRIES)
    with whole_or_nothing(out.absolute()) as folder:
        tasks = [(plan.patient_id, _Task(folder, patients, seed, plan.index)) for plan in cohort.plan.enrolled]
        outcomes = run_tasks(_write_patient, tasks, workers=workers, progress=progress)
        tables: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        for outcome in outcomes:
            if outcome.value is None:
                where = f"simulated patient {outcome.key}"
                if outcome.is_internal:
                    raise YtterbyError(outcome.failure, where=where, remedy="check the disk, then report what failed")
                raise InputError(outcome.failure, where=where, remedy="choose another seed")
            for name, rows in outcome.value.items():
                tables[name] += rows
        columns, people = person_rows(cohort.plan)
        _write_table(folder / "patients.csv", columns, people)
        for name, rows in tables.items():
            _write_table(folder / name, COLUMNS[name], rows)
        _write_yaml(folder / "study.yaml", _study(patients, seed))
        _write_text(folder / "README.txt", _study_readme(cohort, patients, seed))
    return out


def simulate_patient(out: Path, *, seed: int = 1) -> Path:
    """The CASE.yaml of one simulated patient, written to the folder ``out`` with the images, the segments and the truth.

    The patient is the first evaluable one of the cohort of that seed.

    Raises
    ------
    ConfigurationError
        ``out`` holds something that is not a simulated patient.
    DomainError
        ``seed`` is negative.
    """
    _require_ours(out, _PATIENT_ENTRIES)
    cohort = _cohort(targets.ENROLLED, seed)
    subject = cohort.patient(next(plan.index for plan in cohort.plan.enrolled if plan.is_evaluable))
    with whole_or_nothing(out.absolute()) as folder:
        _write_images(subject, folder, folder / "segments.dcm", seed=seed)
        _write_yaml(folder / "CASE.yaml", _case(subject))
        truth = {"simulated": True, "patient_id": subject.patient.patient_id, **asdict(subject.truth)}
        _write_text(folder / "truth.json", json.dumps(truth, indent=2) + "\n")
        _write_text(
            folder / "README.txt", f"{_MARK}\n\nOne virtual patient, seed {seed}. Run: ytterby case run CASE.yaml\n"
        )
    return out / "CASE.yaml"


@lru_cache(maxsize=1)
def _cohort(patients: int, seed: int) -> VirtualCohort:
    return virtual_cohort(patients, seed=seed)


def _write_patient(task: _Task) -> dict[str, list[Row]]:
    """Rows of one patient, whose images are written."""
    subject = _cohort(task.patients, task.seed).patient(task.index)
    name = subject.patient.patient_id
    _write_images(
        subject, task.folder / "imaging" / name, task.folder / "segments" / name / "segments.dcm", seed=task.seed
    )
    return patient_rows(subject)


def _write_images(subject: VirtualPatient, images: Path, segments: Path, *, seed: int) -> None:
    name = subject.patient.patient_id
    # The MAA scan was made before the first treatment; nothing of it hangs on the day.
    day = subject.plan.treated_on - timedelta(days=10)
    at = datetime.combine(day, time(10), ZoneInfo(TIME_ZONE))
    identity = f"ytterby simulation, seed {seed}, patient {name}"

    def header(description: str, number: int) -> DicomHeader:
        return DicomHeader(
            patient_id=name,
            patient_name=f"Simulated^{name}",
            patient_sex=str(subject.patient.attributes["sex"]),
            study_uid=content_uid(identity, "study"),
            study_date=at.strftime("%Y%m%d"),
            study_time=at.strftime("%H%M%S"),
            uid_seed=identity,
            frame_of_reference_uid=content_uid(identity, "frame of reference"),
            series_description=description,
            series_number=number,
            timezone_offset=at.strftime("%z"),
            simulated=True,
        )

    slices = write_ct(
        subject.ct, images / "CT", header("Simulated CT, portal venous", 1), contrast_agent="simulated contrast agent"
    )
    write_nm_recon_tomo(subject.spect, images / "spect.dcm", header("Simulated 99mTc-MAA SPECT", 2))
    write_segmentation(subject.segments, segments, header("Simulated segments (truth)", 3), source=slices)


def _study(patients: int, seed: int) -> dict[str, object]:
    return {
        "schema": 1,
        "name": f"Simulated cohort of {patients} patients, seed {seed}",
        "simulated": True,
        "time_zone": TIME_ZONE,
        "device": "glass",
        "options": _OPTIONS,
        "image": {"kind": "maa_spect", "unit": "counts"},
        "roles": {"liver": ["Liver"], "tumour": ["L[0-9]*"], "perfused": ["Perfused*"], "lungs": ["Lungs"]},
        "response": {"criterion": "choi", "minimum_diameter_mm": 20, "maximum_lesions": 10},
        "toxicity": {"tests": ["ast", "alt", "bilirubin", "albumin"], "grade": 3, "window_months": 12},
        **_ACCURACY,
    }


def _case(subject: VirtualPatient) -> dict[str, object]:
    perfused = [territory.name for territory in subject.anatomy.territories]
    return {
        "schema": 1,
        "patient_id": subject.patient.patient_id,
        "simulated": True,
        "time_zone": TIME_ZONE,
        "image": {"path": "spect.dcm", "kind": "maa_spect", "unit": "counts"},
        "ct": {"path": "CT"},
        "segments": {
            "path": "segments.dcm",
            "roles": {
                "liver": ["Liver"],
                "tumour": [tumour.name for tumour in subject.anatomy.tumours],
                "perfused": perfused,
                "lungs": ["Lungs"],
            },
        },
        "sessions": [
            {
                "session_id": session.session_id,
                "device": session.device.value,
                "administered_activity_gbq": session.administered_activity_gbq,
                "administered_at": session.administered_at.isoformat(timespec="minutes"),
                "residual_fraction": session.residual_fraction,
                "lung_shunt_fraction": session.lung_shunt_fraction,
                **({"perfused": list(session.perfused)} if session.perfused else {}),
            }
            for session in subject.patient.sessions
        ],
        "options": {**_OPTIONS, "engine": ["local_deposition", "kernel"]},
        **_ACCURACY,
    }


def _study_readme(cohort: VirtualCohort, patients: int, seed: int) -> str:
    return "\n".join(
        [
            _MARK,
            "",
            f"{cohort.plan.screened} screened, {patients} enrolled, seed {seed}; "
            f"{cohort.plan.evaluable_lesions} lesions of at least 20 mm with follow-up imaging.",
            "Run it: ytterby study run THIS_FOLDER --out RESULTS",
            "",
            "truth/ holds what no real study knows: the true mass, activity and mean absorbed dose of every lesion",
            f"(local deposition, {CONSTANTS.energy_j_per_gbq} J/GBq, {CONSTANTS.tissue_density_g_ml} g/mL),",
            "and the chance with which it responds.",
            "",
        ]
    )


def _require_ours(out: Path, entries: frozenset[str]) -> None:
    """ConfigurationError unless ``out`` is absent, empty, or holds an earlier simulation and nothing else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigurationError("is a file, not a folder", where=str(out), remedy="give --out a new folder")
    found = {entry.name for entry in out.iterdir()}
    readme = out / "README.txt"
    marked = readme.is_file() and readme.read_bytes()[: len(_MARK)] == _MARK.encode()
    if found and not (marked and found <= entries):
        raise ConfigurationError(
            "the folder is not empty and not (only) an earlier simulation",
            where=str(out),
            remedy="give --out a new folder, or move away what is in it",
        )


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, columns, [[_cell(row.get(column)) for column in columns] for row in rows])


def _cell(value: Cell) -> str:
    if isinstance(value, float):
        return number_text(value)
    return "" if value is None else str(value)


def _write_yaml(path: Path, content: dict[str, object]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    _write_text(path, f"# {_MARK}\n{text}")


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
