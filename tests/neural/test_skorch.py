"""Adaptation of skorch's regressor to scikit-learn's conventions."""

import numpy as np
import pytest

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=40)
    return FourierMagnitude().fit_transform(objects), objects


def test_a_network_that_is_built_anew_after_fit_is_warned_of(pairs):
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    with pytest.warns(
        UserWarning,
        match="module__hidden_width set after fit built a new network, with new weights",
    ):
        net.set_params(module__hidden_width=6)
    net.set_params(tuning_steps=0, lr=1e-3)
    assert not PhaseRetrievalRegressor().set_params(module__hidden_width=6).initialized_


def test_early_stopping_may_be_switched_on_for_further_training(pairs):
    noise = np.random.default_rng(0).random(pairs[1].shape)
    net = PhaseRetrievalRegressor(warm_start=True, lr=0.01, **SMALL).fit(pairs[0], noise)
    net.set_params(early_stopping=True, n_iter_no_change=2, max_epochs=300).fit(pairs[0], noise)
    assert "valid_loss" in net.history[-1]
    assert len(net.history) < 302
