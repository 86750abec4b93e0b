"""Construction of networks, losses and optimizers, without side effects."""

import numpy as np
import pytest
import torch
from torch import nn

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from tests.conftest import random_objects

SMALL = {"max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=40)
    return FourierMagnitude().fit_transform(objects), objects


def flat(dtype=None):
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.BatchNorm1d(8), nn.Linear(8, 64)).to(
        dtype
    )


class LearnedLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, prediction, target):
        return (prediction - target).square().mean() * self.log_scale.exp() - self.log_scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_instances_are_copied_and_never_trained(dtype, pairs):
    module, criterion = flat(dtype), LearnedLoss()
    before = [value.clone() for one in (module, criterion) for value in one.state_dict().values()]
    net = PhaseRetrievalRegressor(module, criterion=criterion, **SMALL).fit(*pairs)
    after = [value for one in (module, criterion) for value in one.state_dict().values()]
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(before, after, strict=True))
    assert module.training
    assert net.criterion_.log_scale != 0
    np.testing.assert_array_equal(
        net.fit(*pairs).predict(pairs[0]), net.fit(*pairs).predict(pairs[0])
    )


class ComplexLinear(nn.Module):
    def __init__(self, fourier_shape, object_shape):
        super().__init__()
        self.layer = nn.Linear(
            int(np.prod(fourier_shape)), int(np.prod(object_shape)), dtype=torch.complex64
        )

    def forward(self, features):
        return self.layer(features.flatten(1).to(torch.complex64))


def test_a_module_may_compute_and_return_complex_numbers():
    objects = random_objects((5, 6), "complex64", n_samples=24)
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(ComplexLinear, **SMALL | {"max_epochs": 30, "lr": 0.01}).fit(
        magnitudes, objects
    )
    assert net.predict(magnitudes).dtype == np.complex64
    assert net.history[-1]["train_loss"] < 0.9 * net.history[0]["train_loss"]


def test_optimizers_that_know_no_weight_decay_go_without_its_default(pairs):
    net = PhaseRetrievalRegressor(flat(), optimizer=torch.optim.LBFGS, **SMALL).fit(*pairs)
    assert net.history[-1]["train_loss"] < net.history[0]["train_loss"]
    with pytest.raises(TypeError, match="weight_decay"):
        PhaseRetrievalRegressor(
            flat(), optimizer=torch.optim.LBFGS, optimizer__weight_decay=0.1, **SMALL
        ).fit(*pairs)


def test_parameters_set_after_fit_ask_for_a_new_one(pairs):
    net = PhaseRetrievalRegressor(module__hidden_width=8, tuning_steps=2, **SMALL).fit(*pairs)
    expected = net.predict(pairs[0])
    net.set_params(centered=False, magnitude_scaling="log", symmetries="phase")
    for call in (lambda: net.predict(pairs[0]), lambda: net.partial_fit(*pairs)):
        with pytest.raises(ValueError, match="centered=False was set after fit, which saw True"):
            call()
    net.set_params(centered=True, magnitude_scaling="sqrt")
    np.testing.assert_array_equal(net.predict(pairs[0]), expected)
    np.testing.assert_array_equal(net.partial_fit(*pairs).module_.scaling, "sqrt")
    assert (net.centered_, net.magnitude_scaling_, net.symmetries_) == (True, "sqrt", "fourier")
