"""Predicted against delivered, from two result folders to a page: segments, lesions, voxels, and what lies beyond the limits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ytterby.dicom.read.registration import read_registration
from ytterby.dicom.read.segmentation import read_segments
from ytterby.errors import ConfigurationError, GeometryError
from ytterby.files.resultfolder import CaseResult, read_case_result
from ytterby.files.verifyrequest import VerificationFile, VerifyRequest, read_verification
from ytterby.imaging.smooth import matched_resolution
from ytterby.model.dose import Notice
from ytterby.model.segment import Role, Segment
from ytterby.model.transform import transform_between
from ytterby.model.volume import Volume
from ytterby.planning.gamma import gamma_result
from ytterby.planning.verify import (
    Resolution,
    SegmentPair,
    Verification,
    VoxelComparison,
    beyond_limits,
    lesion_agreement,
    matched_segments,
    pair_notices,
    unmatched_segments,
)
from ytterby.planning.voxelwise import DoseMaps, compared_region, dose_maps, voxel_agreement
from ytterby.workflow.provenance import RunRecord
from ytterby.workflow.verify_exports import write_verification

__all__ = ["Compared", "run_verification_file", "verify_results"]

_LABEL_LENGTH = 64  # a SegmentLabel of DICOM is no longer
_OUTSIDE_FLAG_FRACTION = 0.01


@dataclass(frozen=True, eq=False)
class Compared:
    """What was found, with the dose maps that it rests on (None where they could not be compared) and the segments."""

    verification: Verification
    maps: DoseMaps | None
    segments: tuple[Segment, ...]


def run_verification_file(path: Path, out: Path) -> Verification:
    """The comparison that the key ``verify`` of a CASE.yaml asks for, written to ``out`` with run.json.

    Raises
    ------
    InputError
        The file, a result folder or a pair of them cannot be used; names what, where and the remedy. Nothing is left in ``out``.
    """
    record = RunRecord("verify", options={"case": path.name})
    with record.step("read"):
        file = read_verification(path)
        predicted, delivered = read_case_result(file.verify.predicted), read_case_result(file.verify.delivered)
        segments = _named_segments(predicted)
    with record.step("hash inputs"):
        given_files = [path, *predicted.inputs, *delivered.inputs]
        given_files += [] if file.verify.registration is None else [file.verify.registration]
        files = [given.resolve() for given in given_files]
        # Named from the folder that holds all of them: both cases have a case.json.
        record.add_inputs(Path(os.path.commonpath(files)), files)
    with record.step("compare"):
        _require_one_patient(file, predicted, delivered)
        compared = verify_results(predicted, delivered, segments, request=file.verify)
    with record.step("write"):
        write_verification(
            out,
            compared.verification,
            maps=compared.maps,
            segments=compared.segments,
            software=(predicted.software, delivered.software),
            simulated=file.simulated or predicted.simulated or delivered.simulated,
        )
    record.write(out / "run.json")
    return compared.verification


def verify_results(
    predicted: CaseResult, delivered: CaseResult, segments: Sequence[Segment], *, request: VerifyRequest
) -> Compared:
    """Segments, lesions and voxels of two results compared; ``segments`` are the predicted case's, with their roles.

    Raises
    ------
    InputError
        The cases have nothing in common that could be compared.
    """
    delivered, registered = _registered(predicted, delivered, request)
    ratio = delivered.net_activity_gbq / predicted.net_activity_gbq
    pairs = matched_segments(predicted.dose, delivered.dose, ratio=ratio)
    notices = list(pair_notices(predicted.dose, delivered.dose, pairs, ratio=ratio))
    notices += [] if registered is None else [registered]
    if predicted.devices != delivered.devices:
        told = " and ".join(", ".join(one.devices) for one in (predicted, delivered))
        notices.append(Notice("devices_differ", f"The results are of different microspheres: {told}."))
    limits = request.limits.to_limits()
    notices += _frame_notices(predicted.dose_map, delivered.dose_map, request)
    maps = voxels = None
    if not _frames_differ(predicted.dose_map, delivered.dose_map) or request.registered_by is not None:
        before, after, resolution = _at_one_resolution(predicted.dose_map, delivered.dose_map, request, notices)
        maps = dose_maps(before, after, region=compared_region(segments))
        voxels = _voxel_comparison(maps, pairs, segments, request=request, resolution=resolution, ratio=ratio)
        notices += _view_notices(voxels)
    recovered = delivered.dose.balance.recovered_fraction
    gamma = None if voxels is None else voxels.gamma
    verification = Verification(
        patient_id=predicted.dose.patient_id,
        predicted=predicted.dose,
        delivered=delivered.dose,
        ratio=ratio,
        pairs=pairs,
        unmatched=unmatched_segments(predicted.dose, delivered.dose),
        lesions=lesion_agreement(pairs),
        limits=limits,
        voxels=voxels,
        flags=beyond_limits(pairs, limits, recovered_fraction=recovered, gamma=gamma),
        notices=tuple(notices),
    )
    return Compared(verification, maps, tuple(segments))


def _registered(
    predicted: CaseResult, delivered: CaseResult, request: VerifyRequest
) -> tuple[CaseResult, Notice | None]:
    """The delivered result with its dose map in the predicted one's frame of reference, where a registration leads there."""
    if request.registration is None:
        return delivered, None
    transforms = read_registration(request.registration)
    source, target = delivered.dose_map.frame_of_reference, predicted.dose_map.frame_of_reference
    transform = transform_between(transforms, source, target) if source and target and source != target else None
    if transform is None:
        raise GeometryError(
            f"the registration does not lead from the delivered image's frame of reference ({source or 'not known'}) to the "
            f"predicted one's ({target or 'not known'})",
            where=request.registration.name,
            remedy="name the registration between these two images, or take it out",
        )
    text = f"The delivered dose map was carried to the predicted one by the registration {request.registration.name}."
    return replace(delivered, dose_map=transform.carried(delivered.dose_map)), Notice("registered", text)


def _require_one_patient(file: VerificationFile, predicted: CaseResult, delivered: CaseResult) -> None:
    """ConfigurationError where file and folders are of different patients, or one is simulated and the other real."""
    for name, result in (("predicted", predicted), ("delivered", delivered)):
        if result.dose.patient_id != file.patient_id:
            raise ConfigurationError(
                f"the results are of patient '{result.dose.patient_id}', the case is of '{file.patient_id}'",
                where=f"verify.{name}",
                remedy="name the results of this patient, or correct patient_id",
            )
    if predicted.simulated != delivered.simulated:
        raise ConfigurationError(
            "one result is of a simulated patient, the other is not", where="verify", remedy="compare two of one kind"
        )


def _named_segments(result: CaseResult) -> tuple[Segment, ...]:
    """Segments of the case's SEG that have a dose, with the names and roles of its table."""
    rows = {row.segment[:_LABEL_LENGTH]: row for row in result.dose.doses}
    return tuple(
        segment.relabelled(rows[segment.name].segment, rows[segment.name].role, rows[segment.name].method)
        for segment in read_segments(result.segments_path)
        if segment.name in rows and not segment.is_empty
    )


def _frames_differ(predicted: Volume, delivered: Volume) -> bool:
    one, other = predicted.frame_of_reference, delivered.frame_of_reference
    return bool(one and other and one != other)


def _frame_notices(predicted: Volume, delivered: Volume, request: VerifyRequest) -> list[Notice]:
    """Whether both maps are known to lie in one space."""
    if request.registered_by is not None:
        text = f"That both images lie in one space rests on the word of {request.registered_by}, not on their headers."
        return [Notice("registration_stated", text)]
    if _frames_differ(predicted, delivered):
        text = (
            "The images lie in different frames of reference: the dose maps were not laid over each other, and no voxels were "
            "compared. Register one image to the other and run its case again, or, where that was done, state "
            "verify.registered_by."
        )
        return [Notice("frames_differ", text)]
    if not (predicted.frame_of_reference and delivered.frame_of_reference):
        text = (
            "The frame of reference of at least one image is not known: that both lie in one space is assumed. Look at the "
            "planes before you use the comparison of voxels."
        )
        return [Notice("frame_unknown", text)]
    return []


def _at_one_resolution(
    predicted: Volume, delivered: Volume, request: VerifyRequest, notices: list[Notice]
) -> tuple[Volume, Volume, Resolution | None]:
    """Both maps at the resolution of the less sharp one, where the user states the two; else as they are, and told."""
    if request.predicted_fwhm_mm is None or request.delivered_fwhm_mm is None:
        text = (
            "Resolutions not matched: predicted_fwhm_mm and delivered_fwhm_mm are not stated, and a sharper image differs from "
            "a blurred one though the doses are the same."
        )
        notices.append(Notice("resolutions_not_matched", text))
        return predicted, delivered, None
    found = matched_resolution(
        predicted,
        delivered,
        predicted_fwhm_mm=request.predicted_fwhm_mm,
        delivered_fwhm_mm=request.delivered_fwhm_mm,
    )
    resolution = Resolution(request.predicted_fwhm_mm, request.delivered_fwhm_mm, found.smoothed, found.kernel_fwhm_mm)
    return found.predicted, found.delivered, resolution


def _voxel_comparison(
    maps: DoseMaps,
    pairs: Sequence[SegmentPair],
    segments: Sequence[Segment],
    *,
    request: VerifyRequest,
    resolution: Resolution | None,
    ratio: float,
) -> VoxelComparison:
    """Figures of every compared segment that has voxels, and the gamma criterion over all of them where it is asked for."""
    paired = {pair.segment for pair in pairs if pair.role is not Role.LUNGS}
    shown = [segment for segment in segments if segment.name in paired]
    as_stated = [voxel_agreement(maps, segment) for segment in shown]
    same = ratio == 1.0
    rescaled = as_stated if same else [voxel_agreement(maps, segment, ratio=ratio) for segment in shown]
    criterion = request.limits.to_limits().gamma
    return VoxelComparison(
        segments=tuple(row for row in as_stated if row is not None),
        rescaled=tuple(row for row in rescaled if row is not None),
        gamma=None
        if criterion is None
        else gamma_result(maps.predicted, maps.delivered, where=maps.compared, criterion=criterion),
        resolution=resolution,
        registered_by=request.registered_by or "",
    )


def _view_notices(voxels: VoxelComparison) -> list[Notice]:
    return [
        Notice(
            "outside_delivered",
            f"{row.outside_fraction:.1%} of {row.segment} lie outside the delivered dose map and were left out of its voxels.",
        )
        for row in voxels.segments
        if row.outside_fraction > _OUTSIDE_FLAG_FRACTION
    ]
