"""Dose voxel kernels of 90Y for voxels of any three sides: which share of a voxel's energy each voxel around it absorbs.

Activity is spread evenly over its voxel, and the medium is uniform and without end. A point spread evenly over a voxel, moved
by u along an axis, comes to lie n voxels away with the probability tri(u/h - n), tri(x) = max(0, 1 - |x|), h the voxel's side.
So the share of the voxel at offset (i, j, k) is the mean over all displacements of

    tri(u_x/h_x - i) tri(u_y/h_y - j) tri(u_z/h_z - k)

with directions even over the sphere and radii as in the point kernel: each bit of energy is dealt out to the eight voxels
around its displacement. S values so made are those of Bolch et al., MIRD pamphlet 17, J Nucl Med 1999;40:11S.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

import numpy as np

from ytterby.errors import DomainError, GeometryError
from ytterby.model.volume import FloatArray, read_only
from ytterby.physics.nuclides import JOULE_PER_MEV
from ytterby.physics.point_kernel import PointKernel, y90_point_kernel
from ytterby.units import finite, positive

__all__ = ["REACH_MM", "VoxelKernel", "octant_shares", "voxel_kernel"]

REACH_MM = 12.0
"""How far from the decay a voxel kernel goes in water unless told otherwise: no beta particle of 90Y goes farther."""

_SUM_TOLERANCE = 1e-12
_LARGEST_ARRAY = 8_000_000
_DIRECTIONS = 14
_RADII_PER_SHELL = 2
_DIGITS = 9


@dataclass(frozen=True, eq=False)
class VoxelKernel:
    """Shares of the energy of a voxel that the voxels around it absorb; it is itself the one in the middle.

    ``shares`` (float64, read-only, odd sides, axes as those of ``spacing_mm``) sums to 1: what the point kernel has beyond the
    reach, ``energy_beyond_fraction``, is bremsstrahlung that goes far, and is dealt out to the array in proportion, so
    that the energy constant which a dose is computed with is kept whole.

    Raises
    ------
    GeometryError
        The array does not have three odd sides, or a spacing is not above 0.
    DomainError
        A share is negative or not finite, the shares do not sum to 1, or the density is not above 0.
    """

    shares: FloatArray = field(repr=False)
    spacing_mm: tuple[float, float, float]
    density_g_ml: float
    energy_beyond_fraction: float
    source: str

    def __post_init__(self) -> None:
        shares = np.array(self.shares, dtype=np.float64)
        if shares.ndim != 3 or any(side % 2 == 0 for side in shares.shape):
            raise GeometryError(
                f"a voxel kernel has three odd sides, got {shares.shape}", remedy="put the source voxel in the middle"
            )
        _require_spacing(self.spacing_mm)
        positive(self.density_g_ml, "density_g_ml")
        if not np.all(shares >= 0) or abs(float(shares.sum()) - 1.0) > _SUM_TOLERANCE:
            raise DomainError(
                f"the shares of a voxel kernel sum to {float(shares.sum()):.12g}, or one is negative",
                remedy="divide them by their sum",
            )
        object.__setattr__(self, "shares", read_only(shares))

    def share(self, i: int, j: int, k: int) -> float:
        """Share of the voxel that lies ``(i, j, k)`` voxels from the source voxel; 0 beyond the array."""
        offset = (i, j, k)
        if any(abs(step) > side // 2 for step, side in zip(offset, self.shares.shape, strict=True)):
            return 0.0
        a, b, c = (side // 2 + step for step, side in zip(offset, self.shares.shape, strict=True))
        return float(self.shares[a, b, c])

    def s_values_mgy_per_mbq_s(self, energy_per_decay_mev: float) -> FloatArray:
        """S value of every voxel: mean dose for 1 MBq s in the source voxel (mGy), the shape of ``shares``.

        S = share E / m, with E the energy of a decay and m the mass of a voxel. The energy is to be stated, because published
        tables rest on values that differ by 1 %.

        Raises
        ------
        DomainError
            The energy is not above 0.

        Examples
        --------
        >>> water = voxel_kernel((3.0, 3.0, 3.0), density_g_ml=1.0)
        >>> s_values = water.s_values_mgy_per_mbq_s(0.9329)
        >>> round(float(s_values.max()), 1)
        1.6
        """
        mass_kg = float(np.prod(self.spacing_mm)) / 1000.0 * self.density_g_ml / 1000.0
        mgy_per_decay = 1000.0 * positive(energy_per_decay_mev, "energy_per_decay_mev") * JOULE_PER_MEV / mass_kg
        return np.asarray(self.shares * (1e6 * mgy_per_decay))


def voxel_kernel(
    spacing_mm: tuple[float, float, float],
    *,
    density_g_ml: float,
    kernel: PointKernel | None = None,
    reach_mm: float = REACH_MM,
) -> VoxelKernel:
    """Voxel kernel for voxels of ``spacing_mm`` in a medium of ``density_g_ml``; the same object for the same arguments.

    ``kernel`` is that of 90Y in water unless another is given. ``reach_mm`` is counted in a medium of 1 g/mL and grows as the
    density falls, as the ranges do. Energy beyond it is dealt out in proportion (``VoxelKernel.energy_beyond_fraction``).

    Raises
    ------
    GeometryError
        A spacing is not finite and above 0.
    DomainError
        Density or reach is not above 0, or the voxels are so small that the array would have more than 8 million.

    Examples
    --------
    >>> lobe = voxel_kernel((4.42, 4.42, 4.42), density_g_ml=1.0)
    >>> lobe.shares.shape, round(lobe.share(0, 0, 0), 1)
    ((7, 7, 7), 0.4)
    """
    _require_spacing(spacing_mm)
    positive(density_g_ml, "density_g_ml")
    positive(reach_mm, "reach_mm")
    # Spacings from an affine differ in the last digits; they are to share one kernel.
    a, b, c = (round(float(step), _DIGITS) for step in spacing_mm)
    chosen = y90_point_kernel() if kernel is None else kernel
    return _made((a, b, c), round(float(density_g_ml), _DIGITS), chosen, float(reach_mm))


def octant_shares(
    kernel: PointKernel,
    spacing_mm: tuple[float, float, float],
    *,
    half: tuple[int, int, int],
    reach_mm: float,
    directions: int,
) -> FloatArray:
    """Energy by offset from 0 to ``half`` along each axis, of the displacements that are nowhere negative; its whole is 1.

    Shape: ``half`` + 1. ``reach_mm`` cuts the point kernel, whose density must be that of the medium. ``directions`` counts the
    nodes of Gauss-Legendre quadrature in the cosine and in the azimuth; the set is turned so that no axis is preferred.
    """
    inner, outer = kernel.inner_radius_mm, np.minimum(kernel.outer_radius_mm, reach_mm)
    reached = inner < outer
    inner, outer = inner[reached], outer[reached]
    held = (kernel.energy_fraction / (kernel.outer_radius_mm - kernel.inner_radius_mm))[reached] * (outer - inner)
    # Radii in the middles of equal parts of a shell: the energy is even within it.
    parts = (np.arange(_RADII_PER_SHELL) + 0.5) / _RADII_PER_SHELL
    radius = (inner[:, None] + parts * (outer - inner)[:, None]).ravel()
    energy = np.repeat(held / _RADII_PER_SHELL, _RADII_PER_SHELL)
    axes, weight = _directions(directions)
    moved = radius[:, None, None] * axes / np.array(spacing_mm)
    steps = moved.astype(np.intp)
    part = moved - steps
    dealt = energy[:, None] * weight
    sides = tuple(n + 2 for n in half)  # at the reach itself the voxel one farther gets nothing
    octant = np.zeros(int(np.prod(sides)))
    for corner in product((0, 1), repeat=3):
        shift = np.array(corner)
        share = dealt * np.prod(np.where(shift, part, 1.0 - part), axis=-1)
        place = np.ravel_multi_index(tuple(np.moveaxis(steps + shift, -1, 0)), sides)
        octant += np.bincount(place.ravel(), weights=share.ravel(), minlength=octant.size)
    return octant.reshape(sides)[:-1, :-1, :-1]


def _directions(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Unit vectors of the first octant, shape (n, 3), and their weights, which sum to 1."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    cosine, azimuth = np.meshgrid(0.5 * (x + 1.0), 0.25 * np.pi * (x + 1.0), indexing="ij")
    sine = np.sqrt(1.0 - cosine**2)
    vectors = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=-1).reshape(-1, 3)
    weight = 0.25 * np.outer(w, w).ravel()
    turned = np.concatenate([np.roll(vectors, turn, axis=1) for turn in range(3)])
    return turned, np.tile(weight, 3) / 3.0


def _mirrored(octant: FloatArray) -> FloatArray:
    """The whole kernel from one octant: a voxel in a plane through the source gets its share from both sides."""
    whole = octant / 8.0
    for axis in range(3):
        middle = [slice(None)] * 3
        middle[axis] = slice(0, 1)
        whole[tuple(middle)] *= 2.0
        whole = np.concatenate([np.flip(np.delete(whole, 0, axis=axis), axis=axis), whole], axis=axis)
    return np.asarray(whole)


def _require_spacing(spacing_mm: tuple[float, float, float]) -> None:
    if len(spacing_mm) != 3 or not all(np.isfinite(step) and step > 0 for step in spacing_mm):
        raise GeometryError(
            f"a voxel has three sides above 0 mm, got {spacing_mm}", remedy="check the spacing in the file"
        )


@lru_cache(maxsize=32)
def _made(
    spacing_mm: tuple[float, float, float], density_g_ml: float, kernel: PointKernel, reach_mm: float
) -> VoxelKernel:
    scaled = kernel.in_density(density_g_ml)
    reach = reach_mm / density_g_ml
    i, j, k = (int(np.ceil(reach / step - 1e-9)) for step in spacing_mm)
    half = (i, j, k)
    if np.prod([2.0 * n + 1.0 for n in half]) > _LARGEST_ARRAY:
        raise DomainError(
            f"a kernel of voxels of {spacing_mm} mm that reaches {reach:g} mm would have {half} voxels to each side",
            remedy="use larger voxels or a shorter reach",
        )
    octant = octant_shares(scaled, spacing_mm, half=half, reach_mm=reach, directions=_DIRECTIONS)
    held_fraction = float(octant.sum())
    if not held_fraction > 0:
        raise DomainError("the kernel has no energy within its reach", remedy="give a longer reach_mm")
    shares = _mirrored(octant / held_fraction)
    return VoxelKernel(
        shares / shares.sum(), spacing_mm, density_g_ml, finite(1.0 - held_fraction, "energy beyond"), kernel.source
    )
