"""DICOM objects of a case: on which grid they are written, and who they say they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ytterby.dicom.read import StudyIdentity
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.identity import DicomHeader
from ytterby.dosimetry.case import DosedCase
from ytterby.errors import GeometryError
from ytterby.model.dose import Notice, Radiobiology
from ytterby.model.segment import Segment
from ytterby.model.treatment import Session
from ytterby.model.volume import Grid, Volume
from ytterby.workflow.caseradiotherapy import write_radiotherapy

__all__ = ["case_header", "write_case_dicom"]

# A segment carried to the CT's grid loses or gains voxels at its rim; more than this is told.
_TOLERATED_LOSS_FRACTION = 0.05


def write_case_dicom(
    folder: Path,
    header: DicomHeader,
    found: DosedCase,
    dose_map: Volume,
    ct: Volume | None,
    *,
    ct_files: Sequence[Path],
    radiobiology: Radiobiology | None,
) -> list[Notice]:
    """Write segments, plans and doses on the CT's grid where there is a CT that DICOM can hold; what was lost is told."""
    segments = found.segments
    notices: list[Notice] = []

    def written(dose: Volume, kept: Sequence[Segment], source: Sequence[Path]) -> None:
        notices.extend(
            write_radiotherapy(
                folder, header, found, dose=_shown(dose), segments=kept, source=source, radiobiology=radiobiology
            )
        )

    try:
        kept = _on_grid(segments, segments[0].grid if ct is None else ct.grid)
        written(dose_map if ct is None else found.map_on(ct.grid), kept, ct_files)
    except GeometryError as error:
        if ct is None:
            text = f"The DICOM objects could not be written: {error.what}."
            return [Notice("no_dicom", text)]
        notices.append(
            Notice("dicom_off_ct", f"The DICOM objects could not be written on the CT's grid ({error.what}).")
        )
        kept = _on_grid(segments, segments[0].grid)
        written(dose_map, kept, ())
    volumes = {segment.name: segment.volume_ml for segment in kept}
    for segment in segments:
        lost = 1.0 - volumes.get(segment.name, 0.0) / segment.volume_ml
        if lost > _TOLERATED_LOSS_FRACTION:
            why = "it reaches beyond the CT, or is finer"
            text = f"segments.dcm and structures.dcm lack {lost:.0%} of '{segment.name}': {why}."
            notices.append(Notice("segments_cropped", text))
    return notices


def _shown(dose_map: Volume) -> Volume:
    """A dose map without what lies below 0, which noise of an image in Bq/mL can give and RTDOSE does not know."""
    return dose_map.with_array(np.maximum(dose_map.array, 0.0))


def _on_grid(segments: Sequence[Segment], grid: Grid) -> tuple[Segment, ...]:
    """Segments as one DICOM SEG can hold them: on one grid, those that have voxels there."""
    carried = (segment.on_grid(grid) for segment in segments)
    return tuple(segment for segment in carried if not segment.is_empty)


def case_header(
    patient_id: str,
    image: Volume,
    ct: Volume | None,
    segments: Sequence[Segment],
    sessions: Sequence[Session],
    *,
    simulated: bool,
    identity: StudyIdentity | None = None,
) -> DicomHeader:
    """Identity of the written objects: series dated by the first administration, UIDs from the content.

    They join the study of the image, ``identity``, where that is of the case's patient; else they are a study of their own.
    """
    frames = [image.frame_of_reference, "" if ct is None else ct.frame_of_reference]
    frame = next((one for one in (*frames, *(segment.frame_of_reference for segment in segments)) if one), "")
    first = min(session.administered_at for session in sessions)
    date, time, offset = first.strftime("%Y%m%d"), first.strftime("%H%M%S"), first.strftime("%z")[:5]
    own_uid = content_uid("ytterby dosimetry", patient_id, frame, first.isoformat())
    own = DicomHeader(
        patient_id=patient_id,
        patient_name=patient_id,
        patient_sex="",
        study_uid=own_uid,
        study_date=date,
        study_time=time,
        # One UID, one object: the same pixels in another study are another object.
        uid_seed=own_uid,
        frame_of_reference_uid=frame or content_uid("frame of reference", patient_id, first.isoformat()),
        series_description="Ytterby dosimetry",
        timezone_offset=offset,
        simulated=simulated,
    )
    if identity is None or identity.patient_id != patient_id or not identity.names_a_study:
        return own
    return replace(
        own,
        patient_name=identity.patient_name,
        patient_birth_date=identity.patient_birth_date,
        patient_sex=identity.patient_sex,
        study_uid=identity.study_uid,
        study_id=identity.study_id,
        study_date=identity.study_date,
        study_time=identity.study_time,
        study_description=identity.study_description,
        accession_number=identity.accession_number,
        series_date=date,
        series_time=time,
        uid_seed=content_uid(own_uid, identity.study_uid),
    )
