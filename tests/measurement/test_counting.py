"""Counts are distinguished from other intensities, except where there is too little light."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import load_digit_objects
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import counting_units, symmetries_of

DIGITS = load_digit_objects().data[:40]


def test_one_photon_is_found_in_any_unit():
    counts = np.random.default_rng(0).poisson(2.0, (3, 100)).astype(float)
    np.testing.assert_allclose(counting_units(counts * [[1.0], [0.37], [1e-9]]), [1.0, 0.37, 1e-9])
    np.testing.assert_array_equal(
        counting_units(counts + np.random.default_rng(1).random(100)), 0.0
    )


@pytest.mark.parametrize("stop", [0, 3, 7])
@pytest.mark.parametrize("n_photons", [10, 100])
@pytest.mark.parametrize("oversampling", [1, 2, 3])
def test_few_photons_are_no_mistake(stop, n_photons, oversampling):
    magnitudes = FourierMagnitude(oversampling=oversampling).fit_transform(DIGITS)
    magnitudes = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    magnitudes = BeamStop(stop).fit_transform(magnitudes) if stop else magnitudes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (slice(None), *(slice(row, row + 1) for row in range(10))):
            assert symmetries_of(magnitudes[rows], DIGITS[rows]) == "fourier"
            IterativePhaseRetrieval(object_shape=(16, 16)).fit(magnitudes[rows])


@pytest.mark.parametrize("n_photons", [None, 1e5])
def test_the_constant_magnitudes_of_points_prove_nothing(n_photons):
    points = np.zeros((8, 17, 17), np.float32)
    points[np.arange(8), np.arange(8), 5] = np.arange(1, 9)
    magnitudes = FourierMagnitude(centered=False).fit_transform(points)
    if n_photons is not None:
        magnitudes = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (
            IterativePhaseRetrieval(centered=False).fit(magnitudes, points).symmetries_ == "fourier"
        )


def test_stops_of_small_grids_do_not_move_zero_frequency():
    objects = np.random.default_rng(0).standard_normal((40, 16))
    magnitudes = FourierMagnitude(oversampling=1).fit_transform(objects)
    magnitudes[:, 5:12] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert IterativePhaseRetrieval().fit(magnitudes, objects).constraints_ == "real"
