"""Tests of patterns of retrieved objects with new counting noise."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval, PhaseRetrievalRegressor
from skpr.composition import RetrievedTargetRegressor
from skpr.composition._counted_again import counted_again, with_new_counts
from skpr.composition._retrieved import Targets
from skpr.detector import PhotonNoise
from skpr.measurement import CountingNoise

pytestmark = pytest.mark.filterwarnings("ignore:.*retrieved objects are doubtful or failed")


@pytest.fixture(scope="module")
def objects():
    return np.random.RandomState(0).uniform(size=(12, 8, 8))


def fitted(X, objects, **parameters):
    """Fit iterations that know the frame."""
    return IterativePhaseRetrieval(
        n_iter=2, n_starts=1, object_shape=objects.shape[1:], random_state=0, **parameters
    ).fit(X)


def patterns(objects, scale=1.0, **parameters):
    """Return exact magnitudes in the unit of photons, and those of counts in any unit."""
    exact = FourierMagnitude(**parameters).fit_transform(objects)
    return exact, scale * np.sqrt(np.random.RandomState(1).poisson(np.square(exact)))


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_counts_have_the_exposure_and_unit_of_their_pattern(objects, centered, dtype):
    exact, X = patterns(objects, 0.25, centered=centered)
    X = X.astype(dtype)
    X[:, 3, 5] = np.nan
    retriever = fitted(X, objects, centered=centered)
    simulated, rows = counted_again(X, 7 * objects, retriever, 0)  # in another unit
    assert rows.tolist() == list(range(12))
    assert simulated.dtype == dtype
    assert np.isnan(simulated[:, 3, 5]).all()
    assert np.isnan(simulated).sum() == 12
    counts = np.square(simulated.astype(float) / 0.25)
    known = ~np.isnan(counts)
    np.testing.assert_allclose(counts[known], np.round(counts[known]), atol=0.05, rtol=1e-5)
    deviations = (counts - np.square(exact))[known] / exact[known]  # of Poisson noise: 1
    assert 0.9 < deviations.std() < 1.1
    assert abs(deviations.mean()) < 0.1


def test_exact_patterns_are_not_simulated(objects):
    exact, X = patterns(objects)
    X[::2] = exact[::2]
    simulated, rows = counted_again(X, objects, fitted(X, objects), 0)
    assert rows.tolist() == [1, 3, 5, 7, 9, 11]
    assert len(simulated) == 6
    assert not len(counted_again(X, objects, fitted(X, objects, noise="gaussian"), 0)[1])


def test_few_photons_are_as_many_on_the_average(objects):
    exact = FourierMagnitude().fit_transform(np.repeat(objects, 20, axis=0))
    X = PhotonNoise(100, random_state=0).fit_transform(exact)
    retriever = fitted(X, objects, noise="poisson")
    simulated, _ = counted_again(X, np.repeat(objects, 20, axis=0), retriever, 0)
    totals = [np.square(patterns).sum(axis=(1, 2)).mean() for patterns in (X, simulated)]
    assert totals[0] == pytest.approx(totals[1], rel=0.03)  # 240 totals of 100: .6 % each


def test_more_photons_than_integers_hold_have_no_noise(objects):
    exact = 1e12 * FourierMagnitude().fit_transform(objects)
    retriever = fitted(exact, objects, noise="poisson")
    simulated, rows = counted_again(exact, objects, retriever, 0)
    assert len(rows) == 12
    np.testing.assert_allclose(simulated, exact, rtol=1e-6, atol=1e6)


def test_a_known_background_is_counted_too(objects):
    exact, _ = patterns(objects)
    X = np.sqrt(np.random.RandomState(2).poisson(np.square(exact) + 30))
    retriever = fitted(X, objects, noise=CountingNoise(background=30))
    simulated, rows = counted_again(X, objects, retriever, 0)
    assert len(rows) == 12
    expected = np.square(exact) + 30
    deviations = (np.square(simulated) - expected) / np.sqrt(expected)
    assert 0.9 < deviations.std() < 1.1
    assert abs(deviations.mean()) < 0.1
    read = fitted(X, objects, noise=CountingNoise(readout_noise=2))
    assert not len(counted_again(X, objects, read, 0)[1])


def test_new_counts_follow_from_the_seed(objects):
    _, X = patterns(objects)
    first, same, other = (
        counted_again(X, objects, fitted(X, objects), seed)[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).mean() > 0.3


class Recorder(PhaseRetrievalRegressor):
    """Network that keeps what it was trained on."""

    def fit(self, X, y, **fit_params):
        self.seen_ = X, y, fit_params
        return super().fit(X, y, **fit_params)


def model(**parameters):
    network = Recorder(
        max_epochs=1, module__hidden_width=8, criterion="orbit", device="cpu", verbose=0
    )
    retriever = IterativePhaseRetrieval(n_iter=20, n_starts=2, object_shape=(8, 8))
    return RetrievedTargetRegressor(network, retriever, random_state=0, **parameters)


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_retrieved_objects_are_trained_on_with_new_counts(objects, kind):
    X = PhotonNoise(1e5, random_state=0).fit_transform(patterns(objects)[0])
    y = objects.copy()
    y[3:] = np.nan
    given = torch.from_numpy(X) if kind == "tensor" else X
    weights = np.arange(1.0, 13)
    everything = ("good", "doubtful", "failed", "undecided")
    fit = model(accepted=everything, n_simulated=2).fit(given, y, sample_weight=weights)
    seen, targets, fit_params = fit.regressor_.seen_
    assert type(seen) is type(given)
    seen = np.asarray(seen)
    np.testing.assert_array_equal(seen[:12], X)
    assert len(seen) == 12 + 2 * 9  # known objects are left alone
    np.testing.assert_array_equal(targets[12:21], targets[3:12])
    np.testing.assert_array_equal(fit_params["sample_weight"][12:21], weights[3:])
    assert (seen[12:21] != X[3:]).mean() > 0.2
    assert (seen[12:21] != seen[21:]).mean() > 0.2
    assert len(fit.targets_) == 12
    assert len(model(n_simulated=0).fit(given, y).regressor_.seen_[0]) <= 12


def test_patterns_of_partly_coherent_beams_are_not_simulated(objects):
    _, X = patterns(objects)
    is_blurred = np.arange(12) % 3 == 0
    targets = Targets(objects, np.full(12, "good"), is_blurred)
    fit_params = {"sample_weight": np.arange(12.0), "other": "kept"}
    features, y, after = with_new_counts(X, targets, fit_params, fitted(X, objects), 1, 0)
    assert len(features) == 20
    np.testing.assert_array_equal(y[12:], objects[~is_blurred])
    np.testing.assert_array_equal(after["sample_weight"][12:], np.flatnonzero(~is_blurred))
    assert after["other"] == "kept"


def test_exact_magnitudes_are_trained_on_alone(objects):
    assert len(model().fit(patterns(objects)[0]).regressor_.seen_[0]) <= 12


def test_detectors_of_the_network_see_measured_patterns_only(objects):
    X = PhotonNoise(1e5, random_state=0).fit_transform(patterns(objects)[0])
    with_detector = model().set_params(regressor__detector=PhotonNoise(1e5, random_state=0))
    assert len(with_detector.fit(X).regressor_.seen_[0]) <= 12


@pytest.mark.parametrize("value", [-1, 1.5, None, "auto"])
def test_other_numbers_are_refused(objects, value):
    with pytest.raises((TypeError, ValueError), match=f"n_simulated={value!r}"):
        model(n_simulated=value).fit(patterns(objects)[0])
