import numpy as np
import pytest

from skpr.detector import Binning
from skpr.files._resample import middle_of_blocks, onto_pixel


def intensities(shape, subpixel=None, seed=0):
    """Patterns of real objects, with zero frequency beside a pixel."""
    objects = np.zeros((2, *shape))
    objects[(slice(None), *(slice(n // 3) for n in shape))] = np.random.default_rng(seed).random(
        (2, *(n // 3 for n in shape))
    )
    for axis, (size, step) in enumerate(
        zip(shape, subpixel or (0,) * len(shape), strict=True), start=1
    ):
        ramp = np.exp(2j * np.pi * step * np.arange(size) / size)
        objects = objects * np.expand_dims(ramp, [a for a in range(len(shape) + 1) if a != axis])
    axes = tuple(range(1, len(shape) + 1))
    return np.abs(np.fft.fftshift(np.fft.fftn(objects, axes=axes), axes=axes)) ** 2


@pytest.mark.parametrize("subpixel", [(0.5, 0.0), (-0.5, 0.5), (0.2, -0.3)])
@pytest.mark.parametrize("shape", [(24, 30), (25, 27)])
def test_a_band_limited_pattern_is_moved_exactly(shape, subpixel):
    moved = onto_pixel(intensities(shape, subpixel), subpixel)
    np.testing.assert_allclose(moved, intensities(shape), atol=1e-9 * moved.max())


def test_volumes_keep_their_type_and_whole_pixels_their_values():
    patterns = intensities((12, 14, 16), (0.0, 0.5, 0.0)).astype(np.float32)
    moved = onto_pixel(patterns, (0.0, 0.5, 0.0))
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, intensities((12, 14, 16)), atol=1e-5 * moved.max())
    assert onto_pixel(patterns, (0.0, 0.0, 0.0)) is patterns


def test_mates_stand_in_for_unmeasured_pixels_which_stay_unmeasured():
    shape, subpixel = (32, 36), (0.5, -0.5)
    patterns = intensities(shape, subpixel)
    gaps = np.zeros(shape, dtype=bool)
    gaps[10:12], gaps[5, 30] = True, True
    patterns[:, gaps] = np.nan
    moved = onto_pixel(patterns, subpixel)
    np.testing.assert_array_equal(np.isnan(moved), np.broadcast_to(gaps, moved.shape))
    np.testing.assert_allclose(
        moved[:, ~gaps], intensities(shape)[:, ~gaps], atol=1e-9 * np.nanmax(moved)
    )


def test_intensities_stay_non_negative_and_the_edge_stays_finite():
    patterns = np.random.default_rng(0).poisson(0.5, size=(2, 20, 21)).astype(float)
    patterns[:, :7] = np.nan
    moved = onto_pixel(patterns, (0.5, 0.25))
    assert np.nanmin(moved) >= 0
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(patterns))


def test_zero_frequency_is_moved_to_any_place_and_noise_is_kept_where_wanted():
    moved = onto_pixel(intensities((24, 30), (0.2, -0.3)), (0.2, -0.3), (-0.5, 1.5))
    np.testing.assert_allclose(moved, intensities((24, 30), (-0.5, 1.5)), atol=1e-9 * moved.max())
    noise = np.random.default_rng(0).normal(0, 1, (1, 20, 20))
    np.testing.assert_allclose(onto_pixel(noise, (0.5, 0.2), keep=True).sum(), noise.sum())


@pytest.mark.parametrize(
    ("size", "factor"), [(256, 4), (255, 4), (250, 4), (12, 2), (13, 2), (21, 3), (9, 1)]
)
def test_the_middle_of_blocks_is_where_binning_puts_it(size, factor):
    (middle,) = middle_of_blocks((size,), (factor,))
    step = np.exp(-((np.arange(size) - size // 2 - middle) ** 2) / 4)[None]
    blocks = Binning(factor).fit_transform(step)[0]
    np.testing.assert_allclose(
        blocks[blocks.size // 2 - 1], blocks[blocks.size // 2 + 1], rtol=1e-9
    )
