"""Training steps that are recorded and replayed, with a recorder that runs on the CPU."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Freezer, Unfreezer

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.neural import _fitting, _recorded_step
from skpr.neural._multilevel import MultiLevelUNet
from skpr.neural._recorded_step import MOST, RecordedStep, can_be_recorded
from tests.conftest import random_objects
from tests.recorder import Recorder

FORMS = {  # module, and the shape of an object
    "mlp": ("mlp", (6, 5)),
    "unet": ("unet", (6, 5)),
    "levels": ("unet", (96, 100)),
}
SETTINGS = {
    "mlp": {"module__hidden_width": 16},
    "unet": {
        "module__hidden_width": 16,
        "module__width": 4,
        "module__n_projections": 2,
        "module__stage_dropout": 0.0,  # a recording draws random numbers of its own
    },
}


@pytest.fixture
def recorder(monkeypatch):
    """A recorder for the steps of every training."""
    found = Recorder()
    monkeypatch.setattr(_recorded_step, "can_be_recorded", lambda net: True)
    monkeypatch.setattr(_recorded_step._graphs, "recorded", found)
    return found


def fitted(module, X, y, sample_weight=None, **settings):
    settings = {"batch_size": 8, "max_epochs": 3, "device": "cpu", "verbose": 0} | settings
    net = PhaseRetrievalRegressor(module, random_state=0, **SETTINGS[module], **settings)
    return net.fit(X, y, sample_weight=sample_weight)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("form", FORMS)
def test_replayed_steps_are_the_steps(recorder, monkeypatch, form, dtype, weighted):
    module, shape = FORMS[form]
    y = random_objects(shape, dtype, 20)
    X, weight = FourierMagnitude().fit_transform(y), None
    if weighted:
        weight = np.random.default_rng(0).random(len(y)) + 0.5
    found = fitted(module, X, y, weight)
    assert (recorder.n_recorded, recorder.n_replayed) == (2, 9)  # the last batch is smaller
    monkeypatch.setattr(_fitting, "recorded_steps", lambda net: torch.enable_grad())
    expected = fitted(module, X, y, weight)
    assert recorder.n_replayed == 9
    assert isinstance(found.module_.network, MultiLevelUNet) == (form == "levels")
    assert list(found.history[:, "train_loss"]) == list(expected.history[:, "train_loss"])
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


class Exchange(Callback):
    """Callback that moves every weight to another place in memory."""

    def on_epoch_begin(self, net, **kwargs):
        for parameter in net.module_.parameters():
            parameter.data = parameter.data.clone()


@pytest.mark.parametrize(
    "callbacks",
    [
        [Freezer("network.layers.0*", at=2), Unfreezer("network.layers.0*", at=4)],
        [Freezer("network.layers.0*")],
        [Exchange()],
    ],
    ids=["thawed", "frozen", "exchanged"],
)
def test_weights_that_callbacks_freeze_thaw_or_exchange(recorder, monkeypatch, callbacks):
    y = random_objects((6,), "float32", 16)
    X = FourierMagnitude().fit_transform(y)
    options = {"callbacks": [(str(n), one) for n, one in enumerate(callbacks)], "max_epochs": 6}
    found = fitted("mlp", X, y, **options)
    assert (recorder.n_recorded > 1) == (len(callbacks) > 1 or type(callbacks[0]) is Exchange)
    monkeypatch.setattr(_fitting, "recorded_steps", lambda net: torch.enable_grad())
    expected = fitted("mlp", X, y, **options)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


def test_batches_of_many_sizes_are_not_all_recorded(recorder):
    y = random_objects((6,), "float32", 8)
    X = FourierMagnitude().fit_transform(y)
    net = fitted("mlp", X, y)
    step = RecordedStep(net, recorder)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    found = [step(X[:n], y[:n]) for n in range(1, MOST + 2)]
    assert [made is None for made in found] == [False] * MOST + [True]
    assert step(X[:1], y[:1])["loss"] == found[0]["loss"]


def test_losses_that_are_kept_are_not_overwritten(recorder):
    y = random_objects((6,), "float32", 8)
    X = FourierMagnitude().fit_transform(y)
    step = RecordedStep(fitted("mlp", X, y), recorder)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    first = step(X[:4], y[:4])
    kept = first["loss"].clone(), first["y_pred"].clone()
    step(X[4:], y[4:])
    assert torch.equal(first["loss"], kept[0])
    assert torch.equal(first["y_pred"], kept[1])


def test_only_networks_of_this_package_on_a_gpu_are_recorded():
    y = random_objects((6,), "float32", 8)
    net = fitted("mlp", FourierMagnitude().fit_transform(y), y)
    assert not can_be_recorded(net)
