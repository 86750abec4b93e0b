"""Patterns off a Bragg peak differ from patterns in the wrong layout."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PhotonNoise

CRYSTALS = make_crystals(8, shape=(20, 20), random_state=0).data
STRAINED = make_crystals(8, shape=(20, 20), max_phase=3.0, random_state=0).data


@pytest.mark.parametrize("objects", [CRYSTALS, STRAINED], ids=["real", "strained"])
@pytest.mark.parametrize("tilt", [0.5, 0.7, -0.85])
@pytest.mark.parametrize("photons", [None, 1e3])
def test_tilted_objects_are_sent_to_complex_ones(objects, tilt, photons):
    X = FourierMagnitude().fit_transform(objects * np.exp(1j * np.pi * tilt * np.arange(20)))
    X = X if photons is None else PhotonNoise(photons, random_state=0).fit_transform(X)
    with pytest.warns(
        UserWarning,
        match="off their centre along axis 2.*constraints='complex' if the objects are tilted",
    ):
        IterativePhaseRetrieval(constraints="non_negative").fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # real ones are symmetric about another pixel
        assert IterativePhaseRetrieval().fit(X).constraints_ == "complex"


@pytest.mark.parametrize("objects", [CRYSTALS, STRAINED], ids=["real", "strained"])
def test_swapped_halves_are_still_told_as_such(objects):
    X = FourierMagnitude(centered=False).fit_transform(objects)
    with pytest.warns(
        UserWarning, match="zero frequency at index 0 along axis 1, 2.*pass centered=False"
    ):
        IterativePhaseRetrieval().fit(X)


def test_gaps_and_few_photons_tilt_nothing():
    X = FourierMagnitude().fit_transform(CRYSTALS)
    gaps = X.copy()
    gaps[:, :, 21:] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (
            gaps,
            BeamStop(6, offset=2).fit_transform(X),
            PhotonNoise(30, random_state=0).fit_transform(X),
        ):
            IterativePhaseRetrieval().fit(given)
