"""Common mistakes with data and parameters, refused before any work."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, GaussianMagnitude, PhaseRetrievalRegressor
from skpr.datasets import load_digit_objects
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 1, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = load_digit_objects().data[:40].astype(np.float32)
    return FourierMagnitude().fit_transform(objects), objects


@pytest.fixture(scope="module")
def fitted(pairs):
    return PhaseRetrievalRegressor(**SMALL).fit(*pairs)


def test_magnitudes_and_objects_in_the_wrong_order_are_refused(pairs):
    with pytest.raises(
        ValueError, match=r"y has objects of shape \(32, 32\), larger than .*are they swapped\?"
    ):
        PhaseRetrievalRegressor(**SMALL).fit(pairs[1], pairs[0])
    magnitudes = FourierMagnitude(oversampling=1).fit_transform(pairs[1])
    PhaseRetrievalRegressor(**SMALL).fit(magnitudes, pairs[1])
    with pytest.raises(
        ValueError, match="X and y are swapped: y holds the Fourier magnitudes of X"
    ):
        PhaseRetrievalRegressor(**SMALL).fit(pairs[1], magnitudes)


def test_objects_must_have_the_axes_of_their_magnitudes(pairs):
    with pytest.raises(
        ValueError, match=r"y has objects with 1 axes, of shape \(256,\), but X magnitudes with 2"
    ):
        PhaseRetrievalRegressor(**SMALL).fit(pairs[0], pairs[1].reshape(40, -1))


def test_magnitudes_in_another_layout_are_warned_of_at_fit_and_at_prediction(pairs, fitted):
    corner = FourierMagnitude(centered=False).fit_transform(pairs[1])
    with pytest.warns(
        UserWarning, match="zero frequency at index 0 .* pass centered=False"
    ) as caught:
        PhaseRetrievalRegressor(**SMALL).fit(corner, pairs[1])
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="zero frequency at index 0") as caught:
        fitted.predict(corner)
    assert caught[0].filename == __file__
    PhaseRetrievalRegressor(centered=False, **SMALL).fit(corner, pairs[1]).predict(corner)


@pytest.mark.parametrize("value", [-1e-9, -0.0009])
def test_rounding_below_zero_does_not_decide_the_kind_of_objects(value, pairs):
    objects = pairs[1].copy()
    objects[3, 0, 0] = value
    assert PhaseRetrievalRegressor(**SMALL).fit(pairs[0], objects).is_non_negative_
    objects[3, 0, 0] = -0.01
    assert not PhaseRetrievalRegressor(**SMALL).fit(pairs[0], objects).is_non_negative_


@pytest.mark.parametrize("warm", [False, True])
def test_a_network_for_non_negative_objects_refuses_negative_ones(warm, pairs):
    net = PhaseRetrievalRegressor(warm_start=True, **SMALL).fit(*pairs)
    train_on = net.fit if warm else net.partial_fit
    train_on(pairs[0], np.where(pairs[1] == 0, -1e-9, pairs[1]))
    with pytest.raises(
        ValueError, match="y has negative values, the smallest -1, but the network was built for"
    ):
        train_on(pairs[0], -pairs[1])


@pytest.mark.parametrize(("unit", "shown"), [(1e-40, "e-"), (1e37, r"e\+"), (1e300, r"e\+30")])
def test_units_that_float32_cannot_hold_are_refused(unit, shown, pairs, fitted):
    magnitudes, objects = (part.astype(float) for part in pairs)
    with pytest.raises(
        ValueError, match=f"largest value of X is .*{shown}.*, out of the range of float32"
    ):
        PhaseRetrievalRegressor(**SMALL).fit(unit * magnitudes, objects)
    with pytest.raises(
        ValueError, match=f"largest value of y is .*{shown}.*, out of the range of float32"
    ):
        PhaseRetrievalRegressor(**SMALL).fit(magnitudes, unit * objects)
    with pytest.raises(ValueError, match="largest value of X"):
        fitted.predict(unit * magnitudes)


@pytest.mark.parametrize("criterion", ["mse", torch.nn.MSELoss])
def test_a_loss_in_the_objects_own_unit_needs_a_unit(criterion, pairs):
    net = PhaseRetrievalRegressor(criterion=criterion, **SMALL)
    with pytest.raises(
        ValueError, match=r"squares values of y in their own unit, .* 1e\+20, too large"
    ):
        net.fit(pairs[0], 1e20 * pairs[1])
    with pytest.warns(
        UserWarning, match="the largest is 0.001, too small to be trained on"
    ) as caught:
        net.fit(pairs[0], 1e-3 * pairs[1])
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"optimizer": "adam"},
            "optimizer='adam' is not valid; give a torch.optim.Optimizer class",
        ),
        (
            {"optimizer": torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)},
            "optimizer=an instance of SGD is not valid",
        ),
        (
            {"symmetries": "shift"},
            "symmetries='shift' is not valid; choose 'auto', 'fourier' or 'phase'",
        ),
        (
            {"batch_size": -2},
            "batch_size=-2 is not valid; give -1 for all samples at once, or an integer >= 1",
        ),
        ({"max_epochs": True}, "max_epochs=True is not valid; give an integer >= 1"),
        ({"centered": "no"}, "centered='no' is not valid; choose True or False"),
        ({"early_stopping": "no"}, "early_stopping='no' is not valid; choose True or False"),
    ],
)
def test_bad_parameters_are_named_before_the_training(parameters, message, pairs):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(**SMALL | parameters).fit(*pairs)


def test_parameters_set_after_fit_are_checked_where_they_are_read(pairs):
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs).set_params(batch_size=0)
    with pytest.raises(ValueError, match="batch_size=0 is not valid"):
        net.predict(pairs[0])
    with pytest.raises(
        ValueError, match="criterion='mae' is not valid; choose 'mse', 'relative', 'orbit' or"
    ):
        net.set_params(criterion="mae")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(39), r"sample_weight has shape \(39,\); give one weight for each of 40 samples"),
        (np.ones((40, 1)), r"sample_weight has shape \(40, 1\)"),
        (-np.ones(40), "give finite weights >= 0, not all of them zero"),
        (np.zeros(40), "not all of them zero"),
        (np.full(40, np.nan), "give finite weights"),
    ],
)
def test_weights_that_are_not_valid_are_named(weights, message, pairs):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(**SMALL).fit(*pairs, sample_weight=weights)


def test_weights_need_a_criterion_that_knows_them(pairs):
    class Loss(torch.nn.Module):
        def forward(self, prediction, target):
            return (prediction - target).abs().mean()

    with pytest.raises(
        ValueError, match="its forward takes no sample_weight, and it has no reduction='mean'"
    ):
        PhaseRetrievalRegressor(criterion=Loss, **SMALL).fit(*pairs, sample_weight=np.ones(40))
    assert PhaseRetrievalRegressor(criterion=torch.nn.L1Loss, **SMALL).fit(
        *pairs, sample_weight=np.ones(40)
    )


def test_arguments_that_fit_does_not_know_are_named(pairs):
    with pytest.raises(
        TypeError, match="fit got sample_wieght=..., which it does not know; it takes sample_weight"
    ):
        PhaseRetrievalRegressor(**SMALL).fit(*pairs, sample_wieght=np.ones(40))
    with pytest.raises(ValueError, match="groups are for train_split, which is None"):
        PhaseRetrievalRegressor(**SMALL).fit(*pairs, groups=np.arange(40))


def test_measurements_without_a_grid_are_valid():
    objects = random_objects((5, 6), "float32")
    magnitudes = GaussianMagnitude(random_state=0).fit_transform(objects)
    net = PhaseRetrievalRegressor(**SMALL).fit(magnitudes, objects)
    assert net.predict(magnitudes).shape == objects.shape
