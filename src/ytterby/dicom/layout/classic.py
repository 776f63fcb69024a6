"""An enhanced image as classic slices would describe it: one flat dataset, so that one rule serves both."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset

from ytterby.dicom.header import first_item, number, numbers, text, texts
from ytterby.dicom.layout.enhanced import FunctionalGroups

__all__ = ["Factors", "classic_datasets", "frame_factors"]

_BQ_ML = ("BQ/ML", "BQML")
_HOUNSFIELD = ("[HNSF'U]",)
_CORRECTIONS = (("DecayCorrected", "DECY"), ("AttenuationCorrected", "ATTN"), ("ScatterCorrected", "SCAT"))


@dataclass(frozen=True)
class Factors:
    """value = slope * stored + intercept of one frame, in ``unit`` (a RescaleType, BQML or HU; "" where none is stated)."""

    slope: float
    intercept: float
    unit: str


def frame_factors(groups: FunctionalGroups, frame: int, kind: str) -> Factors | None:
    """What the stored values of a frame mean; None where nothing is stated.

    A Real World Value Mapping to Bq/mL (PET) or Hounsfield units (CT) maps stored values by itself, and comes first; else the
    Pixel Value Transformation (DICOM PS3.3 C.7.6.16.2.9, C.7.6.16.2.11).
    """
    wanted = {"pt": (_BQ_ML, "BQML"), "ct": (_HOUNSFIELD, "HU")}.get(kind)
    if wanted is not None:
        for mapping in groups.group_items(frame, "RealWorldValueMappingSequence"):
            slope, intercept = number(mapping, "RealWorldValueSlope"), number(mapping, "RealWorldValueIntercept")
            code = text(first_item(mapping, "MeasurementUnitsCodeSequence"), "CodeValue").upper().replace(" ", "")
            if slope is not None and code in wanted[0]:
                return Factors(slope, intercept or 0.0, wanted[1])
    transformation = groups.group(frame, "PixelValueTransformationSequence")
    slope, intercept = number(transformation, "RescaleSlope"), number(transformation, "RescaleIntercept")
    if slope is None or intercept is None:
        return None
    unit = text(transformation, "RescaleType").upper()
    return Factors(slope, intercept, "BQML" if unit in _BQ_ML else unit)


def classic_datasets(dataset: Dataset, kind: str) -> tuple[Dataset, ...]:
    """What classic slices of an enhanced image would say: one dataset, or one for each time where a PET is not decay-corrected.

    Attributes that a conversion from classic slices could not place are taken back. Of a PET, Units follow from the factors of
    all frames, and the moment of decay correction from DecayCorrected and DecayCorrectionDateTime (DICOM PS3.3 C.8.22).

    Raises
    ------
    DicomError
        The functional groups do not fit the frames.
    """
    groups = FunctionalGroups.of(dataset)
    flat = Dataset()
    flat.update(dataset)
    flat.file_meta = getattr(dataset, "file_meta", FileMetaDataset())
    for element in first_item(groups.shared, "UnassignedSharedConvertedAttributesSequence"):
        if element.tag not in flat:
            flat.add(element)
    thickness = numbers(groups.group(0, "PixelMeasuresSequence"), "SliceThickness")
    if thickness:
        flat.SliceThickness = thickness[0]
    agent = first_item(dataset, "ContrastBolusAgentSequence")
    if text(agent, "CodeMeaning"):
        flat.ContrastBolusAgent = text(agent, "CodeMeaning")
    _describe_values(flat, groups, kind)
    return _with_times(flat, groups) if kind == "pt" else (flat,)


def _describe_values(flat: Dataset, groups: FunctionalGroups, kind: str) -> None:
    factors = [frame_factors(groups, frame, kind) for frame in range(len(groups.per_frame))]
    stated = [one for one in factors if one is not None]
    if len(stated) < len(factors):
        other = first_item(groups.group(0, "RealWorldValueMappingSequence"), "MeasurementUnitsCodeSequence")
        code = text(other, "CodeValue").upper()
        if kind == "pt" and code and code not in _BQ_ML:
            flat.Units = code
        return
    flat.RescaleSlope, flat.RescaleIntercept = stated[0].slope, stated[0].intercept
    units = {one.unit for one in stated}
    if kind == "ct":
        # One frame in other units is enough.
        flat.RescaleType = next(iter(sorted(units - {"", "HU", "US"})), "HU")
    elif kind == "pt" and units - {"US", ""}:
        flat.Units = units.pop() if len(units) == 1 else "several"
    if kind == "pt" and "CorrectedImage" not in flat:
        flat.CorrectedImage = [word for keyword, word in _CORRECTIONS if text(flat, keyword) == "YES"]


def _with_times(flat: Dataset, groups: FunctionalGroups) -> tuple[Dataset, ...]:
    frames = range(len(groups.per_frame))
    acquired = sorted(
        {text(groups.group(frame, "FrameContentSequence"), "FrameAcquisitionDateTime") for frame in frames} - {""}
    )
    moments = acquired or list(texts(flat, "AcquisitionDateTime")[:1])
    corrected = text(flat, "DecayCorrected")
    if text(flat, "DecayCorrection"):
        moments = moments if text(flat, "DecayCorrection") == "NONE" else moments[:1]
    elif corrected == "YES":
        flat.DecayCorrection = "START"
        moments = [text(flat, "DecayCorrectionDateTime")]
        # The stated moment counts, wherever it lies.
        for keyword in ("SeriesDate", "SeriesTime"):
            if keyword in flat:
                del flat[keyword]
    elif corrected == "NO":
        flat.DecayCorrection = "NONE"
    return tuple(_at(flat, moment) for moment in moments) or (flat,)


def _at(flat: Dataset, moment: str) -> Dataset:
    """The dataset with its acquisition at a DICOM date and time (yyyymmddhhmmss.ffffff, with an offset or without)."""
    found = Dataset()
    found.update(flat)
    found.file_meta = flat.file_meta
    sign = max(moment.find("+"), moment.find("-"))
    clock = moment if sign < 0 else moment[:sign]
    found.AcquisitionDate, found.AcquisitionTime = clock[:8], clock[8:]
    if sign >= 0:
        found.TimezoneOffsetFromUTC = moment[sign:]
    return found
