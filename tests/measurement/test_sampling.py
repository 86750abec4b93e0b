"""Sample of patterns that checks look at."""

import numpy as np
import pytest
import torch

from skpr.measurement._sampling import MAX_LOOKED_AT, MIN_LOOKED_AT, looked_at


@pytest.mark.parametrize(
    ("size", "expected"), [(1, MAX_LOOKED_AT), (1 << 12, MIN_LOOKED_AT), (1 << 16, MIN_LOOKED_AT)]
)
def test_the_number_of_patterns_depends_on_their_size(size, expected):
    patterns = np.broadcast_to(np.zeros(size, np.float32), (200, size))
    assert looked_at(patterns).shape == (expected, size)


def test_patterns_are_evenly_spaced_and_include_both_ends():
    patterns = np.arange(1000.0)[:, None] * np.ones(8)
    rows = looked_at(patterns)[:, 0].numpy()
    steps = np.diff(rows)
    assert rows[0] == 0
    assert rows[-1] == 999
    assert steps.max() - steps.min() <= 1


def test_a_small_batch_is_looked_at_as_a_whole():
    patterns = torch.arange(12.0).view(3, 4)
    assert torch.equal(looked_at(patterns), patterns)
