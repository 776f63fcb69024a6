"""Predicted against delivered: segments, lesions, recovered activity, and what lies beyond the limits that were stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ytterby.errors import DomainError
from ytterby.imaging.smooth import Smoothed
from ytterby.model.dose import CaseDose, Notice, SegmentDose
from ytterby.model.segment import Role
from ytterby.planning.agreement import Agreement, agreement, ratio_agreement
from ytterby.planning.gamma import GammaCriterion, GammaResult
from ytterby.planning.voxelwise import VoxelAgreement
from ytterby.units import positive

__all__ = [
    "RECOVERED_RANGE",
    "LesionAgreement",
    "Limits",
    "Resolution",
    "SegmentPair",
    "TumourToNormal",
    "Unmatched",
    "Verification",
    "VoxelComparison",
    "beyond_limits",
    "lesion_agreement",
    "matched_segments",
    "pair_notices",
    "unmatched_segments",
]

RECOVERED_RANGE = (0.8, 1.2)
"""Recovered fractions that are not flagged where the user states no limits: this program's own rule, no published limit."""

VOLUME_TOLERANCE_FRACTION = 0.05
"""Volumes of one segment in both cases may differ by so much; more, and it is hardly the same one (a rule of this program)."""

_SAME_ACTIVITY_FRACTION = 1e-3
_DIVIDED = (Role.NORMAL_LIVER, Role.PERFUSED_NORMAL)


@dataclass(frozen=True)
class Limits:
    """Limits that the user states; None: no flag is raised by it, save that of the recovered activity (``RECOVERED_RANGE``).

    ``mean_dose_fraction`` is the greatest difference of a segment's mean dose, over the predicted; ``d70_fraction`` alike.
    ``tumour_to_normal_fraction`` is that of a tumour's ratio to normal liver. ``gamma`` with ``gamma_passing_fraction`` is the
    least share of voxels that pass.
    """

    mean_dose_fraction: float | None = None
    d70_fraction: float | None = None
    tumour_to_normal_fraction: float | None = None
    recovered_fraction: tuple[float, float] | None = None
    gamma: GammaCriterion | None = None
    gamma_passing_fraction: float | None = None

    @property
    def recovered_range(self) -> tuple[float, float]:
        """Recovered fractions that are not flagged: the user's, else this program's own."""
        return self.recovered_fraction or RECOVERED_RANGE


@dataclass(frozen=True)
class SegmentPair:
    """One segment of both cases. ``ratio`` is delivered over predicted net activity.

    ``predicted_tn`` and ``delivered_tn`` are, for tumours, the mean dose over that of the case's normal liver.
    """

    predicted: SegmentDose
    delivered: SegmentDose
    ratio: float
    predicted_tn: TumourToNormal | None = None
    delivered_tn: TumourToNormal | None = None

    @property
    def segment(self) -> str:
        """Name of the segment."""
        return self.predicted.segment

    @property
    def role(self) -> Role:
        """Role of the segment."""
        return self.predicted.role

    @property
    def difference_gy(self) -> float:
        """Delivered - predicted mean dose."""
        return self.delivered.mean_dose_gy - self.predicted.mean_dose_gy

    @property
    def difference_fraction(self) -> float | None:
        """Difference over the predicted mean dose; None where that is not above 0."""
        return _relative(self.predicted.mean_dose_gy, self.delivered.mean_dose_gy)

    @property
    def rescaled_gy(self) -> float:
        """Predicted mean dose at the delivered net activity: dose is linear in activity."""
        return self.predicted.mean_dose_gy * self.ratio

    @property
    def rescaled_difference_fraction(self) -> float | None:
        """Delivered - rescaled over the rescaled dose; None where that is not above 0."""
        return _relative(self.rescaled_gy, self.delivered.mean_dose_gy)

    @property
    def difference_uncertainty_gy(self) -> float | None:
        """Standard uncertainty (k = 1) of the difference: both added in quadrature; None where one is not known.

        They are taken as independent. One contour used twice is an error that both share, so that this is an upper bound there.
        """
        one, other = self.predicted.mean_dose_uncertainty_gy, self.delivered.mean_dose_uncertainty_gy
        return None if one is None or other is None else math.hypot(one, other)

    @property
    def z(self) -> float | None:
        """Difference over its standard uncertainty; None where that is not known or is 0."""
        uncertainty_gy = self.difference_uncertainty_gy
        return self.difference_gy / uncertainty_gy if uncertainty_gy else None

    @property
    def volume_difference_fraction(self) -> float | None:
        """Delivered - predicted volume over the predicted; None where that is not above 0."""
        return _relative(self.predicted.volume_ml, self.delivered.volume_ml)


@dataclass(frozen=True)
class TumourToNormal:
    """Mean dose of a tumour over that of normal liver in the same case."""

    tn_ratio: float
    normal: str


@dataclass(frozen=True)
class Unmatched:
    """A segment that stands in one of the cases alone, or with another role in the other."""

    segment: str
    role: Role
    only_in: str


@dataclass(frozen=True)
class LesionAgreement:
    """Agreement of the tumours' mean doses: in Gy and as ratios, as predicted and rescaled to the delivered activity.

    ``left_out`` names tumours without a dose above 0, which have no ratio.
    """

    absolute: Agreement
    ratios: Agreement
    rescaled_absolute: Agreement
    rescaled_ratios: Agreement
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Resolution:
    """Resolutions of both images as the user states them, and what was done: the Gaussian by which one of them was smoothed."""

    predicted_fwhm_mm: float
    delivered_fwhm_mm: float
    smoothed: Smoothed
    kernel_fwhm_mm: float


@dataclass(frozen=True)
class VoxelComparison:
    """Figures of the voxels: as predicted, and with the predicted map rescaled to the delivered net activity.

    ``resolution`` is None where the user stated none: the maps were then compared as they are.
    """

    segments: tuple[VoxelAgreement, ...]
    rescaled: tuple[VoxelAgreement, ...]
    gamma: GammaResult | None
    resolution: Resolution | None
    registered_by: str = ""


@dataclass(frozen=True, eq=False)
class Verification:
    """Everything that the comparison of one patient found.

    ``flags`` are differences beyond a limit, ``notices`` what a reader has to know before the numbers are used. ``voxels`` is
    None where the dose maps could not be laid over each other.
    """

    patient_id: str
    predicted: CaseDose
    delivered: CaseDose
    ratio: float
    pairs: tuple[SegmentPair, ...]
    unmatched: tuple[Unmatched, ...]
    lesions: LesionAgreement
    limits: Limits
    voxels: VoxelComparison | None
    flags: tuple[Notice, ...]
    notices: tuple[Notice, ...]

    @property
    def is_rescaled(self) -> bool:
        """True where the net activities differ, so that the predicted dose is shown rescaled too."""
        return abs(self.ratio - 1.0) > _SAME_ACTIVITY_FRACTION


def matched_segments(predicted: CaseDose, delivered: CaseDose, *, ratio: float) -> tuple[SegmentPair, ...]:
    """Segments of the same name and role in both cases, in the order of the predicted one.

    ``ratio`` is delivered over predicted net activity.

    Raises
    ------
    DomainError
        The ratio is not above 0.
    """
    scale = positive(ratio, "ratio")
    others = {(row.segment, row.role): row for row in delivered.doses}
    return tuple(
        SegmentPair(
            row,
            others[row.segment, row.role],
            scale,
            _tumour_to_normal(predicted, row),
            _tumour_to_normal(delivered, others[row.segment, row.role]),
        )
        for row in predicted.doses
        if (row.segment, row.role) in others
    )


def unmatched_segments(predicted: CaseDose, delivered: CaseDose) -> tuple[Unmatched, ...]:
    """Segments that have no partner of the same name and role, first those of the predicted case."""
    one = {(row.segment, row.role) for row in predicted.doses}
    other = {(row.segment, row.role) for row in delivered.doses}
    return tuple(
        Unmatched(row.segment, row.role, only_in)
        for only_in, case, known in (("predicted", predicted, other), ("delivered", delivered, one))
        for row in case.doses
        if (row.segment, row.role) not in known
    )


def lesion_agreement(pairs: Sequence[SegmentPair]) -> LesionAgreement:
    """Agreement of the mean doses (Gy) of all tumours among ``pairs``; sources: ``planning.agreement``."""
    tumours = [pair for pair in pairs if pair.role is Role.TUMOUR]
    dosed = [pair for pair in tumours if min(pair.predicted.mean_dose_gy, pair.delivered.mean_dose_gy) > 0.0]

    def delivered(rows: Sequence[SegmentPair]) -> list[float]:
        return [pair.delivered.mean_dose_gy for pair in rows]

    return LesionAgreement(
        agreement([pair.predicted.mean_dose_gy for pair in tumours], delivered(tumours)),
        ratio_agreement([pair.predicted.mean_dose_gy for pair in dosed], delivered(dosed)),
        agreement([pair.rescaled_gy for pair in tumours], delivered(tumours)),
        ratio_agreement([pair.rescaled_gy for pair in dosed], delivered(dosed)),
        tuple(pair.segment for pair in tumours if pair not in dosed),
    )


def beyond_limits(
    pairs: Sequence[SegmentPair],
    limits: Limits,
    *,
    recovered_fraction: float | None,
    gamma: GammaResult | None,
) -> tuple[Notice, ...]:
    """What lies beyond the limits, in words; differences are of the predicted dose as it stands, not rescaled."""
    found = []
    for pair in pairs:
        for code, name, limit, apart in (
            ("mean_dose_beyond_limit", "mean dose", limits.mean_dose_fraction, pair.difference_fraction),
            ("d70_beyond_limit", "D70", limits.d70_fraction, _relative(pair.predicted.d70_gy, pair.delivered.d70_gy)),
            ("tn_beyond_limit", "tumour-to-normal ratio", limits.tumour_to_normal_fraction, _tn_difference(pair)),
        ):
            if limit is not None and apart is not None and abs(apart) > limit:
                text = f"{pair.segment}: the delivered {name} differs by {apart:+.1%}, beyond the stated limit of {limit:.1%}."
                found.append(Notice(code, text))
    low, high = limits.recovered_range
    if recovered_fraction is not None and not low <= recovered_fraction <= high:
        whose = "stated" if limits.recovered_fraction else "built-in"
        text = (
            f"The delivered image holds {recovered_fraction:.1%} of the net administered activity, beyond the {whose} limits of "
            f"{low:.0%} to {high:.0%}: check calibration, reference time and field of view."
        )
        found.append(Notice("recovery_beyond_limit", text))
    least = limits.gamma_passing_fraction
    if gamma is not None and least is not None and gamma.passing_fraction < least:
        text = (
            f"{gamma.passing_fraction:.1%} of the voxels pass the gamma criterion, fewer than the stated {least:.1%}."
        )
        found.append(Notice("gamma_beyond_limit", text))
    return tuple(found)


def pair_notices(
    predicted: CaseDose, delivered: CaseDose, pairs: Sequence[SegmentPair], *, ratio: float
) -> tuple[Notice, ...]:
    """What a reader has to know of two cases before the numbers are used: what differs between them besides the dose.

    Raises
    ------
    DomainError
        The two cases have no segment of the same name and role in common.
    """
    found = []
    if abs(ratio - 1.0) > _SAME_ACTIVITY_FRACTION:
        text = (
            f"The delivered net activity is {ratio:.3f} times the predicted one. The predicted dose stands as its case has it, "
            "and beside it rescaled to the delivered activity (dose is linear in activity)."
        )
        found.append(Notice("activities_differ", text))
    one, other = predicted.options, delivered.options
    for name, unit in (("energy_j_per_gbq", "J/GBq"), ("tissue_density_g_ml", "g/mL")):
        before, after = getattr(one, name), getattr(other, name)
        if before != after:
            text = f"{name} is {before:g} {unit} in the predicted case and {after:g} {unit} in the delivered one."
            found.append(Notice("constants_differ", text))
    if one.engine != other.engine:
        text = (
            f"The predicted dose is by {one.engine}, the delivered one by {other.engine}: "
            "their difference is partly one of method."
        )
        found.append(Notice("engines_differ", text))
    if delivered.balance.recovered_fraction is None:
        text = (
            "The delivered image is in counts: its doses share out the administered activity, so that they cannot show whether "
            "it was all there, and recovered activity cannot be checked."
        )
        found.append(Notice("delivered_is_relative", text))
    for pair in pairs:
        apart = pair.volume_difference_fraction
        if apart is not None and abs(apart) > VOLUME_TOLERANCE_FRACTION:
            text = (
                f"{pair.segment}: {pair.predicted.volume_ml:.1f} mL predicted and {pair.delivered.volume_ml:.1f} mL delivered "
                f"({apart:+.1%}): it is not the same segment, and its doses are not of the same tissue."
            )
            found.append(Notice("volumes_differ", text))
    left = unmatched_segments(predicted, delivered)
    if left:
        named = ", ".join(f"{row.segment} ({row.role.value}, {row.only_in})" for row in left)
        found.append(Notice("segments_unmatched", f"No partner of the same name and role, not compared: {named}."))
    if not pairs:
        raise DomainError(
            "the two cases have no segment of the same name and role in common",
            remedy="give the segments the same names and roles in both cases",
        )
    return tuple(found)


def _relative(baseline: float | None, value: float | None) -> float | None:
    return None if baseline is None or value is None or baseline <= 0.0 else value / baseline - 1.0


def _tn_difference(pair: SegmentPair) -> float | None:
    if pair.predicted_tn is None or pair.delivered_tn is None or pair.predicted_tn.normal != pair.delivered_tn.normal:
        return None
    return _relative(pair.predicted_tn.tn_ratio, pair.delivered_tn.tn_ratio)


def _tumour_to_normal(case: CaseDose, row: SegmentDose) -> TumourToNormal | None:
    """Tumour over normal liver: the perfused part of it where there is one, else the whole; None for other roles."""
    if row.role is not Role.TUMOUR:
        return None
    for role in reversed(_DIVIDED):
        normal = [other for other in case.doses if other.role is role and other.mean_dose_gy > 0.0]
        if normal:
            return TumourToNormal(row.mean_dose_gy / normal[0].mean_dose_gy, normal[0].segment)
    return None
