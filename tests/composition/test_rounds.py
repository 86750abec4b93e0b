from types import SimpleNamespace

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.composition._rounds import improved, lit, parts_of_starts, started


@pytest.fixture
def fitted():
    X = FourierMagnitude().fit_transform(np.random.default_rng(0).random((4, 8, 8)))
    iterations = IterativePhaseRetrieval(
        "raar", 5, object_shape=(8, 8), n_starts=3, random_state=5, device="cpu"
    )
    return iterations.fit(X), X


def test_each_round_has_starts_of_its_own_and_repeats_them(fitted):
    iterations, X = fitted
    first, again, second = (
        started(iterations, X, np.ones((4, 8, 8)), number).starts for number in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert iterations.random_state == 5


def test_a_round_moves_on_from_dark_objects(fitted):
    iterations, X = fitted
    init = np.zeros((4, 8, 8))
    assert started(iterations, X, init, 1).starts.any(axis=(2, 3)).all()
    assert not init.any()


def test_pixels_held_out_decide_which_start_is_best(fitted):
    iterations, X = fitted
    found = started(iterations, X, None, 0)
    best = found.start_errors.argmin(axis=1)
    parts = parts_of_starts(X, found, None, iterations.boundary_)
    np.testing.assert_array_equal(parts["best"], found.starts[np.arange(4), best])
    free = np.full((4, 3), np.nan)
    free[:2] = [0.3, 0.2, 0.1]
    parts = parts_of_starts(X, found._replace(free_errors=free), None, iterations.boundary_)
    best[:2] = 2
    np.testing.assert_array_equal(parts["best"], found.starts[np.arange(4), best])


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["non_negative", "real", "complex"])
def test_improved_objects_are_admissible_and_as_precise_as_the_magnitudes(kind, precision):
    made = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    made[1] = -1.0
    network = SimpleNamespace(predict=lambda parts: made + 0j if kind == "complex" else made)
    parts = {"magnitudes": np.ones((3, 16), precision), "best": np.full((3, 8), 7.0)}
    found = improved(network, parts, kind)
    assert found.real.dtype == precision
    assert np.iscomplexobj(found) == (kind == "complex")
    expected = np.maximum(made, 0) if kind == "non_negative" else made
    expected[1] = 7.0 if kind == "non_negative" else -1.0
    np.testing.assert_array_equal(found, expected)


def test_only_dark_objects_are_replaced():
    objects = np.array([[0.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(lit(objects, np.full((2, 2), 5.0)), [[5.0, 5.0], [0.0, 1.0]])
