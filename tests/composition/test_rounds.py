from types import SimpleNamespace

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.composition._rounds import improved, lit, parts_of_starts, started, was_interrupted
from skpr.neural import EstimateRegressor
from tests.composition.test_network_refiner import refiner, smooth


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


@pytest.mark.parametrize("unit", [1e-300, 1e-60, 1e60, 1e280])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_networks_improve_objects_in_any_unit(kind, unit):
    rng = np.random.default_rng(0)
    best = rng.random((3, 4, 4)) + (1j * rng.random((3, 4, 4)) if kind == "complex" else 0)
    parts = {"magnitudes": rng.random((3, 8, 8)), "best": best, "mean": best, "spread": best.real}

    class Network:
        def predict(self, X):
            largest = max(np.abs(part).max() for part in X.values())
            assert 0.1 < largest < 10
            return 2 * X["best"].astype("complex64" if kind == "complex" else "float32")

    scaled = {name: part * unit for name, part in parts.items()}
    np.testing.assert_allclose(improved(Network(), scaled, kind) / unit, 2 * best, rtol=1e-5)


def interrupted_at(monkeypatch, number):
    """Let the user interrupt some call of `retrieve`, after the first start of every pattern."""
    calls, retrieve = [], IterativePhaseRetrieval.retrieve

    def stopped(self, *arguments, **options):
        found = retrieve(self, *arguments, **options)
        calls.append(len(found.objects))
        if len(calls) == number:
            found.n_iter[:, 1:] = 0
            found.start_errors[:, 1:] = np.nan
        return found

    monkeypatch.setattr(IterativePhaseRetrieval, "retrieve", stopped)
    return calls


def test_an_interrupted_round_is_the_last_one(monkeypatch):
    X, y = smooth(4, (8, 8), 0)
    model = refiner(n_rounds=3).fit(X, y)
    calls = interrupted_at(monkeypatch, 2)
    assert np.isfinite(model.predict(X)).all()
    assert len(calls) == 2


def test_rounds_of_other_numbers_of_starts_are_not_taken_for_interrupted():
    X, y = smooth(4, (8, 8), 0)
    several = IterativePhaseRetrieval(n_iter=10, device="cpu", support="auto", n_starts=3)
    for retriever in (IterativePhaseRetrieval(n_iter=10, device="cpu"), several):
        model = refiner(n_rounds=3).set_params(retriever=retriever).fit(X, y)
        found = model.retrieve(X)
        assert found.starts.shape[1] == 3
        assert not np.array_equal(found.objects, model.set_params(n_rounds=2).predict(X))


def test_a_fit_whose_starts_are_interrupted_ends(monkeypatch):
    X, y = smooth(4, (8, 8), 0)
    interrupted_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt, match="before every training pattern had all its starts"):
        refiner().fit(X, y)


def test_an_interrupted_training_is_the_last_one(monkeypatch):
    X, y = smooth(4, (8, 8), 0)
    step, steps = EstimateRegressor.train_step, []

    def stopped(self, *arguments, **options):
        steps.append(1)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return step(self, *arguments, **options)

    monkeypatch.setattr(EstimateRegressor, "train_step", stopped)
    model = refiner(n_training_rounds=2).fit(X, y)
    assert len(steps) == 2
    assert model.network_.interrupted_
    assert model.predict(X).shape == y.shape


def test_by_default_only_patterns_of_counts_have_several_starts():
    X, y = smooth(3, (8, 8), 0)
    X[:2] = np.sqrt(np.random.default_rng(0).poisson(100 * X[:2] ** 2))
    iterations = IterativePhaseRetrieval(n_iter=20, device="cpu", random_state=0).fit(X, y)
    found = iterations.retrieve(X)
    assert found.finished.sum(axis=1).tolist() == [8, 8, 1]
    assert not was_interrupted(iterations, found)
    found.n_iter[1, 3:] = 0
    assert was_interrupted(iterations, found)
