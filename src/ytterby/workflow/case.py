"""One patient, from images and segments to doses: it reads like the dosimetry procedure of a paper, top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ytterby.dicom.read import StudyIdentity
from ytterby.dosimetry.accuracy import Accuracy, assessed
from ytterby.dosimetry.case import DosedCase, ImagedSessions, case_dose
from ytterby.dosimetry.effect import EffectRow, effect_row
from ytterby.dosimetry.expectation import expected_effects
from ytterby.dosimetry.lung import planar_lung_shunt, spect_lung_shunt
from ytterby.dosimetry.planar import PlanarScan
from ytterby.errors import GeometryError
from ytterby.files.casefile import CaseFile, read_case
from ytterby.files.effecttable import read_effects
from ytterby.files.recoverytable import read_recovery
from ytterby.files.studychecks import DEVIATION_FRACTION, deviation_fraction
from ytterby.files.treatmentfields import FROM_CT, Effects, PartialVolume, Uncertainty
from ytterby.imaging.lungmass import lung_mass_kg
from ytterby.model.dose import CaseDose, DoseOptions, Notice, Radiobiology
from ytterby.model.segment import Role, Segment, union
from ytterby.model.treatment import LungShunt, Session
from ytterby.model.volume import Volume
from ytterby.physics.devices import MICROSPHERES
from ytterby.workflow.caseframes import Carrier, Registered
from ytterby.workflow.caseidentity import identity_notices, identity_of
from ytterby.workflow.casereports import Reported, with_dose_reports
from ytterby.workflow.engine import Progress
from ytterby.workflow.exports import write_case
from ytterby.workflow.images import case_images, imaged_sessions
from ytterby.workflow.loading import load_ct
from ytterby.workflow.planarviews import planar_scan
from ytterby.workflow.provenance import RunRecord
from ytterby.workflow.segments import assigned_segments, with_thresholds

__all__ = [
    "Case",
    "chosen_effects",
    "dosed_case",
    "load_case",
    "require_one_frame",
    "run_case",
    "run_case_file",
    "stated_accuracy",
]

_SHUNT_TOLERANCE_FRACTION = 0.005


@dataclass(frozen=True, eq=False)
class Case:
    """A patient ready for dosimetry: images with their sessions, segments with their roles, constants.

    ``lung_shunt`` is the measured one, where the case says how to measure it, ``planar`` the views it was counted in.
    ``radiopharmaceuticals`` is what the images' files say of the nuclide and of what was given, by the name of the path.
    ``identity`` is that of the image's study, which the results join where it is of the case's patient. ``ct_files`` are the
    CT's slices, for references to them; ``inputs`` are the files and folders that were read, for the
    record in run.json.
    """

    patient_id: str
    imaged: tuple[ImagedSessions, ...]
    segments: tuple[Segment, ...]
    options: DoseOptions
    ct: Volume | None = field(default=None, repr=False)
    ct_files: tuple[Path, ...] = field(default=(), repr=False)
    radiobiology: Radiobiology | None = None
    effects: tuple[EffectRow, ...] = ()
    accuracy: Accuracy = field(default_factory=Accuracy)
    lung_shunt: LungShunt | None = None
    planar: PlanarScan | None = None
    radiopharmaceuticals: Mapping[str, Mapping[str, str | float | None]] = field(default_factory=dict)
    registered: Registered | None = None
    reported: tuple[Reported, ...] = ()
    simulated: bool = False
    identity: StudyIdentity | None = field(default=None, repr=False)
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
    return _written(out, case, dosed_case(case))


def dosed_case(case: Case) -> DosedCase:
    """Doses of the case, with corrections, uncertainties and expected effects as far as it asks for them; nothing is written.

    Raises
    ------
    InputError
        Image, segments and sessions do not make a dose; names what, where and the remedy.
    """
    require_one_frame(case)
    found = case_dose(case.patient_id, case.imaged, case.segments, options=case.options, radiobiology=case.radiobiology)
    found = assessed(found, case.accuracy)
    effects = expected_effects(found.dose.doses, case.effects, devices={session.device for session in case.sessions})
    dose = replace(
        found.dose,
        effects=effects,
        measured_lung_shunt=case.lung_shunt,
        notices=(*case.notices, *found.dose.notices),
    )
    return replace(found, dose=dose)


def _written(out: Path, case: Case, found: DosedCase) -> CaseDose:
    return write_case(
        out,
        found,
        image=case.imaged[0].image,
        ct=case.ct,
        ct_files=case.ct_files,
        radiobiology=case.radiobiology,
        sessions=case.sessions,
        simulated=case.simulated,
        parameters=_parameters(case),
        planar=case.planar,
        transforms=() if case.registered is None else case.registered.transforms,
        identity=case.identity,
    )


def _parameters(case: Case) -> dict[str, Any]:
    """What the case stated beside options and sessions, for the record: every result says which it used."""
    accuracy, correction = case.accuracy, None
    if accuracy.fwhm_mm is not None:
        correction = {"method": "gaussian", "fwhm_mm": accuracy.fwhm_mm}
    elif accuracy.recovery is not None:
        correction = {"method": "table", **asdict(accuracy.recovery)}
    return {
        "partial_volume": correction,
        "uncertainty": None
        if accuracy.inputs is None
        else {**asdict(accuracy.inputs), "draws": accuracy.draws, "seed": accuracy.seed},
        "radiobiology": None if case.radiobiology is None else asdict(case.radiobiology),
        "radiopharmaceutical": {name: dict(stated) for name, stated in case.radiopharmaceuticals.items()},
        "effects": [relation.effect_id for relation in case.effects],
        "registration": None if case.registered is None else case.registered.as_stated(),
        "dose_reports": {one.session_id: one.as_stated() for one in case.reported},
    }


def run_case_file(path: Path, out: Path, *, progress: Progress | None = None) -> CaseDose:
    """Doses of the case that a YAML file describes; ``out`` gets run.json too, with versions and the SHA-256 of every input.

    ``progress`` is called after each step with its number, the number of steps and its name.
    """
    record = RunRecord("case run", options={"case": path.name})
    told: Progress = progress or (lambda done, total, name: None)
    with record.step("read"):
        case = load_case(path)
        told(1, 4, "read")
    with record.step("hash inputs"):
        for given in case.inputs:
            files = [given] if given.is_file() else [file for file in given.rglob("*") if file.is_file()]
            record.add_inputs(given.parent, files)
        told(2, 4, "hash inputs")
    with record.step("dose"):
        found = dosed_case(case)
        told(3, 4, "dose")
    with record.step("write"):
        dose = _written(out, case, found)
        told(4, 4, "write")
    record.write(out / "run.json")
    return dose


def load_case(path: Path, *, planned: tuple[str, datetime] | None = None) -> Case:
    """The case that a YAML file describes, with its images and segments read.

    ``planned`` names a session that is being planned, and when: it is taken as one of 1 GBq, so that doses are per GBq.
    """
    file, reported, of_reports = with_dose_reports(read_case(path))
    read = case_images(file)
    images = read.images
    ct, ct_files = (None, ()) if file.ct is None else load_ct(file.ct.path, part=file.ct.part)
    segments, of_segments = assigned_segments(file, ct)
    identities = {
        "the image": identity_of(read.first_file),
        "the CT": identity_of(ct_files[0] if ct_files else None),
        "the segments": identity_of(None if file.segments is None else file.segments.path),
    }
    carrier = Carrier(file.registration, images[0][0].frame_of_reference)
    images = [(carrier.carry(image, "an image of another session"), sharing) for image, sharing in images]
    if ct is not None:
        own, ct = ct, carrier.carry(ct, "the CT")
        # What was carried elsewhere does not lie on its slices any more.
        ct_files = ct_files if ct.frame_of_reference == own.frame_of_reference and ct.grid.same_as(own.grid) else ()
    segments = tuple(carrier.carry(segment, "the segments") for segment in segments)
    registered = carrier.registered()
    segments = with_thresholds(file, segments, images[0][0])
    planar = planar_scan(file)
    lung_shunt = _lung_shunt(file, images[0][0], segments) if planar is None else planar.lung_shunt
    sessions = file.to_sessions(
        lung_shunt_fraction=None if lung_shunt is None else lung_shunt.lung_shunt_fraction, planned=planned
    )
    lung_mass = (
        lung_mass_kg(ct, _of_role(segments, Role.LUNGS)) if file.options.lung_mass_kg == FROM_CT and ct else None
    )
    return Case(
        patient_id=file.patient_id,
        imaged=tuple(imaged_sessions(image, [sessions[index] for index in sharing]) for image, sharing in images),
        segments=segments,
        options=file.options.dose_options(measured_lung_mass_kg=lung_mass),
        ct=ct,
        ct_files=ct_files,
        radiobiology=None if file.radiobiology is None else file.radiobiology.parameters(),
        effects=chosen_effects(file.effects),
        accuracy=stated_accuracy(file.partial_volume, file.uncertainty),
        lung_shunt=lung_shunt,
        planar=planar,
        radiopharmaceuticals=read.radiopharmaceuticals,
        simulated=file.simulated,
        identity=identities["the image"],
        registered=registered,
        reported=reported,
        notices=(
            *file.notices,
            *identity_notices(file.patient_id, identities),
            *of_reports,
            *read.notices,
            *of_segments,
            *(() if registered is None else (registered.notice,)),
            *_vial_notices(sessions),
            *_shunt_notices(lung_shunt, sessions),
        ),
        inputs=(path, *file.input_paths()),
    )


def chosen_effects(wanted: Effects | None) -> tuple[EffectRow, ...]:
    """The dose-effect relations that a case or study names, from the shipped table or one of its own."""
    if wanted is None:
        return ()
    table = read_effects(wanted.table)
    return tuple(effect_row(table, name) for name in wanted.relations)


def stated_accuracy(partial_volume: PartialVolume | None, uncertainty: Uncertainty | None) -> Accuracy:
    """What a case or study states of partial volume and of errors."""
    table = None if partial_volume is None or partial_volume.table is None else read_recovery(partial_volume.table)
    return Accuracy(
        fwhm_mm=None if partial_volume is None or table is not None else partial_volume.fwhm_mm,
        recovery=table,
        inputs=None if uncertainty is None else uncertainty.inputs(),
        draws=None if uncertainty is None else uncertainty.draws,
        seed=None if uncertainty is None else uncertainty.seed,
    )


def _lung_shunt(file: CaseFile, image: Volume, segments: Sequence[Segment]) -> LungShunt | None:
    """The lung shunt as the case's own measurement has it; None where it names none."""
    if file.lung_shunt is None:
        return None
    if file.lung_shunt.method == "planar":
        counts = {name: float(value) for name, value in file.lung_shunt.planar_counts().items() if value is not None}
        return planar_lung_shunt(**counts)
    return spect_lung_shunt(image, liver=_of_role(segments, Role.LIVER), lungs=_of_role(segments, Role.LUNGS))


def _of_role(segments: Sequence[Segment], role: Role) -> Segment:
    """All segments of a role as one."""
    return union(tuple(segment for segment in segments if segment.role is role), role.value, role)


def _shunt_notices(measured: LungShunt | None, sessions: Sequence[Session]) -> list[Notice]:
    """Sessions that state another lung shunt than was measured."""
    if measured is None:
        return []
    return [
        Notice(
            "lung_shunt_differs",
            f"session {session.session_id} states a lung shunt of {session.lung_shunt_fraction:.1%}; measured "
            f"({measured.method}) it is {measured.lung_shunt_fraction:.1%}. The stated one is used.",
        )
        for session in sessions
        if abs(session.lung_shunt_fraction - measured.lung_shunt_fraction) > _SHUNT_TOLERANCE_FRACTION
    ]


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
                remedy="use the SPECT/CT's own CT and segments drawn on it, or name the registration between them: "
                "registration: {path: reg.dcm}",
            )


def _vial_notices(sessions: Sequence[Session]) -> list[Notice]:
    """Administered activities that are far from what the calibrated vial has decayed to."""
    notices = []
    for session in sessions:
        deviation = deviation_fraction(session, half_life_hours=MICROSPHERES[session.device].nuclide.half_life_hours)
        if deviation is not None and abs(deviation) > DEVIATION_FRACTION:
            text = f"session {session.session_id}: the administered activity is {deviation:+.1%} from the decayed calibrated one."
            notices.append(Notice("vial_activity", text))
    return notices
