"""Checkpoint files: valid names, damage, and files of others."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr._files import _machine, write_sealed
from skpr.detector import PhotonNoise
from skpr.exceptions import ModelFileError
from skpr.neural import MLP
from tests.conftest import random_objects
from tests.neural.dying import SMALL


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_epochs": 7}, "belongs to another fit, with max_epochs=6 and not 7"),
        ({"random_state": 1}, "belongs to another fit, with random_state=0 and not 1"),
        ({"detector": PhotonNoise(1e3)}, "belongs to another fit, with detector="),
        (
            {"module__hidden_width": 8},
            "belongs to another fit, with module__hidden_width=16 and not 8",
        ),
        (
            {"callbacks__schedule": None},
            "belongs to another fit, with callbacks__schedule=<default> and not None",
        ),
        (
            {"optimizer__betas": (0.5, 0.9)},
            r"belongs to another fit, with optimizer__betas=<default> and not \(0.5, 0.9\)",
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
    with pytest.raises(ValueError, match="belongs to another fit, with module=.*<lambda>"):
        fit(lambda fourier_shape, object_shape: MLP(fourier_shape, object_shape, hidden_width=9))


@pytest.mark.parametrize("place", [(0, 3, 3), (7, 2, 5), (47, 4, 4)])
@pytest.mark.parametrize("which", ["magnitudes", "objects", "weights"])
def test_a_checkpoint_of_other_data_is_refused(which, place, pairs, tmp_path):
    given = {"magnitudes": pairs[0], "objects": pairs[1], "weights": np.ones(48)}
    other = given | {which: given[which].copy()}
    other[which][place[: other[which].ndim]] += 0.25
    for values, expected in (
        (given, None),
        (other, "to a fit of other data|with fit_params__sample_weight="),
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
        ModelFileError, match="was written by another version of skpr and cannot be resumed"
    ):
        PhaseRetrievalRegressor(checkpoint=tmp_path / "run.checkpoint", **SMALL).fit(*pairs)


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
    """Callback that replaces the checkpoint after the second epoch."""

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
        UserWarning,
        match="training continues, but the checkpoint after . epochs could not be written",
    ):
        net.fit(*pairs)
    assert len(net.history) == 3
    assert path.read_text() == "mine"
