"""Series in each other's company: which CT is the SPECT's own, and what lies in another frame of reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ytterby.dicom.series.record import Series
from ytterby.errors import Problem

__all__ = ["NUCLEAR_ROLES", "related"]

NUCLEAR_ROLES = ("maa_spect", "y90_spect", "y90_pet", "ho166_spect")
"""Roles of images of activity: the dose is computed in their space."""

_PLACED = ("ct", "mr", "pt", "nm_recon_tomo", "seg", "rtstruct", "rtdose")


def related(series: Sequence[Series]) -> tuple[Series, ...]:
    """The series, in their order, with what the others of the same patient say about each.

    A CT in the frame of reference of an image of activity is that image's own CT (role ``ct``), with or without contrast agent;
    other CTs are then ``diagnostic``. A series in another frame of reference than every image of activity is flagged: it is not
    overlaid without a registration. An image of activity whose CT is not among the others is flagged too.
    """
    patients = {one.patient_id for one in series}
    found: dict[int, Series] = {}
    for patient in patients:
        places = [number for number, one in enumerate(series) if one.patient_id == patient]
        found.update(zip(places, _of_one_patient([series[number] for number in places]), strict=True))
    return tuple(found[number] for number in range(len(series)))


def _of_one_patient(series: Sequence[Series]) -> list[Series]:
    if len(series) == 1:
        return list(series)
    nuclear = [one for one in series if one.role in NUCLEAR_ROLES]
    frames = {one.frame_of_reference: one for one in nuclear if one.frame_of_reference}
    own = [one for one in series if one.kind == "ct" and one.role != "none" and one.frame_of_reference in frames]
    return [_placed(_role(one, own, frames), own, frames) for one in series]


def _role(one: Series, own: Sequence[Series], frames: dict[str, Series]) -> Series:
    if one.kind != "ct" or one.role == "none" or not frames:
        return one
    if one in own:
        plain = one.role == "ct" or not any(other.role == "ct" for other in own)
        whose = frames[one.frame_of_reference].reason
        # A contrast CT beside a plain one of the same examination stays what it is: the plain one attenuates.
        return replace(one, role="ct" if plain else one.role, reason=f"{one.reason}, in one space with {whose}")
    if own and one.role == "ct":
        return replace(one, role="diagnostic", reason=f"{one.reason}, another examination than the image of activity")
    return one


def _placed(one: Series, own: Sequence[Series], frames: dict[str, Series]) -> Series:
    name = one.path.name
    if not frames or one.kind not in _PLACED or not one.frame_of_reference or one.role == "none":
        return one
    if one.role in NUCLEAR_ROLES:
        if any(other.frame_of_reference == one.frame_of_reference for other in own):
            return one
        told = Problem(
            "amber",
            "no CT lies in its frame of reference",
            name,
            remedy="add the CT of the SPECT/CT or PET/CT, or check by eye what is laid over it",
        )
    elif one.frame_of_reference in frames:
        return one
    else:
        whose = " and ".join(sorted({other.reason for other in frames.values()}))
        told = Problem(
            "amber",
            f"it lies in another frame of reference than {whose}: it is not overlaid without a registration",
            name,
            remedy="register it, and name the registration in the case file",
        )
    order = {"red": 0, "amber": 1, "green": 2}
    return replace(one, problems=tuple(sorted((*one.problems, told), key=lambda problem: order[problem.level])))
