"""The page of one case: what it says, that it needs nothing beside it, and that it is the same each time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from ytterby.model.dose import (
    ActivityBalance,
    CaseDose,
    DoseOptions,
    DoseVolumeHistogram,
    LungDose,
    Notice,
    SegmentDose,
    SingleCompartmentDose,
    joint_mean_dose_gy,
)
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Device, Session, Vial
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.report.case_figures import histogram_figure, planes_figure, png_bytes, svg_bytes
from ytterby.report.case_marks import Mark, label, marks
from ytterby.report.case_page import case_facts, page_html, write_case_page

SPECT = Grid.axis_aligned((48, 48, 40), (6.0, 6.0, 6.0))
# Another lattice for CT and masks: finer, reversed along x and y.
CT = Grid(
    (70, 70, 60),
    np.array([[-4.0, 0, 0, 138.0], [0, -4.0, 0, 138.0], [0, 0, 4.0, -118.0], [0, 0, 0, 1.0]]),
)
TUMOURS = {"Segment V": ((-60.0, 0.0, 10.0), 22.0, 312.34), "Segment II": ((-10.0, -30.0, 20.0), 14.0, 187.06)}


def far_mm(grid: Grid, centre_mm: tuple[float, float, float]) -> FloatArray:
    positions = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T) - np.array(centre_mm)
    return np.linalg.norm(positions, axis=1).reshape(grid.shape)


def row(name: str, role: Role, mean_gy: float, volume_ml: float, **more: Any) -> SegmentDose:
    return SegmentDose(
        name, role, "imported", volume_ml, volume_ml * 1.03e-3, 0.125, mean_gy, "local_deposition", **more
    )


def case() -> dict[str, Any]:
    """A case made by hand: two tumours in a liver, on a grid that is not the image's."""
    dose_map = np.full(SPECT.shape, 3.0)
    dose_map[far_mm(SPECT, (-40.0, 0.0, 0.0)) < 75] = 40.0
    masks = {"liver": far_mm(CT, (-40.0, 0.0, 0.0)) < 75}
    for name, (centre, radius, mean) in TUMOURS.items():
        dose_map[far_mm(SPECT, centre) < radius] = mean
        masks[name] = far_mm(CT, centre) < radius
    noise = np.random.default_rng(4).normal(0.0, 20.0, CT.shape)
    ct = np.where(far_mm(CT, (0.0, 0.0, 0.0)) < 130, 60.0 + noise, -1000.0).astype(np.int16)
    tumours = np.logical_or.reduce([masks[name] for name in TUMOURS])
    figures = dict.fromkeys(
        ("min_dose_gy", "max_dose_gy", "d98_gy", "d95_gy", "d90_gy", "d70_gy", "d50_gy", "d2_gy"), 77.7
    )
    doses = (
        row("liver", Role.LIVER, 61.2, 1767.0, v100gy_fraction=0.082, **figures),
        row("Segment V", Role.TUMOUR, 312.34, 44.6, v100gy_fraction=1.0, d98_gy=201.45, d70_gy=288.88),
        row("Segment II", Role.TUMOUR, 187.06, 11.5, **figures),
        row("normal_liver", Role.NORMAL_LIVER, 54.4, 1711.0, **figures),
        row("lungs", Role.LUNGS, 5.63, 970.9),  # figures of a distribution cannot be had for the lungs
    )
    line = np.linspace(0.0, 350.0, 36)
    histograms = tuple(
        DoseVolumeHistogram(dose.segment, dose.role, line, np.clip(1.5 - line / dose.mean_dose_gy, 0, 1))
        for dose in doses[:4]
    )
    session = Session(
        "S1",
        Device.GLASS,
        3.9,
        datetime(2024, 3, 8, 11, 0, tzinfo=timezone(timedelta(hours=1))),
        0.01,
        0.029,
        vial=Vial(Device.GLASS, 5.0, datetime(2024, 3, 6, 12, 0, tzinfo=UTC)),
    )
    net = session.net_activity_gbq
    dose = CaseDose(
        "P042",
        DoseOptions(49.67, 1.03, 1.0),
        doses,
        histograms,
        ActivityBalance(3.9, 0.039, net * 0.971, net * 0.029, 0.0, counts_outside_fraction=0.4013),
        (SingleCompartmentDose("S1", "whole liver", 1767.0, 1.82, net * 0.971, 102.31),),
        (LungDose("S1", 0.029, 1.0, 5.56, 5.56),),
        (Notice("counts_outside", "40.1 % of the counts lie outside liver and lungs"),),
    )
    return {
        "dose": dose,
        "dose_map": Volume(dose_map.astype(np.float32), SPECT, Quantity.DOSE),
        "image": Volume((dose_map * 3).astype(np.int16), SPECT, Quantity.COUNTS),
        "ct": Volume(ct, CT, Quantity.HU),
        "segments": [
            Segment("liver", Role.LIVER, masks["liver"], CT),
            *(Segment(name, Role.TUMOUR, masks[name], CT) for name in TUMOURS),
            Segment("normal_liver", Role.NORMAL_LIVER, masks["liver"] & ~tumours, CT, "liver - tumours"),
        ],
        "sessions": [session],
        "simulated": True,
        "software": "Ytterby 0.1.0",
    }


def html(**given: Any) -> str:
    return page_html(case_facts(**given))


@pytest.fixture(scope="module")
def page() -> str:
    return html(**case())


def table_rows(page: str) -> list[str]:
    """Each row of the page's tables, without marks of HTML."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", found).split()) for found in rows]


def test_each_segment_stands_with_its_volume_and_mean_dose(page: str) -> None:
    rows = table_rows(page)
    for name, volume, mean in (
        ("Segment V", "44.6", "312.3"),
        ("Segment II", "11.5", "187.1"),
        ("liver", "1,767.0", "61.2"),
        ("normal_liver", "1,711.0", "54.4"),
        ("lungs", "970.9", "5.6"),
    ):
        (found,) = [text for text in rows if re.match(rf"(\d )?{name} (Tumour|Liver|Whole|Lungs)", text)]
        assert f" {volume} 12.5 {mean} " in found


def test_d98_and_d70_stand_in_their_columns_and_what_is_missing_is_a_dash(page: str) -> None:
    rows = table_rows(page)
    (heading,) = [text for text in rows if text.startswith("Segment Volume")]
    assert "Min Gy D98 Gy D95 Gy D90 Gy D70 Gy D50 Gy D2 Gy Max Gy V100 Gy %" in heading
    (tumour,) = [text for text in rows if text.startswith("1 Segment V ")]
    assert tumour.endswith("312.3 – 201.4 – – 288.9 – – – 100.0")
    (lungs,) = [text for text in rows if text.startswith("lungs")]
    assert lungs.endswith("5.6 – – – – – – – – –")


def test_patient_mean_is_energy_over_mass(page: str) -> None:
    expected = (312.34 * 44.6 + 187.06 * 11.5) / (44.6 + 11.5)
    assert joint_mean_dose_gy(case()["dose"].doses[1:3]) == pytest.approx(expected)
    assert f'<span class="value">{expected:.1f} <small>Gy' in page
    assert any(text.startswith("All tumours") and f"{expected:.1f}" in text for text in table_rows(page))
    assert joint_mean_dose_gy([]) is None


def test_headline_treatment_and_constants_are_there(page: str) -> None:
    for text in (
        "P042",
        "glass",
        "3.900 GBq",
        "2024-03-08 11:00+01:00",
        "5.000 GBq, 2024-03-06 12:00+00:00",
        "residual 1.0 %",
        "lung shunt 2.9 %",
        "49.67 J/GBq",
        "1.03 g/mL",
        "local deposition",
        "102.3",
        "70 × 70 × 60",
        "40.1 %",
    ):
        assert text in page


def test_notices_come_before_numbers(page: str) -> None:
    assert page.index("counts_outside") < page.index('class="cards"') < page.index("Absorbed dose by segment")


def test_banners(page: str) -> None:
    assert "Research use only" in page
    assert "Simulated data" in page
    real = html(**{**case(), "simulated": False})
    assert "Research use only" in real
    assert "simulated data" not in real.lower()


def test_the_page_needs_nothing_beside_it(page: str) -> None:
    assert "http:" not in page
    assert "https:" not in page
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']{0,30})""", page)
    assert len(sources) == 2
    assert all(source.startswith("data:image/") for source in sources)
    assert "@import" not in page
    assert "<script" not in page


def test_same_bytes_twice_and_a_modest_size(page: str, tmp_path: Path) -> None:
    write_case_page(tmp_path / "report.html", **case())
    written = (tmp_path / "report.html").read_bytes()
    assert written == page.encode()
    assert len(written) < 1_200_000


def test_figures_are_the_same_whatever_the_users_settings() -> None:
    given = case()
    expected = svg_bytes(histogram_figure(given["dose"]))
    with matplotlib.rc_context({"font.size": 31.0, "axes.grid": True, "svg.fonttype": "none"}):
        before = dict(matplotlib.rcParams)
        assert svg_bytes(histogram_figure(given["dose"])) == expected
        assert dict(matplotlib.rcParams) == before
    assert b"Date" not in expected


def test_hostile_names_are_text() -> None:
    given = case()
    names = {
        "Segment V": "<script>alert(1)</script>",
        "Segment II": r"_$\frac{$ 肝 & \n" + 300 * "x",
        "liver": '"><img src=x onerror=alert(2)>',
        "normal_liver": "_$x_$",
    }
    dose = given["dose"]
    given["dose"] = replace(
        dose,
        patient_id="</title><script>",
        doses=tuple(replace(d, segment=names.get(d.segment, d.segment)) for d in dose.doses),
        histograms=tuple(replace(h, segment=names.get(h.segment, h.segment)) for h in dose.histograms),
        notices=(Notice("<b>", "<script>"),),
    )
    given["segments"] = [replace(s, name=names.get(s.name, s.name), method="<i>") for s in given["segments"]]
    page = html(**given, title="<script>title")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "肝" in page


def test_labels_of_figures_are_short_and_in_letters_of_the_font() -> None:
    assert label("Lésion 1", Mark("#fff", 3)) == "3  Lésion 1"
    assert label("肝\n" + 90 * "a", Mark("#fff")) == "??" + 23 * "a" + "…"


@pytest.mark.parametrize("without", ["ct", "tumours", "segments", "dose"])
def test_what_is_missing_does_not_stop_the_page(without: str) -> None:
    given = case()
    dose = given["dose"]
    if without == "ct":
        given["ct"] = None
    elif without == "tumours":
        given["segments"] = [s for s in given["segments"] if s.role is not Role.TUMOUR]
        given["dose"] = replace(
            dose,
            doses=tuple(d for d in dose.doses if d.role is not Role.TUMOUR),
            histograms=tuple(h for h in dose.histograms if h.role is not Role.TUMOUR),
        )
    elif without == "segments":
        empty = Segment("nothing", Role.TUMOUR, np.zeros(CT.shape, dtype=np.bool_), CT)
        given["segments"] = [empty]
        given["dose"] = replace(dose, doses=(), histograms=(), single_compartment=(), lungs=(), notices=())
    else:
        given["dose_map"] = given["dose_map"].with_array(np.zeros(SPECT.shape, dtype=np.float32))
        given["image"] = given["image"].with_array(np.zeros(SPECT.shape, dtype=np.int16))
    page = html(**given)
    assert ("No CT was given" in page) == (without == "ct")
    assert ("No tumour segment was given" in page) == (without in ("tumours", "segments"))
    through = {"tumours": "the liver", "segments": "the highest dose"}.get(without, "the hottest tumour")
    assert f"Three planes through {through}" in page


def test_every_panel_has_one_scale_and_left_on_the_right() -> None:
    given = case()
    figure = planes_figure(
        given["dose"], given["dose_map"], image=given["image"], ct=given["ct"], segments=given["segments"]
    )
    panels = [axes for axes in figure.axes if any(text.get_text() == "5 cm" for text in axes.texts)]
    assert len(panels) == 9
    scales = []
    for axes in panels:
        (x0, y0), (x1, y1) = axes.transData.transform([(0.0, 0.0), (10.0, 10.0)])
        scales += [abs(x1 - x0), abs(y1 - y0)]
        letters = {text.get_text(): text.get_position() for text in axes.texts if len(text.get_text()) == 1}
        if "L" in letters:
            assert x1 > x0, "LPS x grows to the patient's left, which is the viewer's right"
            assert letters["L"][0] > 0.9
            assert letters["R"][0] < 0.1
        if "F" in letters:
            assert y1 > y0, "LPS z grows to the head"
            assert letters["F"][1] < 0.1
        if "A" in letters and "P" in letters and "F" in letters:
            assert letters["A"][0] < 0.1
            assert x1 > x0, "LPS y grows to posterior, which is the viewer's right"
    assert scales == pytest.approx([scales[0]] * len(scales), rel=1e-6)


def test_a_hot_spot_at_left_anterior_is_drawn_at_right_above() -> None:
    given = case()
    dose_map = np.where(far_mm(SPECT, (70.0, -40.0, 0.0)) < 20, 500.0, 0.0).astype(np.float32)
    liver = Segment("liver", Role.LIVER, far_mm(CT, (0.0, 0.0, 0.0)) < 95, CT)
    figure = planes_figure(
        replace(given["dose"], doses=(), histograms=()),
        Volume(dose_map, SPECT, Quantity.DOSE),
        image=Volume(dose_map, SPECT, Quantity.COUNTS),
        ct=None,
        segments=[liver],
    )
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] < 60)  # top of the dose wash
    left, bottom, width, height = figure.axes[4].get_position().bounds  # three of the image, its scale, then the dose
    rows, columns = pixels.shape[:2]
    part = red[int((1 - bottom - height) * rows) : int((1 - bottom) * rows), int(left * columns) :]
    part = part[:, : int(width * columns)]
    assert part.any()
    assert np.flatnonzero(part.any(axis=0)).min() > 0.6 * part.shape[1]
    assert np.flatnonzero(part.any(axis=1)).max() < 0.5 * part.shape[0]


def test_png_has_no_name_of_a_program() -> None:
    given = case()
    content = png_bytes(histogram_figure(given["dose"], simulated=True))
    assert content.startswith(b"\x89PNG")
    assert b"Software" not in content
    assert b"atplotlib" not in content


def test_marks_number_the_tumours_and_repeat_colours_openly() -> None:
    given = case()
    many = tuple(row(f"T{n}", Role.TUMOUR, 100.0, 5.0) for n in range(11))
    found = marks(replace(given["dose"], doses=many, histograms=()), given["segments"][:1])
    assert [found[f"T{n}"].number for n in range(11)] == list(range(1, 12))
    assert not found["T0"].is_repeat
    assert found["T10"].is_repeat
    assert found["liver"].number is None
