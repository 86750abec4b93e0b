import pickle
import re
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.utils import Bunch

from skpr import LazyBatch
from skpr._drawn import DrawnArray, seed_of_block


def uniform(n_samples, random_state, shape=(4, 5), dtype="float32"):
    return np.random.RandomState(random_state).random_sample((n_samples, *shape)).astype(dtype)


def as_bunch(n_samples, random_state):
    return Bunch(data=uniform(n_samples, random_state))


def as_tensor(n_samples, random_state):
    return torch.from_numpy(uniform(n_samples, random_state))


class Broken:
    """Function that draws something else from the second call on."""

    def __init__(self, *others):
        self.made = iter([np.ones((2, 3, 3)), *others])

    def __call__(self, n_samples, random_state):
        return next(self.made)


@pytest.mark.parametrize("block_size", [1, 3, 7])
@pytest.mark.parametrize("n_samples", [7, 20])
def test_a_sample_depends_on_its_index_alone(block_size, n_samples):
    longer = np.asarray(LazyBatch(DrawnArray(uniform, 20, block_size, 5, {})))
    batch = LazyBatch(DrawnArray(uniform, n_samples, block_size, 5, {}))
    np.testing.assert_array_equal(np.asarray(batch), longer[:n_samples])
    index = np.random.default_rng(0).permutation(n_samples)[:6]
    np.testing.assert_array_equal(np.asarray(batch[index]), longer[index])
    np.testing.assert_array_equal(np.asarray(batch[5:1:-2]), longer[5:1:-2])
    np.testing.assert_array_equal(np.asarray(batch[2:][[1, 3]]), longer[[3, 5]])
    assert len(np.unique(longer)) > 0.99 * longer.size  # all samples differ


@pytest.mark.parametrize(
    "rows", [slice(2, 9), slice(0, 0), slice(8, 3), slice(None), slice(1, 9, 3)]
)
def test_slices_are_those_of_an_array(rows):
    array = DrawnArray(uniform, 11, 4, 0, {})
    np.testing.assert_array_equal(array[rows], array[:][rows])


@pytest.mark.parametrize("draw", [as_bunch, as_tensor])
def test_arrays_come_in_any_container(draw):
    expected = DrawnArray(uniform, 6, 2, 0, {})
    array = DrawnArray(draw, 6, 2, 0, {})
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[:], expected[:])


def test_another_seed_and_other_settings_draw_other_samples():
    first = DrawnArray(uniform, 5, 1, 0, {"shape": (3,)})
    assert first.shape == (5, 3)
    other = DrawnArray(uniform, 5, 1, 1, {"shape": (3,)})
    assert not np.isin(first[:], other[:]).any()


def test_a_copy_draws_the_same():
    batch = LazyBatch(DrawnArray(uniform, 1000, 4, 3, {"shape": (64, 64)}))[10:900]
    pickled = pickle.dumps(batch)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickled)[:9]), np.asarray(batch[:9]))


def test_two_batches_of_one_array_share_what_was_drawn():
    counts = Counter()

    def counting(n_samples, random_state):
        counts[random_state] += 1
        return uniform(n_samples, random_state)

    batch = LazyBatch(DrawnArray(counting, 50, 1, 0, {}))
    squares = batch.mapped(torch.square)
    counts.clear()
    np.testing.assert_array_equal(np.asarray(squares), np.square(np.asarray(batch)))
    assert set(counts.values()) == {1}


def test_blocks_are_as_large_as_they_were_asked_for():
    batch = LazyBatch(DrawnArray(uniform, 50, 3, 0, {}))
    assert batch.is_drawn
    assert batch.block_rows == 3


@pytest.mark.parametrize("seed", [0, 2**31 - 2])
def test_seeds_of_blocks_differ_and_are_of_32_bits(seed):
    numbers = [*range(20_000), 2**32 - 1]
    seeds = [seed_of_block(seed, number) for number in numbers]
    assert len(set(seeds)) == len(seeds)
    assert 0 <= min(seeds) < 2**20
    assert 2**32 - 2**20 < max(seeds) < 2**32
    # neighbours are as far apart as any two integers of 32 bits
    assert np.abs(np.diff(np.array(seeds, dtype=float))).mean() == pytest.approx(
        2**32 / 3, rel=0.05
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.ones((2, 3, 4)), "samples 2 to 3 of shape (3, 4) and type float64, but the first of"),
        (np.ones((2, 3, 3), "float32"), "of shape (3, 3) and type float32, but the first of shape"),
        (
            np.full((2, 3, 3), np.nan),
            "samples 2 to 3 with the value nan; all values must be finite",
        ),
        (np.full((2, 3, 3), -np.inf), "samples 2 to 3 with the value -inf; all values must be"),
        (np.ones((3, 3, 3)), "in an array of shape (3, 3, 3), which must be (2, *sample_shape)"),
    ],
)
def test_later_blocks_are_checked_when_they_are_drawn(other, message):
    array = DrawnArray(Broken(other), 10, 2, 0, {})
    with pytest.raises(ValueError, match=re.escape(message)):
        array[3:4]


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (None, TypeError, "returned samples 0 to 1 in a NoneType; give a function that returns"),
        ((np.ones((2, 3)),) * 2, TypeError, "in a tuple; give a function that returns an array"),
        ({"objects": np.ones((2, 3))}, TypeError, "in a dict with the keys ['objects']; give a"),
        (np.ones(2), ValueError, "in an array of shape (2,), which must be (2, *sample_shape)"),
        (np.ones((2, 0)), ValueError, "in an array of shape (2, 0), which must be"),
        (np.full((2, 3), "a"), TypeError, "in a ndarray of type <U1; give a function that returns"),
        (np.full((2, 3), None), TypeError, "in a ndarray of type object; give a function that"),
        (csr_array(np.ones((2, 3))), TypeError, "in a csr_array of type float64; give a function"),
    ],
)
def test_what_is_no_array_of_samples_is_named(made, error, message):
    broken = Broken()
    broken.made = iter([made])
    with pytest.raises(error, match=re.escape(message)):
        DrawnArray(broken, 10, 2, 0, {})


@pytest.mark.parametrize("block_size", [1, 3])
def test_reading_in_any_order_through_a_small_pool_changes_nothing(block_size, monkeypatch):
    monkeypatch.setattr("skpr._store.POOL_BYTES", 10 * 4 * 5 * 4)
    batch = LazyBatch(DrawnArray(uniform, 60, block_size, 0, {}))
    squares, expected = batch.mapped(torch.square), DrawnArray(uniform, 60, block_size, 0, {})[:]
    order = np.random.default_rng(1).permutation(60)
    for start in range(0, 60, 7):
        index = order[start : start + 7]
        np.testing.assert_array_equal(squares[index].read(), np.square(expected[index]))
        np.testing.assert_array_equal(batch[index].read(), expected[index])
