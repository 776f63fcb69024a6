"""The tables of a study folder, as patients with sessions, lesions, laboratory values and follow-up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ytterby.errors import DomainError, InconsistentStudy, Problem
from ytterby.files import studychecks as checks
from ytterby.files.cells import Kind, infer_kind
from ytterby.files.csvtable import Row, Table, read_table
from ytterby.files.moments import parse_moment, parse_zone
from ytterby.files.studycolumns import FOLLOW_UP, LABS, LESIONS, MEASUREMENTS, PATIENTS, SESSIONS
from ytterby.files.studyfile import StudyFile
from ytterby.model.outcome import FollowUp, LabValue, LesionMeasurement
from ytterby.model.patient import Cohort, Lesion, Patient
from ytterby.model.treatment import Device, Session, Vial

__all__ = ["StudyTables", "read_study_tables"]


@dataclass(frozen=True)
class StudyTables:
    """The cohort, and everything that is wrong with its tables.

    ``cohort`` holds every patient of patients.csv, those with red problems too, as far as they could be read. ``by_patient`` has
    the problems of each patient; ``general`` those that belong to no patient of the study. ``images`` is what the column image
    says, by (patient_id, session_id); "" where it says nothing. ``attribute_columns`` are the further columns of patients.csv.
    ``is_readable`` is False when a whole table could not be read, so that no patient is complete.
    """

    cohort: Cohort
    problems: tuple[Problem, ...]
    general: tuple[Problem, ...]
    by_patient: Mapping[str, tuple[Problem, ...]]
    images: Mapping[tuple[str, str], str]
    attribute_columns: tuple[str, ...]
    is_readable: bool

    @property
    def blocked(self) -> tuple[str, ...]:
        """Patients with a red problem, in the order of the cohort."""
        return tuple(
            patient.patient_id
            for patient in self.cohort.patients
            if any(problem.level == "red" for problem in self.by_patient.get(patient.patient_id, ()))
        )


class _Findings:
    """Problems as they are found, each with the patient that it belongs to ("": none)."""

    def __init__(self) -> None:
        self.owned: list[tuple[str, Problem]] = []

    def add(self, problem: Problem, patient_id: str = "") -> None:
        self.owned.append((patient_id, problem))

    def by_owner(self) -> dict[str, tuple[Problem, ...]]:
        owners: dict[str, list[Problem]] = defaultdict(list)
        for owner, problem in self.owned:
            owners[owner].append(problem)
        return {owner: tuple(problems) for owner, problems in owners.items()}


def read_study_tables(folder: Path, study: StudyFile, *, half_life_hours: Mapping[Device, float]) -> StudyTables:
    """The patients of a study folder with all that is wrong with its tables.

    Nothing is raised for what stands in the tables: a red problem stops its patient, an amber one is a warning.
    ``half_life_hours``, by device, decays a calibrated activity to the moment of administration.
    """
    findings = _Findings()
    zone = parse_zone(study.time_zone) if study.time_zone else None
    tables = {
        "patients": read_table(folder / "patients.csv", PATIENTS, key=("patient_id",)),
        "sessions": read_table(folder / "sessions.csv", SESSIONS, key=("patient_id", "session_id")),
        "lesions": read_table(folder / "lesions.csv", LESIONS, key=("patient_id", "lesion_id")),
        "follow_up": read_table(folder / "follow_up.csv", FOLLOW_UP, key=("patient_id",)),
    }
    # Laboratory values are needed where toxicity is asked for; measurements of many visits are checked, and not yet used.
    if study.toxicity is not None or (folder / "labs.csv").exists():
        tables["labs"] = read_table(folder / "labs.csv", LABS)
    if (folder / "measurements.csv").exists():
        tables["measurements"] = read_table(folder / "measurements.csv", MEASUREMENTS)
    patients: dict[str, Row] = {}
    for row in tables["patients"].rows:
        if row.text("patient_id"):
            patients.setdefault(row.text("patient_id"), row)
    for table in tables.values():
        _take_over(table, patients, findings, known=table is tables["patients"] or not tables["patients"].is_usable)
    rows = {name: _by_patient(table, patients) for name, table in tables.items()}
    readers = _Readers(study, zone, half_life_hours, findings)
    attributes = _attributes(tables["patients"])
    images: dict[tuple[str, str], str] = {}
    people = []
    for patient_id, row in patients.items():
        sessions = readers.sessions(patient_id, rows["sessions"][patient_id], images)
        follow_up = readers.follow_up(patient_id, rows["follow_up"][patient_id])
        patient = Patient(
            patient_id=patient_id,
            attributes=attributes[row.number],
            sessions=sessions,
            lesions=readers.lesions(patient_id, rows["lesions"][patient_id]),
            labs=readers.labs(patient_id, rows["labs"][patient_id] if "labs" in rows else []),
            follow_up=follow_up,
            exclusion_reason=row.text("exclusion_reason"),
        )
        # A row that cannot be used has its own problem; to call it missing too would only be noise.
        usable = frozenset(name for name, table in tables.items() if table.is_usable and not rows[name][patient_id])
        for problem in checks.whole_patient(patient, row, usable, zone=zone):
            findings.add(problem, patient_id)
        people.append(patient)
    return StudyTables(
        cohort=Cohort(study.name, tuple(people), study.simulated),
        problems=tuple(problem for _, problem in findings.owned),
        general=tuple(problem for owner, problem in findings.owned if owner not in patients),
        by_patient={owner: some for owner, some in findings.by_owner().items() if owner in patients},
        images=images,
        attribute_columns=tuple(
            name for name in tables["patients"].header if name not in ("patient_id", "exclusion_reason")
        ),
        is_readable=all(table.is_usable for table in tables.values()),
    )


def _take_over(table: Table, patients: Mapping[str, Row], findings: _Findings, *, known: bool) -> None:
    """The problems of a table, each with its patient; unless all are ``known``, rows of unknown patients become problems too."""
    owner = {row.number: row.text("patient_id") for row in table.rows}
    for problem in table.problems:
        findings.add(problem, owner.get(problem.row or 0, ""))
    if known:
        return
    for row in table.rows:
        patient_id = row.text("patient_id")
        if patient_id and patient_id not in patients:
            what = f"the patient '{patient_id}' is not in patients.csv"
            remedy = "add the patient there, or correct the identifier"
            findings.add(Problem("red", what, table.file, row.number, "patient_id", remedy), patient_id)


def _by_patient(table: Table, patients: Iterable[str]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {patient_id: [] for patient_id in patients}
    for row in table.rows:
        if row.text("patient_id") in rows:
            rows[row.text("patient_id")].append(row)
    return rows


def _attributes(table: Table) -> dict[int, dict[str, str | float | int | None]]:
    """The further columns of patients.csv by row: declared ones by their type, others as numbers where all are numbers."""
    further = table.further(PATIENTS)
    kinds = {name: infer_kind([row.text(name) for row in table.rows]) for name in further}
    result: dict[int, dict[str, str | float | int | None]] = {}
    for row in table.rows:
        values: dict[str, str | float | int | None] = {}
        for name in table.header:
            value = row.values.get(name)
            if name in ("patient_id", "exclusion_reason"):
                continue
            if isinstance(value, str) and kinds.get(name, Kind.TEXT).is_numeric:
                value = int(value) if kinds[name] is Kind.INTEGER else float(value)
            values[name] = value if isinstance(value, str | float | int) else None
        result[row.number] = values
    return result


@dataclass(frozen=True)
class _Readers:
    """Rows of one patient, made into objects of the model."""

    study: StudyFile
    zone: ZoneInfo | None
    half_life_hours: Mapping[Device, float]
    findings: _Findings

    def sessions(self, patient_id: str, rows: list[Row], images: dict[tuple[str, str], str]) -> tuple[Session, ...]:
        """Sessions in the order of their administration; what their column image says goes into ``images``."""
        found: list[Session] = []
        for row in rows:
            administered_at = self._moment(patient_id, row, "administered_at")
            calibrated_at = self._moment(patient_id, row, "calibrated_at")
            activity_gbq = row.number_of("calibrated_activity_gbq")
            device = Device(row.text("device") or self.study.device)
            if row.is_sound and (activity_gbq is None) != (not row.text("calibrated_at")):
                what = "calibrated_at and calibrated_activity_gbq belong together"
                problem = Problem("red", what, "sessions.csv", row.number, "calibrated_at", "give both or neither")
                self.findings.add(problem, patient_id)
            if not row.is_sound or administered_at is None:
                continue
            vial = None
            if activity_gbq is not None and calibrated_at is not None:
                vial = Vial(device, activity_gbq, calibrated_at)
            session = Session(
                session_id=row.text("session_id"),
                device=device,
                administered_activity_gbq=row.required("administered_activity_gbq"),
                administered_at=administered_at,
                residual_fraction=row.required("residual_fraction"),
                lung_shunt_fraction=row.required("lung_shunt_fraction"),
                perfused=tuple(part.strip() for part in row.text("territory").split(";") if part.strip()),
                vial=vial,
            )
            images[patient_id, session.session_id] = row.text("image")
            for problem in checks.vial(session, row, half_life_hours=self.half_life_hours[device]):
                self.findings.add(problem, patient_id)
            found.append(session)
        for problem in checks.territories(patient_id, found, rows, images):
            self.findings.add(problem, patient_id)
        return tuple(sorted(found, key=lambda session: (session.administered_at, session.session_id)))

    def _moment(self, patient_id: str, row: Row, column: str) -> datetime | None:
        text = row.text(column)
        if not text:
            return None
        try:
            return parse_moment(text, self.zone)
        except DomainError as error:
            problem = Problem("red", error.what, "sessions.csv", row.number, column, error.remedy)
            self.findings.add(problem, patient_id)
            return None

    def lesions(self, patient_id: str, rows: list[Row]) -> tuple[Lesion, ...]:
        """Lesions in the order of the file."""
        for problem in checks.lesions(rows):
            self.findings.add(problem, patient_id)
        return tuple(
            Lesion(
                lesion_id=row.text("lesion_id"),
                segment=row.text("segment"),
                baseline=_measurement(row, "baseline"),
                follow_up=_measurement(row, "follow_up"),
                new_lesion=row.values.get("new_lesion") == 1,
            )
            for row in rows
            if row.is_sound
        )

    def labs(self, patient_id: str, rows: list[Row]) -> tuple[LabValue, ...]:
        """Laboratory values by day and test."""
        values = []
        for row in rows:
            day, value = row.day("date"), row.number_of("value")
            lower, upper = row.number_of("lower_limit"), row.number_of("upper_limit")
            if lower is not None and upper is not None and lower >= upper:
                what = f"the lower limit {lower:g} is not below the upper limit {upper:g}"
                problem = Problem("red", what, "labs.csv", row.number, "lower_limit", "correct the limits")
                self.findings.add(problem, patient_id)
            elif row.is_sound and day is not None and value is not None:
                values.append(LabValue(day, row.text("test"), value, row.text("unit"), lower, upper))
        return tuple(sorted(values, key=lambda lab: (lab.day, lab.test)))

    def follow_up(self, patient_id: str, rows: list[Row]) -> FollowUp | None:
        """The dates of the patient's course; None where there is no sound row."""
        row = rows[0] if rows else None
        treated_on = row.day("treated_on") if row is not None else None
        last_contact_on = row.day("last_contact_on") if row is not None else None
        if row is None or not row.is_sound or treated_on is None or last_contact_on is None:
            return None
        try:
            follow_up = FollowUp(
                treated_on,
                last_contact_on,
                row.day("hepatic_progression_on"),
                row.day("global_progression_on"),
                row.day("died_on"),
            )
        except InconsistentStudy as error:
            column = error.what.split(" ", 1)[0]
            problem = Problem("red", error.what, "follow_up.csv", row.number, column, error.remedy)
            self.findings.add(problem, patient_id)
            return None
        for problem in checks.progression(follow_up, row):
            self.findings.add(problem, patient_id)
        return follow_up


def _measurement(row: Row, when: str) -> LesionMeasurement | None:
    diameter_mm = row.number_of(f"{when}_diameter_mm")
    return None if diameter_mm is None else LesionMeasurement(diameter_mm, row.number_of(f"{when}_hu"))
