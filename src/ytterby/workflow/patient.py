"""A patient of a study folder, made into a case: which image, which CT, which segments with which roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ytterby.dicom.read import read_volume
from ytterby.dicom.series import Series, scan
from ytterby.dosimetry.case import ImagedSessions
from ytterby.errors import DicomError, FileFormatError, MissingMeasurement, SegmentError
from ytterby.files.studyfile import StudyFile
from ytterby.files.treatmentfields import FROM_CT
from ytterby.imaging.lungmass import lung_mass_kg
from ytterby.model.dose import Notice
from ytterby.model.patient import Patient
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import Session
from ytterby.model.volume import Volume
from ytterby.workflow.case import Case, chosen_effects, stated_accuracy
from ytterby.workflow.caseidentity import identity_notices, identity_of
from ytterby.workflow.images import IMAGE_ROLES, imaged_sessions, stated_unit
from ytterby.workflow.loading import LoadedImage, load_image, load_segments, series_image

__all__ = ["patient_case"]


def patient_case(
    folder: Path, study: StudyFile, patient: Patient, images: Mapping[str, str], *, notices: Sequence[str] = ()
) -> Case:
    """The case of one patient of a study folder.

    ``images`` says, by session_id, which series or file a session's image is ("": the one in the patient's imaging folder).

    Raises
    ------
    InputError
        A folder, series, segment or unit is missing, or cannot be told apart.
    """
    imaging = folder / "imaging" / patient.patient_id
    if not imaging.is_dir():
        raise FileFormatError(
            "the patient has no imaging folder", where=str(imaging), remedy="add it, or exclude the patient"
        )
    series = scan(imaging).series
    imaged, told, image_file = _imaged_sessions(folder, imaging, series, study, patient, images)
    ct, ct_files, of_ct = _own_ct(series, imaged[0].image, study.time_zone)
    segments, of_segments = _segments(folder / "segments" / patient.patient_id, study, ct)
    identities = {"the image": identity_of(image_file), "the CT": identity_of(ct_files[0] if ct_files else None)}
    return Case(
        patient_id=patient.patient_id,
        imaged=imaged,
        segments=segments,
        options=study.options.dose_options(measured_lung_mass_kg=_lung_mass_kg(study, ct, segments)),
        ct=ct,
        ct_files=ct_files,
        radiobiology=None if study.radiobiology is None else study.radiobiology.parameters(),
        effects=chosen_effects(study.effects),
        accuracy=stated_accuracy(study.partial_volume, study.uncertainty),
        simulated=study.simulated,
        identity=identities["the image"],
        notices=(
            *(Notice("input", text) for text in notices),
            *identity_notices(patient.patient_id, identities),
            *told,
            *of_ct,
            *of_segments,
        ),
    )


def _lung_mass_kg(study: StudyFile, ct: Volume | None, segments: Sequence[Segment]) -> float | None:
    """Mass of the lungs on the patient's CT, where the study asks for it.

    Raises
    ------
    MissingMeasurement
        The patient has no CT in the image's frame of reference, or no lung segment.
    """
    if study.options.lung_mass_kg != FROM_CT:
        return None
    lungs = tuple(segment for segment in segments if segment.role is Role.LUNGS)
    if ct is None or not lungs:
        raise MissingMeasurement(
            f"the lung mass cannot be measured: the patient has no {'lung segment' if ct is not None else 'CT'}",
            where="study.yaml, options.lung_mass_kg",
            remedy="add it, or state the mass in kg for the study",
        )
    return lung_mass_kg(ct, union(lungs, "lungs", Role.LUNGS))


def _imaged_sessions(
    folder: Path,
    imaging: Path,
    series: Sequence[Series],
    study: StudyFile,
    patient: Patient,
    images: Mapping[str, str],
) -> tuple[tuple[ImagedSessions, ...], tuple[Notice, ...], Path | None]:
    """Images with their sessions, what is to be told of them, and a DICOM file of the first."""
    shared: dict[str, list[Session]] = {}
    for session in patient.sessions:
        shared.setdefault(images.get(session.session_id, ""), []).append(session)
    imaged: list[ImagedSessions] = []
    told: list[Notice] = []
    files: list[Path | None] = []
    for named, sessions in shared.items():
        loaded = _image(folder, imaging, series, study, named)
        where = f"image of patient '{patient.patient_id}'" + (f" ({named})" if named else "")
        volume = stated_unit(loaded.volume, study.image.kind, unit=study.image.unit, reference_time=None, where=where)
        imaged.append(imaged_sessions(volume, sessions))
        told += loaded.notices
        files.append(loaded.file)
    return tuple(imaged), tuple(told), files[0] if files else None


def _image(folder: Path, imaging: Path, series: Sequence[Series], study: StudyFile, named: str) -> LoadedImage:
    """The image that a session names by file, by series UID, or not at all (the only one that fits)."""
    roles = IMAGE_ROLES[study.image.kind]
    window, correction = study.image.energy_window, study.image.isotope_correction
    if named:
        for one in series:
            if one.uid == named:
                return series_image(one, time_zone=study.time_zone, energy_window=window, isotope_correction=correction)
        for place in (imaging / named, folder / named):
            if place.exists() and place.resolve().is_relative_to(folder.resolve()):
                return load_image(
                    place,
                    roles=roles,
                    time_zone=study.time_zone,
                    energy_window=window,
                    isotope_correction=correction,
                )
        raise DicomError(
            f"there is no file and no series '{named}'",
            where=f"sessions.csv, column image; {imaging}",
            remedy="name a file below the patient's imaging folder, or a series UID",
        )
    fitting = [one for one in series if one.role in roles]
    if len(fitting) == 1:
        return series_image(fitting[0], time_zone=study.time_zone, energy_window=window, isotope_correction=correction)
    found = ", ".join(f"{one.kind} ({one.role}) {one.path.name}" for one in series) or "no DICOM series"
    raise DicomError(
        f"{len(fitting)} series fit the image kind {study.image.kind}; found: {found}",
        where=str(imaging),
        remedy="leave one, or name the image in sessions.csv (column image)",
    )


def _own_ct(
    series: Sequence[Series], image: Volume, time_zone: str | None
) -> tuple[Volume | None, tuple[Path, ...], tuple[Notice, ...]]:
    """The CT of the image's own frame of reference with its slices, a plain one before one with contrast; None without one."""
    frame = image.frame_of_reference
    fitting = [
        one for role in ("ct", "diagnostic") for one in series if one.kind == "ct" and one.role == role and frame
    ]
    fitting = [one for one in fitting if one.frame_of_reference == frame]
    if not fitting:
        return None, (), ()
    notices: tuple[Notice, ...] = ()
    if len(fitting) > 1:
        text = f"{len(fitting)} CT series lie in the image's frame of reference; '{fitting[0].description}' is used."
        notices = (Notice("several_ct", text),)
    ct = read_volume(fitting[0], time_zone=time_zone)
    return ct, fitting[0].files if len(fitting[0].files) == ct.grid.shape[2] else (), notices


def _segments(place: Path, study: StudyFile, ct: Volume | None) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """Every segment of the patient's segmentation files whose name has a role in study.yaml, and what is to be told of them."""
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else []
    if not files:
        raise SegmentError(
            "the patient has no segmentation",
            where=str(place),
            remedy="add a DICOM SEG or RTSTRUCT, or a .seg.nrrd, or exclude the patient",
        )
    chosen: list[Segment] = []
    names: list[str] = []
    told: list[Notice] = []
    for path in files:
        loaded = load_segments(path, ct=ct)
        told += loaded.notices(
            {segment.name for segment in loaded.segments if study.role_of(segment.name) is not Role.OTHER}
        )
        for segment in loaded.segments:
            names.append(segment.name)
            role = study.role_of(segment.name)
            if role is Role.OTHER:
                continue
            if any(segment.name == other.name for other in chosen):
                raise SegmentError(
                    f"two segments are called '{segment.name}'", where=str(path), remedy="give each its own name"
                )
            chosen.append(segment.relabelled(segment.name, role, segment.method).require_voxels())
    if not chosen:
        raise SegmentError(
            f"no segment's name fits a pattern of study.yaml; found: {', '.join(names)}",
            where=str(place),
            remedy="correct roles in study.yaml",
        )
    return tuple(chosen), tuple(told)
