"""Doses and volumes of segments written as measurement report (Comprehensive 3D SR, TID 1500)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import highdicom.sr as sr
from pydicom.dataset import Dataset

from ytterby import __version__
from ytterby.dicom.header import first_item, items, open_object, quiet, text
from ytterby.dicom.layout import measurements as names
from ytterby.dicom.layout.content import Code
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.identity import DicomHeader, save, settle_dates
from ytterby.dicom.write.roles import CODES
from ytterby.errors import SegmentError
from ytterby.model.dose import SegmentDose

__all__ = ["write_measurements"]

_LABEL_LENGTH = 64  # a SegmentLabel of DICOM is no longer


@quiet()
def write_measurements(
    doses: Sequence[SegmentDose],
    path: Path,
    header: DicomHeader,
    *,
    segmentation: Path,
    dose: Path,
    comments: Sequence[str] = (),
) -> Path:
    """Write volume, mean absorbed dose, its uncertainty and D70 of segments as measurement report; returns the path.

    One measurement group for each row whose segment stands in ``segmentation`` (of ``write_segmentation``), which it references.
    ``dose`` is the RTDOSE that was measured in: its series is named as the source of the segments where the SEG names none.
    ``comments`` stand in the report as text. What a row does not know is left out (DICOM PS3.16 TID 1500, TID 1411).

    Raises
    ------
    SegmentError
        None of the rows' segments stands in the segmentation.
    DicomError
        ``segmentation`` or ``dose`` cannot be read.
    """
    seg, rtdose = open_object(segmentation), open_object(dose)
    numbers = {text(item, "SegmentLabel"): int(item.SegmentNumber) for item in items(seg, "SegmentSequence")}
    rows = [row for row in doses if row.segment[:_LABEL_LENGTH] in numbers]
    if not rows:
        raise SegmentError(
            "no measured segment stands in the segmentation",
            where=str(path),
            remedy="give the segmentation that belongs to the doses",
        )
    series_uid = content_uid(
        header.uid_seed,
        "measurements series",
        header.series_description,
        repr(rows),
        repr(tuple(comments)),
        text(seg, "SOPInstanceUID"),
        text(rtdose, "SOPInstanceUID"),
    )
    source = text(first_item(seg, "ReferencedSeriesSequence"), "SeriesInstanceUID") or text(rtdose, "SeriesInstanceUID")
    groups = [
        _group(
            row,
            seg,
            numbers[row.segment[:_LABEL_LENGTH]],
            source=source,
            # A segment keeps its identifier whenever it is measured: it follows from study and name, not from the numbers.
            tracking_uid=content_uid(header.uid_seed, "tracking", row.segment),
            simulated=header.simulated,
        )
        for row in rows
    ]
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=content_uid("ytterby device", __version__), name="ytterby", manufacturer_name="Ytterby developers"
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=_concept(Code("121007", "DCM", "Device")), observer_identifying_attributes=device
            )
        ),
        procedure_reported=_concept(names.PROCEDURE),
        imaging_measurements=groups,
        title=_concept(names.REPORT),
    )
    told = ["Research use only.", *(["Simulated: no patient."] if header.simulated else []), *comments]
    for words in told:
        report[0].ContentSequence.append(
            sr.TextContentItem(_concept(names.COMMENT), words, relationship_type="CONTAINS")
        )
    document = sr.Comprehensive3DSR(
        evidence=[seg, rtdose],
        content=report[0],
        series_instance_uid=series_uid,
        series_number=header.series_number,
        sop_instance_uid=content_uid(series_uid, "instance"),
        instance_number=1,
        manufacturer="Ytterby developers",
        manufacturer_model_name="ytterby",
        software_versions=__version__,
        device_serial_number="0",
        series_description=header.series_description or None,
        is_complete=True,
    )
    settle_dates(document, header)
    return save(document, path)


def _concept(code: Code) -> sr.CodedConcept:
    return sr.CodedConcept(code.value, code.scheme, code.meaning)


def _group(
    row: SegmentDose, seg: Dataset, number: int, *, source: str, tracking_uid: str, simulated: bool
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """The measurements of one segment."""
    gray, millilitre = _concept(Code("Gy", "UCUM", "gray")), _concept(Code("mL", "UCUM", "millilitre"))
    engine = names.ENGINES.get(row.engine, Code(row.engine[:16].upper(), names.SCHEME, row.engine))
    method = _concept(engine)
    measured = [
        sr.Measurement(_concept(names.VOLUME), float(row.volume_ml), millilitre),
        sr.Measurement(
            _concept(names.ABSORBED_DOSE),
            float(row.mean_dose_gy),
            gray,
            derivation=_concept(names.MEAN),
            method=method,
        ),
    ]
    for name, gray_value in ((names.MEAN_DOSE_UNCERTAINTY, row.mean_dose_uncertainty_gy), (names.D70, row.d70_gy)):
        if gray_value is not None:
            measured.append(sr.Measurement(_concept(name), float(gray_value), gray, method=method))
    value, meaning = CODES[row.role][1]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=tracking_uid, identifier=row.segment),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=text(seg, "SOPClassUID"),
            sop_instance_uid=text(seg, "SOPInstanceUID"),
            segment_number=number,
            source_series=sr.SourceSeriesForSegmentation(source),
        ),
        finding_type=sr.CodedConcept(value, "SCT", meaning),
        algorithm_id=sr.AlgorithmIdentification(
            name="ytterby", version=__version__, parameters=[f"engine: {row.engine}", f"segment: {row.method}"[:1024]]
        ),
        measurements=measured,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(_concept(names.SIMULATED), _concept(names.YES if simulated else names.NO))
        ],
    )
