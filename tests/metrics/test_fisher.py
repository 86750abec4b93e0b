import numpy as np
import pytest

from skpr.metrics._fisher import Information


def information(shape, fourier_shape, is_complex, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random(shape) + 0.2
    if is_complex:
        x = x * np.exp(2j * rng.random(shape))
    support = rng.random(shape) < 0.8
    support[(0,) * len(shape)] = support[(-1,) * len(shape)] = True
    x = x * support
    known = rng.random(fourier_shape) < 0.95
    return Information(x / np.linalg.norm(x), support, fourier_shape, 1e4, known, 0.5, 2.0)


GRIDS = [((7,), (15,)), ((5, 6), (11, 12)), ((3, 4, 4), (6, 9, 8))]


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(("shape", "fourier_shape"), GRIDS)
def test_products_are_those_of_the_matrix(shape, fourier_shape, is_complex):
    found = information(shape, fourier_shape, is_complex)
    vectors = np.random.default_rng(1).standard_normal((3, found.n_unknowns))
    np.testing.assert_allclose(found.product(vectors), vectors @ found.matrix(), atol=1e-12)


def test_products_of_dark_pixels_are_those_of_the_matrix():
    x = np.ones((1, 6)) / np.sqrt(6)  # its spectrum is 0 at every other pixel
    found = Information(x, x > 0, (2, 12), 1e4, np.ones((2, 12), bool))
    assert (found.phases == 0).any()
    vectors = np.random.default_rng(1).standard_normal((3, found.n_unknowns))
    np.testing.assert_allclose(found.product(vectors), vectors @ found.matrix(), atol=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(("shape", "fourier_shape"), GRIDS)
def test_random_draws_have_the_spread_of_the_inverse(shape, fourier_shape, is_complex):
    found = information(shape, fourier_shape, is_complex)
    exact, drawn = found.spread_by_matrix(), found.spread_by_sampling(400)
    np.testing.assert_allclose(drawn.variances, exact.variances, rtol=0.5)
    assert drawn.across == pytest.approx(exact.across, rel=0.2)
    assert drawn.along == pytest.approx(exact.along, rel=1e-5)
    assert drawn.condition == pytest.approx(exact.condition, rel=0.01)


def test_the_global_phase_is_the_one_direction_that_complex_objects_do_not_show():
    found = information((5, 6), (10, 12), True)
    np.testing.assert_allclose(found.matrix() @ found.phase_direction, 0, atol=1e-12)
    assert found.spread_by_matrix().n_null == 0
