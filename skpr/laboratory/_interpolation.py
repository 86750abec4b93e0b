"""Fourier interpolation at arbitrary places between voxels.

An object with `N` voxels along an axis is the sum of its `N` harmonics, which the pattern was
measured at; between the voxels it is the same sum. A non-uniform fast Fourier transform evaluates
it: harmonics are divided by the transform of a kernel and brought to a grid `OVERSAMPLING` times as
fine, and the kernel interpolates there. The kernel `exp(beta (sqrt(1 - z^2) - 1))` and its width
are those of Barnett, Magland and af Klinteberg (SIAM J. Sci. Comput. 41, C479, 2019).
"""

import math

import numpy as np
import torch
from scipy.fft import next_fast_len

OVERSAMPLING = 2
WIDTH = 6  # points of the finer grid; the error is about 10^(1 - WIDTH)
BETA = 2.3 * WIDTH
GATHERED = 1 << 19  # values of the finer grid that are weighted at once: more leave the cache


def fine_grid(x):
    """Compute objects on the finer grid.

    Their harmonics are divided by the transform of the kernel.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, *shape)
        Real or complex.

    Returns
    -------
    torch.Tensor of shape (n_samples, *finer_shape)
        Like `x`; to be read by :func:`values_at` only.
    """
    spectrum = torch.fft.fftn(x, dim=tuple(range(1, x.ndim)))
    for axis, size in enumerate(x.shape[1:], start=1):
        spectrum = _widened(spectrum, axis, size)
    fine = torch.fft.ifftn(spectrum, dim=tuple(range(1, x.ndim)))
    fine = fine * (math.prod(fine.shape[1:]) / math.prod(x.shape[1:]))
    return fine if x.is_complex() else fine.real


def values_at(fine, places, shape):
    """Compute values of objects between their voxels.

    Parameters
    ----------
    fine : torch.Tensor of shape (n_samples, *finer_shape)
        Objects as :func:`fine_grid` returns them.
    places : torch.Tensor of shape (n_places, n_axes), float64
        Places in voxels of the objects; objects repeat outside of their frame.
    shape : tuple of int
        Shape of an object.

    Returns
    -------
    torch.Tensor of shape (n_samples, n_places)
    """
    n_axes, flat = len(shape), fine.flatten(1)
    step = max(1, GATHERED // (len(fine) * WIDTH**n_axes))
    parts = [_weighted(flat, fine.shape[1:], part, shape) for part in places.split(step)]
    return torch.cat(parts, dim=1) if parts else fine.new_zeros(len(fine), 0)


def _weighted(flat, finer_shape, places, shape):
    """Sum the nearest points of the finer grid, weighted by the kernel."""
    index, weights = None, []
    for axis, (size, finer) in enumerate(zip(shape, finer_shape, strict=True)):
        place = places[:, axis, None] * (finer / size)
        points = (place - WIDTH / 2).ceil() + torch.arange(WIDTH, device=place.device)
        z = (2 / WIDTH) * (place - points)
        kernel = (BETA * ((1 - z * z).clamp_min(0).sqrt() - 1)).exp()
        weights.append(kernel.to(torch.empty(0, dtype=flat.dtype).real.dtype))
        points = points.remainder(finer).long()
        index = points if index is None else index[..., None] * finer + _last(points, axis)
    values = flat[:, index]
    for kernel in reversed(weights):
        kernel = kernel.view(1, len(kernel), *[1] * (values.ndim - 3), WIDTH)
        values = (values * kernel).sum(dim=-1)
    return values


def _last(points, axis):
    """Return numbers of points along an axis, behind the axes before it."""
    return points.view(len(points), *[1] * axis, WIDTH)


def _widened(spectrum, axis, size):
    """Pad harmonics along an axis; divide by the kernel's transform."""
    finer = next_fast_len(max(OVERSAMPLING * size, 2 * WIDTH))
    spectrum = torch.fft.fftshift(spectrum, dim=axis)
    if size % 2 == 0:  # half of the highest harmonic belongs to each sign of its frequency
        highest = spectrum.narrow(axis, 0, 1) / 2
        spectrum = torch.cat([highest, spectrum.narrow(axis, 1, size - 1), highest], dim=axis)
    half = spectrum.shape[axis] // 2
    scale = 1 / _transform_of_kernel(np.arange(-half, half + 1) / finer)
    view = [-1 if one == axis else 1 for one in range(spectrum.ndim)]
    factors = torch.from_numpy(scale).to(spectrum.device, spectrum.real.dtype)
    spectrum = spectrum * factors.view(view)
    before = finer // 2 - half
    after = finer - before - spectrum.shape[axis]
    padding = [0, 0] * (spectrum.ndim - 1 - axis) + [before, after]
    return torch.fft.ifftshift(torch.nn.functional.pad(spectrum, padding), dim=axis)


def _transform_of_kernel(frequencies):
    """Compute the kernel's Fourier transform by Gauss-Legendre quadrature."""
    z, weights = np.polynomial.legendre.leggauss(64)
    kernel = weights * np.exp(BETA * (np.sqrt(1 - z * z) - 1))
    return WIDTH / 2 * np.cos(np.pi * WIDTH * frequencies[:, None] * z) @ kernel
