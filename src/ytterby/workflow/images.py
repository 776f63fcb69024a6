"""Activity images of a case: read, with the unit that their files or the case state, and the sessions that share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ytterby.dosimetry.case import ImagedSessions
from ytterby.errors import CalibrationError
from ytterby.files.casefile import CaseFile
from ytterby.files.caseparts import ImageFile
from ytterby.files.treatmentfields import ImageKind, ImageUnit
from ytterby.model.dose import Notice
from ytterby.model.treatment import Session
from ytterby.model.volume import Quantity, Volume
from ytterby.physics.devices import MICROSPHERES
from ytterby.workflow.loading import load_image

__all__ = ["IMAGE_ROLES", "CaseImages", "case_images", "imaged_sessions", "stated_unit"]

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
class CaseImages:
    """Each image once, with the indices of the sessions that share it; and what the images' files say.

    ``notices`` is what they say against the images, ``radiopharmaceuticals`` what they say of the nuclide and of what was
    given, by the name of the path; ``first_file`` is a DICOM file of the first image, where it is one.
    """

    images: list[tuple[Volume, list[int]]]
    notices: tuple[Notice, ...]
    radiopharmaceuticals: dict[str, dict[str, str | float | None]]
    first_file: Path | None = None


def case_images(file: CaseFile) -> CaseImages:
    """The images of a case, read."""
    grouped: dict[tuple[Path, str | None], tuple[ImageFile, list[int]]] = {}
    for index in range(len(file.sessions)):
        image = file.image_of(index)
        grouped.setdefault((image.path.resolve(), image.part), (image, []))[1].append(index)
    images: list[tuple[Volume, list[int]]] = []
    told: list[Notice] = []
    stated: dict[str, dict[str, str | float | None]] = {}
    files: list[Path | None] = []
    for image, sharing in grouped.values():
        loaded = load_image(
            image.path,
            roles=IMAGE_ROLES[image.kind],
            time_zone=file.time_zone,
            part=image.part,
            energy_window=image.energy_window,
            isotope_correction=image.isotope_correction,
        )
        volume = stated_unit(
            loaded.volume, image.kind, unit=image.unit, reference_time=image.reference_time, where=image.path.name
        )
        images.append((volume, sharing))
        told += loaded.notices
        files.append(loaded.file)
        if loaded.radiopharmaceutical is not None:
            stated[image.path.name] = loaded.radiopharmaceutical.record()
    return CaseImages(images, tuple(told), stated, files[0])


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
