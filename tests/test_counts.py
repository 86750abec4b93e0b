import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr._counts import are_roots_of_counts, counts_of
from tests.conftest import random_objects


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1.0, 1 / 32, 7.3, 1e-15, 1e15])
@pytest.mark.parametrize("mean", [0.05, 1.0, 40.0])
def test_photons_are_recognised_in_any_unit(dtype, unit, mean):
    counts = np.random.default_rng(0).poisson(mean, (40, 40)).astype(float)
    counts[3, 4:7] = np.nan
    counts[5, 5:7] = 0, 1
    found = counts_of((unit * np.sqrt(counts)).astype(dtype))
    np.testing.assert_array_equal(found, counts)


def test_bright_patterns_are_recognised_by_whole_numbers():
    counts = np.random.default_rng(0).poisson(3000.0, (40, 40)).astype(float)
    np.testing.assert_array_equal(counts_of(np.sqrt(counts).astype("float32")), counts)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_exact_magnitudes_are_no_counts(scale):
    for pattern in FourierMagnitude().fit_transform(scale * random_objects((12, 12), "float32", 8)):
        assert counts_of(pattern) is None


def test_a_dark_pattern_has_no_counts_anywhere():
    np.testing.assert_array_equal(counts_of(np.zeros((4, 4))), np.zeros((4, 4)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roots_of_counts_are_told_from_counts(dtype):
    counts = np.random.default_rng(0).poisson(30.0, (20, 20)).astype(dtype)
    counts[2, 3:5] = np.nan, -1
    roots = np.sqrt(np.maximum(counts, 0))
    assert are_roots_of_counts(roots)
    for others in (
        counts,
        0.3 * counts,
        counts / 7,
        np.log1p(roots),
        np.zeros((4, 4)),
        roots[:1, :4],
    ):
        assert not are_roots_of_counts(others)
