"""Percent of maximum, connected lesions, longest diameter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ytterby.errors import DomainError, SegmentError
from ytterby.imaging.threshold import connected_lesions, longest_diameter_mm, percent_of_maximum
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

GRID = Grid.axis_aligned((40, 40, 40), (2, 2, 2))
INDEX = np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), -1)
PLACE = GRID.positions_mm(INDEX.reshape(-1, 3)).reshape(*GRID.shape, 3)
LIVER = Segment("liver", Role.LIVER, np.linalg.norm(PLACE, axis=-1) < 36, GRID)


def blobs(*centres_and_radii: tuple[tuple[float, float, float], float]) -> Volume:
    array = np.ones(GRID.shape)
    for centre, radius in centres_and_radii:
        array[np.linalg.norm(PLACE - np.array(centre), axis=-1) <= radius] = 10.0
    return Volume(array, GRID, Quantity.COUNTS)


def test_the_threshold_is_a_share_of_the_regions_own_maximum() -> None:
    image = blobs(((0, 0, 0), 10))
    array = image.array.copy()
    array[0, 0, 0] = 1000.0  # hot, but outside the liver
    tumour = percent_of_maximum(image.with_array(array), LIVER, percent=41, name="Tumour", role=Role.TUMOUR)
    assert tumour.volume_ml == pytest.approx(4 / 3 * math.pi, rel=0.07)
    assert tumour.method == "41 % of maximum in liver"
    everything = percent_of_maximum(image, LIVER, percent=5, name="all", role=Role.PERFUSED)
    assert everything.volume_ml == LIVER.volume_ml


def test_lesions_are_separate_and_largest_first() -> None:
    image = blobs(((-15, 0, 0), 6), ((15, 0, 0), 11), ((0, 20, 0), 2))
    hot = percent_of_maximum(image, LIVER, percent=50, name="hot", role=Role.TUMOUR)
    lesions = connected_lesions(hot, minimum_diameter_mm=10)
    assert [lesion.name for lesion in lesions] == ["Tumour 1", "Tumour 2"]
    assert lesions[0].volume_ml > lesions[1].volume_ml
    assert len(connected_lesions(hot)) == 3


@pytest.mark.parametrize("radius_mm", [7.0, 12.0, 20.0])
def test_the_longest_diameter_of_a_sphere(radius_mm: float) -> None:
    ball = Segment("ball", Role.TUMOUR, np.linalg.norm(PLACE, axis=-1) <= radius_mm, GRID)
    assert longest_diameter_mm(ball) == pytest.approx(2 * radius_mm, abs=2.0)


def test_flat_and_single_voxel_segments_have_a_diameter() -> None:
    flat = np.zeros(GRID.shape, bool)
    flat[:, :30, 5] = True
    assert longest_diameter_mm(Segment("flat", Role.OTHER, flat, GRID)) > 80
    one = np.zeros(GRID.shape, bool)
    one[3, 3, 3] = True
    assert longest_diameter_mm(Segment("one", Role.OTHER, one, GRID)) == pytest.approx(2.0)


def test_wrong_thresholds_and_regions_are_told() -> None:
    image = blobs(((0, 0, 0), 10))
    for percent in (0, 101, -3):
        with pytest.raises(DomainError, match="percent must lie"):
            percent_of_maximum(image, LIVER, percent=percent, name="t", role=Role.TUMOUR)
    far = Segment(
        "far", Role.LIVER, np.ones((2, 2, 2), bool), Grid.axis_aligned((2, 2, 2), (1, 1, 1), origin_mm=(900, 0, 0))
    )
    with pytest.raises(SegmentError, match="segment 'far': no voxel of the region lies in the image"):
        percent_of_maximum(image, far, percent=40, name="t", role=Role.TUMOUR)
    with pytest.raises(SegmentError, match="no counts"):
        percent_of_maximum(image.with_array(np.zeros(GRID.shape)), LIVER, percent=40, name="t", role=Role.TUMOUR)
