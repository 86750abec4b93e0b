"""Half spectra are refused, and full patterns are not."""

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval, PhaseRetrievalRegressor
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import PhotonNoise
from skpr.measurement import check_not_halves

OBJECTS = load_digit_objects().data[:12]


@pytest.mark.parametrize("size", [16, 32, 33])
@pytest.mark.parametrize("shifted", [False, True])
def test_half_spectra_are_refused(size, shifted):
    halves = np.abs(np.fft.rfft2(OBJECTS, (size, size)))
    if shifted:
        halves = np.fft.fftshift(halves, axes=1)
    with pytest.raises(ValueError, match="half spectra, as numpy.fft.rfftn makes"):
        check_not_halves(halves)


def test_estimators_refuse_half_spectra():
    halves = np.abs(np.fft.rfft2(OBJECTS, (40, 40)))
    for estimator in (IterativePhaseRetrieval(), PhaseRetrievalRegressor(max_epochs=1)):
        with pytest.raises(ValueError, match=r"of shape \(40, 21\) are half spectra"):
            estimator.fit(halves, OBJECTS)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("photons", [None, 20, 1000])
def test_whole_patterns_of_the_same_shape_are_taken(centered, photons):
    for objects in (
        OBJECTS[:, :, :8],
        make_crystals(12, shape=(16, 9), random_state=0).data[:, :, :8],
    ):
        whole = np.abs(np.fft.fft2(objects, (32, 17)))
        whole = np.fft.fftshift(whole, axes=(1, 2)) if centered else whole
        check_not_halves(
            whole if photons is None else PhotonNoise(photons, random_state=0).fit_transform(whole)
        )


def test_whole_volumes_are_taken():
    check_not_halves(
        FourierMagnitude(oversampling=1).fit_transform(
            np.random.default_rng(0).random((4, 8, 8, 5))
        )
    )


@pytest.mark.parametrize("photons", [3, 10, 30, 1e4])
@pytest.mark.parametrize("n_samples", [1, 2, 12])
def test_a_side_that_is_dark_by_chance_or_not_measured_is_no_half(photons, n_samples):
    whole = np.abs(np.fft.fft2(OBJECTS[:n_samples, :, :9], (33, 17)))
    counted = PhotonNoise(photons, random_state=0).fit_transform(whole)
    check_not_halves(counted)
    counted[:, :, 9:] = np.nan
    check_not_halves(counted)
