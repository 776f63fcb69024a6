"""One patient, from images and segments to doses: it reads like the dosimetry procedure of a paper, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ytterby.dosimetry.case import ImagedSessions, case_dose
from ytterby.errors import CalibrationError, GeometryError, SegmentError
from ytterby.files.casefile import CaseFile, ImageFile, read_case
from ytterby.files.treatmentfields import ImageKind, ImageUnit
from ytterby.imaging.threshold import connected_lesions, percent_of_maximum
from ytterby.model.dose import CaseDose, DoseOptions, Notice, Radiobiology, Tissue
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import Session
from ytterby.model.volume import Quantity, Volume
from ytterby.physics.nuclides import HO166, Y90
from ytterby.workflow.exports import write_case
from ytterby.workflow.loading import load_segments, load_volume
from ytterby.workflow.provenance import RunRecord

__all__ = [
    "IMAGE_ROLES",
    "Case",
    "half_life_hours",
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
    dose, dose_map, segments = case_dose(
        case.patient_id, case.imaged, case.segments, options=case.options, radiobiology=case.radiobiology
    )
    dose = replace(dose, notices=(*case.notices, *dose.notices))
    write_case(
        out,
        dose=dose,
        dose_map=dose_map,
        image=case.imaged[0].image,
        ct=case.ct,
        segments=segments,
        sessions=case.sessions,
        simulated=case.simulated,
    )
    return dose


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
    segments = _assigned(file)
    segments = _with_thresholds(file, segments, imaged[0].image)
    return Case(
        patient_id=file.patient_id,
        imaged=imaged,
        segments=segments,
        options=file.options.dose_options(),
        ct=None if file.ct is None else load_volume(file.ct.path, roles=("ct", "diagnostic"))[0],
        radiobiology=_radiobiology(file),
        simulated=file.simulated,
        notices=(*file.notices, *told),
        inputs=(path, *file.input_paths()),
    )


def stated_unit(volume: Volume, unit: ImageUnit | None, reference_time: datetime | None, where: str) -> Volume:
    """``volume`` with the unit that its file or the case states.

    Raises
    ------
    CalibrationError
        Neither states it, or they contradict each other.
    """
    stated = None if unit is None else _UNITS[unit]
    if volume.quantity in (Quantity.UNSTATED, Quantity.OTHER):
        if stated is None:
            raise CalibrationError(
                "neither the file nor the case says what unit the image has",
                where=where,
                remedy="state image.unit: counts, or image.unit: bq_ml",
            )
    elif stated is not None and stated is not volume.quantity:
        raise CalibrationError(
            f"the case says {unit} and the file {volume.quantity.value}", where=where, remedy="correct image.unit"
        )
    return replace(
        volume,
        quantity=stated or volume.quantity,
        reference_time=reference_time or volume.reference_time,
        source=volume.source or where,
    )


def half_life_hours(kind: ImageKind) -> float:
    """Half-life of the nuclide that treats, for an image of that kind."""
    return HO166.half_life_hours if kind is ImageKind.HO166_SPECT else Y90.half_life_hours


def require_one_frame(case: Case) -> None:
    """GeometryError naming two inputs whose stated frames of reference differ: overlaid, they would be wrong in silence."""
    image = case.imaged[0].image
    others: list[tuple[str, str]] = [
        (f"segment '{segment.name}'", segment.frame_of_reference) for segment in case.segments
    ]
    others += [
        (f"image of session '{part.sessions[0].session_id}'", part.image.frame_of_reference) for part in case.imaged
    ]
    if case.ct is not None:
        others.append(("ct", case.ct.frame_of_reference))
    for name, frame in others:
        if frame and image.frame_of_reference and frame != image.frame_of_reference:
            raise GeometryError(
                f"{name} lies in another frame of reference than the image ({frame} against {image.frame_of_reference})",
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
        volume = stated_unit(volume, image.unit, image.reference_time, image.path.name)
        imaged.append(ImagedSessions(volume, tuple(sharing), half_life_hours(image.kind)))
        told += notices
    return tuple(imaged), tuple(told)


def _assigned(file: CaseFile) -> tuple[Segment, ...]:
    """The segments that the case names, each with its role."""
    if file.segments is None:
        return ()
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
    return tuple(chosen)


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
