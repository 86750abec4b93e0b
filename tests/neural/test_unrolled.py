"""Unrolled iterations, chunk by chunk and replayed."""

import copy
import pickle

import pytest
import torch

from skpr import _graphs
from skpr.iterative import hybrid_input_output
from skpr.measurement import Measurement
from skpr.neural._unrolled import MOST, Unrolled
from tests.recorder import Recorder


def problem(kind, n_samples=5, *, missing=True):
    """Normalised objects, and a measurement of others."""
    generator = torch.Generator().manual_seed(n_samples)
    magnitudes = torch.rand(n_samples, 12, 10, generator=generator)
    if missing:
        magnitudes[:, 0, 0] = torch.nan
    found = Measurement(magnitudes, (6, 5), kind)
    values = torch.rand(n_samples, 6, 5, generator=generator).to(found.dtype)
    return values, found


@pytest.mark.parametrize("kind", ["real", "non_negative", "complex"])
@pytest.mark.parametrize("missing", [True, False])
def test_replays_are_the_steps(monkeypatch, kind, missing):
    recorder = Recorder()
    monkeypatch.setattr(_graphs, "recorded", recorder)
    unrolled = Unrolled(7, 0.9)
    expected = []
    for n_samples in (5, 3, 5):
        values, measured = problem(kind, n_samples, missing=missing)
        x = measured.on_grid(values)
        for _ in range(7):
            x, _ = hybrid_input_output(x, measured, 0.9, {})
        expected.append(x.inside)
        torch.testing.assert_close(unrolled(values, measured), x.inside)
    monkeypatch.setattr(Unrolled, "is_recorded", lambda self, objects: True)
    found = [unrolled(*problem(kind, n, missing=missing)) for n in (5, 3, 5)]
    torch.testing.assert_close(found, expected)  # the last replay has not changed the first result
    assert (recorder.n_recorded, recorder.n_replayed) == (2, 3)


def test_half_spectra_of_even_and_odd_lengths_are_told_apart(monkeypatch):
    monkeypatch.setattr(_graphs, "recorded", Recorder())
    unrolled = Unrolled(3, 0.9)
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(2, 4, generator=generator)
    measured = [Measurement(torch.rand(2, n, generator=generator), (4,), "real") for n in (8, 9)]
    expected = [unrolled(values, one) for one in measured]
    monkeypatch.setattr(Unrolled, "is_recorded", lambda self, objects: True)
    torch.testing.assert_close([unrolled(values, one) for one in measured], expected)


def test_replays_read_the_support_of_each_call(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(_graphs, "recorded", recorder)
    unrolled = Unrolled(5, 0.9)
    generator = torch.Generator().manual_seed(0)
    supports = [torch.rand(5, 6, 5, generator=generator) < 0.6 for _ in range(2)]
    results = {}
    for is_recorded in (False, True):
        monkeypatch.setattr(Unrolled, "is_recorded", lambda self, objects, r=is_recorded: r)
        results[is_recorded] = []
        for support in (*supports, None, supports[0]):
            values, measured = problem("complex")
            measured.support = support
            results[is_recorded].append(unrolled(values, measured))
    torch.testing.assert_close(results[True], results[False])
    assert not torch.allclose(*results[True][:2])
    assert (recorder.n_recorded, recorder.n_replayed) == (2, 4)


def test_copies_and_pickles_have_no_recordings(monkeypatch):
    monkeypatch.setattr(_graphs, "recorded", Recorder())
    monkeypatch.setattr(Unrolled, "is_recorded", lambda self, objects: True)
    unrolled = Unrolled(2, 0.8)
    for n_samples in range(1, MOST + 3):
        unrolled(*problem("real", n_samples))
        assert 0 < len(unrolled._recordings) <= MOST
    for again in (copy.deepcopy(unrolled), pickle.loads(pickle.dumps(unrolled))):
        assert (again.n_steps, again.beta, again._recordings) == (2, 0.8, {})
