"""The page of a verification: what it says, that it needs nothing beside it, and that it is the same each time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ytterby.imaging.smooth import Smoothed
from ytterby.model.dose import ActivityBalance, CaseDose, DoseOptions, DoseVolumeHistogram, Notice, SegmentDose
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.planning.gamma import GammaCriterion, GammaResult
from ytterby.planning.verify import (
    Limits,
    Resolution,
    Verification,
    VoxelComparison,
    beyond_limits,
    lesion_agreement,
    matched_segments,
    pair_notices,
    unmatched_segments,
)
from ytterby.planning.voxelwise import compared_region, dose_maps, voxel_agreement
from ytterby.report.verify_figures import agreement_figure, difference_figure, histogram_pairs_figure
from ytterby.report.verify_page import verify_html, write_verify_page

GRID = Grid.axis_aligned((36, 36, 30), (6.0, 6.0, 6.0))
TUMOURS = {"Segment V": (-40.0, 210.0), "Segment II": (0.0, 140.0), "Segment VI": (35.0, 320.0)}


def ball(x_mm: float, radius_mm: float) -> FloatArray:
    positions = GRID.positions_mm(np.indices(GRID.shape).reshape(3, -1).T) - np.array([x_mm, 0.0, 0.0])
    return (np.linalg.norm(positions, axis=1) < radius_mm).reshape(GRID.shape)


def side(factors: dict[str, float], *, administered_gbq: float, recovered: float | None) -> tuple[CaseDose, Volume]:
    """A case made by hand, whose tumours get ``factors`` of their dose."""
    dose = np.where(ball(0.0, 80.0), 40.0, 2.0)
    rows = [SegmentDose("liver", Role.LIVER, "imported", 2144.0, 2.2, 0.97, 48.0, "local_deposition")]
    rows += [
        SegmentDose("normal_liver", Role.NORMAL_LIVER, "liver - tumours", 2050.0, 2.1, 0.8, 40.0, "local_deposition")
    ]
    for name, (x, mean) in TUMOURS.items():
        mean_gy = mean * factors.get(name, 1.0)
        dose[ball(x, 15.0)] = mean_gy
        rows.append(
            SegmentDose(
                name,
                Role.TUMOUR,
                "imported",
                14.1,
                0.0146,
                0.05,
                mean_gy,
                "local_deposition",
                20.0,
                d70_gy=0.8 * mean_gy,
            )
        )
    line = np.linspace(0.0, 400.0, 41)
    curves = tuple(
        DoseVolumeHistogram(row.segment, row.role, line, np.clip(1.5 - line / row.mean_dose_gy, 0, 1), row.volume_ml)
        for row in rows
    )
    balance = ActivityBalance(administered_gbq, 0.02 * administered_gbq, 2.8, 0.1, 0.0, recovered_fraction=recovered)
    case = CaseDose("P042", DoseOptions(49.67, 1.03, 1.0), tuple(rows), curves, balance, (), ())
    return case, Volume(dose, GRID, Quantity.DOSE)


def given(**changes: Any) -> dict[str, Any]:
    """A verification of three tumours, of which one got 40 % less."""
    predicted, before = side({}, administered_gbq=3.0, recovered=None)
    delivered, after = side({"Segment V": 0.6, "Segment II": 1.1}, administered_gbq=3.3, recovered=0.75)
    predicted = replace(predicted, notices=(Notice("counts_outside", "40.1 % of the counts lie outside"),))
    segments = [Segment("liver", Role.LIVER, ball(0.0, 80.0), GRID)]
    segments += [Segment(name, Role.TUMOUR, ball(x, 15.0), GRID) for name, (x, _) in TUMOURS.items()]
    pairs = matched_segments(predicted, delivered, ratio=1.1)
    limits = Limits(mean_dose_fraction=0.2, gamma=GammaCriterion(0.1, 5.0))
    gamma = GammaResult(GammaCriterion(0.1, 5.0), 32.0, 9876, 0.875)
    maps = dose_maps(before, after, region=compared_region(segments))
    rows = [voxel_agreement(maps, segment) for segment in segments]
    scaled = [voxel_agreement(maps, segment, ratio=1.1) for segment in segments]
    found = Verification(
        patient_id="P042",
        predicted=predicted,
        delivered=delivered,
        ratio=1.1,
        pairs=pairs,
        unmatched=unmatched_segments(predicted, delivered),
        lesions=lesion_agreement(pairs),
        limits=limits,
        voxels=VoxelComparison(
            tuple(row for row in rows if row is not None),
            tuple(row for row in scaled if row is not None),
            gamma,
            Resolution(12.0, 6.5, Smoothed.DELIVERED, 10.087),
        ),
        flags=beyond_limits(pairs, limits, recovered_fraction=0.75, gamma=gamma),
        notices=pair_notices(predicted, delivered, pairs, ratio=1.1),
    )
    page = {"found": found, "maps": maps, "segments": segments, "simulated": True, "software": "ytterby 0.1.0"}
    return {**page, **changes}


@pytest.fixture(scope="module")
def page() -> str:
    return verify_html(**given())


def table_rows(page: str) -> list[str]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", found).split()) for found in rows]


def test_each_segment_stands_with_both_doses_their_difference_and_the_rescaled_one(page: str) -> None:
    rows = table_rows(page)
    (heading,) = [row for row in rows if row.startswith("Segment Volume predicted")]
    assert "Predicted Gy Predicted × 1.100 Gy, at the delivered activity Delivered Gy" in heading
    (found,) = [row for row in rows if row.startswith("1 Segment V tumour 14.1")]
    # 210 predicted, 231 rescaled, 126 delivered; -40 % of the predicted, -45.5 % of the rescaled; 20 and 20 Gy in quadrature.
    assert found.endswith("14.1 14.1 210.0 231.0 126.0 −84.0 −40.0 −45.5 28.3 −3.0")


def test_flags_come_first_then_what_must_be_known(page: str) -> None:
    assert page.index("mean_dose_beyond_limit") < page.index("recovery_beyond_limit") < page.index("activities_differ")
    assert page.index("activities_differ") < page.index('class="cards"') < page.index("Mean absorbed dose by segment")
    quiet = given()
    quiet["found"] = replace(quiet["found"], flags=())
    assert "No difference lies beyond the limits that were used" in verify_html(**quiet)


def test_the_limits_and_whose_they_are(page: str) -> None:
    rows = table_rows(page)
    assert "Mean dose of a segment ± 20 % of the predicted stated by the user" in rows
    assert "Recovered activity 80 to 120 % built in: no published limit" in rows
    assert "Gamma (global) 10 %, 5 mm; no least share stated stated by the user" in rows


def test_resolution_gamma_and_agreement_stand_in_words(page: str) -> None:
    assert (
        "predicted 12 mm, delivered 6.5 mm FWHM. The delivered map was smoothed by a Gaussian of 10.09 mm FWHM." in page
    )
    assert "87.5 % of 9,876 voxels pass" in page
    (bias,) = [row for row in table_rows(page) if row.startswith("Bias")]
    assert f"{(0.6 * 1.1) ** (1 / 3):.2f} (" in bias
    assert any(row.startswith("Lower limit of agreement −") for row in table_rows(page))
    unmatched = given()
    unmatched["found"] = replace(
        unmatched["found"], voxels=replace(unmatched["found"].voxels, resolution=None, gamma=None)
    )
    assert "Resolutions not matched" in verify_html(**unmatched)


def test_what_the_cases_say_of_themselves_is_repeated(page: str) -> None:
    assert "predicted 40.1 % of the counts lie outside" in table_rows(page)


def test_banners(page: str) -> None:
    assert "Research use only" in page
    assert "Simulated data" in page
    real = verify_html(**given(simulated=False))
    assert "Research use only" in real
    assert "simulated data" not in real.lower()


def test_the_page_needs_nothing_beside_it_and_is_the_same_twice(page: str, tmp_path: Path) -> None:
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']{0,30})""", page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/") for source in sources)
    write_verify_page(tmp_path / "verify.html", **given())
    written = (tmp_path / "verify.html").read_bytes()
    assert written == page.encode()
    assert len(written) < 1_200_000


def test_without_maps_lesions_or_histograms_the_page_still_stands() -> None:
    bare = given(maps=None)
    found = bare["found"]
    pairs = tuple(pair for pair in found.pairs if pair.role is not Role.TUMOUR)
    empty = replace(found.predicted, histograms=(), notices=())
    bare["found"] = replace(
        found, voxels=None, pairs=pairs, lesions=lesion_agreement(pairs), predicted=empty, flags=(), notices=()
    )
    page = verify_html(**bare)
    assert "Three planes" not in page
    assert "Voxel by voxel" not in page
    assert "No tumour stands in both cases." in page


def test_hostile_names_are_text() -> None:
    bad = given()
    names = {"Segment V": "<script>alert(1)</script>", "liver": r"_$\frac{$ 肝" + 200 * "x"}

    def renamed(case: CaseDose) -> CaseDose:
        return replace(
            case,
            doses=tuple(replace(one, segment=names.get(one.segment, one.segment)) for one in case.doses),
            histograms=tuple(replace(one, segment=names.get(one.segment, one.segment)) for one in case.histograms),
        )

    found = bad["found"]
    predicted, delivered = renamed(found.predicted), renamed(found.delivered)
    pairs = matched_segments(predicted, delivered, ratio=1.1)
    rows = tuple(replace(one, segment=names.get(one.segment, one.segment)) for one in found.voxels.segments)
    bad["found"] = replace(
        found,
        patient_id="</title><script>",
        predicted=predicted,
        delivered=delivered,
        pairs=pairs,
        lesions=lesion_agreement(pairs),
        voxels=replace(found.voxels, segments=rows, rescaled=rows),
        flags=(Notice("<b>", "<script>"),),
    )
    bad["segments"] = [replace(one, name=names.get(one.name, one.name)) for one in bad["segments"]]
    page = verify_html(**bad)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_planes_have_one_scale_their_letters_and_gray_in_the_bar() -> None:
    made = given()
    figure = difference_figure(made["found"], made["maps"], segments=made["segments"])
    panels = [axes for axes in figure.axes if any(text.get_text() == "5 cm" for text in axes.texts)]
    assert len(panels) == 9
    for axes in panels:
        letters = {
            text.get_text(): text.get_position() for text in axes.texts if text.get_text() in ("L", "R", "A", "P")
        }
        if "L" in letters:
            assert letters["L"][0] > 0.9
            assert letters["R"][0] < 0.1
    bars = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert bars == ["Gy; square-root scale", "Gy; square-root scale", "Gy; blue: less delivered"]
    labels = [[text.get_text() for text in axes.get_yticklabels()] for axes in figure.axes if axes.get_ylabel()]
    assert labels[0] == labels[1]
    # Symmetric about 0, which lies in the middle.
    assert labels[2][2] == "0"
    assert labels[2][0].lstrip("-\u2212") == labels[2][4]


def test_less_delivered_is_blue_and_more_is_red() -> None:
    made = given()
    figure = difference_figure(made["found"], made["maps"], segments=[])
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).astype(int)
    axes = [one for one in figure.axes if any(text.get_text() == "5 cm" for text in one.texts)][6]

    def colour_at(x: float) -> np.ndarray:
        column, row = axes.transData.transform((x, 0.0))
        return pixels[pixels.shape[0] - 1 - int(row), int(column), :3]

    less, more = colour_at(-40.0), colour_at(0.0)  # Segment V got 40 % less, Segment II 10 % more
    assert less[2] > 200
    assert less[0] < 150
    assert more[0] > 200
    assert more[2] < more[0]


def test_agreement_and_histograms_show_what_they_hold() -> None:
    made = given()
    figure = agreement_figure(made["found"], segments=made["segments"])
    assert figure is not None
    absolute, ratio = figure.axes
    points = [line for line in absolute.lines if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in points] == pytest.approx([-84.0, 14.0, 0.0])
    assert [line.get_xdata()[0] for line in points] == pytest.approx([168.0, 147.0, 320.0])
    assert [text.get_text() for text in absolute.texts] == ["1", "2", "3"]
    assert [line.get_ydata()[0] for line in ratio.lines if line.get_marker() == "o"] == pytest.approx([0.6, 1.1, 1.0])
    curves = histogram_pairs_figure(made["found"], segments=made["segments"])
    assert curves is not None
    styles = [line.get_linestyle() for line in curves.axes[0].lines]
    assert styles.count("-") == styles.count("--") == 5


def test_lesions_without_a_dose_have_no_ratio_and_are_drawn_all_the_same() -> None:
    made = given()
    found = made["found"]
    nothing = tuple(replace(one, mean_dose_gy=0.0) if one.role is Role.TUMOUR else one for one in found.delivered.doses)
    delivered = replace(found.delivered, doses=nothing)
    pairs = matched_segments(found.predicted, delivered, ratio=1.1)
    changed = replace(found, delivered=delivered, pairs=pairs, lesions=lesion_agreement(pairs))
    figure = agreement_figure(changed)
    assert figure is not None
    assert len([line for line in figure.axes[0].lines if line.get_marker() == "o"]) == 3
    assert not [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    page = verify_html(**{**made, "found": changed})
    assert "0 with doses above 0" in page
