"""Figure 2: mean absorbed dose by response category, per lesion and per patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ytterby.cohort.response import response_lesions, response_patients
from ytterby.cohort.table import RESPONSE_CATEGORIES, AnalysisTables
from ytterby.report.numbers import p_with_sign
from ytterby.report.style import (
    BLACK,
    CATEGORY_COLOURS,
    CATEGORY_MARKERS,
    GREY,
    Drawn,
    blank_figure,
    house_style,
    mark_simulated,
    rendered,
)

__all__ = ["dose_figure", "stars", "swarm"]

FloatArray = NDArray[np.float64]

SIGNIFICANT = 0.05
# Squared distance of two points that touch, less the rounding of their places.
_APART = 0.999
_STARS = ((0.001, "***"), (0.01, "**"), (SIGNIFICANT, "*"))
_GROUP_NAMES = {"responder": "Responder", "non_responder": "Non-responder"}


def stars(p: float) -> str:
    """One star below 0.05, two below 0.01, three below 0.001.

    >>> stars(0.2), stars(0.03), stars(0.003), stars(0.0003)
    ('', '*', '**', '***')
    """
    return next((mark for limit, mark in _STARS if p < limit), "")


def swarm(values: FloatArray, *, diameter: float, step: float, widest: float) -> FloatArray:
    """Offsets that keep points apart: each point, from the lowest up, goes to the free place nearest to the middle.

    ``diameter`` is a point's size on the axis of the values, ``step`` on the axis across. Points that find no place within
    ``widest`` lie over others, spread over the width.
    """
    offsets = np.zeros(values.size)
    places = [0.0]
    for number in range(1, int(widest / step) + 1):
        places += [number * step, -number * step]
    order = np.argsort(values, kind="stable")
    lowest = np.searchsorted(values[order], values[order] - diameter, side="right")
    for done, index in enumerate(order):
        near = order[lowest[done] : done]
        across, along = offsets[near], (values[index] - values[near]) / diameter
        free = (place for place in places if (((place - across) / step) ** 2 + along**2 >= _APART).all())
        offsets[index] = next(free, places[done % len(places)])
    return offsets


def dose_figure(results: Mapping[str, Any], tables: AnalysisTables) -> Drawn:
    """Scatter of MAD in each category with its median, and brackets over the pairs that differ (P < 0.05)."""
    lesion_gy, _, lesion_categories = response_lesions(tables)
    patient_gy, patient_positive, patient_categories = response_patients(tables)
    per_patient = results["response"]["patient"]
    with house_style():
        figure = blank_figure(width_mm=174.0, height_mm=88.0)
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1.15, 1.0)})
        figure.subplots_adjust(left=0.085, right=0.985, bottom=0.13, top=0.90, wspace=0.26)
        _panel(
            left,
            "A",
            "Per lesion",
            _grouped(lesion_gy, lesion_categories),
            results["response"]["lesion"]["mann_whitney"],
        )
        if patient_categories is None:
            groups = {"Responder": patient_gy[patient_positive], "Non-responder": patient_gy[~patient_positive]}
            test = per_patient["mann_whitney_responders"]
            _panel(right, "B", "Per patient", groups, [] if test is None else [test])
        else:
            _panel(right, "B", "Per patient", _grouped(patient_gy, patient_categories), per_patient["mann_whitney"])
        mark_simulated(figure, simulated=results["simulated"])
        return rendered(
            figure,
            name="figure2",
            title="Mean absorbed dose by response",
            caption=_caption(results, categories=patient_categories),
            alt="Two scatter plots of mean absorbed dose in gray by response category, per lesion and per patient",
        )


def _grouped(dose_gy: FloatArray, categories: Sequence[str]) -> dict[str, FloatArray]:
    names = np.array(categories, dtype=object)
    return {name: dose_gy[names == name] for name in RESPONSE_CATEGORIES if (names == name).any()}


def _panel(
    axes: Axes,
    letter: str,
    title: str,
    groups: Mapping[str, FloatArray],
    tests: Sequence[Mapping[str, Any]] | None,
) -> None:
    axes.set_title(title, loc="center", pad=8.0)
    axes.text(-0.12, 1.045, letter, transform=axes.transAxes, fontsize=11.0, fontweight="bold", va="bottom")
    axes.set_ylabel("Mean absorbed dose (Gy)")
    highest = max((float(doses.max()) for doses in groups.values() if doses.size), default=1.0)
    pairs = _significant(tests or [], list(groups))
    top = highest * (1.06 + 0.085 * len(pairs))
    axes.set_ylim(0.0, top * 1.02)
    axes.set_xlim(-0.55, len(groups) - 0.45)
    # A point is 1.25 mm wide: in data units by the size of the axes.
    box = axes.get_window_extent()
    points_per_unit = box.width / axes.figure.dpi * 25.4 / max(1, len(groups))
    millimetres_per_gy = box.height / axes.figure.dpi * 25.4 / (top * 1.02)
    for position, (name, doses) in enumerate(groups.items()):
        if not doses.size:
            continue
        offsets = swarm(doses, diameter=1.35 / millimetres_per_gy, step=1.35 / points_per_unit, widest=0.42)
        axes.scatter(
            position + offsets,
            doses,
            s=9.5,
            marker=CATEGORY_MARKERS[name],
            facecolor=CATEGORY_COLOURS[name],
            edgecolor=BLACK,
            linewidth=0.35,
            zorder=2,
        )
        median = float(np.median(doses))
        axes.plot([position - 0.33, position + 0.33], [median, median], color=BLACK, linewidth=1.6, zorder=3)
    axes.set_xticks(range(len(groups)), [f"{name}\nn = {doses.size}" for name, doses in groups.items()])
    axes.tick_params(axis="x", length=0.0)
    for level, (first, second, p) in enumerate(pairs):
        height = highest * (1.06 + 0.085 * level)
        drop = highest * 0.014
        axes.plot(
            [first + 0.03, first + 0.03, second - 0.03, second - 0.03],
            [height - drop, height, height, height - drop],
            color=BLACK,
            linewidth=0.8,
        )
        axes.text(
            (first + second) / 2,
            height + highest * 0.006,
            f"{stars(p)} {p_with_sign(p)}",
            ha="center",
            va="bottom",
            fontsize=6.3,
        )
    if tests and not pairs:
        axes.text(
            0.98,
            0.985,
            "no difference with P < 0.05",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=6.5,
            color=GREY,
        )


def _significant(tests: Sequence[Mapping[str, Any]], names: list[str]) -> list[tuple[int, int, float]]:
    """Positions of the pairs that differ, narrow brackets first."""
    pairs = []
    for test in tests:
        first, second = sorted(names.index(_GROUP_NAMES.get(group, group)) for group in test["groups"])
        if test["p"] < SIGNIFICANT:
            pairs.append((first, second, float(test["p"])))
    return sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair[0]))


def _caption(results: Mapping[str, Any], *, categories: Sequence[str] | None) -> str:
    levels = ", ".join(f"{mark}P\u00a0<\u00a0{limit:g}" for limit, mark in reversed(_STARS))
    text = (
        "Mean absorbed dose (MAD) to tumours by response, per lesion (A) and per patient (B). The horizontal line is the "
        f"median of each group. Brackets join groups that differ in the Mann–Whitney U test ({levels}; not corrected for "
        "multiple comparisons)."
    )
    if categories is None:
        return f"{text} Categories per patient were not given: responders and non-responders are shown."
    absent = [name for name in RESPONSE_CATEGORIES if name not in categories]
    if absent and results["response"]["patient"]["n"]:
        return f"{text} Per patient no {' and no '.join(absent)} was observed."
    return text
