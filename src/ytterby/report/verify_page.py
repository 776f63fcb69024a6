"""The page of a verification: one HTML file that needs nothing beside it. Numbers are rounded here, and only here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ytterby.imaging.smooth import Smoothed
from ytterby.model.dose import CaseDose, SegmentDose, joint_mean_dose_gy
from ytterby.model.segment import Role, Segment
from ytterby.planning.agreement import Agreement, Estimate
from ytterby.planning.verify import Limits, SegmentPair, Verification, VoxelComparison
from ytterby.planning.voxelwise import WITHIN_FRACTIONS, DoseMaps, VoxelAgreement
from ytterby.report.case_figures import png_bytes, svg_bytes
from ytterby.report.case_marks import Mark, marks
from ytterby.report.case_sections import ENGINE_NAMES
from ytterby.report.numbers import NOT_AVAILABLE, fixed
from ytterby.report.single_page import data_url, page_template
from ytterby.report.verify_figures import agreement_figure, difference_figure, histogram_pairs_figure

__all__ = ["verify_html", "write_verify_page"]

_MINUS = "\u2212"
_POINTS = (
    ("D98", "d98_gy"),
    ("D95", "d95_gy"),
    ("D90", "d90_gy"),
    ("D70", "d70_gy"),
    ("D50", "d50_gy"),
    ("D2", "d2_gy"),
)
_ESTIMATES = (
    ("Bias (mean difference; mean ratio)", "bias"),
    ("Lower limit of agreement", "lower"),
    ("Upper limit of agreement", "upper"),
    ("Concordance (Lin)", "concordance"),
    ("Correlation (Pearson)", "correlation"),
)


def write_verify_page(
    path: Path,
    *,
    found: Verification,
    maps: DoseMaps | None,
    segments: Sequence[Segment],
    simulated: bool,
    software: str,
) -> None:
    """Write the page of a verification to ``path``: one file, images inside, the same bytes for the same input.

    ``maps`` are the dose maps that were compared (None: they could not be), ``segments`` those of the predicted case.
    """
    page = verify_html(found=found, maps=maps, segments=segments, simulated=simulated, software=software)
    path.write_bytes(page.encode("utf-8"))


def verify_html(
    *, found: Verification, maps: DoseMaps | None, segments: Sequence[Segment], simulated: bool, software: str
) -> str:
    """The page of ``write_verify_page`` as text."""
    shown = marks(found.predicted, segments)
    planes = None if maps is None else difference_figure(found, maps, segments=segments, simulated=simulated)
    agreed = agreement_figure(found, segments=segments, simulated=simulated)
    curves = histogram_pairs_figure(found, segments=segments, simulated=simulated)
    return page_template("verify.html").render(
        patient_id=found.patient_id,
        simulated=simulated,
        software=software,
        flags=found.flags,
        notices=found.notices,
        sides=[_side("Predicted", found.predicted), _side("Delivered", found.delivered)],
        headline=_headline(found),
        is_rescaled=found.is_rescaled,
        ratio=fixed(found.ratio, 3),
        rows=[_row(pair, shown) for pair in found.pairs],
        has_uncertainty=any(pair.z is not None for pair in found.pairs),
        point_names=[name for name, _ in _POINTS],
        points=[_point_rows(pair, shown) for pair in found.pairs if pair.role is not Role.LUNGS],
        contrasts=[_contrast(pair, shown) for pair in found.pairs if pair.predicted_tn and pair.delivered_tn],
        agreement=_agreement_rows(found),
        lesions=found.lesions,
        voxels=None if found.voxels is None else _voxels(found, found.voxels, shown),
        within_names=[f"{100 * limit:g}" for limit in WITHIN_FRACTIONS],
        limits=_limit_rows(found.limits),
        unmatched=[f"{row.segment} ({row.role.value}, {row.only_in} only)" for row in found.unmatched],
        inherited=[("predicted", one) for one in found.predicted.notices]
        + [("delivered", one) for one in found.delivered.notices],
        planes=None if planes is None else data_url("image/png", png_bytes(planes)),
        agreement_plot=None if agreed is None else data_url("image/svg+xml", svg_bytes(agreed)),
        histograms=None if curves is None else data_url("image/svg+xml", svg_bytes(curves)),
    )


def _side(name: str, case: CaseDose) -> dict[str, str]:
    balance, options = case.balance, case.options
    return {
        "name": name,
        "image": "counts, shared out" if balance.recovered_fraction is None else "activity concentration (Bq/mL)",
        "administered": fixed(balance.administered_gbq, 3),
        "net": fixed(balance.administered_gbq - balance.residual_gbq, 3),
        "liver": _activity(balance.liver_gbq),
        "lungs": _activity(balance.lung_gbq),
        "elsewhere": _activity(balance.outside_gbq),
        "recovered": _percent(balance.recovered_fraction),
        "constants": f"{options.energy_j_per_gbq:.6g} J/GBq, {options.tissue_density_g_ml:g} g/mL",
        "engine": ENGINE_NAMES.get(options.engine, options.engine).partition(" (")[0],
    }


def _activity(activity_gbq: float) -> str:
    """Three decimals, and no minus before what rounds to nothing."""
    return _plain_minus(fixed(round(activity_gbq, 3) + 0.0, 3))


def _headline(found: Verification) -> list[dict[str, str]]:
    """What a reader looks for first: each as predicted and as delivered."""
    cards = []
    for name, role, note in (
        ("Tumours (MAD)", Role.TUMOUR, "mean absorbed dose, energy over mass of all"),
        ("Perfused normal liver", Role.PERFUSED_NORMAL, "perfused volume without tumours"),
        ("Whole normal liver", Role.NORMAL_LIVER, "liver without tumours"),
    ):
        before_gy, after_gy = (joint_mean_dose_gy(_of_role(case, role)) for case in (found.predicted, found.delivered))
        cards.append(
            {
                "name": name,
                "value": NOT_AVAILABLE
                if before_gy is None and after_gy is None
                else f"{fixed(before_gy, 1)} \u2192 {fixed(after_gy, 1)}",
                "unit": "Gy",
                "note": f"{_change(before_gy, after_gy)}; {note}"
                if before_gy is not None and after_gy is not None
                else "not in both cases",
            }
        )
    recovered = found.delivered.balance.recovered_fraction
    cards.append(
        {
            "name": "Recovered activity",
            "value": _percent(recovered),
            "unit": "%",
            "note": "of the net activity, in the delivered image"
            if recovered is not None
            else "not known: the delivered image is in counts",
        }
    )
    bias = found.lesions.ratios.bias
    cards.append(
        {
            "name": "Lesions, delivered / predicted",
            "value": NOT_AVAILABLE if bias is None else fixed(bias.value, 2),
            "unit": "",
            "note": f"geometric mean of {found.lesions.ratios.n}",
        }
    )
    return cards


def _of_role(case: CaseDose, role: Role) -> list[SegmentDose]:
    return [row for row in case.doses if row.role is role]


def _chip(pair: SegmentPair, shown: dict[str, Mark]) -> dict[str, Any]:
    mark = shown[pair.segment]
    return {
        "name": pair.segment,
        "role": pair.role.value.replace("_", " "),
        "colour": mark.colour,
        "number": mark.number,
    }


def _row(pair: SegmentPair, shown: dict[str, Mark]) -> dict[str, Any]:
    return {
        **_chip(pair, shown),
        "before_ml": fixed(pair.predicted.volume_ml, 1),
        "after_ml": fixed(pair.delivered.volume_ml, 1),
        "before": fixed(pair.predicted.mean_dose_gy, 1),
        "rescaled": fixed(pair.rescaled_gy, 1),
        "after": fixed(pair.delivered.mean_dose_gy, 1),
        "difference": _signed(pair.difference_gy, 1),
        "percent": _signed_percent(pair.difference_fraction),
        "rescaled_percent": _signed_percent(pair.rescaled_difference_fraction),
        "uncertainty": fixed(pair.difference_uncertainty_gy, 1),
        "z": _signed(pair.z, 1),
    }


def _point_rows(pair: SegmentPair, shown: dict[str, Mark]) -> dict[str, Any]:
    """D98 to D2 of both cases."""
    return {
        **_chip(pair, shown),
        "before": [fixed(getattr(pair.predicted, name), 1) for _, name in _POINTS],
        "after": [fixed(getattr(pair.delivered, name), 1) for _, name in _POINTS],
        "v100_before": _percent(pair.predicted.v100gy_fraction),
        "v100_after": _percent(pair.delivered.v100gy_fraction),
    }


def _contrast(pair: SegmentPair, shown: dict[str, Mark]) -> dict[str, Any]:
    before, after = pair.predicted_tn, pair.delivered_tn
    assert before is not None
    assert after is not None
    same = before.normal == after.normal
    return {
        **_chip(pair, shown),
        "before": fixed(before.tn_ratio, 2),
        "after": fixed(after.tn_ratio, 2),
        "change": _change(before.tn_ratio, after.tn_ratio) if same else "different normal tissue",
        "normal": before.normal if same else f"{before.normal}; {after.normal}",
    }


def _agreement_rows(found: Verification) -> list[dict[str, str]]:
    lesions = found.lesions
    columns = [("absolute", lesions.absolute, 1), ("ratios", lesions.ratios, 2)]
    if found.is_rescaled:
        columns += [("rescaled", lesions.rescaled_absolute, 1), ("rescaled_ratios", lesions.rescaled_ratios, 2)]
    rows = []
    for name, field in _ESTIMATES:
        decimals = 3 if field in ("concordance", "correlation") else None
        cells = {key: _estimate(_get(agreed, field), decimals or places) for key, agreed, places in columns}
        rows.append({"name": name, **cells})
    return rows


def _get(agreed: Agreement, field: str) -> Estimate | None:
    estimate: Estimate | None = getattr(agreed, field)
    return estimate


def _estimate(estimate: Estimate | None, decimals: int) -> str:
    if estimate is None:
        return NOT_AVAILABLE
    text = _plain_minus(fixed(estimate.value, decimals))
    if estimate.interval is None:
        return text
    low, high = (_plain_minus(fixed(end, decimals)) for end in estimate.interval)
    return f"{text} ({low} to {high})"


def _voxels(found: Verification, voxels: VoxelComparison, shown: dict[str, Mark]) -> dict[str, Any]:
    pairs = {pair.segment: pair for pair in found.pairs}
    rescaled = {row.segment: row for row in voxels.rescaled}
    gamma = voxels.gamma
    return {
        "rows": [
            {**_chip(pairs[row.segment], shown), **_voxel_row(row), "rescaled": _rms(rescaled.get(row.segment))}
            for row in voxels.segments
        ],
        "resolution": _resolution(voxels),
        "gamma": None
        if gamma is None
        else {
            "passing": _percent(gamma.passing_fraction),
            "dose": f"{100 * gamma.criterion.dose_fraction:g} % of the greatest predicted dose ({fixed(gamma.dose_gy, 1)} Gy)",
            "distance": f"{gamma.criterion.distance_mm:g} mm",
            "n": f"{gamma.n_voxels:,}",
        },
    }


def _voxel_row(row: VoxelAgreement) -> dict[str, Any]:
    return {
        "before": fixed(row.predicted_mean_gy, 1),
        "after": fixed(row.delivered_mean_gy, 1),
        "difference": _signed(row.mean_difference_gy, 1),
        "rms": fixed(row.rms_difference_gy, 1),
        "p95": fixed(row.p95_difference_gy, 1),
        "correlation": _plain_minus(fixed(row.correlation, 3)),
        "within": [_percent(share) for _, share in row.within],
    }


def _rms(row: VoxelAgreement | None) -> str:
    return NOT_AVAILABLE if row is None else fixed(row.rms_difference_gy, 1)


def _resolution(voxels: VoxelComparison) -> str:
    found = voxels.resolution
    if found is None:
        return "Resolutions not matched: none are stated, and the maps are compared as they are."
    stated = (
        f"Stated resolution: predicted {found.predicted_fwhm_mm:g} mm, delivered {found.delivered_fwhm_mm:g} mm FWHM."
    )
    if found.smoothed is Smoothed.NEITHER:
        return f"{stated} They are equal, and neither map was smoothed."
    return f"{stated} The {found.smoothed.value} map was smoothed by a Gaussian of {found.kernel_fwhm_mm:.2f} mm FWHM."


def _limit_rows(limits: Limits) -> list[tuple[str, str, str]]:
    """Every limit that was used: what, how much, and whose."""
    rows = [
        (name, f"\u00b1 {100 * limit:g} % of the predicted", "stated by the user")
        for name, limit in (
            ("Mean dose of a segment", limits.mean_dose_fraction),
            ("D70 of a segment", limits.d70_fraction),
            ("Tumour-to-normal ratio", limits.tumour_to_normal_fraction),
        )
        if limit is not None
    ]
    low, high = limits.recovered_range
    whose = "stated by the user" if limits.recovered_fraction else "built in: no published limit"
    rows.append(("Recovered activity", f"{100 * low:g} to {100 * high:g} %", whose))
    if limits.gamma is not None:
        least = limits.gamma_passing_fraction
        amount = f"{100 * limits.gamma.dose_fraction:g} %, {limits.gamma.distance_mm:g} mm"
        amount += f"; at least {100 * least:g} % pass" if least is not None else "; no least share stated"
        rows.append(("Gamma (global)", amount, "stated by the user"))
    return rows


def _change(baseline: float | None, value: float | None) -> str:
    if baseline is None or value is None or baseline <= 0:
        return "no change can be given"
    return f"{_signed_percent(value / baseline - 1.0)} %"


def _signed(value: float | None, decimals: int) -> str:
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    rounded = round(value, decimals)
    return _plain_minus(f"{rounded:+,.{decimals}f}") if rounded else f"{0.0:.{decimals}f}"


def _signed_percent(share_fraction: float | None) -> str:
    return _signed(None if share_fraction is None else 100.0 * share_fraction, 1)


def _plain_minus(text: str) -> str:
    return text.replace("-", _MINUS)


def _percent(share_fraction: float | None) -> str:
    return fixed(None if share_fraction is None else 100.0 * share_fraction, 1)
