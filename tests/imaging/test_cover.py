"""Segments sampled together give what each gives on its own."""

from __future__ import annotations

import numpy as np

from ytterby.imaging.cover import covers
from ytterby.imaging.sample import sample_linear
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

IMAGE = Grid.axis_aligned((20, 18, 16), (4.0, 4.5, 5.0))
FINE = Grid.axis_aligned((40, 36, 30), (1.9, 2.1, 2.4), origin_mm=(-37.0, -36.0, -33.0))
COARSE = Grid.axis_aligned((8, 8, 7), (9.0, 9.0, 9.0))


def blob(name: str, grid: Grid, seed: int) -> Segment:
    rng = np.random.default_rng(seed)
    mask = np.zeros(grid.shape, bool)
    low = rng.integers(0, 3, 3)
    inner = tuple(slice(int(a), int(n) - 2) for a, n in zip(low, grid.shape, strict=True))
    mask[inner] = rng.random(mask[inner].shape) < 0.4
    return Segment(name, Role.TUMOUR, mask, grid)


def test_values_of_a_cover_are_those_of_each_segment() -> None:
    image = Volume(np.random.default_rng(1).random(IMAGE.shape), IMAGE, Quantity.COUNTS)
    segments = [blob("a", FINE, 1), blob("b", COARSE, 2), blob("c", FINE, 3), blob("d", COARSE, 4)]
    found = covers(segments, [IMAGE])
    assert [[segment.name for segment in cover.segments] for cover in found] == [["a", "c"], ["b", "d"]]
    for cover in found:
        values = sample_linear(image, cover.points).values
        for segment in cover.segments:
            points = segment.points(grids=[IMAGE])
            alone = sample_linear(image, points).values
            # The coarse grid's voxels are divided; the order is the same, and so is every bit.
            np.testing.assert_array_equal(cover.of(segment, values), alone)
            assert cover.points.volume_ml == points.volume_ml
