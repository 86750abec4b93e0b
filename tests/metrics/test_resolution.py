import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.detector import PhotonNoise
from skpr.metrics import (
    fourier_ring_correlation,
    half_period_resolution,
    phase_retrieval_transfer_function,
)
from tests.conftest import random_members, random_objects


def test_random_phases_have_the_transfer_function_of_a_random_walk():
    rng = np.random.default_rng(0)
    spectrum = np.fft.fft2(rng.normal(size=(32, 32)))
    noise = np.fft.fft2(rng.normal(size=(64, 32, 32)))
    objects = np.fft.ifft2(np.abs(spectrum) * noise / np.abs(noise)).real
    frequencies, values = phase_retrieval_transfer_function(
        np.fft.fftshift(np.abs(spectrum)), objects
    )
    assert len(frequencies) == len(values) == 17
    assert values[4:].mean() == pytest.approx(np.sqrt(np.pi / 4 / 64), rel=0.2)
    assert np.all(np.diff(frequencies) > 0)
    assert frequencies[-1] == pytest.approx(0.5, abs=0.03)


def test_transfer_function_leaves_unmeasured_pixels_out():
    x = random_objects((16, 16), "float64", 1)
    magnitudes = FourierMagnitude().fit_transform(x)[0]
    magnitudes[14:19, 14:19] = np.nan
    _, values = phase_retrieval_transfer_function(magnitudes, x)
    assert np.isnan(values[:2]).all()
    np.testing.assert_allclose(values[4:], 1)


@pytest.mark.parametrize("shape", [(40,), (20, 21), (12, 12, 13)], ids=str)
def test_ring_correlation_is_one_modulo_symmetries(shape):
    x = random_objects(shape, "float64", 1)
    moved = random_members(x)[0]
    _, values, threshold = fourier_ring_correlation(x[0], moved)
    np.testing.assert_allclose(values, 1)
    assert (threshold <= 1.001).all()


@pytest.mark.parametrize(
    "shape", [(40, 41), (20, 20, 21)], ids=str
)  # some rings of fewer pixels correlate by chance
def test_independent_noise_does_not_correlate_on_outer_rings(shape):
    _, values, threshold = fourier_ring_correlation(
        *np.random.default_rng(1).normal(size=(2, *shape))
    )
    outer = slice(len(values) // 2, None)
    assert (values[outer] < threshold[outer]).mean() > 0.8


def pattern_of(x, n_photons):
    return PhotonNoise(n_photons, random_state=0).fit_transform(
        FourierMagnitude().fit_transform(x)
    )[0]


def test_no_value_exceeds_one_and_rings_without_counts_say_nothing():
    x = random_objects((16, 16), "float64", 1)
    measured = pattern_of(x, 300)
    runs = x.repeat(4, axis=0) + 0.05 * np.random.default_rng(0).random((4, 16, 16))
    _, all_rings = phase_retrieval_transfer_function(measured, runs, min_count=0)
    _, values = phase_retrieval_transfer_function(measured, runs)
    assert np.nanmax(all_rings) <= 1
    assert np.isnan(values).sum() > np.isnan(all_rings).sum()
    np.testing.assert_array_equal(values[~np.isnan(values)], all_rings[~np.isnan(values)])
    _, bright = phase_retrieval_transfer_function(pattern_of(x, 1e7), runs)
    assert not np.isnan(bright).any()


def test_the_units_of_objects_magnitudes_and_counts_do_not_matter():
    x = random_objects((16, 16), "float32", 1)
    measured = pattern_of(x, 3000)
    runs = x.repeat(3, axis=0) + np.random.default_rng(0).random((3, 16, 16)).astype("float32") / 10
    expected = phase_retrieval_transfer_function(measured, runs)[1]
    for light, unit in ((1 / 32, 1.0), (1.0, 1e-20), (1e12, 1e25)):
        found = phase_retrieval_transfer_function(
            measured * np.float32(light), runs * np.float32(unit)
        )[1]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_one_pattern_is_needed():
    x = random_objects((8, 8), "float32", 3)
    magnitudes = FourierMagnitude().fit_transform(x)
    for pattern, objects in ((magnitudes, x), (magnitudes[0], x[0]), (magnitudes[0], x[None])):
        with pytest.raises(
            ValueError, match=r"one pattern of shape fourier_shape, such as magnitudes\[0\]"
        ):
            phase_retrieval_transfer_function(pattern, objects)
    with pytest.raises(ValueError, match="NaN in every pixel"):
        phase_retrieval_transfer_function(np.full((16, 16), np.nan), x)
    with pytest.raises(ValueError, match="min_count=-1 is not valid"):
        phase_retrieval_transfer_function(magnitudes[0], x, min_count=-1)


def test_tensors_with_a_gradient_have_a_resolution():
    x = random_objects((8, 8), "float32", 2)
    magnitudes = torch.from_numpy(FourierMagnitude().fit_transform(x)).requires_grad_()
    objects = torch.from_numpy(x).requires_grad_()
    _, values = phase_retrieval_transfer_function(magnitudes[0], objects[:1].repeat(2, 1, 1))
    np.testing.assert_allclose(values, 1, rtol=1e-5)
    np.testing.assert_allclose(fourier_ring_correlation(objects[0], objects[0])[1], 1, rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e160, 1e200])
def test_ring_correlation_does_not_depend_on_the_unit(unit):
    first, second = random_objects((12, 12), "float64", 2)
    expected = fourier_ring_correlation(first, second)[1]
    np.testing.assert_allclose(
        fourier_ring_correlation(unit * first, second)[1], expected, atol=1e-12
    )


def test_ring_correlation_takes_a_boundary_for_each_axis():
    x = random_objects((12, 12), "float64", 1, boundary="circular")[0]
    _, values, _ = fourier_ring_correlation(x, np.roll(x, 5, axis=0), boundary=("circular", "zero"))
    np.testing.assert_allclose(values, 1)


def test_half_periods_are_those_of_the_first_ring_that_fails():
    frequencies = [0.0, 0.125, 0.25, 0.375, 0.5]
    assert half_period_resolution(frequencies, [0, 1, 1, 0.2, 1], 0.5) == pytest.approx(0.5 / 0.375)
    assert half_period_resolution(frequencies, [0, 1, np.nan, 1, 1], 0.5) == 1.0
    assert half_period_resolution(
        frequencies, [0, np.nan, 1, np.nan, np.nan], 0.5
    ) == pytest.approx(0.5 / 0.375)
    assert (
        half_period_resolution(frequencies, [0, 1, np.nan, np.nan, 0], [0, 0.9, 0.9, 0.9, 0.9])
        == 2.0
    )
    assert np.isnan(half_period_resolution(frequencies, [1, 0.2, 1, 1, 1], 0.5))
    assert np.isnan(half_period_resolution(frequencies, [1] + 4 * [np.nan], 0.5))
    with pytest.raises(ValueError, match="give one of each per ring"):
        half_period_resolution(frequencies, [1, 1], 0.5)
