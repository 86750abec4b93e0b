"""Pixels that are held out of the iterations."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
from skpr.iterative._held_out import HeldOut
from skpr.measurement import CountingNoise, Likelihood, mirrored
from tests.conftest import random_objects

SHAPES = [(200,), (40, 41), (64, 64), (16, 18, 17)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("centered", [True, False])
def test_islands_lie_in_friedel_pairs_and_leave_the_centre(shape, centered):
    held = HeldOut(shape, centered)
    assert torch.equal(mirrored(held.mask[None], centered)[0], held.mask)
    assert not held.mask[tuple(n // 2 if centered else 0 for n in shape)]
    assert 0.01 < held.mask.double().mean() < 0.25
    assert set(held.groups.unique().tolist()) <= {-1, *range(held.n_groups)}


@pytest.mark.parametrize("shape", [(64, 64), (16, 18, 17)], ids=str)
def test_the_middle_of_a_pattern_holds_the_same_pixels(shape):
    held = HeldOut(shape, centered=True)
    middle = held.middle(tuple(n // 2 for n in shape)).mask
    inside = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m)
        for n, m in zip(shape, middle.shape, strict=True)
    )
    assert torch.equal(held.mask[inside], middle)


def judged(objects, magnitudes, likelihood, kind, found=None):
    estimator = IterativePhaseRetrieval(constraints=kind).fit(magnitudes, objects)
    held = HeldOut(magnitudes.shape[1:], True)
    given = [
        torch.from_numpy(values) for values in (magnitudes, objects if found is None else found)
    ]
    return held, *held.judge(*given, None, estimator, likelihood)


@pytest.mark.parametrize("kind", ["non_negative", "complex"])
def test_exact_objects_leave_nothing_and_others_their_squared_fourier_error(kind):
    objects = random_objects((20, 20), "float64", 3).astype(complex if kind == "complex" else float)
    magnitudes = FourierMagnitude().fit_transform(objects)
    held, misfits, explained = judged(objects, magnitudes, Likelihood(), kind)
    assert misfits.shape == (3, held.n_groups)
    assert misfits.max() < 1e-20
    np.testing.assert_allclose(explained, 1.0)
    misfits = judged(objects, magnitudes, Likelihood(), kind, 1.1 * objects)[1]
    np.testing.assert_allclose(misfits.sum(axis=1), 0.01, rtol=1e-6)


def test_deviance_of_the_true_object_is_that_of_noise():
    objects = make_crystals(4, shape=(32, 32), max_phase=1.0, random_state=0).data.astype(complex)
    clean = FourierMagnitude().fit_transform(objects)
    magnitudes = PhotonNoise(1e7, random_state=0).fit_transform(clean)
    scale = np.sqrt(1e7 / np.square(clean).sum(axis=(1, 2), keepdims=True))
    likelihood = Likelihood(CountingNoise(), torch.ones(4, dtype=torch.float64))
    _, misfits, explained = judged(objects, magnitudes, likelihood, "complex", objects * scale)
    assert (misfits.sum(axis=1) < 1.4).all()
    assert (np.abs(explained - 1) < 0.05).all()
    _, misfits, explained = judged(
        objects, magnitudes, likelihood, "complex", objects[::-1] * scale[::-1]
    )
    assert (misfits.sum(axis=1) > 10).all()
    assert (explained < 0.8).all()


@pytest.mark.parametrize("shape", [(64,), (16, 16), (8, 8), (20, 6)], ids=str)
def test_few_pixels_are_held_out_of_small_patterns(shape):
    assert HeldOut(shape, True).mask.double().mean() < 0.15


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [(64,), (32,), (16, 16), (8, 8)], ids=str)
def test_noise_in_small_patterns_is_not_explained(shape):
    X = np.sqrt(np.random.default_rng(0).poisson(5.0, (6, *shape)).astype(float))
    model = IterativePhaseRetrieval(
        n_iter=60, n_starts=4, random_state=0, constraints="non_negative"
    ).fit(X)
    assert "good" not in model.retrieve(X).verdicts


def test_a_hot_pixel_does_not_make_its_ring_the_easier_to_explain():
    intensities = torch.ones((2, 1024), dtype=torch.float64)
    held = HeldOut((32, 32), False)
    used = (held.groups < 0).flatten().expand(2, -1)
    place = int(((held.rings == 10).flatten() & used[0]).nonzero()[0])
    intensities[1, place] = 1e6
    means = held._ring_means(torch.where(used, intensities, 0.0), used)
    torch.testing.assert_close(means, torch.ones_like(means))
