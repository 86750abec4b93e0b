"""The form of patterns: counts squared from their roots are whole numbers but for rounding."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
from skpr.measurement import check_not_intensities, form_of

CLEAN = FourierMagnitude().fit_transform(make_crystals(4, shape=(16, 16), random_state=0).data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_photons", [1e4, 1e6, 1e8])
def test_squared_roots_of_counts_are_told_as_intensities(n_photons, dtype):
    roots = PhotonNoise(n_photons, random_state=0).fit_transform(CLEAN.astype(dtype))
    with pytest.warns(UserWarning, match=r"look like intensities.*np.sqrt\(X\)"):
        assert check_not_intensities(roots**2, "iterations")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not check_not_intensities(roots, "iterations")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4, 1e6, 1e9])
def test_magnitudes_in_any_unit_are_no_counts(unit, dtype):
    noisy = CLEAN + 0.1 * np.random.default_rng(0).random(CLEAN.shape)
    assert form_of((unit * noisy).astype(dtype)) == "magnitudes"
