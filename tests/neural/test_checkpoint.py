"""A training that is killed and goes on to the weights it would have come to."""

import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, LRScheduler

from skpr import FourierMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr.augmentation import RandomDeformation
from skpr.detector import MissingPixels, PhotonNoise
from skpr.exceptions import ModelFileError
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 16, "max_epochs": 6, "batch_size": 8, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


class Killed(BaseException):
    """Ends a process, as far as the estimator can tell."""


class Dying(PhaseRetrievalRegressor):
    """Dies in the middle of a training."""

    steps_to_live = []  # of the next training, of any such network; forever if empty

    def train_step_single(self, batch, **fit_params):
        if self.steps_to_live:
            if self.steps_to_live[0] == 0:
                self.steps_to_live.clear()
                raise Killed
            self.steps_to_live[0] -= 1
        return super().train_step_single(batch, **fit_params)


def weights(net):
    return [value.clone() for value in net.module_.state_dict().values()]


def assert_same(net, other):
    assert all(torch.equal(a, b) for a, b in zip(weights(net), weights(other), strict=True))
    for name in ("epoch", "train_loss"):
        assert net.history[:, name] == other.history[:, name]


def fit_and_die(steps, path, pairs, **parameters):
    net = Dying(checkpoint=path, **SMALL | parameters)
    Dying.steps_to_live[:] = [steps]
    with pytest.raises(Killed):
        net.fit(*pairs)


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
    fit_and_die(2, path, pairs, **again())  # within the first epoch: nothing is on disk yet
    assert not path.exists()
    fit_and_die(9, path, pairs, **again())
    fit_and_die(5, path, pairs, **again())
    assert_same(Dying(checkpoint=path, **again()).fit(*pairs), expected)


def test_without_a_seed_it_goes_on_with_the_seed_it_had(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    expected = Dying(checkpoint=tmp_path / "whole.checkpoint", **SMALL | {"random_state": None}).fit(*pairs)
    fit_and_die(14, path, pairs, random_state=None)
    first = Dying(checkpoint=path, **SMALL | {"random_state": None}).fit(*pairs)
    second = Dying(checkpoint=path, **SMALL | {"random_state": None}).fit(*pairs)
    assert_same(first, second)
    assert not torch.equal(weights(first)[-1], weights(expected)[-1])


def test_a_training_that_had_ended_is_not_repeated(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    first = Dying(checkpoint=path, **SMALL).fit(*pairs)
    net = Dying(checkpoint=path, **SMALL)
    Dying.steps_to_live[:] = [0]
    assert_same(net.fit(*pairs), first)
    Dying.steps_to_live.clear()
    np.testing.assert_array_equal(net.predict(pairs[0]), first.predict(pairs[0]))


def test_an_interrupted_training_goes_on_too(pairs, tmp_path, monkeypatch):
    path = tmp_path / "run.checkpoint"
    expected = Dying(**SMALL).fit(*pairs)
    monkeypatch.setattr("tests.neural.test_checkpoint.Killed", KeyboardInterrupt)
    net = Dying(checkpoint=path, **SMALL)
    Dying.steps_to_live[:] = [15]
    net.fit(*pairs)  # Ctrl-C: a usable estimator
    assert np.isfinite(net.predict(pairs[0])).all()
    assert len(net.history) < SMALL["max_epochs"]
    assert_same(Dying(checkpoint=path, **SMALL).fit(*pairs), expected)


def test_it_is_a_parameter_of_the_pipeline(pairs, tmp_path):
    model = make_phase_retriever(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(pairs[1], pairs[1])
    again = make_phase_retriever(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(pairs[1], pairs[1])
    np.testing.assert_array_equal(model.predict(pairs[1]), again.predict(pairs[1]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_epochs": 7}, "is of another fit, with max_epochs=6 and not 7"),
        ({"random_state": 1}, "is of another fit, with random_state=0 and not 1"),
        ({"detector": PhotonNoise(1e3)}, "is of another fit, with detector="),
        ({"module__hidden_width": 8}, "is of another fit, with module__hidden_width=16 and not 8"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused_and_kept(parameters, message, pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    PhaseRetrievalRegressor(checkpoint=path, **SMALL).fit(*pairs)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(checkpoint=path, **SMALL | parameters).fit(*pairs)
    assert path.read_bytes() == content


def test_a_checkpoint_of_other_data_is_refused(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    PhaseRetrievalRegressor(checkpoint=path, **SMALL).fit(*pairs)
    with pytest.raises(ValueError, match="of a fit to other data"):
        PhaseRetrievalRegressor(checkpoint=path, **SMALL).fit(pairs[0], 2 * pairs[1])


@pytest.mark.parametrize("checkpoint", [3, "nowhere/run.checkpoint"])
def test_what_is_no_place_for_one_is_refused_before_training(checkpoint, pairs):
    with pytest.raises((TypeError, ValueError), match="checkpoint="):
        PhaseRetrievalRegressor(checkpoint=checkpoint, **SMALL).fit(*pairs)


def test_damaged_checkpoints_are_refused(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    PhaseRetrievalRegressor(checkpoint=path, **SMALL | {"max_epochs": 2}).fit(*pairs)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        place = int(rng.integers(len(content)))
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        for damaged in (bytes(flipped), content[:place], rng.bytes(place % 1000)):
            path.write_bytes(damaged)
            with pytest.raises(ModelFileError):
                PhaseRetrievalRegressor(checkpoint=path, **SMALL | {"max_epochs": 2}).fit(*pairs)


PROGRAM = """
import sys, numpy as np, torch
from skpr import PhaseRetrievalRegressor
torch.set_num_threads(1)
data = np.load(sys.argv[1])
net = PhaseRetrievalRegressor(
    checkpoint=sys.argv[2], max_epochs=60, module__hidden_width=128, batch_size=4, device="cpu", random_state=0
)
print("ready", flush=True)
net.fit(data["magnitudes"], data["objects"])
np.save(sys.argv[3], net.predict(data["magnitudes"]))
"""


def test_a_process_killed_at_any_moment_comes_to_the_same_weights(pairs, tmp_path):
    np.savez(tmp_path / "data.npz", magnitudes=pairs[0], objects=pairs[1])

    def start(name):
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), tmp_path / "data.npz"]
        return subprocess.Popen(
            [*map(str, command), str(tmp_path / f"{name}.checkpoint"), str(tmp_path / f"{name}.npy")],
            stdout=subprocess.PIPE,
        )

    whole = start("whole")
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(5):
        process = start("killed")
        process.stdout.readline()
        time.sleep(rng.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert kills
    for process in (start("killed"), whole):
        process.communicate()
        assert process.returncode == 0
    np.testing.assert_array_equal(np.load(tmp_path / "killed.npy"), np.load(tmp_path / "whole.npy"))
    assert not list(tmp_path.glob(".*.checkpoint.*"))  # what was half written


def test_what_a_killed_process_left_half_written_is_removed(pairs, tmp_path):
    for name in (".run.checkpoint.abc", ".run2.checkpoint.abc"):
        (tmp_path / name).write_bytes(b"half")
    PhaseRetrievalRegressor(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(*pairs)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run2.checkpoint.abc", "run.checkpoint"]


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
        detector = make_pipeline(PhotonNoise(1e4, random_state=np.random.RandomState(seed)), MissingPixels(mask))
        return {"detector": detector, "checkpoint": tmp_path / "run.checkpoint"} | SMALL

    PhaseRetrievalRegressor(**given()).fit(*pairs)
    PhaseRetrievalRegressor(**given()).fit(*pairs)
    with pytest.raises(ValueError, match="of another fit, with detector="):
        PhaseRetrievalRegressor(**given(mask=3)).fit(*pairs)


def test_a_checkpoint_does_not_grow_and_may_be_moved(pairs, tmp_path):
    first, moved = tmp_path / "run.checkpoint", tmp_path / "moved.checkpoint"
    fit_and_die(20, first, pairs)
    size = first.stat().st_size
    first.rename(moved)
    for _ in range(2):  # each goes on for an epoch, and dies
        fit_and_die(9, moved, pairs)
        assert moved.stat().st_size < 1.05 * size
    Dying(checkpoint=moved, **SMALL).fit(*pairs)
    assert not first.exists()


class Counting(Callback):
    """A callback with a state of its own."""

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
