"""The pruned pair is the full pair, cropped; its working arrays and slabs leave no trace."""

import pytest
import torch

from skpr.measurement import (
    PrunedTransform,
    _pruned,
    _slabs,
    from_spectrum,
    rounds_alone,
    to_spectrum,
)
from skpr.measurement._pruned import laid_out, selected
from skpr.measurement._slabs import slab_thickness

SHAPES = {
    "1-D": ((5,), (9,)),
    "1-D, one pixel": ((1,), (1,)),
    "2-D": ((4, 5), (8, 9)),
    "2-D, odd": ((5, 4), (11, 13)),
    "2-D, one axis circular": ((4, 5), (4, 10)),
    "2-D, other axis circular": ((4, 6), (9, 6)),
    "2-D, circular": ((4, 5), (4, 5)),
    "3-D": ((3, 4, 5), (6, 9, 11)),
    "3-D, mixed": ((3, 4, 5), (7, 4, 10)),
    "3-D, one pixel": ((1, 1, 1), (1, 2, 1)),
}
DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
every_shape = pytest.mark.parametrize(("shape", "grid"), SHAPES.values(), ids=SHAPES)


@pytest.fixture(params=[1 << 16, 50, 9], ids=["whole", "slabs", "thin slabs"])
def slab(request, monkeypatch):
    monkeypatch.setattr(_slabs, "SLAB", request.param)


def tolerance(dtype):
    return {"rtol": 0, "atol": 100 * torch.finfo(dtype).eps}


def spectrum_of_a_grid(grid, dtype, n_samples=3):
    """Spectrum of an array that fills the grid."""
    return to_spectrum(torch.rand(n_samples, *grid, dtype=dtype), grid)


@every_shape
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n_samples", [1, 3])
def test_the_pair_is_the_full_one_cropped(shape, grid, dtype, n_samples, slab):
    transform = PrunedTransform(shape, grid)
    for _ in range(2):  # the second time with working arrays of the first
        objects = torch.rand(n_samples, *shape, dtype=dtype)
        found = transform.spectrum(objects)
        torch.testing.assert_close(found, to_spectrum(objects, grid), **tolerance(dtype))
        spectrum = spectrum_of_a_grid(grid, dtype, n_samples)
        inside = (slice(None), *(slice(n) for n in shape))
        expected = from_spectrum(spectrum, grid, real=not dtype.is_complex)[inside]
        found = transform.objects(spectrum, real=not dtype.is_complex)
        torch.testing.assert_close(found, expected, **tolerance(dtype))


@every_shape
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_terms_are_added_in_place_or_not(shape, grid, dtype, slab):
    transform = PrunedTransform(shape, grid)
    objects = torch.rand(2, *shape, dtype=dtype)
    first, second = (laid_out(spectrum_of_a_grid(grid, dtype, 2)) for _ in range(2))
    expected = to_spectrum(objects, grid) + 0.5 * first - 2 * second
    terms = [(0.5, first), (-2, second)]
    untouched = first.clone()
    torch.testing.assert_close(transform.spectrum(objects, terms), expected)
    assert torch.equal(first, untouched)
    found = transform.spectrum(objects, terms, out=first)
    assert found.data_ptr() == first.data_ptr()
    torch.testing.assert_close(first, expected)


@pytest.mark.parametrize("masked", [False, True], ids=["measured", "incomplete"])
@pytest.mark.parametrize("n_samples", [1, 3])
def test_spectra_are_rescaled_slab_by_slab(n_samples, masked, slab):
    transform = PrunedTransform((3, 4, 5), (7, 8, 10))
    spectrum = spectrum_of_a_grid((7, 8, 10), torch.float64, n_samples)
    magnitudes = laid_out(torch.rand(spectrum.shape, dtype=torch.float64))
    unmeasured = laid_out(torch.rand(spectrum.shape) < 0.3) if masked else None
    objects, made = transform.rescaled(spectrum, magnitudes, unmeasured, real=True)
    moduli = torch.where(unmeasured, spectrum.abs(), magnitudes) if masked else magnitudes
    torch.testing.assert_close(made, spectrum / spectrum.abs() * moduli)
    torch.testing.assert_close(objects, transform.objects(made, real=True))


@every_shape
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_both_directions_are_differentiable(shape, grid, dtype):
    transform, real = PrunedTransform(shape, grid), not dtype.is_complex
    objects = torch.rand(2, *shape, dtype=dtype, requires_grad=True)
    spectrum = spectrum_of_a_grid(grid, dtype, 2).requires_grad_()
    assert torch.autograd.gradcheck(transform.spectrum, objects)
    assert torch.autograd.gradcheck(lambda values: transform.objects(values, real=real), spectrum)


def test_a_result_is_no_view_of_a_working_array():
    transform = PrunedTransform((4, 5), (8, 9))
    first = transform.spectrum(torch.rand(2, 4, 5))
    kept = first.clone()
    transform.spectrum(torch.rand(2, 4, 5))
    assert torch.equal(first, kept)


def test_working_arrays_do_not_accumulate():
    transform = PrunedTransform((4, 5), (8, 9))
    for n_samples in range(1, 40):
        transform.spectrum(torch.rand(n_samples, 4, 5))
    assert len(transform._arrays) <= _pruned.MOST + 1


def test_working_arrays_of_inference_mode_serve_no_other():
    transform, objects = PrunedTransform((4, 5), (8, 9)), torch.rand(2, 4, 5)
    with torch.inference_mode():
        expected = transform.spectrum(objects).clone()
    assert torch.equal(transform.spectrum(objects), expected)


@pytest.mark.parametrize("shape", [(6,), (6, 8), (4, 5, 6)], ids=str)
def test_layout_changes_no_value(shape):
    values = torch.rand(3, *shape)
    turned = laid_out(values)
    assert torch.equal(turned, values)
    assert turned.stride(1) == 1
    kept = selected(turned, torch.tensor([True, False, True]))
    assert torch.equal(kept, values[[0, 2]])
    assert kept.stride(1) == 1


def test_the_layout_of_spectra_is_that_of_arrays_beside_them():
    for shape, grid in SHAPES.values():
        spectrum = PrunedTransform(shape, grid).spectrum(torch.rand(3, *shape))
        assert spectrum.transpose(1, -1).is_contiguous()
        assert laid_out(torch.rand(spectrum.shape)).transpose(1, -1).is_contiguous()


@pytest.mark.parametrize("n_pixels", [0, 1, 1 << 16, 1 << 17, 1 << 22])
def test_slabs_are_nearly_equal_and_cover_all(n_pixels):
    for length in (1, 2, 33, 64):
        thickness = slab_thickness(length, n_pixels)
        n_slabs = -(-length // thickness)
        assert 1 <= thickness <= length
        assert thickness - (length - (n_slabs - 1) * thickness) < max(2, n_slabs)


@pytest.mark.parametrize(
    ("shape", "grid"),
    [((5,), (9,)), ((12, 13), (29, 31)), ((8, 8), (16, 16)), ((6, 6, 6), (12,) * 3)],
)
@pytest.mark.parametrize("real", [True, False])
def test_a_batch_of_any_size_is_rounded_alike_unless_a_trial_says_otherwise(shape, grid, real):
    if rounds_alone(shape, grid, torch.float32, real, "cpu"):
        pytest.skip("a sample alone is rounded otherwise on this processor")
    transform = PrunedTransform(shape, grid)
    objects = torch.rand(9, *shape, dtype=torch.float32 if real else torch.complex64)
    together = transform.spectrum(objects)
    back = transform.objects(together, real=real)
    for size in range(1, 9):
        some = transform.spectrum(objects[:size])
        assert torch.equal(some, together[:size])
        assert torch.equal(transform.objects(some, real=real), back[:size])
