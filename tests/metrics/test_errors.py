import numpy as np
import pytest
import torch

from skpr.metrics import (
    orbit_mean_squared_error,
    orbit_psnr,
    orbit_ssim,
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
    assert orbit_psnr(x, x + 0.05 * noise, data_range=1) > orbit_psnr(
        x, x + 0.2 * noise, data_range=1
    )
    assert orbit_ssim(x, x + 0.05 * noise, data_range=1) > orbit_ssim(
        x, x + 0.2 * noise, data_range=1
    )


def test_empty_predictions_are_worthless_and_empty_truths_forgiving():
    zero, one = np.zeros((1, 4)), np.ones((1, 4))
    assert relative_error(one, zero) == 1
    assert relative_error(zero, one) == 1
    assert relative_error(zero, zero) == 0


def test_the_superposition_of_twins_is_not_mistaken_for_either():
    x = random_objects((15,), "float64")
    assert relative_error(x, x + x[:, ::-1]) > 0.05


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_predictions_too_faint_to_divide_by_have_an_error(dtype):
    truth = random_objects((8, 8), dtype)
    faint = (1e-42 * truth).astype(dtype)
    errors = relative_error(truth, faint, multioutput="raw_values")
    assert ((errors >= 0) & (errors <= 1)).all()


def test_success_rate_counts_what_is_within_the_tolerance():
    x = random_objects((12, 12), "float64", 10)
    found = random_members(x)
    found[:3] = random_objects((12, 12), "float64", 3, seed=8)
    assert success_rate(x, found) == 0.7
    assert success_rate(x, found, tolerance=1.0) == 1.0
    with pytest.raises(ValueError, match="tolerance=0 is not valid"):
        success_rate(x, found, tolerance=0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_errors_do_not_depend_on_the_scale_of_the_objects(dtype):
    truth = random_objects((8, 9), dtype, 4)
    prediction = random_members(truth) + 0.01 * random_objects((8, 9), dtype, 4, seed=3)
    expected = relative_error(truth, prediction, multioutput="raw_values")
    exponents = (
        (-1000, -600, 600, 1000)
        if np.dtype(dtype) in (np.float64, np.complex128)
        else (-100, -80, 60, 120)
    )
    for exponent in exponents:
        unit = truth.real.dtype.type(2.0**exponent)
        np.testing.assert_array_equal(
            relative_error(truth * unit, prediction * unit, multioutput="raw_values"), expected
        )
        np.testing.assert_array_equal(
            relative_error(truth, prediction * unit, multioutput="raw_values"), expected
        )


@pytest.mark.parametrize("scale", [1e18, 1e-25])
def test_members_of_the_orbit_are_perfect_in_any_unit(scale):
    truth = random_objects((8, 8), "float32") * np.float32(scale)
    assert relative_error(truth, random_members(truth)) < 1e-8
    assert success_rate(truth, random_members(truth)) == 1


def test_squared_errors_scale_with_the_square_of_the_unit():
    truth, other = (
        random_objects((8, 8), "float64", 3),
        random_objects((8, 8), "float64", 3, seed=4),
    )
    expected = orbit_mean_squared_error(truth, other)
    for scale in (1e-120, 1e120):
        assert orbit_mean_squared_error(scale * truth, scale * other) == pytest.approx(
            expected * scale**2
        )
    with pytest.raises(ValueError, match="beyond the range of float64"):
        orbit_mean_squared_error(1e-200 * truth, 1e-200 * other)
    with pytest.raises(ValueError, match="beyond the range of float64"):
        orbit_mean_squared_error(1e200 * truth, 1e200 * other)


@pytest.mark.parametrize("metric", [relative_error, orbit_mean_squared_error])
def test_each_axis_has_its_boundary(metric):
    truth = random_objects((8, 9), "float64", boundary="circular")
    rolled = np.roll(truth, 3, axis=1)
    assert metric(truth, rolled, boundary=("circular", "zero")) < 1e-12
    assert metric(truth, rolled, boundary=("zero", "circular")) > 0.01
    assert metric(truth, truth, boundary=["circular", "circular"]) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="has 3 entries for objects with 2 axes"):
        metric(truth, truth, boundary=("zero",) * 3)


@pytest.mark.parametrize("metric", [relative_error, orbit_mean_squared_error])
def test_samples_are_weighted(metric):
    truth, other = (
        random_objects((8, 8), "float32", 3),
        random_objects((8, 8), "float32", 3, seed=2),
    )
    values = metric(truth, other, multioutput="raw_values")
    weights = [1, 0, 3]
    assert metric(truth, other, sample_weight=weights) == pytest.approx(
        np.average(values, weights=weights)
    )
    assert metric(truth, other, sample_weight=torch.tensor(weights)) == metric(
        truth, other, sample_weight=weights
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"sample_weight has shape \(2,\); give one number per sample"),
        ([1, np.nan, 1], "sample_weight is not valid; give finite numbers >= 0"),
        ([1, -1, 1], "sample_weight is not valid"),
        ([0, 0, 0], "sample_weight is not valid"),
        (["a", "b", "c"], "is not valid; give one number >= 0 per sample"),
        ([1j, 1, 1], "is not valid; give one number >= 0 per sample"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    truth = random_objects((8, 8), "float32", 3)
    with pytest.raises(ValueError, match=message):
        relative_error(truth, truth, sample_weight=weights)


def test_success_counts_weighted_samples_and_broadcast_truths():
    truth = random_objects((8, 8), "float32", 1)
    found = np.concatenate(
        [random_members(truth.repeat(3, axis=0)), random_objects((8, 8), "float32", 1, seed=6)]
    )
    several = np.broadcast_to(truth, found.shape)
    assert success_rate(several, found) == 0.75
    assert success_rate(several, found, sample_weight=[1, 0, 0, 1]) == 0.5
    for bad in (2, "a", np.nan, True):
        with pytest.raises(
            ValueError,
            match="tolerance=.* is not valid; give a relative error with 0 < tolerance <= 1",
        ):
            success_rate(several, found, tolerance=bad)


@pytest.mark.parametrize("metric", [relative_error, orbit_mean_squared_error])
@pytest.mark.parametrize("kind", ["uint8", "list", "gradient", "float16"])
def test_whatever_holds_numbers_is_compared(metric, kind):
    pixels = np.random.default_rng(0).integers(0, 9, (3, 6, 6))
    expected = metric(pixels.astype(float), pixels[:, ::-1].astype(float))
    given = {
        "uint8": lambda x: x.astype("uint8"),
        "list": np.ndarray.tolist,
        "gradient": lambda x: torch.tensor(x.astype("float32"), requires_grad=True),
        "float16": lambda x: x.astype("float16"),
    }[kind]
    assert metric(given(pixels), given(pixels[:, ::-1])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ((2, 3), (3, 3), r"y_true has shape \(2, 3\) but y_pred has shape \(3, 3\)"),
        ((4, 8, 8), (8, 8), r"y_pred has shape \(8, 8\)"),
        ((8, 8), (4, 8, 8), r"y_true has shape \(8, 8\)"),
        ((1, 8, 8), (8, 8), r"y_pred has no axis of samples; pass y_pred\[None\]"),
        ((1, 8, 8), (5, 8, 8), r"pass np.broadcast_to\(y_true, \(5, 8, 8\)\)"),
        (
            (5, 8, 8),
            (5, 3, 8, 8),
            r"y_pred has one axis too many; pass one object per sample, such as y_pred\[:, 0\]",
        ),
    ],
)
def test_shapes_that_differ_are_refused_with_a_way_out(truth, prediction, message):
    for metric in (relative_error, orbit_mean_squared_error, success_rate):
        with pytest.raises(ValueError, match=message):
            metric(np.ones(truth), np.ones(prediction))


def test_how_to_average_is_checked_before_the_work(monkeypatch):
    monkeypatch.setattr(
        "skpr.metrics._errors.map_chunks", lambda *args, **kwargs: pytest.fail("worked first")
    )
    for metric in (relative_error, orbit_mean_squared_error):
        with pytest.raises(ValueError, match="multioutput='sum' is not valid"):
            metric(np.ones((2, 3)), np.ones((2, 3)), multioutput="sum")
        with pytest.raises(ValueError, match="Input y_pred contains NaN"):
            metric(np.ones((2, 3)), np.full((2, 3), np.nan))
