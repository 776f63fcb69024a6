"""The lung shunt of planar images equals the formula on counts that were summed by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from ytterby.dosimetry.lung import planar_lung_shunt
from ytterby.dosimetry.planar import PlanarRegions, planar_image_lung_shunt
from ytterby.errors import CalibrationError, SegmentError
from ytterby.model.planar import PlanarPair, PlanarView, ViewDirection

SHAPE = (12, 10)


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[rows, columns] = True
    return mask


LUNGS, LIVER, BESIDE = box(slice(1, 5), slice(2, 6)), box(slice(6, 10), slice(1, 6)), box(slice(0, 3), slice(7, 10))


def pair(front: np.ndarray, back: np.ndarray) -> PlanarPair:
    def one(array: np.ndarray, side: ViewDirection) -> PlanarView:
        return PlanarView(array, side, "test", "Tc99m", (), None, None, "", "p.dcm", 1)

    return PlanarPair(one(front, ViewDirection.ANTERIOR), one(back, ViewDirection.POSTERIOR))


def test_counts_are_those_of_the_mirrored_region() -> None:
    rng = np.random.default_rng(5)
    front, back = rng.poisson(30, SHAPE), rng.poisson(20, SHAPE)
    shunt = planar_image_lung_shunt(pair(front, back), PlanarRegions(LUNGS, LIVER))
    by_hand = {
        "anterior_lung_counts": front[1:5, 2:6].sum(),
        # Column c of the front is column 9 - c of the back.
        "posterior_lung_counts": back[1:5, 4:8].sum(),
        "anterior_liver_counts": front[6:10, 1:6].sum(),
        "posterior_liver_counts": back[6:10, 4:9].sum(),
    }
    assert shunt.counts is not None
    assert asdict(shunt.counts) == by_hand
    assert shunt.lung_shunt_fraction == planar_lung_shunt(**by_hand).lung_shunt_fraction
    assert "regions mirrored; no background subtracted" in shunt.method


def test_a_known_patient_is_found_in_spite_of_attenuation() -> None:
    # Activity 5 in the lungs and 95 in the liver; the front sees it weakened by exp(-mu d), the back by exp(-mu (D - d)).
    front, back = np.zeros(SHAPE), np.zeros(SHAPE)
    for mask, activity, depth in ((LUNGS, 5.0, 0.3), (LIVER, 95.0, 0.9)):
        front[mask] = activity / mask.sum() * np.exp(-depth)
        back[mask[:, ::-1]] = activity / mask.sum() * np.exp(-(1.6 - depth))
    shunt = planar_image_lung_shunt(pair(front, back), PlanarRegions(LUNGS, LIVER))
    assert shunt.lung_shunt_fraction == pytest.approx(0.05, rel=1e-12)


def test_a_background_is_taken_off_each_view() -> None:
    front, back = np.full(SHAPE, 7.0), np.full(SHAPE, 3.0)
    for mask, activity in ((LUNGS, 10.0), (LIVER, 90.0)):
        front[mask] += activity / mask.sum()
        back[mask[:, ::-1]] += activity / mask.sum()
    shunt = planar_image_lung_shunt(pair(front, back), PlanarRegions(LUNGS, LIVER, BESIDE))
    assert shunt.lung_shunt_fraction == pytest.approx(0.1, rel=1e-12)
    assert "background subtracted" in shunt.method


def test_shared_pixels_are_livers() -> None:
    high = LUNGS | box(slice(5, 8), slice(2, 6))
    front = np.ones(SHAPE)
    shunt = planar_image_lung_shunt(pair(front, front), PlanarRegions(high, LIVER))
    assert shunt.counts is not None
    assert (shunt.counts.anterior_lung_counts, shunt.counts.anterior_liver_counts) == (20, 20)
    assert "8 pixels of both regions count as liver" in shunt.method


def test_what_gives_no_shunt_is_refused() -> None:
    with pytest.raises(SegmentError, match="wholly in that of the liver"):
        PlanarRegions(LIVER, LIVER)
    with pytest.raises(SegmentError, match="background overlaps"):
        PlanarRegions(LUNGS, LIVER, LIVER)
    empty = np.zeros(SHAPE)
    with pytest.raises(CalibrationError, match="liver holds no counts"):
        planar_image_lung_shunt(pair(empty, empty), PlanarRegions(LUNGS, LIVER))
    flat = np.ones(SHAPE)
    with pytest.raises(CalibrationError, match="no counts above the background"):
        planar_image_lung_shunt(pair(flat, flat), PlanarRegions(LUNGS, LIVER, BESIDE))
