"""Steps that are recorded and replayed, with a recorder that runs on the CPU."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval, _graphs
from skpr.datasets import make_crystals
from skpr.detector import BeamStop
from skpr.iterative import _loop
from skpr.iterative._algorithms import ALGORITHMS
from skpr.iterative._replay import FEWEST, UNRECORDED, pays
from tests.conftest import random_objects
from tests.recorder import Recorder


@pytest.fixture
def recorder(monkeypatch):
    """A recorder for all steps that a graph can hold."""
    found = Recorder()
    monkeypatch.setattr(_graphs, "recorded", found)
    monkeypatch.setattr(_loop, "pays", lambda name, x, problem: name != UNRECORDED)
    return found


@pytest.mark.parametrize("constraints", ["real", "non_negative", "complex", (0.0, 0.8)])
@pytest.mark.parametrize("algorithm", [*sorted(set(ALGORITHMS) - {UNRECORDED}), "auto"])
def test_replayed_steps_are_the_steps(recorder, algorithm, constraints):
    objects = random_objects((8, 7), "complex64" if constraints == "complex" else "float32", 3)
    X = BeamStop(1).fit_transform(FourierMagnitude().fit_transform(objects))
    model = IterativePhaseRetrieval(
        algorithm, n_iter=73, constraints=constraints, object_shape=(8, 7), random_state=0, tol=1e-2
    ).fit(X)
    found = model.retrieve(X)
    assert recorder.n_replayed >= recorder.n_recorded > 0
    recorder.n_replayed = 0
    expected = model.retrieve(X, return_history=True)  # histories need every step
    assert recorder.n_replayed == 0
    np.testing.assert_array_equal(found.starts, expected.starts)
    np.testing.assert_array_equal(found.n_iter, expected.n_iter)


@pytest.mark.parametrize("tol", [0, 0.05])
@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_replays_follow_supports_and_samples_that_leave(recorder, monkeypatch, n_axes, tol):
    crystals = make_crystals(3, shape=(8,) * n_axes, random_state=0).data
    X = FourierMagnitude(oversampling=3).fit_transform(crystals)
    model = IterativePhaseRetrieval(
        [("hio", 120), ("apg", 80)],
        support="shrinkwrap",
        shrinkwrap_interval=15,
        n_starts=2,
        object_shape=(8,) * n_axes,
        random_state=0,
        tol=tol,
    ).fit(X)
    found = model.retrieve(X)
    # few recordings serve many replays, although supports change
    if tol == 0:
        assert recorder.n_replayed > 2 * recorder.n_recorded
    monkeypatch.setattr(_loop, "pays", lambda name, x, problem: False)
    expected = model.retrieve(X)
    np.testing.assert_array_equal(found.starts, expected.starts)
    np.testing.assert_array_equal(found.n_iter, expected.n_iter)


def test_every_iteration_is_shown(recorder):
    X = FourierMagnitude().fit_transform(random_objects((6,), "float32", 1))
    seen = []
    model = IterativePhaseRetrieval("hio", n_iter=50, object_shape=(6,), tol=0).fit(X)

    class Line:
        def expect(self, *args):
            """Count nothing."""

        def advance(self):
            seen.append(1)

        def next_chunk(self):
            """Count nothing."""

    from skpr.iterative._run import Run

    Run(model, X).execute(Line())
    assert len(seen) == 50
    assert recorder.n_replayed > 0


def test_recording_is_left_to_batches_that_launches_slow_down():
    assert FEWEST > 1
    X = torch.from_numpy(FourierMagnitude().fit_transform(random_objects((6,), "float32", 1)))
    from skpr.measurement import Measurement

    problem = Measurement(X, (6,), "real")
    x = problem.on_grid(torch.zeros(1, 6))
    assert not pays("hio", x, problem)  # on a CPU
