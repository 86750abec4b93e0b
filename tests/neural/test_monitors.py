"""Callbacks that monitor values missing from the history."""

import numpy as np
import pytest
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)
from skorch.dataset import ValidSplit

from skpr import FourierMagnitude, LazyBatch, PhaseRetrievalRegressor
from skpr.metrics import neg_relative_error_scorer
from skpr.neural import SymmetricError
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=40)
    return FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize(
    ("callback", "monitor"),
    [
        (EarlyStopping(patience=1), "valid_loss"),
        (Checkpoint(), "valid_loss_best"),
        (LRScheduler("ReduceLROnPlateau", monitor="valid_loss"), "valid_loss"),
        (EarlyStopping(monitor="valid_error"), "valid_error"),
    ],
)
def test_callbacks_that_watch_a_validation_set_need_one(callback, monitor, pairs):
    with pytest.raises(
        ValueError,
        match=f"monitors '{monitor}', but there is no validation set: set early_stopping",
    ):
        PhaseRetrievalRegressor(callbacks=[callback], **SMALL).fit(*pairs)


@pytest.mark.parametrize("split", [{"train_split": ValidSplit(4)}, {"early_stopping": True}])
def test_with_a_validation_set_they_work(split, pairs, tmp_path):
    callbacks = [
        EarlyStopping(patience=1),
        Checkpoint(dirname=tmp_path),
        ("error", SymmetricError()),
    ]
    net = PhaseRetrievalRegressor(callbacks=callbacks, **split, **SMALL).fit(*pairs)
    assert len(net.history[:, "valid_error"]) >= 1
    assert (tmp_path / "params.pt").exists()


def test_the_training_loss_may_be_watched_without_a_validation_set(pairs, tmp_path):
    callbacks = [
        EarlyStopping(monitor="train_loss"),
        Checkpoint(monitor="train_loss_best", dirname=tmp_path),
        (
            "scores",
            EpochScoring(
                neg_relative_error_scorer, name="error", on_train=True, lower_is_better=False
            ),
        ),
        ("stop", EarlyStopping(monitor="error", lower_is_better=False)),
    ]
    assert len(PhaseRetrievalRegressor(callbacks=callbacks, **SMALL).fit(*pairs).history) == 2


def test_misspelt_monitors_are_named_with_what_there_is(pairs):
    net = PhaseRetrievalRegressor(callbacks=[EarlyStopping(monitor="train_los")], **SMALL)
    with pytest.raises(
        ValueError,
        match="monitors 'train_los', which nothing records; choose one of .*train_loss, ",
    ):
        net.fit(*pairs)


def test_callbacks_of_ones_own_may_record_anything(pairs):
    class Recorder(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("own", 1.0)

    net = PhaseRetrievalRegressor(
        callbacks=[Recorder(), EarlyStopping(monitor="own")], **SMALL
    ).fit(*pairs)
    assert net.history[:, "own"] == [1.0, 1.0]


def test_scores_of_a_validation_set_that_is_not_there_are_warned_of(pairs):
    scores = EpochScoring(neg_relative_error_scorer, name="error")
    with pytest.warns(
        UserWarning,
        match="no validation set is held out, so 'error' cannot be recorded: set early_stop",
    ):
        PhaseRetrievalRegressor(callbacks=[scores], **SMALL).fit(*pairs)
    watched = PhaseRetrievalRegressor(
        callbacks=[("scores", scores), EarlyStopping(monitor="error")], **SMALL
    )
    with pytest.raises(ValueError, match="monitors 'error', but there is no validation set"):
        watched.fit(*pairs)


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_scores_of_scikit_learn_are_for_real_objects_with_one_axis(kind, pairs):
    net = PhaseRetrievalRegressor(
        train_split=ValidSplit(4), callbacks=[kind("r2", name="r2")], **SMALL
    )
    with pytest.raises(
        ValueError,
        match="uses scoring='r2', which scikit-learn computes only for real objects",
    ):
        net.fit(*pairs)
    lines = FourierMagnitude().fit_transform(pairs[1][:, 0]), pairs[1][:, 0]
    assert len(net.fit(*lines).history[:, "r2"]) == 2


def test_scores_of_batches_on_disk_are_those_of_the_epoch(pairs, tmp_path):
    batches = []
    for name, part in zip("Xy", pairs, strict=True):
        np.save(tmp_path / f"{name}.npy", part)
        batches.append(LazyBatch(np.load(tmp_path / f"{name}.npy", mmap_mode="r")))
    scores = EpochScoring(neg_relative_error_scorer, name="error")
    net = PhaseRetrievalRegressor(train_split=ValidSplit(4), callbacks=[scores], **SMALL)
    assert net.fit(*batches).history[:, "error"] == pytest.approx(
        net.fit(*pairs).history[:, "error"]
    )
    net.set_params(
        callbacks=[EpochScoring(neg_relative_error_scorer, name="error", use_caching=False)]
    )
    with pytest.raises(
        ValueError, match="cannot score batches on disk with use_caching=False; leave it True"
    ):
        net.fit(*batches)
