"""What lies at a path: every DICOM series, NIfTI and NRRD file, its role, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ytterby.dicom.header import NOT_DICOM
from ytterby.dicom.layout.planes import slice_direction
from ytterby.dicom.nuclide import Radiopharmaceutical
from ytterby.dicom.series import Scan, Series, SkippedFile, scan, total_counts
from ytterby.errors import InputError, Problem
from ytterby.files.interfile import INTERFILE_SUFFIXES, read_interfile
from ytterby.files.nifti import read_nifti
from ytterby.files.nrrd import read_nrrd, read_nrrd_segments
from ytterby.model.volume import Grid

__all__ = ["Found", "Inspection", "Space", "inspect"]

_NIFTI = (".nii", ".nii.gz")
_NRRD = (".nrrd", ".nhdr")


@dataclass(frozen=True, eq=False)
class Found:
    """One series or image file, as ``ytterby inspect`` shows it."""

    path: Path
    uid: str
    modality: str
    kind: str
    role: str
    reason: str
    n_files: int
    grid: Grid | None
    shape: tuple[int, int, int] | None
    unit: str
    total_counts: float | None
    frame_of_reference: str
    problems: tuple[Problem, ...]
    description: str = ""
    radiopharmaceutical: Radiopharmaceutical | None = None
    patient_id: str = ""
    part: str = ""

    @property
    def slice_direction(self) -> str | None:
        """Where the slices run, in words; None where the geometry is not known."""
        return None if self.grid is None else slice_direction(self.grid)

    def record(self) -> dict[str, Any]:
        """The series as JSON holds it."""
        counts = self.total_counts
        return {
            "path": str(self.path),
            "uid": self.uid,
            "modality": self.modality,
            "kind": self.kind,
            "role": self.role,
            "reason": self.reason,
            "description": self.description,
            "patient_id": self.patient_id,
            "part": self.part,
            "n_files": self.n_files,
            "shape": None if self.shape is None else list(self.shape),
            "spacing_mm": None if self.grid is None else list(self.grid.spacing_mm),
            "slice_direction": self.slice_direction,
            "affine_lps": None if self.grid is None else self.grid.affine.tolist(),
            "unit": self.unit,
            "total_counts": int(counts) if counts is not None and counts.is_integer() else counts,
            "radiopharmaceutical": None if self.radiopharmaceutical is None else self.radiopharmaceutical.record(),
            "frame_of_reference": self.frame_of_reference,
            "problems": [
                {"level": problem.level, "message": problem.message, "place": problem.place, "remedy": problem.remedy}
                for problem in self.problems
            ],
        }


@dataclass(frozen=True)
class Space:
    """A frame of reference of a patient, and the series that lie in it: these alone may be overlaid as they are."""

    uid: str
    patient_id: str
    series: tuple[Found, ...]


@dataclass(frozen=True)
class Inspection:
    """All that was found at a path, and the files that were skipped with the reason."""

    series: tuple[Found, ...]
    skipped: tuple[SkippedFile, ...]

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Frames of reference in the order of their first series; series that name none lie in no space."""
        together: dict[tuple[str, str], list[Found]] = {}
        for found in self.series:
            if found.frame_of_reference:
                together.setdefault((found.frame_of_reference, found.patient_id), []).append(found)
        return tuple(Space(uid, patient, tuple(series)) for (uid, patient), series in together.items())

    def record(self) -> dict[str, Any]:
        """The inspection as ``ytterby inspect --json`` prints it."""
        return {
            "series": [found.record() for found in self.series],
            "frames_of_reference": [
                {
                    "uid": space.uid,
                    "patient_id": space.patient_id,
                    "series": [{"path": str(found.path), "uid": found.uid} for found in space.series],
                }
                for space in self.spaces
            ],
            "files_skipped": [{"path": str(file.path), "reason": file.reason} for file in self.skipped],
        }


def inspect(path: Path | str) -> Inspection:
    """Every DICOM series and every NIfTI or NRRD file at a path (file or folder), with role, reason and problems.

    Counts of nuclear medicine images are summed, which reads their pixels; other DICOM is known by its headers.

    Raises
    ------
    InputError
        The path does not exist, or is one file that cannot be read.
    """
    path = Path(path)
    if path.is_file() and _is_image_file(path):
        return Inspection((_image_file(path),), ())
    return _with_image_files(scan(path))


def _with_image_files(found: Scan) -> Inspection:
    series = [_series(one) for one in found.series]
    skipped = []
    for file in found.skipped:
        if file.reason != NOT_DICOM or not _is_image_file(file.path):
            skipped.append(file)
            continue
        try:
            series.append(_image_file(file.path))
        except InputError as error:
            skipped.append(replace(file, reason=error.what))
    # A stable sort: series of one folder stay in the order of the scan.
    return Inspection(tuple(sorted(series, key=lambda one: str(one.path))), tuple(skipped))


def _series(series: Series) -> Found:
    problems = series.problems
    counts = None
    try:
        counts = total_counts(series)
    except InputError as error:
        if not any(problem.level == "red" for problem in problems):
            problems = (Problem("red", error.what, series.path.name, remedy=error.remedy), *problems)
    return Found(
        path=series.path,
        uid=series.uid,
        modality=series.modality,
        kind=series.kind,
        role=series.role,
        reason=series.reason,
        n_files=len(series.files),
        grid=series.grid,
        shape=series.shape,
        unit=series.unit,
        total_counts=counts,
        frame_of_reference=series.frame_of_reference,
        problems=problems,
        description=series.description,
        radiopharmaceutical=series.radiopharmaceutical,
        patient_id=series.patient_id,
        part=series.part,
    )


def _is_image_file(path: Path) -> bool:
    return path.name.lower().endswith((*_NIFTI, *_NRRD, *INTERFILE_SUFFIXES))


def _image_file(path: Path) -> Found:
    name = path.name.lower()
    if name.endswith(".seg.nrrd"):
        segments = read_nrrd_segments(path)
        names = ", ".join(segment.name for segment in segments)
        return _found(path, "seg_nrrd", "segmentation", f"segmentation of 3D Slicer: {names}", segments[0].grid, ())
    if name.endswith(INTERFILE_SUFFIXES):
        image = read_interfile(path)
        reason = "Interfile: neither radionuclide nor unit is taken from it"
        return _found(path, "interfile", "none", reason, image.volume.grid, image.problems)
    nifti = name.endswith(_NIFTI)
    volume = read_nifti(path) if nifti else read_nrrd(path)
    silent = Problem(
        "amber",
        f"{'NIfTI' if nifti else 'NRRD'} does not say what its values measure",
        path.name,
        remedy="state kind and unit in the case file (or labels, where it is a label map)",
    )
    reason = f"{'NIfTI' if nifti else 'NRRD'}: neither modality nor unit is stated"
    return _found(path, "nifti" if nifti else "nrrd", "none", reason, volume.grid, (silent,))


def _found(path: Path, kind: str, role: str, reason: str, grid: Grid, problems: tuple[Problem, ...]) -> Found:
    return Found(
        path=path,
        uid="",
        modality="",
        kind=kind,
        role=role,
        reason=reason,
        n_files=1,
        grid=grid,
        shape=grid.shape,
        unit="",
        total_counts=None,
        frame_of_reference="",
        problems=problems,
    )
