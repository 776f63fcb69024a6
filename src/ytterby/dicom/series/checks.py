"""What is wrong with a series, from its headers: each thing told as Problem with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from ytterby.dicom.header import Header, first_item, number, text, texts
from ytterby.dicom.layout.frames import frame_vectors, window_notes
from ytterby.dicom.layout.views import ViewFrame, view_frames
from ytterby.dicom.nuclide import radionuclide
from ytterby.dicom.pet import is_single_photon, pet_unit
from ytterby.dicom.pixels import is_hounsfield, pixel_problem, rescale_of, slice_rescale
from ytterby.dicom.series.kinds import SURROGATES, Y90_HALF_LIFE_SECONDS
from ytterby.dicom.series.values import value_problems
from ytterby.dicom.times import reference_time
from ytterby.errors import CalibrationError, DicomError, InputError, Problem
from ytterby.physics.surrogate import Y90_POSITRON_FRACTION

__all__ = ["ISOTOPE_REMEDY", "image_problems", "quantity_problems", "unit_of"]

_AGAIN = "export the series again from the archive"
ISOTOPE_REMEDY = (
    "reconstruct with 90Y, or let activity and decay be redone: image.isotope_correction: y90 in the case file"
)
"""What to do where a scanner was set to another nuclide."""


def unit_of(header: Header, kind: str) -> str:
    """Unit of a series, in the words of a case file where it has one (counts, bq_ml), else HU, Gy, or the file's own."""
    dataset = header.dataset
    if kind == "ct":
        return "HU" if is_hounsfield(dataset) else text(dataset, "RescaleType")
    if kind == "rtdose":
        return {"GY": "Gy"}.get(text(dataset, "DoseUnits").upper(), text(dataset, "DoseUnits"))
    if kind.startswith("nm_"):
        scale, _ = rescale_of(dataset)
        return scale.unit if scale is not None else "counts"
    if kind == "pt":
        units = text(dataset, "Units").upper()
        return pet_unit(dataset).unit or {"CNTS": "counts"}.get(units, units)
    return ""


def image_problems(headers: Sequence[Header], kind: str) -> list[Problem]:
    """Pixels that are missing or cannot be decoded, repeated objects, and a missing frame of reference."""
    problems = []
    seen: dict[str, str] = {}
    reasons: dict[str, list[str]] = {}
    for header in headers:
        reason = pixel_problem(header)
        if reason:
            reasons.setdefault(reason, []).append(header.path.name)
        uid = text(header.dataset, "SOPInstanceUID")
        if uid and uid in seen:
            problems.append(
                Problem(
                    "red",
                    f"the same object twice, with other contents: also {seen[uid]}",
                    header.path.name,
                    remedy="remove one of them",
                )
            )
        seen.setdefault(uid, header.path.name)
    for reason, names in reasons.items():
        more = f" (and {len(names) - 1} more files)" if len(names) > 1 else ""
        problems.append(
            Problem("red", f"{reason}{more}", names[0], remedy="copy the file again, or export it uncompressed")
        )
    frames = {text(header.dataset, "FrameOfReferenceUID") for header in headers}
    if len(frames) > 1:
        problems.append(
            Problem("red", "several frames of reference in one series", headers[0].path.name, remedy=_AGAIN)
        )
    elif frames == {""} and kind in ("nm_recon_tomo", "pt", "ct", "mr", "seg", "rtdose"):
        problems.append(
            Problem(
                "amber",
                "no frame of reference: nothing says that it lies in one space with another image",
                headers[0].path.name,
                remedy="check the alignment with the CT by eye",
            )
        )
    return problems


def quantity_problems(headers: Sequence[Header], kind: str) -> list[Problem]:
    """What stands against using the values: rescale, units, decay correction, radionuclide."""
    if kind == "ct":
        return [*_rescale_problems(headers), *value_problems(headers, kind)]
    if kind == "mr":
        return value_problems(headers, kind)
    if kind == "pt":
        return [*_pt_problems(headers), *_rescale_problems(headers)]
    if kind.startswith("nm_"):
        return [*_nm_problems(headers[0]), *_frame_problems(headers, kind)]
    return _dose_problems(headers[0]) if kind == "rtdose" else []


def _dose_problems(header: Header) -> list[Problem]:
    name, dataset = header.path.name, header.dataset
    if unit_of(header, "rtdose") != "Gy" or not (number(dataset, "DoseGridScaling") or 0.0) > 0:
        lacking = "DoseUnits is not GY, or DoseGridScaling is missing"
        return [Problem("red", lacking, name, remedy="export the dose in gray")]
    kind = text(dataset, "DoseType").upper()
    if kind == "PHYSICAL":
        return []
    said = f"DoseType is {kind or 'not stated'}: this is no absorbed dose"
    return [Problem("amber", said, name, remedy="name the physical dose where one is wanted")]


def _rescale_problems(headers: Sequence[Header]) -> list[Problem]:
    lacking = [header.path.name for header in headers if slice_rescale(header.dataset) is None]
    if not lacking:
        return []
    return [
        Problem(
            "red", f"RescaleSlope or RescaleIntercept is missing in {len(lacking)} files", lacking[0], remedy=_AGAIN
        )
    ]


def _nm_problems(header: Header) -> list[Problem]:
    problems = []
    name = header.path.name
    _, remark = rescale_of(header.dataset)
    if remark:
        problems.append(Problem("amber", remark, name, remedy="state image.unit in the case file"))
    if not radionuclide(header.dataset):
        problems.append(
            Problem("amber", "the radionuclide is not stated", name, remedy="check that it is the right scan")
        )
    return problems


def _frame_problems(headers: Sequence[Header], kind: str) -> list[Problem]:
    """What the frames of NM objects are, or why that cannot be told; of RECON TOMO the geometry says what is wrong."""
    problems: list[Problem] = []
    for header in headers:
        name, nuclide = header.path.name, radionuclide(header.dataset)
        try:
            note = "" if kind == "nm_tomo" else window_notes(header.dataset, nuclide, name)
            if note:
                problems.append(Problem("green", note, name))
            if kind in ("nm_static", "nm_whole_body"):
                problems += _view_problems(view_frames(header.dataset, name), name)
            elif kind == "nm_tomo":
                frame_vectors(header.dataset, name)
        except InputError as error:
            if kind != "nm_recon_tomo":
                problems.append(Problem("red", error.what, name, remedy=error.remedy))
    return problems


def _view_problems(frames: Sequence[ViewFrame], name: str) -> list[Problem]:
    sides = sorted({frame.direction.value for frame in frames if frame.direction is not None})
    problems = [Problem("green", f"views: {' and '.join(sides)}, by {frames[0].source}", name)] if sides else []
    unknown = [frame for frame in frames if frame.direction is None]
    if unknown:
        problems.append(
            Problem(
                "amber",
                f"anterior or posterior is not known of {len(unknown)} of {len(frames)} frames: {unknown[0].source}",
                name,
                remedy="name the views in the case file: lung_shunt: {anterior: {path, frame}, posterior: {path, frame}}",
            )
        )
    return problems


def _pt_problems(headers: Sequence[Header]) -> list[Problem]:
    first = headers[0]
    name, dataset = first.path.name, first.dataset
    problems = []
    units = [pet_unit(header.dataset) for header in headers]
    refusal = next((unit.refusal for unit in units if unit.refusal), "")
    if not refusal and len({unit.unit for unit in units}) > 1:
        refusal = "several Units in one series"
    if not refusal and units[0].factor != 1.0:
        problems.append(Problem("green", f"{units[0].source}: counts become Bq/mL by the scanner's own factor", name))
    if not refusal and units[0].unit == "counts":
        return [Problem("green", "a SPECT in counts that was exported as PT, and is read so", name)]
    if refusal:
        problems.append(
            Problem("red", f"{refusal}; refused for dosimetry", name, remedy="export the series in Bq/mL (Units BQML)")
        )
    else:
        try:
            # Any zone will do here: whether the file has an offset is told apart below.
            reference_time([header.dataset for header in headers], where=name, time_zone="UTC")
        except CalibrationError as error:
            problems.append(Problem("red", error.what, name, remedy=error.remedy))
        if not text(dataset, "TimezoneOffsetFromUTC"):
            problems.append(
                Problem(
                    "amber", "times carry no offset from UTC", name, remedy="state time_zone in the case or study file"
                )
            )
        if "ATTN" not in texts(dataset, "CorrectedImage"):
            problems.append(
                Problem(
                    "amber",
                    "no attenuation correction is stated (CorrectedImage)",
                    name,
                    remedy="use the corrected series",
                )
            )
    if is_single_photon(dataset):
        return [*problems, Problem("green", "a SPECT that was exported as PT, and is read so", name)]
    return problems + _isotope_problems(first)


def _isotope_problems(header: Header) -> list[Problem]:
    item = first_item(header.dataset, "RadiopharmaceuticalInformationSequence")
    name, nuclide = header.path.name, radionuclide(header.dataset)
    try:
        half_life, fraction = number(item, "RadionuclideHalfLife"), number(item, "RadionuclidePositronFraction")
    except DicomError as error:
        return [Problem("red", error.what, name, remedy=error.remedy)]
    wrong = []
    if nuclide and nuclide != "90Y":
        wrong.append(f"radionuclide {nuclide}")
    if half_life is not None and abs(half_life / Y90_HALF_LIFE_SECONDS - 1) > 0.01:
        wrong.append(f"half-life {half_life / 3600:.4g} h")
    if fraction is not None and abs(fraction / Y90_POSITRON_FRACTION - 1) > 0.1:
        wrong.append(f"positron fraction {fraction:.3g}")
    if wrong:
        level = "red" if nuclide in (*SURROGATES, "90Y", "") else "amber"
        return [
            Problem(
                level,
                f"surrogate or other isotope: {', '.join(wrong)}, where 90Y has {Y90_HALF_LIFE_SECONDS / 3600:.4g} h and "
                f"{Y90_POSITRON_FRACTION:.3g}; activity and decay correction are not those of 90Y",
                name,
                remedy=ISOTOPE_REMEDY,
            )
        ]
    if not nuclide and half_life is None:
        return [Problem("amber", "the radionuclide is not stated", name, remedy="check that it is the 90Y scan")]
    return []
