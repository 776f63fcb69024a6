"""Tables and figure of bias, coverage and spread, from the simulated lesions of docs/evidence/uncertainty.json.

    .venv/bin/python tools/partial_volume_figure.py

writes docs/images/partial-volume-bias.svg and puts the tables between the marks of the two pages under docs/theory. `make slow`
renews the evidence; run this after it.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE = ROOT / "docs" / "evidence" / "uncertainty.json"
FIGURE = ROOT / "docs" / "images" / "partial-volume-bias.svg"
PAGES = (ROOT / "docs" / "theory" / "partial-volume.md", ROOT / "docs" / "theory" / "uncertainty.md")
BEGIN, END = "<!-- begin: made by tools/partial_volume_figure.py -->", "<!-- end -->"


def percent(value: float) -> str:
    """Signed whole percent, with a true minus sign and no minus zero."""
    rounded = round(100 * value)
    return f"{rounded:+d} %".replace("-", "−") if rounded else "0 %"


def bias_table(bins: dict) -> str:
    """Median bias and quartiles by diameter, without and with correction."""
    rows = [
        "| true diameter | lesions | uncorrected: median (quartiles) | corrected: median (quartiles) |",
        "|---|---|---|---|",
    ]
    for name, found in bins.items():
        cells = [
            f"{percent(found[f'{kind}_median_bias'])} ({', '.join(percent(q) for q in found[f'{kind}_quartiles'])})"
            for kind in ("uncorrected", "corrected")
        ]
        rows.append(f"| {name} | {found['lesions']} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def coverage_table(everything: dict, bins: dict) -> str:
    """Coverage with its standard error and median relative width of both 95 % intervals, by diameter and in all."""
    rows = [
        "| true diameter | lesions | Monte Carlo: coverage | median width | analytic: coverage | median width |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in {**bins, "all": everything}.items():
        cells = [
            f"{100 * found[f'{kind}_coverage']:.1f} ± {100 * found[f'{kind}_coverage_standard_error']:.1f} % "
            f"| {100 * found[f'{kind}_median_width']:.0f} %"
            for kind in ("monte_carlo", "analytic")
        ]
        rows.append(f"| {name} | {found['lesions']} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def source_table(sources: dict) -> str:
    """Spread of the dose by one source of error at a time: seen, and over what the Monte Carlo predicts."""
    sizes = list(next(iter(sources.values())))
    rows = [
        f"| only error | {' | '.join(f'{size}: seen, over predicted' for size in sizes)} |",
        "|---|" + "---|" * len(sizes),
    ]
    for name, found in sources.items():
        cells = [f"{100 * found[size]['seen_sd']:.1f} %, {found[size]['seen_over_predicted']:.2f}" for size in sizes]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def draw(bins: dict) -> None:
    """The figure: medians with quartiles, without and with correction."""
    mpl.rcParams["svg.hashsalt"] = "ytterby"
    mpl.rcParams["svg.fonttype"] = "path"
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for kind, label, colour, offset in (
        ("uncorrected", "without correction", "#b2182b", -0.08),
        ("corrected", "with correction", "#2166ac", 0.08),
    ):
        places = [n + offset for n in range(len(bins))]
        medians = [100 * found[f"{kind}_median_bias"] for found in bins.values()]
        quartiles = [[100 * q for q in found[f"{kind}_quartiles"]] for found in bins.values()]
        spread = [
            [m - q[0] for m, q in zip(medians, quartiles, strict=True)],
            [q[1] - m for m, q in zip(medians, quartiles, strict=True)],
        ]
        axes.errorbar(places, medians, yerr=spread, fmt="o", capsize=3, color=colour, label=label)
    axes.axhline(0.0, color="0.4", linewidth=0.8)
    axes.set_xticks(range(len(bins)), list(bins))
    axes.set_xlabel("true diameter (sphere of equal volume)")
    axes.set_ylabel("error of the mean dose, %")
    axes.set_title("Simulated lesions, FWHM 12 mm: median and quartiles. Research use only.", fontsize=9)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(FIGURE, metadata={"Date": None, "Creator": None})


def main() -> None:
    """Write the figure, and the tables into the pages."""
    evidence = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    draw(evidence["by_diameter"])
    bins = evidence["by_diameter"]
    tables = (
        [bias_table(bins)],
        [coverage_table(evidence["all"], bins), source_table(evidence["one_source_at_a_time"])],
    )
    for page, of_page in zip(PAGES, tables, strict=True):
        head, *parts = page.read_text(encoding="utf-8").split(BEGIN)
        for table, part in zip(of_page, parts, strict=True):
            head += f"{BEGIN}\n\n{table}\n\n{END}{part.split(END, 1)[1]}"
        page.write_text(head, encoding="utf-8")


if __name__ == "__main__":
    main()
