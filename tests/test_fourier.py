import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.datasets import load_digit_objects
from skpr.fourier import from_spectrum, to_spectrum
from tests.conftest import random_objects, relative_difference, tolerance


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("oversampling", [1, 1.5, 2])
def test_magnitudes_are_those_of_numpys_dft(object_shape, dtype, oversampling, centered):
    x = random_objects(object_shape, dtype)
    magnitude = FourierMagnitude(oversampling=oversampling, centered=centered)
    found = magnitude.fit_transform(x)
    axes = tuple(range(1, x.ndim))
    expected = np.abs(np.fft.fftn(x, s=magnitude.fourier_shape_, axes=axes))
    if centered:
        expected = np.fft.fftshift(expected, axes=axes)
    assert relative_difference(found, expected) < tolerance(dtype) / 10
    assert found.dtype == np.zeros(0, dtype).real.dtype


@pytest.mark.parametrize("fourier_shape", [14, (14, 17), (13, 15), (9, 16)])
def test_any_grid_can_be_given(fourier_shape):
    x = random_objects((9, 12), "float64")
    found = FourierMagnitude(fourier_shape=fourier_shape).fit_transform(x)
    shape = (fourier_shape,) * 2 if np.ndim(fourier_shape) == 0 else fourier_shape
    np.testing.assert_allclose(
        found, np.fft.fftshift(np.abs(np.fft.fft2(x, s=shape)), axes=(1, 2)), atol=1e-12
    )


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_transform_pair_gives_the_object_back(object_shape, dtype):
    x = torch.from_numpy(random_objects(object_shape, dtype))
    grid = tuple(2 * n + 1 for n in object_shape)
    back = from_spectrum(to_spectrum(x, grid), grid, real=dtype == "float64")
    torch.testing.assert_close(back[(slice(None), *(slice(n) for n in object_shape))], x)
    torch.testing.assert_close(back.abs().sum(), x.abs().sum())


def test_gradients_pass_through():
    x = torch.rand(2, 4, 5, dtype=torch.float64, requires_grad=True)
    magnitude = FourierMagnitude().fit(x.detach())
    assert torch.autograd.gradcheck(magnitude.transform, (x,))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"oversampling": 0.5}, "oversampling=0.5 is not valid; give a number >= 1"),
        ({"oversampling": "2"}, "oversampling='2' is not valid"),
        ({"fourier_shape": 3}, r"fourier_shape=3 does not fit objects of shape \(4, 4\)"),
        ({"fourier_shape": int}, r"fourier_shape=int does not fit objects of shape \(4, 4\)"),
        ({"fourier_shape": (8,)}, r"fourier_shape=\(8,\) does not fit"),
    ],
)
def test_impossible_grids_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        FourierMagnitude(**parameters).fit(np.ones((2, 4, 4)))


def test_objects_of_another_shape_are_refused():
    magnitude = FourierMagnitude().fit(np.ones((2, 4, 4)))
    with pytest.raises(
        ValueError,
        match=r"shape \(4, 5\), but FourierMagnitude was fitted on samples of shape \(4, 4\)",
    ):
        magnitude.transform(np.ones((2, 4, 5)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_integer_and_boolean_images_are_images(dtype):
    x = np.eye(4, dtype=dtype)[None]
    found = FourierMagnitude().fit_transform(x)
    np.testing.assert_allclose(found, FourierMagnitude().fit_transform(x.astype(float)), atol=1e-5)


def test_magnitudes_of_the_targets_are_refused():
    objects = load_digit_objects().data[:40]
    for parameters in ({}, {"oversampling": 1}):
        magnitudes = FourierMagnitude(**parameters).fit_transform(objects)
        with pytest.raises(
            ValueError, match=r"X holds the Fourier magnitudes of y.*model\[1:\]\.fit"
        ):
            FourierMagnitude(**parameters).fit(magnitudes, objects)
    FourierMagnitude().fit(objects, objects)


def test_measured_magnitudes_are_recognised_where_objects_are_expected():
    objects = load_digit_objects().data[:40]
    model = FourierMagnitude(oversampling=1).fit(objects, objects)
    magnitudes = model.transform(objects)
    with pytest.warns(UserWarning, match=r"X looks like magnitudes.*model\[1:\]\.predict"):
        model.transform(magnitudes[:3])
    hidden = magnitudes.copy()
    hidden[:, 7:9] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN.*measured magnitudes with missing pixels"):
        model.transform(hidden)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"fourier_shape": (32.9, 32.2)},
            r"fourier_shape=\(32.9, 32.2\) does not fit objects of shape \(16, 16\)",
        ),
        ({"fourier_shape": 32.0}, "fourier_shape=32.0 does not fit"),
        ({"oversampling": np.inf}, "oversampling=inf is not valid; give a number >= 1"),
        ({"centered": "yes"}, "centered='yes' is not valid; choose True or False"),
    ],
)
def test_grids_that_are_none_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        FourierMagnitude(**parameters).fit(np.ones((3, 16, 16)))


def test_a_layout_set_after_fit_is_checked():
    model = FourierMagnitude().fit(np.ones((3, 16, 16)))
    with pytest.raises(ValueError, match="centered='no' is not valid; choose True or False"):
        model.set_params(centered="no").transform(np.ones((3, 16, 16)))


@pytest.mark.parametrize("function", [to_spectrum, from_spectrum])
def test_the_transform_pair_takes_arrays(function):
    values = np.arange(1, 7).reshape(2, 3)
    options = {} if function is to_spectrum else {"real": False}
    found = function(values if function is to_spectrum else values + 0j, (3,), **options)
    assert isinstance(found, np.ndarray)
    expected = np.fft.rfft(values) if function is to_spectrum else np.fft.ifft(values)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_simulation_fitted_on_magnitudes_says_so():
    magnitudes = FourierMagnitude().fit_transform(load_digit_objects().data[:40])
    with pytest.warns(UserWarning, match="X looks like magnitudes, not like objects"):
        FourierMagnitude().fit(magnitudes)
