"""Shared objects: random batches over the dtypes, dimensions and parities the package promises.

Two environment variables try the suite under other conditions. `SKPR_TEST_SEED` (0 unless set) is
added to every integer seed: those of the tests' own generators and those that estimators and data
sets are given. `SKPR_TEST_THREADS` (1 unless set) is the number of threads that torch computes
with."""

import os
import sys
from numbers import Integral

import numpy as np
import pytest
import sklearn.utils
import torch

SEED = int(os.environ.get("SKPR_TEST_SEED", "0"))


def offset(from_seed):
    """A function of a seed, made to take another one for every integer."""
    return lambda seed=None: from_seed(seed + SEED if isinstance(seed, Integral) else seed)


if SEED:  # before anything imports them by name
    np.random.default_rng = offset(np.random.default_rng)
    sklearn.utils.check_random_state = offset(sklearn.utils.check_random_state)

from skpr.augmentation import draw_elements  # noqa: E402
from skpr.symmetry import act  # noqa: E402

same_seeds_in_workers = pytest.mark.skipif(
    SEED != 0, reason="processes that joblib starts do not know SKPR_TEST_SEED"
)
SHAPES = [(11,), (12,), (9, 10), (12, 12), (6, 7, 8)]
DTYPES = ["float32", "float64", "complex64", "complex128"]


def pytest_collection_modifyitems(config, items):
    """Leave out under other seeds what holds for seed 0: the examples in docstrings, and that a
    check must fail.
    """
    if not SEED:
        return
    examples = [item for item in items if isinstance(item, pytest.DoctestItem)]
    config.hook.pytest_deselected(items=examples)
    items[:] = [item for item in items if not isinstance(item, pytest.DoctestItem)]
    for item in items:
        for mark in list(
            item.iter_markers("xfail")
        ):  # two trainings may come to the same by chance
            item.add_marker(
                pytest.mark.xfail(*mark.args, **mark.kwargs | {"strict": False}), append=False
            )


@pytest.fixture(scope="session", autouse=True)
def _threads():
    torch.set_num_threads(int(os.environ.get("SKPR_TEST_THREADS", "1")))


@pytest.fixture(autouse=True)
def _own_generators():
    """No test depends on what others before it drew from the global generators."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002


def random_objects(shape, dtype, n_samples=24, boundary="zero", seed=0):
    """Random non-negative (or complex) objects; with "zero", small content at random places of a
    dark frame.
    """
    rng = np.random.default_rng(seed)
    objects = rng.random((n_samples, *shape))
    if np.dtype(dtype).kind == "c":
        objects = objects * np.exp(2j * rng.random((n_samples, *shape)))
    if boundary == "zero":
        for sample in objects:
            mask = np.zeros(shape, dtype=bool)
            sizes = [rng.integers(max(2, n // 3), 2 * n // 3 + 1) for n in shape]
            starts = [rng.integers(0, n - size + 1) for n, size in zip(shape, sizes, strict=True)]
            mask[tuple(slice(a, a + s) for a, s in zip(starts, sizes, strict=True))] = True
            sample[~mask] = 0
    return objects.astype(dtype)


def random_members(objects, boundary="zero", flip=True, phase=True, shift=True, seed=1):
    """Another random member of each object's orbit."""
    element = draw_elements(
        objects,
        max_shift=None if shift else 0,
        flip_probability=0.5 if flip else 0.0,
        random_phase=phase and np.iscomplexobj(objects),
        boundary=boundary,
        random_state=seed,
    )
    return act(objects, element, boundary)


def relative_difference(a, b):
    """Largest difference between two batches, relative to the largest value of each sample."""
    axes = tuple(range(1, a.ndim))
    scale = np.abs(b).max(axis=axes)
    return float((np.abs(a - b).max(axis=axes) / np.where(scale > 0, scale, 1)).max())


def tolerance(dtype):
    """Rounding allowed in a result of this precision."""
    return 1e-4 if np.dtype(dtype) in (np.float32, np.complex64) else 1e-8


@pytest.fixture(params=SHAPES, ids=str)
def object_shape(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(params=["zero", "circular"])
def boundary(request):
    return request.param


@pytest.fixture(autouse=True)
def _close_figures():
    """Close figures, also those of docstrings; matplotlib warns of more than twenty open ones."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
