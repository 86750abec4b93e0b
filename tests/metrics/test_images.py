import numpy as np
import pytest
from skimage.metrics import structural_similarity

from skpr.metrics import orbit_psnr, orbit_ssim
from tests.conftest import random_members, random_objects


def test_psnr_and_ssim_are_those_of_the_registered_image():
    x = random_objects((12, 12), "float64", n_samples=3)
    noisy = np.clip(x + 0.05 * np.random.default_rng(0).normal(size=x.shape) * (x > 0), 0, 1)
    moved = random_members(noisy)
    mse = ((x - noisy) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(
        orbit_psnr(x, moved, data_range=1.0, multioutput="raw_values"),
        10 * np.log10(1 / mse),
        rtol=1e-6,
    )
    ssim = [structural_similarity(a, b, data_range=1.0) for a, b in zip(x, noisy, strict=True)]
    np.testing.assert_allclose(
        orbit_ssim(x, moved, data_range=1.0, multioutput="raw_values"), ssim, rtol=1e-6
    )
    assert orbit_ssim(x, moved, data_range=2.0) > np.mean(ssim)


@pytest.mark.parametrize("metric", [orbit_psnr, orbit_ssim])
@pytest.mark.parametrize("scale", [1e-200, 1e-30, 255.0, 1e200])
def test_quality_does_not_depend_on_the_unit(metric, scale):
    truth = random_objects((9, 10), "float64", 3)
    noisy = np.clip(truth + 0.1 * random_objects((9, 10), "float64", 3, seed=2), 0, 1)
    expected = metric(truth, noisy, data_range=1.0, multioutput="raw_values")
    found = metric(scale * truth, scale * noisy, data_range=scale, multioutput="raw_values")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_wild_prediction_has_a_similarity():
    truth = random_objects((9, 9), "float64", 8)  # some with windows in which all is dark
    assert -1 <= orbit_ssim(truth, 1e200 * truth, data_range=1.0) < 0.1
    assert -1 <= orbit_ssim(0 * truth, 1e200 * truth, data_range=1.0) < 0.1


def test_perfect_predictions_have_a_finite_ratio_as_scorers_need():
    truth = random_objects((9, 9), "float32", 2)
    assert orbit_psnr(truth, truth, data_range=1.0) == 120


@pytest.mark.parametrize("metric", [orbit_psnr, orbit_ssim])
def test_a_range_that_is_plainly_wrong_is_warned_about(metric):
    truth = random_objects((9, 9), "float64", 2)
    for factor in (255.0, 1e-3):
        with pytest.warns(
            UserWarning,
            match=r"the truth spans .*, but data_range=1, .* OrbitScorer\(orbit_psnr, data_",
        ):
            metric(factor * truth, factor * truth, data_range=1.0)
    metric(truth, truth, data_range=2.0)
    metric(2 * truth - truth.max(), truth, data_range=1.0)


def test_the_span_of_complex_objects_is_that_of_their_parts():
    truth = random_objects((9, 9), "complex128", 2)
    orbit_psnr(truth, truth, data_range=1.0)
    with pytest.warns(UserWarning, match="but data_range=1"):
        orbit_psnr(300 * truth, truth, data_range=1.0)


@pytest.mark.parametrize("metric", [orbit_psnr, orbit_ssim])
def test_quality_is_weighted_and_has_a_boundary_for_each_axis(metric):
    truth = random_objects((9, 10), "float64", 2, boundary="circular")
    worse = np.stack([0.9 * truth[0], np.roll(0.5 * truth[1], 4, axis=0)])
    choices = {"data_range": 1.0, "boundary": ("circular", "zero")}
    values = metric(truth, worse, multioutput="raw_values", **choices)
    assert values[0] > values[1]
    assert metric(truth, worse, sample_weight=[3, 1], **choices) == pytest.approx(
        np.average(values, weights=[3, 1])
    )
    assert metric(truth, worse, **choices | {"boundary": "zero"}) < values.mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: orbit_psnr(x, x, data_range=0),
            "data_range=0 is not valid; give the range of the values, > 0",
        ),
        (lambda x: orbit_ssim(x, x, data_range=np.inf), "data_range=inf is not valid"),
        (lambda x: orbit_psnr(x, x, data_range="1"), "data_range='1' is not valid"),
        (lambda x: orbit_ssim(x, 1j * x, data_range=1), "compares real objects; score the modulus"),
        (
            lambda x: orbit_ssim(x[:, :6], x[:, :6], data_range=1),
            "windows of 7 pixels, but the objects have shape",
        ),
        (
            lambda x: orbit_ssim(x, x, data_range=1, multioutput="all"),
            "multioutput='all' is not valid",
        ),
        (lambda x: orbit_psnr(x, x[0], data_range=1), "has shape"),
    ],
)
def test_input_that_has_no_quality_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((1, 8, 8)))
