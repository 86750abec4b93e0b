"""The transform pair and the layouts of a spectrum, written once.

An object of shape `n` lies in the corner of a dark grid of shape `m >= n`; its transform is the
unnormalised DFT `F(k) = sum_r x(r) exp(-2 pi i k r / m)` (NumPy's default). A *centred* spectrum
has its zero frequency at index `m // 2` of each axis, as a detector shows it; one in *FFT order*
has it at index 0. A real object's spectrum is determined by its half `k_last >= 0`, which is what
the functions here compute with."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from .._tensors import space_axes
from ._containers import moves_arrays, takes_arrays

__all__ = [
    "from_spectrum",
    "full_magnitudes",
    "mirrored",
    "oversampled_shape",
    "rounds_alone",
    "to_centred",
    "to_fft_order",
    "to_spectrum",
]


def oversampled_shape(object_shape: tuple[int, ...], oversampling: float) -> tuple[int, ...]:
    """Fourier grid of an object: `ceil(oversampling * n)` along each axis.

    Examples
    --------
    >>> oversampled_shape((28, 31), 2.0)
    (56, 62)
    """
    return tuple(math.ceil(round(oversampling * n, 9)) for n in object_shape)


@takes_arrays
def to_spectrum(objects, fourier_shape):
    """Oversampled spectrum of a tensor of objects, in FFT order; the half spectrum for real
    objects.

    Parameters
    ----------
    objects : torch.Tensor of shape (n_samples, *object_shape)
    fourier_shape : tuple of int

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape), complex
        For real objects the last axis holds `fourier_shape[-1] // 2 + 1` frequencies.

    Examples
    --------
    >>> import torch
    >>> to_spectrum(torch.tensor([[1.0, 1.0]]), (4,))
    tensor([[2.+0.j, 1.-1.j, 0.+0.j]])
    """
    transform = torch.fft.fftn if objects.is_complex() else torch.fft.rfftn
    return transform(objects, s=tuple(fourier_shape), dim=space_axes(objects))


@takes_arrays
def from_spectrum(spectrum, fourier_shape, *, real):
    """Inverse of :func:`to_spectrum`: dark grids (n_samples, *fourier_shape) with the objects in
    their corner.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0]])
    >>> from_spectrum(to_spectrum(x, (4,)), (4,), real=True)
    tensor([[1., 2., 0., 0.]])
    """
    transform = torch.fft.irfftn if real else torch.fft.ifftn
    return transform(spectrum, s=tuple(fourier_shape), dim=space_axes(spectrum))


@takes_arrays
def full_magnitudes(half, last_size, centered):
    """Full magnitudes from a half spectrum's: `|F(-k)| = |F(k)|` for real objects.

    Parameters
    ----------
    half : torch.Tensor of shape (n_samples, ..., last_size // 2 + 1), real, FFT order
    last_size : int
        Length of the full last axis.
    centered : bool
        Whether zero frequency goes to index `m // 2` (else 0).

    Returns
    -------
    torch.Tensor of shape (n_samples, ..., last_size)

    Examples
    --------
    >>> import torch
    >>> full_magnitudes(torch.tensor([[2.0, 1.4, 0.0]]), 4, centered=True)
    tensor([[0.0000, 1.4000, 2.0000, 1.4000]])
    """
    last = half.ndim - 1
    leading = space_axes(half)[:-1]
    others = half[..., 1 : (last_size + 1) // 2].flip((*leading, last))
    # index 0 is its own mirror image and stays; the shift to the centre rides on the same move of
    # memory
    centres = [half.shape[axis] // 2 if centered else 0 for axis in leading]
    if leading:
        others = others.roll([centre + 1 for centre in centres], leading)
    if not centered:
        return torch.cat([half, others], dim=last)
    if leading:
        half = half.roll(centres, leading)
    # frequency -m/2 of an even axis is its own mirror image and comes first
    nyquist = [half[..., -1:]] if last_size % 2 == 0 else []
    return torch.cat([*nyquist, others, half[..., : (last_size + 1) // 2]], dim=last)


@moves_arrays
def mirrored(values, centered):
    """Values at `-k`, of a tensor with values at every frequency `k`.

    Examples
    --------
    >>> import torch
    >>> mirrored(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), centered=False)
    tensor([[0., 3., 2., 1.]])
    """
    axes = space_axes(values)
    turned = values.flip(axes)
    # index 0 of FFT order, and of an even centred axis, is its own mirror image
    fixed = [axis for axis in axes if not centered or values.shape[axis] % 2 == 0]
    return turned.roll([1] * len(fixed), fixed) if fixed else turned


@moves_arrays
def to_fft_order(values):
    """Values of a centred tensor with zero frequency at index 0.

    Examples
    --------
    >>> import torch
    >>> to_fft_order(torch.tensor([[-2, -1, 0, 1]]))
    tensor([[ 0,  1, -2, -1]])
    """
    return torch.fft.ifftshift(values, dim=space_axes(values))


@moves_arrays
def to_centred(values):
    """Values of a tensor in FFT order with zero frequency at index `m // 2`.

    Examples
    --------
    >>> import torch
    >>> to_centred(torch.tensor([[0, 1, -2, -1]]))
    tensor([[-2, -1,  0,  1]])
    """
    return torch.fft.fftshift(values, dim=space_axes(values))


@lru_cache(maxsize=64)
def rounds_alone(fourier_shape, dtype, real, device):
    """Whether the transform pair rounds a single sample otherwise than one of a batch.

    FFT libraries take another path for some small grids. Iterations amplify the last digit, so a
    reconstruction would depend on whether others stand beside it; a second sample then keeps it
    company.

    Parameters
    ----------
    fourier_shape : tuple of int
    dtype : torch.dtype
        Real type of the magnitudes.
    real : bool
        Whether objects are real.
    device : str

    Returns
    -------
    bool
        Found by trying: which grids are concerned depends on the processor.

    Examples
    --------
    >>> rounds_alone((6,), torch.float64, True, "cpu") in (True, False)
    True
    """
    numbers = torch.arange(2 * math.prod(fourier_shape), dtype=torch.float64, device=device)
    both = (12.9898 * numbers.square()).sin().to(dtype).view(2, *fourier_shape)
    if not real:
        both = torch.complex(both, both.flip(1))
    spectra = to_spectrum(both, fourier_shape)
    alone = to_spectrum(both[:1], fourier_shape)
    back = [from_spectrum(part, fourier_shape, real=real)[0] for part in (spectra, spectra[:1])]
    return not (torch.equal(alone[0], spectra[0]) and torch.equal(*back))
