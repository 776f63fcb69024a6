"""Figure 4: Kaplan-Meier curves of the endpoints by the plan's first factor, with numbers at risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ytterby.report.numbers import p_with_sign
from ytterby.report.style import (
    BLACK,
    GROUP_COLOURS,
    GROUP_LINES,
    Drawn,
    blank_figure,
    house_style,
    mark_simulated,
    rendered,
)

__all__ = ["ENDPOINT_TITLES", "endpoints_in_text", "survival_figure"]

_ROW_MM = 3.2

ENDPOINT_TITLES = {"hepatic_pfs": "Hepatic PFS", "global_pfs": "Global PFS", "os": "Overall survival"}


def survival_figure(results: Mapping[str, Any]) -> Drawn | None:
    """One panel an endpoint; None where no endpoint has a curve."""
    endpoints = {name: results["survival"].get(name) for name in ENDPOINT_TITLES}
    drawn = {name: endpoint for name, endpoint in endpoints.items() if endpoint and endpoint["kaplan_meier"]}
    if not drawn:
        return None
    titles = endpoints_in_text(list(drawn))
    groups = {name: _groups(endpoint) for name, endpoint in drawn.items()}
    variables = sorted({variable for variable, _ in groups.values() if variable})
    by = f" by {variables[0]}" if variables else ""
    most = max(len(curves) for _, curves in groups.values())
    curve_mm, top_mm, foot_mm = 48.0, 9.0, 17.0 + _ROW_MM * most
    height_mm = curve_mm + top_mm + foot_mm
    with house_style():
        figure = blank_figure(width_mm=174.0, height_mm=height_mm)
        panels = np.atleast_1d(figure.subplots(1, len(drawn)))
        figure.subplots_adjust(
            left=0.085, right=0.985, bottom=foot_mm / height_mm, top=1.0 - top_mm / height_mm, wspace=0.34
        )
        for letter, axes, (name, endpoint) in zip("ABC", panels, drawn.items(), strict=False):
            variable, curves = groups[name]
            _panel(axes, letter, ENDPOINT_TITLES[name], variable, curves, endpoint)
            _numbers_at_risk(axes, curves, row=_ROW_MM / curve_mm)
        mark_simulated(figure, simulated=results["simulated"])
        return rendered(
            figure,
            name="figure4",
            title=f"Survival{by}",
            caption=(
                f"Kaplan–Meier estimates of {titles}{by}, with the numbers of patients at risk below. Ticks are censored "
                "patients; P is of the log-rank test."
            ),
            alt=f"Kaplan-Meier curves of {titles}{by}",
        )


def endpoints_in_text(names: Sequence[str]) -> str:
    """The endpoints' titles within a sentence.

    >>> endpoints_in_text(["hepatic_pfs", "os"])
    'hepatic PFS and overall survival'
    """
    titles = [ENDPOINT_TITLES[name] for name in names]
    titles = [title[0].lower() + title[1:] for title in titles]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _groups(endpoint: Mapping[str, Any]) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """The name of what groups the curves, and the curves by level."""
    if endpoint["by_group"] is None:
        return "", {"all": endpoint["kaplan_meier"]}
    groups = endpoint["by_group"]["groups"]
    return str(endpoint["by_group"]["variable"]), {level: group["kaplan_meier"] for level, group in groups.items()}


def _ticks(longest_months: float) -> list[float]:
    """Whole years, five steps at most."""
    for step in (3, 6, 12, 24, 36, 48, 60, 120):
        if longest_months / step <= 5:
            return [float(tick) for tick in range(0, int(longest_months) + 1, step)]
    return [0.0, longest_months]


def _panel(
    axes: Axes,
    letter: str,
    title: str,
    variable: str,
    curves: Mapping[str, Mapping[str, Any]],
    endpoint: Mapping[str, Any],
) -> None:
    axes.set_title(title, pad=8.0)
    axes.text(-0.24, 1.045, letter, transform=axes.transAxes, fontsize=11.0, fontweight="bold", va="bottom")
    longest = max(float(curve["months"][-1]) for curve in curves.values())
    ticks = _ticks(longest)
    axes.set_xlim(0.0, longest * 1.02 or 1.0)
    axes.set_ylim(0.0, 103.0)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(range(0, 101, 25))
    axes.set_xlabel("Months")
    axes.set_ylabel("Patients without event (%)")
    for number, (level, curve) in enumerate(curves.items()):
        colour = GROUP_COLOURS[number % len(GROUP_COLOURS)]
        months = np.array([0.0, *curve["months"]])
        percent = 100.0 * np.array([1.0, *curve["survival"]])
        line = GROUP_LINES[number % len(GROUP_LINES)]
        axes.step(months, percent, where="post", color=colour, linestyle=line, label=f"{variable} {level}".capitalize())
        censored = np.array([0, *curve["censored"]]) > 0
        axes.plot(
            months[censored],
            percent[censored],
            linestyle="",
            marker="|",
            markersize=4.0,
            color=colour,
            markeredgewidth=0.8,
        )
    if len(curves) > 1:
        test = endpoint["by_group"]["log_rank"]
        heading = None if test is None else f"Log-rank {p_with_sign(test['p'])}"
        legend = axes.legend(
            loc="upper right", handlelength=2.6, borderaxespad=0.0, title=heading, title_fontsize=6.8, alignment="right"
        )
        legend.set_zorder(0.5)


def _numbers_at_risk(axes: Axes, curves: Mapping[str, Mapping[str, Any]], *, row: float) -> None:
    """Rows of numbers under the axis; ``row`` is their distance as a share of the height of the axes."""
    first = -3.55 * row
    axes.text(-0.03, first, "At risk", transform=axes.transAxes, fontsize=6.3, ha="right", va="center")
    for number, (level, curve) in enumerate(curves.items()):
        height = first - (number + 1) * row
        axes.text(
            -0.09,
            height,
            level,
            transform=axes.transAxes,
            ha="right",
            va="center",
            fontsize=6.3,
            color=GROUP_COLOURS[number % len(GROUP_COLOURS)],
            fontweight="bold",
        )
        for tick in axes.get_xticks():
            axes.text(
                tick,
                height,
                str(_at_risk(curve, float(tick))),
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="center",
                fontsize=6.3,
                color=BLACK,
            )


def _at_risk(curve: Mapping[str, Any], at_months: float) -> int:
    """Patients at risk just before a time."""
    later = [at_risk for time, at_risk in zip(curve["months"], curve["at_risk"], strict=True) if time >= at_months]
    return int(later[0]) if later else 0
