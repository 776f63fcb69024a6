"""Panels of the planes figure: where they lie on the page, and what is drawn on every one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import contourpy
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from ytterby.model.volume import FloatArray
from ytterby.report.case_planes import Plane

__all__ = ["DPI", "Layout", "RgbArray", "add_scale", "canvas", "coloured", "contours", "draw_lines", "panel"]

DPI = 110
RgbArray = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
_SCALE_BAR_MM = 50.0
_SHADE = {"facecolor": "black", "edgecolor": "none", "alpha": 0.45, "pad": 1.0}


def canvas(width_inches: float, height_inches: float) -> Figure:
    """An empty figure of its own: nothing of matplotlib's global state is touched."""
    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True)
class Layout:
    """Places on the page, in inches; one length scale for all panels: a centimetre is as long in each.

    ``rows`` of three planes, with a colour bar at the right of each row and ``legend_rows`` lines of legend at the bottom.
    """

    planes: tuple[Plane, Plane, Plane]
    rows: int
    legend_rows: int

    width_inches = 11.0
    _left_in = 0.28
    _right_in = 0.95
    _gap_in = 0.07
    _head_in = 0.28
    _row_gap_in = 0.10
    _row_most_in = 4.2  # a very tall region does not make a figure of several pages

    @property
    def in_per_mm(self) -> float:
        """Inches on the page for a millimetre in the patient."""
        room = self.width_inches - self._left_in - self._right_in - 2 * self._gap_in
        across = sum(plane.width_mm for plane in self.planes)
        return min(room / across, self._row_most_in / max(plane.height_mm for plane in self.planes))

    @property
    def row_in(self) -> float:
        """Height of a row: that of its tallest plane."""
        return max(plane.height_mm for plane in self.planes) * self.in_per_mm

    @property
    def legend_in(self) -> float:
        """Height of the legend."""
        return 0.12 + 0.19 * self.legend_rows

    @property
    def height_inches(self) -> float:
        """Height of the figure."""
        return self._head_in + self.rows * self.row_in + (self.rows - 1) * self._row_gap_in + self.legend_in

    def row_bottom_in(self, row: int) -> float:
        """Height of the lower edge of a row above the page's lower edge."""
        return self.legend_in + (self.rows - 1 - row) * (self.row_in + self._row_gap_in)

    def _fractions(self, left: float, bottom: float, width: float, height: float) -> Box:
        return (
            left / self.width_inches,
            bottom / self.height_inches,
            width / self.width_inches,
            height / self.height_inches,
        )

    def panel_box(self, row: int, column: int) -> Box:
        """Left, bottom, width and height of a panel, as fractions of the figure."""
        widths = [plane.width_mm * self.in_per_mm for plane in self.planes]
        height = self.planes[column].height_mm * self.in_per_mm
        left = self._left_in + sum(widths[:column]) + column * self._gap_in
        return self._fractions(left, self.row_bottom_in(row) + (self.row_in - height) / 2, widths[column], height)

    def scale_box(self, row: int) -> Box:
        """Place of the colour bar of a row."""
        across = sum(plane.width_mm for plane in self.planes) * self.in_per_mm + 2 * self._gap_in
        bottom = self.row_bottom_in(row) + 0.04 * self.row_in
        return self._fractions(self._left_in + across + 0.12, bottom, 0.14, 0.90 * self.row_in)

    def write_headings(self, figure: Figure, row_names: Sequence[str]) -> None:
        """Writes the names of the planes above and those of the rows at the left."""
        for column, plane in enumerate(self.planes):
            left, _, width, _ = self.panel_box(0, column)
            top = (self.height_inches - self._head_in + 0.07) / self.height_inches
            figure.text(left + width / 2, top, plane.view.name, ha="center", size=10)
        for row, name in enumerate(row_names):
            middle = (self.row_bottom_in(row) + self.row_in / 2) / self.height_inches
            figure.text(0.14 / self.width_inches, middle, name, rotation=90, ha="center", va="center", size=8.5)


def panel(figure: Figure, box: Box, plane: Plane, pixels: RgbArray) -> Axes:
    """Axes in LPS millimetres with a picture, the letters of its edges, its position and a scale bar."""
    axes: Axes = figure.add_axes(box)
    left, right, bottom, top = plane.edges_mm
    # The box itself has the physical proportions, so the picture simply fills it.
    axes.imshow(pixels, extent=plane.edges_mm, origin="upper", interpolation="bilinear", aspect="auto")
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    view = plane.view
    for x, y, letter, ha, va in (
        (0.018, 0.5, view.left, "left", "center"),
        (0.982, 0.5, view.right, "right", "center"),
        (0.5, 0.98, view.top, "center", "top"),
        (0.5, 0.02, view.bottom, "center", "bottom"),
    ):
        _note(axes, x, y, letter, ha=ha, va=va, size=9, weight="bold")
    place = f"{'xyz'[view.normal_axis]} = {plane.position_mm:+.1f} mm".replace("-", "\u2212")
    _note(axes, 0.018, 0.98, place, ha="left", va="top", size=7.5, weight="normal")
    if plane.width_mm > 1.3 * _SCALE_BAR_MM:
        _scale_bar(axes, plane)
    return axes


def _note(axes: Axes, x: float, y: float, text: str, *, ha: str, va: str, size: float, weight: str) -> None:
    axes.text(
        x,
        y,
        text,
        transform=axes.transAxes,
        color="white",
        ha=ha,
        va=va,
        size=size,
        weight=weight,
        zorder=9,
        bbox=_SHADE,
    )


def _scale_bar(axes: Axes, plane: Plane) -> None:
    length = _SCALE_BAR_MM / plane.width_mm
    start, height = 0.97 - length, 0.03
    for colour, width in (("black", 3.6), ("white", 2.0)):
        axes.plot(
            [start, 0.97], [height, height], transform=axes.transAxes, color=colour, linewidth=width, zorder=9,
            solid_capstyle="butt",
        )  # fmt: skip
    _note(axes, 0.97 - length / 2, height + 0.022, "5 cm", ha="center", va="bottom", size=7, weight="normal")


def coloured(values: FloatArray, cmap: Colormap, norm: Normalize) -> RgbArray:
    """Colours (rows, columns, 3) of values."""
    return np.asarray(cmap(norm(values), bytes=True)[..., :3], dtype=np.uint8)


def contours(plane: Plane, values: FloatArray, level: float) -> list[FloatArray]:
    """Polylines (n, 2) in LPS millimetres along which ``values``, sampled on ``plane``, has ``level``."""
    if float(values.max()) <= level:
        return []
    generator = contourpy.contour_generator(
        plane.across_mm, plane.down_mm, values, line_type=contourpy.LineType.Separate
    )
    return [np.asarray(line) for line in generator.lines(level)]


def draw_lines(axes: Axes, lines: Sequence[FloatArray], colour: object, *, width: float, rim: bool = True) -> None:
    """Draws polylines; a dark rim keeps them readable on bright pixels."""
    if rim:
        axes.add_collection(LineCollection(lines, colors="black", linewidths=width + 1.1, alpha=0.55), autolim=False)
    axes.add_collection(LineCollection(lines, colors=[colour], linewidths=width), autolim=False)


def add_scale(
    figure: Figure,
    box: Box,
    colours: RgbArray,
    norm: Normalize,
    unit: str,
    *,
    ticks: Sequence[float] = (),
    is_exceeded: bool = False,
) -> Axes:
    """A colour bar of ``colours`` (n, 3), from the norm's lower to its upper end in equal steps of the *normed* value.

    ``ticks`` are in the unit of the values; without them they are round. ``is_exceeded`` adds an arrow: values go beyond the end.
    """
    axes: Axes = figure.add_axes(box)
    axes.imshow(colours[:, None, :], extent=(0, 1, 0, 1), origin="lower", aspect="auto")
    shown = list(ticks) or _round_ticks(float(norm.vmin or 0.0), float(norm.vmax or 1.0))
    axes.set_xticks([])
    axes.set_yticks([float(norm(value)) for value in shown], labels=[f"{value:g}" for value in shown])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.tick_params(labelsize=7.5, length=3, pad=2)
    axes.set_ylabel(unit, size=8, labelpad=3)
    if is_exceeded:
        axes.plot(
            [0.5], [1.025], marker="^", color=colours[-1] / 255.0, markersize=7, transform=axes.transAxes, clip_on=False
        )
    return axes


def _round_ticks(low: float, high: float) -> list[float]:
    """Up to seven round numbers from ``low`` to ``high``."""
    step = 10.0 ** math.floor(math.log10((high - low) / 5))
    step *= next((part for part in (1.0, 2.0, 5.0) if (high - low) / (part * step) <= 6), 10.0)
    first = math.ceil(low / step - 1e-9)
    return [step * n for n in range(first, math.floor(high / step + 1e-9) + 1)]
