"""What a scan finds: series, and files that are no part of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ytterby.dicom.nuclide import Radiopharmaceutical
from ytterby.errors import Problem
from ytterby.model.volume import Grid

__all__ = ["Scan", "Series", "SkippedFile"]


@dataclass(frozen=True)
class SkippedFile:
    """A file that is no part of a series, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Series:
    """One DICOM series.

    ``path`` is its file, or the folder that holds its ``files``. ``unit`` is counts, bq_ml, HU, Gy, the file's own word, or "".
    ``shape`` (i, j, k), ``spacing_mm`` and ``grid`` are None where the geometry is not known. ``total_counts`` stays
    None in a scan: the function of that name reads the pixels. ``radiopharmaceutical`` is what an NM or PT object says of it.
    ``part`` says which volume of an enhanced multi-frame object it is, where there are several.
    """

    path: Path
    uid: str
    modality: str
    kind: str
    role: str
    reason: str
    files: tuple[Path, ...] = field(repr=False)
    shape: tuple[int, int, int] | None
    spacing_mm: tuple[float, float, float] | None
    unit: str
    total_counts: float | None
    frame_of_reference: str
    problems: tuple[Problem, ...]
    description: str
    patient_id: str = ""
    study_uid: str = ""
    grid: Grid | None = field(default=None, repr=False)
    radiopharmaceutical: Radiopharmaceutical | None = field(default=None, repr=False)
    part: str = ""


@dataclass(frozen=True)
class Scan:
    """What was found at a path: series in the order of their paths, and the files that were skipped."""

    series: tuple[Series, ...]
    skipped: tuple[SkippedFile, ...]
