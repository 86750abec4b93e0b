import numpy as np
import pytest
import torch

from skpr.neural import MeanSquaredError, OrbitLoss, RelativeSquaredError
from skpr.neural._losses import CRITERIA, loss_of, takes_weights
from tests.conftest import random_members, random_objects


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
