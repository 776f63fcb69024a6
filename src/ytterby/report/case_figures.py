"""Figures of one case: three planes with contours, image and dose wash; the dose-volume histogram.

Every function gives a ``matplotlib.figure.Figure`` of its own; nothing global stays changed. ``png_bytes`` and ``svg_bytes``
give the same bytes for the same figure each time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from ytterby.model.dose import CaseDose
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Quantity, Volume
from ytterby.report.case_marks import BENEATH, Mark, label, marks, stacking
from ytterby.report.case_panels import Layout, RgbArray, add_scale, canvas, coloured, contours, draw_lines, panel
from ytterby.report.case_planes import (
    Plane,
    Region,
    display_region,
    focus_mm,
    planes_through,
    sample_mask,
    sample_volume,
)
from ytterby.report.style import house_style, mark_simulated

__all__ = [
    "ISODOSES_GY",
    "WASH_FROM_FRACTION",
    "add_segments_legend",
    "histogram_figure",
    "planes_figure",
    "png_bytes",
    "svg_bytes",
]

ISODOSES_GY = (20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0)
"""Isodose lines, absolute: a line means the same in every patient."""

WASH_FROM_FRACTION = 0.05
"""Share of the top of the dose scale below which the wash is transparent."""

_CT_WINDOW = Normalize(90.0 - 150.0 / 2, 90.0 + 150.0 / 2, clip=True)  # liver: centre 90, width 150 HU
_AIR_HU = -1000.0
_WASH_ALPHA = 0.55
_LEGEND_COLUMNS, _LEGEND_ROWS = 5, 4
# DICOM PS3.6 B.1.1, Hot Iron: red, then green, then blue come in one after the other.
_HOT_IRON = LinearSegmentedColormap(
    "hot_iron",
    {
        "red": [(0.0, 0.0, 0.0), (0.5, 1.0, 1.0), (1.0, 1.0, 1.0)],
        "green": [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (1.0, 1.0, 1.0)],
        "blue": [(0.0, 0.0, 0.0), (0.75, 0.0, 0.0), (1.0, 1.0, 1.0)],
    },
    N=256,
)
_GREY = matplotlib.colormaps["gray"]
# Turbo without its darkest ends: the hottest place must not look like a shadow.
_WASH = ListedColormap(matplotlib.colormaps["turbo"](np.linspace(0.06, 0.91, 256)))
_RAMP = np.linspace(0.0, 1.0, 256)
_IMAGE_UNITS = {Quantity.COUNTS: (1.0, "counts per voxel"), Quantity.CONCENTRATION: (1e-3, "kBq/mL")}


@dataclass(frozen=True)
class _Outline:
    role: Role
    mark: Mark
    lines: list[FloatArray] = field(repr=False)


@dataclass(frozen=True)
class _Cut:
    """What lies on one plane."""

    plane: Plane
    ct: FloatArray | None
    image: FloatArray
    dose_gy: FloatArray
    outlines: tuple[_Outline, ...]


def planes_figure(
    dose: CaseDose,
    dose_map: Volume,
    *,
    image: Volume,
    ct: Volume | None,
    segments: Sequence[Segment],
    simulated: bool = False,
) -> Figure:
    """Axial, coronal and sagittal plane through the hottest tumour, in rows: CT with contours, image, dose wash.

    Without a CT the image carries the contours and the wash lies on black. Radiological convention; one length scale for all
    panels. Isodose lines are those of ``ISODOSES_GY``; the wash starts at ``WASH_FROM_FRACTION`` of the top of its scale.
    """
    shown = marks(dose, segments)
    drawn = sorted((s for s in segments if not s.is_empty), key=lambda segment: stacking(segment.role))
    region = display_region(drawn, dose_map.grid)
    point_mm = _inside(focus_mm(dose, drawn, dose_map), region)
    planes = planes_through(point_mm, region)
    factor, unit = _IMAGE_UNITS.get(image.quantity, (1.0, "image value"))
    cuts = [
        _Cut(
            plane,
            None if ct is None else sample_volume(ct, plane, outside=_AIR_HU),
            np.nan_to_num(sample_volume(image, plane)) * factor,
            np.nan_to_num(sample_volume(dose_map, plane)),
            _outlines(plane, drawn, shown),
        )
        for plane in planes
    ]
    named = [(s.name, shown[s.name]) for s in sorted(drawn, key=lambda s: -stacking(s.role))]
    named = named[: _LEGEND_COLUMNS * _LEGEND_ROWS]
    layout = Layout(planes, 2 if ct is None else 3, math.ceil(len(named) / _LEGEND_COLUMNS))
    with house_style():
        figure = _drawn(layout, cuts, named, unit)
        mark_simulated(figure, simulated=simulated)
    return figure


def _drawn(layout: Layout, cuts: Sequence[_Cut], named: Sequence[tuple[str, Mark]], unit: str) -> Figure:
    figure = canvas(layout.width_inches, layout.height_inches)
    if cuts[0].ct is None:
        layout.write_headings(figure, ["Image and segments", "Absorbed dose"])
        _image_row(figure, layout, 0, cuts, unit, all_outlines=True)
        _dose_row(figure, layout, 1, cuts)
    else:
        layout.write_headings(figure, ["CT and segments", "Image", "Absorbed dose on CT"])
        _ct_row(figure, layout, 0, cuts)
        _image_row(figure, layout, 1, cuts, unit, all_outlines=False)
        _dose_row(figure, layout, 2, cuts)
    if named:
        add_segments_legend(figure, named)
    return figure


def _inside(point_mm: tuple[float, float, float], region: Region) -> tuple[float, float, float]:
    """The point, moved into the region where it lies outside (a tumour segment beyond the liver's surroundings)."""
    kept = [
        min(max(value, low), high) for value, low, high in zip(point_mm, region.lower_mm, region.upper_mm, strict=True)
    ]
    return kept[0], kept[1], kept[2]


def _outlines(plane: Plane, segments: Sequence[Segment], shown: Mapping[str, Mark]) -> tuple[_Outline, ...]:
    """Outlines of the segments that the plane cuts, in the order in which they are drawn."""
    found = [(segment, contours(plane, sample_mask(segment, plane), 0.5)) for segment in segments]
    return tuple(_Outline(segment.role, shown[segment.name], lines) for segment, lines in found if lines)


def _ct_row(figure: Figure, layout: Layout, row: int, cuts: Sequence[_Cut]) -> None:
    for column, cut in enumerate(cuts):
        axes = panel(figure, layout.panel_box(row, column), cut.plane, _background(cut))
        _draw_segments(axes, cut.outlines, layout)
    add_scale(figure, layout.scale_box(row), coloured(_RAMP, _GREY, Normalize(0, 1)), _CT_WINDOW, "HU")


def _image_row(
    figure: Figure, layout: Layout, row: int, cuts: Sequence[_Cut], unit: str, *, all_outlines: bool
) -> None:
    top = max(float(cut.image.max()) for cut in cuts)
    norm = Normalize(0.0, top if top > 0 else 1.0, clip=True)
    for column, cut in enumerate(cuts):
        axes = panel(figure, layout.panel_box(row, column), cut.plane, coloured(cut.image, _HOT_IRON, norm))
        if all_outlines:
            _draw_segments(axes, cut.outlines, layout, tumour_colour="white")
        else:
            _draw_thin(axes, cut.outlines, (Role.LIVER, Role.TUMOUR))
    add_scale(figure, layout.scale_box(row), coloured(_RAMP, _HOT_IRON, Normalize(0, 1)), norm, unit)


def _dose_row(figure: Figure, layout: Layout, row: int, cuts: Sequence[_Cut]) -> None:
    top_gy = _scale_top_gy([cut.dose_gy for cut in cuts])
    highest_gy = max(float(cut.dose_gy.max()) for cut in cuts)
    # Square root: normal liver at 30 Gy and a tumour at 600 Gy both keep their shades.
    norm = PowerNorm(0.5, vmin=0.0, vmax=top_gy, clip=True)
    levels = [level for level in ISODOSES_GY if level < highest_gy]
    for column, cut in enumerate(cuts):
        axes = panel(figure, layout.panel_box(row, column), cut.plane, _washed(cut, norm, top_gy))
        _draw_thin(axes, cut.outlines, (Role.LIVER,))
        for level in levels:
            lines = contours(cut.plane, cut.dose_gy, level)
            if lines:
                draw_lines(axes, lines, _WASH(norm(level)), width=0.9)
        _draw_thin(axes, cut.outlines, (Role.TUMOUR,))
    ramp = coloured(_RAMP, _WASH, Normalize(0, 1))
    ramp[math.sqrt(WASH_FROM_FRACTION) > _RAMP] = 0
    on_scale = [level for level in levels if level <= top_gy]
    ticks = [0.0, *on_scale, *([top_gy] if not on_scale or top_gy > 1.2 * on_scale[-1] else [])]
    axes = add_scale(
        figure,
        layout.scale_box(row),
        ramp,
        norm,
        "Gy, lines at isodoses; square-root scale",
        ticks=ticks,
        is_exceeded=highest_gy > top_gy,
    )
    for level in on_scale:
        place = float(norm(level))
        dark = level < WASH_FROM_FRACTION * top_gy
        axes.plot([0, 1], [place, place], color=_WASH(norm(level)) if dark else "black", linewidth=1.3)


def _background(cut: _Cut) -> RgbArray:
    """The CT in the liver's window; black where there is none."""
    if cut.ct is None:
        return np.zeros((*cut.plane.shape, 3), dtype=np.uint8)
    return coloured(np.nan_to_num(cut.ct, nan=_AIR_HU), _GREY, _CT_WINDOW)


def _washed(cut: _Cut, norm: Normalize, top_gy: float) -> RgbArray:
    """The dose wash over the background."""
    alpha = _WASH_ALPHA if cut.ct is not None else 0.85
    beneath = _background(cut)
    blend = (1.0 - alpha) * beneath + alpha * coloured(cut.dose_gy, _WASH, norm)
    return np.where((cut.dose_gy >= WASH_FROM_FRACTION * top_gy)[..., None], blend.astype(np.uint8), beneath)


def _scale_top_gy(doses_gy: Sequence[FloatArray]) -> float:
    """A round dose that all but the hottest 2 in 1000 of the pixels with a dose stay below."""
    values = np.concatenate([dose[dose > 0] for dose in doses_gy])
    if values.size == 0:
        return 1.0
    high = float(np.percentile(values, 99.8))
    decade = 10.0 ** math.floor(math.log10(high))
    part = next((part for part in (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0) if part * decade >= high), 10.0)
    return part * decade


def _draw_segments(axes: Axes, outlines: Sequence[_Outline], layout: Layout, *, tumour_colour: str = "") -> None:
    """All outlines, and the number of each tumour beside it; ``tumour_colour`` where red would not be seen."""
    for outline in outlines:
        beneath = outline.role in BENEATH
        colour = tumour_colour if tumour_colour and outline.role is Role.TUMOUR else outline.mark.colour
        draw_lines(axes, outline.lines, colour, width=2.6 if beneath else 1.2, rim=not beneath)
    for outline in outlines:
        if outline.mark.number is None:
            continue
        longest = max(outline.lines, key=len)
        rightmost = longest[int(np.argmax(longest[:, 0]))]
        axes.text(
            rightmost[0] + 0.03 / layout.in_per_mm,
            rightmost[1],
            str(outline.mark.number),
            color="white",
            size=7.5,
            weight="bold",
            va="center",
            clip_on=True,
            zorder=8,
            bbox={"facecolor": outline.mark.colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        )


def _draw_thin(axes: Axes, outlines: Sequence[_Outline], roles: Sequence[Role]) -> None:
    """Outlines of some roles, thin: on pictures that have lines or hot colours of their own. Tumours are white there."""
    for outline in outlines:
        if outline.role in roles:
            colour = "white" if outline.role is Role.TUMOUR else outline.mark.colour
            draw_lines(axes, outline.lines, colour, width=0.8)


def add_segments_legend(figure: Figure, named: Sequence[tuple[str, Mark]]) -> None:
    """Adds the names of segments with their colours at the foot of a figure of planes, in up to five columns."""
    legend = figure.legend(
        [Line2D([], [], color=mark.colour, linewidth=2.4) for _, mark in named],
        [label(*each) for each in named],
        loc="lower center",
        bbox_to_anchor=(0.47, 0.0),
        ncols=min(_LEGEND_COLUMNS, len(named)),
        frameon=False,
        fontsize=8,
        handlelength=1.4,
        borderaxespad=0.1,
    )
    _plain_letters(legend)


def _plain_letters(legend: Legend) -> None:
    """No name is read as a formula: a dollar sign stays one."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def histogram_figure(dose: CaseDose, *, segments: Sequence[Segment] = (), simulated: bool = False) -> Figure:
    """Cumulative dose-volume histogram: one line a segment, volume in percent against dose in Gy."""
    with house_style():
        figure = _histogram(dose, marks(dose, segments))
        mark_simulated(figure, simulated=simulated)
    return figure


def _histogram(dose: CaseDose, shown: Mapping[str, Mark]) -> Figure:
    figure = canvas(9.2, 3.7)
    axes: Axes = figure.add_axes((0.065, 0.135, 0.655, 0.835))
    drawn = sorted((h for h in dose.histograms if h.dose_gy.size), key=lambda h: stacking(h.role))
    handles, labels = [], []
    for histogram in drawn:
        mark = shown[histogram.segment]
        tumour = histogram.role is Role.TUMOUR
        style = (0, (4, 2)) if mark.is_repeat else "-" if tumour else (0, (6, 1.2))
        (line,) = axes.plot(
            histogram.dose_gy,
            100.0 * np.asarray(histogram.volume_fraction),
            color=mark.colour,
            linewidth=1.7 if tumour else 1.4,
            linestyle=style,
        )
        handles.append(line)
        labels.append(label(histogram.segment, mark))
    top_gy = max((float(histogram.dose_gy[-1]) for histogram in drawn), default=1.0)
    axes.set(xlim=(0, top_gy if top_gy > 0 else 1.0), ylim=(0, 102))
    axes.set_xlabel("Absorbed dose (Gy)", size=9)
    axes.set_ylabel("Volume with at least this dose (%)", size=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="#d9dee3", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if handles:
        order = sorted(range(len(drawn)), key=lambda n: -stacking(drawn[n].role))
        legend = axes.legend(
            [handles[n] for n in order],
            [labels[n] for n in order],
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            frameon=False,
            fontsize=8 if len(order) <= 18 else 6,
        )
        _plain_letters(legend)
    return figure


def png_bytes(figure: Figure, *, levels: int = 52) -> bytes:
    """The figure as PNG, without the name of the program that wrote it.

    Each colour channel is rounded to ``levels`` shades: the noise of a CT then takes half the bytes, and no eye sees it.
    """
    with house_style():
        figure.canvas.draw()
    step = 255.0 / (levels - 1)
    rounded = np.round(np.round(np.arange(256) / step) * step).astype(np.uint8)
    pixels = rounded[np.asarray(figure.canvas.buffer_rgba())]  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    named: dict[str, str | None] = {"Software": None}
    options = {"compress_level": 4}
    imsave(buffer, pixels, format="png", dpi=figure.dpi, metadata=named, pil_kwargs=options)  # type: ignore[arg-type]
    return buffer.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG with letters as paths, without a date and with stable identifiers."""
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
