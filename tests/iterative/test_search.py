"""The search for a support that nobody knows."""

import pickle

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PartialCoherence, PhotonNoise
from skpr.iterative import _search as search_module
from skpr.iterative import combine_reconstructions
from tests.conftest import random_objects


def measured(max_phase=0.0, n_photons=1e6, size=16, n_samples=1, stop=None):
    """Crystals of some size in frames of 32, and their patterns."""
    objects = make_crystals(n_samples, shape=(size, size), max_phase=max_phase, random_state=0).data
    objects = np.pad(objects, ((0, 0), (3, 29 - size), (1, 31 - size)))
    X = PhotonNoise(n_photons, random_state=0).fit_transform(
        FourierMagnitude().fit_transform(objects)
    )
    return objects, X if stop is None else BeamStop(stop).fit_transform(X)


def errors(truths, found):
    values = []
    for truth, x in zip(truths, found, strict=True):
        moved = combine_reconstructions(
            np.stack([truth.astype(x.dtype), x]), errors=[0.0, 1.0], subpixel=True
        )
        moved = moved.registered[1]
        values.append(
            1
            - abs(np.vdot(truth, moved)) ** 2
            / (np.vdot(truth, truth).real * np.vdot(moved, moved).real)
        )
    return np.array(values)


def retriever(**parameters):
    return IterativePhaseRetrieval(
        **{"n_iter": 200, "n_starts": 4, "random_state": 0, "device": "cpu", **parameters}
    )


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


def test_a_known_frame_is_not_searched():
    objects, X = measured()
    assert retriever().fit(X, objects).support_ == "frame"
    assert retriever(object_shape=(32, 32)).fit(X).support_ == "frame"
    assert retriever(support="shrinkwrap").fit(X).support_ == "shrinkwrap"
    assert retriever(support=objects[0] > 0).fit(X).support_ == "given"


def test_small_asymmetry_is_judged_by_pixels_held_out():
    objects = make_crystals(4, shape=(32, 32), max_phase=0.8, random_state=3).data
    weak = PhotonNoise(1e6, random_state=0).fit_transform(FourierMagnitude().fit_transform(objects))
    model = retriever().fit(weak)
    assert model.constraints_ == "complex"
    assert model.predict(weak).dtype.kind == "c"


def test_a_pattern_does_not_depend_on_its_batch():
    _, X = measured(n_samples=3)
    together = retriever(n_iter=60).fit(X).retrieve(X)
    alone = retriever(n_iter=60).fit(X[1:2]).retrieve(X[1:2])
    np.testing.assert_allclose(together.free_errors[1], alone.free_errors[0], rtol=0.05)
    assert errors(together.objects[1:2], alone.objects)[0] < 0.05


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_coherence_of_a_neighbour_changes_nothing():
    objects, X = measured(n_samples=3)
    X[:1] = PartialCoherence(0.7).fit_transform(FourierMagnitude().fit_transform(objects[:1]))
    together = retriever(n_iter=500, n_starts=2).fit(X).retrieve(X)
    assert together.coherence is not None
    assert np.sqrt(together.coherence[0, :, 0, 0]).max() == pytest.approx(0.7, abs=0.2)
    assert not together.coherence[1:].any()
    alone = retriever(n_iter=500, n_starts=2).fit(X[1:]).retrieve(X[1:])
    np.testing.assert_allclose(together.free_errors[1:], alone.free_errors, rtol=0.05)
    assert (errors(objects, together.objects) < 0.1).all()


def test_objects_do_not_vanish_without_a_word():
    X = FourierMagnitude().fit_transform(np.random.default_rng(1).random((6, 5, 5)))
    found = retriever(n_iter=60).fit(X).retrieve(X)
    assert found.objects.reshape(6, -1).any(axis=1).all()


def test_the_search_is_deterministic_and_survives_pickling():
    _, X = measured()
    model = retriever(n_iter=20).fit(X)
    expected = model.predict(X)
    np.testing.assert_array_equal(expected, model.predict(X))
    copy = pickle.loads(pickle.dumps(model))
    assert copy.support_ == "auto"
    np.testing.assert_array_equal(expected, copy.predict(X))


def test_middles_of_large_patterns_are_searched_first(monkeypatch):
    objects, X = measured(size=24)
    monkeypatch.setattr("skpr.iterative._coarse.LARGEST", 40 * 40)
    shapes = []
    run = search_module.Run.execute
    monkeypatch.setattr(
        search_module.Run,
        "execute",
        lambda self, line: (shapes.append(self.fourier_shape), run(self, line)),
    )
    found = retriever().fit(X).retrieve(X)
    assert shapes[0] == (32, 32)
    assert shapes[-1] == (64, 64)
    assert errors(objects, found.objects)[0] < 0.15


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupt_leaves_what_there_is(monkeypatch, after):
    _, X = measured(n_samples=2)
    run, calls = search_module.Run.execute, []

    def interrupted(self, line):
        calls.append(self)
        if len(calls) > after:
            raise KeyboardInterrupt
        run(self, line)

    monkeypatch.setattr(search_module.Run, "execute", interrupted)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = retriever(n_iter=20).fit(X).retrieve(X)
    assert found.starts.shape == (2, 4, 32, 32)
    assert found.finished.all() == (after > 0)
    assert found.objects.any() == (after > 0)


def test_histories_hold_all_iterations_of_each_start():
    _, X = measured()
    found = retriever(n_iter=50).fit(X).retrieve(X, return_history=True)
    assert found.history.shape[:2] == (1, 4)
    assert (np.isfinite(found.history).sum(axis=2) == found.n_iter).all()


def test_counts_beside_exact_patterns_in_known_frames_are_judged_for_themselves():
    objects, X = measured(n_samples=2)
    X[1] = FourierMagnitude().fit_transform(objects[1:])[0]
    found = retriever(n_starts="auto", n_iter=60).fit(X, objects).retrieve(X)
    assert np.isfinite(found.start_errors).sum(axis=1).tolist() == [8, 1]
    assert np.isfinite(found.free_errors).sum(axis=1).tolist() == [8, 0]
    assert np.isfinite(found.errors).all()
    assert found.objects[1].any()


@pytest.mark.parametrize("algorithm", ["er", [("raar", 20), ("er", 10)]])
def test_the_users_own_schedule_is_used_throughout(monkeypatch, algorithm):
    _, X = measured()
    schedules = []
    run = search_module.Run.execute
    monkeypatch.setattr(
        search_module.Run,
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
