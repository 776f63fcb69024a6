"""What parts of a study say of each other: the contradictions that no single cell shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from zoneinfo import ZoneInfo

from ytterby.errors import Problem
from ytterby.files.csvtable import Row
from ytterby.model.outcome import FollowUp
from ytterby.model.patient import Patient
from ytterby.model.treatment import Session

__all__ = ["DEVIATION_FRACTION", "deviation_fraction", "lesions", "progression", "territories", "vial", "whole_patient"]

DEVIATION_FRACTION = 0.05
"""An administered activity further from the decayed calibrated one is reported."""

_SECONDS_PER_HOUR = 3600.0
_MOST_HALVINGS = 50.0


def deviation_fraction(session: Session, *, half_life_hours: float) -> float | None:
    """Administered over calibrated activity, decayed to the administration, minus 1; None where no vial is stated.

    Infinite where the two moments lie so far apart that nothing would be left (or would have been there).
    """
    if session.vial is None:
        return None
    hours = (session.administered_at - session.vial.calibrated_at).total_seconds() / _SECONDS_PER_HOUR
    halvings = hours / half_life_hours
    if abs(halvings) > _MOST_HALVINGS:
        return math.inf
    expected_gbq = session.vial.calibrated_activity_gbq * math.exp2(-halvings)
    return session.administered_activity_gbq / expected_gbq - 1.0


def vial(session: Session, row: Row, *, half_life_hours: float) -> Iterator[Problem]:
    """Amber, when the administered activity deviates by more than 5 % from the calibrated one, decayed; red, when it cannot."""
    deviation = deviation_fraction(session, half_life_hours=half_life_hours)
    if deviation is None or abs(deviation) <= DEVIATION_FRACTION:
        return
    if math.isinf(deviation):
        what = f"calibration and administration lie more than {_MOST_HALVINGS:g} half-lives apart"
        yield Problem("red", what, "sessions.csv", row.number, "calibrated_at", "correct the moments")
        return
    expected_gbq = session.administered_activity_gbq / (1.0 + deviation)
    what = (
        f"{session.administered_activity_gbq:g} GBq is {100 * deviation:+.1f} % from the calibrated activity decayed to that "
        f"moment ({expected_gbq:.3f} GBq)"
    )
    remedy = "check activities and moments; administered_activity_gbq is the vial's activity before the residual"
    yield Problem("amber", what, "sessions.csv", row.number, "administered_activity_gbq", remedy)


def territories(
    patient_id: str, sessions: Sequence[Session], rows: Sequence[Row], images: Mapping[tuple[str, str], str]
) -> Iterator[Problem]:
    """Red, when sessions share an image and one of them does not say which territory it treats."""
    shared = Counter(images[patient_id, session.session_id] for session in sessions)
    lines = {row.text("session_id"): row.number for row in rows if row.is_sound}
    for session in sessions:
        if shared[images[patient_id, session.session_id]] > 1 and not session.perfused:
            what = "sessions that share an image must each name their territory"
            remedy = "name the perfused segment, or give each session its own image"
            yield Problem("red", what, "sessions.csv", lines[session.session_id], "territory", remedy)


def lesions(rows: Sequence[Row]) -> Iterator[Problem]:
    """Contradictions within the rows of a patient's lesions."""
    segments: dict[str, int] = {}
    for row in rows:
        if not row.is_sound:
            continue
        for when in ("baseline", "follow_up"):
            if row.number_of(f"{when}_hu") is not None and row.number_of(f"{when}_diameter_mm") is None:
                column = f"{when}_diameter_mm"
                yield Problem(
                    "red", f"{when}_hu stands without it", "lesions.csv", row.number, column, f"give {column}"
                )
        if row.number_of("follow_up_diameter_mm") is not None:
            if row.number_of("baseline_diameter_mm") is None:
                what = "the lesion has a follow-up but no baseline"
                yield Problem(
                    "red", what, "lesions.csv", row.number, "baseline_diameter_mm", "give baseline_diameter_mm"
                )
            if row.values.get("new_lesion") is None:
                what = "the lesion has a follow-up, but new_lesion is empty"
                yield Problem("red", what, "lesions.csv", row.number, "new_lesion", "write 0 for no, 1 for yes")
        segment = row.text("segment")
        if segment in segments:
            what = f"the segment '{segment}' carries the lesion of row {segments[segment]} already"
            remedy = "check that both lesions lie in one segment; they get the same dose"
            yield Problem("amber", what, "lesions.csv", row.number, "segment", remedy)
        segments.setdefault(segment, row.number)


def progression(follow_up: FollowUp, row: Row) -> Iterator[Problem]:
    """Amber, when a progression in the liver is not also one anywhere."""
    hepatic, anywhere = follow_up.hepatic_progression_on, follow_up.global_progression_on
    if hepatic is not None and (anywhere is None or anywhere > hepatic):
        what = "the liver progressed, but global_progression_on is empty or later"
        remedy = "global progression includes the liver: give the earlier day"
        yield Problem("amber", what, "follow_up.csv", row.number, "global_progression_on", remedy)


def whole_patient(patient: Patient, row: Row, tables: Set[str], *, zone: ZoneInfo | None) -> Iterator[Problem]:
    """What an included patient must have, and whether treatment and follow-up start on one day.

    ``tables`` are those that could be read and hold no row of the patient: only in them something is missing.
    """
    if not patient.is_included:
        return
    for column in ("origin", "grade"):
        if column not in row.wrong and row.values.get(column) is None:
            remedy = f"give {column}, or an exclusion_reason"
            yield Problem("red", "the cell is empty", "patients.csv", row.number, column, remedy)
    who = f"the patient '{patient.patient_id}'"
    if not patient.sessions and "sessions" in tables:
        remedy = "add one, or give the patient an exclusion_reason"
        yield Problem("red", f"{who} has no session", "sessions.csv", remedy=remedy)
    if patient.follow_up is None and "follow_up" in tables:
        remedy = "add one, or give the patient an exclusion_reason"
        yield Problem("red", f"{who} has no row", "follow_up.csv", remedy=remedy)
    if patient.follow_up is not None and patient.sessions:
        first = patient.sessions[0].administered_at
        day = (first.astimezone(zone) if zone is not None else first).date()
        if day != patient.follow_up.treated_on:
            what = (
                f"{who} was treated on {patient.follow_up.treated_on} by this table, but first on {day} by sessions.csv"
            )
            yield Problem("amber", what, "follow_up.csv", column="treated_on", remedy="correct one of the two")
