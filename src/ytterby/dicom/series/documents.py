"""Objects without pixels in words: what a structured report, a registration or a document says."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from ytterby.dicom.header import DAMAGE, Header, open_whole, text
from ytterby.dicom.layout.administration import dose_record, is_dose_report
from ytterby.dicom.layout.content import content_tree, open_report
from ytterby.dicom.layout.registration import DEFORMABLE, registered_transforms
from ytterby.dicom.series.kinds import Proposal
from ytterby.errors import InputError, Problem
from ytterby.model.administration import DoseRecord

__all__ = ["DESCRIBED", "described"]

DESCRIBED = ("sr", "reg", "document", "rtstruct")
"""Kinds whose content is read for a scan: they are small, and their headers say little."""

_MEASUREMENTS = "126000 DCM"
_TRACKED = "112040 DCM"
# A report without an offset from UTC is described with its own local times, in whatever zone that is.
_ANY_ZONE = "UTC"


def described(headers: Sequence[Header], kind: str, proposal: Proposal) -> tuple[Proposal, list[Problem]]:
    """Role and reason of a series of such objects, by the content of its first one, and what is wrong with it."""
    header = headers[0]
    name = header.path.name
    more = f" ({len(headers)} objects, this is the first)" if len(headers) > 1 else ""
    try:
        if kind == "sr":
            found = _report(open_report(header.path), name)
        elif kind == "reg":
            found = _registration(header, name)
        elif kind == "rtstruct":
            # Its names have been read; what is missing at its end would be regions without contours.
            for one in headers:
                name = one.path.name
                open_whole(one.path)
            return proposal, []
        else:
            title = text(open_whole(header.path), "DocumentTitle")
            found = Proposal(proposal.role, f"{proposal.reason}: {title}" if title else proposal.reason), []
    except (*DAMAGE, InputError) as error:
        problem = Problem("red", str(error)[:300], name, remedy="export the object again")
        if isinstance(error, InputError):
            problem = Problem("red", error.what, name, remedy=error.remedy)
        return proposal, [problem]
    return Proposal(found[0].role, found[0].reason + more), found[1]


def _report(dataset: Dataset, name: str) -> tuple[Proposal, list[Problem]]:
    tree = content_tree(dataset, name)
    title = tree.name.meaning or "no title"
    if is_dose_report(tree.name):
        return _dose_report(dataset, name, title)
    if tree.name.is_one_of(_MEASUREMENTS):
        groups = sum(item.name.is_one_of(_TRACKED) for item in tree.walk())
        maker = f", by {text(dataset, 'Manufacturer')}" if text(dataset, "Manufacturer") else ""
        return Proposal("measurements", f"structured report: {title}, {groups} measured regions{maker}"), []
    return Proposal("none", f"structured report: {title}"), []


def _dose_report(dataset: Dataset, name: str, title: str) -> tuple[Proposal, list[Problem]]:
    proposal = Proposal("dose_report", f"structured report: {title}")
    try:
        record = dose_record(dataset, name, time_zone=_ANY_ZONE)
    except InputError as error:
        return proposal, [Problem("red", error.what, name, remedy=error.remedy)]
    return Proposal("dose_report", f"radiopharmaceutical dose report: {_in_words(record)}"), _contradictions(
        record, name
    )


def _in_words(record: DoseRecord) -> str:
    left = "" if record.residual_fraction is None else f", {record.residual_fraction:.1%} residual"
    return f"{record.radionuclide} {record.net_activity_gbq:.4g} GBq net at {record.started_at:%Y-%m-%d %H:%M}{left}"


def _contradictions(record: DoseRecord, name: str) -> list[Problem]:
    remedy = "correct it in the hot laboratory's system and export the report again"
    return [Problem("amber", doubt, name, remedy=remedy) for doubt in record.doubts]


def _registration(header: Header, name: str) -> tuple[Proposal, list[Problem]]:
    if header.sop_class == DEFORMABLE:
        found = Proposal("none", "deformable spatial registration: not read")
        return found, [Problem("amber", "a deformable registration is not read", name, remedy="export its rigid part")]
    transforms = registered_transforms(open_whole(header.path), name)
    kinds = ", ".join(sorted({one.kind.value.lower().replace("_", " with ") for one in transforms})) or "identity"
    frames = "; ".join(f"{one.from_frame} to {one.to_frame}" for one in transforms[:4])
    return Proposal("registration", f"spatial registration ({kinds}): {frames}".rstrip(": ")), []
