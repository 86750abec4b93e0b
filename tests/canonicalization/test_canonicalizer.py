import itertools

import numpy as np
import pytest
import torch

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    LazyBatch,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
)
from skpr.canonicalization._canonicalizer import FLIPS, SHIFTS
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import PhotonNoise
from tests.conftest import random_members, random_objects, relative_difference, tolerance

STRATEGIES = list(itertools.product(SHIFTS, FLIPS))


def fitted(shift, flip, objects, boundary="zero", **parameters):
    return SymmetryCanonicalizer(shift, flip, boundary=boundary, **parameters).fit(objects)


def members(objects, shift, flip, boundary, phase=True, seed=1):
    """Random members of the orbit under the symmetries that are broken."""
    return random_members(
        objects, boundary, flip=flip is not None, phase=phase, shift=shift is not None, seed=seed
    )


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
def test_representatives_are_invariant_and_on_the_orbit(shift, flip, object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    canonicalizer = fitted(shift, flip, x, boundary)
    representatives = canonicalizer.transform(x)
    moved = np.concatenate([members(x, shift, flip, boundary, seed=seed) for seed in range(3)])
    assert relative_difference(
        canonicalizer.transform(moved), np.concatenate([representatives] * 3)
    ) < tolerance(dtype)
    magnitude = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit(x)
    assert (
        relative_difference(magnitude.transform(representatives), magnitude.transform(x))
        < tolerance(dtype) / 10
    )
    assert representatives.dtype == x.dtype


def degenerate_objects(shape):
    """Empty, constant, one pixel, symmetric under flip, two equal pixels, periodic, a symmetric
    pair of twins.
    """
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


@pytest.mark.filterwarnings("ignore:every object in X is zero")
@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
@pytest.mark.parametrize("shape", [(8,), (9,), (8, 9)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_degenerate_objects_have_one_finite_representative(shift, flip, shape, dtype, boundary):
    x = degenerate_objects(shape).astype(dtype)
    moved = np.concatenate([members(x, shift, flip, boundary, seed=seed) for seed in range(4)])
    for training_set in (x, random_objects(shape, dtype, boundary=boundary), x[:1]):
        canonicalizer = fitted(shift, flip, training_set, boundary)
        representatives = canonicalizer.transform(x)
        assert np.isfinite(representatives).all()
        assert relative_difference(
            canonicalizer.transform(moved), np.concatenate([representatives] * 4)
        ) < tolerance(dtype)


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
def test_one_symmetry_at_a_time_is_left_alone(shift, flip):
    x = random_objects((9, 10), "complex128")
    canonicalizer = fitted(shift, flip, x, phase=None)
    turned = x * np.exp(0.7j)
    # flipping conjugates the phase, so its modulus is what must agree
    np.testing.assert_allclose(
        np.abs(canonicalizer.transform(turned)), np.abs(canonicalizer.transform(x)), atol=1e-9
    )
    if flip is None:
        np.testing.assert_allclose(
            canonicalizer.transform(turned), canonicalizer.transform(x) * np.exp(0.7j)
        )


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
    canonicalizer = SymmetryCanonicalizer(background=0).fit(x.detach())
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
    x = ShiftFlipAugmenter(frame_shape=20, random_state=0).fit_transform(
        load_digit_objects(return_X_y=True)[0][:300]
    )
    variance = {
        pair: SymmetryCanonicalizer(*pair).fit(x).variance_
        for pair in [
            ("template", "template"),
            ("centroid", "principal"),
            ("box", "moment"),
            (None, None),
        ]
    }
    ranked = sorted(variance, key=variance.get)
    assert ranked[0] == ("template", "template")
    assert ranked[-1] == (None, None)
    # the reported variance is that of the canonical training set
    z = SymmetryCanonicalizer("box", "moment").fit_transform(x).astype(float)
    z /= np.sqrt((z**2).sum(axis=(1, 2), keepdims=True))
    assert variance["box", "moment"] == pytest.approx(1 - (z.mean(axis=0) ** 2).sum())


def test_near_objects_have_near_representatives_more_often_with_the_template_than_with_moments():
    x = make_crystals(200, shape=(24, 24), random_state=0).data
    rng = np.random.default_rng(0)
    noisy = (x + 0.1 * rng.normal(size=x.shape) * (x > 0)).astype(np.float32)

    def jumps(**strategies):
        canonicalizer = SymmetryCanonicalizer(**strategies).fit(x)
        change = ((canonicalizer.transform(noisy) - canonicalizer.transform(x)) ** 2).sum(
            axis=(1, 2)
        )
        return np.mean(change > 0.1 * (x**2).sum(axis=(1, 2)))

    template, moment = (jumps(shift="box", flip=flip) for flip in ("template", "moment"))
    assert template < 0.08
    assert template < 0.5 * moment


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
        (
            {"shift": "centre"},
            "shift='centre' is not valid; choose 'box', 'centroid', 'template' or None",
        ),
        (
            {"flip": 3},
            "flip=3 is not valid; choose 'moment', 'principal', 'bispectrum', 'fourier', "
            "'template' or None",
        ),
        (
            {"phase": "zero"},
            "phase='zero' is not valid; choose 'auto', 'origin', 'template' or None",
        ),
        ({"boundary": "open"}, "boundary='open' is not valid; choose 'auto', 'zero' or 'circular'"),
        ({"boundary": ("zero",)}, r"boundary=\('zero',\) has 1 entries for objects with 2 axes"),
        (
            {"background": -1},
            "background=-1 is not valid; give 'auto' or a fraction of the maximum from 0 to below",
        ),
        ({"max_iter": 0}, "max_iter=0 is not valid; give an integer >= 1"),
        ({"tol": -1}, "tol=-1 is not valid; give a number >= 0"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        SymmetryCanonicalizer(**parameters).fit(np.ones((2, 4, 4)))


def test_one_sample_and_integer_images_are_fine():
    x = np.arange(12).reshape(1, 3, 4)
    z = SymmetryCanonicalizer(background=0).fit_transform(x)
    assert sorted(z.ravel()) == sorted(x.ravel())


# --- backgrounds ----------------------------------------------------------------------------------


def framed_digits(n_samples=250):
    return ShiftFlipAugmenter(frame_shape=24, random_state=0).fit_transform(
        load_digit_objects().data[:n_samples]
    )


def crystals(max_phase=0.0):
    return make_crystals(150, shape=(20, 20), max_phase=max_phase, random_state=0).data


def with_noise(objects, level, seed=1):
    """Noise at a fraction of each object's maximum, in double precision."""
    rng = np.random.default_rng(seed)
    axes = tuple(range(1, objects.ndim))
    drawn = rng.standard_normal(objects.shape)
    if np.iscomplexobj(objects):
        drawn = (drawn + 1j * rng.standard_normal(objects.shape)) / np.sqrt(2)
    return objects + level * np.abs(objects).max(axis=axes, keepdims=True) * drawn


def share_of_energy(noisy, objects):
    return 1 - np.median(
        (np.abs(objects) ** 2).sum(axis=(1, 2)) / (np.abs(noisy) ** 2).sum(axis=(1, 2))
    )


@pytest.mark.parametrize("level", [1e-12, 1e-9, 1e-5, 1e-2])
@pytest.mark.parametrize(
    "objects",
    [framed_digits(), crystals(), crystals(2.0)],
    ids=["digits", "crystals", "complex crystals"],
)
def test_a_background_adds_no_more_variance_than_its_own(objects, level):
    dark = SymmetryCanonicalizer().fit(objects)
    noisy = with_noise(objects, level)
    canonicalizer = SymmetryCanonicalizer().fit(noisy)
    assert dark.background_ == dark.lost_energy_ == 0
    assert canonicalizer.background_ == pytest.approx(level, rel=0.3)
    assert canonicalizer.variance_ <= 1.03 * dark.variance_ + share_of_energy(noisy, objects)
    # as it is, half of the variance is where the objects lie
    assert SymmetryCanonicalizer(background=0).fit(noisy).variance_ > 1.4 * dark.variance_
    assert 0 < canonicalizer.lost_energy_ < 2e-3 + 20 * level**2


@pytest.mark.parametrize(
    ("shift", "flip"), [*itertools.product(SHIFTS[:-1], FLIPS[:-1]), ("box", None)]
)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("level", [1e-9, 1e-3])
def test_above_a_background_every_strategy_finds_what_it_finds_in_the_dark(
    shift, flip, dtype, level
):
    objects = random_objects((12, 13), dtype, n_samples=60)
    objects = np.where(objects == 0, 0, objects / np.maximum(np.abs(objects), 1e-9) + objects)
    noisy = with_noise(objects, level)
    canonicalizer = SymmetryCanonicalizer(shift, flip, phase=None).fit(noisy)
    found = canonicalizer.transform(noisy)
    if "template" not in (shift, flip):  # where one object lies otherwise, so may the template
        in_the_dark = SymmetryCanonicalizer(shift, flip, phase=None).fit(objects).transform(objects)
        assert np.mean(np.abs(found - in_the_dark).max(axis=(1, 2)) < 20 * level) > 0.9
    moved = random_members(objects, flip=flip is not None, phase=False)
    others = canonicalizer.transform(with_noise(moved, level, seed=2))
    assert np.mean(np.abs(others - found).max(axis=(1, 2)) < 20 * level) > 0.9


@pytest.mark.parametrize("photons", [None, 1e5])
def test_retrieved_objects_are_canonical_as_the_true_ones_are(photons):
    objects = framed_digits(150)
    magnitudes = FourierMagnitude().fit_transform(objects)
    if photons:
        magnitudes = PhotonNoise(photons, random_state=0).fit_transform(magnitudes)
    retrieval = IterativePhaseRetrieval(n_iter=150, support="frame", random_state=0)
    found = retrieval.fit(magnitudes, objects).predict(magnitudes)
    canonicalizer = SymmetryCanonicalizer().fit(found)
    assert canonicalizer.background_ > 0
    assert canonicalizer.variance_ < 1.15 * SymmetryCanonicalizer().fit(objects).variance_


def test_objects_shifted_in_the_dark_after_their_noise_are_found_again():
    objects = framed_digits()
    noisy = ShiftFlipAugmenter(random_state=1).fit_transform(with_noise(objects, 1e-2))
    canonicalizer = SymmetryCanonicalizer().fit(noisy)
    assert canonicalizer.background_ == pytest.approx(1e-2, rel=0.2)
    assert canonicalizer.variance_ < 1.05 * SymmetryCanonicalizer().fit(objects).variance_


def test_an_object_has_the_same_representative_in_every_batch():
    noisy = with_noise(framed_digits(), 1e-3)
    canonicalizer = SymmetryCanonicalizer().fit(noisy)
    alone = np.concatenate([canonicalizer.transform(one[None]) for one in noisy[:5]])
    np.testing.assert_array_equal(alone, canonicalizer.transform(noisy)[:5])


def test_one_pixel_below_zero_turns_no_sign():
    below, apart = np.zeros((2, 20, 8, 8))
    below[:, 1:3, 1:3] = np.random.default_rng(0).random((20, 2, 2))
    below[:, 1, 1] = -1e-9
    apart[:, 5:7, 5:7] = 1
    canonicalizer = SymmetryCanonicalizer(None, None, "template").fit(apart)
    np.testing.assert_array_equal(canonicalizer.transform(below), below)
    np.testing.assert_array_equal(canonicalizer.transform(-below), below)


def test_objects_that_fill_their_frame_are_not_shifted_and_named():
    x = np.random.default_rng(0).random((20, 8, 8))
    with pytest.warns(
        UserWarning, match=r"fill their frame.*boundary='circular'.*shift=None.*background="
    ):
        canonicalizer = SymmetryCanonicalizer("box", None).fit(x)
    assert canonicalizer.background_ > 0.1
    np.testing.assert_array_equal(canonicalizer.transform(x), x)
    for parameters in ({"boundary": "circular"}, {"shift": None}, {"background": 0}):
        SymmetryCanonicalizer(**parameters).fit(x)


def test_later_objects_on_a_brighter_background_are_named():
    objects = framed_digits()
    canonicalizer = SymmetryCanonicalizer().fit(objects)
    with pytest.warns(
        UserWarning,
        match="3 of 3 objects have a background of about .*e-0[23] .*fitted on objects with one "
        "of 0.0e.00",
    ):
        canonicalizer.transform(with_noise(objects[:3], 1e-2))
    canonicalizer.transform(objects[:1])
    canonicalizer = SymmetryCanonicalizer().fit(with_noise(objects, 1e-2))
    canonicalizer.transform(objects)
    canonicalizer.transform(with_noise(objects, 1e-2, seed=2))


def test_batches_on_disk_have_the_same_background(tmp_path):
    h5py = pytest.importorskip("h5py")
    noisy = with_noise(framed_digits(), 1e-2).astype(np.float32)
    np.save(tmp_path / "objects.npy", noisy)
    with h5py.File(tmp_path / "objects.h5", "w") as file:
        file["objects"] = noisy
        expected = SymmetryCanonicalizer().fit(noisy)
        for batch in (np.load(tmp_path / "objects.npy", mmap_mode="r"), file["objects"]):
            canonicalizer = SymmetryCanonicalizer().fit(batch)
            assert canonicalizer.background_ == expected.background_
            assert canonicalizer.lost_energy_ == pytest.approx(expected.lost_energy_)
            moved = canonicalizer.transform(batch)
            assert isinstance(moved, LazyBatch)
            np.testing.assert_allclose(np.asarray(moved), expected.transform(noisy), atol=1e-5)


# --- scales, boundaries ---------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
@pytest.mark.parametrize(
    ("dtype", "units"), [("float32", (1e-30, 1e30)), ("complex128", (1e-200, 1e250))]
)
def test_representatives_do_not_depend_on_the_unit(shift, flip, dtype, units, boundary):
    x = random_objects((7, 8), dtype, n_samples=12, boundary=boundary)
    expected = fitted(shift, flip, x, boundary)
    for unit in units:
        scaled = (x.astype(np.result_type(dtype, np.float64)) * unit).astype(dtype)
        canonicalizer = fitted(shift, flip, scaled, boundary)
        assert canonicalizer.variance_ == pytest.approx(expected.variance_, abs=1e-5)
        for one in (canonicalizer, expected):
            back = one.transform(scaled).astype(np.result_type(dtype, np.float64)) / unit
            assert relative_difference(back, expected.transform(x)) < 1e-5


def test_the_variance_of_one_sample_is_not_negative():
    for seed in range(20):
        x = random_objects((6, 7), "float64", n_samples=1, seed=seed)
        assert SymmetryCanonicalizer().fit(x).variance_ >= 0


@pytest.mark.parametrize(("shift", "flip"), STRATEGIES)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("axes", [("circular", "zero"), ("zero", "circular")], ids="-".join)
def test_each_axis_has_its_own_boundary(shift, flip, dtype, axes):
    x = random_objects((8, 9), dtype)
    wrapped = np.roll(x, 5, axis=1 + axes.index("circular"))
    canonicalizer = fitted(shift, flip, wrapped, axes)
    assert canonicalizer.boundary_ == axes
    representatives = canonicalizer.transform(wrapped)
    for seed in range(2):
        moved = members(wrapped, shift, flip, axes, seed=seed)
        assert relative_difference(canonicalizer.transform(moved), representatives) < tolerance(
            dtype
        )
    grid = [n if wraps == "circular" else 2 * n for n, wraps in zip((8, 9), axes, strict=True)]
    magnitude = FourierMagnitude(fourier_shape=grid).fit(x)
    assert (
        relative_difference(magnitude.transform(representatives), magnitude.transform(x))
        < tolerance(dtype) / 10
    )


def test_alone_the_boundary_is_zero_and_that_of_the_fit_counts():
    x = random_objects((8, 9), "float64")
    canonicalizer = SymmetryCanonicalizer().fit(x)
    assert canonicalizer.boundary_ == ("zero", "zero")
    expected = canonicalizer.transform(x)
    with pytest.raises(ValueError, match="boundary='circular' was set after fit, which saw 'auto'"):
        canonicalizer.set_params(boundary="circular").transform(x)
    np.testing.assert_array_equal(SymmetryCanonicalizer(boundary="zero").fit_transform(x), expected)
