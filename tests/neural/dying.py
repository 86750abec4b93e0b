"""Regressors that die in the middle of a training, and comparison of trainings."""

import sys

import pytest
import torch

from skpr import PhaseRetrievalRegressor

SMALL = {
    "module__hidden_width": 16,
    "max_epochs": 6,
    "batch_size": 8,
    "device": "cpu",
    "random_state": 0,
}


class Killed(BaseException):
    """Exception that acts like the end of the process."""


STEPS_TO_LIVE = []  # steps before the next training dies; none if empty


class Dying(PhaseRetrievalRegressor):
    """Regressor that dies in the middle of a training."""

    def train_step_single(self, batch, **fit_params):
        left = sys.modules[__name__].STEPS_TO_LIVE  # not a global of this class: no setting
        if left:
            if left[0] == 0:
                left.clear()
                raise Killed
            left[0] -= 1
        return super().train_step_single(batch, **fit_params)


def weights(net):
    return [value.clone() for value in net.module_.state_dict().values()]


def assert_same(net, other):
    assert all(torch.equal(a, b) for a, b in zip(weights(net), weights(other), strict=True))
    for name in ("epoch", "train_loss"):
        assert net.history[:, name] == other.history[:, name]


def fit_and_die(steps, path, pairs, **parameters):
    net = Dying(checkpoint=path, **SMALL | parameters)
    STEPS_TO_LIVE[:] = [steps]
    with pytest.raises(Killed):
        net.fit(*pairs)
