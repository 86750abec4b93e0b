"""Warnings about values in another unit, inverted masks and arguments in the wrong order."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from skpr import FourierMagnitude, IterativePhaseRetrieval, ShiftFlipAugmenter
from skpr.datasets import load_digit_objects, make_cells, make_crystals
from skpr.detector import MissingPixels, PhotonNoise, Quantization, ReadoutNoise, Saturation
from skpr.metrics import (
    OrbitScorer,
    half_period_resolution,
    phase_retrieval_transfer_function,
    r_factor,
)

Y = load_digit_objects().data[:24]
X = FourierMagnitude().fit_transform(Y)


def test_bounds_in_another_unit_than_the_magnitudes_are_warned_of():
    with pytest.warns(UserWarning, match="bounds are in the unit of the objects"):
        IterativePhaseRetrieval(n_iter=2, constraints=(0, 1)).fit(255 * X).retrieve(255 * X)
    IterativePhaseRetrieval(n_iter=2, constraints=(0, 1)).fit(X).retrieve(X)


def test_magnitudes_at_unit_maximum_are_no_roots_of_counts():
    relative = X / X.max()
    with pytest.warns(UserWarning, match="the largest is .*: give square roots of counts"):
        IterativePhaseRetrieval(n_iter=2, tol="poisson").fit(relative).retrieve(relative)


def test_starts_of_zeros_are_warned_of():
    retriever = IterativePhaseRetrieval(n_iter=2).fit(X, Y)
    with pytest.warns(UserWarning, match="init is zero everywhere in 1 of"):
        retriever.retrieve(X, init=np.concatenate([0 * Y[:1], Y[1:]]))


def test_objects_to_start_from_are_told_their_place():
    with pytest.raises(ValueError, match=r"retrieve\(X, init=\.\.\.\)"):
        IterativePhaseRetrieval(start=Y).fit(X)


@pytest.mark.parametrize("fill", [np.nan, "a", 0.5])
def test_supports_are_masks(fill):
    support = np.full(Y.shape[1:], fill)
    if fill == 0.5:
        support[0, 0] = 0.7
    with pytest.raises(ValueError, match="give one bool per pixel, True where the object may be"):
        IterativePhaseRetrieval(support=support).fit(X).predict(X)


def test_a_mask_of_measured_pixels_is_told_from_one_of_missing_ones():
    mask = np.zeros(X.shape[1:], bool)
    mask[3:5, 3:5] = True
    with pytest.warns(UserWarning, match="give ~mask if it marks the measured ones"):
        MissingPixels(~mask).fit(X)
    MissingPixels(mask).fit(X)


def test_a_detector_that_leaves_nothing_says_so():
    with pytest.warns(UserWarning, match="every pixel is unmeasured afterwards"):
        Saturation(1e-9).fit_transform(X)
    with pytest.warns(UserWarning, match="reads squared magnitudes as counts"):
        Quantization().fit_transform(X / X.max() / 2)


def test_curves_thresholds_and_metrics_that_are_none_are_refused():
    curve = [0.0, 0.25, 0.5], [1.0, 0.9, 0.2]
    with pytest.raises(ValueError, match="threshold='half-bit' is not valid"):
        half_period_resolution(*curve, "half-bit")
    with pytest.raises(ValueError, match="threshold=50.0 is not valid"):
        half_period_resolution(*curve, 50)
    with pytest.raises(ValueError, match="must rise from ring to ring"):
        half_period_resolution(*curve[::-1], 0.5)
    with pytest.raises(ValueError, match="coherence='gaussian' is not valid"):
        r_factor(X, Y, coherence="gaussian")
    with pytest.raises(TypeError, match="ignores symmetries"):
        OrbitScorer(r2_score)
    with pytest.raises(ValueError, match="first >= last"):
        IterativePhaseRetrieval(shrinkwrap_sigma=(1.5, 3.0)).fit(X)


def test_a_transfer_function_of_intensities_is_warned_of():
    with pytest.warns(UserWarning, match=r"pass np\.sqrt\(magnitudes\)"):
        phase_retrieval_transfer_function(X[0] ** 2, Y[:1].repeat(3, axis=0))
    for photons in (20, 1e3, None):
        noisy = PhotonNoise(photons, random_state=0).fit_transform(100 * X[:1])[0]
        phase_retrieval_transfer_function(noisy, Y[:1].repeat(3, axis=0))


@pytest.mark.parametrize(
    ("given", "way"), [(np.log1p(X[0]), r"np\.expm1"), (np.log10(X[0] + 1), r"10\*\*")]
)
def test_a_transfer_function_of_logarithms_is_warned_of(given, way):
    with pytest.warns(UserWarning, match=f"if they are logarithms, pass {way}"):
        phase_retrieval_transfer_function(given, Y[:1].repeat(3, axis=0))


def test_a_transfer_function_of_another_pattern_is_warned_of():
    with pytest.warns(UserWarning, match="the reconstructions do not have these magnitudes"):
        phase_retrieval_transfer_function(
            X[0, ::-1].T[::-1] * np.linspace(1, 9, X.shape[1]), Y[:1].repeat(3, axis=0)
        )


@pytest.mark.parametrize("photons", [None, 1e4])
def test_a_transfer_function_of_another_sample_or_of_decibels_is_warned_of(photons):
    given = X if photons is None else PhotonNoise(photons, random_state=0).fit_transform(X)
    with pytest.warns(UserWarning, match="the reconstructions do not have these magnitudes"):
        phase_retrieval_transfer_function(given[3], Y[:1].repeat(3, axis=0))
    decibels = 20 * np.log10(1e-3 + 100 * X[0])
    with pytest.warns(UserWarning, match=r"if they are logarithms, pass 10\*\*\(magnitudes / 20\)"):
        phase_retrieval_transfer_function(decibels, Y[:1].repeat(3, axis=0))


def test_a_transfer_function_of_a_noisy_reading_is_ordinary():
    objects = make_cells(2, shape=(48, 48), random_state=0).data
    counted = PhotonNoise(1e4, random_state=0).fit_transform(
        FourierMagnitude().fit_transform(objects)
    )
    read = ReadoutNoise(2.0, random_state=0).fit_transform(counted)
    phase_retrieval_transfer_function(read[0], objects[:1].repeat(3, axis=0))


def test_photons_are_counted_of_magnitudes():
    noise = PhotonNoise(1e4, random_state=0)
    with pytest.warns(UserWarning, match=r"look like intensities.*pass np\.sqrt\(X\)"):
        noise.fit_transform(X**2)
    shifted = ShiftFlipAugmenter(frame_shape=20, random_state=0).fit_transform(Y)
    with pytest.warns(UserWarning, match="looks like objects, not like magnitudes"):
        noise.fit_transform(shifted)


@pytest.mark.parametrize("max_phase", [None, 6.0])
def test_patterns_of_crystals_with_noise_or_gaps_are_no_objects(max_phase):
    kind = {} if max_phase is None else {"max_phase": max_phase}
    patterns = FourierMagnitude().fit_transform(
        make_crystals(12, shape=(24, 24), random_state=0, **kind).data
    )
    gaps = patterns.copy()
    gaps[:, 5:20] = 0
    for given in (patterns, gaps, np.round(patterns)):
        PhotonNoise(1e4, random_state=0).fit_transform(given)
    few = PhotonNoise(100, random_state=0).fit_transform(patterns)
    with pytest.warns(UserWarning, match="is already counted"):  # and nothing else
        PhotonNoise(1e4, random_state=0).fit_transform(few)


def test_a_detector_that_leaves_next_to_nothing_says_so():
    with pytest.warns(UserWarning, match="leaves [0-9]+ of [0-9]+ lit pixels"):
        Quantization().fit_transform(X / X.max())
    Quantization().fit_transform(10 * X)
