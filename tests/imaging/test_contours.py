"""Polygons to masks and back: even-odd, half-open, holes and keyholes, and the shape between planes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.path import Path as Outline

from ytterby.errors import DomainError
from ytterby.imaging.contours import between, enclosed_area, filled, outlines

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
corners = st.tuples(st.integers(-40, 200), st.integers(-40, 200))
tangles = st.lists(corners, min_size=3, max_size=12).map(lambda found: np.array(found, dtype=float) / 10)


def even_odd(polygon: np.ndarray, place: tuple[float, float]) -> bool:
    """Whether a ray from a place towards lower columns crosses the polygon an odd number of times, edge by edge."""
    row, column = place
    inside = False
    for (r0, c0), (r1, c1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if (r0 <= row) == (r1 <= row):
            continue
        (low_row, low_column), (high_row, high_column) = sorted([(r0, c0), (r1, c1)])
        inside ^= low_column + (row - low_row) * ((high_column - low_column) / (high_row - low_row)) <= column
    return bool(inside)


@given(tangles)
def test_every_voxel_is_decided_by_the_even_odd_rule(polygon: np.ndarray) -> None:
    mask = filled([polygon], (16, 15))
    assert mask.tolist() == [[even_odd(polygon, (row, column)) for column in range(15)] for row in range(16)]


@given(masks)
def test_outlines_make_the_mask_again(mask: np.ndarray) -> None:
    polygons = outlines(mask)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)
    # Area of each polygon, its holes taken off.
    assert sum(abs(enclosed_area(polygon)) for polygon in polygons) == pytest.approx(np.count_nonzero(mask), abs=1e-9)
    assert len(polygons) <= np.count_nonzero(mask)


def test_outlines_hold_corners_alone_and_join_holes() -> None:
    mask = np.zeros((9, 8), dtype=bool)
    mask[2:7, 1:6] = True
    assert len(outlines(mask)) == 1
    np.testing.assert_array_equal(outlines(mask)[0], [[1.5, 5.5], [6.5, 5.5], [6.5, 0.5], [1.5, 0.5]])
    mask[4, 3] = False
    (ring,) = outlines(mask)
    assert len(ring) == 4 + 1 + 5 + 1 + 1  # the outline, a bend, the hole and back to where it began, the way back
    assert np.all(ring % 1 == 0.5)
    # Another program's rule: winding numbers, by which a hole must turn against its outline.
    winding = Outline(ring, closed=False).contains_points(np.argwhere(np.ones_like(mask))).reshape(mask.shape)
    np.testing.assert_array_equal(winding, mask)


def test_voxels_that_touch_at_a_corner_are_pieces() -> None:
    assert len(outlines(np.eye(4, dtype=bool))) == 4
    assert outlines(np.zeros((3, 3), dtype=bool)) == []


@given(st.lists(corners, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_neighbours_share_no_voxel_and_leave_none_out(cut: list[tuple[int, int]], random: object) -> None:
    # A square cut in two along one line: whatever the line does, each voxel belongs to one of both (even-odd).
    del random
    line = np.array([(-5.0, 7.0), *[(row / 10, column / 10) for row, column in cut], (20.0, 8.0)])
    left = np.concatenate([line, [(20.0, -5.0), (-5.0, -5.0)]])
    right = np.concatenate([line[::-1], [(-5.0, 20.0), (20.0, 20.0)]])
    both = np.stack([filled([left], (15, 15)), filled([right], (15, 15))])
    whole = filled([np.concatenate([left[-2:], right[-2:]])], (15, 15))
    np.testing.assert_array_equal(both[0] ^ both[1], whole)


def test_holes_channels_and_repeats() -> None:
    outer = np.array([(0.5, 0.5), (0.5, 10.5), (10.5, 10.5), (10.5, 0.5)])
    inner = np.array([(3.5, 3.5), (3.5, 6.5), (6.5, 6.5), (6.5, 3.5)])
    hole = filled([outer, inner], (12, 12))
    assert np.count_nonzero(hole) == 100 - 9
    for around in (inner, inner[::-1]):  # whichever way the inner loop turns
        keyhole = np.concatenate([outer, outer[:1], around, around[:1]])
        np.testing.assert_array_equal(filled([keyhole], (12, 12)), hole)
    twice_over = np.concatenate([outer, outer[:1], outer[:1]])
    np.testing.assert_array_equal(filled([twice_over], (12, 12)), filled([outer], (12, 12)))


def test_what_lies_beyond_the_mask_is_cut_and_what_is_no_area_is_nothing() -> None:
    square = np.array([(-7.0, -9.0), (-7.0, 30.0), (30.0, 30.0), (30.0, -9.0)])
    assert filled([square], (5, 6)).all()
    assert not filled([square + 100], (5, 6)).any()
    assert not filled([square - 100], (5, 6)).any()
    assert not filled([square[:2], np.array([(1.0, 1.0), (1.0, 4.0), (1.0, 2.0)])], (5, 6)).any()
    with pytest.raises(DomainError, match="not finite"):
        filled([square * np.nan], (5, 6))


def test_a_winding_polygon_is_bounded() -> None:
    zigzag = np.column_stack([np.tile([-1.0, 600.0], 100_000), np.linspace(0, 500, 200_000)])
    with pytest.raises(DomainError, match="a polygon of 200000 points crosses"):
        filled([zigzag], (600, 512))
    started = time.perf_counter()
    assert filled([zigzag[:20_000]], (600, 512)).any()
    assert time.perf_counter() - started < 10


def test_the_shape_between_two_discs_lies_between_them() -> None:
    row, column = np.mgrid[:61, :61]

    def disc(at: float, radius: float) -> np.ndarray:
        return (row - 30) ** 2 + (column - at) ** 2 < radius**2

    middle = between(disc(26, 10), disc(34, 14), 0.5, spacing_mm=(1.0, 1.0))
    expected = disc(30, 12)
    shared = 2 * np.count_nonzero(middle & expected) / (np.count_nonzero(middle) + np.count_nonzero(expected))
    assert shared > 0.96
    for share, mask in ((0.0, disc(26, 10)), (1.0, disc(34, 14))):
        np.testing.assert_array_equal(between(disc(26, 10), disc(34, 14), share, spacing_mm=(1.0, 1.0)), mask)
    assert not between(disc(10, 5), disc(50, 5), 0.5, spacing_mm=(1.0, 1.0)).any()
    assert not between(disc(10, 0), disc(50, 0), 0.5, spacing_mm=(1.0, 1.0)).any()
