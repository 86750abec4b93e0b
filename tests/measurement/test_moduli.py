import pytest
import torch

from skpr.measurement._moduli import moduli, squared_moduli


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
def test_moduli_are_those_of_torch_with_and_without_gradient(dtype):
    spectrum = torch.randn(2, 5, 6, dtype=dtype).transpose(1, 2)
    spectrum[0, 0, 0] = 0
    recorded = spectrum.clone().requires_grad_()
    for values in (spectrum, recorded):
        torch.testing.assert_close(moduli(values), spectrum.abs())
        torch.testing.assert_close(squared_moduli(values), spectrum.abs().square())
    with torch.no_grad():
        torch.testing.assert_close(moduli(recorded), spectrum.abs())


def test_gradients_are_finite_where_a_spectrum_vanishes():
    spectrum = torch.zeros(3, dtype=torch.complex128, requires_grad=True)
    (moduli(spectrum) + squared_moduli(spectrum)).sum().backward()
    assert torch.equal(spectrum.grad, torch.zeros_like(spectrum))
