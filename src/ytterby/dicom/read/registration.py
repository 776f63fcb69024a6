"""Spatial registrations (REG) to transforms between frames of reference."""

from __future__ import annotations

from pathlib import Path

from ytterby.dicom.header import DAMAGE, naming, open_whole, quiet
from ytterby.dicom.layout.registration import registered_transforms
from ytterby.errors import DicomError, InputError
from ytterby.model.transform import Transform

__all__ = ["read_registration"]


@quiet()
def read_registration(path: Path | str) -> tuple[Transform, ...]:
    """Transforms of a Spatial Registration object, each to the object's own frame of reference, LPS millimetres.

    Raises
    ------
    DicomError
        The file is no registration, a deformable one, damaged, or names no frames or matrices.
    GeometryError
        A matrix is not of the kind that is stated, is singular, or mirrors the patient.
    """
    path = Path(path)
    try:
        with naming(path):
            return registered_transforms(open_whole(path), path.name)
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise DicomError(
            f"the registration is damaged ({error})"[:300], where=str(path), remedy="export it again"
        ) from error
