"""Patterns, estimators and errors that tests of the search for supports share."""

import numpy as np

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.iterative import combine_reconstructions


def measured(max_phase=0.0, n_photons=1e6, size=16, n_samples=1, stop=None):
    """Crystals of some size in frames of 32, and their patterns."""
    objects = make_crystals(n_samples, shape=(size, size), max_phase=max_phase, random_state=0).data
    objects = np.pad(objects, ((0, 0), (3, 29 - size), (1, 31 - size)))
    X = PhotonNoise(n_photons, random_state=0).fit_transform(
        FourierMagnitude().fit_transform(objects)
    )
    return objects, X if stop is None else BeamStop(stop).fit_transform(X)


def errors(truths, found):
    """Squared error of each object against its truth, modulo symmetries."""
    values = []
    for truth, x in zip(truths, found, strict=True):
        moved = combine_reconstructions(
            np.stack([truth.astype(x.dtype), x]), errors=[0.0, 1.0], subpixel=True
        )
        moved = moved.registered[1]
        values.append(
            1
            - abs(np.vdot(truth, moved)) ** 2
            / (np.vdot(truth, truth).real * np.vdot(moved, moved).real)
        )
    return np.array(values)


def retriever(**parameters):
    """Estimator with few, reproducible starts."""
    return IterativePhaseRetrieval(
        **{"n_iter": 200, "n_starts": 4, "random_state": 0, "device": "cpu", **parameters}
    )
