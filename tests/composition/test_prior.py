"""The prior: where its posterior is flat, and the powers of errors on rings."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.composition._prior import Prior
from skpr.measurement import Measurement, full_magnitudes

RNG = np.random.default_rng(0)
OBJECTS = RNG.random((50, 8, 8)) ** 3
CLEAN = FourierMagnitude().fit_transform(OBJECTS)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_descent_ends_where_the_posterior_is_flat(kind):
    objects = OBJECTS[:3] * (np.exp(1j * OBJECTS[3:6]) if kind == "complex" else 1.0)
    magnitudes = torch.from_numpy(FourierMagnitude().fit_transform(objects))
    problem = Measurement(magnitudes, (8, 8), kind, centered=True)
    prior = Prior(problem, objects + 0.2 * RNG.standard_normal(objects.shape))
    unit = torch.full((3,), 1e-2, dtype=torch.float64)
    powers = torch.full(prior.spectrum.shape[1:], 1e-3, dtype=torch.float64)
    found, values = prior.descend(powers, unit, 1.0, prior.objects)
    for seed in range(5):
        step = torch.from_numpy(np.random.default_rng(seed).standard_normal(found.shape)).to(
            found.dtype
        )
        moved, others = prior.descend(powers, unit, 1.0, found + 1e-3 * step)
        torch.testing.assert_close(others, values, rtol=1e-3, atol=1e-9)
        torch.testing.assert_close(moved, found, rtol=0, atol=2e-3)


def test_powers_are_those_of_rings():
    objects = OBJECTS[:50]
    magnitudes = torch.from_numpy(CLEAN[:50])
    problem = Measurement(magnitudes, (8, 8), "real", centered=True)
    errors = 0.1 * RNG.standard_normal(objects.shape)
    prior = Prior(problem, objects + errors)
    powers = prior.ring_powers(problem.to_normalized(torch.from_numpy(objects)))
    full = full_magnitudes(powers[None], 16, centered=False)[0]
    relative = 64 * 0.01 / np.square(CLEAN[:50]).sum(axis=(1, 2)).mean()
    assert float(full[4:7, 4:7].mean()) == pytest.approx(relative, rel=0.3)
    assert full[0, 3] == pytest.approx(float(full[3, 0]))
