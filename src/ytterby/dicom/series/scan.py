"""Every DICOM series in a folder: what it is, the role proposed for it, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ytterby.dicom.header import UNFINISHED, Header, naming, number, numbers, open_header, open_object, quiet, text
from ytterby.dicom.layout.classic import classic_datasets
from ytterby.dicom.layout.dose import dose_grid
from ytterby.dicom.layout.enhanced import frame_groups, is_enhanced
from ytterby.dicom.layout.nuclear import recon_geometry
from ytterby.dicom.layout.planes import plane_of, stack
from ytterby.dicom.layout.segmentation import segmentation_grid
from ytterby.dicom.nuclide import radiopharmaceutical
from ytterby.dicom.pixels import rescale_of, stored_pixels
from ytterby.dicom.series.checks import image_problems, quantity_problems, unit_of
from ytterby.dicom.series.copies import without_copies
from ytterby.dicom.series.documents import DESCRIBED, described
from ytterby.dicom.series.kinds import Proposal, kind_of, propose
from ytterby.dicom.series.record import Scan, Series, SkippedFile
from ytterby.dicom.series.relations import related
from ytterby.dicom.series.stacked import stack_notes
from ytterby.errors import DicomError, GeometryError, InputError, Problem
from ytterby.model.volume import Grid

__all__ = ["MAX_DEPTH", "MAX_FILES", "files_below", "scan", "total_counts"]

MAX_FILES = 200_000
"""A scan stops with DicomError beyond this many files: somebody has named a whole disk."""
MAX_DEPTH = 32
"""Folders deeper than this below the one named are not entered."""

_IMAGES = ("nm_recon_tomo", "nm_tomo", "nm_static", "nm_whole_body", "pt", "ct", "mr", "seg", "rtdose")
_NOT_WHOLE = "part of a transfer that did not end well: not read"
_STACKED = ("ct", "pt", "mr")


@quiet()
def scan(path: Path | str) -> Scan:
    """All DICOM series of a file, or of a folder and what lies below it, from headers alone.

    Links that lead out of the folder, and links to folders, are not followed; hidden folders are not entered, and parts of
    unfinished transfers (``UNFINISHED``) are not read. Files that are not DICOM, or damaged, go into
    ``skipped`` with the reason.

    Raises
    ------
    DicomError
        The path does not exist, is a single file that is no readable DICOM object, or holds more than ``MAX_FILES`` files.
    """
    path = Path(path)
    if not path.exists():
        raise DicomError("there is no such file or folder", where=str(path), remedy="check the path")
    if not path.is_dir():
        header = open_header(path)
        with naming(path):
            return Scan(tuple(_all_series([header])), ())
    headers: dict[tuple[str, ...], list[Header]] = {}
    skipped: list[SkippedFile] = []
    for file, reason in files_below(path):
        if reason:
            skipped.append(SkippedFile(file, reason))
            continue
        try:
            header = open_header(file)
            uid = text(header.dataset, "SeriesInstanceUID")
            # Without a series UID (removed with identities), a folder is taken for a series.
            key = (uid or f"folder {file.parent}", kind_of(header))
            headers.setdefault(key, []).append(header)
        except DicomError as error:
            skipped.append(SkippedFile(file, error.what))
    series: list[Series] = []
    for group in headers.values():
        try:
            series += _all_series(group)
        except InputError as error:
            skipped += [SkippedFile(header.path, error.what) for header in group]
    # Volumes of one object stay in the order of their frames.
    series.sort(key=lambda one: (str(one.path), one.uid, one.kind))
    return Scan(related(series), tuple(skipped))


def files_below(root: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder in sorted order, each with the reason to skip it ("" for none).

    Raises
    ------
    DicomError
        There are more than ``MAX_FILES``.
    """
    inside = root.resolve()
    folders = [(root, 0)]
    seen = 0
    while folders:
        folder, depth = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield folder, f"the folder cannot be read ({error.strerror})"
            continue
        below = []
        for entry in entries:
            file = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if entry.name.startswith("."):
                    yield file, "a hidden folder: not entered"
                elif entry.name.endswith(UNFINISHED):
                    yield file, _NOT_WHOLE
                elif depth >= MAX_DEPTH:
                    yield file, f"more than {MAX_DEPTH} folders deep: not entered"
                else:
                    below.append((file, depth + 1))
                continue
            seen += 1
            if seen > MAX_FILES:
                raise DicomError(
                    f"more than {MAX_FILES} files", where=str(root), remedy="name the folder of one study or patient"
                )
            yield file, _reason_to_skip(entry, file, inside)
        folders.extend(reversed(below))


def _reason_to_skip(entry: os.DirEntry[str], file: Path, inside: Path) -> str:
    if entry.name.endswith(UNFINISHED):
        return _NOT_WHOLE
    try:
        if entry.is_symlink():
            if file.is_dir():
                return "a link to a folder: not followed"
            if not file.resolve().is_relative_to(inside):
                return "a link that leads out of the folder: not followed"
        # A pipe or a device would block or never end.
        return "" if entry.is_file() else "not a regular file"
    except (OSError, RuntimeError):
        return "a link that leads nowhere"


def _all_series(headers: Sequence[Header]) -> list[Series]:
    """One series of the files, and one of each volume in the enhanced images among them."""
    kind = kind_of(headers[0])
    in_order = sorted(headers, key=lambda header: str(header.path))
    enhanced = [header for header in in_order if kind in _STACKED and is_enhanced(header.dataset)]
    others = in_order if not enhanced else [header for header in in_order if not is_enhanced(header.dataset)]
    found = [_series(others, kind)] if others else []
    kept, copies = without_copies(enhanced, slices=False)
    for header in kept:
        found += _enhanced(header, kind, copies)
        copies = []
    return found


def _series(headers: Sequence[Header], kind: str) -> Series:
    if kind in DESCRIBED:
        proposal, problems = described(headers, kind, propose(headers[0], kind))
        return _record(headers, kind, None, problems, proposal=proposal)
    if kind not in _IMAGES:
        return _record(headers, kind, None, [])
    headers, problems = without_copies(headers, slices=kind in _STACKED)
    problems += [*image_problems(headers, kind), *quantity_problems(headers, kind)]
    grid, notes = _geometry(headers, kind)
    return _record(headers, kind, grid, [*problems, *notes])


def _enhanced(header: Header, kind: str, problems: Sequence[Problem]) -> list[Series]:
    name = header.path.name
    try:
        flat = [replace(header, dataset=dataset) for dataset in classic_datasets(header.dataset, kind)]
        groups = frame_groups(header.dataset, name)
        problems = [*problems, *image_problems(flat[:1], kind), *quantity_problems(flat, kind)]
    except InputError as error:
        return [_record([header], kind, None, [*problems, Problem("red", error.what, name, remedy=error.remedy)])]
    found = []
    for group in groups:
        try:
            stacked = stack(group.planes)
            grid, notes = stacked.grid, stack_notes(flat[0].dataset, name, stacked)
        except InputError as error:
            grid, notes = None, [Problem("red", error.what, name, remedy=error.remedy)]
        found.append(_record(flat[:1], kind, grid, [*problems, *notes], part=group.label))
    return found


def _record(
    headers: Sequence[Header],
    kind: str,
    grid: Grid | None,
    problems: Sequence[Problem],
    *,
    part: str = "",
    proposal: Proposal | None = None,
) -> Series:
    first = headers[0]
    dataset = first.dataset
    proposal = proposal or propose(first, kind)
    paths = [header.path for header in headers]
    order = {"red": 0, "amber": 1, "green": 2}
    return Series(
        path=paths[0] if len(paths) == 1 else Path(os.path.commonpath([str(path.parent) for path in paths])),
        uid=text(dataset, "SeriesInstanceUID"),
        modality=text(dataset, "Modality"),
        kind=kind,
        role=proposal.role,
        reason=f"{proposal.reason}, {part}" if part else proposal.reason,
        files=tuple(paths),
        shape=grid.shape if grid is not None else _flat_shape(first, kind),
        spacing_mm=grid.spacing_mm if grid is not None else None,
        unit=unit_of(first, kind),
        total_counts=None,
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        problems=tuple(sorted(problems, key=lambda problem: order[problem.level])),
        description=text(dataset, "SeriesDescription"),
        patient_id=text(dataset, "PatientID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        grid=grid,
        radiopharmaceutical=radiopharmaceutical(dataset) if kind == "pt" or kind.startswith("nm_") else None,
        part=part,
    )


def _flat_shape(header: Header, kind: str) -> tuple[int, int, int] | None:
    rows, columns = number(header.dataset, "Rows"), number(header.dataset, "Columns")
    if kind not in _IMAGES or not rows or not columns:
        return None
    return int(columns), int(rows), int(number(header.dataset, "NumberOfFrames") or 1)


def _geometry(headers: Sequence[Header], kind: str) -> tuple[Grid | None, list[Problem]]:
    first = headers[0]
    name = first.path.name
    try:
        if kind in _STACKED:
            stacked = stack([plane_of(header.dataset, header.path.name) for header in headers])
            return stacked.grid, stack_notes(first.dataset, name, stacked)
        readers = {"nm_recon_tomo": lambda: recon_geometry(first.dataset, name)[0]}
        readers["rtdose"] = lambda: dose_grid(first.dataset, name)
        readers["seg"] = lambda: segmentation_grid(first.dataset, name).grid
        if kind not in readers:
            return None, []
        if len(headers) > 1 and kind != "seg":
            raise GeometryError(f"{len(headers)} volumes in one series", remedy="name the file that is meant")
        return readers[kind](), _frame_notes(first, kind)
    except InputError as error:
        return None, [Problem("red", error.what, error.where, remedy=error.remedy)]


def _frame_notes(header: Header, kind: str) -> list[Problem]:
    if kind != "nm_recon_tomo":
        return []
    notes = []
    spacing = number(header.dataset, "SpacingBetweenSlices") or 0.0
    if spacing < 0:
        notes.append(
            Problem(
                "green",
                f"SpacingBetweenSlices is {spacing:.4g}: slices are stacked against their normal, and read so",
                header.path.name,
            )
        )
    if not numbers(header.dataset, "SliceVector"):
        notes.append(
            Problem(
                "amber",
                "the Slice Vector is missing: frames are taken in the order of the file",
                header.path.name,
                remedy="check the direction of the slices by eye",
            )
        )
    return notes


@quiet()
def total_counts(series: Series) -> float | None:
    """Sum of the counts of an NM series, or of a PET in counts; None for everything else. Reads all pixels.

    Raises
    ------
    DicomError
        The pixels are missing, truncated, or cannot be decoded.
    """
    if series.unit != "counts" or not (series.kind.startswith("nm_") or series.kind == "pt"):
        return None
    total = 0.0
    for path in series.files:
        dataset = open_object(path)
        stored = stored_pixels(dataset, str(path))
        exact = int(stored.sum(dtype=np.int64)) if stored.dtype.kind in "iu" else float(stored.sum(dtype=np.float64))
        if series.kind == "pt":
            slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
        else:
            scale, _ = rescale_of(dataset)
            slope, intercept = (scale.slope, scale.intercept) if scale is not None else (1.0, 0.0)
        total += exact * (1.0 if slope is None else slope) + stored.size * (intercept or 0.0)
    return total
