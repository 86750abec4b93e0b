"""Verdicts on reconstructions, and their modes."""

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
from skpr.iterative import combine_reconstructions
from skpr.iterative._verdict import in_words, judged, leading_modes
from tests.conftest import random_members, random_objects


def pattern_of_a_crystal(n_photons=1e6, max_phase=0.0):
    x = make_crystals(1, shape=(32, 32), max_phase=max_phase, random_state=0).data
    return PhotonNoise(n_photons, random_state=0).fit_transform(FourierMagnitude().fit_transform(x))


def retrieved(pattern, **parameters):
    settings = {"n_iter": 200, "n_starts": 4, "random_state": 0, "device": "cpu", **parameters}
    return IterativePhaseRetrieval(**settings).fit(pattern).retrieve(pattern)


@pytest.mark.parametrize("max_phase", [0.0, 1.5])
def test_reconstructions_of_a_good_pattern_are_good(max_phase):
    found = retrieved(pattern_of_a_crystal(max_phase=max_phase))
    assert found.verdicts == ["good"]
    assert found.summary().startswith("pattern 0: good: explains ")


@pytest.mark.filterwarnings(
    "ignore:the light of the patterns|pixel .* of pattern|.*not symmetric:UserWarning"
)
@pytest.mark.parametrize("fault", ["uniform", "shuffled", "counts"])
def test_reconstructions_of_noise_fail_or_are_undecided(fault):
    rng = np.random.default_rng(0)
    pattern = pattern_of_a_crystal()
    noise = {
        "uniform": lambda: rng.random((1, 64, 64)),
        "shuffled": lambda: rng.permutation(pattern.ravel()).reshape(pattern.shape),
        "counts": lambda: np.sqrt(rng.poisson(5.0, (1, 64, 64))),
    }[fault]()
    found = retrieved(noise, constraints="non_negative")
    assert found.verdicts[0] in ("failed", "undecided")


def test_a_hot_pixel_is_told_by_the_verdict():
    pattern = pattern_of_a_crystal()
    pattern[0, 10, 50] = 20 * pattern.max()
    with pytest.warns(UserWarning, match=r"pixel \(10, 50\) of pattern 0"):
        found = retrieved(pattern, constraints="non_negative")
    assert found.verdicts == ["failed"]


def test_known_supports_of_exact_patterns_have_no_verdict_but_their_error():
    x = random_objects((8, 8), "float64", 2)
    X = FourierMagnitude().fit_transform(x)
    found = IterativePhaseRetrieval(n_iter=20, random_state=0).fit(X, x).retrieve(X)
    assert found.verdicts == ["undecided", "undecided"]
    assert found.summary().count("no pixels were held out") == 2


def test_modes_of_equal_and_of_orthogonal_objects():
    x = random_objects((6, 5), "float64", 1)
    modes, weights = leading_modes(x.repeat(4, axis=0))
    np.testing.assert_allclose(weights, [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(modes[0]), np.abs(x[0]), atol=1e-12)
    weights = leading_modes(np.eye(4).reshape(4, 2, 2))[1]
    np.testing.assert_allclose(weights, 0.25)
    assert leading_modes(np.zeros((2, 3)))[1].tolist() == [0, 0]


def test_more_objects_than_pixels_have_modes_of_zero():
    modes, weights = leading_modes(np.random.default_rng(0).random((5, 3)))
    assert modes.shape == (5, 3)
    assert not modes[3:].any()
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("explained", "noise", "verdict"),
    [
        (0.95, 0.0, "good"),
        (0.7, 0.0, "doubtful"),
        (0.3, 0.0, "failed"),
        (np.nan, 0.0, "undecided"),
        (0.95, 1.5, "failed"),
    ],
)
def test_verdict_goes_by_what_is_explained_and_in_common(explained, noise, verdict):
    rng = np.random.default_rng(0)
    starts = random_members(random_objects((10, 10), "float64", 1).repeat(4, axis=0))
    starts = starts + noise * rng.standard_normal(starts.shape) * starts.max()
    found = judged(starts, np.arange(4.0), np.full(4, explained))
    assert found[0] == verdict
    assert in_words(*found, 4).startswith(f"{verdict}: ")


def test_a_single_start_is_doubtful_because_it_has_no_other_to_agree_with():
    found = judged(random_objects((10, 10), "float64", 1), np.zeros(1), np.ones(1))
    assert found[0] == "doubtful"
    assert in_words(*found, 1).endswith("a single start has no other to agree with")
    assert (
        judged(random_objects((10, 10), "float64", 1), np.zeros(1), np.array([0.2]))[0] == "failed"
    )


def test_combinations_tell_their_agreement():
    x = random_objects((10, 10), "float64", 1)
    runs = combine_reconstructions(random_members(x.repeat(4, axis=0)))
    assert runs.weights[0] == pytest.approx(1.0)
    assert runs.summary() == "4 of 4 reconstructions agree; the first mode of all has 100%"


def test_a_combination_says_if_nothing_agrees_with_the_best():
    runs = combine_reconstructions(random_objects((10, 10), "float64", 4), errors=np.arange(4.0))
    assert runs.summary().startswith("none of 3 reconstructions agrees with the best one; ")
