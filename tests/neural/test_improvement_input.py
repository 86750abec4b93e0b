from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skpr.neural._improvement_input import flat, scaled, unpacked

SHAPES = [((5,), (9,)), ((4, 6), (8, 11)), ((3, 4, 2), (6, 8, 4))]


def drawn(object_shape, fourier_shape, *, is_complex):
    """Parts of an input, as arrays in double precision."""
    rng = np.random.default_rng(0)
    best, mean = rng.standard_normal((2, 3, *object_shape)) + (
        1j * rng.standard_normal((2, 3, *object_shape)) if is_complex else 0
    )
    return {
        "magnitudes": rng.random((3, *fourier_shape)),
        "best": best,
        "mean": mean,
        "spread": rng.random((3, *object_shape)),
    }


@pytest.mark.parametrize(("object_shape", "fourier_shape"), SHAPES)
@pytest.mark.parametrize("is_complex", [False, True])
def test_what_is_packed_comes_back(object_shape, fourier_shape, is_complex):
    parts = drawn(object_shape, fourier_shape, is_complex=is_complex)
    batches, _ = scaled(parts, slice(None), is_complex)
    net = SimpleNamespace(
        object_shape_=object_shape, fourier_shape_=fourier_shape, is_complex_=is_complex
    )
    packed = flat(*batches)
    assert packed.dtype == torch.float32
    for given, found in zip(batches, unpacked(net, packed), strict=True):
        torch.testing.assert_close(found, given, rtol=0, atol=0)


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_all_parts_of_a_sample_have_one_scale(unit):
    parts = drawn((4, 6), (8, 11), is_complex=False)
    batches, scales = scaled({k: v * unit for k, v in parts.items()}, slice(1, 3), False)
    for name, batch in zip(parts, batches, strict=True):
        axes = (1,) * (batch.ndim - 1)
        back = batch.double() / scales.view(-1, *axes) / unit
        np.testing.assert_allclose(back, parts[name][1:3], rtol=1e-6)
    largest = batches[1].abs().flatten(1).amax(dim=1)
    assert ((largest >= 0.5) & (largest <= 1)).all()
