"""A session of radioembolization written as a minimal brachytherapy plan (RTPLAN), for doses to refer to."""

from __future__ import annotations

import math
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ytterby.dicom.header import open_header, quiet, text
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.identity import DicomHeader, decimal, save, treatment_object
from ytterby.model.treatment import Session
from ytterby.physics.devices import MICROSPHERES
from ytterby.units import HOURS_PER_DAY

__all__ = ["write_plan"]

_RTPLAN = "1.2.840.10008.5.1.4.1.1.481.5"
_SECONDS_PER_HOUR = 3600.0
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"


@quiet()
def write_plan(session: Session, path: Path, header: DicomHeader, *, structures: Path | None = None) -> Path:
    """Write one session as a brachytherapy plan with one permanent application of one source; returns the path.

    The plan says what was given, and when, in its description; it holds no prescription and no place of a source, and nothing
    can be treated from it. Its geometry is that of the ``structures`` (a file of ``write_structures``), else of the device.
    ChannelTotalTime is the nuclide's mean life. Strength and air kerma, which are defined for sealed sources, are 0.

    Source: DICOM PS3.3 A.20 (RT Plan IOD), C.8.8.9, C.8.8.13, C.8.8.15.
    """
    spheres = MICROSPHERES[session.device]
    moment = session.administered_at
    described = (
        f"{session.device.value} microspheres, {spheres.nuclide.name}: {session.administered_activity_gbq:.6g} GBq at "
        f"{moment.isoformat()}, residual {session.residual_fraction:.6g}, lung shunt {session.lung_shunt_fraction:.6g}; "
        f"target: {', '.join(session.perfused) or 'whole liver'}"
    )
    structures_uid = "" if structures is None else text(open_header(structures).dataset, "SOPInstanceUID")
    series_uid = content_uid(
        header.uid_seed, "RTPLAN series", header.series_description, session.session_id, described, structures_uid
    )
    dataset = treatment_object(
        header,
        sop_class=_RTPLAN,
        modality="RTPLAN",
        series_uid=series_uid,
        instance_uid=content_uid(series_uid, "instance"),
    )
    dataset.InstanceNumber = 1
    dataset.RTPlanLabel = f"Session {session.session_id}"[:16]
    dataset.RTPlanName = f"Session {session.session_id}"[:64]
    notes = ("Simulated: no patient. " if header.simulated else "") + "Research use only."
    dataset.RTPlanDescription = f"{described}. {notes}"[:1024]
    dataset.RTPlanDate, dataset.RTPlanTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    dataset.RTPlanGeometry = "PATIENT" if structures_uid else "TREATMENT_DEVICE"
    if structures_uid:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = _RTSTRUCT, structures_uid
        dataset.ReferencedStructureSetSequence = Sequence([reference])
    setup = Dataset()
    setup.ReferencedBrachyApplicationSetupNumber = 1
    group = Dataset()
    group.FractionGroupNumber, group.NumberOfFractionsPlanned = 1, 1
    group.NumberOfBeams, group.NumberOfBrachyApplicationSetups = 0, 1
    group.ReferencedBrachyApplicationSetupSequence = Sequence([setup])
    dataset.FractionGroupSequence = Sequence([group])
    dataset.BrachyTreatmentTechnique, dataset.BrachyTreatmentType = "PERMANENT", "MANUAL"
    machine = Dataset()
    machine.TreatmentMachineName = ""
    dataset.TreatmentMachineSequence = Sequence([machine])
    dataset.SourceSequence = Sequence([_source(session)])
    dataset.ApplicationSetupSequence = Sequence([_application(spheres.nuclide.half_life_hours)])
    dataset.ApprovalStatus = "UNAPPROVED"
    return save(dataset, path)


def _source(session: Session) -> Dataset:
    spheres = MICROSPHERES[session.device]
    source = Dataset()
    source.SourceNumber, source.SourceType = 1, "SPHERE"
    source.SourceDescription = f"{session.device.value} microspheres"
    source.SourceIsotopeName = spheres.nuclide.name
    source.SourceIsotopeHalfLife = decimal(spheres.nuclide.half_life_hours / HOURS_PER_DAY)
    source.ReferenceAirKermaRate = "0"
    source.SourceStrengthUnits, source.SourceStrength = "DOSE_RATE_WATER", "0"
    moment = session.administered_at
    source.SourceStrengthReferenceDate = moment.strftime("%Y%m%d")
    source.SourceStrengthReferenceTime = moment.strftime("%H%M%S")
    return source


def _application(half_life_hours: float) -> Dataset:
    points = []
    for index in range(2):
        point = Dataset()
        point.ControlPointIndex, point.CumulativeTimeWeight = index, str(index)
        point.ControlPointRelativePosition = "0"
        points.append(point)
    channel = Dataset()
    channel.ChannelNumber, channel.ChannelLength = 1, ""
    channel.ChannelTotalTime = decimal(half_life_hours / math.log(2) * _SECONDS_PER_HOUR)
    channel.TransferTubeNumber = ""
    channel.SourceMovementType, channel.ReferencedSourceNumber = "FIXED", 1
    channel.NumberOfControlPoints, channel.FinalCumulativeTimeWeight = len(points), "1"
    channel.BrachyControlPointSequence = Sequence(points)
    application = Dataset()
    application.ApplicationSetupType, application.ApplicationSetupNumber = "MICROSPHERES", 1
    application.TotalReferenceAirKerma = "0"
    application.ChannelSequence = Sequence([channel])
    return application
