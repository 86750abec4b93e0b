"""Check for patterns symmetric about an off-centre pixel."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import check_symmetric_elsewhere

X = FourierMagnitude().fit_transform(make_crystals(3, shape=(24, 24), random_state=0).data)
STRAINED = FourierMagnitude().fit_transform(
    make_crystals(3, shape=(24, 24), max_phase=3.0, random_state=0).data
)


@pytest.mark.parametrize("shift", [(1, 1), (0, 2), (-3, 5), (8, 8)])
@pytest.mark.parametrize("photons", [None, 1e5])
def test_patterns_off_their_middle_are_told_by_the_pixel(shift, photons):
    moved = np.roll(
        X if photons is None else PhotonNoise(photons, random_state=0).fit_transform(X),
        shift,
        axis=(1, 2),
    )
    place = tuple(24 + step for step in shift)
    with pytest.warns(
        UserWarning,
        match=rf"symmetric about pixel \({place[0]}, {place[1]}\), not about \(24, 24\)",
    ):
        assert IterativePhaseRetrieval(n_iter=20, n_starts=2).fit(moved).constraints_ == "complex"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        IterativePhaseRetrieval(constraints="complex").fit(moved)


@pytest.mark.parametrize(
    "batch", [X, STRAINED, BeamStop(5).fit_transform(X), np.zeros((2, 16, 16)), np.ones((2, 4, 4))]
)
def test_centred_patterns_and_those_of_complex_objects_are_not_told(batch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not check_symmetric_elsewhere(batch, True, "a network")
