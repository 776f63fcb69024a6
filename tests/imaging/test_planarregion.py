"""Outlines on a planar view become masks of pixel centres."""

from __future__ import annotations

import matplotlib.path
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError, GeometryError
from ytterby.imaging.planarregion import Polygon, polygon_mask, rectangle, region_mask
from ytterby.model.planar import PlanarView, ViewDirection


def view(shape: tuple[int, int] = (10, 8), spacing_mm: tuple[float, float] | None = (2.0, 4.0)) -> PlanarView:
    return PlanarView(np.ones(shape), ViewDirection.ANTERIOR, "test", "", (), spacing_mm, None, "", "test", 1)


def test_a_rectangle_takes_the_pixels_on_its_sides() -> None:
    mask = polygon_mask(rectangle((1, 2, 3, 5)), (10, 8), None)
    assert np.argwhere(mask).min(axis=0).tolist() == [2, 1]
    assert np.argwhere(mask).max(axis=0).tolist() == [5, 3]
    assert mask.sum() == 12
    # 4 mm along the columns, 2 mm along the rows: the same rectangle.
    np.testing.assert_array_equal(polygon_mask(rectangle((4, 4, 12, 10), in_mm=True), (10, 8), (2.0, 4.0)), mask)


@given(
    st.lists(
        st.tuples(st.integers(0, 18).map(lambda n: n + 0.37), st.integers(0, 22).map(lambda n: n + 0.41)),
        min_size=3,
        max_size=3,
        unique=True,
    )
)
def test_triangles_hold_what_matplotlib_says(corners: list[tuple[float, float]]) -> None:
    y, x = np.mgrid[0:24, 0:20]
    points, outline = np.column_stack([x.ravel(), y.ravel()]), matplotlib.path.Path(corners)
    within, around = (outline.contains_points(points, radius=r).reshape(24, 20) for r in (-1e-6, 1e-6))
    mask = polygon_mask(Polygon(tuple(corners)), (24, 20), None)
    # Which of the two shrinks depends on the way round; centres on the outline may differ.
    sure = within == around
    np.testing.assert_array_equal(mask[sure], within[sure])


def test_a_region_is_all_its_outlines() -> None:
    mask = region_mask([rectangle((0, 0, 1, 1)), rectangle((5, 5, 7, 9))], view(), name="lungs")
    assert mask.sum() == 4 + 15


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        (rectangle((0, 0, 8, 3)), "reaches beyond the view of 8 columns and 10 rows"),
        (rectangle((-1, 0, 3, 3)), "reaches beyond"),
        (rectangle((0, 0, 40, 3), in_mm=True), "reaches beyond"),
        (rectangle((1.2, 1.2, 1.8, 1.8)), "holds no pixel centre"),
    ],
    ids=["right", "left", "millimetres", "between"],
)
def test_regions_lie_on_the_view(outline: Polygon, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        region_mask([outline], view(), name="lungs")


def test_millimetres_need_a_spacing_and_outlines_corners() -> None:
    with pytest.raises(GeometryError, match="no pixel spacing"):
        region_mask([rectangle((0, 0, 3, 3), in_mm=True)], view(spacing_mm=None), name="lungs")
    with pytest.raises(DomainError, match="3 to 10000 corners"):
        Polygon(((0, 0), (1, 1)))
    with pytest.raises(DomainError):
        Polygon(((0, 0), (1, 1), (float("nan"), 2)))
