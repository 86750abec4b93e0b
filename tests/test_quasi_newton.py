"""Quasi-Newton descent to the minimum under bounds, for each sample and never uphill."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from skpr._quasi_newton import MEMORY, QuasiNewton


def least_squares(n_samples=4, n_equations=12, n_values=8, seed=0):
    rng = np.random.default_rng(seed)
    matrices = rng.standard_normal((n_samples, n_equations, n_values))
    targets = rng.standard_normal((n_samples, n_equations))
    a, b = torch.from_numpy(matrices), torch.from_numpy(targets)

    def evaluate(x):
        residuals = torch.einsum("nij,nj->ni", a, x) - b
        return residuals.square().sum(1) / 2, torch.einsum("nij,ni->nj", a, residuals)

    return matrices, targets, evaluate


def descended(evaluate, start, n_steps=150):
    descent = QuasiNewton(evaluate, start)
    fallen = [descent.step(evaluate, lambda x: x.clamp_min(0)) for _ in range(n_steps)]
    return descent, torch.stack(fallen)


def test_ends_at_the_minimum_under_bounds():
    matrices, targets, evaluate = least_squares()
    descent, fallen = descended(evaluate, torch.ones(4, 8, dtype=torch.float64))
    expected = np.stack([nnls(a, b)[0] for a, b in zip(matrices, targets, strict=True)])
    assert (expected == 0).any()
    np.testing.assert_allclose(descent.objects, expected, atol=1e-3)
    assert float(fallen.min()) >= -1e-5 * float(descent.values.max())


def test_memory_is_bounded():
    _, _, evaluate = least_squares()
    descent, _ = descended(evaluate, torch.ones(4, 8, dtype=torch.float64), 3 * MEMORY)
    assert len(descent._moves) == len(descent._turns) == MEMORY


@pytest.mark.parametrize("n_steps", [1, 5, 20])
def test_samples_do_not_know_each_other(n_steps):
    _, _, evaluate = least_squares()
    together, _ = descended(evaluate, torch.ones(4, 8, dtype=torch.float64), n_steps)
    _, _, alone = least_squares()
    one = QuasiNewton(alone, torch.ones(4, 8, dtype=torch.float64))
    for _ in range(n_steps // 2):
        one.step(alone, lambda x: x.clamp_min(0))
    kept = torch.tensor([2])

    def of_one(x):
        every = torch.zeros(4, 8, dtype=torch.float64)
        every[2] = x[0]
        values, gradients = alone(every)
        return values[2:3], gradients[2:3]

    one = one.kept(kept)
    for _ in range(n_steps - n_steps // 2):
        one.step(of_one, lambda x: x.clamp_min(0))
    np.testing.assert_allclose(one.objects[0], together.objects[2], atol=1e-8)
