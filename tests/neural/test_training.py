import contextlib
import io

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score

from skpr import PhaseRetrievalRegressor
from skpr._progress import shows_progress
from skpr.neural import _training
from skpr.neural._training import drawn_seed, seeded


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
    assert "epoch 3/3" in capsys.readouterr().err


def test_the_learning_rate_makes_one_cycle():
    rates = []

    class Recorder(_training.Callback):
        def on_batch_end(self, net, training, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    net = PhaseRetrievalRegressor(**SMALL | {"max_epochs": 20}, batch_size=10, lr=0.01, callbacks=[Recorder()])
    net.fit(X, X[:, :4])
    assert max(rates) == pytest.approx(0.01, rel=0.01)
    assert rates[0] < 0.001
    assert rates[-1] < 1e-4
    assert net.optimizer_.param_groups[0]["lr"] == 0.01
    assert len(rates) == 20 * 4


def test_seeds_repeat_and_leave_torchs_own_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(0):
        first = torch.rand(3)
    torch.testing.assert_close(torch.rand(3), expected)
    with seeded(0):
        torch.testing.assert_close(torch.rand(3), first)
    with seeded(drawn_seed(np.random.RandomState(1))):
        assert not torch.equal(torch.rand(3), first)
