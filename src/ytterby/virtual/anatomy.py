"""Virtual anatomy on a CT grid: body, lungs, liver, lobes and tumours of known place and size, and a CT of them.

Shapes are ellipsoids in LPS millimetres (x to the left, y to the back, z to the head): simple on purpose, and exactly known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ytterby.errors import GeometryError
from ytterby.model.segment import BoolArray, Role, Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

__all__ = ["CT_GRID", "LEFT", "RIGHT", "Ellipsoid", "VirtualAnatomy", "anatomy", "ct_image", "lesion_diameters_mm"]

CT_GRID = Grid.axis_aligned((120, 84, 100), (3.0, 3.0, 3.0))
RIGHT = "Perfused right"
LEFT = "Perfused left"

LARGE_MM = 20.5
"""Least longest axis of a lesion that is planned to measure at least 20 mm."""
_SMALL_MM = (8.0, 19.0)
_LARGEST_MM = 90.0
_GAP_MM = 3.0
_TUMOUR_SHARE = 0.18  # bounding spheres of all lesions, as a share of the room: above it, lesions are planned smaller

_HU = {"air": -1000.0, "body": 35.0, "lungs": -820.0, "liver": 105.0}
_HU_NOISE = 12.0


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with axes along L, P and S."""

    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]

    @property
    def longest_diameter_mm(self) -> float:
        """The longest axis."""
        return 2.0 * max(self.semi_axes_mm)

    def on(self, grid: Grid) -> BoolArray:
        """Voxels of an axis-aligned grid whose centres lie inside."""
        inside: FloatArray = np.zeros((1, 1, 1))
        for axis, (centre, semi) in enumerate(zip(self.centre_mm, self.semi_axes_mm, strict=True)):
            shape = [1, 1, 1]
            shape[axis] = -1
            inside = inside + (((_centres_mm(grid, axis) - centre) / semi) ** 2).reshape(shape)
        return np.asarray(inside <= 1.0)


@dataclass(frozen=True, eq=False)
class VirtualAnatomy:
    """Truth masks on one grid. ``territories`` are the perfused lobes (none: the whole liver is treated at once).

    ``perfused`` is all that is treated: the territories together, or the liver. ``shapes`` belong to ``tumours``, in order.
    """

    grid: Grid
    body: BoolArray = field(repr=False)
    liver: Segment
    lungs: Segment
    tumours: tuple[Segment, ...]
    shapes: tuple[Ellipsoid, ...]
    territories: tuple[Segment, ...]

    @property
    def perfused(self) -> BoolArray:
        """Voxels that any session treats."""
        if not self.territories:
            return self.liver.mask
        return np.asarray(np.logical_or.reduce([territory.mask for territory in self.territories]))

    @property
    def tumour(self) -> BoolArray:
        """Voxels of any tumour."""
        return np.asarray(np.logical_or.reduce([tumour.mask for tumour in self.tumours]))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Everything that a study contours: liver, lungs, perfused lobes, tumours."""
        return (self.liver, self.lungs, *self.territories, *self.tumours)


def anatomy(
    rng: np.random.Generator,
    *,
    liver_volume_ml: float,
    right_fraction: float,
    lobes: Sequence[str],
    large_lesions: int,
    small_lesions: int,
    grid: Grid = CT_GRID,
) -> VirtualAnatomy:
    """A virtual anatomy: liver of about the volume asked for, and as many lesions as asked for inside what is treated.

    ``lobes`` names the territories (``RIGHT``, ``LEFT``); none means the whole liver. ``right_fraction`` is the share of the
    right lobe in the liver. Lesions do not overlap and stay inside the treated part.

    Raises
    ------
    GeometryError
        The lesions do not fit into the treated part of the liver.
    """
    body = Ellipsoid((0.0, 0.0, 0.0), (170.0, 115.0, 1e6)).on(grid)
    liver = _liver(rng, liver_volume_ml, grid)
    lungs = _lungs(grid) & ~ndimage.binary_dilation(liver, iterations=2) & body
    right = _right_of_plane(liver, right_fraction, grid)
    masks = {RIGHT: right, LEFT: liver & ~right}
    territories = tuple(Segment(name, Role.PERFUSED, masks[name], grid, "simulated") for name in lobes)
    room = np.asarray(np.logical_or.reduce([masks[name] for name in lobes])) if lobes else liver
    shapes = _place(rng, room, grid, large_lesions, small_lesions)
    tumours = tuple(
        Segment(f"L{n:02d}", Role.TUMOUR, shape.on(grid), grid, "simulated") for n, shape in enumerate(shapes, start=1)
    )
    return VirtualAnatomy(
        grid,
        body,
        Segment("Liver", Role.LIVER, liver, grid, "simulated"),
        Segment("Lungs", Role.LUNGS, lungs, grid, "simulated"),
        tumours,
        shapes,
        territories,
    )


def ct_image(subject: VirtualAnatomy, rng: np.random.Generator, *, tumour_hu: Sequence[float]) -> Volume:
    """CT in the portal-venous phase with noise, int16 HU; ``tumour_hu`` has one attenuation for each tumour."""
    hu = np.full(subject.grid.shape, _HU["air"], dtype=np.float32)
    hu[subject.body] = _HU["body"]
    hu[subject.lungs.mask] = _HU["lungs"]
    hu[subject.liver.mask] = _HU["liver"]
    for tumour, value in zip(subject.tumours, tumour_hu, strict=True):
        hu[tumour.mask] = value
    hu += _HU_NOISE * rng.standard_normal(hu.shape, dtype=np.float32)
    array = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return Volume(array, subject.grid, Quantity.HU)  # type: ignore[arg-type]


def lesion_diameters_mm(
    rng: np.random.Generator, *, large: int, small: int, room_ml: float, widest_mm: float
) -> list[float]:
    """Longest diameters of lesions, largest first, that fit a room of ``room_ml`` with an inscribed diameter of ``widest_mm``."""
    high = max(LARGE_MM + 1.0, min(_LARGEST_MM, widest_mm))
    diameters = np.clip(33.0 * np.exp(0.42 * rng.standard_normal(large)), LARGE_MM, high)
    while float((np.pi / 6 * diameters**3).sum()) > _TUMOUR_SHARE * room_ml * 1000.0 and np.any(diameters > LARGE_MM):
        diameters = np.maximum(LARGE_MM, 0.95 * diameters)
    little = rng.uniform(*_SMALL_MM, size=small)
    return sorted((float(d) for d in np.concatenate([diameters, little])), reverse=True)


def _centres_mm(grid: Grid, axis: int) -> FloatArray:
    return np.asarray(grid.affine[axis, 3] + grid.affine[axis, axis] * np.arange(grid.shape[axis]))


def _liver(rng: np.random.Generator, volume_ml: float, grid: Grid) -> BoolArray:
    """Two ellipsoids, the right one larger, scaled until their union has the volume; kept off the skin."""
    stretch = np.exp(0.06 * rng.standard_normal((2, 3)))
    within = Ellipsoid((0.0, 0.0, 0.0), (156.0, 102.0, 1e6)).on(grid)
    scale = (volume_ml / 1450.0) ** (1 / 3)
    liver: BoolArray = np.zeros(grid.shape, dtype=np.bool_)
    for _ in range(3):
        right = Ellipsoid((-58.0 * scale, 2.0, -45.0), _scaled((62.0, 62.0, 72.0), stretch[0], scale))
        left = Ellipsoid((12.0 * scale, -24.0, -30.0), _scaled((75.0, 40.0, 42.0), stretch[1], scale))
        liver = (right.on(grid) | left.on(grid)) & within
        found_ml = float(np.count_nonzero(liver)) * grid.voxel_volume_ml
        if abs(found_ml / volume_ml - 1.0) < 0.01:
            break
        scale *= (volume_ml / found_ml) ** (1 / 3)
    return liver


def _scaled(semi_mm: tuple[float, float, float], stretch: FloatArray, scale: float) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in scale * np.array(semi_mm) * stretch)
    return a, b, c


def _lungs(grid: Grid) -> BoolArray:
    """Both lungs; they reach beyond the top of the grid, as they do in a CT of the upper abdomen."""
    return Ellipsoid((-78.0, 5.0, 110.0), (58.0, 82.0, 130.0)).on(grid) | Ellipsoid(
        (82.0, 8.0, 115.0), (54.0, 78.0, 125.0)
    ).on(grid)


def _right_of_plane(liver: BoolArray, fraction: float, grid: Grid) -> BoolArray:
    """The liver's voxels to the right of an oblique plane, that many of them."""
    index = np.argwhere(liver)
    across = _centres_mm(grid, 0)[index[:, 0]] + 0.3 * _centres_mm(grid, 1)[index[:, 1]]
    right = np.zeros_like(liver)
    right[tuple(index[across <= np.quantile(across, fraction)].T)] = True
    return right


def _place(rng: np.random.Generator, room: BoolArray, grid: Grid, large: int, small: int) -> tuple[Ellipsoid, ...]:
    """Lesions in ``room``, apart from each other; large ones shrink (never below the limit) until all find a place."""
    step = grid.spacing_mm[0]
    index = np.argwhere(room)
    low = index.min(axis=0) - 1
    box = tuple(slice(max(0, int(a)), int(b)) for a, b in zip(low, index.max(axis=0) + 2, strict=True))
    # One voxel of rim counts as outside even where the room touches the end of the grid.
    depth_mm = ndimage.distance_transform_edt(np.pad(room[box], 1), sampling=grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    inside = np.argwhere(room[box])
    places_mm = grid.positions_mm(inside + np.array([side.start for side in box]))
    free_mm = np.asarray(depth_mm[tuple(inside.T)])
    diameters = lesion_diameters_mm(
        rng, large=large, small=small, room_ml=len(index) * grid.voxel_volume_ml, widest_mm=1.7 * float(free_mm.max())
    )
    for _ in range(60):
        placed = _placed(rng, diameters, places_mm, free_mm, step)
        if placed is not None:
            return placed
        diameters = [max(LARGE_MM, 0.95 * d) if d > LARGE_MM else d for d in diameters]
    raise GeometryError(
        f"{large + small} lesions do not fit into {len(index) * grid.voxel_volume_ml:.0f} mL",
        remedy="ask for fewer lesions or a larger liver",
    )


def _placed(
    rng: np.random.Generator, diameters_mm: list[float], places_mm: FloatArray, free_mm: FloatArray, step_mm: float
) -> tuple[Ellipsoid, ...] | None:
    """Lesions one after the other at random where their bounding sphere still fits; None when one finds no place."""
    free = free_mm.copy()
    shapes: list[Ellipsoid] = []
    reach = step_mm * np.sqrt(3.0) / 2  # how far from its voxel's centre a lesion's centre may lie
    for diameter in diameters_mm:
        radius = diameter / 2
        fitting = np.flatnonzero(free > radius + reach)
        if len(fitting) == 0:
            return None
        centre = places_mm[rng.choice(fitting)] + rng.uniform(-0.5, 0.5, size=3) * step_mm
        axes = rng.permutation([radius, radius * rng.uniform(0.78, 1.0), radius * rng.uniform(0.78, 1.0)])
        shapes.append(
            Ellipsoid(
                (float(centre[0]), float(centre[1]), float(centre[2])), (float(axes[0]), float(axes[1]), float(axes[2]))
            )
        )
        free = np.minimum(free, np.linalg.norm(places_mm - centre, axis=1) - radius - _GAP_MM)
    return tuple(shapes)
