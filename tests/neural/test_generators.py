"""Temporary seeding of the process-wide random generators."""

import random
import threading

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.detector import PhotonNoise
from skpr.neural._generators import (
    drawn_seed,
    generator_states,
    kept_generators,
    seeded,
    set_generator_states,
)
from tests.conftest import random_objects

SMALL = {
    "module__hidden_width": 16,
    "max_epochs": 4,
    "batch_size": 8,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


def draws():
    """Draw a number from each generator."""
    return float(torch.rand(())), float(np.random.rand()), np.random.normal(), random.random()  # noqa: NPY002


def test_seeds_repeat_and_leave_the_generators_alone():
    with kept_generators():
        expected = draws()
    with seeded(0):
        first = draws()
    with seeded(0):
        assert draws() == first
    with seeded(drawn_seed(np.random.RandomState(1))):
        assert draws() != first
    assert draws() == expected


def test_states_come_back_from_plain_data():
    with seeded(3):
        np.random.normal()  # noqa: NPY002
        states = generator_states()
        expected = draws()
        draws()
        set_generator_states(states)
        assert draws() == expected


def test_no_seed_means_another_one_each_time():
    with seeded(0):
        seeds = drawn_seed(None), drawn_seed(None)
    with seeded(0):
        assert seeds == (drawn_seed(None), drawn_seed(None))
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_a_network_leaves_the_generators_alone(method, pairs):
    net = PhaseRetrievalRegressor(detector=PhotonNoise(1e4), early_stopping=True, **SMALL).fit(
        *pairs
    )
    with kept_generators():
        expected = draws()
    getattr(net, method)(*pairs[: 1 if method == "predict" else 2])
    assert draws() == expected


def test_threads_train_as_one_would(pairs):
    def fit(found):
        net = PhaseRetrievalRegressor(module__dropout=0.2, detector=PhotonNoise(1e4), **SMALL)
        found.append(net.fit(*pairs).predict(pairs[0]))

    alone, found = [], []
    fit(alone)
    with kept_generators():
        expected = draws()
    threads = [threading.Thread(target=fit, args=(found,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert draws() == expected
    for predicted in found:
        np.testing.assert_array_equal(predicted, alone[0])


def test_what_draws_from_numpy_itself_is_seeded_too(pairs):
    class Jittering:
        """Detector without a random_state."""

        def fit(self, X):
            return self

        def transform(self, X):
            return X * float(np.random.uniform(0.9, 1.1))  # noqa: NPY002

    nets = [PhaseRetrievalRegressor(detector=Jittering(), **SMALL).fit(*pairs) for _ in range(2)]
    assert nets[0].history[:, "train_loss"] == nets[1].history[:, "train_loss"]
