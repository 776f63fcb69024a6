"""Figure 3: ROC curves of the absorbed dose for response, per lesion and per patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from ytterby.report.numbers import fixed, interval, p_with_sign, percent
from ytterby.report.style import (
    CATEGORY_COLOURS,
    GREY,
    LIGHT,
    MARK,
    Drawn,
    blank_figure,
    house_style,
    mark_simulated,
    rendered,
)

__all__ = ["SIGN", "roc_figure"]

SIGN = {"above_observed": ">", "midpoint": ">", "at_observed": "≥"}
"""On which side of the cut-off a dose counts as positive."""


def roc_figure(results: Mapping[str, Any]) -> Drawn:
    """Two curves with their area, its interval, and the point of the greatest Youden index."""
    with house_style():
        figure = blank_figure(width_mm=174.0, height_mm=92.0)
        axes = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.08, right=0.985, bottom=0.12, top=0.89, wspace=0.22)
        for panel, letter, level, noun in zip(axes, "AB", ("lesion", "patient"), ("lesions", "patients"), strict=True):
            _panel(panel, letter, f"Per {level} ({results['response'][level]['n']} {noun})", results["response"][level])
        mark_simulated(figure, simulated=results["simulated"])
        sizes = results["response"]
        return rendered(
            figure,
            name="figure3",
            title="Dose and response: ROC curves",
            caption=(
                "Receiver operating characteristic of the mean absorbed dose for response (CR + PR against SD + PD), per lesion "
                f"(A, {sizes['lesion']['n']} lesions) and per patient (B, {sizes['patient']['n']} patients). The ringed point is "
                "the cut-off with the greatest Youden index. Interval of the area under the curve (AUC) and its P value after "
                "DeLong."
            ),
            alt="Two ROC curves of mean absorbed dose for response, per lesion and per patient, with the Youden point marked",
        )


def _panel(axes: Axes, letter: str, title: str, level: Mapping[str, Any]) -> None:
    axes.set_title(title, pad=8.0)
    axes.text(-0.13, 1.045, letter, transform=axes.transAxes, fontsize=11.0, fontweight="bold", va="bottom")
    axes.set_xlim(-1.5, 101.5)
    axes.set_ylim(-1.5, 101.5)
    axes.set_aspect("equal")
    axes.set_xticks(range(0, 101, 20))
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlabel("100 − specificity (%)")
    axes.set_ylabel("Sensitivity (%)")
    axes.grid(color=LIGHT, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    if level["roc"] is None:
        axes.text(50, 50, "not estimable", ha="center", color=GREY)
        return
    false_positive = [100.0 * (1.0 - value) for value in level["roc"]["specificity"]]
    true_positive = [100.0 * value for value in level["roc"]["sensitivity"]]
    axes.plot(false_positive, true_positive, color=CATEGORY_COLOURS["CR"], linewidth=1.5, solid_joinstyle="miter")
    x, y = 100.0 * (1.0 - level["specificity"]["value"]), 100.0 * level["sensitivity"]["value"]
    axes.plot([x], [y], marker="o", markersize=6.5, markerfacecolor="white", markeredgecolor=MARK, markeredgewidth=1.5)
    sign = SIGN[level["cutoff_convention"]]
    axes.annotate(
        f"{sign} {fixed(level['cutoff_gy'], 1)} Gy\nsensitivity {percent(level['sensitivity']['value'])}%\n"
        f"specificity {percent(level['specificity']['value'])}%",
        xy=(x, y),
        xytext=(x + 9.0, y - 4.0),
        va="top",
        fontsize=6.8,
        color=MARK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": MARK, "linewidth": 0.7, "shrinkA": 0.0, "shrinkB": 4.0},
    )
    axes.text(
        99.0,
        3.0,
        f"AUC {fixed(level['auc'], 2)} (95% CI {interval(level['auc_ci'], 2)})\n{p_with_sign(level['auc_p'])}",
        ha="right",
        va="bottom",
        fontsize=7.2,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
    )
