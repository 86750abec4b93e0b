"""The middle of large patterns."""

import math

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.iterative._coarse import LARGEST, cut, lifted, middle_object_shape, middle_shape

SHAPES = [(128, 128, 128), (1024, 1024), (1023, 1024), (600_001,), (300, 64, 65)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_middles_are_small_and_keep_parities(shape):
    middle = middle_shape(shape)
    assert math.prod(middle) <= LARGEST
    assert all(few % 2 == many % 2 for few, many in zip(middle, shape, strict=True))
    assert middle_shape(middle) == middle


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(
    "shapes",
    [((40,), (10,)), ((40, 42), (20, 22)), ((21, 23), (11, 13)), ((12, 14, 16), (6, 8, 8))],
)
def test_the_middle_is_that_of_objects_on_larger_pixels(shapes, centered):
    shape, middle = shapes
    frame = tuple(n // 2 for n in shape)
    small = np.random.default_rng(0).random((2, *middle_object_shape(frame, shape, middle)))
    large = lifted(
        small.astype(complex), shape, shape, middle
    )  # on the whole grid: nothing is cut off
    pattern = np.abs(np.fft.fftn(large, axes=range(1, large.ndim)))
    expected = np.abs(np.fft.fftn(small, middle, axes=range(1, small.ndim)))
    if centered:
        pattern, expected = (np.fft.fftshift(v, axes=range(1, v.ndim)) for v in (pattern, expected))
    np.testing.assert_allclose(cut(pattern, middle, centered=centered), expected, atol=1e-10)


def test_smooth_objects_are_interpolated():
    places = np.arange(64) - 20.0
    smooth = np.exp(-(places**2) / 60)[None]
    pattern = FourierMagnitude(centered=False).fit_transform(smooth)
    small = np.fft.ifft(np.fft.ifftshift(np.fft.fftshift(np.fft.fft(smooth, 128))[:, 32:96]))[
        :, :32
    ].real
    np.testing.assert_allclose(lifted(small, (128,), (64,), (64,)), smooth, atol=1e-3)
    assert cut(pattern, (64,), centered=False).shape == (1, 64)
