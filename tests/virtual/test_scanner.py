from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from ytterby.errors import DomainError
from ytterby.imaging.smooth import FWHM_PER_SIGMA
from ytterby.model.volume import Grid, Quantity
from ytterby.virtual.anatomy import Ellipsoid
from ytterby.virtual.cohort import VirtualPatient
from ytterby.virtual.scanner import SPECT_GRID, expected_image, poisson_image, spread_matrix


def test_blurring_and_regridding_keep_the_sum() -> None:
    grid = Grid.axis_aligned((30, 20, 25), (3.0, 3.0, 3.0))
    amount = np.random.default_rng(1).random(grid.shape)
    image = expected_image(amount, grid)
    assert image.shape == SPECT_GRID.shape
    assert image.sum() == pytest.approx(amount.sum(), rel=1e-12)


def test_the_centre_of_mass_stays_and_the_variance_grows_by_the_resolution() -> None:
    grid = Grid.axis_aligned((21, 21, 21), (3.0, 3.0, 3.0), origin_mm=(-40.0, 10.0, -25.0))
    amount = np.zeros(grid.shape)
    amount[13, 4, 9] = 7.0
    image = expected_image(amount, grid, fwhm_mm=12.0)
    place = grid.positions_mm([[13, 4, 9]])[0]
    weights = image / image.sum()
    positions = SPECT_GRID.positions_mm(np.argwhere(np.ones(SPECT_GRID.shape))).reshape(*SPECT_GRID.shape, 3)
    mean = (weights[..., None] * positions).sum(axis=(0, 1, 2))
    assert mean == pytest.approx(place, abs=1e-6)
    variance = (weights[..., None] * (positions - mean) ** 2).sum(axis=(0, 1, 2))
    # Independent variances add: the Gaussian's, that of a source spread over 3 mm, and that of bins of 4.42 mm.
    assert variance == pytest.approx((12.0 / FWHM_PER_SIGMA) ** 2 + 3.0**2 / 12 + 4.42**2 / 12, rel=1e-6)


@pytest.mark.parametrize("diameter_mm", [17.0, 28.0, 37.0])
def test_a_hot_sphere_recovers_what_the_closed_form_says(diameter_mm: float) -> None:
    fine = Grid.axis_aligned((61, 61, 61), (1.0, 1.0, 1.0))
    sphere = Ellipsoid((0.0, 0.0, 0.0), (diameter_mm / 2,) * 3).on(fine)
    image = expected_image(sphere.astype(float), fine, fwhm_mm=12.0, scanner=fine)
    z = diameter_mm / 2 / (np.sqrt(2.0) * 12.0 / FWHM_PER_SIGMA)
    centre = special.erf(z) - 2 / np.sqrt(np.pi) * z * np.exp(-z * z)
    assert image[30, 30, 30] == pytest.approx(centre, abs=0.012)


def test_the_spread_matrix_agrees_with_numerical_integration() -> None:
    source, target, sigma = np.array([0.0, 3.0]), np.array([-4.0, 1.0, 6.0]), 2.5
    matrix = spread_matrix(source, 3.0, target, 5.0, sigma_mm=sigma)
    points = np.linspace(-1.5, 1.5, 2001)
    for column, centre in enumerate(source):
        y = centre + points
        share = special.ndtr((target[:, None] + 2.5 - y) / sigma) - special.ndtr((target[:, None] - 2.5 - y) / sigma)
        assert matrix[:, column] == pytest.approx(np.trapezoid(share, points, axis=1) / 3.0, abs=1e-7)


def test_counts_are_whole_and_poisson(whole: VirtualPatient) -> None:
    expected = expected_image(np.asarray(whole.anatomy.liver.mask, dtype=float), whole.anatomy.grid)
    image = poisson_image(expected, np.random.default_rng(3), total_counts=5e6)
    assert image.quantity is Quantity.COUNTS
    assert np.issubdtype(image.array.dtype, np.unsignedinteger)
    mean = expected * (5e6 / expected.sum())
    seen = mean > 5
    z = (image.array[seen] - mean[seen]) / np.sqrt(mean[seen])
    n = int(seen.sum())
    assert n > 20_000
    assert abs(z.mean()) < 4 / np.sqrt(n)
    # Var(z) = 1; the variance of z^2 is 2 + 1/mean.
    assert abs(z.var() - 1) < 4 * np.sqrt((2 + 1 / 5) / n)
    assert abs(float(image.array.sum()) - 5e6) < 4 * np.sqrt(5e6)


def test_the_image_is_that_of_the_patient(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        assert subject.spect.grid.same_as(SPECT_GRID)
        assert float(subject.spect.array.sum()) == pytest.approx(8e6, rel=0.002)
        for tumour in subject.anatomy.tumours:
            shape = subject.anatomy.shapes[subject.anatomy.tumours.index(tumour)]
            if shape.longest_diameter_mm > 30:
                inside = subject.spect.array[tumour.on_grid(SPECT_GRID).mask].mean()
                normal = subject.anatomy.perfused & ~subject.anatomy.tumour
                grid = subject.anatomy.grid
                around = subject.spect.array[_on_scanner(normal, grid)].mean()
                assert inside > 1.1 * around


def _on_scanner(mask: np.ndarray, grid: Grid) -> np.ndarray:
    return expected_image(mask.astype(float), grid, fwhm_mm=1.0) > 0.99 * (4.42 / 3.0) ** 3


def test_what_is_no_amount_is_refused() -> None:
    grid = Grid.axis_aligned((4, 4, 4), (3.0, 3.0, 3.0))
    with pytest.raises(DomainError, match="negative"):
        expected_image(np.full(grid.shape, -1.0), grid)
    flipped = Grid(grid.shape, np.diag([-3.0, 3.0, 3.0, 1.0]))
    with pytest.raises(DomainError, match="along"):
        expected_image(np.ones(grid.shape), flipped)
    with pytest.raises(DomainError, match="16 bits"):
        poisson_image(
            np.eye(3)[:, :, None], np.random.default_rng(1), total_counts=1e7, scanner=Grid((3, 3, 1), np.eye(4))
        )
