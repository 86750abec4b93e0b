"""Saturated pixels and a dark zero frequency are warned of, and nothing else is."""

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import check_centre, check_plateaus

DIGITS = load_digit_objects().data[:8].astype(float)
X = FourierMagnitude().fit_transform(DIGITS)
COLUMNS = np.ones((2, 16, 1)) * np.array([[[0.0, 1.0, 0.0]]])
STARS = np.pad(np.ones((1, 1, 1)), ((0, 0), (5, 10), (9, 6)))
RIGHT = {
    "digits": X,
    "single precision": X.astype("float32"),
    "few photons": PhotonNoise(30, random_state=0).fit_transform(X),
    "photons": PhotonNoise(1e6, random_state=0).fit_transform(X),
    "stop": BeamStop(5).fit_transform(X),
    "a column": FourierMagnitude(oversampling=4).fit_transform(COLUMNS),
    "a star": FourierMagnitude().fit_transform(STARS),
    "volumes": FourierMagnitude().fit_transform(
        make_crystals(2, shape=(12, 13, 14), random_state=0).data
    ),
    "signals": FourierMagnitude().fit_transform(make_crystals(4, shape=(48,), random_state=0).data),
}


@pytest.mark.parametrize("level", [0.3, 0.6])
def test_iterations_tell_of_saturated_pixels(level):
    cut = np.minimum(X, level * X.max(axis=(1, 2), keepdims=True))
    with pytest.warns(
        UserWarning, match=r"brightest pixels .* all have the value .* set these to NaN"
    ):
        fitted = IterativePhaseRetrieval().fit(cut)
    IterativePhaseRetrieval().fit(np.where(cut == cut.max(axis=(1, 2), keepdims=True), np.nan, cut))
    assert fitted.constraints_ == "non_negative"


@pytest.mark.parametrize("centered", [True, False])
def test_iterations_tell_of_objects_less_their_mean(centered):
    magnitudes = FourierMagnitude(centered=centered).fit_transform(DIGITS - DIGITS.mean())
    with pytest.warns(UserWarning, match="darker at zero frequency .* pass constraints='real'"):
        IterativePhaseRetrieval(centered=centered).fit(magnitudes)
    assert (
        IterativePhaseRetrieval(centered=centered, constraints="real").fit(magnitudes).constraints_
        == "real"
    )


@pytest.mark.parametrize("name", RIGHT)
def test_right_patterns_are_let_pass(name):
    assert not check_plateaus(RIGHT[name], True, "iterations")
    assert not check_centre(RIGHT[name], True, "iterations")
