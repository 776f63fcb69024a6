"""Images and segments of a case brought into one frame of reference, where the case names a registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ytterby.dicom.read import read_registration
from ytterby.errors import GeometryError
from ytterby.files.caseparts import RegistrationFile
from ytterby.model.dose import Notice
from ytterby.model.segment import Segment
from ytterby.model.transform import Transform, transform_between
from ytterby.model.volume import Volume

__all__ = ["Carrier", "Registered"]

Placed = TypeVar("Placed", Volume, Segment)


@dataclass(frozen=True)
class Registered:
    """What a registration was used for: the record of it, and the transforms as they were used."""

    file: str
    accepted_by: str
    to_frame: str
    carried: tuple[str, ...]
    transforms: tuple[Transform, ...] = ()

    def as_stated(self) -> dict[str, str | None]:
        """The registration as the record of the case has it."""
        return {
            "file": self.file,
            "accepted_by": self.accepted_by or None,
            "to_frame": self.to_frame,
            "carried": ", ".join(self.carried),
        }

    @property
    def notice(self) -> Notice:
        """That something was carried, by which file, and on whose word."""
        word = f"accepted by {self.accepted_by}" if self.accepted_by else "nobody is named who looked at it"
        text = (
            f"Carried into the image's frame of reference by the registration {self.file} ({word}): {', '.join(self.carried)}. "
            "dose.dcm and segments.dcm lie in the image's frame."
        )
        return Notice("registered", text)


class Carrier:
    """Carries what lies in another frame of reference to ``to_frame``, by the registration that a case names, if any.

    What has no frame of reference, or one that the registration does not know, stays as it is: it is refused later, where frames
    are compared.

    Raises
    ------
    DicomError, GeometryError
        The registration cannot be read, or is deformable.
    """

    def __init__(self, registration: RegistrationFile | None, to_frame: str) -> None:
        self._to_frame = to_frame
        self._path: Path | None = None if registration is None else registration.path
        self._accepted_by = "" if registration is None else registration.accepted_by or ""
        self._transforms: Sequence[Transform] = () if self._path is None else read_registration(self._path)
        self._carried: dict[str, None] = {}
        self._used: dict[str, Transform] = {}

    def carry(self, placed: Placed, name: str) -> Placed:
        """``placed`` in the frame of reference that all go to; itself where it lies there already."""
        frame = placed.frame_of_reference
        if not frame or not self._to_frame or frame == self._to_frame:
            return placed
        transform = transform_between(self._transforms, frame, self._to_frame)
        if transform is None:
            return placed
        self._carried[name] = None
        self._used[frame] = transform
        return transform.carried(placed)

    def registered(self) -> Registered | None:
        """What the registration was used for; None where the case names none.

        Raises
        ------
        GeometryError
            It was named, and nothing lies in its frames of reference.
        """
        if self._path is None:
            return None
        if not self._carried:
            frames = ", ".join(sorted({one.from_frame for one in self._transforms})) or "none"
            raise GeometryError(
                f"the registration carries nothing: its frames of reference ({frames}) are not those of CT and segments, or they "
                "do not lead to the image's",
                where=self._path.name,
                remedy="name the registration between these images (NIfTI and NRRD have no frame of reference), or take it out",
            )
        return Registered(
            self._path.name, self._accepted_by, self._to_frame, tuple(self._carried), tuple(self._used.values())
        )
