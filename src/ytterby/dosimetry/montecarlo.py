"""Monte Carlo of a corrected tumour dose: hypotheses on its true boundary, place, blur, noise and delivery, drawn and inverted.

What was measured stays as it is: the mean of the image in the segment as drawn. Each draw supposes how far the true boundary
lies from the drawn one, how far the tumour is shifted in the image, and so on, and asks which dose then makes the measured mean.
The percentiles of the answers are the interval. For a single error that acts in one direction it covers the truth as often as the
error lies within its own percentiles, however strong and crooked its effect. Theory: docs/theory/uncertainty.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import fft, ndimage, special

from ytterby.dosimetry.recovery import effective_fwhm_mm
from ytterby.dosimetry.transfer import TumourShare
from ytterby.errors import DomainError
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.dose import Notice
from ytterby.model.segment import Segment
from ytterby.model.uncertainty import Delivery, DoseInterval, UncertaintyInputs
from ytterby.model.volume import FloatArray, Grid
from ytterby.units import positive

__all__ = ["dose_interval"]

_REACH = 3.5  # standard deviations of the blur round the segment
_ACROSS = 44  # voxels of the working box along an axis, about
_COARSEST_PER_SIGMA = 0.6  # width of a working voxel over the standard deviation of the blur, at most
_LADDER = 9  # shifts of the boundary at which the forward model is computed
_WIDEST = 3.0  # standard deviations to the ends of the ladder
_LEAST_SHARE = 0.10  # of the drawn volume: no hypothesis on the true lesion is smaller
_LEAST_DRAWS = 200
_TO_BOUNDARY = ((1.0, 1.5), (0.5, 0.33))  # distance between centres, and what of it lies beyond the boundary; in voxels
_NARROW, _WIDE = special.ndtr(np.array([-1.0, 1.0])), (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class _Ladder:
    """Forward model of one tumour by the shift of its boundary (mm, outward positive), rising.

    ``overlaps``: mean in the drawn segment of the blurred true one; ``curvatures``: second
    derivatives (3,) of the logarithm of the overlap by a shift in place; ``broadening``: derivative of the logarithm by the FWHM.
    """

    shifts_mm: FloatArray = field(repr=False)
    overlaps: FloatArray = field(repr=False)
    curvatures: FloatArray = field(repr=False)
    broadening: FloatArray = field(repr=False)
    correlation: np.floating
    floored: bool


def dose_interval(
    tumour: Segment,
    share: TumourShare,
    *,
    corrected_gy: float,
    inputs: UncertaintyInputs,
    deliveries: Sequence[Delivery],
    image: Grid,
    seed: int,
    draws: int = 2000,
) -> DoseInterval:
    """Median, 95 % interval and k = 1 of a corrected mean dose, from ``draws`` stratified draws of everything that is stated.

    The k = 1 value is half the width of the central 68.27 % of the draws. The same seed gives the same numbers.

    Raises
    ------
    DomainError
        Fewer than 200 draws, or a dose that is not above 0.
    """
    positive(corrected_gy, "corrected_gy")
    if draws < _LEAST_DRAWS:
        raise DomainError(f"{draws} draws give no 95 % interval", remedy=f"take at least {_LEAST_DRAWS}")
    normal = _stratified_normal(seed, draws, 7 + 3 * len(deliveries))
    ladder = _ladder(tumour, inputs, image)

    # Outward: the true lesion reaches beyond the drawn one.
    reach_mm = np.clip(normal[0] * inputs.boundary_sd_mm, ladder.shifts_mm[0], ladder.shifts_mm[-1])
    place_mm = normal[1:4] * (inputs.registration_mm or 0.0)
    overlap = np.exp(np.interp(reach_mm, ladder.shifts_mm, np.log(ladder.overlaps)))
    for axis in range(3):
        overlap *= np.exp(0.5 * np.interp(reach_mm, ladder.shifts_mm, ladder.curvatures[:, axis]) * place_mm[axis] ** 2)
    overlap *= np.exp(
        np.interp(reach_mm, ladder.shifts_mm, ladder.broadening) * normal[4] * (inputs.fwhm_uncertainty_mm or 0.0)
    )
    centre = np.exp(np.interp(0.0, ladder.shifts_mm, np.log(ladder.overlaps)))
    recovery = share.recovery_fraction * overlap / centre

    noise = (inputs.noise_fraction or 0.0) * math.sqrt(ladder.correlation)
    measured = share.measured_fraction * np.exp(normal[5] * noise)
    background = share.background_fraction + share.background_slope @ place_mm
    true = share.surrounding_fraction + (measured - background) / recovery
    true = np.maximum(true, 0.0)

    # The counts that share out the activity are those of the whole organ, which no hypothesis on one tumour changes.
    calibration = np.exp(normal[6] * (inputs.calibration_fraction or 0.0))
    dose = corrected_gy * true * calibration * _delivered(normal[7:], inputs, deliveries)

    low, high = np.quantile(dose, _WIDE)
    near, far = np.quantile(dose, _NARROW)
    return DoseInterval(
        segment=tumour.name,
        median_gy=float(np.median(dose)),
        standard_gy=float(far - near) / 2.0,
        low_gy=float(low),
        high_gy=float(high),
        draws=draws,
        seed=seed,
        left_out=inputs.left_out,
        notices=_notices(tumour, inputs, ladder),
    )


def _delivered(normal: FloatArray, inputs: UncertaintyInputs, deliveries: Sequence[Delivery]) -> FloatArray:
    """Activity that stayed in the liver over what was stated, (draws,), weighted by each session's share of the dose."""
    whole = math.fsum(one.dose_share_fraction for one in deliveries)
    if not whole > 0:
        raise DomainError(
            "no session gave any of the dose", remedy="state the deliveries with their shares of the dose"
        )
    delivered = np.zeros(normal.shape[1])
    for n, one in enumerate(deliveries):
        activity, shunt, residual = normal[3 * n : 3 * n + 3]
        passed = np.clip(one.lung_shunt_fraction + shunt * (inputs.lung_shunt_sd_fraction or 0.0), 0.0, 1.0)
        left = np.clip(one.residual_fraction + residual * (inputs.residual_sd_fraction or 0.0), 0.0, 1.0)
        delivered += (
            (one.dose_share_fraction / whole)
            * np.maximum(1.0 + activity * (inputs.activity_fraction or 0.0), 0.0)
            * (1.0 - passed)
            / (1.0 - one.lung_shunt_fraction)
            * (1.0 - left)
            / (1.0 - one.residual_fraction)
        )
    return delivered


def _stratified_normal(seed: int, draws: int, dimensions: int) -> FloatArray:
    """Standard normal draws (dimensions, draws), one in each of ``draws`` equally likely strata of every dimension."""
    rng = np.random.default_rng(seed)
    strata = rng.permuted(np.tile(np.arange(draws), (dimensions, 1)), axis=1)
    return np.asarray(special.ndtri((strata + rng.random((dimensions, draws))) / draws))


def _ladder(tumour: Segment, inputs: UncertaintyInputs, image: Grid) -> _Ladder:
    """The forward model at shifts of the boundary, by Fourier transforms in a box round the segment."""
    sigma_mm = effective_fwhm_mm(inputs.fwhm_mm, voxel_mm=image.spacing_mm) / FWHM_PER_SIGMA
    farthest_mm = _WIDEST * inputs.boundary_sd_mm
    distance_mm, step_mm, voxel_mm = _signed_distance(
        tumour, margin_mm=_REACH * sigma_mm + farthest_mm, sigma_mm=sigma_mm
    )
    shifts = np.linspace(-farthest_mm, farthest_mm, _LADDER) if farthest_mm > 0 else np.zeros(1)

    drawn = _indicator(distance_mm, 0.0, step_mm)
    volume = drawn.sum(dtype=np.float64)
    thresholds = _thresholds(distance_mm, shifts, step_mm, voxel_mm)
    least = float(_indicator(distance_mm, float(thresholds[0]), step_mm).sum(dtype=np.float64)) / volume
    floored = least < _LEAST_SHARE
    if floored:  # the ladder starts where the least lesion is left
        shares = [_indicator(distance_mm, float(one), step_mm).sum(dtype=np.float64) / volume for one in thresholds]
        shifts = np.linspace(np.interp(_LEAST_SHARE, shares, shifts), farthest_mm, _LADDER)
        thresholds = _thresholds(distance_mm, shifts, step_mm, voxel_mm)

    waves = [2.0 * np.pi * np.fft.fftfreq(n, step) for n, step in zip(drawn.shape, step_mm, strict=True)]
    waves[2] = 2.0 * np.pi * np.fft.rfftfreq(drawn.shape[2], step_mm[2])
    k = np.meshgrid(*[wave.astype(np.float32) for wave in waves], indexing="ij", sparse=True)
    # The soft edge of the indicators blurs both of them by a box of one voxel.
    soft = sum((one * step) ** 2 for one, step in zip(k, step_mm, strict=True)) / 12.0
    squared = k[0] ** 2 + k[1] ** 2 + k[2] ** 2
    half = np.full(k[2].shape, 2.0, dtype=np.float32)  # the transform of real numbers holds one half of the waves
    half[..., 0] = 1.0
    if drawn.shape[2] % 2 == 0:
        half[..., -1] = 1.0
    drawn_wave = np.conj(fft.rfftn(drawn))
    weight = half * np.exp(-0.5 * sigma_mm**2 * squared + soft)
    overlaps, curvatures, broadening = np.zeros(len(shifts)), np.zeros((len(shifts), 3)), np.zeros(len(shifts))
    for n, threshold in enumerate(thresholds):
        power = (drawn_wave * fft.rfftn(_indicator(distance_mm, float(threshold), step_mm))).real * weight
        whole = power.sum(dtype=np.float64)
        overlaps[n] = whole / (drawn.size * volume)
        for axis in range(3):
            curvatures[n, axis] = -float((power * k[axis] ** 2).sum(dtype=np.float64)) / whole
        # d/dFWHM of exp(-sigma^2 k^2 / 2), with sigma^2 of the image alone in FWHM^2.
        broadening[n] = curvatures[n].sum() * inputs.fwhm_mm / FWHM_PER_SIGMA**2
    # Noise is white noise after the image's blur: two points at distance r share exp(-r^2 / (4 sigma^2)) of its variance.
    noise_sigma_mm = inputs.fwhm_mm / FWHM_PER_SIGMA
    shared = half * np.exp(-(noise_sigma_mm**2) * squared) * np.abs(drawn_wave) ** 2
    density = float(shared.sum(dtype=np.float64)) / (drawn.size * volume**2 * float(np.prod(step_mm)))
    correlation = np.float64(min(1.0, (4.0 * np.pi * noise_sigma_mm**2) ** 1.5 * density))
    return _Ladder(shifts, overlaps, curvatures, broadening, correlation, floored)


def _indicator(distance_mm: FloatArray, shift_mm: float, step_mm: FloatArray) -> FloatArray:
    """Share of each voxel within the boundary moved outward by ``shift_mm``, by a soft edge one voxel wide."""
    width = float(np.prod(step_mm)) ** (1.0 / 3.0)
    return np.asarray(np.clip(0.5 + (shift_mm - distance_mm) / width, 0.0, 1.0), dtype=np.float32)


def _thresholds(
    distance_mm: FloatArray, shifts_mm: FloatArray, step_mm: FloatArray, voxel_mm: np.floating
) -> FloatArray:
    """Distances at which the boundary lies that is shifted by ``shifts_mm``.

    A distance from voxel centre to voxel centre is true from one and a half voxels on and stepped before. The cube root of the
    volume goes smoothly with the shift (for a ball it is a line), so a parabola through the drawn volume and those at 1.5, 2 and
    2.5 voxels says which volume belongs to a smaller shift, and the distance with that volume is taken.
    """
    farthest = max(float(np.max(np.abs(shifts_mm))), 2.5 * float(voxel_mm))
    places = np.linspace(-farthest, farthest, 41)
    roots = np.cbrt([_indicator(distance_mm, float(one), step_mm).sum(dtype=np.float64) for one in places])
    drawn = np.interp(0.0, places, roots)
    anchors = np.array([sign * n * float(voxel_mm) for sign in (-1.0, 1.0) for n in (1.5, 2.0, 2.5)])
    at = np.interp(anchors, places, roots)
    seen = at > 0.4 * drawn  # hardly anything is left of a small lesion 2.5 voxels within
    design = np.stack([anchors[seen], anchors[seen] ** 2], axis=1)
    slope, bend = np.linalg.lstsq(design, at[seen] - drawn, rcond=None)[0]
    small = np.abs(shifts_mm) < 1.5 * float(voxel_mm)
    wanted = np.clip(drawn + slope * shifts_mm + bend * shifts_mm**2, roots[0], roots[-1])
    return np.where(small, np.interp(wanted, roots, places), shifts_mm)


def _signed_distance(
    tumour: Segment, *, margin_mm: float, sigma_mm: float
) -> tuple[FloatArray, FloatArray, np.floating]:
    """Distance (mm) to the boundary, below 0 inside, in a box with a margin; the box's voxel (3,); the distance's voxel."""
    box = tumour.bounding_box()
    spacing = np.array(tumour.grid.spacing_mm)
    size_mm = np.array([side.stop - side.start for side in box]) * spacing
    step = np.minimum(np.maximum(spacing, (size_mm + 2 * margin_mm) / _ACROSS), _COARSEST_PER_SIGMA * sigma_mm)
    # The distance is found on the mask's own voxels, joined where they are much finer than needed, then taken over to ``step``.
    joined = np.maximum(1, np.floor(step / spacing)).astype(int)
    mask = tumour.mask[box]
    if joined.max() > 1:
        padded = np.pad(mask, [(0, -size % int(n)) for size, n in zip(mask.shape, joined, strict=True)])
        shape = [part for size, n in zip(padded.shape, joined, strict=True) for part in (size // n, n)]
        mask = padded.reshape(shape).mean(axis=(1, 3, 5)) >= 0.5
        spacing = spacing * joined
    pad = [int(n) for n in np.ceil(margin_mm / spacing) + 1]
    mask = np.pad(mask, [(n, n) for n in pad])
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    # Distances run from voxel centre to voxel centre. The boundary lies before the other one: half a voxel for neighbours, about
    # a third farther off, where the nearest of many centres is found (by the volumes of digital ellipsoids).
    voxel = float(np.prod(spacing)) ** (1.0 / 3.0)
    distance = np.where(mask, -inside, outside)
    distance = (distance - np.sign(distance) * voxel * np.interp(np.abs(distance) / voxel, *_TO_BOUNDARY)).astype(
        np.float32
    )
    sides = [fft.next_fast_len(int(n), real=True) for n in np.ceil(np.array(mask.shape) * spacing / step)]
    centre = (np.array(mask.shape) - 1) / 2.0
    offset = centre - (np.array(sides) - 1) / 2.0 * step / spacing
    if np.allclose(step, spacing):
        offset = np.round(offset)
    moved = ndimage.affine_transform(
        distance, step / spacing, offset=offset, output_shape=tuple(sides), order=1, mode="nearest"
    )
    return np.asarray(moved), step, np.float64(voxel)


def _notices(tumour: Segment, inputs: UncertaintyInputs, ladder: _Ladder) -> tuple[Notice, ...]:
    if not ladder.floored:
        return ()
    text = (
        f"{tumour.name}: within three standard deviations of its boundary ({inputs.boundary_sd_mm:.1f} mm) less than "
        f"{_LEAST_SHARE:.0%} of it would be left. Smaller lesions were not supposed: the upper end of its interval is no limit."
    )
    return (Notice("boundary_floor", text),)
