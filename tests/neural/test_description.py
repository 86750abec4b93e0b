"""Descriptions of values, and digests of data."""

import importlib
import os
import subprocess
import sys
import threading
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import LRScheduler
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split

from skpr import LazyBatch
from skpr.detector import MissingPixels, PhotonNoise
from skpr.neural import MLP, OrbitLoss
from skpr.neural._description import NotComparable, described, digest_of

power = 2


def raised(m):
    return m**power


def multiplied(factor):
    return lambda m: factor * m


class Adding:
    """Transformer that belongs to no library."""

    def __init__(self, offset):
        self.offset = offset

    def transform(self, X):
        return X + self.offset


class Slotted:
    __slots__ = ("offset",)

    def __init__(self, offset):
        self.offset = offset


class Registered:
    """Class whose attributes are settings."""

    factors = [1, 2]


class RegisteredToo:
    factors = [1, 3]


RegisteredToo.__qualname__ = "Registered"


def tagged(power):
    def raised(m):
        return m**raised.power

    raised.power = power
    return raised


def frozen_scaler(offset):
    return FrozenEstimator(StandardScaler().fit(np.eye(3) + offset))


class Doubled:
    def transform(self, X):
        return 2 * X


class Tripled:
    def transform(self, X):
        return 3 * X


Tripled.__qualname__ = "Doubled"


def fixed_split(value):
    return predefined_split(Dataset([[1.0]], [value]))


def linear(value):
    module = torch.nn.Linear(3, 2)
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, value)
    return module


def frozen():
    module = linear(0)
    module.weight.requires_grad_(False)
    return module


OTHERS = {
    "numbers": (lambda: 1e-3, lambda: 1e-3 * (1 + 1e-12)),
    "switches": (lambda: True, lambda: 1),
    "partials": (lambda: partial(OrbitLoss, flip=True), lambda: partial(OrbitLoss, flip=False)),
    "splits": (lambda: ValidSplit(0.1), lambda: ValidSplit(0.5)),
    "validation sets": (
        lambda: predefined_split(Dataset([[1.0]], [1])),
        lambda: predefined_split(Dataset([[1.0]], [2])),
    ),
    "generators": (lambda: np.random.RandomState(0), lambda: np.random.RandomState(1)),
    "generators of torch": (
        lambda: torch.Generator().manual_seed(0),
        lambda: torch.Generator().manual_seed(1),
    ),
    "lambdas": (
        lambda: FunctionTransformer(lambda m: m**2),
        lambda: FunctionTransformer(lambda m: m**3),
    ),
    "closures": (lambda: multiplied(2), lambda: multiplied(3)),
    "defaults": (lambda: lambda m, p=1: m**p, lambda: lambda m, p=2: m**p),
    "nested functions": (
        lambda: lambda m: (x + 1 for x in m),
        lambda: lambda m: (x + 2 for x in m),
    ),
    "objects": (lambda: Adding(1), lambda: Adding(2)),
    "objects with slots": (lambda: Slotted(1), lambda: Slotted(2)),
    "bound methods": (lambda: Adding(1).transform, lambda: Adding(2).transform),
    "classes of one name": (Doubled, Tripled),
    "arrays": (lambda: np.eye(3), lambda: np.eye(3) + np.eye(3, k=1)),
    "arrays inside": (lambda: [{"mask": np.eye(3)}], lambda: [{"mask": np.ones((3, 3))}]),
    "modules": (lambda: linear(0), lambda: linear(1)),
    "frozen modules": (lambda: linear(0), frozen),
    "frozen estimators": (lambda: frozen_scaler(0), lambda: frozen_scaler(1)),
    "settings of classes": (lambda: Registered, lambda: RegisteredToo),
    "settings of functions": (lambda: tagged(1), lambda: tagged(2)),
    "pipelines": (
        lambda: make_pipeline(PhotonNoise(1e4), MissingPixels(np.eye(4, dtype=bool))),
        lambda: make_pipeline(PhotonNoise(1e4), MissingPixels(np.ones((4, 4), dtype=bool))),
    ),
    "callbacks": (
        lambda: LRScheduler("StepLR", step_size=1),
        lambda: LRScheduler("StepLR", step_size=2),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_told_apart_and_equals_are_not(name):
    first, second = OTHERS[name]
    assert described(first()) != described(second())
    assert described(first()) == described(first())
    assert described(second()) == described(second())


def test_a_global_variable_of_a_function_counts(monkeypatch):
    before = described(raised)
    monkeypatch.setattr(sys.modules[__name__], "power", 3)
    assert described(raised) != before


def test_a_constant_of_a_module_of_ones_own_counts(tmp_path, monkeypatch):
    (tmp_path / "settings_of_mine.py").write_text("width = 8")
    monkeypatch.syspath_prepend(tmp_path)
    settings = importlib.import_module("settings_of_mine")

    def build(**shapes):
        return MLP(hidden_width=settings.width, **shapes)

    before = described(build)
    monkeypatch.setattr(settings, "width", 9)
    assert described(build) != before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1e-3, np.float64(1e-3)),
        (8, np.int64(8)),
        (8, 8.0),
        (True, np.bool_(True)),
        ("mlp", np.str_("mlp")),
        ((0.9, 0.99), [np.float64(0.9), 0.99]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({3, 1, 2}, {2, 3, 1}),
        (np.eye(3), torch.eye(3, dtype=torch.float64).numpy()),
    ],
)
def test_the_same_in_another_type_is_the_same(first, second):
    assert described(first) == described(second)


def test_recursion_ends():
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    loop = []
    loop.append(loop)
    assert described(factorial) == described(factorial)
    assert described(loop) == described(loop)
    assert described(Fraction(1, 3)) != described(Fraction(2, 3))


@pytest.mark.parametrize(
    "made", [threading.Lock, lambda: Adding(threading.Lock()), lambda: (x for x in [1])]
)
def test_what_cannot_be_compared_says_so(made):
    with pytest.raises(NotComparable):
        described(made())


@pytest.mark.slow
def test_another_process_says_the_same(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy as np, torch\nfrom skpr.neural._description import described\n"
        "class Own:\n    def __init__(self): self.names = {'a', 'b', 'c'}\n    def f(self): "
        "return self.names\n"
        "values = [Own(), lambda m: {1, 'a', None}, np.random.RandomState(0), torch.nn.ReLU(), "
        "torch.Generator()]\n"
        "print(described(values))"
    )
    texts = [
        subprocess.run(
            [sys.executable, program],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] != b""


def test_data_are_the_same_wherever_they_are(tmp_path):
    x = np.random.default_rng(0).random((3000, 20, 20)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    on_disk = LazyBatch(np.load(tmp_path / "x.npy", mmap_mode="r"))
    for other in (
        torch.from_numpy(x),
        on_disk,
        np.asfortranarray(x),
        torch.from_numpy(x).requires_grad_(),
    ):
        assert digest_of(other) == digest_of(x)


@pytest.mark.parametrize(
    "made",
    [
        lambda x: torch.complex(x, x).conj(),
        lambda x: torch.complex(x, x).conj().imag,
        lambda x: x.bfloat16(),
        lambda x: x.half(),
        lambda x: x.to_sparse(),
        lambda x: x > 0,
        lambda x: x[::2, ::2].T,
    ],
    ids=["conjugate", "negative", "bfloat16", "half", "sparse", "bool", "strided"],
)
def test_tensors_of_any_kind_are_described(made):
    first, second = made(torch.eye(4)), made(torch.eye(4) * torch.arange(4))
    assert described(first) == described(made(torch.eye(4)))
    assert described(first) != described(second)


@pytest.mark.parametrize("place", [(0, 0, 0), (1, 3, 4), (2999, 19, 19)])
def test_every_value_counts(place):
    x = np.random.default_rng(0).random((3000, 20, 20)).astype(np.float32)
    other = x.copy()
    other[place] = np.nextafter(x[place], np.float32(2))
    assert digest_of(other) != digest_of(x)
    assert digest_of(x.reshape(3000, 10, 40)) != digest_of(x)
    assert digest_of(x.astype(float)) != digest_of(x)
