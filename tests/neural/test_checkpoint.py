"""Checkpoints: a killed training resumes and ends at the same weights."""

import signal
import time

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, LRScheduler

from skpr import FourierMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr.augmentation import RandomDeformation
from skpr.detector import MissingPixels, PhotonNoise
from skpr.neural import TrainingCheckpoint
from tests import scripts
from tests.conftest import random_objects, same_seeds_in_workers
from tests.neural.dying import (
    SMALL,
    STEPS_TO_LIVE,
    Dying,
    Killed,
    assert_same,
    fit_and_die,
    weights,
)


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"module__dropout": 0.2, "mixed_precision": False},
        {"detector": PhotonNoise(1e4), "augmenter": RandomDeformation()},
        {"early_stopping": True, "n_iter_no_change": 2, "lr": 0.05},
        {"random_state": np.random.RandomState(3)},
        {"module": "unet", "module__width": 4, "max_epochs": 3},
        {"optimizer": torch.optim.SGD, "lr": 0.01},
        {"callbacks": [("decay", LRScheduler("StepLR", step_size=2, gamma=0.1))], "lr": 0.01},
    ],
    ids=["plain", "dropout", "steps", "early stopping", "generator", "unet", "sgd", "schedule"],
)
def test_what_was_killed_comes_to_the_same_weights(parameters, pairs, tmp_path):
    def again():
        given = dict(parameters)
        if "random_state" in given:
            given["random_state"] = np.random.RandomState(3)
        return SMALL | given

    expected = Dying(**again()).fit(*pairs)
    path = tmp_path / "run.checkpoint"
    fit_and_die(2, path, pairs, **again())  # within the first epoch
    assert not path.exists()
    fit_and_die(9, path, pairs, **again())
    fit_and_die(5, path, pairs, **again())
    assert_same(Dying(checkpoint=path, **again()).fit(*pairs), expected)


def test_without_a_seed_it_goes_on_with_the_seed_it_had(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    expected = Dying(
        checkpoint=tmp_path / "whole.checkpoint", **SMALL | {"random_state": None}
    ).fit(*pairs)
    fit_and_die(14, path, pairs, random_state=None)
    first = Dying(checkpoint=path, **SMALL | {"random_state": None}).fit(*pairs)
    second = Dying(checkpoint=path, **SMALL | {"random_state": None}).fit(*pairs)
    assert_same(first, second)
    assert not torch.equal(weights(first)[-1], weights(expected)[-1])


def test_a_training_that_had_ended_is_not_repeated(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    first = Dying(checkpoint=path, **SMALL).fit(*pairs)
    net = Dying(checkpoint=path, **SMALL)
    STEPS_TO_LIVE[:] = [0]
    assert_same(net.fit(*pairs), first)
    STEPS_TO_LIVE.clear()
    np.testing.assert_array_equal(net.predict(pairs[0]), first.predict(pairs[0]))


def test_an_interrupted_training_goes_on_too(pairs, tmp_path, monkeypatch):
    path = tmp_path / "run.checkpoint"
    expected = Dying(**SMALL).fit(*pairs)
    monkeypatch.setattr("tests.neural.dying.Killed", KeyboardInterrupt)
    net = Dying(checkpoint=path, **SMALL)
    STEPS_TO_LIVE[:] = [15]
    net.fit(*pairs)  # Ctrl-C leaves a usable estimator
    assert np.isfinite(net.predict(pairs[0])).all()
    assert len(net.history) < SMALL["max_epochs"]
    assert_same(Dying(checkpoint=path, **SMALL).fit(*pairs), expected)


def test_it_is_a_parameter_of_the_pipeline(pairs, tmp_path):
    model = make_phase_retriever(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(
        pairs[1], pairs[1]
    )
    again = make_phase_retriever(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(
        pairs[1], pairs[1]
    )
    np.testing.assert_array_equal(model.predict(pairs[1]), again.predict(pairs[1]))


def test_a_checkpoint_without_callbacks_is_refused(pairs, tmp_path):
    net = PhaseRetrievalRegressor(
        checkpoint=tmp_path / "run.checkpoint", callbacks="disable", **SMALL
    )
    with pytest.raises(ValueError, match="is a callback, but callbacks='disable'"):
        net.fit(*pairs)
    with pytest.raises(TypeError, match="TrainingCheckpoint is a class; give an instance"):
        PhaseRetrievalRegressor(callbacks=[TrainingCheckpoint], **SMALL).fit(*pairs)


def test_the_epochs_of_fit_are_those_of_the_checkpoint(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    expected = Dying(**SMALL).fit(*pairs, epochs=4)
    STEPS_TO_LIVE[:] = [15]
    with pytest.raises(Killed):
        Dying(checkpoint=path, **SMALL).fit(*pairs, epochs=4)
    with pytest.raises(ValueError, match="belongs to another fit, with max_epochs=4 and not 6"):
        Dying(checkpoint=path, **SMALL).fit(*pairs)
    assert_same(Dying(checkpoint=path, **SMALL).fit(*pairs, epochs=4), expected)


PROGRAM = """
import sys, numpy as np, torch
from skpr import PhaseRetrievalRegressor
torch.set_num_threads(1)
data = np.load(sys.argv[1])
net = PhaseRetrievalRegressor(
    checkpoint=sys.argv[2], max_epochs=60, module__hidden_width=128, batch_size=4, device="cpu",
    random_state=0,
)
print("ready", flush=True)
net.fit(data["magnitudes"], data["objects"])
np.save(sys.argv[3], net.predict(data["magnitudes"]))
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_comes_to_the_same_weights(pairs, tmp_path):
    np.savez(tmp_path / "data.npz", magnitudes=pairs[0], objects=pairs[1])

    (tmp_path / "program.py").write_text(PROGRAM)

    def start(name, number=0):
        made = (tmp_path / f"{name}.checkpoint", tmp_path / f"{name}.npy")
        return scripts.start(
            tmp_path / "program.py",
            tmp_path / "data.npz",
            *made,
            folder=tmp_path,
            name=f"{name} {number}",
        )

    whole = start("whole")
    rng = np.random.default_rng(0)
    kills = 0
    for number in range(3):
        process = start("killed", number)
        while "ready" not in scripts.printed(tmp_path, f"killed {number}"):
            assert process.is_alive()
            time.sleep(0.01)
        time.sleep(rng.uniform(0.05, 0.6))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills
    for name, process in (("killed 3", start("killed", 3)), ("whole 0", whole)):
        scripts.finish(process, tmp_path, name)
    np.testing.assert_array_equal(np.load(tmp_path / "killed.npy"), np.load(tmp_path / "whole.npy"))
    assert not list(tmp_path.glob(".*.checkpoint.*"))  # no partial files are left


class Starting(Callback):
    """Callback that starts a second training with the same checkpoint."""

    def __init__(self, net):
        self.net = net

    def on_batch_begin(self, net, training=False, **kwargs):
        if training and not hasattr(self, "refused_"):
            with pytest.raises(
                ValueError, match="belongs to another fit, with lr="
            ) as self.refused_:
                self.net()


def test_two_trainings_side_by_side_never_share_a_file(pairs, tmp_path):
    given = {"checkpoint": tmp_path / "run.checkpoint"} | SMALL
    other = Starting(lambda: PhaseRetrievalRegressor(lr=1e-4, **given).fit(*pairs))
    other.changes_training = False
    first = PhaseRetrievalRegressor(callbacks=[other], **given).fit(*pairs)
    assert other.refused_
    assert_same(PhaseRetrievalRegressor(**given).fit(*pairs), first)


@pytest.mark.slow
@same_seeds_in_workers
def test_every_fit_of_a_search_has_a_file_of_its_own(pairs, tmp_path):
    def search(n_jobs=1, **given):
        net = PhaseRetrievalRegressor(**SMALL | {"max_epochs": 2} | given)
        return (
            GridSearchCV(net, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=n_jobs)
            .fit(*pairs)
            .cv_results_["mean_test_score"]
        )

    expected = search()
    found = search(n_jobs=2, checkpoint=tmp_path / "run.checkpoint")
    # workers may use another number of threads
    np.testing.assert_allclose(found, expected, atol=1e-3)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 5  # two candidates in two folds, and the refit
    assert all(name.startswith("run.") and name.endswith(".checkpoint") for name in files)
    np.testing.assert_array_equal(search(checkpoint=tmp_path / "run.checkpoint"), expected)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def test_a_training_that_fails_at_once_leaves_no_file(pairs, tmp_path):
    fit_and_die(2, tmp_path / "run.checkpoint", pairs)
    PhaseRetrievalRegressor(
        checkpoint=tmp_path / "run.checkpoint", lr=1e-4, **SMALL | {"max_epochs": 1}
    ).fit(*pairs)


def test_it_is_a_callback_of_its_own(pairs, tmp_path):
    def net(**given):
        return Dying(**SMALL | given)

    expected = net().fit(*pairs)
    STEPS_TO_LIVE[:] = [20]
    with pytest.raises(Killed):
        net(callbacks=[TrainingCheckpoint(tmp_path / "run.checkpoint")]).fit(*pairs)
    again = net(callbacks=[("kept", TrainingCheckpoint(tmp_path / "run.checkpoint"))]).fit(*pairs)
    assert_same(again, expected)
    assert dict(again.callbacks_)["kept"].path_ == str(tmp_path / "run.checkpoint")
    assert_same(net(checkpoint=tmp_path / "run.checkpoint").fit(*pairs), expected)
    with pytest.raises(ValueError, match="2 checkpoints were given for one training"):
        net(checkpoint=tmp_path / "a", callbacks=[TrainingCheckpoint(tmp_path / "b")]).fit(*pairs)


@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
def test_training_on_leaves_the_checkpoint_of_the_fit(way, pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    net = Dying(checkpoint=path, warm_start=way == "warm_start", **SMALL)
    expected = weights(net.fit(*pairs))
    content = path.read_bytes()
    (net.partial_fit if way == "partial_fit" else net.fit)(*pairs)
    assert not torch.equal(weights(net)[-1], expected[-1])
    assert path.read_bytes() == content
    again = Dying(checkpoint=path, warm_start=way == "warm_start", **SMALL).fit(*pairs)
    assert torch.equal(weights(again)[-1], expected[-1])


def test_the_same_parameters_are_the_same_fit_in_another_process(pairs, tmp_path):
    def given(seed=0, mask=0):
        mask = np.eye(16, dtype=bool) & (np.arange(16) == mask)
        detector = make_pipeline(
            PhotonNoise(1e4, random_state=np.random.RandomState(seed)), MissingPixels(mask)
        )
        return {"detector": detector, "checkpoint": tmp_path / "run.checkpoint"} | SMALL

    PhaseRetrievalRegressor(**given()).fit(*pairs)
    PhaseRetrievalRegressor(**given()).fit(*pairs)
    with pytest.raises(ValueError, match="another fit, with detector="):
        PhaseRetrievalRegressor(**given(mask=3)).fit(*pairs)


def test_a_checkpoint_does_not_grow_and_may_be_moved(pairs, tmp_path):
    first, moved = tmp_path / "run.checkpoint", tmp_path / "moved.checkpoint"
    fit_and_die(20, first, pairs)
    size = first.stat().st_size
    first.rename(moved)
    for _ in range(2):  # each runs for an epoch, then dies
        fit_and_die(9, moved, pairs)
        assert moved.stat().st_size < 1.05 * size
    Dying(checkpoint=moved, **SMALL).fit(*pairs)
    assert not first.exists()
