"""Length and interruption of a training."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from tests.conftest import random_objects

SMALL = {
    "module__hidden_width": 8,
    "max_epochs": 4,
    "batch_size": 8,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=32)
    return FourierMagnitude().fit_transform(objects), objects


class Interrupted(PhaseRetrievalRegressor):
    """Regressor whose user presses Ctrl-C in the sixth step."""

    def train_step_single(self, batch, **fit_params):
        if len(self.history) == 2 and len(self.history[-1, "batches"]) == 2:
            raise KeyboardInterrupt
        return super().train_step_single(batch, **fit_params)


def test_ctrl_c_leaves_a_usable_network(pairs):
    net = Interrupted(**SMALL).fit(*pairs)
    assert len(net.history) == 2
    assert np.isfinite(net.predict(pairs[0])).all()


@pytest.mark.parametrize(
    "search",
    [
        lambda net, pairs: GridSearchCV(net, {"lr": [1e-3, 1e-2]}, cv=2).fit(*pairs),
        lambda net, pairs: cross_val_score(net, *pairs, cv=2),
    ],
    ids=["search", "cross-validation"],
)
def test_ctrl_c_ends_a_search(search, pairs):
    with pytest.raises(KeyboardInterrupt, match="in the middle of a training"):
        search(Interrupted(**SMALL), pairs)


class Satisfied(Callback):
    """Callback that ends the training after two epochs, as skorch's do."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_a_callback_may_end_a_training_inside_a_search(pairs):
    search = GridSearchCV(
        PhaseRetrievalRegressor(callbacks=[Satisfied()], **SMALL), {"lr": [1e-3, 1e-2]}, cv=2
    )
    assert len(search.fit(*pairs).best_estimator_.history) == 2
    stopping = PhaseRetrievalRegressor(
        early_stopping=True, n_iter_no_change=1, **SMALL | {"lr": 0.5}
    )
    assert np.isfinite(cross_val_score(stopping, *pairs, cv=2)).all()


@pytest.mark.parametrize("epochs", [0, -1, 2.5, "3", True])
def test_epochs_are_counted_in_whole_numbers(epochs, pairs):
    with pytest.raises(ValueError, match="epochs=.* is not valid; give an integer >= 1"):
        PhaseRetrievalRegressor(**SMALL).fit(*pairs, epochs=epochs)


def test_epochs_of_fit_replace_those_of_the_parameters(pairs):
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs, epochs=2)
    assert len(net.history) == 2
    assert len(net.partial_fit(*pairs, epochs=3).history) == 5


def test_a_callback_that_interrupts_leaves_a_usable_network(pairs):
    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    net = PhaseRetrievalRegressor(**SMALL | {"max_epochs": 10}, callbacks=[Interrupt()]).fit(*pairs)
    assert len(net.history) == 2
    assert np.isfinite(net.predict(pairs[0])).all()
