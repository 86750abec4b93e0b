import numpy as np
import pytest
import torch

from skpr._tensors import energy, unit_scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 3e37])
def test_energies_of_values_of_any_size(dtype, scale):
    x = torch.ones(2, 3, 4, dtype=dtype) * scale
    np.testing.assert_allclose(energy(x), 12 * scale**2, rtol=1e-6)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(energy(x).sum(), x)
    np.testing.assert_allclose(slope.abs(), 2 * scale, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_scales_are_powers_of_two_that_bring_the_largest_part_next_to_one(dtype):
    limits = torch.finfo(dtype)
    peaks = torch.tensor([1.0, 0.75, 3e5, 1e-30, limits.tiny, limits.max], dtype=dtype)
    x = torch.stack([peaks, peaks / 3, -peaks / 2], dim=1)
    scale = unit_scale(x)
    assert scale.shape == (6, 1)
    mantissas, _ = torch.frexp(scale)
    assert (mantissas == 0.5).all()
    scaled = (x * scale).abs().amax(dim=1)
    assert ((scaled[:4] >= 0.5) & (scaled[:4] < 1)).all()
    assert ((scaled >= 0.25) & (scaled < 4)).all()
    assert unit_scale(torch.zeros(1, 3, dtype=dtype)).item() == 1


def test_scales_of_conjugates_and_subnormal_numbers():
    x = torch.tensor([[1e-44, 0.0], [3.0, 4.0]]).to(torch.complex64)
    scale = unit_scale(x.conj())
    assert torch.isfinite(scale).all()
    assert torch.isfinite(1 / scale).all()
