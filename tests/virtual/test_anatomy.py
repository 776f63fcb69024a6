from __future__ import annotations

import numpy as np
import pytest

from ytterby.errors import GeometryError
from ytterby.model.volume import Grid
from ytterby.virtual.anatomy import LEFT, RIGHT, Ellipsoid, anatomy
from ytterby.virtual.cohort import VirtualPatient


def test_an_ellipsoid_has_its_volume_and_its_place() -> None:
    grid = Grid.axis_aligned((80, 80, 80), (1.0, 1.0, 1.0))
    shape = Ellipsoid((5.0, -3.0, 2.0), (20.0, 15.0, 10.0))
    mask = shape.on(grid)
    assert mask.sum() == pytest.approx(4 / 3 * np.pi * 20 * 15 * 10, rel=0.005)
    centre = grid.positions_mm(np.argwhere(mask)).mean(axis=0)
    assert centre == pytest.approx([5.0, -3.0, 2.0], abs=0.05)
    assert shape.longest_diameter_mm == 40.0


def test_lesions_lie_inside_what_is_treated_and_apart(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        masks = [tumour.mask for tumour in subject.anatomy.tumours]
        assert len(masks) == subject.plan.large_lesions + subject.plan.small_lesions
        for mask in masks:
            assert mask.any()
            assert not (mask & ~subject.anatomy.perfused).any()
        assert np.sum(masks, axis=0).max() == 1


def test_masks_of_lesions_have_the_volume_of_their_shapes(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        for tumour, shape in zip(subject.anatomy.tumours, subject.anatomy.shapes, strict=True):
            true_ml = 4 / 3 * np.pi * np.prod(shape.semi_axes_mm) / 1000
            # Voxels at the surface fall in or out by chance: the error goes with the root of their number.
            surface_voxels = np.pi * shape.longest_diameter_mm**2 / 3.0**2
            assert abs(tumour.volume_ml - true_ml) < np.sqrt(surface_voxels) * 0.027


def test_liver_and_lungs_do_not_overlap_and_lie_in_the_body(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        liver, lungs = subject.anatomy.liver.mask, subject.anatomy.lungs.mask
        assert not (liver & lungs).any()
        assert not ((liver | lungs) & ~subject.anatomy.body).any()
        assert 780 < subject.anatomy.liver.volume_ml < 3550
        # The liver lies to the patient's right and below the lungs.
        assert subject.anatomy.grid.positions_mm(np.argwhere(liver)).mean(axis=0)[0] < -20
        height_mm = [subject.anatomy.grid.positions_mm(np.argwhere(mask)).mean(axis=0)[2] for mask in (liver, lungs)]
        assert height_mm[0] < height_mm[1]


def test_two_territories_are_disjoint_and_make_up_the_liver(two_sessions: VirtualPatient) -> None:
    right, left = two_sessions.anatomy.territories
    assert (right.name, left.name) == (RIGHT, LEFT)
    assert not (right.mask & left.mask).any()
    assert np.array_equal(right.mask | left.mask, two_sessions.anatomy.liver.mask)
    assert 0.59 < right.volume_ml / two_sessions.anatomy.liver.volume_ml < 0.74


def test_a_partial_treatment_treats_the_right_lobe_alone(partial: VirtualPatient) -> None:
    (right,) = partial.anatomy.territories
    assert right.volume_ml < 0.74 * partial.anatomy.liver.volume_ml
    assert partial.activity.liver_gbq[~right.mask].max() == 0.0
    assert partial.activity.liver_gbq[right.mask].min() > 0.0


def test_the_ct_shows_air_body_lungs_and_liver_at_their_attenuation(whole: VirtualPatient) -> None:
    subject = whole.anatomy
    normal = subject.liver.mask & ~subject.tumour
    soft = subject.body & ~subject.liver.mask & ~subject.lungs.mask
    hu = whole.ct.array
    for mask, value in ((~subject.body, -1000), (subject.lungs.mask, -820), (normal, 105), (soft, 35)):
        assert hu[mask].mean() == pytest.approx(value, abs=0.2 if value > -1000 else 1.5)
    assert hu[normal].std() == pytest.approx(12.0, rel=0.02)
    largest = subject.tumours[0].mask
    assert hu[largest].mean() == pytest.approx(whole.patient.lesions[0].baseline.hu, abs=1.5)  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(6))
def test_the_fullest_smallest_liver_still_takes_its_lesions(seed: int) -> None:
    subject = anatomy(
        np.random.default_rng(seed),
        liver_volume_ml=800.0,
        right_fraction=0.6,
        lobes=(RIGHT,),
        large_lesions=10,
        small_lesions=4,
    )
    assert len(subject.tumours) == 14
    assert sum(shape.longest_diameter_mm > 20 for shape in subject.shapes) == 10
    assert subject.liver.volume_ml == pytest.approx(800.0, rel=0.02)


def test_too_many_lesions_are_refused() -> None:
    with pytest.raises(GeometryError, match="do not fit"):
        anatomy(
            np.random.default_rng(1),
            liver_volume_ml=800.0,
            right_fraction=0.6,
            lobes=(RIGHT,),
            large_lesions=200,
            small_lesions=0,
        )
