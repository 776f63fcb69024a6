"""Radiotherapy structure sets (RTSTRUCT) to Segments: closed contours, on an image's lattice or their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ytterby.dicom.header import DAMAGE, open_whole, quiet, text
from ytterby.dicom.layout.contours import Region, regions_of
from ytterby.errors import DicomError, GeometryError, InputError, SegmentError
from ytterby.imaging.contourlattice import SAME_PLANE_MM, along_axis, extended, extent, flat_normal, own_lattice
from ytterby.imaging.contourstack import (
    ContourPlane,
    StackedMask,
    grouped_planes,
    planimetric_volume,
    stacked_mask,
)
from ytterby.model.notice import Notice
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Grid, Volume

__all__ = ["StructureSet", "read_structures"]

_MOST_VOXELS = 2**33
_SAME_DIRECTION = 1e-3
_SMALL_VOXELS = 3000
_TOLD_DIFFERENCE = 0.05
_REMEDY = "export the structure set again, with closed planar contours"


@dataclass(frozen=True, eq=False)
class StructureSet:
    """Segments of a structure set in its own order, and what is to be told of each by its name ("": of all)."""

    segments: tuple[Segment, ...]
    told: tuple[tuple[str, Notice], ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Flat:
    """A region's contours that are flat and have one direction; ``gaps_mm`` lie between its planes."""

    region: Region
    polygons: tuple[FloatArray, ...]
    normal: FloatArray
    gaps_mm: FloatArray


@quiet()
def read_structures(path: Path | str, *, image: Volume | None = None) -> StructureSet:
    """Segments of an RTSTRUCT, one for each region of interest, by the rules of docs/decisions/0017.

    Contours of a frame of reference that ``image`` does not contradict lie on its lattice, extended where they reach beyond it.
    Others lie on a lattice of their own: slices on their planes, 0.5 mm within them (1 mm where that is large).
    Role is OTHER, ``name`` the ROIName, ``method`` "imported" with the generation algorithm. A region without a closed planar
    contour is an empty segment.

    Raises
    ------
    DicomError
        The file is no RTSTRUCT, damaged, or holds too much.
    SegmentError
        No region has a closed planar contour.
    GeometryError
        The contours spread over more voxels than can be.
    """
    path = Path(path)
    dataset = open_whole(path)
    if text(dataset, "Modality") != "RTSTRUCT":
        raise DicomError(
            f"this is no structure set but {text(dataset, 'Modality') or 'of no modality'}",
            where=str(path),
            remedy="give a DICOM RTSTRUCT object",
        )
    try:
        return _structures(regions_of(dataset, str(path)), path, image)
    except InputError as error:
        raise type(error)(error.what, where=error.where or str(path), remedy=error.remedy) from error
    except DAMAGE as error:
        raise DicomError(f"the structure set is damaged ({error})"[:300], where=str(path), remedy=_REMEDY) from error


def _structures(regions: Sequence[Region], path: Path, image: Volume | None) -> StructureSet:
    told: list[tuple[str, Notice]] = []
    flats: dict[int, _Flat] = {}
    for place, region in enumerate(regions):
        flat, left_out = _flat(region)
        if flat is not None:
            flats[place] = flat
        if left_out:
            listed = ", ".join(f"{count} {reason}" for reason, count in left_out)
            told.append(_notice(region.name, "contours_left_out", f"contours were left out: {listed}"))
    if not flats:
        raise SegmentError(
            "no region has a closed planar contour; found: " + ", ".join(region.name for region in regions)[:200],
            remedy=_REMEDY,
        )
    made: dict[int, Segment] = {}
    for group in _groups(flats):
        segments, more = _drawn([flats[place] for place in group], image)
        made.update(zip(group, segments, strict=True))
        told += more
    empty = next(iter(made.values()))
    segments = []
    for place, region in enumerate(regions):
        segment = made.get(place)
        if segment is None:
            none = np.zeros(empty.grid.shape, dtype=np.bool_)
            segment = replace(empty, mask=none, frame_of_reference=region.frame_of_reference)
        method = f"imported, {region.algorithm}" if region.algorithm else "imported"
        segments.append(replace(segment, name=region.name, method=method, source=path.name))
    return StructureSet(tuple(segments), tuple(told))


def _notice(name: str, code: str, words: str) -> tuple[str, Notice]:
    return name, Notice(code, f"'{name}': {words}.")


def _flat(region: Region) -> tuple[_Flat | None, list[tuple[str, int]]]:
    """The region's flat contours of one direction (that of the largest), and what was left out."""
    left_out = list(region.left_out)
    normals = [flat_normal(polygon) for polygon in region.polygons]
    sizes = [float(np.linalg.norm(np.ptp(polygon, axis=0))) for polygon in region.polygons]
    candidates = [index for index, normal in enumerate(normals) if normal is not None]
    if not candidates:
        return None, [*left_out, *([("not flat", len(normals))] if normals else [])]
    normal = normals[max(candidates, key=lambda index: sizes[index])]
    assert normal is not None
    # The direction of a small contour is that of its rounding: flat along the common direction is enough.
    kept = [polygon for polygon in region.polygons if np.ptp(polygon @ normal) <= 2 * SAME_PLANE_MM]
    if len(kept) < len(normals):
        left_out.append(("not flat or of another direction", len(normals) - len(kept)))
    if not kept:
        return None, left_out
    gaps_mm = np.diff(np.sort([float((polygon @ normal).mean()) for polygon in kept]))
    return _Flat(region, tuple(kept), normal, gaps_mm[gaps_mm > SAME_PLANE_MM]), left_out


def _groups(flats: dict[int, _Flat]) -> list[list[int]]:
    """Regions that can share a lattice: of one frame of reference and one direction of planes."""
    groups: list[list[int]] = []
    for place, flat in flats.items():
        for group in groups:
            first = flats[group[0]]
            if first.region.frame_of_reference == flat.region.frame_of_reference and (
                np.abs(first.normal - flat.normal).max() <= _SAME_DIRECTION
            ):
                group.append(place)
                break
        else:
            groups.append([place])
    return groups


def _drawn(flats: Sequence[_Flat], image: Volume | None) -> tuple[list[Segment], list[tuple[str, Notice]]]:
    """Segments of regions that can share a lattice."""
    told: list[tuple[str, Notice]] = []
    frame = flats[0].region.frame_of_reference
    reference = None if image is None else image.grid
    if image is not None and frame and image.frame_of_reference and frame != image.frame_of_reference:
        words = f"lies in frame of reference {frame}, not in the image's ({image.frame_of_reference})"
        told += [_notice(flat.region.name, "other_frame_of_reference", words) for flat in flats]
        reference = None
    distances = _distances(flats, reference)
    grid = None if reference is None else _on_image(flats, distances, reference)
    lattice = grid or own_lattice(
        [polygon for flat in flats for polygon in flat.polygons],
        flats[0].normal,
        distance_mm=float(np.median(distances)),
        ends_mm=max(distances) / 2,
    )
    if len(flats) * float(np.prod(lattice.shape)) > _MOST_VOXELS:
        raise DicomError(f"{len(flats)} regions on {lattice.shape} voxels are too many", remedy=_REMEDY)
    segments = []
    for flat, distance_mm in zip(flats, distances, strict=True):
        segment, more = _segment(flat, lattice, distance_mm, frame)
        # Contours across the image's slices were drawn on their own lattice first.
        segments.append(segment if grid is not None or reference is None else segment.on_grid(reference))
        told += more
    return segments, told


def _distances(flats: Sequence[_Flat], reference: Grid | None) -> list[float]:
    """The usual distance between the planes of each region, mm.

    A region of three planes and more has its own median. Of fewer planes it is the median of the others, else what is stated
    (ContourSlabThickness), else that of the image's slices; but no more than the one gap that there is.
    """
    several = [float(np.median(flat.gaps_mm)) for flat in flats if flat.gaps_mm.size > 1]
    found = []
    for flat in flats:
        if flat.gaps_mm.size > 1:
            found.append(float(np.median(flat.gaps_mm)))
            continue
        known = float(np.median(several)) if several else flat.region.slab_mm
        if known is None and reference is not None:
            known = float(np.abs(reference.affine[:3, :3].T @ flat.normal).max())
        candidates = [*flat.gaps_mm.tolist(), *([] if known is None else [known])]
        if not candidates:
            raise GeometryError(
                f"'{flat.region.name}' has contours in one plane alone, and nothing says how thick it is",
                remedy="give the image that it was drawn on (ct in the case file)",
            )
        found.append(min(candidates))
    return found


def _on_image(flats: Sequence[_Flat], distances: Sequence[float], reference: Grid) -> Grid | None:
    """The image's lattice, extended as far as the regions reach; None where a region lies across its slices."""
    boxes = []
    for flat, distance_mm in zip(flats, distances, strict=True):
        contours = along_axis(flat.polygons, reference)
        if contours is None:
            return None
        boxes.append(extent(contours, ends_slices=distance_mm / 2 / _step_mm(reference, contours.axis)))
    return extended(reference, boxes)


def _step_mm(grid: Grid, axis: int) -> float:
    """Distance between neighbouring slices along an axis, at right angles to them."""
    return 1.0 / float(np.linalg.norm(np.linalg.inv(grid.affine[:3, :3])[axis]))


def _segment(flat: _Flat, lattice: Grid, distance_mm: float, frame: str) -> tuple[Segment, list[tuple[str, Notice]]]:
    contours = along_axis(flat.polygons, lattice)
    if contours is None:
        raise GeometryError(f"the contours of '{flat.region.name}' do not lie on a lattice", remedy=_REMEDY)
    step_mm = _step_mm(lattice, contours.axis)
    planes = grouped_planes(contours.polygons, contours.places, tolerance=SAME_PLANE_MM / step_mm)
    others = [a for a in (2, 1, 0) if a != contours.axis]
    shape = (lattice.shape[contours.axis], lattice.shape[others[0]], lattice.shape[others[1]])
    spacing = lattice.spacing_mm[others[0]], lattice.spacing_mm[others[1]]
    stack = stacked_mask(planes, shape, distance_slices=distance_mm / step_mm, spacing_mm=spacing)
    mask = stack.mask.transpose(np.argsort([contours.axis, *others]))
    segment = Segment(flat.region.name, Role.OTHER, mask, lattice, frame_of_reference=frame)
    return segment, _notices(flat, planes, stack, segment, step_mm, distance_mm)


def _notices(
    flat: _Flat,
    planes: Sequence[ContourPlane],
    stack: StackedMask,
    segment: Segment,
    step_mm: float,
    distance_mm: float,
) -> list[tuple[str, Notice]]:
    name, told = flat.region.name, []
    if stack.gaps:
        widest_mm = max(gap.upper_slices - gap.lower_slices for gap in stack.gaps) * step_mm
        bridged = sum(gap.is_bridged for gap in stack.gaps)
        told.append(
            _notice(
                name,
                "contour_gaps",
                f"its planes are {distance_mm:.3g} mm apart, but {len(stack.gaps)} times further, up to {widest_mm:.3g} mm; "
                f"{bridged} of these gaps were filled by the shape between their planes, "
                f"{len(stack.gaps) - bridged} were left open",
            )
        )
    if stack.partly_overlapping:
        words = f"contours overlap in {stack.partly_overlapping} planes; what lies in both of two was left out"
        told.append(_notice(name, "contours_overlap", words))
    if stack.repeated:
        told.append(_notice(name, "contours_repeated", f"{stack.repeated} contours are there twice, and count once"))
    volume_ml = segment.volume_ml
    largest = max(float(np.prod(np.ptp(np.concatenate(plane.polygons), axis=0))) for plane in planes)
    if largest < _SMALL_VOXELS:
        expected_ml = planimetric_volume(planes, distance_slices=distance_mm / step_mm) * segment.grid.voxel_volume_ml
        if abs(volume_ml - expected_ml) > _TOLD_DIFFERENCE * expected_ml:
            words = f"{expected_ml:.3g} mL by its contours are {volume_ml:.3g} mL on this grid, which is coarse for it"
            told.append(_notice(name, "structure_coarse", words))
    return told
