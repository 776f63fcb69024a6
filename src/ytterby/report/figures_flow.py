"""Figure 1: the CONSORT flow of patients."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ytterby.report.numbers import count_text
from ytterby.report.style import BLACK, GREY, Drawn, blank_figure, house_style, mark_simulated, rendered

__all__ = ["flow_figure"]

_WIDTH_MM = 150.0
_MAIN_LEFT_MM, _MAIN_WIDTH_MM = 4.0, 58.0
_SIDE_LEFT_MM, _SIDE_WIDTH_MM = 76.0, 70.0
_LINE_MM, _PADDING_MM, _GAP_MM = 3.7, 5.0, 9.0
_SIDE_CHARACTERS = 46


def flow_figure(results: Mapping[str, Any]) -> Drawn:
    """The flow from screening to the response analysis; from the analysed patients on where no exclusions were given."""
    sizes, flow = results["cohort"], results["flow"]
    main, side = _boxes(sizes, flow)
    heights = [_height(lines) for lines in main]
    side_heights = [_height(lines) for lines in side]
    gaps = [max(_GAP_MM, height + 4.0) for height in side_heights]
    total_mm = sum(heights) + sum(gaps) + 10.0
    with house_style():
        figure = blank_figure(width_mm=_WIDTH_MM, height_mm=total_mm)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0.0, _WIDTH_MM)
        axes.set_ylim(0.0, total_mm)
        top = total_mm - 5.0
        for number, lines in enumerate(main):
            bottom = top - heights[number]
            _box(axes, _MAIN_LEFT_MM, bottom, _MAIN_WIDTH_MM, heights[number], lines, centred=True)
            if number < len(gaps):
                _branch(axes, bottom, gaps[number], side[number], side_heights[number])
                top = bottom - gaps[number]
        mark_simulated(figure, simulated=results["simulated"])
        return rendered(figure, name="figure1", title="Flow of patients", caption=_caption(flow), alt=_alt(sizes, flow))


def _boxes(sizes: Mapping[str, Any], flow: Mapping[str, Any] | None) -> tuple[list[list[str]], list[list[str]]]:
    """Lines of the boxes of the main column and of the boxes that branch off between them; the first line is the heading."""
    main: list[list[str]] = []
    side: list[list[str]] = []
    if flow is not None:
        main.append(["Screened", count_text(flow["screened"], "patient")])
        excluded = sum(reason["n"] for reason in flow["excluded"])
        lines = [f"Excluded (n = {excluded})"]
        for reason in flow["excluded"]:
            lines += textwrap.wrap(
                f"• {reason['reason']} (n\u00a0=\u00a0{reason['n']})", _SIDE_CHARACTERS, subsequent_indent="   "
            )
        side.append(lines)
    main.append(["Analysed: survival", count_text(sizes["analysed"], "patient")])
    others = sizes["analysed"] - sizes["evaluable_patients"]
    side.append([f"Not evaluable for response (n = {others})"])
    main.append(
        [
            "Analysed: response",
            f"{count_text(sizes['evaluable_patients'], 'patient')}, {count_text(sizes['evaluable_lesions'], 'lesion')}",
        ]
    )
    return main, side


def _height(lines: Sequence[str]) -> float:
    return len(lines) * _LINE_MM + _PADDING_MM


def _box(
    axes: Axes, left: float, bottom: float, width: float, height: float, lines: Sequence[str], *, centred: bool
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=1.2",
            facecolor="#f3f6f9" if centred else "white",
            edgecolor=BLACK if centred else GREY,
            linewidth=0.9 if centred else 0.7,
        )
    )
    for number, line in enumerate(lines):
        axes.text(
            left + width / 2 if centred else left + 3.0,
            bottom + height - _PADDING_MM / 2 - (number + 0.5) * _LINE_MM,
            line,
            ha="center" if centred else "left",
            va="center_baseline",
            fontsize=8.0 if centred else 7.2,
            fontweight="bold" if number == 0 else "normal",
        )


def _branch(axes: Axes, bottom: float, gap: float, lines: Sequence[str], height: float) -> None:
    """The arrow down from a box of the main column, and the box that branches off halfway."""
    x = _MAIN_LEFT_MM + _MAIN_WIDTH_MM / 2
    y = bottom - gap / 2
    arrow = {
        "arrowstyle": "-|>",
        "color": BLACK,
        "linewidth": 0.9,
        "shrinkA": 0.0,
        "shrinkB": 0.0,
        "mutation_scale": 8.0,
    }
    axes.annotate("", xy=(x, bottom - gap), xytext=(x, bottom), arrowprops=arrow)
    axes.annotate("", xy=(_SIDE_LEFT_MM, y), xytext=(x, y), arrowprops={**arrow, "color": GREY, "linewidth": 0.8})
    _box(axes, _SIDE_LEFT_MM, y - height / 2, _SIDE_WIDTH_MM, height, lines, centred=False)


def _caption(flow: Mapping[str, Any] | None) -> str:
    if flow is None:
        return (
            "Flow of the analysed patients. No table of exclusions was given, so the flow starts with those analysed."
        )
    return "CONSORT diagram of patient enrolment."


def _alt(sizes: Mapping[str, Any], flow: Mapping[str, Any] | None) -> str:
    start = f"{flow['screened']} screened, " if flow is not None else ""
    return (
        f"Flow diagram: {start}{sizes['analysed']} patients analysed, {sizes['evaluable_patients']} evaluable for response "
        f"with {sizes['evaluable_lesions']} lesions"
    )
