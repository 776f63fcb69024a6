"""The picture of a planar scan shows the regions where they were counted, on the posterior view mirrored."""

from __future__ import annotations

import numpy as np
import pytest

from ytterby.dosimetry.planar import PlanarRegions, PlanarScan, planar_image_lung_shunt
from ytterby.model.planar import PlanarPair, PlanarView, ViewDirection
from ytterby.report.case_figures import png_bytes
from ytterby.report.planar_figure import planar_figure


@pytest.fixture
def scan() -> PlanarScan:
    shape = (30, 20)
    lungs, liver = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    lungs[0:8, 3:15] = True
    liver[12:20, 2:12] = True

    def view(side: ViewDirection) -> PlanarView:
        array = np.random.default_rng(1).poisson(10, shape)
        return PlanarView(array, side, "test", "Tc99m", (), (4.0, 4.0), None, "", "p.dcm", 1)

    pair = PlanarPair(view(ViewDirection.ANTERIOR), view(ViewDirection.POSTERIOR))
    regions = PlanarRegions(lungs, liver)
    return PlanarScan(pair, regions, planar_image_lung_shunt(pair, regions))


def test_outlines_run_around_the_regions(scan: PlanarScan) -> None:
    figure = planar_figure(scan, simulated=True)
    front, back = figure.axes
    assert [axes.get_title() for axes in (front, back)] == ["Anterior", "Posterior"]
    # Each region has a dark rim and a line; the liver's line is the last.
    ends = [
        (path.vertices[:, 0].min(), path.vertices[:, 0].max())
        for path in (axes.collections[-1].get_paths()[0] for axes in (front, back))
    ]
    assert ends[0] == (1.5, 11.5)
    assert ends[1] == (19 - 11.5, 19 - 1.5)
    lungs = front.collections[1].get_paths()[0].vertices
    assert (lungs[:, 1].min(), lungs[:, 1].max()) == (-0.5, 7.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lungs", "liver"]
    assert any("simulated" in text.get_text() for text in figure.texts)


def test_the_same_scan_gives_the_same_bytes(scan: PlanarScan) -> None:
    one, two = (png_bytes(planar_figure(scan)) for _ in range(2))
    assert one == two
