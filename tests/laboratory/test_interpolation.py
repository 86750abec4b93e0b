import numpy as np
import pytest
import torch

from skpr.laboratory._interpolation import fine_grid, values_at
from tests.conftest import DTYPES

SHAPES = [(8,), (9,), (1,), (12, 7), (6, 9, 8)]


def harmonics_at(x, places):
    """The sum of an object's harmonics, the highest of an even number half on either side."""
    for axis in reversed(range(x.ndim)):  # the last one left is always the last of `x`
        n = x.shape[-1]
        waves = np.exp(2j * np.pi * np.outer(places[:, axis], np.fft.fftfreq(n)))
        if n % 2 == 0:
            waves[:, n // 2] = np.cos(np.pi * places[:, axis])
        spectrum = np.fft.fft(x) / n
        if axis == places.shape[1] - 1:
            x = np.moveaxis(spectrum @ waves.T, -1, 0)
        else:
            x = np.einsum("p...k,pk->p...", spectrum, waves)
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_are_those_of_the_sum_of_harmonics(shape, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *shape)) + (1j * rng.normal(size=(2, *shape)) if dtype[0] == "c" else 0)
    places = rng.uniform(-3, 15, size=(50, len(shape)))
    tensor = torch.from_numpy(x.astype(dtype))
    found = values_at(fine_grid(tensor), torch.from_numpy(places), shape)
    assert found.dtype == tensor.dtype
    expected = np.stack([harmonics_at(one, places) for one in x])
    np.testing.assert_allclose(found, expected, atol=3e-5 * np.abs(expected).max())


def test_places_are_weighted_alike_in_parts_and_at_once(monkeypatch):
    x = torch.randn(1, 8, 8, dtype=torch.complex128)
    places = 8 * torch.rand(100, 2, dtype=torch.float64)
    whole = values_at(fine_grid(x), places, (8, 8))
    monkeypatch.setattr("skpr.laboratory._interpolation.GATHERED", 300)
    torch.testing.assert_close(values_at(fine_grid(x), places, (8, 8)), whole)


def test_no_places_have_no_values():
    x = torch.randn(3, 8, dtype=torch.complex64)
    assert values_at(fine_grid(x), torch.zeros(0, 1, dtype=torch.float64), (8,)).shape == (3, 0)
