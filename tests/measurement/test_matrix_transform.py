"""Transforms as products with matrices, multiplied here as their kernel does."""

import math

import pytest
import torch

from skpr.measurement import _matrix_transform as by_matrices
from skpr.measurement import _pruned
from skpr.measurement._matrix_transform import matrices_of, objects_of, spectrum_of
from skpr.measurement._pruned import PrunedTransform, laid_out

SHAPES = [((5,), (11,)), ((4, 3), (8, 7)), ((6, 6), (6, 6)), ((3, 4, 5), (6, 9, 10))]
every_shape = pytest.mark.parametrize(("shape", "grid"), SHAPES, ids=str)
every_kind = pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=str)
NEAR = {"rtol": 0, "atol": 1e-5}


def multiply(source, matrices, out, rescaling=None, terms=()):
    """Multiply rows or columns by a matrix, on the CPU."""
    if rescaling is not None:
        magnitudes, unmeasured, least, rescaled = rescaling
        scale = magnitudes.view(source.shape) / source.abs().clamp_min(least)
        if unmeasured is not None:
            scale = scale.masked_fill(unmeasured.view(source.shape), 1.0)
        source = rescaled.view(source.shape).copy_(source * scale)
    if source.ndim == 3:
        source = source.transpose(1, 2)
    parts = [source.real, source.imag] if source.is_complex() else [source]
    assert len(parts) == len(matrices) // 2
    made = sum(
        part.double() @ (high.double() + low.double())[:, : source.shape[-1]].T
        for part, high, low in zip(parts, matrices[::2], matrices[1::2], strict=True)
    ).float()
    if out.is_complex():
        made = torch.view_as_complex(made.unflatten(-1, (-1, 2)).contiguous())
    made = made.view(out.shape)
    for factor, term in terms:
        made = made + factor * term
    return out.copy_(made)


@pytest.fixture
def on_cpu(monkeypatch):
    """Let the CPU multiply by matrices."""
    monkeypatch.setattr(by_matrices, "is_served", lambda values, shape: True)
    for name, function in (("spectrum_of", spectrum_of), ("objects_of", objects_of)):

        def given(*arguments, function=function):
            return function(*arguments, multiply=multiply)

        monkeypatch.setattr(_pruned.by_matrices, name, given)


def spectra(grid, dtype, n_samples=2):
    """Return spectra of random arrays on a grid."""
    whole = PrunedTransform(grid, grid)
    return whole.spectrum(torch.randn(n_samples, *grid, dtype=dtype))


@every_shape
@every_kind
def test_spectra_are_those_of_the_library(shape, grid, dtype, request):
    objects = torch.randn(2, *shape, dtype=dtype)
    transform, first = PrunedTransform(shape, grid), spectra(grid, dtype)
    expected = transform.spectrum(objects), transform.spectrum(objects, [(0.5, first), (-2, first)])
    request.getfixturevalue("on_cpu")
    found = transform.spectrum(objects), transform.spectrum(objects, [(0.5, first), (-2, first)])
    torch.testing.assert_close(found, expected, **NEAR)
    torch.testing.assert_close(transform.spectrum(objects, [(1, first)], first), first)
    assert found[0].stride() == expected[0].stride()


@every_shape
@every_kind
@pytest.mark.parametrize("masked", [False, True], ids=["measured", "incomplete"])
def test_objects_are_those_of_the_library(shape, grid, dtype, masked, request):
    spectrum, transform = spectra(grid, dtype), PrunedTransform(shape, grid)
    magnitudes = laid_out(torch.rand(spectrum.shape))
    unmeasured = laid_out(torch.rand(spectrum.shape) < 0.3) if masked else None
    arrays, real = (spectrum, magnitudes, unmeasured), not dtype.is_complex
    expected = transform.objects(spectrum, real=real), transform.rescaled(*arrays, real=real)
    request.getfixturevalue("on_cpu")
    found = transform.objects(spectrum, real=real), transform.rescaled(*arrays, real=real)
    torch.testing.assert_close(found, expected, **NEAR)


@pytest.mark.parametrize("kind", ["forward", "forward of real", "inverse", "inverse to real"])
def test_halves_of_a_matrix_have_few_bits_and_add_up(kind):
    matrices = matrices_of(5, 7, 12, kind, "cpu")
    high, low = matrices[::2], matrices[1::2]
    assert not (high.view(torch.int32) & 0x1FFF).any()  # 13 of 23 bits
    assert (low.abs() <= high.abs().clamp_min(1e-9) * 2**-11).all()
    assert not matrices[..., 5:].any()
    angle = 2 * math.pi * 2 * 3 / 12
    total = (high.double() + low.double())[0]
    row = 2 if kind == "inverse to real" else 4  # complex output has two rows per pixel
    weight = {"inverse": 1 / 12, "inverse to real": 2 / 12}.get(kind, 1.0)
    assert float(total[row, 3]) == pytest.approx(weight * math.cos(angle), abs=1e-10)  # 35 bits


def test_a_cpu_and_long_axes_are_not_served():
    assert not by_matrices.is_served(torch.zeros(1, 2), (4,))
