import numpy as np
import pytest

from skpr._rings import ring_numbers, ring_sums


@pytest.mark.parametrize("shape", [(12,), (9, 10), (6, 7, 8)], ids=str)
@pytest.mark.parametrize("centered", [True, False])
def test_rings_hold_neighbouring_frequencies(shape, centered):
    frequencies, counts = ring_sums(np.ones(shape), centered)
    assert len(frequencies) == min(shape) // 2 + 1
    assert frequencies[0] == 0
    assert counts[0] == 1
    assert (np.abs(frequencies * min(shape) - np.arange(len(frequencies))) <= 0.5).all()
    assert counts.sum() <= np.prod(shape)


def test_layouts_have_the_same_rings():
    values = np.random.default_rng(0).random((9, 10))
    for one, other in zip(
        ring_sums(values, False), ring_sums(np.fft.fftshift(values), True), strict=True
    ):
        np.testing.assert_allclose(one, other)


def test_an_axis_of_one_pixel_does_not_count():
    rings, n_rings = ring_numbers((1, 12), centered=False)
    np.testing.assert_array_equal(rings[0], ring_numbers((12,), centered=False)[0])
    assert n_rings == 7
