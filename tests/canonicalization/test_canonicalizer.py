import itertools

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, ShiftFlipAugmenter, SymmetryCanonicalizer
from skpr.canonicalization._canonicalizer import FLIPS, SHIFTS
from skpr.datasets import load_digit_objects, make_cells, make_crystals
from tests.conftest import random_members, random_objects, relative_difference, tolerance

STRATEGIES = list(itertools.product(SHIFTS, FLIPS))


def fitted(shift, flip, objects, boundary="zero", **parameters):
    return SymmetryCanonicalizer(shift, flip, boundary=boundary, **parameters).fit(objects)


def members(objects, shift, flip, boundary, phase=True, seed=1):
    """Random members of the orbit under the symmetries that are broken."""
    return random_members(objects, boundary, flip=flip is not None, phase=phase, shift=shift is not None, seed=seed)


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
def test_representatives_are_invariant_and_on_the_orbit(shift, flip, object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    canonicalizer = fitted(shift, flip, x, boundary)
    representatives = canonicalizer.transform(x)
    for seed in range(3):
        moved = members(x, shift, flip, boundary, seed=seed)
        assert relative_difference(canonicalizer.transform(moved), representatives) < tolerance(dtype)
    magnitude = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit(x)
    assert relative_difference(magnitude.transform(representatives), magnitude.transform(x)) < tolerance(dtype) / 10
    assert representatives.dtype == x.dtype


def degenerate_objects(shape):
    """Empty, constant, one pixel, symmetric under flip, two equal pixels, periodic, a symmetric pair of twins."""
    x = np.zeros((9, *shape))
    corner, middle = (0,) * len(shape), tuple(n // 2 for n in shape)
    x[1] = 1
    x[(2, *middle)] = 2
    x[(3, *(slice(1, n - 1) for n in shape))] = 1
    x[(4, *corner)] = x[(4, *(1 for _ in shape))] = 1
    x[5, ::2] = 1
    x[(6, *(slice(0, 3) for _ in shape))] = np.arange(1, 4).reshape([-1] + [1] * (len(shape) - 1))
    x[7] = x[6] + np.flip(x[6])
    x[(8, *corner)], x[(8, *middle)] = 1, -1
    return x


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
@pytest.mark.parametrize("shape", [(8,), (9,), (8, 9)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_degenerate_objects_have_one_finite_representative(shift, flip, shape, dtype, boundary):
    x = degenerate_objects(shape).astype(dtype)
    for training_set in (x, random_objects(shape, dtype, boundary=boundary), x[:1]):
        canonicalizer = fitted(shift, flip, training_set, boundary)
        representatives = canonicalizer.transform(x)
        assert np.isfinite(representatives).all()
        for seed in range(4):
            moved = members(x, shift, flip, boundary, seed=seed)
            assert relative_difference(canonicalizer.transform(moved), representatives) < tolerance(dtype)


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
def test_one_symmetry_at_a_time_is_left_alone(shift, flip):
    x = random_objects((9, 10), "complex128")
    canonicalizer = fitted(shift, flip, x, phase=None)
    turned = x * np.exp(0.7j)
    # flipping conjugates the phase, so its modulus is what must agree
    np.testing.assert_allclose(np.abs(canonicalizer.transform(turned)), np.abs(canonicalizer.transform(x)), atol=1e-9)
    if flip is None:
        np.testing.assert_allclose(canonicalizer.transform(turned), canonicalizer.transform(x) * np.exp(0.7j))


def test_all_none_is_the_identity():
    x = random_objects((9, 10), "complex64")
    np.testing.assert_array_equal(SymmetryCanonicalizer(None, None, None).fit_transform(x), x)


def test_signed_objects_get_one_sign_and_nonnegative_ones_stay():
    x = random_objects((8, 9), "float64")
    signed = x - 0.4 * (x > 0)
    canonicalizer = SymmetryCanonicalizer("box", "moment").fit(signed)
    np.testing.assert_allclose(canonicalizer.transform(-signed), canonicalizer.transform(signed))
    assert (SymmetryCanonicalizer("box", "moment").fit_transform(x) >= 0).all()
    # also where they do not overlap with a template at all
    apart = SymmetryCanonicalizer(None, None, "template").fit(np.eye(6)[:3])
    np.testing.assert_array_equal(apart.transform(np.eye(6)[3:]), np.eye(6)[3:])
    np.testing.assert_array_equal(apart.transform(-np.eye(6)[3:]), np.eye(6)[3:])


def test_transform_is_differentiable():
    x = torch.rand(3, 6, 7, dtype=torch.float64, requires_grad=True)
    canonicalizer = SymmetryCanonicalizer().fit(x.detach())
    canonicalizer.transform(x).square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())


def test_the_same_template_is_found_from_every_member_of_the_orbits():
    x = ShiftFlipAugmenter(frame_shape=20, max_shift=0, flip_probability=0).fit_transform(
        load_digit_objects(return_X_y=True)[0][:300]
    )
    moved = ShiftFlipAugmenter(random_state=0).fit_transform(x)
    first, second = SymmetryCanonicalizer().fit(x), SymmetryCanonicalizer().fit(moved)
    np.testing.assert_allclose(first.template_, second.template_, atol=1e-6)
    np.testing.assert_allclose(first.transform(x), second.transform(moved), atol=1e-5)


def test_a_fitted_template_leaves_less_variance_than_rules():
    x = ShiftFlipAugmenter(frame_shape=20, random_state=0).fit_transform(load_digit_objects(return_X_y=True)[0][:300])
    variance = {
        pair: SymmetryCanonicalizer(*pair).fit(x).variance_
        for pair in [("template", "template"), ("centroid", "principal"), ("box", "moment"), (None, None)]
    }
    ranked = sorted(variance, key=variance.get)
    assert ranked[0] == ("template", "template")
    assert ranked[-1] == (None, None)
    # the reported variance is that of the canonical training set
    z = SymmetryCanonicalizer("box", "moment").fit_transform(x).astype(float)
    z /= np.sqrt((z**2).sum(axis=(1, 2), keepdims=True))
    assert variance["box", "moment"] == pytest.approx(1 - (z.mean(axis=0) ** 2).sum())


def test_near_objects_have_near_representatives_most_with_the_template():
    x = make_cells(200, shape=(24, 24), random_state=0).data
    rng = np.random.default_rng(0)
    noisy = (x + 0.03 * rng.normal(size=x.shape) * (x > 0)).astype(np.float32)

    def jumps(**strategies):
        canonicalizer = SymmetryCanonicalizer(**strategies).fit(x)
        change = ((canonicalizer.transform(noisy) - canonicalizer.transform(x)) ** 2).sum(axis=(1, 2))
        return np.mean(change > 0.1 * (x**2).sum(axis=(1, 2)))

    assert jumps(shift="box", flip="template") < 0.05
    assert jumps(shift="box", flip="template") <= jumps(shift="box", flip="fourier")


def test_the_origin_phase_makes_the_sum_positive_and_the_template_phase_the_product():
    x = make_crystals(30, shape=(16, 16), max_phase=2.0, random_state=0).data
    turned = x * np.exp(2j * np.pi * np.random.default_rng(0).random((30, 1, 1)))
    z = SymmetryCanonicalizer("centroid", "principal", "origin").fit_transform(turned)
    sums = z.sum(axis=(1, 2))
    np.testing.assert_allclose(sums.imag, 0, atol=1e-4)
    assert (sums.real > 0).all()
    canonicalizer = SymmetryCanonicalizer().fit(turned)
    products = (canonicalizer.transform(turned).conj() * canonicalizer.template_).sum(axis=(1, 2))
    np.testing.assert_allclose(products.imag, 0, atol=1e-3)
    assert (products.real > 0).all()


def test_refitting_forgets():
    x = random_objects((8, 8), "float64")
    canonicalizer = SymmetryCanonicalizer().fit(x)
    canonicalizer.set_params(shift="box", flip="moment").fit(x)
    assert not hasattr(canonicalizer, "template_")
    assert not hasattr(canonicalizer, "direction_")


def test_inverse_transform_is_the_identity():
    x = random_objects((8, 8), "float64")
    canonicalizer = SymmetryCanonicalizer().fit(x)
    np.testing.assert_array_equal(canonicalizer.inverse_transform(x), x)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shift": "centre"}, "shift='centre' is not valid; choose 'box', 'centroid', 'template' or None"),
        (
            {"flip": 3},
            "flip=3 is not valid; choose 'moment', 'principal', 'bispectrum', 'fourier', 'template' or None",
        ),
        ({"phase": "zero"}, "phase='zero' is not valid; choose 'auto', 'origin', 'template' or None"),
        ({"boundary": "open"}, "boundary='open' is not valid; choose 'zero' or 'circular'"),
        ({"max_iter": 0}, "max_iter=0 is not valid; give an integer >= 1"),
        ({"tol": -1}, "tol=-1 is not valid; give a number >= 0"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        SymmetryCanonicalizer(**parameters).fit(np.ones((2, 4, 4)))


def test_one_sample_and_integer_images_are_fine():
    x = np.arange(12).reshape(1, 3, 4)
    z = SymmetryCanonicalizer().fit_transform(x)
    assert sorted(z.ravel()) == sorted(x.ravel())
