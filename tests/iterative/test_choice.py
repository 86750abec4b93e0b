"""The choice by pixels held out."""

import numpy as np
import pytest

from skpr.iterative._choice import (
    better,
    mean_of_alike,
    serving,
    smallest_that_serves,
    trustworthiness,
)
from skpr.iterative._results import Results
from tests.conftest import random_members, random_objects


def test_of_supports_that_serve_the_smallest_is_chosen():
    scatter = np.tile([0.01, -0.01], 32)  # of pairs of groups, which differ as often either way
    free = np.ones((3, 3, 64))
    free[1] += scatter
    free[2] += 3.0
    sizes = np.array([[30, 10, 0], [20, 20, 20], [5, 5, 5]])
    assert smallest_that_serves(free, sizes).tolist() == [1, 0, 1]
    assert serving(free, 2.0).tolist() == [[True] * 3, [True] * 3, [False] * 3]
    assert better(free[[2, 0]], sizes[[2, 0]]).tolist() == [1, 1, 0]
    assert better(free[[0, 2]], sizes[[0, 2]]).tolist() == [0, 0, 0]


@pytest.mark.parametrize("least", [0.0, 1e-300, 1e300])
def test_errors_of_any_size_are_compared(least):
    free = np.stack([np.full((1, 8), least), np.full((1, 8), 1e305)])
    assert serving(free, 2.0)[:, 0].tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_means_leave_out_what_is_not_alike(dtype):
    x = random_objects((10, 9), dtype, 2)
    members = random_members(x[:1].repeat(4, axis=0))
    mean = mean_of_alike(np.concatenate([members, x[1:]]), 0.99, ("zero", "zero"), 1)
    np.testing.assert_allclose(mean, members[1], atol=1e-10)
    np.testing.assert_array_equal(mean_of_alike(x[:1], 0.9, ("zero", "zero")), x[0])


def four_starts(objects, explained):
    """Results of four starts per sample, all of which explain the same share."""
    found = Results(objects.shape[1], 4, objects.shape[2:], objects.dtype)
    found.objects = objects.reshape(-1, *objects.shape[2:])
    found.explained = np.repeat([explained], 4, axis=0).ravel()
    found.free = np.ones((len(found.objects), 8))
    return found


def test_starts_are_trusted_for_what_they_explain_and_have_in_common():
    one, other = random_objects((6, 5), "float64", 2)
    same, unlike = np.stack([one] * 4), np.stack([one, other, one, other])
    gone = np.stack([one, np.zeros_like(one), one, one])
    objects = np.stack([same, same, unlike, gone, same], axis=1)
    scores, agree = trustworthiness(four_starts(objects, [0.9, 0.6, 0.9, 0.9, 0.4]))
    np.testing.assert_allclose(scores[:2], [1.9, 1.6])
    assert 0.9 + 0.5 < scores[2] < 1.9
    assert np.isnan(scores[3:]).all()  # a start has vanished; too little is explained
    assert agree.tolist() == [True, True, False, agree[3], True]
