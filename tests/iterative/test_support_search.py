"""Search for unknown supports."""

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr._progress import IterationLine
from skpr.iterative._results import Results
from skpr.iterative._run import Run
from skpr.iterative._support_search import STEADIER, SupportSearch
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


def results(objects, explained, threshold):
    """Results of starts that explain the given share, found with one threshold."""
    n_starts, n_samples = objects.shape[:2]
    found = Results(n_samples, n_starts, objects.shape[2:], objects.dtype)
    found.objects = objects.reshape(-1, *objects.shape[2:])
    found.supports = found.objects > 0
    found.free = np.ones((len(found.objects), 8))
    found.explained = np.full(len(found.objects), explained)
    found.thresholds = np.full((n_starts, n_samples), threshold)
    found.widths = np.ones((n_starts, n_samples))
    return found


@pytest.mark.parametrize(("explained", "is_taken"), [(0.9, True), (0.6, False)])
def test_starts_that_disagree_give_way_to_some_that_agree(monkeypatch, explained, is_taken):
    _, X = measured(n_samples=2)
    estimator = retriever().fit(X)
    line = IterationLine(0)
    search = SupportSearch(estimator, X, None, 4, line)
    shape = estimator.object_shape_
    unlike = np.random.default_rng(0).random((4, *shape)) + 0.1
    alike = np.repeat(unlike[:1], 4, axis=0)
    search.found = results(np.stack([alike, unlike], axis=1), 0.95, 0.1)
    before, tried = search.found.objects.copy(), []

    def new_starts(part, wraps, **settings):
        assert len(part.X) == 1  # starts that agree are left alone
        tried.append(float(wraps[2][0, 0]))
        np.testing.assert_array_equal(part.X[0], X[1])
        return results(2 * alike[:, None], explained, tried[-1])

    monkeypatch.setattr(SupportSearch, "_run", new_starts)
    search._steady()
    line.close()
    np.testing.assert_allclose(tried, 0.1 * np.array(STEADIER))
    after = search.found.objects.reshape(4, 2, *shape)
    np.testing.assert_array_equal(after[:, 0], before.reshape(after.shape)[:, 0])
    expected = 2 * alike if is_taken else unlike
    np.testing.assert_array_equal(after[:, 1], expected)
    # of equal trials the first is kept
    np.testing.assert_allclose(
        search.found.thresholds[0], [0.1, 0.1 * STEADIER[0] if is_taken else 0.1]
    )


# --- known supports -------------------------------------------------------------------------------


def in_its_frame(is_complex=False):
    objects = random_objects((12, 12), np.complex128 if is_complex else np.float64, n_samples=3)
    return objects, FourierMagnitude().fit_transform(objects)


@pytest.mark.parametrize("support", ["frame", "shrinkwrap", np.ones((12, 12), dtype=bool)])
def test_starts_in_known_supports_are_judged_on_request(support):
    objects, X = in_its_frame()
    model = retriever(n_iter=100, n_starts=3, support=support).fit(X, objects)
    assert model.retrieve(X).free_errors is None
    found = model.retrieve(X, judge=True)
    assert found.free_errors.shape == found.explained.shape == (3, 3)
    assert set(found.verdicts) <= {"good", "doubtful", "failed", "undecided"}
    no_pattern_of_an_object = X.mean(axis=0, keepdims=True)
    wrong = model.retrieve(no_pattern_of_an_object, judge=True)
    assert wrong.free_errors.min() > found.free_errors.min(axis=1).max()


def test_a_single_start_is_judged_and_may_begin_at_the_object():
    objects, X = in_its_frame()
    model = retriever(n_iter=10, n_starts=1, support="frame").fit(X, objects)
    near = model.retrieve(X, init=objects, judge=True)
    far = model.retrieve(X, judge=True)
    assert errors(objects, near.objects).max() < 1e-6
    assert (near.free_errors < far.free_errors).all()


def test_the_support_is_searched_for_in_a_given_frame():
    objects, X = measured(1.5, n_samples=2)
    frame = objects.shape[1:]
    model = retriever(object_shape=frame, constraints="complex")
    assert model.fit(X).support_ == "frame"
    model.set_params(support="search").fit(X)
    assert model.support_ == "auto"
    found = model.retrieve(X)
    assert not found.supports.all(axis=(2, 3)).any()
    assert np.median(errors(objects, found.objects)) < 0.15
