import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
from skpr.iterative import combine_reconstructions
from skpr.metrics import fourier_ring_correlation, half_period_resolution, split_counts
from tests.conftest import random_objects


def counted(n_photons, n_samples=3, dtype="float32"):
    magnitudes = FourierMagnitude().fit_transform(random_objects((16, 16), dtype, n_samples))
    return PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)


@pytest.mark.parametrize("n_photons", [100, 1e4, 1e7])
def test_halves_share_the_photons_and_nothing_else(n_photons):
    whole = counted(n_photons)
    first, second = split_counts(whole, random_state=0)
    assert first.dtype == whole.dtype
    np.testing.assert_allclose(first**2 + second**2, whole**2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first**2, np.rint(first**2), rtol=1e-5, atol=1e-6)
    n_first = (first**2).sum(axis=(1, 2))
    assert (np.abs(n_first - n_photons / 2) < 6 * np.sqrt(n_photons)).all()
    np.testing.assert_array_equal(split_counts(whole, random_state=0)[0], first)
    assert not np.array_equal(split_counts(whole, random_state=1)[0], first)


def test_halves_of_a_constant_intensity_are_independent():
    whole = np.sqrt(np.random.default_rng(0).poisson(4.0, (1, 100, 100)))
    first, second = (half.ravel() ** 2 for half in split_counts(whole, random_state=0))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert first.var() == pytest.approx(first.mean(), rel=0.1)


def test_halves_keep_unit_container_and_gaps():
    whole = counted(1e4)
    whole[:, 3:5, 7] = np.nan
    scaled, expected = (split_counts(w, random_state=0) for w in (whole / 32, whole))
    np.testing.assert_allclose(scaled[0] * 32, expected[0], rtol=1e-4)
    np.testing.assert_array_equal(np.isnan(expected[0]), np.isnan(whole))
    tensors = split_counts(torch.from_numpy(whole).requires_grad_(), random_state=0)
    np.testing.assert_array_equal(tensors[1].numpy(), expected[1])


def test_what_was_not_counted_is_not_split():
    exact = FourierMagnitude().fit_transform(random_objects((16, 16), "float32"))
    with pytest.raises(ValueError, match=r"squares of magnitudes\[0\] are not counts"):
        split_counts(exact)
    with pytest.raises(ValueError, match="Negative values in data passed to split_counts"):
        split_counts(-exact)
    with pytest.raises(
        ValueError, match=r"magnitudes\[0\] are whole numbers, .*as counts are .*: pass np.sqrt"
    ):
        split_counts(np.rint(counted(1e4) ** 2))
    for counts in (counted(1e4) ** 2, 0.37 * counted(1e4, dtype="float64") ** 2):
        with pytest.raises(ValueError, match="or whole multiples of the smallest.*: pass np.sqrt"):
            split_counts(counts)
    dark = np.zeros((1, 4, 4))
    np.testing.assert_array_equal(split_counts(dark)[0], dark)


def test_halves_correlate_less_far_with_fewer_photons():
    crystal = make_crystals(1, shape=(24, 24), random_state=0).data
    magnitudes = FourierMagnitude().fit_transform(crystal)
    found = []
    for n_photons in (1e3, 1e5, 1e7):
        measured = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
        retriever = IterativePhaseRetrieval(
            n_iter=100,
            n_starts=4,
            constraints="complex",
            support="shrinkwrap",
            random_state=0,
            device="cpu",
        ).fit(measured, crystal)
        halves = [
            retriever.retrieve(half).starts[0] for half in split_counts(measured, random_state=0)
        ]
        curve = fourier_ring_correlation(*(combine_reconstructions(half).object for half in halves))
        found.append(half_period_resolution(*curve))
    assert found[0] > 1.2 * found[1] > 1.2**2 * found[2]
