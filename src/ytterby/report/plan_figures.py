"""The figure of a plan: every target and limit as a bar, what it comes to at the plan's activity against what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ytterby.planning.plan import AimResult, ModelPlan, aim_name
from ytterby.report.style import BLACK, CATEGORY_COLOURS, GREY, LIGHT, blank_figure, house_style, mark_simulated

__all__ = ["aims_figure"]

_MET = CATEGORY_COLOURS["CR"]
_MISSED = CATEGORY_COLOURS["PD"]
_WIDTH_MM = 170.0
_BAR_MM = 8.5
_MOST_PERCENT = 200.0


def aims_figure(answer: ModelPlan, *, simulated: bool = False) -> Figure | None:
    """Targets and limits as bars in percent of the aim, at the model's answer; None where nothing can be drawn.

    A target is met right of the line, a limit is kept left of it; the aim that decides the activity has its name in bold.
    """
    rows = [
        (result, is_target)
        for results, is_target in ((answer.targets, True), (answer.limits, False))
        for result in results
        if result.reached is not None
    ]
    if not rows:
        return None
    with house_style():
        figure = _drawn(rows, answer)
        mark_simulated(figure, simulated=simulated)
    return figure


def _drawn(rows: Sequence[tuple[AimResult, bool]], answer: ModelPlan) -> Figure:
    height_mm = 16.0 + _BAR_MM * len(rows)
    figure = blank_figure(width_mm=_WIDTH_MM, height_mm=height_mm)
    axes = figure.add_axes((0.375, 9.0 / height_mm, 0.44, 1.0 - 13.0 / height_mm))
    percents = []
    for place, (result, is_target) in enumerate(rows):
        assert result.reached is not None
        percent = 100.0 * result.reached.value / result.aim.value
        percents.append(percent)
        colour = _MET if result.is_met else _MISSED
        shown = min(percent, _MOST_PERCENT)
        axes.barh(
            place,
            shown,
            height=0.55,
            color=colour,
            hatch="" if result.is_met else "///",
            edgecolor="white",
            linewidth=0.0,
        )
        sign = "≥" if is_target else "≤"
        over = " →" if percent > _MOST_PERCENT else ""
        text = f"{result.reached.value:.3g} {result.reached.unit}  ({sign} {result.aim.value:g}){over}"
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", ha="left", color=BLACK)
    axes.axvline(100.0, color=GREY, linewidth=1.0, linestyle=(0, (4, 2)), zorder=3)
    axes.set_xlim(0.0, min(_MOST_PERCENT, max(120.0, 1.05 * max(percents))))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [_label(result, is_target) for result, is_target in rows])
    for tick, (result, _) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if result.aim == answer.binding else "normal")
    axes.tick_params(axis="y", length=0.0)
    axes.set_xlabel("percent of the target or limit")
    axes.grid(axis="x", color=LIGHT, linewidth=0.5)
    axes.set_axisbelow(True)
    return figure


def _label(result: AimResult, is_target: bool) -> str:
    name = aim_name(result.aim)
    return f"{'target' if is_target else 'limit'}: {name if len(name) <= 40 else name[:39] + '…'}"
