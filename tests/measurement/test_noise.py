"""Noise: patterns of counts in any unit are recognised, each pattern by itself."""

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import CountingNoise, photons_of
from skpr.metrics import noise_limit, relative_error

OBJECTS = np.random.default_rng(0).random((4, 8, 8)) + 0.2
CLEAN = FourierMagnitude().fit_transform(OBJECTS)


def counted(n_photons=1e4):
    return PhotonNoise(n_photons, random_state=0).fit_transform(CLEAN)


@pytest.mark.parametrize("unit", [1.0, 0.37, 1e-9, 4e7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_counts_are_seen_in_any_unit(unit, dtype):
    magnitudes = (unit * np.rint(np.square(counted())) ** 0.5).astype(dtype)
    given = magnitudes.copy()
    np.testing.assert_allclose(photons_of(magnitudes, "auto"), unit**2, rtol=1e-4)
    np.testing.assert_array_equal(magnitudes, given)
    np.testing.assert_array_equal(photons_of(magnitudes, "gaussian"), 0)


def test_other_magnitudes_are_no_counts():
    np.testing.assert_array_equal(photons_of(CLEAN, "auto"), 0)
    np.testing.assert_array_equal(photons_of(CLEAN, "poisson"), 1)
    np.testing.assert_array_equal(photons_of(CLEAN, CountingNoise(photon=0.5)), 0.5)


def test_patterns_of_both_kinds_are_retrieved_as_if_alone():
    both = np.concatenate([CLEAN[:1], counted()[1:2], CLEAN[2:3], counted()[3:]])
    retriever = IterativePhaseRetrieval(n_iter=60, n_starts=2, random_state=0, tol=0).fit(
        both, OBJECTS
    )
    together = retriever.retrieve(both)
    assert list(together.photons > 0) == [False, True, False, True]
    for number, pattern in enumerate(both):
        alone = retriever.retrieve(pattern[None])
        np.testing.assert_allclose(
            together.starts[number], alone.starts[0], atol=1e-6 * np.abs(alone.starts).max()
        )


@pytest.mark.parametrize("detector", [None, BeamStop(2)])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_likeliest_object_is_as_near_as_the_counts_allow(detector, kind):
    phases = np.exp(1j * OBJECTS[::-1]) if kind == "complex" else 1.0
    clean = FourierMagnitude().fit_transform(OBJECTS * phases)
    units = np.sqrt(1e6 / np.square(clean).sum(axis=(1, 2)))  # of photons
    objects = OBJECTS * phases * units[:, None, None]
    magnitudes = PhotonNoise(1e6, random_state=1).fit_transform(clean)
    magnitudes = magnitudes if detector is None else detector.fit_transform(magnitudes)
    retriever = IterativePhaseRetrieval([("ml", 200)], constraints=kind, tol=0, random_state=0).fit(
        magnitudes, objects
    )
    found = retriever.retrieve(magnitudes, init=objects)
    scores = relative_error(objects, found.objects, multioutput="raw_values")
    bounds = noise_limit(
        objects, n_photons=1e6, unmeasured=None if detector is None else np.isnan(magnitudes)
    ).relative_error
    assert np.mean(scores / bounds) < 1.5


@pytest.mark.parametrize("noise", ["counts", 3, None, object])
def test_unknown_noise_is_refused(noise):
    with pytest.raises(ValueError, match="noise=.*choose 'auto', 'poisson', 'gaussian'"):
        IterativePhaseRetrieval(noise=noise).fit(CLEAN)


@pytest.mark.parametrize("noise", ["poisson", CountingNoise(), CountingNoise(photon=1.0)])
def test_counts_of_less_than_a_photon_are_told(noise):
    retriever = IterativePhaseRetrieval(n_iter=2, noise=noise, random_state=0).fit(CLEAN)
    with pytest.warns(
        UserWarning, match=r"the largest is 1e-06 photons: give square roots of counts"
    ):
        retriever.predict(CLEAN / CLEAN.max() / 1e3)
    assert retriever.predict(counted()).shape == OBJECTS.shape


def test_a_background_that_the_counts_do_not_hold_is_told():
    with_background = np.sqrt(
        np.rint(counted() ** 2) + np.random.default_rng(0).poisson(3.0, CLEAN.shape)
    )
    retriever = IterativePhaseRetrieval(
        n_iter=2, noise=CountingNoise(background=3.0), random_state=0
    )
    assert retriever.fit(with_background).predict(with_background).shape == OBJECTS.shape
    with pytest.warns(
        UserWarning, match=r"has a background of 3e\+03 photons per pixel, but the mean"
    ):
        retriever.set_params(noise=CountingNoise(background=3e3)).predict(with_background)
