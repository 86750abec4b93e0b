import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
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
    np.testing.assert_allclose(found, np.fft.fftshift(np.abs(np.fft.fft2(x, s=shape)), axes=(1, 2)), atol=1e-12)


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
        ({"fourier_shape": (8,)}, r"fourier_shape=\(8,\) does not fit"),
    ],
)
def test_impossible_grids_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        FourierMagnitude(**parameters).fit(np.ones((2, 4, 4)))


def test_objects_of_another_shape_are_refused():
    magnitude = FourierMagnitude().fit(np.ones((2, 4, 4)))
    with pytest.raises(
        ValueError, match=r"shape \(4, 5\), but FourierMagnitude was fitted on samples of shape \(4, 4\)"
    ):
        magnitude.transform(np.ones((2, 4, 5)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_integer_and_boolean_images_are_images(dtype):
    x = np.eye(4, dtype=dtype)[None]
    found = FourierMagnitude().fit_transform(x)
    np.testing.assert_allclose(found, FourierMagnitude().fit_transform(x.astype(float)), atol=1e-5)
