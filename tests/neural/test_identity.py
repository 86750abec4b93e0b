"""Identity of trainings: what changes the weights, and what does not."""

import numpy as np
import pytest
from skorch.callbacks import Checkpoint, EarlyStopping, EpochScoring, ProgressBar

from skpr import PhaseRetrievalRegressor
from skpr.neural import MLP
from skpr.neural._identity import fit_identity


def identity(**parameters):
    X = np.ones((4, 6), dtype=np.float32)
    net = PhaseRetrievalRegressor(**{"random_state": 0} | parameters)
    return fit_identity(net, X, X[:, :3], 5, {})


@pytest.mark.parametrize(
    "parameters",
    [
        {"callbacks": [ProgressBar()]},
        {"callbacks": [("saved", Checkpoint())]},
        {"callbacks": [EpochScoring("r2", name="r2")]},
        {"callbacks__progress": None},
        {"verbose": True, "device": "cuda", "tuning_steps": 3},
    ],
    ids=["progress", "saved", "scored", "progress off", "of no training"],
)
def test_what_only_watches_does_not_count(parameters):
    assert identity(**parameters) == identity()


@pytest.mark.parametrize(
    "parameters",
    [
        {"callbacks__schedule": None},
        {"callbacks__gradient_clipping__gradient_clip_value": 1.0},
        {"callbacks": [EarlyStopping("train_loss")]},
        {"callbacks": [("saved", Checkpoint(load_best=True))]},
        {"module": lambda **shapes: MLP(**shapes)},
        {"optimizer__betas": (0.5, 0.9)},
    ],
    ids=lambda p: next(iter(p)),
)
def test_what_changes_the_training_counts(parameters):
    assert identity(**parameters)["parameters"] != identity()["parameters"]


def test_a_score_counts_where_it_stops_the_training():
    def stopped_by(scoring):
        stop = EarlyStopping("watched", lower_is_better=False)
        return identity(
            callbacks=[EpochScoring(scoring, name="watched", lower_is_better=False), stop]
        )

    assert stopped_by("r2") != stopped_by("neg_mean_squared_error")
