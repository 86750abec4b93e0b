"""Every algorithm finds objects with a known answer, and a solution is a fixed point of each."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr._quasi_newton import QuasiNewton
from skpr.datasets import make_crystals
from skpr.iterative._algorithms import ALGORITHMS
from skpr.measurement import Iterate, Measurement
from skpr.metrics import relative_error, success_rate
from skpr.symmetry import content_box

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)


def sharp_objects(shape, kind, n_samples=3, seed=0):
    """Objects in the middle of a frame: tight, sharp edges and values away from 0, so that they are
    well determined.

    On a line the first value is also larger than all others together, so that no other object is
    near (the zeros of the polynomial lie inside the unit circle, and an ambiguity would move some
    of them out)."""
    rng = np.random.default_rng(seed)
    objects = np.zeros((n_samples, *shape), dtype=complex if kind == "complex" else float)
    inside = (slice(None), *(slice(n // 4, n - n // 4) for n in shape))
    objects[inside] = rng.uniform(0.5, 1.5, size=objects[inside].shape)
    if kind == "complex":
        objects[inside] *= np.exp(1j * rng.uniform(-1, 1, size=objects[inside].shape))
    if kind == "real":
        objects[inside] *= rng.choice([-1, 1], size=objects[inside].shape)
    if len(shape) == 1:
        objects[:, shape[0] // 4] *= 2 * np.abs(objects).sum(axis=1)
    return objects, np.asarray(np.abs(objects[0]) > 0)


def near(objects, amount=0.1, seed=1):
    """A good start: the objects, disturbed within their support."""
    rng = np.random.default_rng(seed)
    return objects * (1 + amount * rng.normal(size=objects.shape))


def odd_magnitudes(objects):
    """Magnitudes on a grid without the frequencies where spectra of real objects are real: a small
    value there keeps the wrong sign that a start gave it."""
    return FourierMagnitude(
        fourier_shape=tuple(2 * n + 5 for n in objects.shape[1:])
    ).fit_transform(objects)


@every_algorithm
@pytest.mark.parametrize("kind", ["non_negative", "real", "complex"])
@pytest.mark.parametrize("shape", [(12,), (12, 13), (8, 8, 9)], ids=str)
def test_recovers_exactly_from_a_good_start(name, kind, shape):
    objects, support = sharp_objects(shape, kind)
    magnitudes = odd_magnitudes(objects)
    retriever = IterativePhaseRetrieval(
        [(name, 3000)], support=support, tol=1e-7, random_state=0, device="cpu"
    )
    found = retriever.fit(magnitudes, objects).retrieve(magnitudes, init=near(objects, 0.02))
    assert (
        relative_error(objects, found.objects, multioutput="raw_values").max() < 1e-8
    )  # 1e-4 in the values


@every_algorithm
@pytest.mark.parametrize("kind", ["non_negative", "complex"])
def test_recovers_behind_a_beam_stop(name, kind):
    objects, support = sharp_objects((24, 24), kind)
    magnitudes = odd_magnitudes(objects)
    k = np.arange(53) - 26
    magnitudes[:, np.hypot(*np.meshgrid(k, k)) <= 3] = np.nan
    retriever = IterativePhaseRetrieval(
        [(name, 3000)], support=support, tol=1e-7, random_state=0, device="cpu"
    )
    found = retriever.fit(magnitudes, objects).retrieve(magnitudes, init=near(objects, 0.02))
    assert relative_error(objects, found.objects, multioutput="raw_values").max() < 1e-6


@pytest.mark.parametrize("support", ["box", "shrinkwrap"])
def test_a_beam_stop_hides_nothing_from_a_random_start_with_a_support(support):
    objects = make_crystals(5, shape=(32, 32), random_state=0).data
    starts, sizes = content_box(objects)
    magnitudes = FourierMagnitude().fit_transform(objects)
    k = np.arange(64) - 32
    magnitudes[:, np.hypot(*np.meshgrid(k, k)) <= 3] = np.nan
    if support == "box":
        support = np.zeros(objects.shape, dtype=bool)
        for mask, start, size in zip(support, starts, sizes, strict=True):
            mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    retriever = IterativePhaseRetrieval(support=support, n_starts=8, random_state=0, device="cpu")
    found = retriever.fit(magnitudes, objects).predict(magnitudes)
    assert np.median(relative_error(objects, found, multioutput="raw_values")) < 1e-4


@every_algorithm
@pytest.mark.parametrize("kind", ["non_negative", "complex"])
def test_a_solution_is_a_fixed_point(name, kind):
    objects, support = sharp_objects((10, 11), kind)
    magnitudes = np.fft.ifftshift(FourierMagnitude().fit_transform(objects), axes=(1, 2))
    problem = Measurement(
        torch.from_numpy(magnitudes), (10, 11), kind, support=torch.from_numpy(support)
    )
    start = problem.on_grid(problem.to_normalized(torch.from_numpy(objects)))
    x, memory = problem.on_grid(start.inside), {}
    for _ in range(5):
        x, y = ALGORITHMS[name](x, problem, 0.75, memory)
    for found in (x.inside, y):
        torch.testing.assert_close(found, start.inside, rtol=0, atol=1e-10)
    torch.testing.assert_close(x.spectrum, start.spectrum, rtol=0, atol=1e-8)


@cache  # what error reduction solves is compared with what every other algorithm does
def solved_from_random_starts(name):
    """Fraction of crystals found in 600 iterations, best of 6 starts by Fourier error."""
    objects = make_crystals(8, shape=(24, 24), random_state=0).data
    magnitudes = FourierMagnitude().fit_transform(objects)
    retriever = IterativePhaseRetrieval(name, 600, n_starts=6, random_state=0, device="cpu").fit(
        magnitudes, objects
    )
    return success_rate(objects, retriever.predict(magnitudes))


@pytest.mark.parametrize(
    ("name", "least"),
    [("hio", 0.5), ("raar", 0.5), ("hpr", 0.9), ("dm", 0.9), ("admm", 0.9), ("auto", 0.9)],
)
def test_leaves_local_minima_that_error_reduction_stays_in(name, least):
    assert solved_from_random_starts(name) >= least > solved_from_random_starts("er")


def test_error_reduction_never_goes_uphill():
    objects = make_crystals(4, shape=(16, 16), random_state=0).data.astype(float)
    magnitudes = FourierMagnitude().fit_transform(objects)
    retriever = IterativePhaseRetrieval("er", 60, tol=0, random_state=0, device="cpu").fit(
        magnitudes, objects
    )
    history = retriever.retrieve(magnitudes, return_history=True).history
    assert np.diff(history).max() <= 1e-12
    assert (history[..., -1] < history[..., 0]).all()


def test_accelerated_gradient_outruns_error_reduction():
    objects, support = sharp_objects((16, 16), "non_negative")
    magnitudes = odd_magnitudes(objects)
    errors = {}
    for name in ("er", "apg"):
        retriever = IterativePhaseRetrieval(name, 100, support=support, tol=0, device="cpu").fit(
            magnitudes, objects
        )
        errors[name] = retriever.retrieve(magnitudes, init=near(objects, 0.05)).errors
    assert (errors["apg"] < errors["er"] / 3).all()


def held(value):
    """Values that an entry of the memory holds."""
    if isinstance(value, QuasiNewton):
        return sum(len(values) for values in (value._moves, value._turns))
    return value.inside.numel() if isinstance(value, Iterate) else value.numel()


@every_algorithm
def test_memory_does_not_grow_with_iterations(name):
    objects, _ = sharp_objects((16, 16), "non_negative")
    problem = Measurement(
        torch.from_numpy(np.abs(np.fft.fft2(objects, s=(32, 32)))), (16, 16), "non_negative"
    )
    x, memory = problem.from_grid(torch.rand((3, 32, 32), dtype=torch.float64)), {}
    sizes = []
    for _ in range(40):
        x, _ = ALGORITHMS[name](x, problem, 0.75, memory)
        sizes.append(sum(held(value) for value in memory.values()))
    assert len(set(sizes[10:])) == 1
    tracemalloc.start()
    for _ in range(10):
        x, _ = ALGORITHMS[name](x, problem, 0.75, memory)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        x, _ = ALGORITHMS[name](x, problem, 0.75, memory)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000
