from functools import partial

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, GaussianMagnitude, PhaseRetrievalRegressor
from skpr.neural import MeanSquaredError, OrbitLoss, RelativeSquaredError
from skpr.neural._losses import CRITERIA, loss_of, takes_weights
from tests.conftest import random_members, random_objects

SMALL = {"max_epochs": 1, "random_state": 0, "device": "cpu", "verbose": False}


class Signals(torch.nn.Module):
    """Smallest network from random measurements to complex signals."""

    def __init__(self, fourier_shape, object_shape):
        super().__init__()
        self.layer = torch.nn.Linear(*fourier_shape, 2 * object_shape[0])

    def forward(self, magnitudes):
        return self.layer(magnitudes).unflatten(1, (2, -1))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_the_orbit_loss_does_not_ask_which_member(dtype):
    target = random_objects((9, 10), dtype)
    prediction = torch.from_numpy(random_objects((9, 10), dtype, seed=4))
    loss = OrbitLoss()
    there = loss(prediction, torch.from_numpy(target))
    elsewhere = loss(prediction, torch.from_numpy(random_members(target)))
    assert there.item() == pytest.approx(elsewhere.item(), rel=1e-5)
    assert there < RelativeSquaredError()(prediction, torch.from_numpy(target))
    assert loss(torch.from_numpy(target), torch.from_numpy(random_members(target))) < 1e-9


@pytest.mark.parametrize("oversampling", [1, 2])
@pytest.mark.parametrize("kind", ["non-negative", "signed", "complex"])
@pytest.mark.parametrize("criterion", ["orbit", OrbitLoss, partial(OrbitLoss, shift=True)])
def test_the_orbit_loss_of_a_network_knows_the_symmetries_of_its_data(
    oversampling, kind, criterion
):
    x = np.random.default_rng(0).random((12, 6, 7))
    x = x - 0.5 if kind == "signed" else x * np.exp(2j * x) if kind == "complex" else x
    if oversampling == 2:
        x = np.pad(x, [(0, 0), (0, 4), (0, 4)])
    net = PhaseRetrievalRegressor(criterion=criterion, **SMALL)
    net.fit(FourierMagnitude(oversampling).fit_transform(x), x)
    boundary = "circular" if oversampling == 1 else "zero"
    moved = random_members(x, boundary)
    moved = -moved if kind == "signed" else moved
    assert net.criterion_(torch.from_numpy(x), torch.from_numpy(moved)) < 1e-9


def test_the_orbit_loss_of_random_measurements_has_no_shifts_and_flips():
    x = random_objects((5,), "complex64")
    x[:, 3:] = 0
    net = PhaseRetrievalRegressor(Signals, criterion="orbit", **SMALL)
    net.fit(GaussianMagnitude(30, random_state=0).fit_transform(x), x)
    assert net.symmetries_ == "phase"
    turned = torch.from_numpy(x * np.exp(2j).astype("complex64"))
    assert net.criterion_(turned, torch.from_numpy(x)) < 1e-9
    assert net.criterion_(turned.roll(1, 1), torch.from_numpy(x)) > 0.1


def test_options_of_the_orbit_loss_are_kept():
    x = random_objects((5, 6), "complex64")
    pairs = FourierMagnitude(1).fit_transform(x), x
    options = {"criterion__boundary": "zero", "criterion__phase": False, "criterion__flip": False}
    net = PhaseRetrievalRegressor(criterion="orbit", **options, **SMALL).fit(*pairs)
    expected = {"shift": True, "flip": False, "phase": False, "boundary": "zero"}
    assert net.criterion_.symmetries == expected
    for criterion in (OrbitLoss(**expected), partial(OrbitLoss, **expected)):
        net = PhaseRetrievalRegressor(criterion=criterion, **SMALL).fit(*pairs)
        assert net.criterion_.symmetries == expected


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_losses_are_zero_at_the_target_and_their_gradients_point_there(name, dtype):
    target = torch.randn(3, 7, dtype=dtype, generator=torch.Generator().manual_seed(0))
    prediction = (target + 0.01).requires_grad_()
    loss = CRITERIA[name]()
    assert loss(target, target) == 0
    value = loss(prediction, target)
    value.backward()
    assert loss(prediction.detach() - 0.1 * prediction.grad, target) < value
    assert torch.autograd.gradcheck(
        lambda p: loss(p, target), (prediction.detach().requires_grad_(),)
    )


def test_mean_squared_error_is_a_mean_and_relative_error_a_ratio():
    target, prediction = (
        torch.tensor([[3.0, 4.0], [0.3, 0.4]]),
        torch.tensor([[3.0, 0.0], [0.3, 0.0]]),
    )
    assert MeanSquaredError()(prediction, target).item() == pytest.approx((16 + 0.16) / 4)
    assert RelativeSquaredError()(prediction, target).item() == pytest.approx(16 / 25)


def test_empty_targets_do_not_divide_by_zero():
    for criterion in CRITERIA.values():
        assert np.isfinite(criterion()(torch.ones(2, 3), torch.zeros(2, 3)).item())


@pytest.mark.parametrize("name", ["relative", "orbit"])
@pytest.mark.parametrize("unit", [2.0**-95, 2.0**60, 2.0**95])
def test_relative_losses_and_their_gradients_know_no_unit(name, unit):
    target, prediction = (
        torch.from_numpy(random_objects((5, 6), "float32", seed=seed)) for seed in (0, 1)
    )
    losses, gradients = [], []
    for scale in (1.0, unit):
        scaled = (prediction * scale).requires_grad_()
        loss = CRITERIA[name]()(scaled, target * scale)
        loss.backward()
        losses.append(loss.item())
        gradients.append(scaled.grad * scale)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("criterion", [*CRITERIA.values(), torch.nn.MSELoss, torch.nn.SmoothL1Loss])
def test_a_weight_of_two_is_a_sample_that_comes_twice(criterion):
    target, prediction = (
        torch.from_numpy(random_objects((5, 6), "float32", 4, seed=seed)) for seed in (0, 1)
    )
    weights, twice = torch.tensor([2.0, 1.0, 1.0, 0.0]), [0, 0, 1, 2]
    weighted = loss_of(criterion(), prediction, target, weights)
    torch.testing.assert_close(weighted, criterion()(prediction[twice], target[twice]))
    assert takes_weights(criterion())
    assert loss_of(criterion(), prediction, target) == criterion()(prediction, target)


def test_losses_without_weights_are_told_from_others():
    assert not takes_weights(torch.nn.MSELoss(reduction="sum"))
    assert not takes_weights(torch.nn.Identity())
