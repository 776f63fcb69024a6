"""A whole study: check its folder, run every patient, and hand the tables to the analysis."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ytterby.cohort.analysis import plan_options
from ytterby.cohort.assemble import (
    AssessmentRules,
    PatientRecord,
    analysis_tables,
    marked,
    patient_record,
)
from ytterby.cohort.plan import AnalysisPlan, TimeZero
from ytterby.errors import ConfigurationError, InconsistentStudy, MissingMeasurement, Problem, YtterbyError
from ytterby.files.analysistables import read_analysis_tables, write_analysis_tables, write_table
from ytterby.files.planfile import read_plan
from ytterby.files.studyfile import StudyFile, read_study
from ytterby.files.studytables import StudyTables, read_study_tables
from ytterby.model.patient import Patient
from ytterby.model.treatment import Device
from ytterby.physics.devices import MICROSPHERES
from ytterby.report.page import CaseLink
from ytterby.workflow.analyse import INDEX, write_analysis
from ytterby.workflow.case import run_case
from ytterby.workflow.engine import Outcome, Progress, run_tasks
from ytterby.workflow.outputs import whole_or_nothing
from ytterby.workflow.patient import patient_case
from ytterby.workflow.provenance import RunRecord
from ytterby.workflow.truth import TruthComparison, truth_of, truth_table

__all__ = ["HALF_LIFE_HOURS", "PatientResult", "PatientTask", "StudyRun", "check_study", "run_patient", "run_study"]

HALF_LIFE_HOURS: Mapping[Device, float] = {
    device: spheres.nuclide.half_life_hours for device, spheres in MICROSPHERES.items()
}


@dataclass(frozen=True)
class StudyRun:
    """A finished run: how many patients are done, which failed and why, the page to open, and, simulated, the truth.

    ``problems`` are the red ones of rows that belong to no patient of the study; these rows were left out.
    """

    finished: int
    failed: tuple[Outcome[PatientResult], ...]
    index: Path
    truth: TruthComparison | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class PatientResult:
    """Rows of the analysis tables of one patient, and the line in the report."""

    record: PatientRecord
    link: CaseLink


@dataclass(frozen=True, eq=False)
class PatientTask:
    """What a worker needs to run one patient; plain values only, so that it can cross to another process."""

    folder: Path
    out: Path
    study: StudyFile
    patient: Patient
    images: Mapping[str, str]
    rules: AssessmentRules
    notices: tuple[str, ...] = field(default=())


def check_study(folder: Path) -> tuple[Problem, ...]:
    """Everything that is wrong with a study, with file, row and column; nothing is run.

    Raises
    ------
    ConfigurationError
        study.yaml or the analysis plan cannot be read.
    """
    study = read_study(folder)
    read_plan(study.analysis)
    tables = read_study_tables(folder, study, half_life_hours=HALF_LIFE_HOURS)
    problems = list(tables.problems)
    for patient in tables.cohort.included:
        for room in ("imaging", "segments"):
            if not (folder / room / patient.patient_id).is_dir():
                problems.append(
                    Problem(
                        "red",
                        f"patient '{patient.patient_id}' has no folder {room}/{patient.patient_id}",
                        file=room,
                        remedy="add it, or give the patient an exclusion_reason in patients.csv",
                    )
                )
    return tuple(problems)


def run_study(folder: Path, out: Path, *, workers: int = 1, progress: Progress | None = None) -> StudyRun:
    """Run every included patient of a study folder and its analysis; ``out`` gets cases/, tables/ and the report.

    A patient whose data are wrong is listed and left out; the others are finished.

    Raises
    ------
    InconsistentStudy
        A table as a whole cannot be read, or no patient could be run; carries every problem.
    ConfigurationError
        study.yaml or the analysis plan is wrong.
    """
    _keep_apart(folder, out)
    study = read_study(folder)
    plan = read_plan(study.analysis)
    tables = read_study_tables(folder, study, half_life_hours=HALF_LIFE_HOURS)
    if not tables.is_readable:
        raise InconsistentStudy(
            "the tables of the study cannot be read",
            where=str(folder),
            remedy="mend these first ('ytterby study check' lists them again)",
            problems=tuple(problem for problem in tables.general if problem.level == "red"),
        )
    rules = _rules(study, plan)
    record = RunRecord("study run", options={"study": study.name, "workers": workers, "plan": plan_options(plan)})
    with record.step("hash inputs"):
        record.add_inputs(folder, _inputs(folder, study))
    with whole_or_nothing(out) as making:
        with record.step("patients"):
            outcomes = _run_patients(folder, making, study, tables, rules, workers=workers, progress=progress)
        for left in (making / "cases").glob(".*.unfinished"):  # of a worker that was killed
            shutil.rmtree(left)
        done = [outcome.value for outcome in outcomes if outcome.value is not None]
        failed = tuple(outcome for outcome in outcomes if outcome.value is None)
        if not done and any(one.is_internal for one in failed):
            raise YtterbyError("no patient could be run: " + "; ".join(f"{one.key}: {one.failure}" for one in failed))
        if not done:
            raise InconsistentStudy(
                "no patient could be run",
                where=str(folder),
                remedy="mend what is listed",
                problems=tuple(Problem("red", f"patient {one.key}: {one.failure}") for one in failed),
            )
        assembled = analysis_tables(
            [result.record for result in done],
            exclusions=_exclusions(tables, failed),
            simulated=study.simulated,
            source=study.name,
        )
        (making / "tables").mkdir()
        write_analysis_tables(making / "tables", assembled)
        truth = truth_of(folder, assembled) if study.simulated else None
        if truth is not None:
            write_table(making / "tables" / "truth.csv", marked(truth.pairs, study.simulated))
        links = [result.link for result in done] + [CaseLink(one.key, failure=one.failure) for one in failed]
        # The analysis reads what was written, so that `analyse` on the tables gives the same.
        write_analysis(
            making,
            read_analysis_tables(making / "tables"),
            plan,
            record=record,
            title=study.name,
            cases=links,
            truth=None if truth is None else truth_table(truth),
        )
        record.write(making / "run.json")
    left_out = tuple(problem for problem in tables.general if problem.level == "red")
    return StudyRun(len(done), failed, out / INDEX, truth, left_out)


def _keep_apart(folder: Path, out: Path) -> None:
    """ConfigurationError where the results would mix with the study, or take the place of what no earlier run wrote."""
    study, target = folder.resolve(), out.resolve()
    if target == study or any(target.is_relative_to(study / room) for room in ("imaging", "segments", "truth")):
        raise ConfigurationError(
            "the results would lie among the study's own files", where="--out", remedy="name another output folder"
        )
    taken = [name for name in ("cases", "tables", "figures", "report") if (target / name).exists()]
    if taken and not ((target / "results.json").is_file() and (target / "run.json").is_file()):
        raise ConfigurationError(
            f"{out} has a folder '{taken[0]}' that no earlier run wrote, and it would be replaced",
            where="--out",
            remedy="name another output folder, or move that one away",
        )


def _inputs(folder: Path, study: StudyFile) -> list[Path]:
    """Every file that the run depends on."""
    files = [path for path in folder.iterdir() if path.is_file()]
    files += [path for room in ("imaging", "segments") for path in (folder / room).rglob("*") if path.is_file()]
    return files + ([] if study.analysis is None or study.analysis in files else [study.analysis])


def _exclusions(tables: StudyTables, failed: Sequence[Outcome[PatientResult]]) -> dict[str, int]:
    reasons = Counter(patient.exclusion_reason for patient in tables.cohort.patients if not patient.is_included)
    if failed:
        reasons["could not be computed"] += len(failed)
    return dict(reasons)


def _run_patients(
    folder: Path,
    out: Path,
    study: StudyFile,
    tables: StudyTables,
    rules: AssessmentRules,
    *,
    workers: int,
    progress: Progress | None,
) -> tuple[Outcome[PatientResult], ...]:
    """Outcome of each included patient, in the order of patients.csv; those with red problems fail without being run."""
    blocked = set(tables.blocked)
    ready = [
        (patient.patient_id, _task(folder, out, study, patient, tables, rules))
        for patient in tables.cohort.included
        if patient.patient_id not in blocked
    ]
    outcomes = {outcome.key: outcome for outcome in run_tasks(run_patient, ready, workers=workers, progress=progress)}
    for patient_id in blocked:
        red = [str(problem) for problem in tables.by_patient[patient_id] if problem.level == "red"]
        outcomes[patient_id] = Outcome(patient_id, failure="; ".join(red))
    return tuple(outcomes[patient.patient_id] for patient in tables.cohort.included)


def _task(
    folder: Path, out: Path, study: StudyFile, patient: Patient, tables: StudyTables, rules: AssessmentRules
) -> PatientTask:
    return PatientTask(
        folder=folder,
        out=out / "cases" / patient.patient_id,
        study=study,
        patient=replace(patient, attributes=dict(patient.attributes)),
        images={session: path for (owner, session), path in tables.images.items() if owner == patient.patient_id},
        rules=rules,
        notices=tuple(
            str(problem) for problem in tables.by_patient.get(patient.patient_id, ()) if problem.level == "amber"
        ),
    )


def run_patient(task: PatientTask) -> PatientResult:
    """Dosimetry, response, toxicity and endpoints of one patient; writes the case's folder."""
    patient = task.patient
    if not patient.sessions:
        raise MissingMeasurement(
            "the patient has no treatment session",
            where=f"sessions.csv, patient '{patient.patient_id}'",
            remedy="add the session, or give the patient an exclusion_reason in patients.csv",
        )
    case = patient_case(task.folder, task.study, patient, task.images, notices=task.notices)
    dose = run_case(case, task.out)
    record = patient_record(patient, dose, task.rules)
    link = CaseLink(
        patient.patient_id,
        href=f"../cases/{patient.patient_id}/report.html",
        mad_gy=dose.tumour_mean_dose_gy,
        notices=tuple(notice.message for notice in dose.notices),
    )
    return PatientResult(record, link)


def _rules(study: StudyFile, plan: AnalysisPlan) -> AssessmentRules:
    tests: Sequence[str] = () if study.toxicity is None else study.toxicity.tests
    return AssessmentRules(
        minimum_diameter_mm=study.response.minimum_diameter_mm,
        maximum_lesions=study.response.maximum_lesions,
        deaths=plan.deaths.value,
        from_last_session=plan.time_zero is TimeZero.LAST_ADMINISTRATION,
        toxicity_tests=tuple(tests),
        toxicity_window_months=0.0 if study.toxicity is None else study.toxicity.window_months,
    )
