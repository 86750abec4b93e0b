"""Retrieval of batches judged by held-out pixels."""

import pickle

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import make_crystals
from skpr.detector import PartialCoherence, PhotonNoise
from skpr.iterative._run import Run
from tests.iterative.searches import errors, measured, retriever


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


def test_the_search_is_deterministic_and_survives_pickling():
    _, X = measured()
    model = retriever(n_iter=20).fit(X)
    expected = model.predict(X)
    np.testing.assert_array_equal(expected, model.predict(X))
    copy = pickle.loads(pickle.dumps(model))
    assert copy.support_ == "auto"
    np.testing.assert_array_equal(expected, copy.predict(X))


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupt_leaves_what_there_is(monkeypatch, after):
    _, X = measured(n_samples=2)
    run, calls = Run.execute, []

    def interrupted(self, line):
        calls.append(self)
        if len(calls) > after:
            raise KeyboardInterrupt
        run(self, line)

    monkeypatch.setattr(Run, "execute", interrupted)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = retriever(n_iter=20).fit(X).retrieve(X)
    assert found.starts.shape == (2, 4, 32, 32)
    assert found.finished.all() == (after > 0)
    assert found.objects.any() == (after > 0)


def test_counts_beside_exact_patterns_in_known_frames_are_judged_for_themselves():
    objects, X = measured(n_samples=2)
    X[1] = FourierMagnitude().fit_transform(objects[1:])[0]
    found = retriever(n_starts="auto", n_iter=60).fit(X, objects).retrieve(X)
    assert np.isfinite(found.start_errors).sum(axis=1).tolist() == [8, 1]
    assert np.isfinite(found.free_errors).sum(axis=1).tolist() == [8, 0]
    assert np.isfinite(found.errors).all()
    assert found.objects[1].any()
