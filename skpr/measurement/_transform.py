"""Transform pair and layouts of a spectrum.

An object of shape `n` lies in the corner of a zero-padded grid of shape `m >= n`. Its transform is
the unnormalised DFT `F(k) = sum_r x(r) exp(-2 pi i k r / m)` (NumPy's default). A *centred*
spectrum has zero frequency at index `m // 2` of each axis, as a detector shows it; a spectrum in
*FFT order* has it at index 0. The half `k_last >= 0` determines the spectrum of a real object, and
the functions here compute with that half.
"""

from __future__ import annotations

import math

import torch

from .._tensors import space_axes
from ._containers import moves_arrays, takes_arrays

__all__ = [
    "from_spectrum",
    "full_magnitudes",
    "mirrored",
    "oversampled_shape",
    "to_centred",
    "to_fft_order",
    "to_spectrum",
]


def oversampled_shape(object_shape: tuple[int, ...], oversampling: float) -> tuple[int, ...]:
    """Shape of the Fourier grid of an object.

    Parameters
    ----------
    object_shape : tuple of int
    oversampling : float
        Fourier pixels per object pixel along each axis.

    Returns
    -------
    tuple of int
        Number of frequencies `ceil(oversampling * n)` along each axis.

    Examples
    --------
    >>> oversampled_shape((28, 31), 2.0)
    (56, 62)
    """
    # without rounding, 1.1 * 10 = 11.000000000000002 would give 12
    return tuple(math.ceil(round(oversampling * n, 9)) for n in object_shape)


@takes_arrays
def to_spectrum(objects, fourier_shape):
    """Compute oversampled spectra of objects, in FFT order.

    Parameters
    ----------
    objects : torch.Tensor of shape (n_samples, *object_shape)
    fourier_shape : tuple of int

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape), complex
        Half spectra for real objects: the last axis holds `fourier_shape[-1] // 2 + 1` frequencies.

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
    """Compute zero-padded objects from their spectra.

    Parameters
    ----------
    spectrum : torch.Tensor of shape (n_samples, *columns), complex
        Spectra in FFT order; half spectra if `real`.
    fourier_shape : tuple of int
    real : bool
        Whether the objects are real.

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape)
        Zero-padded grids with the objects in their corner.

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
    """Complete the magnitudes of half spectra of real objects.

    For real objects, `|F(-k)| = |F(k)|`.

    Parameters
    ----------
    half : torch.Tensor of shape (n_samples, ..., last_size // 2 + 1), real, FFT order
    last_size : int
        Length of the full last axis.
    centered : bool
        Whether to put zero frequency at index `m // 2` (else 0).

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
    # index 0 is its own mirror image and stays; one roll does both this and the shift to the centre
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
    """Return the values at `-k` for each frequency `k`.

    Parameters
    ----------
    values : torch.Tensor of shape (n_samples, *fourier_shape)
        Values at every frequency.
    centered : bool
        Whether zero frequency is in the middle.

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape)

    Examples
    --------
    >>> import torch
    >>> mirrored(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), centered=False)
    tensor([[0., 3., 2., 1.]])
    """
    axes = space_axes(values)
    turned = values.flip(axes)
    # index 0 is its own mirror image in FFT order and, as frequency -m/2, on an even centred axis
    fixed = [axis for axis in axes if not centered or values.shape[axis] % 2 == 0]
    return turned.roll([1] * len(fixed), fixed) if fixed else turned


@moves_arrays
def to_fft_order(values):
    """Move zero frequency from index `m // 2` to index 0.

    Parameters
    ----------
    values : torch.Tensor of shape (n_samples, *fourier_shape)

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape)

    Examples
    --------
    >>> import torch
    >>> to_fft_order(torch.tensor([[-2, -1, 0, 1]]))
    tensor([[ 0,  1, -2, -1]])
    """
    return torch.fft.ifftshift(values, dim=space_axes(values))


@moves_arrays
def to_centred(values):
    """Move zero frequency from index 0 to index `m // 2`.

    Parameters
    ----------
    values : torch.Tensor of shape (n_samples, *fourier_shape)

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape)

    Examples
    --------
    >>> import torch
    >>> to_centred(torch.tensor([[0, 1, -2, -1]]))
    tensor([[-2, -1,  0,  1]])
    """
    return torch.fft.fftshift(values, dim=space_axes(values))
