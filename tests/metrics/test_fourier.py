import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.metrics import fourier_error, r_factor
from tests.conftest import random_members, random_objects, tolerance


@pytest.mark.parametrize("centered", [True, False])
def test_fourier_error_leaves_unmeasured_pixels_out(centered):
    x = random_objects((8, 9), "complex128")
    measured = FourierMagnitude(centered=centered).fit_transform(x)
    assert fourier_error(measured, x, centered=centered) < 1e-12
    measured[:, 3:5, 4:6] = np.nan
    assert fourier_error(measured, x, centered=centered) < 1e-12
    assert fourier_error(measured, 2 * x, centered=centered) == pytest.approx(1)


def test_r_factor_is_its_formula_over_measured_pixels(object_shape, dtype):
    x, other = (
        random_objects(object_shape, dtype, 4),
        random_objects(object_shape, dtype, 4, seed=5),
    )
    measured = FourierMagnitude().fit_transform(x)
    computed = FourierMagnitude().fit_transform(other)
    measured[..., 0] = np.nan
    known = ~np.isnan(measured)
    expected = [
        np.abs(c[k] - m[k]).sum() / m[k].sum()
        for m, c, k in zip(measured, computed, known, strict=True)
    ]
    np.testing.assert_allclose(
        r_factor(measured, other, multioutput="raw_values"), expected, rtol=1e-5
    )
    assert r_factor(measured, random_members(x)) < tolerance(dtype)


@pytest.mark.parametrize("metric", [fourier_error, r_factor])
@pytest.mark.parametrize("scale", [1e-30, 1e17, 1e30])
def test_misfits_do_not_depend_on_the_unit(metric, scale):
    x = random_objects((8, 9), "float32", 3)
    measured = FourierMagnitude().fit_transform(x)
    measured[:, 2, 3] = np.nan
    found = metric(measured * np.float32(scale), np.float32(0.9 * scale) * x)
    assert found == pytest.approx(0.1, rel=1e-4)
    double = measured.astype(float)
    assert metric(double * 1e200, 0.9e200 * x.astype(float)) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("metric", [fourier_error, r_factor])
def test_misfits_are_weighted_and_take_whatever_holds_numbers(metric):
    x = random_objects((8, 9), "float32", 2)
    measured = FourierMagnitude().fit_transform(x)
    other = np.stack([x[0], 2 * x[1]])
    assert metric(measured, other, sample_weight=[3, 1]) == pytest.approx(0.25, abs=1e-5)
    tensors = (torch.from_numpy(batch).requires_grad_() for batch in (measured, other))
    assert metric(*tensors) == pytest.approx(0.5, abs=1e-5)
    assert metric(measured.tolist(), other.tolist()) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("metric", [fourier_error, r_factor])
def test_the_misfit_of_a_dark_pattern_is_that_of_the_objects(metric):
    x = random_objects((8, 8), "float64", 1)
    dark = np.zeros((1, 16, 16))
    assert metric(dark, 0 * x) == 0
    assert metric(dark, 4 * x) == pytest.approx(4 * metric(dark, x))


@pytest.mark.parametrize("metric", [fourier_error, r_factor])
@pytest.mark.parametrize(
    ("magnitudes", "objects", "message"),
    [
        (np.ones((2, 8)), np.ones((3, 4)), "2 magnitudes do not match 3 objects"),
        (
            np.ones((16, 16)),
            np.ones((1, 8, 8)),
            r"magnitudes have shape \(16, 16\) and objects \(1, 8, 8\)",
        ),
        (
            np.ones((1, 16, 16)),
            np.ones((5, 8, 8)),
            r"np.broadcast_to\(pattern, \(n_objects, \*pattern.shape\)\)",
        ),
        (np.ones((2, 8)), np.ones((2, 9)), r"do not fit magnitudes of shape \(8,\)"),
        (-np.ones((2, 8)), np.ones((2, 4)), "Negative values in data passed to a Fourier metric"),
        (
            np.full((2, 8), np.nan),
            np.ones((2, 4)),
            "NaN in every pixel of 2 of 2 patterns: nothing was measured",
        ),
        (1j * np.ones((2, 8)), np.ones((2, 4)), "magnitudes are real; pass np.abs"),
    ],
)
def test_what_is_no_pattern_of_an_object_is_refused(metric, magnitudes, objects, message):
    with pytest.raises(ValueError, match=message):
        metric(magnitudes, objects)


@pytest.mark.parametrize("metric", [fourier_error, r_factor])
def test_several_starts_of_each_pattern_and_a_layout_that_is_none_are_refused(metric):
    with pytest.raises(ValueError, match=r"objects\[:, 0\] for several starts of each pattern"):
        metric(np.ones((2, 16, 16)), np.ones((2, 5, 8, 8)))
    with pytest.raises(ValueError, match="centered='yes' is not valid"):
        metric(np.ones((2, 16)), np.ones((2, 8)), centered="yes")
    with pytest.raises(ValueError, match="not covariances: widths squared must be >= 0"):
        metric(np.ones((2, 16)), np.ones((2, 8)), coherence=-np.ones((2, 1, 1)))


def test_kernels_of_starts_that_did_not_finish_are_refused():
    with pytest.raises(ValueError, match="leave out the starts that did not finish"):
        fourier_error(np.ones((1, 8)), np.ones((1, 4)), coherence=np.full((1, 1, 1), np.nan))
