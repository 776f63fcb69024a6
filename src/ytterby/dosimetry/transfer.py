"""Partial-volume correction by the geometric transfer matrix: tumours, normal tissues and what surrounds them, solved together.

Every region is taken to be uniform and the image to be a Gaussian blur of the regions. W_ij is the mean, where region i is
measured, of the blurred indicator of region j; the true means T solve W T = M (Rousset, Ma, Evans 1998, J Nucl Med 39:904).
Theory: docs/theory/partial-volume.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ytterby.dosimetry.recovery import corrected_mean_gy
from ytterby.dosimetry.workgrid import Box, WorkGrid, common, inner
from ytterby.errors import GeometryError, SegmentError
from ytterby.imaging.sample import resample, sample_linear
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.segment import Segment
from ytterby.model.volume import FloatArray, Volume, read_only
from ytterby.units import positive

__all__ = ["SURROUNDINGS", "Transfer", "TumourShare", "corrected_means", "table_share", "transfer_matrix"]

SURROUNDINGS = "surroundings"
"""Name of the region that is all that lies round the organ, within reach of the blur."""

_CLEAR = 0.01  # a voxel of normal tissue is measured where tumours reach it with less than this share
_OUTSIDE = 1e-3  # a voxel of which less belongs to the organ lies outside
_LEAST_CLEAR = 0.10  # of a tissue's volume; below it all of the tissue is measured
_LEAST_RECOVERY = 0.05
_MOST_INFLATION = 2.0


@dataclass(frozen=True, eq=False)
class TumourShare:
    """A corrected tumour in shares of its own true concentration T: what an uncertainty needs to know of it.

    ``recovery_fraction``
        w: mean in the tumour of its own blurred indicator.
    ``measured_fraction``, ``surrounding_fraction``
        uncorrected mean M / T, and the concentration B / T of the tissue in which the tumour lies.
    ``background_fraction``
        mean in the tumour of all other regions' blur, with the tumour itself filled by that tissue, over T.
    ``background_slope``
        its gradient (3,) along the mask's axes, 1/mm.

    M = B + (T - B) w + (background - B), so  T = B + (M - background) / w.
    """

    name: str
    recovery_fraction: float
    measured_fraction: float
    surrounding_fraction: float
    background_fraction: float
    background_slope: FloatArray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Transfer:
    """Regions, their volumes, measured and true means (in the image's unit), and the matrix between them.

    The regions are the tumours, the tissues and the surroundings, in this order; ``volumes_ml`` is nan for the surroundings.
    ``surroundings``, ``backgrounds`` and ``slopes`` (per mm) belong to the tumours: the concentration of the tissue in which each
    lies, the mean of all other regions' blur in it, and that mean's gradient.
    ``refused`` says of each tumour that is not corrected why.
    """

    names: tuple[str, ...]
    volumes_ml: FloatArray = field(repr=False)
    matrix: FloatArray = field(repr=False)
    measured: FloatArray = field(repr=False)
    corrected: FloatArray = field(repr=False)
    surroundings: FloatArray = field(repr=False)
    backgrounds: FloatArray = field(repr=False)
    slopes: FloatArray = field(repr=False)
    refused: dict[str, str]

    @property
    def recovery_coefficients(self) -> FloatArray:
        """Diagonal of the matrix: what each region keeps of its own."""
        return np.asarray(np.diag(self.matrix))

    def total(self, names: Sequence[str]) -> np.floating:
        """Corrected counts (image unit times mL) of the named regions together: what shares out the activity."""
        chosen = [self.names.index(name) for name in names]
        return np.float64(np.sum(self.corrected[chosen] * self.volumes_ml[chosen]))

    def corrected_dose_gy(
        self, name: str, *, denominator: Sequence[str], energy_gy_kg: float, density_g_ml: float
    ) -> float | None:
        """Corrected mean dose of a region that shares ``energy_gy_kg`` (K A (1-F)(1-R)) by its corrected counts.

        None for a tumour that is refused. The doses times masses of the ``denominator`` regions add up to the energy.
        """
        if name in self.refused:
            return None
        row = self.names.index(name)
        counts_ml = self.corrected[row] / self.total(denominator)
        return float(energy_gy_kg * counts_ml / (positive(density_g_ml, "density_g_ml") * 1e-3))

    def share_of(self, name: str) -> TumourShare | None:
        """The tumour in shares of its own concentration; None where it is refused."""
        if name in self.refused:
            return None
        row = self.names.index(name)
        true = self.corrected[row]
        return TumourShare(
            name=name,
            recovery_fraction=float(self.matrix[row, row]),
            measured_fraction=float(self.measured[row] / true),
            surrounding_fraction=float(self.surroundings[row] / true),
            background_fraction=float(self.backgrounds[row] / true),
            background_slope=np.asarray(self.slopes[row] / true),
        )


def corrected_means(measured: FloatArray, matrix: FloatArray) -> FloatArray:
    """True means (n,) of the regions from the measured ones and the transfer matrix: the solution of W T = M.

    Examples
    --------
    >>> import numpy as np
    >>> corrected_means(np.array([60.0, 20.0]), np.array([[0.5, 0.5], [0.0, 1.0]])).round(6).tolist()
    [100.0, 20.0]
    """
    return np.asarray(np.linalg.solve(matrix, measured))


def transfer_matrix(
    image: Volume, tumours: Sequence[Segment], tissues: Sequence[Segment], *, fwhm_mm: float
) -> Transfer:
    """Measured and true means of tumours and tissues in an image of that resolution, in the image's unit.

    Parameters
    ----------
    tumours, tissues
        Segments with voxels. What two tumours share belongs to the first; what a tissue shares with a tumour or an earlier
        tissue does not belong to it. Tumours are measured on their whole mask, at the points that the uncorrected dose uses;
        tissues first where the blurred tumours hardly reach, so that a tumour's uncertain border does not disturb what is
        taken to surround it, then as a whole, so that counts are kept. The first measurement makes ``matrix``.

    Raises
    ------
    SegmentError
        No tissue, or an empty segment.
    GeometryError
        A region lies outside the image.
    """
    if not tissues:
        raise SegmentError(
            "no tissue surrounds the tumours", remedy="give the liver, or its perfused and unperfused part"
        )
    n, segments = len(tumours), (*tumours, *tissues)
    work = WorkGrid.around(tumours, tissues, image.grid, sigma_mm=positive(fwhm_mm, "fwhm_mm") / FWHM_PER_SIGMA)
    occupancy, boxes = work.occupancies(segments)
    fields, shell, reach = _blurred(work, occupancy, boxes, n)
    samples = np.asarray(resample(image, work.grid).array, dtype=np.float64)
    whole = [*zip(boxes, occupancy, strict=True), (fields[-1][0], shell)]
    clear = [*whole[:n], *((box, _clear(part, reach[box])) for box, part in whole[n:-1]), whole[-1]]

    measured = np.array(
        [_mean_in(image, one) for one in tumours] + [_weighted(samples[box], part) for box, part in whole[n:]]
    )
    undisturbed = measured.copy()
    undisturbed[n:] = [_weighted(samples[box], part) for box, part in clear[n:]]
    matrix = _means(clear, fields)
    corrected = corrected_means(undisturbed, matrix)
    hosts = [n + int(np.argmax(matrix[row, n:])) for row in range(n)]
    surroundings = corrected[hosts]
    backgrounds, slopes = np.zeros(n), np.zeros((n, 3))
    for row in range(n):
        values = corrected.copy()
        values[row] = surroundings[row]
        backgrounds[row] = matrix[row] @ values
        slopes[row] = _slope(work, boxes[row], occupancy[row], fields, values)

    # Tissues once more, now as a whole: their counts are kept, whatever a tumour's border leaves to them.
    kept = _means(whole[n:], fields)
    tumour_part = np.maximum(corrected[:n], 0.0)
    corrected[n:] = corrected_means(measured[n:] - kept[:, :n] @ tumour_part, kept[:, n:])
    volumes = np.array([float(part.sum(dtype=np.float64)) for part in occupancy] + [math.nan])
    names = (*(segment.name for segment in segments), SURROUNDINGS)
    return Transfer(
        names=names,
        volumes_ml=_fixed(volumes * work.grid.voxel_volume_ml),
        matrix=_fixed(matrix),
        measured=_fixed(measured),
        corrected=_fixed(corrected),
        surroundings=_fixed(surroundings),
        backgrounds=_fixed(backgrounds),
        slopes=_fixed(slopes),
        refused=_refused(names[:n], matrix, corrected),
    )


def table_share(name: str, *, mean_gy: float, background_gy: float, recovery_fraction: float) -> TumourShare:
    """The same for a tumour that is corrected by a measured recovery coefficient, with normal tissue of one dose round it.

    Raises
    ------
    DomainError
        The surroundings explain more than the tumour's whole mean.
    """
    true_gy = corrected_mean_gy(mean_gy, background_gy, recovery_fraction=recovery_fraction)
    background = background_gy / positive(true_gy, "the corrected mean dose")
    return TumourShare(name, recovery_fraction, mean_gy / true_gy, background, background, _fixed(np.zeros(3)))


def _blurred(
    work: WorkGrid, occupancy: Sequence[FloatArray], boxes: Sequence[Box], tumours: int
) -> tuple[list[tuple[Box, FloatArray]], FloatArray, FloatArray]:
    """Blurred indicator of every region, the surroundings last; where the surroundings count; how far tumours reach."""
    shape = work.grid.shape
    covered, organ, reach = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    fields = []
    for row, (own, part) in enumerate(zip(boxes, occupancy, strict=True)):
        box = work.widened(own)
        local = np.zeros([side.stop - side.start for side in box], dtype=np.float32)
        local[inner(own, box)] = part
        covered[own] += part
        fields.append((box, work.blurred(local)))
        organ[box] += fields[-1][1]
        if row < tumours:
            reach[box] += fields[-1][1]
    everything: Box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    fields.append((everything, np.asarray(1.0 - organ)))
    # Where the organ reaches with 1 % or more, about one FWHM round it: farther organs have an uptake of their own.
    shell = np.where((covered < _OUTSIDE) & (organ > _CLEAR), np.float32(1.0), np.float32(0.0))
    return fields, shell, reach


def _means(regions: Sequence[tuple[Box, FloatArray]], fields: Sequence[tuple[Box, FloatArray]]) -> FloatArray:
    """Mean (regions, fields) over each measured region of each blurred indicator; rows add up to 1."""
    matrix = np.array([[_overlap(box, weight, place, blurred) for place, blurred in fields] for box, weight in regions])
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))  # the Gaussian is cut at its far ends


def _slope(
    work: WorkGrid,
    box: Box,
    weight: FloatArray,
    fields: Sequence[tuple[Box, FloatArray]],
    values: FloatArray,
) -> FloatArray:
    """Mean gradient (3,) per mm, over a region, of the image that the regions' ``values`` make."""
    around_box = work.widened(box)
    around = np.zeros([side.stop - side.start for side in around_box])
    for (place, blurred), value in zip(fields, values, strict=True):
        shared = common(around_box, place)
        if shared is not None:
            around[inner(shared, around_box)] += value * blurred[inner(shared, place)]
    inside = inner(box, around_box)
    steps = work.grid.spacing_mm
    return np.array([_weighted(np.gradient(around, steps[axis], axis=axis)[inside], weight) for axis in range(3)])


def _fixed(array: FloatArray) -> FloatArray:
    return np.asarray(read_only(array))


def _mean_in(image: Volume, segment: Segment) -> float:
    samples = sample_linear(image, segment.points(grids=[image.grid]))
    if samples.outside_fraction == 1.0:
        raise GeometryError(
            "the segment lies wholly outside the image",
            where=f"segment '{segment.name}'",
            remedy="check that image and segmentation belong to one frame of reference, or register them",
        )
    return float(samples.values.mean())


def _clear(occupancy: FloatArray, reach: FloatArray) -> FloatArray:
    """The part of a tissue that blurred tumours hardly reach; all of it where hardly anything is left."""
    clear = np.where(reach < _CLEAR, occupancy, np.float32(0.0))
    enough = clear.sum(dtype=np.float64) >= _LEAST_CLEAR * occupancy.sum(dtype=np.float64)
    return np.asarray(clear if enough else occupancy)


def _weighted(values: FloatArray, weight: FloatArray) -> float:
    return float(np.sum(values * weight, dtype=np.float64) / np.sum(weight, dtype=np.float64))


def _overlap(box: Box, weight: FloatArray, field_box: Box, blurred: FloatArray) -> float:
    """Mean over a measured region of a blurred indicator that is 0 outside its box."""
    shared = common(box, field_box)
    total = float(weight.sum(dtype=np.float64))
    if shared is None or total == 0.0:
        return 0.0
    product = weight[inner(shared, box)] * blurred[inner(shared, field_box)]
    return float(product.sum(dtype=np.float64)) / total


def _refused(names: Sequence[str], matrix: FloatArray, corrected: FloatArray) -> dict[str, str]:
    """Why a tumour is not corrected, for those that are not."""
    n = len(names)
    block = matrix[:n, :n]
    inflation = np.diag(np.linalg.inv(block)) * np.diag(block) if n else np.zeros(0)
    found = {}
    for row, name in enumerate(names):
        recovery = float(block[row, row])
        if recovery < _LEAST_RECOVERY:
            found[name] = f"recovery is {recovery:.3f}: at this resolution the image hardly shows it"
        elif not 0.0 < inflation[row] <= _MOST_INFLATION:
            other = names[int(np.argmax(np.where(np.arange(n) == row, -1.0, block[row])))]
            found[name] = f"the image cannot tell it from '{other}'"
        elif corrected[row] <= 0.0:
            found[name] = "its surroundings explain more than its whole mean"
    return found
