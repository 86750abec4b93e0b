import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skpr import FourierMagnitude
from skpr.symmetry import (
    GroupElement,
    act,
    content_box,
    correlate,
    flip,
    invert,
    orbit_distance,
    register,
    rotate_phase,
    shift,
)
from tests.conftest import random_members, random_objects, relative_difference, tolerance


def test_magnitudes_do_not_change_along_the_orbit(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    moved = random_members(x, boundary)
    magnitude = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit(x)
    assert not np.array_equal(moved, x)
    assert relative_difference(magnitude.transform(moved), magnitude.transform(x)) < tolerance(dtype) / 10


def test_shift_moves_content_and_fills_with_zeros():
    x = np.arange(1.0, 7.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(shift(x, [1, -1]), [[[0, 0, 0], [2, 3, 0]]])
    np.testing.assert_array_equal(shift(x, [[1, -1]], "circular"), np.roll(x, (1, -1), axis=(1, 2)))


def test_flip_reverses_space_and_conjugates():
    x = np.array([[1 + 2j, 3.0], [4j, 5.0]])
    np.testing.assert_array_equal(flip(x), [[3, 1 - 2j], [5, -4j]])
    np.testing.assert_array_equal(flip(x, [False, True]), [[1 + 2j, 3], [5, -4j]])


def test_rotate_phase_keeps_precision_and_makes_real_objects_complex():
    x = np.ones((2, 3), dtype=np.float32)
    assert rotate_phase(x, [1.0, -1.0]).dtype == np.float32
    assert rotate_phase(x, np.array([1j, -1j])).dtype == np.complex64
    assert rotate_phase(x.astype(np.complex64), [1.0, -1.0]).dtype == np.complex64


@settings(max_examples=60, deadline=None)
@given(
    shifts=st.lists(st.integers(-20, 20), min_size=2, max_size=2),
    flips=st.booleans(),
    turn=st.floats(0, 6.28),
    seed=st.integers(0, 2**16),
)
def test_inverse_elements_undo(shifts, flips, turn, seed):
    x = random_objects((6, 7), "complex128", n_samples=3, boundary="circular", seed=seed)
    element = GroupElement(np.tile(shifts, (3, 1)), np.full(3, flips), np.full(3, np.exp(1j * turn)))
    back = act(act(x, element, "circular"), invert(element), "circular")
    np.testing.assert_allclose(back, x, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_correlation_is_scipys(dtype):
    x, y = (random_objects((5, 6), dtype, n_samples=3, seed=seed) for seed in (0, 1))
    # scipy conjugates its second argument
    expected = [scipy.signal.correlate(b, a, mode="full") for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(correlate(x, y), expected, atol=1e-12)


def test_circular_correlation_is_an_inner_product_with_each_shift():
    x, y = (random_objects((4, 5), "complex128", n_samples=2, boundary="circular", seed=s) for s in (0, 1))
    c = correlate(x, y, "circular")
    for lag in [(0, 0), (1, 3), (3, 4)]:
        expected = np.sum(shift(x, list(lag), "circular").conj() * y, axis=(1, 2))
        np.testing.assert_allclose(c[(slice(None), *lag)], expected, atol=1e-12)


def test_registration_finds_the_group_element(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    registered, element = register(random_members(x, boundary), x, boundary=boundary)
    assert relative_difference(registered, x) < tolerance(dtype)
    assert element.shift.shape == (len(x), len(object_shape))
    assert element.flip.dtype == bool
    np.testing.assert_allclose(act(random_members(x, boundary), element, boundary), registered)


def test_registration_finds_the_sign_of_real_objects():
    x = random_objects((9,), "float64")
    registered, element = register(-x, x, phase=True)
    np.testing.assert_allclose(registered, x)
    assert (element.phase == -1).all()


@pytest.mark.parametrize("switched_off", ["shift", "flip", "phase"])
def test_symmetries_left_out_are_left_alone(switched_off):
    x = random_objects((8, 9), "complex128")
    other = random_members(x)
    _, element = register(other, x, **{switched_off: False})
    assert np.all(getattr(element, switched_off) == (1 if switched_off == "phase" else 0))
    everything = orbit_distance(other, x)
    restricted = orbit_distance(other, x, **{switched_off: False})
    assert np.all(restricted >= everything - 1e-9)
    assert restricted.mean() > 1e-3


def test_one_reference_serves_for_all():
    x = random_objects((8, 8), "float32")
    one, _ = register(x, x[:1])
    all_, _ = register(x, np.repeat(x[:1], len(x), axis=0))
    np.testing.assert_array_equal(one, all_)
    with pytest.raises(ValueError, match="one reference per object, or one for all"):
        register(x, x[:2])


def test_orbit_distance_vanishes_on_the_orbit_and_is_symmetric(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    y = random_objects(object_shape, dtype, boundary=boundary, seed=5)
    norm = np.sqrt((np.abs(x) ** 2).sum(axis=tuple(range(1, x.ndim))))
    assert (orbit_distance(random_members(x, boundary), x, boundary=boundary) < tolerance(dtype) * norm).all()
    there, back = orbit_distance(x, y, boundary=boundary), orbit_distance(y, x, boundary=boundary)
    np.testing.assert_allclose(there, back, rtol=1e-3 if dtype in ("float32", "complex64") else 1e-9)


def test_content_moved_out_of_the_frame_still_counts():
    x = np.array([[3.0, 0.0, 0.0, 4.0]])
    y = np.array([[0.0, 0.0, 0.0, 3.0]])
    # bringing 4 onto 3 leaves 3 inside; bringing 3 onto 3 would push 4 out, and cost as much as if it could be seen
    np.testing.assert_allclose(orbit_distance(x, y, flip=False), np.sqrt(1 + 9))


def test_orbit_distance_has_the_gradient_of_the_minimum():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    y = torch.rand(2, 6, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda x: orbit_distance(x, y, squared=True), (x,))
    assert torch.autograd.gradcheck(lambda y: orbit_distance(x.detach(), y, squared=True), (y.requires_grad_(),))
    z = torch.randn(2, 5, dtype=torch.complex128, generator=generator, requires_grad=True)
    w = torch.randn(2, 5, dtype=torch.complex128, generator=generator)
    assert torch.autograd.gradcheck(lambda z: orbit_distance(z, w, squared=True, boundary="circular"), (z,))


def test_content_box_of_empty_and_full_objects():
    starts, sizes = content_box(np.array([[0.0, 0, 0], [1, 1, 1], [0, 0, 2]]))
    np.testing.assert_array_equal(starts, [[0], [0], [2]])
    np.testing.assert_array_equal(sizes, [[0], [3], [1]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 2, 3],), ValueError, r"shifts has shape \(3,\); these objects need shape \(2, 2\)"),
        (([0.5, 1.0],), TypeError, "shifts are whole pixels; got float64"),
        (([1, 1], "wrap"), ValueError, "boundary='wrap' is not valid; choose 'zero' or 'circular'"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        shift(np.zeros((2, 4, 4)), *arguments)


def test_tensors_stay_tensors():
    x = torch.rand(3, 5, 5)
    registered, element = register(x, flip(x))
    assert isinstance(registered, torch.Tensor)
    assert isinstance(element.shift, torch.Tensor)
    torch.testing.assert_close(registered, flip(x))
