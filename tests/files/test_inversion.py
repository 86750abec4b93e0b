import numpy as np
import pytest

from skpr.files._inversion import _pair_sums, center_of_symmetry, unit_of


def pairs_about(values, measured, twice):
    """Values of measured pixels and of their mates about a centre, given twice; no pixel is its own
    mate.
    """
    index = np.argwhere(measured)
    mates = np.array(twice) - index
    valid = ((mates >= 0) & (mates < values.shape)).all(axis=1) & (mates != index).any(axis=1)
    index, mates = index[valid], mates[valid]
    both = measured[tuple(mates.T)]
    return values[tuple(index[both].T)], values[tuple(mates[both].T)]


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("shape", [(9, 10), (5, 6, 7)])
def test_sums_over_pairs_are_those_of_the_definition(shape, near):
    rng = np.random.default_rng(0)
    measured = rng.random(shape) > 0.2
    values = np.where(measured, rng.normal(size=shape), 0)
    noise = np.where(measured, rng.random(shape), 0)
    place, reach = (tuple(n - 1 for n in shape), 2) if near else (None, None)
    sums, first = _pair_sums(values, noise, measured, place, reach)
    for index in list(np.ndindex(sums[0].shape))[::7]:
        twice = np.add(index, first)
        own, other = pairs_about(values, measured, twice)
        noises, _ = pairs_about(noise, measured, twice)
        expected = len(own), own @ other, own.sum(), own @ own, (own**4).sum(), noises.sum()
        np.testing.assert_allclose([part[index] for part in sums], expected, atol=1e-9)


@pytest.mark.parametrize("shape", [(19, 20), (9, 10, 12)])
def test_the_center_of_a_symmetric_array_is_certain(shape):
    counts = np.random.default_rng(0).poisson(20.0, size=shape) + 1.0
    counts += np.flip(counts)
    center, confidence = center_of_symmetry(counts, np.random.default_rng(1).random(shape) > 0.1)
    assert center == tuple((n - 1) / 2 for n in shape)
    assert confidence > 0.9


def test_a_pixel_is_no_pair_with_itself():
    counts = np.random.default_rng(0).poisson(1.0, size=(20, 20)).astype(float)
    counts[4, 5] = 1e6
    center, confidence = center_of_symmetry(counts, np.ones((20, 20), dtype=bool))
    assert confidence < 0.5
    assert center != (4.0, 5.0)


def test_counts_are_known_in_any_unit():
    counts = np.random.default_rng(0).poisson(3.0, size=400)
    lit = counts[counts > 0].astype(float)
    assert unit_of(lit) == (1.0, True)
    assert unit_of(1e-7 * lit) == (1e-7, True)
    assert unit_of(lit / np.random.default_rng(1).uniform(0.9, 1.1, size=len(lit))) == (1.0, True)
    smooth = np.exp(-np.linspace(0, 20, 400))
    assert unit_of(smooth) == (pytest.approx(np.median(smooth)), False)
