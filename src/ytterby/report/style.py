"""How figures look, and how they become bytes: the same bytes for the same figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = [
    "BLACK",
    "CATEGORY_COLOURS",
    "CATEGORY_MARKERS",
    "GREY",
    "GROUP_COLOURS",
    "GROUP_LINES",
    "LIGHT",
    "MARK",
    "Drawn",
    "blank_figure",
    "house_style",
    "mark_simulated",
    "rendered",
]

MM_PER_INCH = 25.4
PNG_DPI = 300

BLACK = "#1a1a1a"
GREY = "#6b6b6b"
LIGHT = "#d9d9d9"
MARK = "#a63603"
"""Colour of the word that says that data are simulated."""

# Okabe and Ito's palette, told apart by colour-blind readers; shapes and dashes tell them apart in print.
CATEGORY_COLOURS = {
    "CR": "#0072B2",
    "PR": "#56B4E9",
    "SD": "#E69F00",
    "PD": "#D55E00",
    "Responder": "#0072B2",
    "Non-responder": "#D55E00",
}
CATEGORY_MARKERS = {"CR": "o", "PR": "s", "SD": "^", "PD": "D", "Responder": "o", "Non-responder": "D"}
GROUP_COLOURS = ("#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
GROUP_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)), (0, (8, 2)), "-")

_HOUSE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same letters everywhere
    "font.size": 7.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 6.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": BLACK,
    "axes.labelcolor": BLACK,
    "text.color": BLACK,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # reasons and levels come from outside: a dollar sign is a dollar sign
    "svg.fonttype": "path",
    "svg.hashsalt": "ytterby",
}


@dataclass(frozen=True)
class Drawn:
    """A figure with its words: ``name`` (of its files), title, caption, and its bytes as SVG and PNG."""

    name: str
    title: str
    caption: str
    alt: str
    svg: bytes
    png: bytes


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's own defaults with the settings of this house, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        cast(Any, mpl.rcParams).update(_HOUSE)  # the stubs know no dict of settings
        yield


def blank_figure(*, width_mm: float, height_mm: float) -> Figure:
    """An empty figure of a size in millimetres, outside pyplot's list of figures."""
    return Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))


def mark_simulated(figure: Figure, *, simulated: bool) -> None:
    """Write into the upper right corner that data are simulated."""
    if simulated:
        figure.text(0.995, 0.992, "simulated data", ha="right", va="top", fontsize=6.5, color=MARK, style="italic")


def rendered(figure: Figure, *, name: str, title: str, caption: str, alt: str) -> Drawn:
    """The figure as SVG and as PNG (300 dpi), without a date or a program's version in either."""
    svg, png = BytesIO(), BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "ytterby"})
    figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return Drawn(name=name, title=title, caption=caption, alt=alt, svg=svg.getvalue(), png=png.getvalue())
