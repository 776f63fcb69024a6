"""Figures of a verification: predicted, delivered and their difference on three planes; agreement of lesions; histogram pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize, PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ytterby.model.dose import DoseVolumeHistogram
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray
from ytterby.planning.agreement import Agreement
from ytterby.planning.verify import SegmentPair, Verification
from ytterby.planning.voxelwise import DoseMaps
from ytterby.report.case_figures import add_segments_legend
from ytterby.report.case_marks import Mark, label, marks, stacking
from ytterby.report.case_panels import Layout, add_scale, canvas, coloured, contours, draw_lines, panel
from ytterby.report.case_planes import (
    Plane,
    display_region,
    focus_mm,
    planes_through,
    sample_mask,
    sample_volume,
)
from ytterby.report.style import house_style, mark_simulated

__all__ = ["agreement_figure", "difference_figure", "histogram_pairs_figure"]

_RAMP = np.linspace(0.0, 1.0, 256)
# The dose wash of a case's report: turbo without its darkest ends.
_WASH = ListedColormap(matplotlib.colormaps["turbo"](np.linspace(0.06, 0.91, 256)))
_DIFFERENCE = matplotlib.colormaps["bwr"]
_WASH_FROM_FRACTION = 0.02
_LEGEND_COLUMNS, _LEGEND_ROWS = 5, 3
_MOST_HISTOGRAMS = 12
_DASHED = (0, (4, 2))
_FINE_RATIOS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0)


@dataclass(frozen=True)
class _Cut:
    """What lies on one plane; ``compared`` is the part of it that the region compared covers, 0 to 1."""

    plane: Plane
    predicted_gy: FloatArray
    delivered_gy: FloatArray
    difference_gy: FloatArray
    compared: FloatArray
    outlines: tuple[tuple[Role, Mark, list[FloatArray]], ...] = field(repr=False)


def difference_figure(
    found: Verification, maps: DoseMaps, *, segments: Sequence[Segment], simulated: bool = False
) -> Figure:
    """Predicted, delivered and delivered - predicted dose in three rows, on the axial, coronal and sagittal plane.

    The planes go through the hottest tumour of the predicted case. Both doses have one scale (square root, Gy); differences are
    blue where less was delivered, red where more, white at 0, and grey outside the region that was compared.
    """
    shown = marks(found.predicted, segments)
    drawn = sorted(
        (s for s in segments if not s.is_empty and s.role in (Role.LIVER, Role.PERFUSED, Role.TUMOUR)),
        key=lambda segment: stacking(segment.role),
    )
    region = display_region(drawn, maps.predicted.grid)
    focus = focus_mm(found.predicted, drawn, maps.predicted)
    point_mm = [
        min(max(value, low), high) for value, low, high in zip(focus, region.lower_mm, region.upper_mm, strict=True)
    ]
    planes = planes_through((point_mm[0], point_mm[1], point_mm[2]), region)
    cuts = [_cut(plane, maps, drawn, shown) for plane in planes]
    named = [(s.name, shown[s.name]) for s in sorted(drawn, key=lambda s: -stacking(s.role))]
    named = named[: _LEGEND_COLUMNS * _LEGEND_ROWS]
    layout = Layout(planes, 3, math.ceil(len(named) / _LEGEND_COLUMNS))
    with house_style():
        figure = canvas(layout.width_inches, layout.height_inches)
        layout.write_headings(figure, ["Predicted", "Delivered", "Delivered \u2212 predicted"])
        top_gy = _round_top([cut.predicted_gy for cut in cuts] + [cut.delivered_gy for cut in cuts])
        _dose_row(figure, layout, 0, cuts, [cut.predicted_gy for cut in cuts], top_gy=top_gy)
        _dose_row(figure, layout, 1, cuts, [cut.delivered_gy for cut in cuts], top_gy=top_gy)
        _difference_row(figure, layout, cuts)
        if named:
            add_segments_legend(figure, named)
        mark_simulated(figure, simulated=simulated)
    return figure


def _cut(plane: Plane, maps: DoseMaps, segments: Sequence[Segment], shown: Mapping[str, Mark]) -> _Cut:
    where = maps.difference.with_array(maps.compared.astype(np.float32))
    outlines = [(one, contours(plane, sample_mask(one, plane), 0.5)) for one in segments]
    return _Cut(
        plane,
        sample_volume(maps.predicted, plane),
        sample_volume(maps.delivered, plane),
        sample_volume(maps.difference, plane),
        sample_volume(where, plane),
        tuple((one.role, shown[one.name], lines) for one, lines in outlines if lines),
    )


def _dose_row(
    figure: Figure, layout: Layout, row: int, cuts: Sequence[_Cut], doses_gy: Sequence[FloatArray], *, top_gy: float
) -> None:
    norm = PowerNorm(0.5, vmin=0.0, vmax=top_gy, clip=True)
    for column, (cut, dose_gy) in enumerate(zip(cuts, doses_gy, strict=True)):
        seen = (dose_gy >= _WASH_FROM_FRACTION * top_gy)[..., None]
        pixels = np.where(seen, coloured(np.maximum(dose_gy, 0.0), _WASH, norm), 0).astype(np.uint8)
        axes = panel(figure, layout.panel_box(row, column), cut.plane, pixels)
        _draw_outlines(axes, cut, layout, tumour_colour="white")
    ramp = coloured(_RAMP, _WASH, Normalize(0, 1))
    ramp[math.sqrt(_WASH_FROM_FRACTION) > _RAMP] = 0
    ticks = [part * top_gy for part in (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0)]
    highest_gy = max(float(dose.max()) for dose in doses_gy)
    add_scale(
        figure,
        layout.scale_box(row),
        ramp,
        norm,
        "Gy; square-root scale",
        ticks=ticks,
        is_exceeded=highest_gy > top_gy,
    )


def _difference_row(figure: Figure, layout: Layout, cuts: Sequence[_Cut]) -> None:
    top_gy = _round_top([np.abs(cut.difference_gy) for cut in cuts])
    norm = TwoSlopeNorm(0.0, vmin=-top_gy, vmax=top_gy)
    for column, cut in enumerate(cuts):
        pixels = coloured(np.clip(cut.difference_gy, -top_gy, top_gy), _DIFFERENCE, norm)
        pixels = np.where((cut.compared >= 0.5)[..., None], pixels, 120).astype(np.uint8)
        axes = panel(figure, layout.panel_box(2, column), cut.plane, pixels)
        _draw_outlines(axes, cut, layout, tumour_colour="black")
    add_scale(
        figure,
        layout.scale_box(2),
        coloured(_RAMP, _DIFFERENCE, Normalize(0, 1)),
        norm,
        "Gy; blue: less delivered",
        ticks=[part * top_gy for part in (-1.0, -0.5, 0.0, 0.5, 1.0)],
        is_exceeded=max(float(np.abs(cut.difference_gy).max()) for cut in cuts) > top_gy,
    )


def _draw_outlines(axes: Axes, cut: _Cut, layout: Layout, *, tumour_colour: str) -> None:
    """Outlines, and the number of each tumour beside it."""
    for role, mark, lines in cut.outlines:
        colour = tumour_colour if role is Role.TUMOUR else mark.colour
        draw_lines(axes, lines, colour, width=0.9, rim=colour != "black")
        if mark.number is None:
            continue
        longest = max(lines, key=len)
        rightmost = longest[int(np.argmax(longest[:, 0]))]
        axes.text(
            rightmost[0] + 0.03 / layout.in_per_mm,
            rightmost[1],
            str(mark.number),
            color="white",
            size=7.5,
            weight="bold",
            va="center",
            clip_on=True,
            zorder=8,
            bbox={"facecolor": mark.colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        )


def _round_top(doses_gy: Sequence[FloatArray]) -> float:
    """A round dose that all but the highest 2 in 1000 of the pixels above 0 stay below."""
    values = np.concatenate([dose[dose > 0] for dose in doses_gy])
    high = float(np.percentile(values, 99.8)) if values.size else 0.0
    if high < 1e-3:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(high))
    part = next((part for part in (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0) if part * decade >= high), 10.0)
    return part * decade


def agreement_figure(
    found: Verification, *, segments: Sequence[Segment] = (), simulated: bool = False
) -> Figure | None:
    """Difference against mean of the tumours' mean doses, in Gy and as ratio; None without a tumour in both cases.

    Numbers are those of the tumours in the tables. Lines: bias, and limits of agreement where there are three tumours or more;
    bands: their 95 % intervals.
    """
    tumours = [pair for pair in found.pairs if pair.role is Role.TUMOUR]
    if not tumours:
        return None
    shown = marks(found.predicted, segments)
    with house_style():
        figure = canvas(9.6, 3.6)
        absolute: Axes = figure.add_axes((0.075, 0.14, 0.40, 0.80))
        ratio: Axes = figure.add_axes((0.575, 0.14, 0.40, 0.80))
        _points(absolute, tumours, shown, [pair.difference_gy for pair in tumours])
        _bands(absolute, found.lesions.absolute, value=0.0)
        absolute.set_ylabel("Delivered \u2212 predicted (Gy)", size=9)
        dosed = [pair for pair in tumours if pair.segment not in found.lesions.left_out]
        ratios = [pair.delivered.mean_dose_gy / pair.predicted.mean_dose_gy for pair in dosed]
        _points(ratio, dosed, shown, ratios)
        _bands(ratio, found.lesions.ratios, value=1.0)
        ratio.set_yscale("log")
        _ratio_ticks(ratio)
        ratio.set_ylabel("Delivered / predicted (log scale)", size=9)
        mark_simulated(figure, simulated=simulated)
    return figure


def _points(axes: Axes, pairs: Sequence[SegmentPair], shown: Mapping[str, Mark], values: Sequence[float]) -> None:
    for pair, value in zip(pairs, values, strict=True):
        mean_gy = (pair.predicted.mean_dose_gy + pair.delivered.mean_dose_gy) / 2
        mark = shown[pair.segment]
        axes.plot([mean_gy], [value], marker="o", markersize=6, color=mark.colour, linestyle="none", zorder=4)
        axes.annotate(
            str(mark.number), (mean_gy, value), xytext=(5, 4), textcoords="offset points", size=8, weight="bold"
        )
    axes.margins(0.16)
    axes.set_xlabel("Mean of predicted and delivered mean dose (Gy)", size=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="#d9dee3", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _ratio_ticks(axes: Axes) -> None:
    """Ticks of a ratio in plain numbers, also where the axis spans less than a decade."""
    low, high = axes.get_ylim()
    steps = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if high > 4.0 * low else _FINE_RATIOS
    ticks = [value for value in steps if low <= value <= high]
    axes.set_yticks(ticks, labels=[f"{value:g}" for value in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)


def _bands(axes: Axes, agreed: Agreement, *, value: float) -> None:
    axes.axhline(value, color="#8a949e", linewidth=0.8)
    for estimate, colour, style in (
        (agreed.bias, "#00538a", "-"),
        (agreed.lower, "#a63603", _DASHED),
        (agreed.upper, "#a63603", _DASHED),
    ):
        if estimate is None:
            continue
        axes.axhline(estimate.value, color=colour, linewidth=1.3, linestyle=style, zorder=3)
        if estimate.interval is not None:
            axes.axhspan(*estimate.interval, color=colour, alpha=0.10, linewidth=0)


def histogram_pairs_figure(
    found: Verification, *, segments: Sequence[Segment] = (), simulated: bool = False
) -> Figure | None:
    """Cumulative dose-volume histograms of both cases: solid as predicted, dashed as delivered; None without a pair."""
    after = {(curve.segment, curve.role): curve for curve in found.delivered.histograms}
    both = [curve for curve in found.predicted.histograms if (curve.segment, curve.role) in after]
    both = sorted(both, key=lambda curve: -stacking(curve.role))[:_MOST_HISTOGRAMS]
    if not both:
        return None
    shown = marks(found.predicted, segments)
    with house_style():
        figure = canvas(9.2, 3.7)
        axes: Axes = figure.add_axes((0.065, 0.135, 0.655, 0.835))
        for curve in reversed(both):
            mark = shown[curve.segment]
            _curve(axes, curve, mark.colour, "-")
            _curve(axes, after[curve.segment, curve.role], mark.colour, _DASHED)
        top_gy = max(float(one.dose_gy[-1]) for curve in both for one in (curve, after[curve.segment, curve.role]))
        axes.set(xlim=(0, top_gy if top_gy > 0 else 1.0), ylim=(0, 102))
        axes.set_xlabel("Absorbed dose (Gy)", size=9)
        axes.set_ylabel("Volume with at least this dose (%)", size=9)
        axes.tick_params(labelsize=8)
        axes.grid(color="#d9dee3", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        handles = [Line2D([], [], color="#1a1a1a", linestyle=style) for style in ("-", _DASHED)]
        handles += [Line2D([], [], color=shown[curve.segment].colour, linewidth=2.4) for curve in both]
        names = ["predicted", "delivered", *(label(curve.segment, shown[curve.segment]) for curve in both)]
        legend = axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)
        mark_simulated(figure, simulated=simulated)
    return figure


def _curve(axes: Axes, curve: DoseVolumeHistogram, colour: str, style: object) -> None:
    axes.plot(curve.dose_gy, 100.0 * curve.volume_fraction, color=colour, linewidth=1.4, linestyle=style)
