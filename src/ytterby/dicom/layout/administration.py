"""What a radiopharmaceutical radiation dose report says of an administration: agent, activities, moments."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset

from ytterby.dicom.header import text
from ytterby.dicom.layout.content import Code, ContentItem, content_tree
from ytterby.dicom.nuclide import coded_nuclide
from ytterby.dicom.times import aware_moment
from ytterby.errors import CalibrationError, DicomError, DomainError, MissingMeasurement
from ytterby.model.administration import DoseRecord, MeasuredActivity
from ytterby.physics.nuclides import HO166, TC99M, Y90

__all__ = ["DOSE_REPORT", "dose_record", "is_dose_report"]

DOSE_REPORT = "113500 DCM"
"""Root concept of the template (TID 10021)."""

_EVENT = "113502 DCM"
_AGENT = ("349358000 SCT", "F-61FDB SRT")
_NUCLIDE = ("89457008 SCT", "C-10072 SRT")
_HALF_LIFE = ("304283002 SCT", "R-42806 SRT")
_START, _STOP = "123003 DCM", "123004 DCM"
_ADMINISTERED, _BEFORE, _AFTER = "113507 DCM", "113508 DCM", "113509 DCM"
_EVENT_UID = "113503 DCM"
_GBQ = {
    "Bq": 1e-9, "kBq": 1e-6, "MBq": 1e-3, "GBq": 1.0, "TBq": 1e3, "uCi": 3.7e-5, "mCi": 0.037, "Ci": 37.0,
}  # fmt: skip
_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}
_KNOWN = {"90Y": Y90, "99mTc": TC99M, "166Ho": HO166}
_HALF_LIFE_TOLERANCE_FRACTION = 0.01
_REMEDY = "correct it in the hot laboratory's system and export the report again"


def is_dose_report(root: Code) -> bool:
    """Whether a report's title says that it is a radiopharmaceutical radiation dose report, whatever its SOP class."""
    return root.is_one_of(DOSE_REPORT)


def dose_record(dataset: Dataset, name: str, *, time_zone: str | None = None) -> DoseRecord:
    """The administration of a dose report (DICOM PS3.16 TID 10021 and TID 10022), activities in GBq.

    What was measured before and after is taken at the Observation DateTime of its item. Characteristics of the patient are not
    read.

    Raises
    ------
    DicomError
        It is no dose report, its tree is too deep or too large, or it describes no administration or several.
    MissingMeasurement
        Nuclide, half-life, start or administered activity is absent.
    CalibrationError
        A unit is no UCUM unit of activity or time, a moment is no moment or has no time zone, a value is not above 0, more was
        left than there had been, or the half-life is more than 1 % from that of the nuclide.
    """
    tree = content_tree(dataset, name)
    if not is_dose_report(tree.name):
        title = tree.name.meaning or "no title"
        raise DicomError(
            f"this is no radiopharmaceutical dose report but '{title}'", where=name, remedy="name the dose report"
        )
    events = tree.all(_EVENT)
    if len(events) != 1:
        raise DicomError(
            f"the dose report describes {len(events)} administrations",
            where=name,
            remedy="give one report for each administration",
        )
    event = events[0]

    def moment(item: ContentItem, written: str) -> datetime:
        return aware_moment(
            written, dataset, where=name, field=item.name.meaning or item.name.value, time_zone=time_zone
        )

    def measured(code: str) -> MeasuredActivity | None:
        item = event.first(code)
        if item is None or item.value is None:
            return None
        when = moment(item, item.observed) if item.observed else None
        return MeasuredActivity(_in_gbq(item, name), when)

    agent = event.first(*_AGENT)
    nuclide = None if agent is None else agent.first(*_NUCLIDE)
    if agent is None or nuclide is None:
        raise MissingMeasurement("the dose report names no agent with its radionuclide", where=name, remedy=_REMEDY)
    start, stop, identity = (
        _required(event, "start of the administration", name, _START),
        event.first(_STOP),
        event.first(_EVENT_UID),
    )
    named = coded_nuclide(nuclide.code.value, nuclide.code.meaning)
    half_life_hours = _scaled(_required(agent, "half-life", name, *_HALF_LIFE), _HOURS, "time", name)
    _require_half_life(named, half_life_hours, name)
    try:
        return DoseRecord(
            agent=agent.code.meaning,
            radionuclide=named,
            half_life_hours=half_life_hours,
            started_at=moment(start, start.words),
            stopped_at=None if stop is None or not stop.words else moment(stop, stop.words),
            administered_activity_gbq=_in_gbq(_required(event, "administered activity", name, _ADMINISTERED), name),
            before=measured(_BEFORE),
            after=measured(_AFTER),
            patient_id=text(dataset, "PatientID"),
            event_uid="" if identity is None else identity.words,
            source=name,
        )
    except (DomainError, OverflowError) as error:
        raise CalibrationError(f"the dose report cannot be: {error}", where=name, remedy=_REMEDY) from error


def _required(parent: ContentItem, what: str, name: str, *codes: str) -> ContentItem:
    item = parent.first(*codes)
    if item is None or (item.value_type == "NUM" and item.value is None):
        raise MissingMeasurement(f"the dose report states no {what}", where=name, remedy=_REMEDY)
    return item


def _in_gbq(item: ContentItem, name: str) -> float:
    return _scaled(item, _GBQ, "activity", name)


def _scaled(item: ContentItem, factors: dict[str, float], kind: str, name: str) -> float:
    """The item's value in the one unit used here; CalibrationError where its unit is none of ``factors``."""
    if item.value is None or item.unit.scheme != "UCUM" or item.unit.value not in factors:
        said = f"{item.unit.value or 'no unit'} ({item.unit.scheme or 'no scheme'})"
        raise CalibrationError(
            f"{item.name.meaning or item.name.value} is in {said}, which is no unit of {kind} that is known",
            where=name,
            remedy=f"export it in one of {', '.join(factors)} (UCUM)",
        )
    return item.value * factors[item.unit.value]


def _require_half_life(nuclide: str, half_life_hours: float, name: str) -> None:
    known = _KNOWN.get(nuclide)
    if known is None:
        return
    if abs(half_life_hours / known.half_life_hours - 1.0) > _HALF_LIFE_TOLERANCE_FRACTION:
        raise CalibrationError(
            f"the dose report names {nuclide} and a half-life of {half_life_hours:.5g} h; that of {nuclide} is "
            f"{known.half_life_hours:.5g} h",
            where=name,
            remedy="correct nuclide or half-life: the activities may have been decayed with a wrong one",
        )
