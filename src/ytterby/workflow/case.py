"""One patient, from images and segments to doses: it reads like the dosimetry procedure of a paper, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ytterby.dosimetry.case import ImagedSessions, case_dose
from ytterby.errors import CalibrationError, GeometryError, SegmentError
from ytterby.files.casefile import CaseFile, ImageFile, read_case
from ytterby.files.studychecks import DEVIATION_FRACTION, deviation_fraction
from ytterby.files.treatmentfields import ImageKind, ImageUnit
from ytterby.imaging.threshold import connected_lesions, percent_of_maximum
from ytterby.model.dose import CaseDose, DoseOptions, Notice, Radiobiology, Tissue
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import Session
from ytterby.model.volume import Quantity, Volume
from ytterby.physics.devices import MICROSPHERES
from ytterby.workflow.exports import write_case
from ytterby.workflow.loading import load_segments, load_volume
from ytterby.workflow.provenance import RunRecord

__all__ = [
    "IMAGE_ROLES",
    "Case",
    "imaged_sessions",
    "load_case",
    "require_one_frame",
    "run_case",
    "run_case_file",
    "stated_unit",
]

IMAGE_ROLES = {
    ImageKind.MAA_SPECT: ("maa_spect", "y90_spect"),
    ImageKind.Y90_SPECT: ("y90_spect", "maa_spect"),
    ImageKind.Y90_PET: ("y90_pet",),
    ImageKind.HO166_SPECT: ("ho166_spect", "maa_spect"),
}
"""Kind of image as a case states it -> roles that a series proposes for itself."""

_SAME_MOMENT_SECONDS = 60.0
_UNITS = {ImageUnit.COUNTS: Quantity.COUNTS, ImageUnit.BQ_ML: Quantity.CONCENTRATION}


@dataclass(frozen=True, eq=False)
class Case:
    """A patient ready for dosimetry: images with their sessions, segments with their roles, constants.

    ``inputs`` are the files and folders that were read, for the record in run.json.
    """

    patient_id: str
    imaged: tuple[ImagedSessions, ...]
    segments: tuple[Segment, ...]
    options: DoseOptions
    ct: Volume | None = field(default=None, repr=False)
    radiobiology: Radiobiology | None = None
    simulated: bool = False
    notices: tuple[Notice, ...] = ()
    inputs: tuple[Path, ...] = ()

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every session, in the order of the images."""
        return tuple(session for part in self.imaged for session in part.sessions)


def run_case(case: Case, out: Path) -> CaseDose:
    """Doses of the case, written to ``out`` with histograms, dose maps, segments and the report page.

    Raises
    ------
    InputError
        Image, segments and sessions do not make a dose; names what, where and the remedy. Nothing is left in ``out``.
    """
    require_one_frame(case)
    found = case_dose(case.patient_id, case.imaged, case.segments, options=case.options, radiobiology=case.radiobiology)
    found = replace(found, dose=replace(found.dose, notices=(*case.notices, *found.dose.notices)))
    return write_case(
        out, found, image=case.imaged[0].image, ct=case.ct, sessions=case.sessions, simulated=case.simulated
    )


def run_case_file(path: Path, out: Path) -> CaseDose:
    """Doses of the case that a YAML file describes; ``out`` gets run.json too, with versions and the SHA-256 of every input."""
    record = RunRecord("case run", options={"case": path.name})
    with record.step("read"):
        case = load_case(path)
    with record.step("hash inputs"):
        for given in case.inputs:
            files = [given] if given.is_file() else [file for file in given.rglob("*") if file.is_file()]
            record.add_inputs(given.parent, files)
    with record.step("dose and write"):
        dose = run_case(case, out)
    record.write(out / "run.json")
    return dose


def load_case(path: Path) -> Case:
    """The case that a YAML file describes, with its images and segments read."""
    file = read_case(path)
    sessions = file.to_sessions()
    imaged, told = _imaged_sessions(file, sessions)
    segments, joined = _assigned(file)
    segments = _with_thresholds(file, segments, imaged[0].image)
    return Case(
        patient_id=file.patient_id,
        imaged=imaged,
        segments=segments,
        options=file.options.dose_options(),
        ct=None if file.ct is None else load_volume(file.ct.path, roles=("ct", "diagnostic"))[0],
        radiobiology=_radiobiology(file),
        simulated=file.simulated,
        notices=(*file.notices, *told, *joined, *_vial_notices(sessions)),
        inputs=(path, *file.input_paths()),
    )


def stated_unit(
    volume: Volume, kind: ImageKind, *, unit: ImageUnit | None, reference_time: datetime | None, where: str
) -> Volume:
    """``volume`` with the unit that its file or the case states; an image of 99mTc-MAA is always taken as counts.

    What a surrogate shows is where the share of the activity goes, so any unit that is proportional to it will do.

    Raises
    ------
    CalibrationError
        Neither states the unit, they contradict each other, or file and case state different reference times.
    """
    where = volume.source or where
    stated = None if unit is None else _UNITS[unit]
    if volume.quantity is Quantity.UNSTATED:
        if stated is None:
            raise CalibrationError(
                "neither the file nor the case says what unit the image has",
                where=where,
                remedy="state image.unit: counts, or image.unit: bq_ml",
            )
        quantity = stated
    elif volume.quantity not in (Quantity.COUNTS, Quantity.CONCENTRATION):
        raise CalibrationError(
            f"the file is no image of activity: it holds {volume.quantity.value}",
            where=where,
            remedy="name the SPECT or PET",
        )
    elif kind.implied_unit is ImageUnit.COUNTS:
        quantity = Quantity.COUNTS
    elif stated is not None and stated is not volume.quantity:
        raise CalibrationError(
            f"the case says {unit} and the file {volume.quantity.value}", where=where, remedy="correct image.unit"
        )
    else:
        quantity = volume.quantity
    moment = None if quantity is Quantity.COUNTS else _agreed(volume, reference_time, where)
    return replace(volume, quantity=quantity, reference_time=moment, source=where)


def _agreed(volume: Volume, stated: datetime | None, where: str) -> datetime | None:
    """The decay reference of file and case, which must be one where both state it."""
    if stated is None or volume.reference_time is None:
        return stated or volume.reference_time
    if abs((stated - volume.reference_time).total_seconds()) > _SAME_MOMENT_SECONDS:
        raise CalibrationError(
            f"the case says that the image is decay-corrected to {stated.isoformat()}, its file says "
            f"{volume.reference_time.isoformat()}",
            where=where,
            remedy="take image.reference_time out of the case, or correct it (mind the time zone)",
        )
    return volume.reference_time


def imaged_sessions(image: Volume, sessions: Sequence[Session]) -> ImagedSessions:
    """An image with its sessions and the half-life of the nuclide that their microspheres carry.

    Raises
    ------
    CalibrationError
        The sessions' microspheres carry different nuclides.
    """
    half_lives = {MICROSPHERES[session.device].nuclide.half_life_hours for session in sessions}
    if len(half_lives) > 1:
        raise CalibrationError(
            "sessions of different nuclides share one image",
            where=", ".join(session.session_id for session in sessions),
            remedy="give each session its own image, in a case of its own",
        )
    return ImagedSessions(image, tuple(sessions), half_lives.pop())


def require_one_frame(case: Case) -> None:
    """GeometryError naming two inputs whose stated frames of reference differ: overlaid, they would be wrong in silence."""
    stated = [
        (f"image of session '{part.sessions[0].session_id}'", part.image.frame_of_reference) for part in case.imaged
    ]
    if case.ct is not None:
        stated.append(("ct", case.ct.frame_of_reference))
    stated += [(f"segment '{segment.name}'", segment.frame_of_reference) for segment in case.segments]
    named = [(name, frame) for name, frame in stated if frame]
    for name, frame in named:
        first, reference = named[0]
        if frame != reference:
            raise GeometryError(
                f"{name} lies in another frame of reference than {first} ({frame} against {reference})",
                where=f"patient '{case.patient_id}'",
                remedy="use the SPECT/CT's own CT and segments drawn on it; images of other frames need a registration first",
            )


def _imaged_sessions(
    file: CaseFile, sessions: Sequence[Session]
) -> tuple[tuple[ImagedSessions, ...], tuple[Notice, ...]]:
    """Each image once, with the sessions that share it; and what the images' files say against them."""
    grouped: dict[Path, tuple[ImageFile, list[Session]]] = {}
    for index, session in enumerate(sessions):
        image = file.image_of(index)
        grouped.setdefault(image.path.resolve(), (image, []))[1].append(session)
    imaged: list[ImagedSessions] = []
    told: list[Notice] = []
    for image, sharing in grouped.values():
        volume, notices = load_volume(image.path, roles=IMAGE_ROLES[image.kind], time_zone=file.time_zone)
        volume = stated_unit(
            volume, image.kind, unit=image.unit, reference_time=image.reference_time, where=image.path.name
        )
        imaged.append(imaged_sessions(volume, sharing))
        told += notices
    return tuple(imaged), tuple(told)


def _vial_notices(sessions: Sequence[Session]) -> list[Notice]:
    """Administered activities that are far from what the calibrated vial has decayed to."""
    notices = []
    for session in sessions:
        deviation = deviation_fraction(session, half_life_hours=MICROSPHERES[session.device].nuclide.half_life_hours)
        if deviation is not None and abs(deviation) > DEVIATION_FRACTION:
            text = f"session {session.session_id}: the administered activity is {deviation:+.1%} from the decayed calibrated one."
            notices.append(Notice("vial_activity", text))
    return notices


def _assigned(file: CaseFile) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """The segments that the case names, each with its role.

    The labels of a label map exclude each other, so that its liver leaves out the tumours: there they are joined to it, and told.
    """
    if file.segments is None:
        return (), ()
    found = load_segments(file.segments.path, labels=file.segments.labels)
    available = {segment.name: segment for segment in found}
    chosen = []
    for name, role in file.segments.roles.pairs():
        if name not in available:
            raise SegmentError(
                f"there is no segment '{name}'",
                where=f"{file.segments.path.name}, role {role.value}",
                remedy="use one of: " + ", ".join(sorted(available)),
            )
        if sum(segment.name == name for segment in found) > 1:
            raise SegmentError(
                f"several segments are called '{name}'",
                where=file.segments.path.name,
                remedy="give each segment a name of its own in the segmentation",
            )
        segment = available[name]
        chosen.append(segment.relabelled(name, role, segment.method).require_voxels())
    if file.segments.labels is None:
        return tuple(chosen), ()
    livers = [one for one in chosen if one.role is Role.LIVER]
    tumours = (
        [one for one in chosen if one.role is Role.TUMOUR and one.difference(livers[0]).volume_ml > 0] if livers else []
    )
    if not tumours:
        return tuple(chosen), ()
    whole = union((livers[0], *tumours), livers[0].name, Role.LIVER)
    text = (
        f"The labels of a label map exclude each other: {len(tumours)} tumours were joined to the liver '{whole.name}'."
    )
    return tuple(whole if one is livers[0] else one for one in chosen), (Notice("tumours_joined_to_liver", text),)


def _with_thresholds(file: CaseFile, segments: tuple[Segment, ...], image: Volume) -> tuple[Segment, ...]:
    """``segments`` and those that the case derives by percent of maximum."""
    made = list(segments)

    def region(name: str) -> Segment:
        """The segment of that name, or all segments of that role together."""
        fitting = [one for one in made if one.name == name] or [one for one in made if one.role.value == name]
        if not fitting:
            raise SegmentError(f"there is no segment '{name}'", where="derived", remedy="name one of segments.roles")
        return fitting[0] if len(fitting) == 1 else union(tuple(fitting), name, fitting[0].role)

    for part in file.derived:
        made.append(
            percent_of_maximum(image, region(part.inside), percent=part.percent, name=part.name, role=part.segment_role)
        )
    if file.tumours is not None:
        inside = region(file.tumours.region)
        hot = percent_of_maximum(image, inside, percent=file.tumours.percent, name="tumours", role=Role.TUMOUR)
        found = connected_lesions(hot, minimum_diameter_mm=file.tumours.minimum_diameter_mm)
        if not found:
            raise SegmentError(
                f"no lesion of {file.tumours.minimum_diameter_mm:g} mm or more holds {file.tumours.percent:g} % of the maximum",
                where="tumours",
                remedy="lower tumours.percent or tumours.minimum_diameter_mm",
            )
        made += found
    return tuple(made)


def _radiobiology(file: CaseFile) -> Radiobiology | None:
    if file.radiobiology is None:
        return None
    tumour, normal = file.radiobiology.tumour, file.radiobiology.normal
    return Radiobiology(
        Tissue(tumour.alpha_beta_gy, tumour.repair_hours), Tissue(normal.alpha_beta_gy, normal.repair_hours)
    )
