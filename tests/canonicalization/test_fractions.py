"""Canonical forms of objects that lie at fractions of a pixel."""

from contextlib import nullcontext as no_warning

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, SymmetryCanonicalizer
from skpr._lazy import LazyBatch
from skpr.canonicalization._fractions import STEPS_PER_PIXEL, moved_by_fractions
from skpr.symmetry import flip, shift

SHAPES = [(32,), (24, 26), (20, 19, 22)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def blobs(shape, n_samples, dtype="float64", seed=0, wide=1.1):
    """Draw objects of two Gaussian blobs, one of them twice as bright, at fractions of a pixel."""
    random = np.random.default_rng(seed)
    places = np.indices(shape).reshape(len(shape), -1)
    middle = np.array(shape)[:, None] / 2
    made = np.zeros((n_samples, *shape))
    for one in made:
        centre = middle + random.uniform(-1, 1, (len(shape), 1))
        for factor, offset in ((2.0, -1.2), (1.0, 1.2)):
            squares = ((places - centre - offset) ** 2).sum(axis=0)
            one += factor * np.exp(-squares / (2 * wide**2)).reshape(shape)
    made[made < 1e-4] = 0
    if np.dtype(dtype).kind == "c":
        made = made * np.exp(1j * random.uniform(0, 6, (n_samples, *[1] * len(shape))))
    return made.astype(dtype)


@every_shape
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_fractions_lower_the_variance_and_hardly_change_magnitudes(shape, dtype):
    x = blobs(shape, 40, dtype)
    whole, fine = (SymmetryCanonicalizer(subpixel=way).fit(x) for way in (False, True))
    assert fine.variance_ < 0.3 * whole.variance_
    made = fine.transform(x)
    assert made.dtype == x.dtype
    transform = FourierMagnitude().fit(x)
    change = transform.transform(made) - transform.transform(x)
    assert np.linalg.norm(change) < 0.02 * np.linalg.norm(transform.transform(x))
    if made.dtype.kind == "f":
        assert made.min() >= 0


@every_shape
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_representatives_do_not_depend_on_whole_shifts_flips_and_phases(shape, dtype):
    x = blobs(shape, 12, dtype)
    model = SymmetryCanonicalizer(subpixel=True).fit(x)
    expected = model.transform(x)
    np.testing.assert_array_equal(model.transform(shift(x, [1] * len(shape))), expected)
    np.testing.assert_allclose(model.transform(flip(x)), expected, atol=1e-10)
    if np.iscomplexobj(x):
        np.testing.assert_allclose(model.transform(1j * x), expected, atol=1e-10)


def test_an_object_is_moved_to_the_template():
    fine = blobs((32,), 1, wide=2.0)
    template = torch.from_numpy(fine)
    spectrum = np.fft.fft(fine, 64)
    ramp = np.exp(-2j * np.pi * np.fft.fftfreq(64) * 0.3)
    moved = torch.from_numpy(np.fft.ifft(spectrum * ramp).real[:, :32])
    found = moved_by_fractions(moved, template, ("zero",))
    torch.testing.assert_close(found, template, atol=2 / STEPS_PER_PIXEL * 0.1, rtol=0)
    assert (moved - template).abs().max() > 10 * (found - template).abs().max()


def test_objects_at_their_best_place_are_not_touched():
    x = torch.from_numpy(blobs((24, 26), 3)).float()
    assert torch.equal(moved_by_fractions(x, x[:1], ("zero", "zero"))[:1], x[:1])
    dark = torch.zeros(2, 24, 26)
    assert torch.equal(moved_by_fractions(dark, x[:1], ("zero", "circular")), dark)


def test_batches_on_disk_and_gradients(tmp_path):
    x = blobs((24, 26), 9, "float32")
    np.save(tmp_path / "x.npy", x)
    lazy = LazyBatch(np.load(tmp_path / "x.npy", mmap_mode="r"))
    model = SymmetryCanonicalizer(subpixel=True).fit(x)
    found = model.transform(lazy)
    assert isinstance(found, LazyBatch)
    np.testing.assert_allclose(np.asarray(found), model.transform(x), atol=1e-6)
    leaf = torch.from_numpy(x).requires_grad_()
    model.transform(leaf).square().sum().backward()
    assert leaf.grad.abs().sum() > 0


def test_fractions_need_a_template():
    with pytest.raises(ValueError, match="subpixel=True refines .* shift='box'; give"):
        SymmetryCanonicalizer(shift="box", subpixel=True).fit(blobs((8,), 2))
    with pytest.raises(ValueError, match="subpixel='yes'"):
        SymmetryCanonicalizer(subpixel="yes").fit(blobs((8,), 2))


@pytest.mark.parametrize("phase", [None, "origin", "template"])
def test_objects_of_either_sign_are_moved_towards_the_template(phase):
    x = blobs((24, 26), 40)
    x[::3] *= -1
    whole, fine = (SymmetryCanonicalizer(phase=phase, subpixel=way).fit(x) for way in (False, True))
    assert fine.variance_ < 0.3 * whole.variance_
    if phase is None:
        np.testing.assert_allclose(fine.transform(-x), -fine.transform(x), atol=1e-12)


@pytest.mark.parametrize("boundary", ["zero", ("zero", "circular"), "circular"])
def test_objects_that_fill_their_frame_move_only_where_they_wrap(boundary):
    wide = blobs((12, 14), 20, wide=4.0) + 0.5
    fill = (
        pytest.warns(UserWarning, match="fill their frame") if "zero" in boundary else no_warning()
    )
    with fill:
        model = SymmetryCanonicalizer(flip=None, boundary=boundary, subpixel=True).fit(wide)
    made = model.transform(wide)
    sums = [np.abs(values).sum(axis=2) for values in (made, wide)]  # along the second axis
    assert np.allclose(made, wide) == (boundary == "zero")
    if boundary == ("zero", "circular"):
        np.testing.assert_allclose(*sums, rtol=0.02)
