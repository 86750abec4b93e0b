"""Capture and restoration of the state of a training."""

import pytest
import torch
from skorch.callbacks import Callback

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.neural import MLP
from tests.conftest import random_objects
from tests.neural.dying import SMALL, Dying, assert_same, fit_and_die


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


def test_a_module_that_changes_by_itself_is_refused(pairs, tmp_path):
    given = {
        "checkpoint": tmp_path / "run.checkpoint",
        "max_epochs": 1,
        "device": "cpu",
        "random_state": 0,
    }
    widths = tmp_path / "widths"
    widths.write_text("8")

    def build(fourier_shape, object_shape):
        return MLP(fourier_shape, object_shape, hidden_width=int(widths.read_text()))

    PhaseRetrievalRegressor(build, **given).fit(*pairs)
    widths.write_text("9")
    with pytest.raises(ValueError, match="does not fit the network that the parameters now build"):
        PhaseRetrievalRegressor(build, **given).fit(*pairs)


class Counting(Callback):
    """Callback with a state of its own."""

    def initialize(self):
        self.losses = []
        return self

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])


def test_the_state_of_other_callbacks_and_of_the_loader_goes_on(pairs, tmp_path):
    def parameters():
        generator = torch.Generator().manual_seed(1)
        return {"callbacks": [("losses", Counting())], "iterator_train__generator": generator}

    expected = Dying(**SMALL | parameters()).fit(*pairs)
    fit_and_die(15, tmp_path / "run.checkpoint", pairs, **parameters())
    net = Dying(checkpoint=tmp_path / "run.checkpoint", **SMALL | parameters()).fit(*pairs)
    assert_same(net, expected)
    assert dict(net.callbacks_)["losses"].losses == dict(expected.callbacks_)["losses"].losses
