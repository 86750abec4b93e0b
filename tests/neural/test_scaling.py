import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.neural._scaling import UNIT_NORM, ScaledNetwork, learn_scaling, unit_magnitudes
from tests.conftest import random_objects


@pytest.mark.parametrize("scaling", ["sqrt", "log", None])
def test_features_are_standardised(scaling):
    x = random_objects((8, 8), "float32", n_samples=200)
    b = FourierMagnitude().fit_transform(x)
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, features):
            seen.append(features)
            return torch.ones(len(features), 1, 8, 8)

    net = ScaledNetwork(Spy(), (8, 8), 1, scaling, learn_scaling(b, x, scaling))
    net(torch.from_numpy(b))
    assert abs(seen[0].mean()) < 1e-4
    assert 0.9 < seen[0].std() < 1.1


def test_exposure_and_normalisation_of_the_transform_do_not_matter():
    x = random_objects((8, 8), "float32", n_samples=50)
    b = FourierMagnitude().fit_transform(x)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(64))
    plain = ScaledNetwork(network, (8, 8), 1, "sqrt", learn_scaling(b, x, "sqrt"))
    detector = ScaledNetwork(network, (8, 8), 1, "sqrt", learn_scaling(7 * b, x, "sqrt"))
    brighter = plain(torch.from_numpy(3 * b))
    torch.testing.assert_close(brighter, 3 * plain(torch.from_numpy(b)))
    torch.testing.assert_close(detector(torch.from_numpy(7 * b)), plain(torch.from_numpy(b)))


def test_unit_magnitudes_are_those_of_an_object_of_unit_norm():
    x = random_objects((8, 9), "float64")
    unit, norms = unit_magnitudes(torch.from_numpy(FourierMagnitude().fit_transform(x)))
    norm = np.sqrt((x**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(norms * UNIT_NORM, norm)
    expected = FourierMagnitude().fit_transform(x / norm[:, None, None] * UNIT_NORM)
    np.testing.assert_allclose(unit, expected, atol=1e-9)


def test_dark_magnitudes_give_dark_objects():
    x = np.zeros((4, 6), dtype=np.float32)
    b = FourierMagnitude().fit_transform(x)
    net = ScaledNetwork(torch.nn.Linear(12, 6), (6,), 1, "sqrt", learn_scaling(b, x, "sqrt"))
    assert (net(torch.from_numpy(b)) == 0).all()


def test_statistics_of_many_samples_are_learned_from_some(monkeypatch):
    rng = np.random.default_rng(0)
    magnitudes, objects = rng.random((400, 6, 6)).astype(np.float32), rng.random((400, 3, 3)).astype(np.float32)
    whole = learn_scaling(magnitudes, objects, "sqrt")
    monkeypatch.setattr("skpr.neural._scaling.MAX_SAMPLES", 192)
    some = learn_scaling(magnitudes, objects, "sqrt")
    torch.testing.assert_close(some["mean"], whole["mean"], rtol=0.3, atol=0.05)
    assert not torch.equal(some["mean"], whole["mean"])
    magnitudes[100, 2, 2] = np.nan  # in none of those
    assert learn_scaling(magnitudes, objects, "sqrt")["unmeasured"]
