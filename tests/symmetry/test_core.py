import math

import numpy as np
import pytest
import torch

from skpr.symmetry import flip, orbit_distance, register
from skpr.symmetry.core import content_boxes, lag_grid, lost_energy, orbit_distances, shifted
from tests.conftest import random_objects


def test_content_boxes_of_empty_and_full_objects():
    starts, sizes = content_boxes(torch.tensor([[0.0, 0, 0], [1, 1, 1], [0, 0, 2]]))
    assert starts.tolist() == [[0], [0], [2]]
    assert sizes.tolist() == [[0], [3], [1]]


def symmetric_objects(shape, dtype, n_samples=40):
    """Objects equal to their flip."""
    x = random_objects(shape, dtype, n_samples, boundary="circular")
    return ((x + flip(x)) / 2).astype(dtype)


def test_of_equal_candidates_the_upright_one_wins(object_shape, dtype, boundary):
    x = symmetric_objects(object_shape, dtype)
    for reference in (
        x,
        (0.3 * x).astype(dtype),
        random_objects(object_shape, dtype, len(x), seed=3),
    ):
        assert not register(x, reference, boundary=boundary)[1].flip.any()
    registered, element = register(x, x, boundary=boundary)
    assert not element.shift.any()
    np.testing.assert_allclose(registered, x, atol=1e-6)


def test_of_equal_shifts_the_smallest_non_negative_one_wins(dtype):
    row = np.tile(random_objects((4,), dtype, 20, boundary="circular"), 3)
    circular = register(np.roll(row, 2, axis=1), row, boundary="circular")[1]
    assert (circular.shift == 2).all()
    constant = np.ones((3, 5, 6), dtype)
    for boundary in ("zero", "circular", ("zero", "circular")):
        element = register(constant, constant, boundary=boundary)[1]
        assert not element.shift.any()
        assert not element.flip.any()
    bar = np.zeros((1, 9), dtype)
    bar[0, 4:6] = 1
    wide = np.zeros((1, 9), dtype)
    wide[0, 2:8] = 1
    assert register(bar, wide)[1].shift.tolist() == [[0]]
    assert register(np.roll(bar, 3, axis=1), wide)[1].shift.tolist() == [[-1]]


@pytest.mark.parametrize(
    ("dtype", "asymmetry"), [("float32", 1e-4), ("float64", 1e-5), ("complex64", 1e-4)]
)
def test_objects_that_are_nearly_their_flip_are_still_told_from_it(dtype, asymmetry):
    x = symmetric_objects((12, 13), dtype)
    x = (x * (1 + asymmetry * np.random.default_rng(0).standard_normal(x.shape))).astype(dtype)
    assert register(flip(x), x)[1].flip.all()
    norms = np.sqrt((np.abs(x) ** 2).sum(axis=(1, 2)))
    assert (orbit_distance(flip(x), x) < 1e-2 * asymmetry * norms).all()


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 3)])
def test_objects_that_correlate_with_nothing_move_wholly_out_of_the_frame(shape):
    rng = np.random.default_rng(0)
    x, y = -rng.random((5, *shape)) - 0.1, rng.random((5, *shape)) + 0.1
    axes = tuple(range(1, x.ndim))
    both = (x**2).sum(axis=axes) + (y**2).sum(axis=axes)
    np.testing.assert_allclose(orbit_distance(x, y, phase=False, squared=True), both)
    registered, element = register(x, y, phase=False)
    assert not registered.any()
    assert not element.flip.any()
    assert element.shift.tolist() == [[0] * (len(shape) - 1) + [shape[-1]]] * 5
    assert (orbit_distance(x, y, phase=False, boundary="circular", squared=True) > both).all()
    assert (orbit_distance(x, y, phase=False, shift=False, squared=True) > both).all()


def test_an_axis_that_wraps_around_does_not_let_an_object_out():
    x = np.ones((1, 3, 4))
    element = register(x, -x, phase=False, boundary=("zero", "circular"))[1]
    assert element.shift.tolist() == [[3, 0]]


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_registration_knows_no_unit(scale, dtype):
    x = random_objects((7, 8), dtype)
    y = np.roll(flip(x), (1, 2), axis=(1, 2))
    scale = x.real.dtype.type(scale)
    expected = register(x, y, boundary="circular")
    for factors in [(scale, scale), (scale, 1 / scale), (1 / scale, 1)]:
        registered, element = register(x * factors[0], y * factors[1], boundary="circular")
        np.testing.assert_array_equal(element.shift, expected[1].shift)
        np.testing.assert_array_equal(element.flip, expected[1].flip)
        np.testing.assert_allclose(element.phase, expected[1].phase, rtol=1e-5)
        np.testing.assert_allclose(registered / factors[0], expected[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_float64_objects_may_be_of_any_size(scale):
    x, y = random_objects((6, 7), "complex128"), random_objects((6, 7), "complex128", seed=4)
    np.testing.assert_allclose(
        orbit_distance(x * scale, y * scale), orbit_distance(x, y) * scale, rtol=1e-9
    )
    assert (orbit_distance(flip(x) * scale, x * scale) <= 1e-8 * scale).all()
    np.testing.assert_array_equal(register(x * scale, y)[1].shift, register(x, y)[1].shift)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_gradients_of_distances_know_no_unit(scale):
    x = (torch.rand(3, 7, generator=torch.Generator().manual_seed(0)) * scale).requires_grad_()
    y = torch.rand(3, 7, generator=torch.Generator().manual_seed(1)) * scale
    (slope,) = torch.autograd.grad(orbit_distance(x, y).sum(), x)
    np.testing.assert_allclose(slope.norm(dim=1), 1, rtol=1e-5)
    squares = orbit_distance(x, y, squared=True) / scale**2
    (slope,) = torch.autograd.grad(squares.sum(), x)
    np.testing.assert_allclose(
        slope.double().norm(dim=1) * scale, 2 * squares.detach().sqrt(), rtol=1e-5
    )


def test_lost_energy_is_that_of_what_leaves_the_frame():
    x = torch.tensor([[1.0, 2.0, 0.0, 3.0], [1.0, 2.0, 0.0, 3.0]])
    shifts, flips = torch.tensor([[1], [-2]]), torch.tensor([False, True])
    assert lost_energy(x, shifts, flips, "zero").tolist() == [9.0, 9.0]
    assert lost_energy(x, shifts, flips, "circular").tolist() == [0.0, 0.0]
    large = torch.full((1, 2), 1e30)
    assert lost_energy(
        large, torch.tensor([[1]]), torch.tensor([False]), "zero"
    ).item() == pytest.approx(1e60, rel=1e-6)


@pytest.mark.parametrize("far", [2**62, -(2**62), 2**63 - 1, -(2**63)])
def test_shifts_of_any_size_neither_overflow_nor_wrap(far):
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert shifted(x, torch.tensor([[far]]), "zero").tolist() == [[0.0, 0.0, 0.0]]
    assert torch.equal(shifted(x, torch.tensor([[far]]), "circular"), x.roll(far % 3, 1))


def test_distances_of_tensors_are_those_of_arrays_and_pass_nan_on():
    x, y = (torch.from_numpy(random_objects((6, 7), "float32", seed=seed)) for seed in (0, 1))
    np.testing.assert_array_equal(orbit_distances(x, y), orbit_distance(x.numpy(), y.numpy()))
    x[0, 0, 0] = math.nan
    distances = orbit_distances(x, y)
    assert distances.isnan().tolist() == [True] + [False] * (len(x) - 1)


def test_lags_that_wrap_around_need_no_margin():
    assert lag_grid((8, 6), "circular") == [8, 6]
    assert lag_grid((8, 6), ("zero", "circular")) == [15, 6]
