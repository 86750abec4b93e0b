import contextlib
import io

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback, LRScheduler
from torch.utils.data import DataLoader

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr._progress import shows_progress
from skpr.neural import SymmetricError
from tests.conftest import random_objects


class Terminal(io.StringIO):
    def isatty(self):
        return True


X = np.random.default_rng(0).random((40, 8)).astype(np.float32)
SMALL = {"module__hidden_width": 8, "max_epochs": 3, "device": "cpu", "random_state": 0}


def test_progress_shows_on_a_terminal_and_is_silent_in_a_search():
    with contextlib.redirect_stderr(Terminal()) as terminal:
        PhaseRetrievalRegressor(**SMALL).fit(X, X[:, :4])
        assert "epoch 3/3  loss" in terminal.getvalue()
        shown = len(terminal.getvalue())
        cross_val_score(PhaseRetrievalRegressor(**SMALL), X, X[:, :4], cv=2)
        assert len(terminal.getvalue()) == shown


def test_progress_is_silent_without_a_terminal_unless_asked(capsys):
    PhaseRetrievalRegressor(**SMALL).fit(X, X[:, :4]).fit(X, X[:, :4])
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    assert not shows_progress(0)
    PhaseRetrievalRegressor(**SMALL, verbose=1).fit(X, X[:, :4])
    printed = capsys.readouterr().err
    assert printed.startswith("epoch 3/3")
    assert printed.endswith("left\n")
    assert "\r" not in printed  # a file keeps what a terminal overwrites


class Recorder(Callback):
    """Callback that records learning rate and first beta of every step."""

    def on_train_begin(self, net, **kwargs):
        self.rates, self.momenta = [], []

    def on_batch_end(self, net, training, **kwargs):
        if training:
            groups = net.optimizer_.param_groups
            self.rates.append(groups[-1]["lr"])
            self.momenta.append([group["betas"][0] for group in groups if "betas" in group])


def trained(fit_params=None, **parameters):
    """Train a network; return it with the records of its callback."""
    recorder = Recorder()
    net = PhaseRetrievalRegressor(
        **SMALL | {"max_epochs": 20, "lr": 0.01, "callbacks": [recorder]} | parameters
    )
    return net.fit(X, X[:, :4], **fit_params or {}), recorder


@pytest.mark.parametrize(
    ("parameters", "fit_params", "n_steps"),
    [
        ({"batch_size": 10}, {}, 20 * 4),
        ({"iterator_train__batch_size": 8, "batch_size": 32}, {}, 20 * 5),
        ({"iterator_train__drop_last": True, "batch_size": 15}, {}, 20 * 2),
        ({"batch_size": 10}, {"epochs": 7}, 7 * 4),
        (
            {
                "batch_size": 10,
                "early_stopping": True,
                "validation_fraction": 0.25,
                "n_iter_no_change": 50,
            },
            {},
            20 * 3,
        ),
        ({"batch_size": -1}, {}, 20),
    ],
    ids=[
        "plain",
        "batch size of the loader",
        "last batch dropped",
        "epochs",
        "validation",
        "whole",
    ],
)
def test_the_learning_rate_makes_one_cycle_over_the_steps_that_are_made(
    parameters, fit_params, n_steps
):
    net, recorder = trained(fit_params, **parameters)
    assert len(recorder.rates) == n_steps
    assert max(recorder.rates) == pytest.approx(0.01, rel=0.05)
    assert recorder.rates[0] < 0.002
    assert recorder.rates[-1] < 3e-4
    assert 0.15 < np.argmax(recorder.rates) / n_steps < 0.4
    assert net.optimizer_.param_groups[0]["lr"] == 0.01


def test_training_on_makes_a_cycle_of_its_own():
    net, recorder = trained(batch_size=10)
    net.partial_fit(X, X[:, :4], epochs=5)
    assert len(recorder.rates) == 5 * 4
    assert max(recorder.rates) == pytest.approx(0.01, rel=0.1)
    assert recorder.rates[-1] < 3e-4


@pytest.mark.parametrize(
    ("betas", "low", "high"),
    [
        (None, 0.85, 0.95),
        ((0.9, 0.99), 0.85, 0.95),
        ((0.1, 0.99), 0.05, 0.15),
        ((0.0, 0.9), 0, 0),
        ((0.98, 0.999), 0.97, 0.99),
    ],
)
def test_momentum_moves_about_the_one_that_was_given(betas, low, high):
    net, recorder = trained(batch_size=10, **{} if betas is None else {"optimizer__betas": betas})
    assert np.min(recorder.momenta) == pytest.approx(low, abs=1e-3)
    assert np.max(recorder.momenta) == pytest.approx(high, abs=1e-3)
    assert net.optimizer_.param_groups[0]["betas"] == (betas or (0.9, 0.99))


def test_groups_of_parameters_keep_their_rates_and_momenta():
    own = {"lr": 1e-5, "betas": (0.5, 0.9)}
    net, recorder = trained(
        batch_size=10, warm_start=True, optimizer__param_groups=[("network.layers.0.*", own)]
    )
    for _ in range(2):
        assert [(group["lr"], group["betas"]) for group in net.optimizer_.param_groups] == [
            (1e-5, (0.5, 0.9)),
            (0.01, (0.9, 0.99)),
        ]
        np.testing.assert_allclose(np.max(recorder.momenta, axis=0), [0.55, 0.95], atol=1e-3)
        net.fit(X, X[:, :4])


def test_momentum_of_plain_gradient_descent_stays():
    net, _ = trained(optimizer=torch.optim.SGD, optimizer__momentum=0.3, optimizer__weight_decay=0)
    assert net.optimizer_.param_groups[0]["momentum"] == 0.3


@pytest.mark.parametrize(
    "given", [{}, {"callbacks__schedule": None}], ids=["built-in schedule stops", "none"]
)
def test_a_schedule_of_the_user_is_the_only_one(given):
    own = LRScheduler("StepLR", step_size=1, gamma=0.1)
    net, recorder = trained(
        max_epochs=4, lr=1e-3, batch_size=10, callbacks=[own, Recorder()], **given
    )
    np.testing.assert_allclose(net.history[:, "event_lr"], [1e-3, 1e-4, 1e-5, 1e-6])
    assert net.optimizer_.param_groups[0]["betas"] == (0.9, 0.99)


class Decaying(Callback):
    """Schedule that is not a skorch scheduler."""

    def on_epoch_begin(self, net, **kwargs):
        for group in net.optimizer_.param_groups:
            group["lr"] = 0.01 / len(net.history)


def test_a_callback_that_sets_the_rate_is_heard():
    recorder = Recorder()
    with pytest.warns(
        UserWarning, match="the one-cycle schedule stops; pass callbacks__schedule=None"
    ):
        trained(max_epochs=3, batch_size=20, callbacks=[Decaying(), recorder])
    np.testing.assert_allclose(recorder.rates, [0.01, 0.01, 0.005, 0.005, 0.01 / 3, 0.01 / 3])
    np.testing.assert_allclose(recorder.momenta[1:], 0.9)


class Endless(DataLoader):
    """Loader without a length."""

    def __len__(self):
        raise TypeError("nobody knows")


def test_a_loader_without_a_length_has_no_schedule():
    with pytest.raises(
        ValueError, match="must know the number of batches, .*; set callbacks__schedule=None"
    ):
        trained(iterator_train=Endless)
    _, recorder = trained(iterator_train=Endless, callbacks__schedule=None)
    assert set(recorder.rates) == {0.01}


DIVERGES = {
    "optimizer": torch.optim.SGD,
    "optimizer__weight_decay": 0,
    "lr": 1e30,
    "max_epochs": 9,
    "batch_size": 10,
}


def test_a_training_that_diverges_says_so_and_ends():
    net = PhaseRetrievalRegressor(**SMALL | DIVERGES)
    with pytest.warns(
        UserWarning, match=r"diverges: its loss is .* a smaller lr than 1e\+30, or a smaller .*clip"
    ):
        net.fit(X, X[:, :4])
    assert len(net.history) < 9
    with pytest.raises(
        ValueError, match="predicts NaN or infinity for 40 of 40 samples: its training has diverged"
    ):
        net.predict(X)


def test_a_training_that_diverges_in_bfloat16_names_the_way_out(monkeypatch):
    monkeypatch.setattr(
        PhaseRetrievalRegressor, "_uses_bfloat16", lambda net, device, training: net.mixed_precision
    )
    for mixed_precision, message in (
        (True, "set mixed_precision=False, .* or a smaller lr"),
        (False, "set a smaller lr"),
    ):
        with pytest.warns(UserWarning, match=message):
            PhaseRetrievalRegressor(**SMALL | DIVERGES, mixed_precision=mixed_precision).fit(
                X, X[:, :4]
            )


def test_a_training_that_diverges_in_its_last_step_does_not_predict():
    net = PhaseRetrievalRegressor(
        **SMALL | DIVERGES | {"max_epochs": 1, "batch_size": -1, "lr": 1e38}
    ).fit(X, X[:, :4])
    with pytest.raises(ValueError, match="its training has diverged"):
        net.predict(X)


def test_early_stopping_brings_back_the_weights_before_a_divergence():
    class Exploding(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                with torch.no_grad():
                    next(net.module_.parameters()).fill_(torch.nan)

    net = PhaseRetrievalRegressor(
        **SMALL | {"max_epochs": 9}, early_stopping=True, callbacks=[Exploding()]
    )
    with pytest.warns(
        UserWarning, match="the training diverges: its loss is nan in epoch 3, batch 1"
    ):
        net.fit(X, X[:, :4])
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("oversampling", [1, 2])
def test_the_error_modulo_symmetries_follows_the_measurement(oversampling):
    objects = random_objects((8, 8), "float32", n_samples=24)
    magnitudes = FourierMagnitude(oversampling=oversampling).fit_transform(objects)
    boundary = "circular" if oversampling == 1 else "zero"
    errors = {}
    for chosen in ("auto", "zero", "circular"):
        callbacks = [("error", SymmetricError(chosen))]
        net = PhaseRetrievalRegressor(**SMALL, early_stopping=True, callbacks=callbacks).fit(
            magnitudes, objects
        )
        errors[chosen] = net.history[:, "valid_error"]
    assert errors["auto"] == errors[boundary]
    assert errors["zero"] != errors["circular"]
    with pytest.raises(ValueError, match="boundary='open' is not valid"):
        net.set_params(callbacks__error__boundary="open").fit(magnitudes, objects)


def test_a_cpu_does_not_train_convolutions_of_volumes_in_bfloat16(monkeypatch):
    monkeypatch.setattr("skpr.neural._steps.multiplies_bfloat16", lambda: True)
    uses = {}
    for shape in ((6, 6), (4, 4, 4)):
        objects = random_objects(shape, "float32", 8)
        X = FourierMagnitude().fit_transform(objects)
        for module in ("mlp", "unet"):
            net = PhaseRetrievalRegressor(
                module,
                module__hidden_width=8,
                max_epochs=1,
                batch_size=4,
                device="cpu",
                random_state=0,
            ).fit(X, objects)
            assert np.isfinite(net.predict(X)).all()
            uses[module, len(shape)] = net.uses_bfloat16()
    assert uses == {("mlp", 2): True, ("unet", 2): True, ("mlp", 3): True, ("unet", 3): False}
