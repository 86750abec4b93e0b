"""Likelihoods of counts and moduli: against plain sums, finite differences, and in other units."""

import numpy as np
import pytest
import torch

from skpr.measurement import CountingNoise, Likelihood, Measurement
from skpr.measurement._likelihood import LEAST_PHOTONS

SHAPES = {"1-D": ((6,), (13,)), "2-D": ((4, 3), (8, 7)), "3-D": ((2, 3, 2), (4, 6, 5))}
every_shape = pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
every_kind = pytest.mark.parametrize("kind", ["non_negative", "complex"])


def measured(shapes, kind, missing=False, coherent=True, noise=None, photon=1.0, seed=0):
    """Counts of some objects, the measurement of them, and other objects."""
    rng = np.random.default_rng(seed)
    objects = [
        rng.random((2, *shapes[0])) + (1j * rng.random((2, *shapes[0])) if kind == "complex" else 0)
        for _ in "ab"
    ]
    clean = np.abs(np.fft.fftn(objects[0], shapes[1], axes=range(1, 1 + len(shapes[0])))) ** 2
    counts = rng.poisson(20 * clean / clean.mean()).astype(float)
    if missing:
        counts[rng.random(counts.shape) < 0.2] = np.nan
    photons = torch.full((2,), photon, dtype=torch.float64)
    likelihood = Likelihood() if noise is None else Likelihood(noise, photons)
    magnitudes = torch.from_numpy(np.sqrt(counts * photon))
    problem = Measurement(
        magnitudes, shapes[0], kind, partially_coherent=not coherent, likelihood=likelihood
    )
    if not coherent:
        problem.coherence.covariances += 0.3 * torch.eye(len(shapes[0]), dtype=torch.float64)
        problem.coherence._prepare()
    return counts, problem, torch.from_numpy(objects[1]) / 3


@every_shape
@every_kind
@pytest.mark.parametrize("missing", [False, True])
def test_deviance_is_twice_the_lost_logarithm_of_the_likelihood(shapes, kind, missing):
    counts, problem, x = measured(
        shapes, kind, missing, noise=CountingNoise(background=2.0, readout_noise=1.5)
    )
    values = 2 * problem.likelihood.in_photons(problem.likelihood.deviance(problem, x)[0], problem)
    objects = problem.to_units(x).numpy()
    model = (
        np.abs(np.fft.fftn(objects, shapes[1], axes=range(1, objects.ndim))) ** 2
        + 2
        + 1.5**2
        + LEAST_PHOTONS
    )
    seen = counts + 1.5**2
    if kind != "complex":  # the counts of a Friedel pair are one observation
        opposite = seen[(slice(None), *np.ix_(*[-np.arange(m) % m for m in shapes[1]]))]
        seen = np.where(np.isnan(opposite), seen, (seen + opposite) / 2)
    expected = 2 * np.nansum(
        model - seen + seen * np.log(seen / model), axis=tuple(range(1, objects.ndim))
    )
    np.testing.assert_allclose(values, expected, rtol=1e-8)


@every_shape
@every_kind
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("coherent", [True, False])
@pytest.mark.parametrize("noise", [None, CountingNoise(0.5)])
def test_gradient_is_that_of_the_value(shapes, kind, missing, coherent, noise):
    _, problem, x = measured(shapes, kind, missing, coherent, noise)
    x.requires_grad_()
    values, gradients = problem.likelihood.deviance(problem, x)
    (expected,) = torch.autograd.grad(values.sum() / problem.grid.n_pixels, x)
    torch.testing.assert_close(gradients, expected, rtol=1e-9, atol=1e-12)


@every_kind
def test_unit_of_the_magnitudes_changes_nothing(kind):
    found = []
    for photon in (1.0, 7e-6, 3e8):
        _, problem, x = measured(SHAPES["2-D"], kind, noise=CountingNoise(1.0), photon=photon)
        values, gradients = problem.likelihood.deviance(problem, x)
        found.append((problem.likelihood.in_photons(values, problem).numpy(), gradients.numpy()))
    for values, gradients in found[1:]:
        np.testing.assert_allclose(values, found[0][0], rtol=1e-9)
        np.testing.assert_allclose(gradients, found[0][1], rtol=1e-9, atol=1e-12)


@every_kind
def test_step_of_the_amplitude_loss_is_the_projection(kind):
    _, problem, x = measured(SHAPES["2-D"], kind)
    expected = x - problem.to_magnitudes(problem.on_grid(x)).inside
    torch.testing.assert_close(problem.likelihood.deviance(problem, x)[1], expected)


def test_many_photons_lose_no_digit():
    photons = torch.tensor([1.0], dtype=torch.float64)
    magnitudes = torch.full((1, 8), 1e5, dtype=torch.float32)
    problem = Measurement(magnitudes, (4,), "real", likelihood=Likelihood(CountingNoise(), photons))
    x = problem.to_normalized(torch.tensor([[1.0001e5, 0.0, 0.0, 0.0]]))
    model, counts = 1.0001e5**2, 1e10
    expected = 8 * 2 * (model - counts - counts * np.log1p((model - counts) / counts))
    found = 2 * problem.likelihood.in_photons(problem.likelihood.deviance(problem, x)[0], problem)
    assert float(found) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("noise", [{"background": -1.0}, {"readout_noise": -0.5}, {"photon": 0.0}])
def test_impossible_noise_is_refused(noise):
    with pytest.raises(ValueError, match=f"{next(iter(noise))}="):
        CountingNoise(**noise)
