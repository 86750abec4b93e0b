import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.coherence import blur, coherence_transfer, covariance_of_widths
from skpr.datasets import make_crystals
from skpr.detector import PartialCoherence
from skpr.metrics import fourier_error, r_factor, relative_error


@pytest.mark.parametrize("shape", [(16,), (15, 16), (8, 9, 10)], ids=str)
def test_half_a_transfer_is_half_of_the_whole(shape):
    covariance = torch.eye(len(shape), dtype=torch.float64)[None] * 0.3 + 0.1
    whole = coherence_transfer(covariance, shape, torch.zeros(0), half=False)
    half = coherence_transfer(covariance, shape, torch.zeros(0))
    # the last frequency of an even axis is positive in one and negative in the other
    columns = (shape[-1] + 1) // 2
    torch.testing.assert_close(half[..., :columns], whole[..., :columns])
    assert whole.flatten(1).max(dim=1).values == 1


def test_a_blur_keeps_the_sum_and_nothing_is_negative():
    intensities = torch.rand(2, 12, 13, dtype=torch.float64) ** 8
    transfer = coherence_transfer(covariance_of_widths((0.7, 0.2)), (12, 13), intensities)
    blurred = blur(intensities, transfer)
    assert (blurred >= 0).all()
    torch.testing.assert_close(blurred.sum((1, 2)), intensities.sum((1, 2)), rtol=1e-3, atol=0)
    assert (blurred.amax((1, 2)) < intensities.amax((1, 2))).all()


def blurred_crystals(max_phase, widths, n_samples=3, seed=1):
    crystals = make_crystals(n_samples, shape=(32, 32), max_phase=max_phase, random_state=seed).data
    return crystals, PartialCoherence(widths).fit_transform(
        FourierMagnitude().fit_transform(crystals)
    )


def retriever(coherence, **more):
    parameters = {
        "n_iter": 600,
        "support": "shrinkwrap",
        "threshold": 0.2,
        "shrinkwrap_sigma": (2.0, 0.7),
    }
    return IterativePhaseRetrieval(coherence=coherence, n_starts=3, random_state=0).set_params(
        **parameters | more
    )


def test_the_kernel_and_the_object_are_found_together():
    crystals, measured = blurred_crystals(0, (0.5, 0.3))
    full = retriever("full").fit(measured, crystals).retrieve(measured)
    partial = retriever("gaussian").fit(measured, crystals).retrieve(measured)
    assert full.coherence is None
    assert partial.coherence.shape == (3, 3, 2, 2)
    best = partial.start_errors.argmin(axis=1)
    kernels = partial.coherence[np.arange(3), best]
    np.testing.assert_allclose(
        np.sqrt(np.diagonal(kernels, axis1=1, axis2=2)), [[0.5, 0.3]] * 3, atol=0.05
    )
    with_kernel, without = (
        relative_error(crystals, found.objects, multioutput="raw_values")
        for found in (partial, full)
    )
    assert np.median(with_kernel) < 0.1 * np.median(
        without
    )  # now and then three starts find no good one
    assert np.median(partial.errors / full.errors) < 0.2


def test_complex_crystals_fit_better_with_their_kernel():
    crystals, measured = blurred_crystals(1.5, 0.5, n_samples=4)
    full, partial = (
        retriever(c).fit(measured, crystals).retrieve(measured) for c in ("full", "gaussian")
    )
    assert (partial.errors < full.errors).all()
    assert relative_error(crystals, partial.objects) < relative_error(crystals, full.objects)


@pytest.mark.parametrize("max_phase", [0, 1.5])
def test_coherent_patterns_get_no_kernel_to_speak_of(max_phase):
    crystals, measured = blurred_crystals(max_phase, 0.0)
    found = retriever("gaussian").fit(measured, crystals).retrieve(measured)
    best = found.start_errors.argmin(axis=1)
    assert np.median(np.sqrt(np.trace(found.coherence[np.arange(3), best], axis1=1, axis2=2))) < 0.1


def test_kernels_do_not_depend_on_what_else_is_in_the_batch():
    crystals, measured = blurred_crystals(0, 0.4)
    together = retriever("gaussian", n_iter=100).fit(measured, crystals).retrieve(measured)
    alone = retriever("gaussian", n_iter=100).fit(measured, crystals).retrieve(measured[1:2])
    np.testing.assert_allclose(together.coherence[1], alone.coherence[0], atol=1e-3)


def test_errors_of_blurred_patterns_are_zero_with_their_kernel():
    crystals, measured = blurred_crystals(1.0, (0.4, 0.2))
    kernels = np.repeat(np.diag([0.16, 0.04])[None], len(crystals), axis=0)
    for score in (fourier_error, r_factor):
        assert score(measured, crystals) > 0.02
        assert score(measured, crystals, coherence=kernels) < 1e-3
    with pytest.raises(
        ValueError, match=r"coherence has shape \(3, 2\); give one covariance per pattern, of shape"
    ):
        fourier_error(measured, crystals, coherence=kernels[..., 0])


def test_the_error_of_a_retrieval_is_that_of_its_kernel():
    crystals, measured = blurred_crystals(1.0, 0.4)
    measured[:, 30:34, 31] = np.nan
    found = retriever("gaussian", n_iter=120, n_starts=1).fit(measured, crystals).retrieve(measured)
    scored = fourier_error(
        measured, found.objects, coherence=found.coherence[:, 0], multioutput="raw_values"
    )
    np.testing.assert_allclose(scored, found.errors, rtol=1e-3)


def test_an_unknown_coherence_is_refused():
    with pytest.raises(
        ValueError, match="coherence='none' is not valid; choose 'auto', 'full' or 'gaussian'"
    ):
        IterativePhaseRetrieval(coherence="none").fit(np.ones((2, 8)))


def test_a_start_that_is_done_early_has_the_kernel_its_error_is_of():
    crystals, measured = blurred_crystals(0, 0.5)
    found = retriever("gaussian", tol=0.012, n_starts=1).fit(measured, crystals).retrieve(measured)
    assert (found.n_iter < 600).all()
    scored = fourier_error(
        measured, found.objects, coherence=found.coherence[:, 0], multioutput="raw_values"
    )
    np.testing.assert_allclose(scored, found.errors, rtol=1e-3)
