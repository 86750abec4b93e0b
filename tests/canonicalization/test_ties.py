import itertools

import numpy as np
import pytest
import torch

from skpr import SymmetryCanonicalizer
from skpr.canonicalization._canonicalizer import FLIPS, SHIFTS
from skpr.canonicalization._ties import generic_pattern
from skpr.symmetry import flip
from tests.conftest import random_members, relative_difference, tolerance

SHAPES = [(1,), (2,), (9,), (1, 2), (2, 2), (7, 6), (2, 2, 2), (4, 1, 5)]


def symmetric_objects(shape, dtype, boundary, n_samples=8):
    """Objects of even modulus and even phase: their flip is their conjugate, shifted."""
    rng = np.random.default_rng(0)
    objects = rng.random((n_samples, *shape)) * np.exp(2j * np.pi * rng.random((n_samples, *shape)))
    objects += np.flip(objects, axis=tuple(range(1, objects.ndim)))
    if boundary == "zero":
        objects = np.pad(objects, [(0, 0)] + [(1, 0)] * len(shape))
    return (objects if np.dtype(dtype).kind == "c" else objects.real).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "complex64", "complex128"])
def test_symmetric_objects_have_one_representative(shape, dtype, boundary):
    x = symmetric_objects(shape, dtype, boundary)
    for shift_rule, flip_rule in itertools.product(SHIFTS, FLIPS):
        canonicalizer = SymmetryCanonicalizer(
            shift_rule, flip_rule, boundary=boundary, background=0
        ).fit(x)
        representatives = canonicalizer.transform(x)
        moved = random_members(
            x, boundary, flip=flip_rule is not None, shift=shift_rule is not None
        )
        assert relative_difference(canonicalizer.transform(moved), representatives) < tolerance(
            dtype
        )


@pytest.mark.parametrize("shape", [(9,), (7, 6)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_odd_objects_have_one_representative_where_the_phase_is_kept(shape, dtype, boundary):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, *shape))
    x = x - np.flip(x, axis=tuple(range(1, x.ndim)))  # so that the flip is -x
    x = np.pad(x, [(0, 0)] + [(0, 3)] * len(shape)) if boundary == "zero" else x
    x = (x * np.exp(0.7j) if np.dtype(dtype).kind == "c" else x).astype(dtype)
    for shift_rule, flip_rule in itertools.product(SHIFTS, FLIPS):
        moves = {"shift": shift_rule is not None, "flip": flip_rule is not None, "phase": False}
        canonicalizer = SymmetryCanonicalizer(
            shift_rule, flip_rule, None, boundary=boundary, background=0
        ).fit(x)
        moved = canonicalizer.transform(random_members(x, boundary, **moves))
        assert relative_difference(moved, canonicalizer.transform(x)) < tolerance(dtype)


def test_antiperiodic_objects_have_one_representative_where_the_phase_is_kept():
    x = np.tile(np.random.default_rng(0).standard_normal((4, 1, 5)), (1, 2, 1))
    x[:, 1] *= -1
    x = x.reshape(4, 10)  # a shift by half the frame is -x
    for rule in ("template", "centroid"):
        canonicalizer = SymmetryCanonicalizer(rule, None, None, boundary="circular").fit(x)
        for step in range(10):
            moved = canonicalizer.transform(np.roll(x, step, axis=1))
            np.testing.assert_allclose(moved, canonicalizer.transform(x))


@pytest.mark.parametrize("strategies", [(), ("box", "template"), (None, "moment", "template")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real_objects_are_compared_with_the_real_part_of_a_complex_template(strategies, dtype):
    rng = np.random.default_rng(0)
    x = np.pad(
        rng.random((20, 5, 5)) * np.exp(2j * rng.random((20, 5, 5))), [(0, 0), (0, 4), (0, 4)]
    )
    canonicalizer = SymmetryCanonicalizer(*strategies, background=0).fit(x)
    real = x.real.astype(dtype)
    expected = canonicalizer.transform(real)
    canonicalizer.template_ = canonicalizer.template_.real.copy()
    np.testing.assert_array_equal(canonicalizer.transform(real), expected)


def test_an_object_of_even_phase_and_its_flip_have_one_representative():
    x = np.zeros((1, 5, 5), complex)
    x[0, 1:4, 1:4] = [[1, 2j, 1], [3, 1j, 3], [1, 2j, 1]]
    for rule in ("moment", "principal", "bispectrum", "fourier"):
        canonicalizer = SymmetryCanonicalizer("box", rule).fit(x)
        np.testing.assert_allclose(
            canonicalizer.transform(flip(x)), canonicalizer.transform(x), atol=1e-12
        )


def test_the_pattern_is_complex_for_complex_objects_and_unchanged_for_real_ones():
    real, complex_ = (
        generic_pattern(torch.zeros(2, 4, 4, dtype=dtype))
        for dtype in (torch.float32, torch.complex64)
    )
    assert real.dtype == torch.float64
    np.testing.assert_array_equal(real[0], np.random.RandomState(20200).standard_normal((4, 4)))
    assert complex_.dtype == torch.complex128
    assert (complex_.imag != 0).all()
