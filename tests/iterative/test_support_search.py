"""Search for unknown supports."""

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.iterative._run import Run
from tests.conftest import random_objects
from tests.iterative.searches import errors, measured, retriever


@pytest.mark.parametrize("max_phase", [0.0, 1.5])
@pytest.mark.parametrize("stop", [None, 3])
def test_objects_are_found_without_a_setting(max_phase, stop):
    objects, X = measured(max_phase, stop=stop, n_samples=3)
    model = retriever().fit(X)
    found = model.retrieve(X)
    assert (model.support_, model.constraints_) == (
        "auto",
        "complex" if max_phase else "non_negative",
    )
    assert np.median(errors(objects, found.objects)) < 0.15
    assert found.supports.shape == found.starts.shape == (3, 4, 32, 32)
    assert found.free_errors.shape == found.explained.shape == (3, 4)
    assert not found.starts[~found.supports].any()


def test_objects_do_not_vanish_without_a_word():
    X = FourierMagnitude().fit_transform(np.random.default_rng(1).random((6, 5, 5)))
    found = retriever(n_iter=60).fit(X).retrieve(X)
    assert found.objects.reshape(6, -1).any(axis=1).all()


def test_middles_of_large_patterns_are_searched_first(monkeypatch):
    objects, X = measured(size=24)
    monkeypatch.setattr("skpr.iterative._coarse.LARGEST", 40 * 40)
    shapes = []
    run = Run.execute
    monkeypatch.setattr(
        Run,
        "execute",
        lambda self, line: (shapes.append(self.fourier_shape), run(self, line)),
    )
    found = retriever().fit(X).retrieve(X)
    assert shapes[0] == (32, 32)
    assert shapes[-1] == (64, 64)
    assert errors(objects, found.objects)[0] < 0.15


def test_histories_hold_all_iterations_of_each_start():
    _, X = measured()
    found = retriever(n_iter=50).fit(X).retrieve(X, return_history=True)
    assert found.history.shape[:2] == (1, 4)
    assert (np.isfinite(found.history).sum(axis=2) == found.n_iter).all()


@pytest.mark.parametrize("algorithm", ["er", [("raar", 20), ("er", 10)]])
def test_the_users_own_schedule_is_used_throughout(monkeypatch, algorithm):
    _, X = measured()
    schedules = []
    run = Run.execute
    monkeypatch.setattr(
        Run,
        "execute",
        lambda self, line: (schedules.append(self.schedule(True)), run(self, line)),
    )
    retriever(algorithm=algorithm, n_iter=20).fit(X).predict(X)
    assert {name for stages in schedules for name, _, _ in stages} <= {"er", "raar"}


def test_degenerate_patterns_are_searched_to_finite_objects():
    X = np.zeros((3, 16, 16))
    X[1], X[2, 8, 8] = 1.0, 5.0
    found = retriever(n_iter=20, constraints="non_negative").fit(X).retrieve(X)
    assert np.isfinite(found.objects).all()
    assert not found.objects[0].any()
    assert len(found.summary().splitlines()) == 3


@pytest.mark.parametrize("shape", [(40,), (24, 25), (12, 12, 12)], ids=str)
def test_the_search_works_in_any_dimension(shape):
    frame = tuple((n + 1) // 2 for n in shape)
    objects = random_objects(frame, "float32", 2)
    X = FourierMagnitude(fourier_shape=shape).fit_transform(objects)
    found = retriever(n_iter=40).fit(X).retrieve(X)
    assert found.objects.shape == objects.shape
    assert found.objects.dtype == np.float32
    assert (found.errors < 0.3).all()
