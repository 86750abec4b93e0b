import importlib
import json
import lzma
import pickle
import re
import warnings
import zipfile
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit

import skpr
from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr._files import read_sealed, write_sealed
from skpr.augmentation import RandomDeformation
from skpr.composition import NetworkRefiner, RetrievedTargetRegressor
from skpr.detector import BeamStop, MissingPixels, PhotonNoise
from skpr.exceptions import ModelFileError, VersionWarning
from skpr.metrics import relative_error
from skpr.neural import MLP, EstimateRegressor, OrbitLoss, SymmetricError, TrainingCheckpoint
from skpr.neural._identity import fit_identity
from skpr.persistence import _FORMER, TRUSTED_TYPES, load_model, save_model
from tests.conftest import random_objects

skops = pytest.importorskip("skops.io")
SMALL = {"module__hidden_width": 16, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def objects():
    return random_objects((8, 8), "float32", n_samples=48)


@pytest.fixture(scope="module")
def model(objects):
    return make_phase_retriever(**SMALL).fit(objects, objects)


@pytest.fixture
def path(model, tmp_path):
    save_model(model, tmp_path / "model.skpr")
    return tmp_path / "model.skpr"


def described(model):
    """Parameters as text, without the places of objects in memory."""
    return {
        name: re.sub("0x[0-9a-fA-F]+", "", repr(value))
        for name, value in model.get_params().items()
    }


def same(first, second):
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"module": "unet", "module__width": 4, "early_stopping": True},
        {
            "augmenter": RandomDeformation(),
            "detector": make_pipeline(PhotonNoise(1e5), BeamStop((0, 3))),
        },
        {"refiner": IterativePhaseRetrieval(n_iter=3, random_state=0)},
        {"criterion": "orbit", "random_state": np.random.RandomState(4)},
        {
            "detector": MissingPixels(mask=np.eye(16, dtype=bool)),
            "shift": "box",
            "flip": "principal",
        },
    ],
    ids=["mlp", "unet", "steps", "refined", "orbit", "mask"],
)
@pytest.mark.parametrize("way", ["file", "pickle", "joblib"])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_model_comes_back_as_it_was(parameters, way, dtype, tmp_path):
    objects = random_objects((8, 8), dtype, n_samples=32)
    model = make_phase_retriever(**SMALL | parameters).fit(objects, objects)
    if way == "pickle":
        again = pickle.loads(pickle.dumps(model))
    elif way == "joblib":
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    else:
        save_model(model, tmp_path / "model.skpr")
        again = load_model(tmp_path / "model.skpr")
    same(again.predict(objects), model.predict(objects))
    assert described(again) == described(model)


@pytest.mark.parametrize(
    "estimator",
    [
        FourierMagnitude(centered=False),
        GaussianMagnitude(random_state=0),
        ShiftFlipAugmenter(random_state=0),
        RandomDeformation(random_state=0),
        SymmetryCanonicalizer(),
        SymmetryCanonicalizer("centroid", "principal", None),
        make_pipeline(FourierMagnitude(), PhotonNoise(1e4, random_state=0), BeamStop(3)),
    ],
    ids=str,
)
def test_transformers_come_back_too(estimator, objects, tmp_path):
    expected = estimator.fit(objects).transform(objects)
    save_model(estimator, tmp_path / "model.skpr")
    same(load_model(tmp_path / "model.skpr").transform(objects), expected)


def test_a_refiner_by_a_network_comes_back(objects, tmp_path):
    magnitudes = FourierMagnitude().fit_transform(objects)
    network = EstimateRegressor(max_epochs=1, module__width=8, device="cpu")
    iterations = IterativePhaseRetrieval("raar", 10, n_starts=2, device="cpu")
    refiner = NetworkRefiner(network, iterations, n_starts=2, random_state=0)
    expected = refiner.fit(magnitudes, objects).predict(magnitudes)
    save_model(refiner, tmp_path / "model.skpr")
    same(load_model(tmp_path / "model.skpr").predict(magnitudes), expected)


def test_a_regressor_on_retrieved_targets_comes_back(objects, tmp_path):
    magnitudes = FourierMagnitude().fit_transform(objects)
    network = PhaseRetrievalRegressor(**SMALL)
    retriever = IterativePhaseRetrieval(n_iter=30, n_starts=2, device="cpu")
    model = RetrievedTargetRegressor(network, retriever, random_state=0).fit(magnitudes)
    save_model(model, tmp_path / "model.skpr")
    loaded = load_model(tmp_path / "model.skpr")
    same(loaded.predict(magnitudes), model.predict(magnitudes))
    same(loaded.targets_, model.targets_)
    assert loaded.score(magnitudes) == model.score(magnitudes)


def test_networks_train_on_where_they_were(objects):
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(**SMALL).fit(magnitudes, objects)
    again = pickle.loads(pickle.dumps(net))
    assert again.history[:, "train_loss"] == net.history[:, "train_loss"]
    for trained in (net, again):
        trained.partial_fit(magnitudes, objects)
    same(again.predict(magnitudes), net.predict(magnitudes))


def test_reading_leaves_torchs_generator_alone(path):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    load_model(path)
    torch.testing.assert_close(torch.rand(3), expected)


def test_unfitted_networks_and_searches_come_back(objects, tmp_path):
    assert not pickle.loads(pickle.dumps(PhaseRetrievalRegressor(**SMALL))).__sklearn_is_fitted__()
    grid = {"retrieve__transformer__canonicalize__flip": [None, "moment"]}
    search = GridSearchCV(make_phase_retriever(**SMALL), grid, cv=2).fit(objects, objects)
    with pytest.raises(TypeError, match="GridSearchCV holds types .*; save its best_estimator_"):
        save_model(search, tmp_path / "search.skpr")
    save_model(search.best_estimator_, tmp_path / "best.skpr")
    same(load_model(tmp_path / "best.skpr").predict(objects), search.predict(objects))
    strangers = set(skops.get_untrusted_types(data=skops.dumps(search))) - set(TRUSTED_TYPES)
    save_model(search, tmp_path / "search.skpr", trusted=strangers)
    same(
        load_model(tmp_path / "search.skpr", trusted=strangers).predict(objects),
        search.predict(objects),
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_network_of_a_gpu_is_read_where_there_is_none(objects):
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(**SMALL).fit(magnitudes, objects)
    expected = net.predict(magnitudes)
    net.device = (
        "cuda"  # as if it had been trained on one: weights are kept as arrays wherever they were
    )
    again = pickle.loads(pickle.dumps(net))
    assert again.device == "cuda"
    same(again.predict(magnitudes), expected)


def test_a_file_of_another_version_says_so(path, monkeypatch):
    monkeypatch.setattr(skpr, "__version__", "0.7.3")
    with pytest.warns(
        VersionWarning, match="was written by skpr 0.1.0 and is read by 0.7.3"
    ) as warned:
        load_model(path)
    assert len(warned) == 1


@pytest.mark.parametrize(
    "model",
    [SymmetryCanonicalizer(), FourierMagnitude(), PhaseRetrievalRegressor()],
    ids=["canon", "fourier", "net"],
)
@pytest.mark.parametrize("version", ["0.1.1", "0.0.9", "1.0.0"])
def test_every_kind_of_model_says_that_another_version_wrote_it(
    model, version, tmp_path, monkeypatch
):
    monkeypatch.setattr(skpr, "__version__", version)
    save_model(model, tmp_path / "model.skpr")
    monkeypatch.undo()
    with pytest.warns(
        VersionWarning, match=f"was written by skpr {version} and is read by {skpr.__version__}"
    ):
        load_model(tmp_path / "model.skpr")


def test_a_file_of_a_later_format_is_refused(path, monkeypatch):
    path.write_bytes(path.read_bytes().replace(b"skpr model 1\n", b"skpr model 2\n", 1))
    with pytest.raises(
        ModelFileError,
        match="has format 2, which a later version of skpr wrote; this one reads format 1",
    ):
        load_model(path)


def test_damaged_files_are_refused(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(200):
        place = int(rng.integers(len(content)))
        if number % 3 == 0:
            damaged = (
                content[:place]
                + bytes([content[place] ^ 1 << int(rng.integers(8))])
                + content[place + 1 :]
            )
        elif number % 3 == 1:
            damaged = content[:place]
        else:
            damaged = rng.bytes(int(rng.integers(2000)))
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="model.skpr"):
            load_model(path)


def executed(*args):
    raise AssertionError("something in the file was executed")


class Payload:
    def __reduce__(self):
        return executed, ()


class Stranger(BaseEstimator):
    pass


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"skpr": "0.1.0"}\nnot a zip',
        pickle.dumps(Payload()),
        b'{"skpr": 1}\n' + pickle.dumps(Payload()),
    ],
)
def test_files_with_other_content_are_refused_and_not_executed(content, tmp_path):
    write_sealed(tmp_path / "model.skpr", "model", content)
    with pytest.raises(ModelFileError, match="is not a model file"):
        load_model(tmp_path / "model.skpr")


@pytest.mark.parametrize("name", ["builtins.eval", "os.system", "tests.test_persistence.executed"])
def test_functions_named_in_a_file_are_not_called(name, path):
    header, _, content = read_sealed(path, "model").partition(b"\n")
    (path.parent / "inside.zip").write_bytes(content)
    module, _, function = name.rpartition(".")
    changed = path.parent / "changed.zip"
    with zipfile.ZipFile(path.parent / "inside.zip") as old, zipfile.ZipFile(changed, "w") as new:
        for entry in old.namelist():
            part = old.read(entry)
            if entry == "schema.json":
                schema = json.loads(part)
                schema |= {
                    "__class__": function,
                    "__module__": module,
                    "__loader__": "FunctionNode",
                }
                part = json.dumps(
                    schema | {"content": {"function": function, "module_path": module}}
                ).encode()
            new.writestr(entry, part)
    write_sealed(path, "model", header + b"\n" + changed.read_bytes())
    with pytest.raises(ModelFileError):
        load_model(path)


def test_types_that_are_not_known_need_to_be_trusted(tmp_path):
    name = "tests.test_persistence.Stranger"
    with pytest.raises(
        TypeError, match=f"does not trust: {name}; if others may trust them, pass trusted="
    ):
        save_model(Stranger(), tmp_path / "model.skpr")
    assert not (tmp_path / "model.skpr").exists()
    save_model(Stranger(), tmp_path / "model.skpr", trusted=name)
    with pytest.raises(
        ModelFileError, match=f"not trusted: {name}; if you know where it comes from, pass trusted="
    ):
        load_model(tmp_path / "model.skpr")
    assert isinstance(load_model(tmp_path / "model.skpr", trusted=[name]), Stranger)


class Own(torch.nn.Module):
    """A network of the user's own."""


@pytest.mark.parametrize(
    "parameters",
    [
        {"device": torch.device("cpu")},
        {"optimizer": torch.optim.SGD},
        {"optimizer": torch.optim.Adam, "optimizer__betas": (0.5, 0.9)},
        {"criterion": torch.nn.L1Loss},
        {"criterion": partial(OrbitLoss, flip=False)},
        {"module": MLP},
        {
            "callbacks": [
                ("schedule", LRScheduler("StepLR", step_size=2)),
                EarlyStopping("train_loss"),
            ]
        },
        {
            "callbacks": [
                LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2),
                SymmetricError(),
            ]
        },
        {"callbacks": [TrainingCheckpoint(Path("run.checkpoint"))]},
        {"train_split": ValidSplit(5)},
        {"checkpoint": Path("run.checkpoint")},
        {"lr": np.float64(1e-3)},
    ],
    ids=[
        "device",
        "sgd",
        "adam",
        "loss",
        "partial",
        "class",
        "schedule",
        "scheduler",
        "checkpoint",
        "split",
        "path",
        "lr",
    ],
)
def test_what_is_written_can_be_read(parameters, tmp_path):
    net = PhaseRetrievalRegressor(**parameters)
    save_model(net, tmp_path / "model.skpr")
    again = load_model(tmp_path / "model.skpr")
    assert fit_identity(again, None, None, 1, {}) == fit_identity(net, None, None, 1, {})
    assert str(again.device) == str(net.device)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"module": Own},
            r"does not trust: tests.test_persistence.Own; if others may trust them, pass "
            r"trusted=\[",
        ),
        (
            {"module": lambda **shapes: MLP(**shapes)},
            "does not trust: .*<lambda>; functions without a name",
        ),
        ({"iterator_train__generator": torch.Generator()}, "does not trust: torch._C.Generator"),
    ],
    ids=["module", "lambda", "generator"],
)
def test_what_could_not_be_read_is_not_written(parameters, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        save_model(PhaseRetrievalRegressor(**parameters), tmp_path / "model.skpr")
    assert not list(tmp_path.iterdir())


def test_a_network_of_ones_own_is_trusted_by_name(tmp_path):
    trusted = "tests.test_persistence.Own"
    save_model(PhaseRetrievalRegressor(Own), tmp_path / "model.skpr", trusted=[trusted])
    assert load_model(tmp_path / "model.skpr", trusted=[trusted]).module is Own
    net = PhaseRetrievalRegressor(lambda **shapes: Own())
    with pytest.raises(TypeError, match="<lambda>"):
        save_model(net, tmp_path / "other.skpr", trusted=["tests.test_persistence.<lambda>"])


@pytest.mark.parametrize("name", _FORMER)
def test_a_class_is_found_where_it_was(name):
    module, _, cls = name.rpartition(".")
    found = getattr(importlib.import_module(module), cls)
    home = importlib.import_module(found.__module__)
    assert getattr(home, cls) is found
    assert "._" not in found.__module__


FORMER = Path(__file__).parent / "former"


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_models_of_the_first_version_come_back(way, tmp_path):
    objects = (
        np.random.Generator(np.random.PCG64(0)).random((8, 4)).astype("float32")
    )  # whatever seeds others have
    content = lzma.decompress(
        (FORMER / f"model-0.1.0.{'skpr' if way == 'file' else 'pickle'}.xz").read_bytes()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)  # of scikit-learn's own classes
        warnings.simplefilter("ignore", VersionWarning)
        if way == "file":
            (tmp_path / "model.skpr").write_bytes(content)
            model = load_model(tmp_path / "model.skpr")
        else:
            model = pickle.loads(content)
    magnitudes = model[0].transform(objects)
    broken = model[-1].regressor_
    # what the first version predicted
    expected = [
        [0.02301069, -0.05689809, 0.00400108, 0.07585201],
        [-0.01442505, -0.09087997, 0.03658481, 0.0794317],
        [0.00608373, -0.08893058, 0.02644363, 0.0960692],
    ]
    np.testing.assert_allclose(broken.predict(magnitudes)[:3], expected, atol=1e-6)
    assert model.score(objects, objects) > 0.9
    assert described(clone(model)) == described(model)
    targets = broken.transformer_.transform(objects)
    error = relative_error(targets, broken.regressor_.predict(magnitudes))
    assert broken.regressor_.score(magnitudes, targets) == pytest.approx(1 - error, abs=1e-6)
    again = pickle.loads(pickle.dumps(model))
    same(again.predict(objects), model.predict(objects))


@pytest.mark.parametrize(
    "package", ["canonicalization", "composition", "detector", "iterative", "neural"]
)
def test_examples_are_where_they_are_looked_for(package):
    package = importlib.import_module(f"skpr.{package}")
    for cls in (getattr(package, name) for name in package.__all__):
        if isinstance(cls, type):
            assert cls.__module__ == package.__name__
            methods = (
                method
                for method in vars(cls).values()
                if callable(method) and not isinstance(method, type)
            )
            assert not [
                method for method in methods if ">>>" in (method.__doc__ or "")
            ]  # doctest would miss them


def test_the_trusted_types_are_all_there_are(model):
    assert set(skops.get_untrusted_types(data=skops.dumps(model))) <= set(TRUSTED_TYPES)


def test_a_file_of_another_kind_is_refused(tmp_path):
    write_sealed(tmp_path / "run.checkpoint", "checkpoint", b"state")
    with pytest.raises(ModelFileError, match="holds a skpr checkpoint, not a model"):
        load_model(tmp_path / "run.checkpoint")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing.skpr")


class Unwritable:
    def __getstate__(self):
        raise RuntimeError("this has no state")


def test_what_cannot_be_written_leaves_the_old_file(model, path):
    before = path.read_bytes()
    with pytest.raises(TypeError, match="cannot be written to a model file"):
        save_model(IterativePhaseRetrieval(n_iter=Unwritable()), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.skpr"]


def test_weights_go_to_safetensors_and_back(objects, tmp_path):
    pytest.importorskip("safetensors")
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(**SMALL).fit(magnitudes, objects)
    net.save_params(f_params=tmp_path / "weights.safetensors", use_safetensors=True)
    other = PhaseRetrievalRegressor(**SMALL | {"random_state": 1}).fit(magnitudes, objects)
    other.load_params(f_params=tmp_path / "weights.safetensors", use_safetensors=True)
    same(other.predict(magnitudes), net.predict(magnitudes))


class Remembering(PhaseRetrievalRegressor):
    """A user's network that learns something more."""

    def fit(self, X, y, **fit_params):
        super().fit(X, y, **fit_params)
        self.mean_image_ = np.asarray(y).mean(axis=0)
        self.history.record("spectrum", np.arange(3.0))
        return self


def test_what_others_add_to_a_network_comes_back_as_it_was(objects):
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = Remembering(**SMALL).fit(magnitudes, objects)
    net.module_.network.layers[0].weight.data = (
        net.module_.network.layers[0].weight.data.bfloat16().float()
    )
    again = pickle.loads(pickle.dumps(net))
    assert isinstance(again.mean_image_, np.ndarray)
    same(again.mean_image_, net.mean_image_)
    assert again.history[-1, "spectrum"] == [0, 1, 2]
    same(again.predict(magnitudes), net.predict(magnitudes))


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_network_of_a_device_that_is_not_here_reads_from_disk(device, objects, tmp_path):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(**SMALL).fit(magnitudes, objects)
    expected = net.predict(magnitudes)
    net.device = device
    again = pickle.loads(pickle.dumps(net))
    np.save(tmp_path / "magnitudes.npy", magnitudes)
    same(again.predict(np.load(tmp_path / "magnitudes.npy", mmap_mode="r")), expected)


def test_swapped_arguments_and_classes_are_refused(tmp_path):
    with pytest.raises(
        TypeError,
        match="takes a model and a path, but path is a FourierMagnitude: they are swapped",
    ):
        save_model(tmp_path / "model.skpr", FourierMagnitude())
    with pytest.raises(
        TypeError, match="FourierMagnitude is a class, not a model; give a fitted instance"
    ):
        save_model(FourierMagnitude, tmp_path / "model.skpr")


@pytest.mark.parametrize("trusted", [True, 1, [int]], ids=str)
def test_names_of_trusted_types_are_asked_for(tmp_path, trusted):
    save_model(SymmetryCanonicalizer(), tmp_path / "model.skpr")
    for call in (
        lambda: load_model(tmp_path / "model.skpr", trusted=trusted),
        lambda: save_model(SymmetryCanonicalizer(), tmp_path / "model.skpr", trusted=trusted),
    ):
        with pytest.raises(
            TypeError,
            match=r"^trusted=.* is not valid; give names of types, such as \['module.Class'\]",
        ):
            call()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.eye(3), "model is a ndarray, not an estimator: it has no method fit; save arrays by"),
        ({"net": 1}, "model is a dict, not an estimator: it has no method fit; give a fitted one"),
    ],
)
def test_what_is_no_estimator_is_refused(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        save_model(value, tmp_path / "model.skpr")
    assert not list(tmp_path.iterdir())


def test_a_retrieval_is_no_model(tmp_path):
    magnitudes = FourierMagnitude().fit_transform(np.eye(6)[None])
    found = IterativePhaseRetrieval(n_iter=2, random_state=0).fit(magnitudes).retrieve(magnitudes)
    with pytest.raises(TypeError, match="give the fitted retriever, or save its objects by"):
        save_model(found, tmp_path / "model.skpr")
