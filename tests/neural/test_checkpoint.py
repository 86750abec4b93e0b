"""A training that is killed and goes on to the weights it would have come to."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback, LRScheduler

from skpr import FourierMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr._files import _machine, write_sealed
from skpr.augmentation import RandomDeformation
from skpr.detector import MissingPixels, PhotonNoise
from skpr.exceptions import ModelFileError
from skpr.neural import MLP, TrainingCheckpoint
from tests import scripts
from tests.conftest import random_objects, same_seeds_in_workers

SMALL = {
    "module__hidden_width": 16,
    "max_epochs": 6,
    "batch_size": 8,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


class Killed(BaseException):
    """Ends a process, as far as the estimator can tell."""


STEPS_TO_LIVE = []  # of the next training, of any network that dies; forever if empty


class Dying(PhaseRetrievalRegressor):
    """Dies in the middle of a training."""

    def train_step_single(self, batch, **fit_params):
        left = sys.modules[__name__].STEPS_TO_LIVE  # looked up here, it is no setting of this class
        if left:
            if left[0] == 0:
                left.clear()
                raise Killed
            left[0] -= 1
        return super().train_step_single(batch, **fit_params)


def weights(net):
    return [value.clone() for value in net.module_.state_dict().values()]


def assert_same(net, other):
    assert all(torch.equal(a, b) for a, b in zip(weights(net), weights(other), strict=True))
    for name in ("epoch", "train_loss"):
        assert net.history[:, name] == other.history[:, name]


def fit_and_die(steps, path, pairs, **parameters):
    net = Dying(checkpoint=path, **SMALL | parameters)
    STEPS_TO_LIVE[:] = [steps]
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
    monkeypatch.setattr("tests.neural.test_checkpoint.Killed", KeyboardInterrupt)
    net = Dying(checkpoint=path, **SMALL)
    STEPS_TO_LIVE[:] = [15]
    net.fit(*pairs)  # Ctrl-C: a usable estimator
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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_epochs": 7}, "is of another fit, with max_epochs=6 and not 7"),
        ({"random_state": 1}, "is of another fit, with random_state=0 and not 1"),
        ({"detector": PhotonNoise(1e3)}, "is of another fit, with detector="),
        ({"module__hidden_width": 8}, "is of another fit, with module__hidden_width=16 and not 8"),
        (
            {"callbacks__schedule": None},
            "is of another fit, with callbacks__schedule=<default> and not None",
        ),
        (
            {"optimizer__betas": (0.5, 0.9)},
            r"is of another fit, with optimizer__betas=<default> and not \(0.5, 0.9\)",
        ),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused_and_kept(parameters, message, pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    PhaseRetrievalRegressor(checkpoint=path, **SMALL).fit(*pairs)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(checkpoint=path, **SMALL | parameters).fit(*pairs)
    assert path.read_bytes() == content


def test_two_functions_as_modules_are_told_apart(pairs, tmp_path):
    given = {
        "checkpoint": tmp_path / "run.checkpoint",
        "max_epochs": 1,
        "device": "cpu",
        "random_state": 0,
    }

    def fit(module):
        return PhaseRetrievalRegressor(module, **given).fit(*pairs)

    fit(lambda fourier_shape, object_shape: MLP(fourier_shape, object_shape, hidden_width=8))
    with pytest.raises(ValueError, match="is of another fit, with module=.*<lambda>"):
        fit(lambda fourier_shape, object_shape: MLP(fourier_shape, object_shape, hidden_width=9))


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
    with pytest.raises(ValueError, match="is of another network than the parameters build now"):
        PhaseRetrievalRegressor(build, **given).fit(*pairs)


@pytest.mark.parametrize("place", [(0, 3, 3), (7, 2, 5), (47, 4, 4)])
@pytest.mark.parametrize("which", ["magnitudes", "objects", "weights"])
def test_a_checkpoint_of_other_data_is_refused(which, place, pairs, tmp_path):
    given = {"magnitudes": pairs[0], "objects": pairs[1], "weights": np.ones(48)}
    other = given | {which: given[which].copy()}
    other[which][place[: other[which].ndim]] += 0.25
    for values, expected in (
        (given, None),
        (other, "of a fit to other data|with fit_params__sample_weight="),
    ):
        net = PhaseRetrievalRegressor(
            checkpoint=tmp_path / "run.checkpoint", **SMALL | {"max_epochs": 1}
        )
        with (
            contextlib.nullcontext()
            if expected is None
            else pytest.raises(ValueError, match=expected)
        ):
            net.fit(values["magnitudes"], values["objects"], sample_weight=values["weights"])


def test_the_same_number_in_another_type_is_the_same(pairs, tmp_path):
    for lr, width in ((1e-3, 8), (np.float64(1e-3), np.int64(8))):
        given = SMALL | {"lr": lr, "module__hidden_width": width, "max_epochs": 1}
        net = PhaseRetrievalRegressor(checkpoint=tmp_path / "run.checkpoint", **given).fit(*pairs)
    assert len(net.history) == 1


def test_what_cannot_be_compared_is_refused(pairs, tmp_path):
    with open(tmp_path / "log", "w") as log:
        detector = FunctionTransformer(lambda m, log=log: m)
        net = PhaseRetrievalRegressor(
            checkpoint=tmp_path / "run.checkpoint", detector=detector, **SMALL
        )
        with pytest.raises(
            TypeError,
            match="can be compared in another process, but detector=.* holds a _io.TextIO",
        ):
            net.fit(*pairs)


@pytest.mark.parametrize(
    "checkpoint",
    [3, b"run.checkpoint", "nowhere/run.checkpoint", ".", "", os.devnull, "run\0", "x" * 300],
)
def test_what_is_no_place_for_one_is_refused_before_training(checkpoint, pairs):
    with pytest.raises((TypeError, ValueError), match="checkpoint="):
        PhaseRetrievalRegressor(checkpoint=checkpoint, **SMALL).fit(*pairs)


def test_a_checkpoint_without_callbacks_is_refused(pairs, tmp_path):
    net = PhaseRetrievalRegressor(
        checkpoint=tmp_path / "run.checkpoint", callbacks="disable", **SMALL
    )
    with pytest.raises(ValueError, match="is a callback, but callbacks='disable'"):
        net.fit(*pairs)
    with pytest.raises(TypeError, match="TrainingCheckpoint is a class; give an instance"):
        PhaseRetrievalRegressor(callbacks=[TrainingCheckpoint], **SMALL).fit(*pairs)


def test_a_link_is_followed(pairs, tmp_path):
    (tmp_path / "run.checkpoint").symlink_to(tmp_path / "there")
    for _ in range(2):
        PhaseRetrievalRegressor(
            checkpoint=tmp_path / "run.checkpoint", **SMALL | {"max_epochs": 1}
        ).fit(*pairs)
    assert (tmp_path / "run.checkpoint").is_symlink()
    assert (tmp_path / "there").is_file()


def test_a_file_of_something_else_is_refused_and_kept(pairs, tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ModelFileError, match="notes was not written by skpr"):
        PhaseRetrievalRegressor(checkpoint=tmp_path / "notes", **SMALL).fit(*pairs)
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_checkpoint_of_an_earlier_layout_is_refused(pairs, tmp_path):
    write_sealed(tmp_path / "run.checkpoint", "checkpoint", b"PK...")
    with pytest.raises(
        ModelFileError, match="is of another version of skpr, which cannot be resumed"
    ):
        PhaseRetrievalRegressor(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(*pairs)


def test_the_epochs_of_fit_are_those_of_the_checkpoint(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    expected = Dying(**SMALL).fit(*pairs, epochs=4)
    STEPS_TO_LIVE[:] = [15]
    with pytest.raises(Killed):
        Dying(checkpoint=path, **SMALL).fit(*pairs, epochs=4)
    with pytest.raises(ValueError, match="is of another fit, with max_epochs=4 and not 6"):
        Dying(checkpoint=path, **SMALL).fit(*pairs)
    assert_same(Dying(checkpoint=path, **SMALL).fit(*pairs, epochs=4), expected)


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
    assert not list(tmp_path.glob(".*.checkpoint.*"))  # what was half written


def test_files_of_others_are_never_touched(pairs, tmp_path):
    mine = [".run.settings", ".run.bak", ".run", "run.b", ".run.b.0123"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".run.d").mkdir()
    PhaseRetrievalRegressor(checkpoint=tmp_path / "run", **SMALL | {"max_epochs": 2}).fit(*pairs)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*mine, ".run.d", "run"])
    assert {(tmp_path / name).read_text() for name in mine} == {"mine"}


def test_what_a_killed_process_left_half_written_is_removed(pairs, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / f".skpr-{_machine()}-{process.pid}-0123456789abcdef.tmp").write_bytes(b"skpr chec")
    PhaseRetrievalRegressor(
        checkpoint=tmp_path / "run.checkpoint", **SMALL | {"max_epochs": 1}
    ).fit(*pairs)
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]


class Intruding(Callback):
    """Puts something else where the checkpoint was, after the second epoch."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            self.path.unlink()
            self.path.write_text("mine")


def test_what_others_put_in_its_place_is_left_to_them(pairs, tmp_path):
    path = tmp_path / "run.checkpoint"
    net = PhaseRetrievalRegressor(
        checkpoint=path, callbacks=[Intruding(path)], **SMALL | {"max_epochs": 3}
    )
    with pytest.warns(
        UserWarning, match="the training goes on, but its state after . epochs is not on disk"
    ):
        net.fit(*pairs)
    assert len(net.history) == 3
    assert path.read_text() == "mine"


class Starting(Callback):
    """Starts another training with the same checkpoint in the middle of the first epoch."""

    def __init__(self, net):
        self.net = net

    def on_batch_begin(self, net, training=False, **kwargs):
        if training and not hasattr(self, "refused_"):
            with pytest.raises(ValueError, match="is of another fit, with lr=") as self.refused_:
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
    np.testing.assert_allclose(
        found, expected, atol=1e-3
    )  # workers may compute with another number of threads
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 5  # two candidates, two folds, and the best one again
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
