"""Levels of resolution: shapes, magnitudes of low passes and interpolation."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.datasets import make_cells, make_crystals
from skpr.iterative._supports import shrinkwrap
from skpr.neural._levels import LEAST, Level, middles, support_of

SHAPES = [
    ((70,), (141,), (70,)),
    ((48, 41), (96, 81), (48, 41)),
    ((32, 24), (32, 48), (16, 24)),
    ((32, 30, 26), (64, 60, 52), (32, 30, 26)),
]


def blobs(shape, n_samples=3):
    """Compact smooth objects in the dark, as channels."""
    return torch.as_tensor(make_cells(n_samples, shape=shape, random_state=0).data)[:, None]


@pytest.mark.parametrize("fourier_shape", [(7,), (16,), (17, 130), (128, 128), (45, 64, 33)])
def test_middles_are_halved_keep_their_parity_and_end(fourier_shape):
    shapes = list(middles(fourier_shape))
    assert shapes[0] == fourier_shape
    assert len(set(shapes)) == len(shapes)
    assert all(n <= max(LEAST + 1, m) for n, m in zip(shapes[-1], fourier_shape, strict=True))
    for finer, coarser in zip(shapes, shapes[1:], strict=False):
        for whole, many, few in zip(fourier_shape, finer, coarser, strict=True):
            assert few == many or few % 2 == whole % 2
            assert few in (many, LEAST, LEAST + 1) or abs(few - many / 2) <= 2


@pytest.mark.parametrize(("object_shape", "fourier_shape", "middle"), SHAPES)
def test_the_middle_holds_the_low_frequencies(object_shape, fourier_shape, middle):
    frequencies = np.stack(
        np.meshgrid(*(np.fft.fftfreq(m, 1 / m) for m in fourier_shape), indexing="ij")
    )
    level = Level(middle, object_shape, fourier_shape)
    expected = np.stack(np.meshgrid(*(np.fft.fftfreq(m, 1 / m) for m in middle), indexing="ij"))
    np.testing.assert_array_equal(level.cut(torch.from_numpy(frequencies)), expected)


@pytest.mark.parametrize(("object_shape", "fourier_shape", "middle"), SHAPES)
def test_magnitudes_are_those_of_the_low_pass(object_shape, fourier_shape, middle):
    level = Level(middle, object_shape, fourier_shape)
    images = blobs(object_shape)
    low = level.low_pass(images)
    assert low.shape[2:] == level.object_shape

    def magnitudes(objects, shape):
        return torch.fft.fftn(objects[:, 0], shape, dim=tuple(range(1, objects.ndim - 1))).abs()

    expected = magnitudes(low, middle)
    found = level.magnitudes(magnitudes(images, fourier_shape))
    assert (found - expected).norm() < 0.02 * expected.norm()


def test_low_passes_have_the_values_of_the_object_and_no_ripples():
    level = Level((32, 32), (64, 64), (128, 128))
    images = torch.zeros(1, 1, 64, 64)
    images[..., 16:48, 16:48] = 1
    low = level.low_pass(images)
    torch.testing.assert_close(low[..., 7:9, 7:9], torch.ones(1, 1, 2, 2), atol=0.01, rtol=0)
    assert low.min() > -0.02
    assert low.max() < 1.02


@pytest.mark.parametrize(("object_shape", "fourier_shape", "middle"), SHAPES)
def test_interpolation_keeps_a_smooth_image(object_shape, fourier_shape, middle):
    full = Level(fourier_shape, object_shape, fourier_shape)
    level = Level(middle, object_shape, fourier_shape)
    low = level.low_pass(blobs(object_shape))
    again = full.lifted(low, level)
    assert again.shape[2:] == object_shape
    # sampled once more without weights, the interpolated image is the same
    frequencies = torch.fft.fftn(again[:, 0], fourier_shape, dim=tuple(range(1, again.ndim - 1)))
    expected = torch.fft.fftn(low[:, 0], middle, dim=tuple(range(1, low.ndim - 1)))
    ratio = np.prod(middle) / np.prod(fourier_shape)
    found = level.cut(frequencies) * ratio
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_real_and_imaginary_parts_have_the_magnitudes_of_a_complex_object():
    x = make_crystals(2, shape=(48, 48), max_phase=3.0, random_state=0).data
    level = Level((48, 48), (48, 48), (96, 96))
    full = torch.as_tensor(FourierMagnitude(centered=False).fit_transform(x))
    parts = torch.as_tensor(np.stack([x.real, x.imag], axis=1))
    low = torch.complex(*level.low_pass(parts).unbind(1))
    expected = torch.fft.fft2(low, (48, 48)).abs()
    assert (level.magnitudes(full) - expected).norm() < 0.01 * expected.norm()


def test_unmeasured_pixels_stay_unmeasured():
    level = Level((16, 16), (16, 16), (32, 32))
    patterns = torch.ones(1, 32, 32)
    patterns[0, 3, 31] = torch.nan
    patterns[0, 16, 16] = torch.nan
    found = level.magnitudes(patterns).isnan()
    assert found.sum() == 1
    assert found[0, 3, 15]


@pytest.mark.parametrize("shape", [(30,), (20, 17), (12, 10, 11)])
@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_supports_are_those_of_shrinkwrap(shape, sigma):
    generator = torch.Generator().manual_seed(0)
    objects = torch.randn(3, *shape, generator=generator, dtype=torch.complex64)
    images = torch.stack([objects.real, objects.imag], dim=1)
    found = support_of(images, sigma, 0.6)
    widths, thresholds = torch.full((3,), sigma), torch.full((3,), 0.6)
    assert 0 < found.float().mean() < 1
    assert torch.equal(found, shrinkwrap(objects, widths, thresholds))
