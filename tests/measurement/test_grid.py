"""Grids: boundary, layouts, and the measurement that a pair of batches belongs to."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, GaussianMagnitude
from skpr.datasets import load_digit_objects
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import Grid, are_magnitudes_of, boundary_of, check_not_swapped, symmetries_of
from tests.conftest import random_objects


@pytest.fixture(scope="module")
def digits():
    return load_digit_objects().data[:80]


@pytest.mark.parametrize(
    ("fourier_shape", "expected"),
    [
        ((8, 8), ("circular", "circular")),
        ((16, 16), ("zero", "zero")),
        ((8, 16), ("circular", "zero")),
    ],
)
def test_shifts_wrap_around_along_axes_without_oversampling(fourier_shape, expected):
    assert boundary_of((8, 8), fourier_shape) == expected
    assert Grid((8, 8), fourier_shape).boundary == expected


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"objects of shape \(8, 8\) do not fit magnitudes of shape \(8, 7\)"
    ):
        Grid((8, 8), (8, 7))


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("grid", [(12, 13), (13, 12)], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_magnitudes_and_their_layout_agree_with_numpy(grid, dtype, centered):
    objects = random_objects((6, 7), dtype, 5)
    made = Grid((6, 7), grid, centered).magnitudes(torch.from_numpy(objects)).numpy()
    expected = np.abs(np.fft.fft2(objects, s=grid))
    expected = np.fft.fftshift(expected, axes=(1, 2)) if centered else expected
    np.testing.assert_allclose(made, expected, atol=1e-10)


@pytest.mark.parametrize("centered", [True, False])
def test_mirrored_values_are_those_at_minus_k(centered):
    grid = Grid((3, 4), (7, 8), centered)
    spectrum = torch.fft.fft2(torch.from_numpy(random_objects((7, 8), "float64", 2)))
    values = grid.from_fft_order(spectrum)
    torch.testing.assert_close(grid.mirrored(values), values.conj())


@pytest.mark.parametrize("n_photons", [1e2, 1e4, None])
@pytest.mark.parametrize("centered", [True, False])
def test_noisy_magnitudes_are_those_of_a_fourier_transform(digits, n_photons, centered):
    magnitudes = FourierMagnitude(centered=centered).fit_transform(digits) / 37
    measured = (
        magnitudes
        if n_photons is None
        else PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    )
    measured = BeamStop(3, centered=centered).fit_transform(measured)
    assert symmetries_of(measured, digits) == "fourier"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [5, 10, 64])
def test_a_random_matrix_is_told_from_a_fourier_transform(n, seed):
    objects = np.random.default_rng(seed).random((80, n))
    magnitudes = GaussianMagnitude(random_state=seed).fit_transform(objects)
    assert symmetries_of(magnitudes, objects) == "phase"


def test_magnitudes_of_given_objects_are_recognised(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    assert are_magnitudes_of(magnitudes, digits)
    assert are_magnitudes_of(
        FourierMagnitude(oversampling=1).fit_transform(digits) * 1e6, list(digits)
    )
    assert not are_magnitudes_of(digits, digits.copy())
    assert not are_magnitudes_of(magnitudes, np.arange(len(digits)))


def test_objects_in_the_place_of_magnitudes_are_refused(digits):
    magnitudes = FourierMagnitude(oversampling=1).fit_transform(digits)
    with pytest.raises(ValueError, match="X and y are the same objects"):
        check_not_swapped(digits, digits.copy())
    with pytest.raises(ValueError, match="X and y are swapped"):
        check_not_swapped(digits, magnitudes)
    check_not_swapped(magnitudes, digits)


def test_a_size_is_no_shape():
    with pytest.raises(
        TypeError,
        match=r"object_shape=20 is not valid; give the size of each axis, such as \(20,\)",
    ):
        Grid(20, 40)
