import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.neural._scaling import (
    LEAST_BATCH,
    UNIT_NORM,
    ScaledNetwork,
    learn_scaling,
    unit_magnitudes,
)
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
    magnitudes, objects = (
        rng.random((400, 6, 6)).astype(np.float32),
        rng.random((400, 3, 3)).astype(np.float32),
    )
    whole = learn_scaling(magnitudes, objects, "sqrt")
    monkeypatch.setattr("skpr.neural._scaling.MAX_SAMPLES", 192)
    some = learn_scaling(magnitudes, objects, "sqrt")
    torch.testing.assert_close(some["mean"], whole["mean"], rtol=0.3, atol=0.05)
    assert not torch.equal(some["mean"], whole["mean"])
    magnitudes[100, 2, 2] = np.nan  # in a sample that the statistics leave out
    assert learn_scaling(magnitudes, objects, "sqrt")["unmeasured"]


@pytest.mark.parametrize("unit", [1e-30, 1e-20, 1e20, 1e30])
def test_any_unit_of_float32_is_scaled_alike(unit):
    x = random_objects((8, 8), "float32", n_samples=50)
    b = FourierMagnitude().fit_transform(x)
    expected, found = (
        learn_scaling(b, x, "sqrt"),
        learn_scaling(b.astype(float) * unit, x.astype(float) * unit, "sqrt"),
    )
    for name in ("mean", "deviation", "gain", "shares"):
        torch.testing.assert_close(found[name], expected[name])
    unit_norm, norms = unit_magnitudes(torch.from_numpy(b) * unit)
    torch.testing.assert_close(unit_norm, unit_magnitudes(torch.from_numpy(b))[0])
    torch.testing.assert_close(norms / unit, unit_magnitudes(torch.from_numpy(b))[1])


def test_units_too_far_apart_are_refused():
    x = random_objects((8, 8), "float32", n_samples=8)
    with pytest.raises(
        ValueError,
        match=r"objects in y are about 1e\+40 times as large as their magnitudes in X imply",
    ):
        learn_scaling(
            FourierMagnitude().fit_transform(x) * np.float32(1e-20), x * np.float32(1e20), "sqrt"
        )


def test_weights_of_samples_count_in_the_statistics():
    x = random_objects((8, 8), "float32", n_samples=20)
    b = FourierMagnitude().fit_transform(x) * np.linspace(1, 3, 20, dtype=np.float32)[:, None, None]
    twice = np.r_[0:10, 0:10, 10:15]
    weighted = learn_scaling(b, x, "log", sample_weight=np.repeat([2.0, 1.0, 0.0], [10, 5, 5]))
    repeated = learn_scaling(b[twice], x[twice], "log")
    for name in ("mean", "deviation", "gain", "shares"):
        torch.testing.assert_close(weighted[name], repeated[name])


class Recorder(torch.nn.Module):
    """Network that records the number of samples per call."""

    def forward(self, features):
        self.n_samples = len(features)
        return features[:, None, :8, :8], -features[:, None, :8, :8]


@pytest.mark.parametrize("n_samples", [1, 2, 3, 5])
def test_few_samples_are_computed_as_many_are(n_samples):
    x = random_objects((8, 8), "float32", n_samples=8)
    b = FourierMagnitude().fit_transform(x)
    net = ScaledNetwork(Recorder(), (8, 8), 1, "sqrt", learn_scaling(b, x, "sqrt")).eval()
    together = net(torch.from_numpy(b))
    alone = net(torch.from_numpy(b[:n_samples]))
    assert net.network.n_samples == max(n_samples, LEAST_BATCH)
    for part, whole in zip(alone, together, strict=True):
        torch.testing.assert_close(part, whole[:n_samples])
    assert (
        len(net.train()(torch.from_numpy(b[:n_samples]))[0]) == net.network.n_samples == n_samples
    )


def test_weights_of_a_network_with_another_scaling_are_refused():
    x = random_objects((8, 8), "float32", n_samples=8)
    b = FourierMagnitude().fit_transform(x)
    nets = [
        ScaledNetwork(torch.nn.Identity(), (8, 8), 1, scaling, learn_scaling(b, x, scaling))
        for scaling in ("sqrt", "log")
    ]
    nets[0].load_state_dict(nets[0].state_dict())
    with pytest.raises(
        ValueError, match="magnitude_scaling='log', and cannot be loaded into one with magnitude_sc"
    ):
        nets[0].load_state_dict(nets[1].state_dict())
