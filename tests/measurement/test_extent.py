"""Objects larger than their frame are recognised by their autocorrelations."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import PartialCoherence, PhotonNoise
from skpr.measurement import check_extent

DIGITS = load_digit_objects().data[:8]
PHASES = np.exp(6j * np.random.default_rng(0).random((8, 20)))
VOLUMES = make_crystals(4, shape=(12, 12, 12), random_state=0).data


@pytest.mark.parametrize("objects", [DIGITS, PHASES], ids=["digits", "phases"])
@pytest.mark.parametrize("photons", [None, 1e3, 1e6])
def test_a_frame_of_half_the_object_is_pointed_out(objects, photons):
    X = FourierMagnitude().fit_transform(objects)
    X = X if photons is None else PhotonNoise(photons, random_state=0).fit_transform(X)
    half = tuple(n // 2 for n in objects.shape[1:])
    with pytest.warns(
        UserWarning,
        match=r"are larger than object_shape=\((8, 8|10,)\).*give object_shape at least",
    ):
        assert check_extent(X, half, "iterations")


@pytest.mark.parametrize("objects", [DIGITS, PHASES, VOLUMES], ids=["digits", "phases", "volumes"])
@pytest.mark.parametrize(
    "spoilt", [np.array, PhotonNoise(1e3, random_state=0).fit_transform, "blurred", "gaps"]
)
def test_a_frame_that_holds_the_object_is_ordinary(objects, spoilt):
    X = FourierMagnitude(oversampling=3).fit_transform(objects)
    if isinstance(spoilt, str):
        blurred = PartialCoherence(0.7).fit_transform(X)
        spoilt = {
            "blurred": lambda X: blurred,
            "gaps": lambda X: np.where(0.5 * X.max() < X, np.nan, X),
        }[spoilt]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not check_extent(spoilt(X), objects.shape[1:], "iterations")


def test_iterations_tell_of_a_frame_that_is_too_small():
    with pytest.warns(
        UserWarning,
        match=r"passed to IterativePhaseRetrieval are larger than object_shape=\(6, 6\)",
    ):
        IterativePhaseRetrieval(object_shape=6).fit(FourierMagnitude().fit_transform(DIGITS))
