"""The prior: where its posterior is flat, and the powers of errors on rings."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.composition._prior import Prior
from skpr.detector import PhotonNoise
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


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("n_photons", [300.0, 1e5])
def test_measured_errors_of_predictions_are_those_of_their_magnitudes(kind, n_photons):
    rng = np.random.default_rng(1)
    objects = rng.random((400, 8, 8)) * (
        np.exp(2j * rng.random((400, 8, 8))) if kind == "complex" else 1
    )
    objects = objects / np.linalg.norm(objects, axis=(1, 2), keepdims=True)
    clean = FourierMagnitude().fit_transform(objects)
    scale = np.sqrt(n_photons / np.square(clean).sum(axis=(1, 2), keepdims=True))
    counted = PhotonNoise(n_photons, random_state=0).fit_transform(clean)
    problem = Measurement(torch.from_numpy(counted), (8, 8), kind, centered=True)
    prior = Prior(problem, objects * (1 + 0.3 * rng.standard_normal(objects.shape)))
    unit = 1 / problem.scale.double().square() / 4
    errors, deviations, sensitivities = prior.radial_errors(unit, True)
    truth = problem.grid.spectrum(problem.to_normalized(torch.from_numpy(scale * objects))).abs()
    means = prior.spectrum.abs().square() / (4 * unit[:, None, None])
    # ((N - I)^2 - N) has the mean (true I - I)^2, which is 4 I times the squared error and more
    exact = (truth.square() - prior.spectrum.abs().square()).square() / (4 * unit[:, None, None])
    exact = prior._ring_sums(problem.weights * exact / (means + 1))
    whole = slice(2, 8)  # rings of many pixels, smoothed alike
    numbers = torch.arange(exact.shape[1], dtype=torch.float64)
    exact = exact @ (-(numbers[:, None] - numbers).abs() / 2).exp()
    measured, expected = errors.mean(dim=0)[whole], exact.mean(dim=0)[whole]
    spread = errors.std(dim=0)[whole] / len(errors) ** 0.5
    assert (measured - expected).abs().div(spread).max() < 5


def test_errors_of_a_pattern_beyond_those_expected_widen_its_prior():
    objects = torch.from_numpy(OBJECTS)
    counted = PhotonNoise(1e6, random_state=0).fit_transform(CLEAN)
    problem = Measurement(torch.from_numpy(counted), (8, 8), "non_negative", centered=True)
    sizes = np.where(np.arange(len(OBJECTS)) % 2, 0.2, 0.05)[:, None, None]
    prior = Prior(problem, objects.numpy() + sizes * RNG.standard_normal(objects.shape))
    unit = 1 / problem.scale.double().square() / 4
    radial = prior.radial_errors(unit, True)
    small = [sums[::2].sum(dim=0) for sums in radial]
    excess = prior.excess(radial, small[0] / small[2])
    assert 1 <= excess[::2].median() < 2
    assert excess.min() == 1  # what fits better than expected may have fitted the noise
    assert 8 < excess[1::2].median() < 32  # sixteen times the power


def test_noise_that_hides_all_errors_leaves_the_prior_as_it_was():
    counted = PhotonNoise(3, random_state=0).fit_transform(CLEAN)
    problem = Measurement(torch.from_numpy(counted), (8, 8), "non_negative", centered=True)
    prior = Prior(problem, OBJECTS * (1 + 0.05 * RNG.standard_normal(OBJECTS.shape)))
    unit = 1 / problem.scale.double().square() / 4
    radial = prior.radial_errors(unit, True)
    excess = prior.excess(radial, torch.full_like(radial[0][0], 1e-9))
    assert excess.median() < 20  # where the errors themselves are many thousand times as large
