"""The record of an administration written as Radiopharmaceutical Radiation Dose SR."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

from pydicom.dataset import Dataset

from ytterby.dicom.layout.content import Code
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.content import (
    code_item,
    container,
    dated,
    measured,
    report_object,
    text_item,
    uid_reference,
)
from ytterby.dicom.write.identity import DicomHeader, save
from ytterby.errors import DomainError
from ytterby.model.administration import DoseRecord, MeasuredActivity

__all__ = ["write_dose_report"]

_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.68"
_NUCLIDES = {
    "90Y": Code("14691008", "SCT", "^90^Yttrium"),
    "99mTc": Code("72454006", "SCT", "^99m^Technetium"),
    "166Ho": Code("166Ho", "99YTTERBY", "^166^Holmium"),
}
_AGENTS = {
    "90Y": Code("764678003", "SCT", "Yttrium^90^ microspheres"),
    "99mTc": Code("99mTc-MAA", "99YTTERBY", "^99m^Technetium macroaggregated albumin"),
    "166Ho": Code("166Ho-spheres", "99YTTERBY", "^166^Holmium microspheres"),
}
_PROCEDURE = Code("45316007", "SCT", "Radionuclide localization of tumor")
_THERAPEUTIC = Code("262202000", "SCT", "Therapeutic Intent")
_DIAGNOSTIC = Code("261004008", "SCT", "Diagnostic Intent")
_ROUTE = Code("58100008", "SCT", "Intra-arterial route")
_COMMENT = Code("121106", "DCM", "Comment")


def write_dose_report(record: DoseRecord, path: Path, header: DicomHeader) -> Path:
    """Write an administration as dose report (DICOM PS3.16 TID 10021 and TID 10022; MBq, seconds); returns the path.

    The agent's code follows from its nuclide. The event has the UID of the record, else one that follows from its content.

    Raises
    ------
    DomainError
        The nuclide is none of 90Y, 99mTc and 166Ho.
    """
    if record.radionuclide not in _NUCLIDES:
        raise DomainError(
            f"no agent of '{record.radionuclide}' is known here",
            where=str(path),
            remedy=f"use one of {', '.join(_NUCLIDES)}",
        )
    mark = repr(astuple(record))
    series_uid = content_uid(header.uid_seed, "dose report series", header.series_description, mark)
    agent = _AGENTS[record.radionuclide]
    event = [
        code_item(
            Code("349358000", "SCT", "Radiopharmaceutical agent"),
            Code(agent.value, agent.scheme, record.agent or agent.meaning),
            children=[
                code_item(
                    Code("89457008", "SCT", "Radionuclide"),
                    _NUCLIDES[record.radionuclide],
                    relationship="HAS PROPERTIES",
                ),
                measured(
                    Code("304283002", "SCT", "Radionuclide Half Life"),
                    record.half_life_hours * 3600.0,
                    "s",
                    relationship="HAS PROPERTIES",
                ),
            ],
        ),
        uid_reference(
            Code("113503", "DCM", "Radiopharmaceutical Administration Event UID"),
            record.event_uid or content_uid(series_uid, "event"),
        ),
        dated(Code("123003", "DCM", "Radiopharmaceutical Start DateTime"), record.started_at),
    ]
    if record.stopped_at is not None:
        event.append(dated(Code("123004", "DCM", "Radiopharmaceutical Stop DateTime"), record.stopped_at))
    administered = Code("113507", "DCM", "Administered activity")
    event.append(measured(administered, record.administered_activity_gbq * 1000.0, "MBq"))
    event += _activity(Code("113508", "DCM", "Pre-Administration Measured Activity"), record.before)
    event += _activity(Code("113509", "DCM", "Post-Administration Measured Activity"), record.after)
    event.append(code_item(Code("410675002", "SCT", "Route of administration"), _ROUTE))
    intent = _DIAGNOSTIC if record.radionuclide == "99mTc" else _THERAPEUTIC
    procedure = code_item(
        Code("363589002", "SCT", "Associated Procedure"),
        _PROCEDURE,
        relationship="HAS CONCEPT MOD",
        children=[code_item(Code("363703001", "SCT", "Has Intent"), intent, relationship="HAS CONCEPT MOD")],
    )
    children = [
        procedure,
        container(Code("113502", "DCM", "Radiopharmaceutical Administration"), event, template="10022"),
    ]
    if header.simulated:
        children.append(text_item(_COMMENT, "Simulated: no patient. Research use only."))
    root = container(
        Code("113500", "DCM", "Radiopharmaceutical Radiation Dose Report"),
        children,
        relationship="",
        template="10021",
    )
    dataset = report_object(
        header,
        root,
        sop_class=_DOSE_SR,
        series_uid=series_uid,
        instance_uid=content_uid(series_uid, "instance"),
    )
    return save(dataset, path)


def _activity(name: Code, measurement: MeasuredActivity | None) -> list[Dataset]:
    if measurement is None:
        return []
    return [measured(name, measurement.activity_gbq * 1000.0, "MBq", observed=measurement.measured_at)]
