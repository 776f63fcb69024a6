"""What a spatial registration object says: matrices between frames of reference, checked against their stated kind."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import items, numbers, text
from ytterby.errors import DicomError, GeometryError
from ytterby.model.transform import Transform, TransformKind
from ytterby.model.volume import FloatArray

__all__ = ["DEFORMABLE", "RIGID", "registered_transforms"]

RIGID = "1.2.840.10008.5.1.4.1.1.66.1"
"""SOP class of registrations by matrices."""
DEFORMABLE = "1.2.840.10008.5.1.4.1.1.66.3"
"""SOP class of registrations by deformation grids, which are not read."""

_MAX_MATRICES = 1000
_REMEDY = "export the registration again, as rigid or affine matrices"
_ALLOWED = {
    TransformKind.RIGID: (TransformKind.RIGID,),
    TransformKind.RIGID_SCALE: (TransformKind.RIGID, TransformKind.RIGID_SCALE),
    TransformKind.AFFINE: tuple(TransformKind),
}


def registered_transforms(dataset: Dataset, name: str) -> tuple[Transform, ...]:
    """Every transform of a registration, each from a frame of reference to that of the object itself (DICOM PS3.3 C.20.2).

    The registered frame of reference is the object's own; each item of the Registration Sequence has the frame that its matrices
    bring to it, the first matrix first. The identity of the registered frame itself is left out.

    Raises
    ------
    DicomError
        It is no spatial registration, a deformable one, or frames of reference or matrices are missing.
    GeometryError
        A matrix is not what its stated kind says, mirrors the patient, or moves the registered frame against itself.
    """
    sop_class = text(dataset, "SOPClassUID")
    if sop_class == DEFORMABLE:
        raise DicomError(
            "a deformable registration is not read: doses and volumes would change with the deformation",
            where=name,
            remedy="export the rigid or affine part as Spatial Registration",
        )
    if sop_class != RIGID:
        raise DicomError(
            f"this is no registration but {text(dataset, 'Modality') or 'of no modality'}",
            where=name,
            remedy="give a DICOM REG object",
        )
    registered = text(dataset, "FrameOfReferenceUID")
    registrations = items(dataset, "RegistrationSequence")
    if not registered or not registrations:
        missing = "items in its Registration Sequence" if registered else "Frame of Reference UID of its own"
        raise DicomError(f"the registration has no {missing}", where=name, remedy=_REMEDY)
    found: dict[str, Transform] = {}
    left = _MAX_MATRICES
    for item in registrations:
        frame = text(item, "FrameOfReferenceUID")
        matrices = [
            one for group in items(item, "MatrixRegistrationSequence") for one in items(group, "MatrixSequence")
        ]
        left -= len(matrices)
        if not frame or not matrices or left < 0:
            what = (
                "frame of reference"
                if not frame
                else "matrix"
                if not matrices
                else f"limit of {_MAX_MATRICES} matrices"
            )
            raise DicomError(f"an item of the registration has no {what}", where=name, remedy=_REMEDY)
        whole: FloatArray = np.eye(4)
        for matrix in matrices:
            whole = np.asarray(_matrix(matrix, name) @ whole)
        if frame == registered:
            if np.abs(whole - np.eye(4)).max() > 1e-6:
                raise GeometryError(
                    "the registration moves its own frame of reference against itself", where=name, remedy=_REMEDY
                )
        elif frame in found:
            if np.abs(found[frame].matrix - whole).max() > 1e-6:
                raise GeometryError(f"two registrations of frame of reference {frame}", where=name, remedy=_REMEDY)
        else:
            found[frame] = Transform(frame, registered, whole, source=name)
    return tuple(found.values())


def _matrix(item: Dataset, name: str) -> FloatArray:
    values = numbers(item, "FrameOfReferenceTransformationMatrix")
    if len(values) != 16:
        raise DicomError(f"a matrix of the registration has {len(values)} of 16 numbers", where=name, remedy=_REMEDY)
    stated = text(item, "FrameOfReferenceTransformationMatrixType").upper()
    if stated not in set(TransformKind):
        raise DicomError(
            f"a matrix of type {stated or 'unknown'} is not read", where=name, remedy="export RIGID or AFFINE"
        )
    one = Transform("", "", np.array(values).reshape(4, 4), source=name)
    if one.kind not in _ALLOWED[TransformKind(stated)]:
        raise GeometryError(
            f"the matrix is said to be {stated} and is {one.kind.value}", where=name, remedy="register the images again"
        )
    return one.matrix
