r"""Partial coherence: a Gaussian blur of the intensities.

Simulation, iterations and scores share these functions. A source of finite size convolves the
intensity with a kernel, `I = |F x|^2 * gamma`; so do the point spread of a detector and the width
of its pixels. A Gaussian kernel of covariance `C`, in Fourier pixels squared, multiplies the
object's autocorrelation by `exp(-2 pi^2 u^T C u)` with `u = t / m`, at lags `t` in object pixels
(Clark, Huang, Harder and Robinson, 2012).
"""

import math

import torch

from .._tensors import space_axes
from ._containers import takes_arrays

__all__ = ["blur", "coherence_transfer", "covariance_of_widths", "lag_fractions"]


def lag_fractions(fourier_shape, like, *, half=True):
    """Lags of the autocorrelation as fractions of the grid.

    Parameters
    ----------
    fourier_shape : tuple of int
    like : torch.Tensor
        Tensor whose dtype and device the result takes.
    half : bool, default=True
        Whether to leave out negative lags of the last axis.

    Returns
    -------
    list of torch.Tensor, one for each axis
        Lags `t / m` from -1/2 to 1/2 in FFT order; the tensors broadcast against one another.

    Examples
    --------
    >>> import torch
    >>> lag_fractions((4,), torch.zeros(1), half=False)
    [tensor([ 0.0000,  0.2500, -0.5000, -0.2500])]
    """
    fractions = []
    for axis, size in enumerate(fourier_shape):
        frequencies = (
            torch.fft.rfftfreq if half and axis == len(fourier_shape) - 1 else torch.fft.fftfreq
        )
        values = frequencies(size, dtype=like.dtype, device=like.device)
        fractions.append(values.view([-1 if a == axis else 1 for a in range(len(fourier_shape))]))
    return fractions


def covariance_of_widths(widths):
    """Covariance of a kernel without correlations between axes.

    Parameters
    ----------
    widths : sequence of float
        Standard deviation along each axis, in Fourier pixels.

    Returns
    -------
    torch.Tensor of shape (1, n_axes, n_axes)

    Examples
    --------
    >>> covariance_of_widths([1.0, 2.0])
    tensor([[[1., 0.],
             [0., 4.]]], dtype=torch.float64)
    """
    return torch.diag(torch.as_tensor(widths, dtype=torch.float64).square())[None]


def coherence_transfer(covariances, fourier_shape, like, *, half=True):
    """Factor by which a kernel multiplies the autocorrelation.

    Parameters
    ----------
    covariances : torch.Tensor of shape (n_samples, n_axes, n_axes)
        Covariances of the kernels, in Fourier pixels squared.
    fourier_shape : tuple of int
    like : torch.Tensor
        Tensor whose dtype and device the result takes.
    half : bool, default=True
        Whether to leave out negative lags of the last axis.

    Returns
    -------
    torch.Tensor of shape (n_samples, *lags), between 0 and 1

    Examples
    --------
    >>> import torch
    >>> coherence_transfer(torch.zeros(1, 1, 1), (4,), torch.zeros(1))
    tensor([[1., 1., 1.]])
    """
    fractions = lag_fractions(fourier_shape, like, half=half)
    exponent = 0.0
    for i, first in enumerate(fractions):
        for j, second in enumerate(fractions):
            weight = covariances[:, i, j].to(like.device, like.dtype)
            exponent = exponent + weight.view([-1] + [1] * len(fractions)) * (first * second)
    return torch.exp(-2 * math.pi**2 * exponent)


@takes_arrays
def blur(intensities, transfer):
    """Convolve intensities with the kernel of a transfer function.

    Parameters
    ----------
    intensities : torch.Tensor of shape (n_samples, *fourier_shape)
        Intensities in any order of frequencies, because the convolution wraps around.
    transfer : torch.Tensor of shape (n_samples or 1, ..., fourier_shape[-1] // 2 + 1)
        Transfer function of :func:`coherence_transfer` with `half=True`.

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape), not negative

    Examples
    --------
    >>> import torch
    >>> point = torch.zeros(1, 8, dtype=torch.float64)
    >>> point[0, 0] = 1.0
    >>> transfer = coherence_transfer(covariance_of_widths([1.0]), (8,), point)
    >>> blur(point, transfer)[0, :3]
    tensor([0.3979, 0.2429, 0.0531], dtype=torch.float64)
    """
    axes = space_axes(intensities)
    shape = intensities.shape[1:]
    # rounding may take dark pixels below 0, which no kernel does
    return torch.fft.irfftn(
        torch.fft.rfftn(intensities, dim=axes) * transfer, s=shape, dim=axes
    ).clamp_min(0)
