"""Figure of a planar scan: the anterior and the posterior view, with the regions in which the lung shunt was counted."""

from __future__ import annotations

import contourpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ytterby.dosimetry.planar import PlanarScan
from ytterby.model.planar import PlanarView
from ytterby.model.segment import BoolArray, Role
from ytterby.report.case_marks import role_colour
from ytterby.report.case_panels import canvas, draw_lines
from ytterby.report.style import house_style, mark_simulated

__all__ = ["planar_figure"]

_REGIONS = (("lungs", Role.LUNGS), ("liver", Role.LIVER), ("background", Role.OTHER))
_WIDTH_INCHES, _LEGEND_INCHES, _HEAD_INCHES, _TALLEST_INCHES = 5.4, 0.3, 0.3, 5.0


def planar_figure(scan: PlanarScan, *, simulated: bool = False) -> Figure:
    """Both views as the cameras saw them, dark where counts are many; on the posterior one the regions as they were carried over.

    Grey runs by the square root of the counts, so that lungs are seen beside the liver; both views have one scale.
    """
    views = (("Anterior", scan.pair.anterior), ("Posterior", scan.pair.posterior))
    highest = max(float(view.array.max()) for _, view in views) or 1.0
    rows, columns = scan.pair.anterior.array.shape
    down_mm, across_mm = scan.pair.anterior.spacing_mm or (1.0, 1.0)
    panel_inches = _WIDTH_INCHES / 2 - 0.1
    tall_inches = min(panel_inches * rows * down_mm / (columns * across_mm), _TALLEST_INCHES)
    height_inches = tall_inches + _LEGEND_INCHES + _HEAD_INCHES
    with house_style():
        figure = canvas(_WIDTH_INCHES, height_inches)
        for place, (title, view) in enumerate(views):
            axes: Axes = figure.add_axes(
                (
                    (0.05 + place * _WIDTH_INCHES / 2) / _WIDTH_INCHES,
                    _LEGEND_INCHES / height_inches,
                    panel_inches / _WIDTH_INCHES,
                    tall_inches / height_inches,
                )
            )
            _draw(axes, title, view, highest, ratio=down_mm / across_mm)
            for name, role in _REGIONS:
                mask: BoolArray | None = getattr(scan.regions, name)
                if mask is not None:
                    shown = mask if place == 0 else scan.pair.on_posterior(mask)
                    draw_lines(axes, _outlines(shown), role_colour(role), width=1.4)
        handles = [
            Line2D([], [], color=role_colour(role), label=name)
            for name, role in _REGIONS
            if getattr(scan.regions, name) is not None
        ]
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)
        mark_simulated(figure, simulated=simulated)
    return figure


def _draw(axes: Axes, title: str, view: PlanarView, most_counts: float, *, ratio: float) -> None:
    norm = PowerNorm(0.5, vmin=0.0, vmax=most_counts, clip=True)
    axes.imshow(view.array, cmap="gray_r", norm=norm, aspect=ratio, interpolation="nearest")
    axes.set_title(title, size=9)
    axes.set_xticks([])
    axes.set_yticks([])


def _outlines(mask: BoolArray) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Polylines (x, y) in pixels along the rim of a region; a ring of nothing closes those at the edge of the view."""
    generator = contourpy.contour_generator(z=np.pad(mask.astype(np.float64), 1), line_type=contourpy.LineType.Separate)
    return [np.asarray(line) - 1.0 for line in generator.lines(0.5)]
