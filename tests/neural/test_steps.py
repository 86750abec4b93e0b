"""Training steps with scoring callbacks, weights and modes of PyTorch."""

import contextlib
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import BatchScoring, Callback, EpochScoring
from skorch.dataset import ValidSplit

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.augmentation import RandomDeformation
from skpr.detector import PhotonNoise
from skpr.metrics import neg_relative_error_scorer, relative_error
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=40)
    return FourierMagnitude().fit_transform(objects), objects


def own_score(net, X, y):
    return net.score(X, y)


def module_parameters(module):
    return {"module__width": 4} if module == "unet" else {}


@pytest.mark.parametrize("module", ["mlp", "unet"])
@pytest.mark.parametrize("caching", [True, False])
def test_skorchs_scores_of_an_epoch_are_those_of_its_validation_set(module, caching, pairs):
    split = ValidSplit(4)
    callbacks = [
        ("a", EpochScoring(neg_relative_error_scorer, name="a", use_caching=caching)),
        ("b", EpochScoring(None, name="b", use_caching=caching)),
        ("c", EpochScoring(own_score, name="c", use_caching=caching)),
        ("d", BatchScoring(neg_relative_error_scorer, name="d", use_caching=caching)),
    ]
    net = PhaseRetrievalRegressor(
        module, train_split=split, callbacks=callbacks, **SMALL, **module_parameters(module)
    )
    a, b, c, d = zip(*net.fit(*pairs).history[:, ("a", "b", "c", "d")], strict=True)
    held_out = split(pairs[0], pairs[1])[1].indices
    expected = 1 - relative_error(pairs[1][held_out], net.predict(pairs[0][held_out]))
    assert b[-1] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose([np.add(a, 1), c, np.add(d, 1)], [b, b, b], rtol=1e-4)


@pytest.mark.parametrize("module", ["mlp", "unet"])
def test_scores_of_the_training_set_are_of_the_batches_that_were_trained_on(module, pairs):
    class Batches(Callback):
        """Callback that records the batches of the last epoch."""

        def on_epoch_begin(self, net, **kwargs):
            self.truths, self.found = [], []

        def on_batch_end(self, net, batch=None, y_pred=None, **kwargs):
            self.truths.append(batch[1])
            self.found.append(y_pred)

    batches = Batches()
    score = EpochScoring(neg_relative_error_scorer, name="error", on_train=True)
    noise = {"augmenter": RandomDeformation(), "detector": PhotonNoise(1e4), "batch_size": 16}
    net = PhaseRetrievalRegressor(
        module,
        callbacks=[score, ("batches", batches)],
        **noise,
        **SMALL,
        **module_parameters(module),
    ).fit(*pairs)
    truths, found = torch.cat(batches.truths), torch.cat(batches.found)
    assert len(found) == len(truths) == len(pairs[0])
    assert not found.requires_grad
    assert net.history[-1, "error"] == pytest.approx(-relative_error(truths, found), rel=1e-5)
    # the batches hold new objects
    assert np.abs(np.sort(truths.sum((1, 2))) - np.sort(pairs[1].sum((1, 2)))).max() > 1e-3


def test_equal_weights_change_nothing(pairs):
    plain = PhaseRetrievalRegressor(early_stopping=True, **SMALL).fit(*pairs)
    weighted = PhaseRetrievalRegressor(early_stopping=True, **SMALL).fit(
        *pairs, sample_weight=np.full(40, 8.0)
    )
    for name in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(weighted.history[:, name], plain.history[:, name], rtol=1e-5)


@pytest.mark.parametrize("criterion", ["relative", "orbit", torch.nn.MSELoss])
def test_samples_of_weight_zero_count_as_if_they_were_not_there(criterion, pairs):
    others = 50 * np.random.default_rng(0).random((40, 8, 8), dtype=np.float32)
    magnitudes, objects = np.concatenate([pairs[0], pairs[0]]), np.concatenate([pairs[1], others])
    net = PhaseRetrievalRegressor(criterion=criterion, batch_size=-1, **SMALL)
    alone = net.fit(*pairs).history[:, "train_loss"]
    together = net.fit(magnitudes, objects, sample_weight=np.repeat([3.0, 0.0], 40)).history[
        :, "train_loss"
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-3)
    assert abs(net.fit(magnitudes, objects).history[0, "train_loss"] / alone[0] - 1) > 0.1


def test_the_loss_of_an_epoch_is_the_weighted_mean_of_its_samples(pairs):
    weights = np.random.default_rng(0).random(40) * 3
    frozen = SMALL | {"lr": 1e-12, "batch_size": 16}
    net = PhaseRetrievalRegressor(**frozen).fit(*pairs, sample_weight=torch.from_numpy(weights))
    found = net.predict(pairs[0])
    losses = np.square(found - pairs[1]).sum((1, 2)) / np.square(pairs[1]).sum((1, 2))
    assert net.history[-1, "train_loss"] == pytest.approx(
        np.average(losses, weights=weights), rel=1e-4
    )
    more = net.partial_fit(*pairs, sample_weight=weights)
    assert more.history[-1, "train_loss"] == pytest.approx(net.history[0, "train_loss"], rel=1e-4)


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16)


@contextlib.contextmanager
def elsewhere():
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize(
    ("mode", "container"),
    [
        (mode, container)
        for mode in (torch.inference_mode, torch.no_grad, autocast)
        for container in (np.array, torch.tensor)
    ]
    + [(elsewhere, np.array)],
)
def test_networks_compute_the_same_in_any_mode_of_pytorch(mode, container, pairs):
    def fitted_and_predicted(X, y):
        net = PhaseRetrievalRegressor(criterion="orbit", tuning_steps=2, **SMALL).fit(X, y)
        return net.predict(X), net.set_params(tuning_steps=0).predict(X)

    expected = fitted_and_predicted(*pairs)
    with mode():
        found = fitted_and_predicted(*map(container, pairs))
    for one, other in zip(found, expected, strict=True):  # rounding to bfloat16 may differ
        np.testing.assert_allclose(np.asarray(one), other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("module", ["mlp", "unet"])
def test_double_precision_by_default_does_not_reach_the_network(module, pairs):
    parameters = SMALL | module_parameters(module) | {"early_stopping": True}
    expected = PhaseRetrievalRegressor(module, **parameters).fit(*pairs).predict(pairs[0])
    torch.set_default_dtype(torch.float64)
    try:
        net = PhaseRetrievalRegressor(module, **parameters).fit(*pairs)
        found, again = net.predict(pairs[0]), pickle.loads(pickle.dumps(net)).predict(pairs[0])
        tuned = net.set_params(tuning_steps=2).predict(pairs[0]) if module == "mlp" else found
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)
    assert found.dtype == tuned.dtype == np.float32
