import numpy as np
import pytest
import scipy.signal
import torch

from skpr import FourierMagnitude, LazyBatch
from skpr.symmetry import GroupElement, act, correlate, flip, orbit_distance, register, shift
from tests.conftest import random_members, random_objects, relative_difference, tolerance

MIXED = "circular", "zero"


def mixed_objects(dtype="complex128", seed=0):
    """Objects that fill one axis, on a circle, and leave room along the other, and other members of
    their orbits.
    """
    rng = np.random.default_rng(seed)
    x = np.zeros((4, 6, 9), dtype=dtype)
    x[:, :, 3:6] = random_objects((6, 3), dtype, n_samples=4, boundary="circular", seed=seed)
    element = GroupElement(rng.integers([-9, -3], [9, 4], (4, 2)), rng.random(4) < 0.5, np.ones(4))
    return x, act(x, element, MIXED)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_each_axis_may_have_a_boundary_of_its_own(dtype):
    x, moved = mixed_objects(dtype)
    magnitude = FourierMagnitude(fourier_shape=(6, 18)).fit(x)
    assert relative_difference(magnitude.transform(moved), magnitude.transform(x)) < tolerance(
        dtype
    )
    registered, element = register(moved, x, boundary=list(MIXED))
    assert relative_difference(registered, x) < tolerance(dtype)
    np.testing.assert_allclose(act(moved, element, MIXED), registered)
    assert (orbit_distance(moved, x, boundary=MIXED) < tolerance(dtype)).all()


def test_lags_follow_the_boundary_of_each_axis():
    x, y = mixed_objects()
    c = correlate(x, y, MIXED)
    assert c.shape == (4, 6, 17)
    for down, right in [(0, 0), (5, -8), (2, 3)]:
        expected = np.sum(shift(x, [down, right], MIXED).conj() * y, axis=(1, 2))
        np.testing.assert_allclose(c[:, down, right + 8], expected, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_correlation_is_scipys(dtype):
    x, y = (random_objects((5, 6), dtype, n_samples=3, seed=seed) for seed in (0, 1))
    # scipy conjugates its second argument
    expected = [scipy.signal.correlate(b, a, mode="full") for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(correlate(x, y), expected, atol=1e-12)


def test_circular_correlation_is_an_inner_product_with_each_shift():
    x, y = (
        random_objects((4, 5), "complex128", n_samples=2, boundary="circular", seed=s)
        for s in (0, 1)
    )
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
    assert (
        orbit_distance(random_members(x, boundary), x, boundary=boundary) < tolerance(dtype) * norm
    ).all()
    there, back = orbit_distance(x, y, boundary=boundary), orbit_distance(y, x, boundary=boundary)
    np.testing.assert_allclose(
        there, back, rtol=1e-3 if dtype in ("float32", "complex64") else 1e-9
    )


def test_content_moved_out_of_the_frame_still_counts():
    x = np.array([[3.0, 0.0, 0.0, 4.0]])
    y = np.array([[0.0, 0.0, 0.0, 3.0]])
    # bringing 4 onto 3 leaves 3 inside; bringing 3 onto 3 would push 4 out, and cost as much as if
    # it could be seen
    np.testing.assert_allclose(orbit_distance(x, y, flip=False), np.sqrt(1 + 9))


def test_orbit_distance_has_the_gradient_of_the_minimum():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    y = torch.rand(2, 6, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda x: orbit_distance(x, y, squared=True), (x,))
    assert torch.autograd.gradcheck(
        lambda y: orbit_distance(x.detach(), y, squared=True), (y.requires_grad_(),)
    )
    z = torch.randn(2, 5, dtype=torch.complex128, generator=generator, requires_grad=True)
    w = torch.randn(2, 5, dtype=torch.complex128, generator=generator)
    assert torch.autograd.gradcheck(
        lambda z: orbit_distance(z, w, squared=True, boundary="circular"), (z,)
    )


def test_tensors_stay_tensors():
    x = torch.rand(3, 5, 5)
    registered, element = register(x, flip(x))
    assert isinstance(registered, torch.Tensor)
    assert isinstance(element.shift, torch.Tensor)
    torch.testing.assert_close(registered, flip(x))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "int32", "uint16", "uint32", "float16", "longdouble", "object"]
)
def test_integers_neither_wrap_around_nor_fail(dtype):
    a, b = np.array([[0, 0, 10, 0]]).astype(dtype), np.array([[0, 0, 30, 0]]).astype(dtype)
    assert orbit_distance(a, b).tolist() == [20.0]
    registered, element = register(a, [[-10.0, 0, 0, 0]], phase=True)
    assert registered.tolist() == [[-10, 0, 0, 0]]
    assert element.phase.tolist() == [-1]
    np.testing.assert_allclose(correlate(a, b), [[0, 0, 0, 300, 0, 0, 0]], atol=1e-4)
    assert orbit_distance(torch.tensor([[0, 100]], dtype=torch.uint8), b[:, :2] * 0).tolist() == [
        100.0
    ]


def test_large_integers_keep_their_differences():
    assert orbit_distance(
        np.array([[0, 1000]], "int16"), np.array([[0, 1300]], "int16")
    ).tolist() == [300.0]
    assert orbit_distance(
        np.array([[0, 100000]], "int32"), np.array([[0, 200000]], "int32")
    ).tolist() == [100000.0]
    assert orbit_distance(np.array([[False, True]]), np.array([[True, True]])).tolist() == [1.0]


@pytest.mark.parametrize("parameter", ["shift", "flip", "phase", "squared"])
def test_switches_are_true_or_false(parameter):
    x = np.eye(3)
    np.testing.assert_array_equal(orbit_distance(x, 2 * x, **{parameter: np.True_}), 1)
    with pytest.raises(ValueError, match=f"{parameter}='no' is not valid; choose True"):
        orbit_distance(x, x, **{parameter: "no"})
    if parameter != "squared":
        with pytest.raises(ValueError, match=rf"{parameter}=\[1, 2\] is not valid; choose True"):
            register(x, x, **{parameter: [1, 2]})


@pytest.mark.parametrize("function", [correlate, register, orbit_distance])
def test_pairs_without_a_value_or_of_other_shapes_are_refused(function):
    x = np.eye(3)
    with pytest.raises(ValueError, match="references contains"):
        function(x, np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="objects contains"):
        function(np.full((3, 3), np.inf), x)
    with pytest.raises(
        ValueError, match=r"references of shape \(3, 4\) do not match objects of shape \(3, 3\)"
    ):
        function(x, np.ones((3, 4)))


def test_correlations_out_of_range_are_refused():
    x = random_objects((4, 5), "float32", 3)
    tiny, huge = (np.float32(value) for value in (1e-25, 1e25))
    np.testing.assert_allclose(correlate(x * tiny, x * huge), correlate(x, x), rtol=1e-4, atol=1e-5)
    for scale, power in [(tiny, "-"), (huge, r"\+")]:
        with pytest.raises(
            ValueError,
            match=rf"order of 1e{power}\d+ are out of the range of float32.*pass float64",
        ):
            correlate(x * scale, x * scale)
    assert correlate(np.zeros((1, 3)), np.zeros((1, 3))).tolist() == [[0.0] * 5]


def test_registration_of_batches_on_disk(tmp_path):
    x = random_objects((5, 6), "float32")
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = register(x, x[:1])
    for batch in (mapped, LazyBatch(mapped)):
        registered, element = register(batch, x[:1])
        assert isinstance(registered, np.ndarray) == (batch is mapped)
        np.testing.assert_array_equal(np.asarray(registered), expected[0])
        np.testing.assert_array_equal(element.shift, expected[1].shift)
        np.testing.assert_array_equal(orbit_distance(batch, x[:1]), orbit_distance(x, x[:1]))
