"""Measurement reports (TID 1500) of Ytterby: the doses and volumes of their segments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ytterby.dicom.header import DAMAGE, naming, quiet
from ytterby.dicom.layout import measurements as names
from ytterby.dicom.layout.content import Code, ContentItem, content_tree, open_report
from ytterby.errors import CalibrationError, DicomError, InputError

__all__ = ["MeasuredSegment", "MeasurementReport", "read_measurements"]

_REMEDY = "export the report again"


@dataclass(frozen=True)
class MeasuredSegment:
    """What a report says of one segment, and where that segment stands; None where it does not say it."""

    segment: str
    tracking_uid: str
    finding: str
    segmentation_uid: str
    segment_number: int
    engine: str
    volume_ml: float | None
    mean_dose_gy: float | None
    mean_dose_uncertainty_gy: float | None
    d70_gy: float | None
    simulated: bool


@dataclass(frozen=True)
class MeasurementReport:
    """Segments in the order of the report, and its comments."""

    segments: tuple[MeasuredSegment, ...]
    comments: tuple[str, ...]


@quiet()
def read_measurements(path: Path | str) -> MeasurementReport:
    """Doses and volumes of a measurement report; groups that reference no segment are left out.

    Numbers are the binary ones where the report holds them, else its decimal strings.

    Raises
    ------
    DicomError
        The file is no measurement report, damaged, or too large.
    CalibrationError
        A dose is not in Gy or a volume not in mL or cm3.
    """
    path = Path(path)
    try:
        with naming(path):
            tree = content_tree(open_report(path), path.name)
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise DicomError(f"the report is damaged ({error})"[:300], where=str(path), remedy=_REMEDY) from error
    if not _is(tree.name, names.REPORT):
        title = tree.name.meaning or "no title"
        raise DicomError(f"this is no measurement report but '{title}'", where=path.name, remedy="name such a report")
    groups = [
        item for item in tree.walk() if _child(item, names.TRACKING_UID) and _child(item, names.REFERENCED_SEGMENT)
    ]
    return MeasurementReport(
        segments=tuple(_measured(group, path.name) for group in groups),
        comments=tuple(item.words for item in tree.children if _is(item.name, names.COMMENT)),
    )


def _is(one: Code, other: Code) -> bool:
    return (one.value, one.scheme) == (other.value, other.scheme)


def _child(item: ContentItem, name: Code) -> ContentItem | None:
    return next((child for child in item.children if _is(child.name, name)), None)


def _measured(group: ContentItem, name: str) -> MeasuredSegment:
    segment = _child(group, names.REFERENCED_SEGMENT)
    assert segment is not None
    if len(segment.referenced_segments) != 1:
        raise DicomError("a measurement references no segment by number", where=name, remedy=_REMEDY)
    said = {
        key: child for key in ("TRACKING_IDENTIFIER", "TRACKING_UID") if (child := _child(group, getattr(names, key)))
    }
    finding, simulated = _child(group, names.FINDING), _child(group, names.SIMULATED)
    dose = next((item for item in group.children if _is(item.name, names.ABSORBED_DOSE) and _is_mean(item)), None)
    methods = [] if dose is None else [child.code for child in dose.children if child.code.scheme == names.SCHEME]
    engines = [key for key, code in names.ENGINES.items() if any(_is(code, method) for method in methods)]
    return MeasuredSegment(
        segment=said["TRACKING_IDENTIFIER"].words if "TRACKING_IDENTIFIER" in said else "",
        tracking_uid=said["TRACKING_UID"].words,
        finding="" if finding is None else finding.code.meaning,
        segmentation_uid=segment.referenced_uid,
        segment_number=segment.referenced_segments[0],
        engine=engines[0] if engines else methods[0].meaning if methods else "",
        volume_ml=_value(_child(group, names.VOLUME), ("mL", "ml", "cm3"), name),
        mean_dose_gy=_value(dose, ("Gy",), name),
        mean_dose_uncertainty_gy=_value(_child(group, names.MEAN_DOSE_UNCERTAINTY), ("Gy",), name),
        d70_gy=_value(_child(group, names.D70), ("Gy",), name),
        simulated=simulated is not None and _is(simulated.code, names.YES),
    )


def _is_mean(item: ContentItem) -> bool:
    return any(_is(child.code, names.MEAN) for child in item.children)


def _value(item: ContentItem | None, units: tuple[str, ...], name: str) -> float | None:
    if item is None or item.value is None:
        return None
    if item.unit.scheme != "UCUM" or item.unit.value not in units:
        raise CalibrationError(
            f"{item.name.meaning} is in {item.unit.value or 'no unit'} ({item.unit.scheme or 'no scheme'})",
            where=name,
            remedy=f"export it in {units[0]} (UCUM)",
        )
    return item.value
