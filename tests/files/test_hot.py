import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_cells, make_crystals
from skpr.files import hot_pixels
from skpr.metrics import relative_error


def patterns(objects, photons, oversampling=2, seed=0):
    """Poisson counts of so many photons a pattern."""
    intensities = (
        FourierMagnitude(oversampling=oversampling).fit_transform(objects).astype(float) ** 2
    )
    intensities *= photons / intensities.sum(axis=tuple(range(1, intensities.ndim)), keepdims=True)
    return np.random.default_rng(seed).poisson(intensities).astype(float)


OBJECTS = {
    "cells": lambda: make_cells(6, shape=(32, 32), random_state=0).data,
    "crystals": lambda: make_crystals(6, shape=(32, 32), random_state=0).data,
    "strained": lambda: make_crystals(6, shape=(32, 32), max_phase=6.0, random_state=0).data,
    "volume": lambda: make_crystals(1, shape=(12, 12, 12), max_phase=3.0, random_state=0).data,
}


@pytest.mark.parametrize("photons", [1e2, 1e3, 1e5, 1e9])
@pytest.mark.parametrize("kind", OBJECTS)
def test_neither_speckles_nor_noise_nor_the_beam_are_hot(kind, photons):
    assert not any(hot_pixels(counts).any() for counts in patterns(OBJECTS[kind](), photons))


def test_edges_of_objects_that_fill_their_frame_are_not_hot():
    """Their streaks have pixels a hundred times brighter than the second neighbour, on both sides
    of the centre.
    """
    objects = np.random.default_rng(0).random((6, 32, 32))
    assert not any(hot_pixels(counts).any() for counts in patterns(objects, 1e6))


@pytest.mark.parametrize("level", [0.01, 0.3, 3.0, 100.0, 1e5])
def test_counting_noise_of_any_level_is_not_hot(level):
    assert not hot_pixels(np.random.default_rng(0).poisson(level, size=(300, 300))).any()


@pytest.mark.parametrize("kind", ["cells", "crystals", "volume"])
def test_isolated_outliers_are_found_at_every_exposure(kind):
    rng = np.random.default_rng(1)
    n_found = n_outliers = 0
    for photons in (1e3, 1e5, 1e7):
        for counts in patterns(OBJECTS[kind](), photons):
            where = rng.choice(counts.size, 12, replace=False)
            counts.flat[where] += 200 + 100 * counts.flat[where]
            hot = hot_pixels(counts)
            n_found, n_outliers = n_found + hot.flat[where].sum(), n_outliers + 12
            assert hot.sum() == hot.flat[where].sum()
    assert n_found > 0.85 * n_outliers


def test_two_side_by_side_are_found_and_gaps_hide_none():
    counts = np.random.default_rng(0).poisson(3.0, size=(40, 40)).astype(float)
    counts[7, 7:9] = 1e4, 2e4
    counts[20:24] = np.nan
    counts[19, 5] = counts[0, 39] = 800
    np.testing.assert_array_equal(
        np.argwhere(hot_pixels(counts)), [[0, 39], [7, 7], [7, 8], [19, 5]]
    )


def test_where_the_mate_is_dark_less_is_needed():
    counts = patterns(OBJECTS["cells"](), 1e7)[0]
    where = np.flatnonzero((counts > 300) & (counts < 500))[::25]
    counts.flat[where] *= 8
    for center in ((32, 32), None):
        hot = hot_pixels(counts, center)
        assert hot.flat[where].mean() > 0.4
        assert hot.sum() == hot.flat[where].sum()


def test_the_given_center_is_never_hot_and_small_patterns_are_not_judged():
    counts = np.random.default_rng(0).poisson(3.0, (32, 32)).astype(float)
    counts[12, 12] = 1e6
    assert not hot_pixels(counts, center=(12, 12)).any()
    assert hot_pixels(counts)[12, 12]
    assert not hot_pixels(counts[8:20, 8:20]).any()
    assert not hot_pixels(np.full((32, 32), np.nan)).any()


def test_intensities_in_any_unit_are_judged():
    counts = patterns(OBJECTS["crystals"](), 1e6)[0]
    counts[3, 5] = 1e4
    for unit in (1.0, 1e-7, 1e7):
        assert np.argwhere(hot_pixels(unit * counts)).tolist() == [[3, 5]]


@pytest.mark.filterwarnings("ignore:the patterns are not symmetric")
def test_masked_they_no_longer_spoil_a_reconstruction():
    objects = OBJECTS["cells"]()[:3]
    errors = {}
    for case in ("clean", "hot", "masked"):
        magnitudes = []
        for number, counts in enumerate(patterns(objects, 1e7)):
            rng = np.random.default_rng(number)
            where = rng.choice(counts.size, 30, replace=False)
            if case != "clean":
                counts.flat[where] = rng.integers(20, counts.max(), 30)
            if case == "masked":
                counts[hot_pixels(counts)] = np.nan
            magnitudes.append(np.sqrt(counts))
        magnitudes = np.array(magnitudes)
        found = (
            IterativePhaseRetrieval(object_shape=(32, 32), random_state=0)
            .fit(magnitudes)
            .predict(magnitudes)
        )
        unit = np.linalg.norm(objects, axis=(1, 2), keepdims=True) / np.linalg.norm(
            found, axis=(1, 2), keepdims=True
        )
        errors[case] = np.median(relative_error(objects, found * unit, multioutput="raw_values"))
    assert errors["hot"] > 2 * errors["masked"]


@pytest.mark.parametrize(
    ("counts", "center", "message"),
    [
        (np.ones((32, 32)) * 1j, None, "counts holds values of type complex128"),
        (
            np.ones((1, 2, 32, 32)),
            None,
            r"counts has shape \(1, 2, 32, 32\); give one pattern, of 2 or 3 axes",
        ),
        (
            np.ones((32, 32)),
            (3, 40),
            r"center=\(3, 40\) is not valid; give one index inside \(32, 32\)",
        ),
    ],
)
def test_what_is_no_pattern_or_centre_is_refused(counts, center, message):
    with pytest.raises(ValueError, match=message):
        hot_pixels(counts, center)
