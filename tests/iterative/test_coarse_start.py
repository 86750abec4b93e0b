"""Starts that solve the coarse problem first."""

import warnings

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval, _tensors
from skpr._lazy import LazyBatch
from skpr._progress import IterationLine
from skpr.datasets import make_crystals
from skpr.detector import BeamStop
from skpr.iterative import _coarse_start
from skpr.iterative._coarse import cut
from skpr.iterative._coarse_start import (
    N_STARTS,
    _enlarged,
    coarse_objects,
    coarse_shape,
    gaussian,
)
from skpr.iterative._run import Run
from skpr.metrics import fourier_error, relative_error
from tests.conftest import random_objects


def retriever(**parameters):
    """Estimator of few iterations, whose starts solve the coarse problem."""
    return IterativePhaseRetrieval(
        **{"n_iter": 60, "start": "coarse", "random_state": 0, "device": "cpu", **parameters}
    )


@pytest.mark.parametrize("centered", [True, False])
def test_weighted_low_frequencies_are_those_of_a_blurred_object_in_its_frame(centered):
    objects = make_crystals(2, shape=(64, 64), random_state=0).data
    X = FourierMagnitude(centered=centered).fit_transform(objects)
    middle = coarse_shape(X.shape[1:])
    assert middle == (32, 32)
    patterns = cut(X, middle, centered=centered) * gaussian(middle, centered=centered)
    # with the phases of the objects, the blurred objects lie in the frame, up to a few per cent
    spectra = np.fft.fft2(objects, X.shape[1:])
    phases = cut(spectra / np.abs(spectra), middle, centered=False)
    moduli = np.fft.ifftshift(patterns, axes=(1, 2)) if centered else patterns
    blurred = np.fft.ifft2(moduli * phases)
    outside = np.ones(middle, dtype=bool)
    outside[:17, :17] = False
    outside[-1] = outside[:, -1] = False  # the frame and a pixel around it
    shares = (np.abs(blurred) ** 2)[:, outside].sum(axis=1) / (np.abs(blurred) ** 2).sum(
        axis=(1, 2)
    )
    assert (shares < 0.01).all()
    assert (blurred.real.min(axis=(1, 2)) > -0.05 * blurred.real.max(axis=(1, 2))).all()


@pytest.mark.parametrize("shape", [(70,), (40, 33), (20, 18, 22)])
@pytest.mark.parametrize("constraints", ["auto", (0.0, 20.0)])
def test_starts_are_near_the_measured_magnitudes(shape, constraints):
    objects = np.abs(random_objects(shape, "float32", 2))
    X = FourierMagnitude().fit_transform(objects)
    model = retriever(object_shape=shape, constraints=constraints).fit(X, objects)

    class Line:
        def expect(self, *args):
            """Count nothing."""

        advance = next_chunk = expect

    starts = coarse_objects(model, X, None, Line())
    assert starts.shape == objects.shape
    assert starts.dtype == objects.dtype
    found = model.retrieve(X)
    assert found.starts.shape == (2, 1, *shape)
    assert (fourier_error(X, found.objects, multioutput="raw_values") < 0.2).all()


def test_complex_objects_are_found_more_often():
    objects = make_crystals(6, shape=(64, 64), max_phase=3.0, random_state=0).data
    X = FourierMagnitude().fit_transform(objects)
    settings = {"constraints": "complex", "support": "shrinkwrap", "n_iter": 100}
    medians = [
        np.median(
            relative_error(
                objects,
                retriever(start=start, **settings).fit(X).predict(X),
                multioutput="raw_values",
            )
        )
        for start in ("coarse", "random")
    ]
    assert medians[0] < medians[1]


def test_every_rule_of_supports_and_unmeasured_pixels_are_allowed():
    objects = make_crystals(2, shape=(32, 32), random_state=0).data
    X = BeamStop(3).fit_transform(FourierMagnitude().fit_transform(objects))
    for support in ("auto", "frame", "autocorrelation", "shrinkwrap", objects > 0):
        found = retriever(support=support, n_starts=2, n_iter=30).fit(X).retrieve(X)
        assert np.isfinite(found.objects).all()
        assert found.objects.any()


def test_a_given_object_is_not_replaced(monkeypatch):
    objects = make_crystals(1, shape=(32, 32), random_state=0).data
    X = FourierMagnitude().fit_transform(objects)
    sizes, execute = [], Run.execute
    monkeypatch.setattr(
        Run,
        "execute",
        lambda run, *args: (sizes.append((run.fourier_shape, run.n_starts)), execute(run, *args)),
    )
    model = retriever(object_shape=(32, 32)).fit(X)
    model.retrieve(X, init=objects)
    assert sizes == [((64, 64), 1)]
    model.retrieve(X)
    assert sizes[1:] == [((16, 16), N_STARTS), ((64, 64), 1)]


def test_supports_on_larger_pixels_hold_those_on_small_ones():
    support = np.zeros((2, 9, 10), dtype=bool)
    support[0, 4, 7], support[1, 0, 0] = True, True
    found = _enlarged(support, (3, 4))
    assert found.shape == (2, 3, 4)
    assert found[0, 1, 2]
    assert found[1, :2, :2].all()
    assert not found[1, 2:].any()
    assert torch.from_numpy(found).dtype == torch.bool


@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("value", [0.0, np.nan], ids=["dark", "missing"])
@pytest.mark.parametrize("constraints", ["non_negative", "real", "complex"])
def test_patterns_without_low_frequencies_start_at_random(constraints, value, unit):
    objects = np.random.default_rng(0).random((2, 40, 40))
    magnitudes = FourierMagnitude().fit_transform(objects)
    magnitudes[1, 29:51, 29:51] = value
    model = retriever(constraints=constraints, object_shape=(40, 40), n_iter=1)
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a dark middle looks like a beam stop
        model.fit(magnitudes * unit)
    starts = coarse_objects(model, magnitudes * unit, None, IterationLine(False))
    again = coarse_objects(model, magnitudes[1:] * unit, None, IterationLine(False))
    np.testing.assert_allclose(again, starts[1:])
    energy = np.nansum(magnitudes[1] ** 2) / 80**2
    assert starts[1].std() > 0
    found = np.sqrt((np.abs(starts[1] / unit) ** 2).sum())
    assert found == pytest.approx(np.sqrt(energy), rel=0.01)


def test_patterns_on_disk_are_read_in_parts(tmp_path, monkeypatch):
    objects = np.random.default_rng(0).random((6, 20, 20))
    np.save(tmp_path / "m.npy", FourierMagnitude().fit_transform(objects))
    patterns = LazyBatch(np.load(tmp_path / "m.npy", mmap_mode="r"))
    model = retriever(n_iter=2).fit(patterns, objects)
    expected = coarse_objects(model, np.asarray(patterns), None, IterationLine(False))
    monkeypatch.setattr(_tensors, "CHUNK_VALUES", 2 * 40 * 40)
    read = []
    monkeypatch.setattr(
        _coarse_start,
        "cut",
        lambda values, *a, **k: read.append(len(values)) or cut(values, *a, **k),
    )
    found = coarse_objects(model, patterns, None, IterationLine(False))
    np.testing.assert_allclose(found, expected)
    assert read == [2, 2, 2]
