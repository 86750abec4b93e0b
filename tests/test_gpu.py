"""A real GPU gives what the CPU gives."""

import contextlib

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval, PhaseRetrievalRegressor
from skpr import SymmetryCanonicalizer as Canonicalizer
from skpr.measurement._matrix_transform import is_served
from skpr.measurement._pruned import PrunedTransform, laid_out
from skpr.neural import _fitting
from tests.conftest import random_objects

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
SHAPES = [((50,), (101,)), ((64, 64), (128, 128)), ((300, 40), (600, 81)), ((16, 20, 24),) * 2]


@pytest.mark.parametrize("n_samples", [1, 600])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=str)
@pytest.mark.parametrize(("shape", "grid"), SHAPES, ids=str)
def test_transforms_have_the_precision_of_float32(shape, grid, dtype, n_samples):
    if n_samples * np.prod(grid) > 2**26:
        pytest.skip("large")
    objects = torch.randn(n_samples, *shape, dtype=dtype)
    real, transform = not dtype.is_complex, PrunedTransform(shape, grid)
    spectrum = transform.spectrum(objects.to(torch.promote_types(dtype, torch.float64)))
    magnitudes = laid_out(torch.rand(spectrum.shape))
    expected = transform.rescaled(spectrum, magnitudes.double(), real=real)[0]
    on_gpu = objects.cuda()
    assert is_served(on_gpu, grid)
    made = transform.spectrum(on_gpu)
    found = transform.rescaled(made, magnitudes.cuda(), real=real)[0]
    for one, other in ((made, spectrum), (found, expected)):
        assert float((one.cpu() - other).norm() / other.norm()) < 3e-6


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("algorithm", ["auto", "hio", "apg", "ml"])
def test_few_iterations_agree(algorithm, dtype):
    objects = random_objects((24, 20), dtype, 6)
    X = FourierMagnitude().fit_transform(objects)
    found = [
        IterativePhaseRetrieval(
            algorithm,
            n_iter=25,
            constraints="complex" if dtype == "complex64" else "non_negative",
            object_shape=(24, 20),
            random_state=0,
            device=device,
        )
        .fit(X)
        .predict(X)
        for device in ("cuda", "cpu")
    ]
    assert np.abs(found[0] - found[1]).max() < 0.02 * np.abs(found[1]).max()


@pytest.mark.parametrize("module", ["mlp", "unet"])
def test_recorded_trainings_are_like_others(module, monkeypatch):
    objects = random_objects((12, 12), "float32", 80)
    X, found = FourierMagnitude().fit_transform(objects), []
    for _ in range(2):
        net = PhaseRetrievalRegressor(
            module,
            module__hidden_width=64,
            max_epochs=4,
            batch_size=32,
            mixed_precision=False,
            device="cuda",
            random_state=0,
            verbose=0,
        )
        found.append(net.fit(X, objects).history[:, "train_loss"])
        monkeypatch.setattr(_fitting, "recorded_steps", lambda net: contextlib.nullcontext())
    np.testing.assert_allclose(*found, rtol=0.02)


def test_arrays_are_canonicalized_on_the_gpu_as_on_the_cpu(monkeypatch):
    objects = random_objects((12, 10), "float32", 5000)
    expected = Canonicalizer().fit_transform(objects)
    monkeypatch.setattr("skpr._tensors.PAYS_ON_GPU", 1)
    found = Canonicalizer().fit(objects).transform(objects)
    np.testing.assert_allclose(found, expected, atol=1e-5)
