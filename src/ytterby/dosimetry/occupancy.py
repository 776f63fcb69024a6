"""Dose samples of a segment that fills voxels of a dose map in part: where in the voxel the segment lies, and its dose there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import permutations, product

import numpy as np

from ytterby.errors import CalibrationError, DomainError, GeometryError, SegmentError
from ytterby.model.segment import SamplePoints, Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

__all__ = ["OccupiedSamples", "divided_points", "occupied_samples", "places_of_a_voxel", "segment_occupancy"]

Box = tuple[slice, slice, slice]
IndexArray = np.ndarray[tuple[int, ...], np.dtype[np.intp]]

# How many samples a voxel may have: the number of places, and the distances from its middle (in voxels) that make them up.
_PLACES: dict[int, tuple[tuple[float, float, float], ...]] = {
    1: ((0.0, 0.0, 0.0),),
    8: ((1 / 4, 1 / 4, 1 / 4),),
    48: ((1 / 12, 3 / 12, 5 / 12),),
    144: ((1 / 36, 9 / 36, 17 / 36), (3 / 36, 11 / 36, 13 / 36), (5 / 36, 7 / 36, 15 / 36)),
}
_BORDER_PLACES = 8
_MOST_SAMPLES = 700_000
# Shares this near to 1 are whole; ranks that differ by less are equal: of two places that mirror each other neither is
# preferred for a rounding error.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class OccupiedSamples:
    """Dose (Gy) at places within a segment and the volume (mL) that each stands for, both of shape (n,)."""

    dose_gy: FloatArray = field(repr=False)
    volume_ml: FloatArray = field(repr=False)


def occupied_samples(dose: Volume, occupancy: FloatArray) -> OccupiedSamples:
    """Samples of a dose map (Gy) in a segment that fills the share ``occupancy`` (0 to 1) of each voxel of the map.

    Every voxel is looked at in several places (``places_of_a_voxel``), which get the dose linearly between voxel centres. In a
    voxel that is filled in part, the shares themselves, linear between voxel centres, say where the segment is: the places in
    which they are greatest are filled until the voxel's share is reached; places of equal rank at the border share what is
    left. So the volume is exact in every voxel. The idea is that of volume-of-fluid methods, which rebuild a surface from the
    filled shares of cells (Hirt and Nichols 1981, doi:10.1016/0021-9991(81)90145-5); no form of the surface is assumed here.

    Voxels beyond the faces of the map are taken to be as those within.

    Raises
    ------
    GeometryError
        The occupancy does not have the map's shape.
    CalibrationError
        The map is no dose.
    DomainError
        A share lies outside 0 to 1, or is no number.
    SegmentError
        The segment fills nothing.
    """
    if dose.quantity is not Quantity.DOSE:
        raise CalibrationError(
            f"a dose map holds absorbed dose, this one holds {dose.quantity.value}",
            where=dose.source,
            remedy="compute the dose first",
        )
    if occupancy.shape != dose.grid.shape:
        raise GeometryError(
            f"an occupancy of shape {occupancy.shape} does not fit a dose map of shape {dose.grid.shape}",
            where=dose.source,
            remedy="compute the occupancy on the map's own grid",
        )
    box = _filled_box(occupancy)
    share = np.asarray(_with_border(occupancy, box), dtype=np.float64)
    if not (share.min() >= 0.0 and share.max() <= 1.0 + _ROUNDING):
        raise DomainError(
            "an occupancy is a share from 0 to 1", where=dose.source, remedy="divide by the volume of a voxel"
        )
    around = _with_border(dose.array, box)
    inner = share[1:-1, 1:-1, 1:-1]
    whole = np.argwhere(inner >= 1.0 - _ROUNDING)
    partial = np.argwhere((inner > 0.0) & (inner < 1.0 - _ROUNDING))
    places = places_of_a_voxel(len(whole) + len(partial))
    border = places if len(places) >= _BORDER_PLACES else _symmetric_places(_BORDER_PLACES)
    inside = _at_places(around, whole, places)
    beside = _at_places(around, partial, border)
    filled = _filled_places(_at_places(share, partial, border), inner[tuple(partial.T)])
    taken = filled > 0.0
    voxel_ml = dose.grid.voxel_volume_ml
    return OccupiedSamples(
        np.concatenate((inside.ravel(), beside[taken])),
        np.concatenate((np.full(inside.size, voxel_ml / len(places)), filled[taken] * (voxel_ml / len(border)))),
    )


def places_of_a_voxel(voxels: int, *, most_samples: int = _MOST_SAMPLES) -> FloatArray:
    """Where each voxel of a segment of so many ``voxels`` is sampled: places (n, 3) from its middle, in voxels.

    There are 144 for up to 4861 voxels, 48 up to 14 583, 8 up to 87 500, and the middle alone beyond, where the voxels
    themselves are dense: about 700 000 samples at most. Whatever is turned or mirrored, the places stay. Along each axis they
    lie at 18, 6 or 2 equal distances, so that a dose that rises along an axis does not come in the few values of a cubic
    lattice of as many points; the mean of a linear dose is exact.

    Examples
    --------
    >>> len(places_of_a_voxel(1000)), len(places_of_a_voxel(10_000)), len(places_of_a_voxel(100_000))
    (144, 48, 1)
    """
    return _symmetric_places(max((n for n in _PLACES if n * voxels <= most_samples), default=1))


def divided_points(points: SamplePoints, *, most_samples: int = _MOST_SAMPLES) -> SamplePoints:
    """The points with ``places_of_a_voxel`` of each in its stead, one point's after the other's; they stand for equal volumes."""
    places = places_of_a_voxel(len(points), most_samples=most_samples)
    if len(places) == 1:
        return points
    index = (points.index[:, None, :] + places).reshape(-1, 3)
    return SamplePoints(np.ascontiguousarray(index.T), points.grid, points.volume_ml / len(places))


def segment_occupancy(segment: Segment, grid: Grid) -> FloatArray:
    """Share of each voxel of ``grid`` that a segment fills, shape of ``grid``, 0 to 1.

    Where the axes of both grids are parallel the share is the exact overlap of the voxels. Where they are not it is that of
    ``Segment.occupancy_on``, with partly filled voxels changed so that the sum is the segment's own volume, if it lies wholly
    within the grid.

    Raises
    ------
    SegmentError
        The segment is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from ytterby.model.segment import Role
    >>> fine, coarse = (Grid.axis_aligned((n, 1, 1), (30.0 / n, 10.0, 10.0)) for n in (6, 3))
    >>> segment = Segment("a", Role.OTHER, np.array([0, 1, 1, 1, 0, 0], dtype=bool).reshape(6, 1, 1), fine)
    >>> segment_occupancy(segment, coarse).ravel()
    array([0.5, 1. , 0. ])
    """
    matrix = segment.grid.index_map_to(grid)
    steps = np.abs(matrix[:3, :3])
    along = steps.argmax(axis=1)  # for each axis of the grid, the axis of the segment that is parallel to it
    other = steps.copy()
    other[np.arange(3), along] = 0.0
    if sorted(along) == [0, 1, 2] and (other.sum(axis=1) * max(segment.grid.shape) < 1e-6).all():
        return _overlap(segment, grid, [int(axis) for axis in along])
    share = np.asarray(segment.occupancy_on(grid))
    if not _lies_within(segment, grid):
        return share
    return _with_volume(share, segment.volume_ml, voxel_ml=grid.voxel_volume_ml)


def _lies_within(segment: Segment, grid: Grid) -> bool:
    """True when no voxel centre of the segment lies outside the faces of a grid."""
    corners = np.array(list(product(*((side.start, side.stop - 1) for side in segment.bounding_box()))))

    def hold(index: FloatArray) -> bool:
        return bool((index >= -0.5).all() and (index <= np.array(grid.shape) - 0.5).all())

    # The corners of the box answer for most segments; those whose box alone leaves the grid are looked at in full.
    return hold(grid.indices(segment.grid.positions_mm(corners))) or hold(segment.points().index_on(grid))


def _with_volume(share: FloatArray, volume_ml: float, *, voxel_ml: float) -> FloatArray:
    """Shares with partly filled voxels changed so that all of them make up ``volume_ml``, as far as that can be.

    Too much filling is scaled down, and so is, where there is too little, what is left empty: no share leaves 0 to 1.
    """
    partial = (share > 0.0) & (share < 1.0)
    missing = volume_ml / voxel_ml - float(share.sum())
    filled = float(share[partial].sum())
    empty = np.count_nonzero(partial) - filled
    changed = share.copy()
    if missing < 0.0 < filled:
        changed[partial] *= max(0.0, 1.0 + missing / filled)
    elif missing > 0.0 and empty > 0.0:
        changed[partial] = 1.0 - (1.0 - share[partial]) * max(0.0, 1.0 - missing / empty)
    return changed


def _overlap(segment: Segment, grid: Grid, along: list[int]) -> FloatArray:
    """Overlap of the voxels of two grids whose axes are parallel, one axis after the other."""
    matrix = segment.grid.index_map_to(grid)
    box = segment.bounding_box()
    share = segment.mask[box].astype(np.float64).transpose(along)
    for axis, source in enumerate(along):
        step, start = matrix[axis, source], matrix[axis, 3]
        edges = start + step * (np.arange(box[source].start, box[source].stop + 1) - 0.5)  # in voxels of the grid
        low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
        faces = np.arange(grid.shape[axis])[:, None] - 0.5
        shared = np.clip(np.minimum(high, faces + 1.0) - np.maximum(low, faces), 0.0, None)
        share = np.moveaxis(np.tensordot(shared, share, axes=(1, axis)), 0, axis)
    return np.asarray(share.clip(0.0, 1.0))


@cache
def _symmetric_places(number: int) -> FloatArray:
    """Places (number, 3) in a voxel, from its middle, that rotations and mirrors of a cube leave as they are."""
    places = sorted(
        {
            tuple(sign * distance for sign, distance in zip(signs, order, strict=True))
            for distances in _PLACES[number]
            for order in permutations(distances)
            for signs in product((-1.0, 1.0), repeat=3)
        }
    )
    found = np.array(places, dtype=np.float64)
    found.setflags(write=False)
    return found


def _filled_box(occupancy: FloatArray) -> Box:
    """Smallest index box of all voxels that are not 0."""
    box = [slice(0, size) for size in occupancy.shape]
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(occupancy[tuple(box)].any(axis=others))
        if filled.size == 0:
            raise SegmentError("the segment fills no voxel of the dose map", remedy="draw it, or leave it out")
        box[axis] = slice(int(filled[0]), int(filled[-1]) + 1)
    return box[0], box[1], box[2]


def _with_border(array: FloatArray, box: Box) -> FloatArray:
    """The part of ``array`` in ``box`` and one voxel around it; at the face of the array its outer voxels are repeated."""
    wide = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    missing = [(int(side.start == 0), int(side.stop == size)) for side, size in zip(box, array.shape, strict=True)]
    return np.pad(array[wide], missing, mode="edge")


def _at_places(around: FloatArray, voxels: IndexArray, places: FloatArray) -> FloatArray:
    """Linear samples of an array at places in its voxels, shape (voxels, places), in the array's own precision.

    ``around`` has a border of one voxel; ``voxels`` are indices (m, 3) without it. Each axis is interpolated from the middle
    towards a neighbour, so that a uniform array gives its very value.
    """
    if len(places) == 1:
        return np.asarray(around[1:-1, 1:-1, 1:-1][tuple(voxels.T)][:, None])
    steps = np.arange(3)
    values = around[
        voxels[:, 0, None, None, None] + steps[:, None, None],
        voxels[:, 1, None, None, None] + steps[:, None],
        voxels[:, 2, None, None, None] + steps,
    ]
    weight = np.abs(places).astype(around.dtype)
    side = np.where(places > 0.0, 2, 0)
    levels, level = np.unique(places[:, 0], return_inverse=True)
    middle = values[:, 1:2]
    rows = middle + np.abs(levels).astype(around.dtype)[:, None, None] * (
        values[:, np.where(levels > 0.0, 2, 0)] - middle
    )

    def column(k: IndexArray | int) -> FloatArray:
        here = rows[:, level, 1, k]
        return np.asarray(here + weight[:, 1] * (rows[:, level, side[:, 1], k] - here))

    here = column(1)
    return np.asarray(here + weight[:, 2] * (column(side[:, 2]) - here))


def _filled_places(rank: FloatArray, share: FloatArray) -> FloatArray:
    """How much of each place is filled, 0 to 1, shape of ``rank`` (voxels, places): the places of the highest rank first.

    ``share`` (voxels,) is above 0 and below 1.
    """
    ranks = np.round(rank / _ROUNDING)
    number = ranks.shape[1]
    wanted = share * number
    last = number - 1 - np.floor(wanted).astype(np.intp)
    border = np.take_along_axis(np.sort(ranks, axis=1), last[:, None], axis=1)
    above = ranks > border
    level = ranks == border
    left = (wanted - np.count_nonzero(above, axis=1)) / np.count_nonzero(level, axis=1)
    return np.where(above, 1.0, np.where(level, left[:, None], 0.0))
