import numpy as np
import pytest
from skimage.metrics import structural_similarity
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import cross_validate

from skpr import FourierMagnitude
from skpr.metrics import (
    fourier_error,
    fourier_ring_correlation,
    neg_orbit_mean_squared_error_scorer,
    neg_relative_error_scorer,
    orbit_mean_squared_error,
    orbit_psnr,
    orbit_psnr_scorer,
    orbit_ssim,
    orbit_ssim_scorer,
    phase_retrieval_transfer_function,
    r_factor,
    relative_error,
    success_rate,
)
from tests.conftest import random_members, random_objects, tolerance


def test_members_of_the_orbit_are_perfect_predictions(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    moved = random_members(x, boundary)
    assert relative_error(x, 3 * moved, boundary=boundary) < tolerance(dtype) ** 2
    assert orbit_mean_squared_error(x, moved, boundary=boundary) < tolerance(dtype) ** 2


def brute_force_relative_error(a, b):
    """1 - max |<A, B>|^2 / (|A|^2 |B|^2) over every shift and the flip, written out."""
    best = 0
    for candidate in (b, b[::-1].conj()):
        for t in range(-len(a) + 1, len(a)):
            moved = np.zeros_like(candidate)
            moved[max(t, 0) : len(a) + min(t, 0)] = candidate[max(-t, 0) : len(a) - max(t, 0)]
            best = max(best, abs(np.vdot(moved, a)) ** 2)
    return 1 - best / (np.vdot(a, a).real * np.vdot(b, b).real)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_relative_error_is_its_definition(dtype):
    a, b = (
        random_objects((9,), dtype, boundary="circular"),
        random_objects((9,), dtype, boundary="circular", seed=1),
    )
    expected = [brute_force_relative_error(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(relative_error(a, b, multioutput="raw_values"), expected, atol=1e-12)


def test_small_errors_are_resolved_in_single_precision():
    x = random_objects((16, 16), "float64")
    noise = 1e-5 * np.random.default_rng(0).normal(size=x.shape)
    exact = relative_error(x, x + noise)
    single = relative_error(x.astype(np.float32), (x + noise).astype(np.float32))
    assert exact == pytest.approx(1e-10 * 256 / (x**2).sum(axis=(1, 2)).mean(), rel=0.5)
    assert single == pytest.approx(exact, rel=0.05)


def test_worse_predictions_score_worse():
    x = random_objects((12, 12), "float64")
    noise = np.random.default_rng(0).normal(size=x.shape)
    levels = [0.0, 0.05, 0.2, 0.8]
    errors = [relative_error(x, x + level * noise) for level in levels]
    assert errors == sorted(errors)
    assert orbit_psnr(x, x + 0.05 * noise, data_range=1) > orbit_psnr(x, x + 0.2 * noise, data_range=1)
    assert orbit_ssim(x, x + 0.05 * noise, data_range=1) > orbit_ssim(x, x + 0.2 * noise, data_range=1)


def test_empty_predictions_are_worthless_and_empty_truths_forgiving():
    zero, one = np.zeros((1, 4)), np.ones((1, 4))
    assert relative_error(one, zero) == 1
    assert relative_error(zero, one) == 1
    assert relative_error(zero, zero) == 0


def test_the_superposition_of_twins_is_not_mistaken_for_either():
    x = random_objects((15,), "float64")
    assert relative_error(x, x + x[:, ::-1]) > 0.05


def test_psnr_and_ssim_are_those_of_the_registered_image():
    x = random_objects((12, 12), "float64", n_samples=3)
    noisy = np.clip(x + 0.05 * np.random.default_rng(0).normal(size=x.shape) * (x > 0), 0, 1)
    moved = random_members(noisy)
    mse = ((x - noisy) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(
        orbit_psnr(x, moved, data_range=1.0, multioutput="raw_values"), 10 * np.log10(1 / mse), rtol=1e-6
    )
    ssim = [structural_similarity(a, b, data_range=1.0) for a, b in zip(x, noisy, strict=True)]
    np.testing.assert_allclose(orbit_ssim(x, moved, data_range=1.0, multioutput="raw_values"), ssim, rtol=1e-6)
    assert orbit_ssim(x, moved, data_range=2.0) > np.mean(ssim)


@pytest.mark.parametrize("centered", [True, False])
def test_fourier_error_leaves_unmeasured_pixels_out(centered):
    x = random_objects((8, 9), "complex128")
    measured = FourierMagnitude(centered=centered).fit_transform(x)
    assert fourier_error(measured, x, centered=centered) < 1e-12
    measured[:, 3:5, 4:6] = np.nan
    assert fourier_error(measured, x, centered=centered) < 1e-12
    assert fourier_error(measured, 2 * x, centered=centered) == pytest.approx(1)


class HalfBlind(RegressorMixin, BaseEstimator):
    """Predicts the truth scaled by a factor: scores that are known."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return self.factor * X[:, ::-1, ::-1]


def test_scorers_work_in_cross_validation_and_greater_is_better():
    x = random_objects((12, 12), "float64")
    scoring = {
        "error": neg_relative_error_scorer,
        "mse": neg_orbit_mean_squared_error_scorer,
        "psnr": orbit_psnr_scorer,
        "ssim": orbit_ssim_scorer,
    }
    good = cross_validate(HalfBlind(0.9), x, x, cv=2, scoring=scoring)
    bad = cross_validate(HalfBlind(0.5), x, x, cv=2, scoring=scoring)
    np.testing.assert_allclose(good["test_error"], 0, atol=1e-12)
    for name in ("mse", "psnr", "ssim"):
        assert (good[f"test_{name}"] > bad[f"test_{name}"]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: relative_error(np.ones((2, 3)), np.ones((3, 3))),
            r"y_true has shape \(2, 3\) but y_pred has shape",
        ),
        (lambda: relative_error(np.ones((2, 3)), np.full((2, 3), np.nan)), "Input y_pred contains NaN"),
        (lambda: orbit_psnr(np.ones((2, 3)), np.ones((2, 3)), data_range=0), "data_range=0 is not valid"),
        (
            lambda: orbit_ssim(np.ones((1, 8, 8)), 1j * np.ones((1, 8, 8)), data_range=1),
            "compares real objects",
        ),
        (
            lambda: relative_error(np.ones((2, 3)), np.ones((2, 3)), multioutput="sum"),
            "multioutput='sum' is not valid",
        ),
        (lambda: fourier_error(np.ones((2, 8)), np.ones((3, 4))), "2 magnitudes do not match 3 objects"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_r_factor_is_its_formula_over_measured_pixels(object_shape, dtype):
    x, other = random_objects(object_shape, dtype, 4), random_objects(object_shape, dtype, 4, seed=5)
    measured = FourierMagnitude().fit_transform(x)
    computed = FourierMagnitude().fit_transform(other)
    measured[..., 0] = np.nan
    known = ~np.isnan(measured)
    expected = [np.abs(c[k] - m[k]).sum() / m[k].sum() for m, c, k in zip(measured, computed, known, strict=True)]
    np.testing.assert_allclose(r_factor(measured, other, multioutput="raw_values"), expected, rtol=1e-5)
    assert r_factor(measured, random_members(x)) < tolerance(dtype)


def test_success_rate_counts_what_is_within_the_tolerance():
    x = random_objects((12, 12), "float64", 10)
    found = random_members(x)
    found[:3] = random_objects((12, 12), "float64", 3, seed=8)
    assert success_rate(x, found) == 0.7
    assert success_rate(x, found, tolerance=1.0) == 1.0
    with pytest.raises(ValueError, match="tolerance=0 is not valid"):
        success_rate(x, found, tolerance=0)


def test_random_phases_have_the_transfer_function_of_a_random_walk():
    rng = np.random.default_rng(0)
    spectrum = np.fft.fft2(rng.normal(size=(32, 32)))
    noise = np.fft.fft2(rng.normal(size=(64, 32, 32)))
    objects = np.fft.ifft2(np.abs(spectrum) * noise / np.abs(noise)).real
    frequencies, values = phase_retrieval_transfer_function(np.fft.fftshift(np.abs(spectrum)), objects)
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


@pytest.mark.parametrize("shape", [(20, 21), (12, 12, 13)], ids=str)
def test_independent_noise_does_not_correlate_on_outer_rings(shape):
    _, values, threshold = fourier_ring_correlation(*np.random.default_rng(1).normal(size=(2, *shape)))
    outer = slice(len(values) // 2, None)
    assert (values[outer] < threshold[outer]).mean() > 0.8


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_predictions_too_faint_to_divide_by_have_an_error(dtype):
    truth = random_objects((8, 8), dtype)
    faint = (1e-42 * truth).astype(dtype)
    errors = relative_error(truth, faint, multioutput="raw_values")
    assert ((errors >= 0) & (errors <= 1)).all()
