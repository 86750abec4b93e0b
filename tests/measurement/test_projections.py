"""Projections land on their set, leave its members unchanged, and move no further than needed."""

import numpy as np
import pytest
import torch

from skpr.fourier import to_spectrum
from skpr.iterative import (
    project_amplitude,
    project_magnitudes,
    project_non_negative,
    project_real,
    project_support,
)
from tests.conftest import random_objects, tolerance

SUPPORT = torch.tensor([True, False, True, True])
PROJECTIONS = {
    "support": lambda x: project_support(x, SUPPORT),
    "real": project_real,
    "non-negative": project_non_negative,
    "amplitude": lambda x: project_amplitude(x, 0.2, 0.7),
}


@pytest.fixture
def pair(object_shape, dtype):
    """Estimates, and the magnitudes of other objects."""
    signed = random_objects(object_shape, dtype, 3) - np.asarray(0.3, dtype)
    other = torch.from_numpy(random_objects(object_shape, dtype, 3, seed=5))
    return torch.from_numpy(signed), torch.fft.fftn(other, dim=tuple(range(1, other.ndim))).abs()


def test_magnitudes_become_the_measured_ones(pair, dtype):
    estimate, magnitudes = pair
    projected = project_magnitudes(estimate, magnitudes)
    axes = tuple(range(1, estimate.ndim))
    found = torch.fft.fftn(projected, dim=axes).abs()
    assert projected.dtype == estimate.dtype
    assert (found - magnitudes).abs().max() <= tolerance(dtype) * magnitudes.max()


def test_magnitude_projection_is_idempotent_and_keeps_phases(pair, dtype):
    estimate, magnitudes = pair
    once = project_magnitudes(estimate, magnitudes)
    twice = project_magnitudes(once, magnitudes)
    assert (twice - once).abs().max() <= tolerance(dtype) * once.abs().max()
    grid = tuple(estimate.shape[1:])
    aligned = to_spectrum(once, grid) * to_spectrum(estimate, grid).conj()
    assert aligned.real.min() >= -tolerance(dtype) * aligned.abs().max()
    assert aligned.imag.abs().max() <= tolerance(dtype) * aligned.abs().max()


def test_unmeasured_pixels_keep_their_modulus(pair, dtype):
    estimate, magnitudes = pair
    magnitudes = magnitudes.clone()
    hidden = torch.zeros(estimate.shape, dtype=torch.bool)
    hidden[(slice(None), *(slice(0, 1) for _ in estimate.shape[1:]))] = True
    magnitudes[hidden] = torch.nan
    projected = project_magnitudes(estimate, magnitudes)
    axes = tuple(range(1, estimate.ndim))
    found, before = (torch.fft.fftn(x, dim=axes).abs() for x in (projected, estimate))
    wanted = torch.where(hidden, before, magnitudes)
    assert (found - wanted).abs().max() <= tolerance(dtype) * wanted.max()


def test_a_vanishing_spectrum_stays_finite():
    assert torch.equal(
        project_magnitudes(torch.zeros(2, 8), torch.full((2, 8), 1e3)), torch.zeros(2, 8)
    )


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_object_projections_are_idempotent(name, dtype):
    x = torch.randn((5, 4), dtype=dtype, generator=torch.Generator().manual_seed(0))
    once = PROJECTIONS[name](x)
    torch.testing.assert_close(PROJECTIONS[name](once), once)


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_no_member_of_the_set_is_nearer(name, dtype):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((1, 4), dtype=dtype, generator=generator)
    others = PROJECTIONS[name](2 * torch.randn((2000, 4), dtype=dtype, generator=generator))
    nearest = (others - x).abs().square().sum(1).min()
    assert (PROJECTIONS[name](x) - x).abs().square().sum() <= nearest


def test_projections_are_differentiable():
    x = torch.randn(
        (2, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    magnitudes = torch.linspace(1, 2, 6, dtype=torch.float64).expand(2, 6)
    assert torch.autograd.gradcheck(lambda v: project_magnitudes(v, magnitudes), x)
    assert torch.autograd.gradcheck(
        lambda v: project_amplitude(project_non_negative(v), 0.0, 0.9), x
    )


@pytest.mark.parametrize("shape", [(3,), (2, 5), (1, 1, 4)], ids=str)
def test_supports_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"give one of shape \(4,\) for all samples"):
        project_support(torch.ones(2, 4), torch.ones(shape, dtype=torch.bool))


def test_supports_are_masks_of_any_kind():
    with pytest.raises(ValueError, match="support has other values than 0 and 1"):
        project_support(torch.ones(2, 4), torch.full((4,), 3.0))
    for support in (
        [True, True, False, True],
        np.array([1, 1, 0, 1]),
        torch.tensor([1.0, 1.0, 0.0, 1.0]),
    ):
        assert project_support(torch.ones(2, 4), support)[0].tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    "magnitudes", [-torch.ones(2, 8), 1j * torch.ones(2, 8)], ids=["negative", "complex"]
)
def test_what_are_no_moduli_is_refused(magnitudes):
    with pytest.raises(ValueError, match="complex or have negative values"):
        project_magnitudes(torch.ones(2, 8), magnitudes)


def test_magnitudes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"of shape \(2, 8\), or on its half, of shape \(2, 5\)"):
        project_magnitudes(torch.ones(2, 8), torch.ones(2, 6))
    with pytest.raises(
        ValueError, match=r"give them on the whole grid of the estimate, of shape \(2, 8\)$"
    ):
        project_magnitudes(torch.ones(2, 8) + 0j, torch.ones(2, 5))
    for given in ((2, 5), (1, 8)):
        assert project_magnitudes(torch.ones(2, 8), torch.ones(given)).shape == (2, 8)


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="give lower <= upper"):
        project_amplitude(torch.ones(2, 4), 1.0, 0.5)
