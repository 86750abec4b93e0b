"""Supports of objects, from the measurement alone and by shrinkwrap.

A support is the set of pixels where an object can be.
"""

import math

import torch
from torch.nn import functional

from .._tensors import along_samples

LEAST_CONTENT = 1e-4  # fraction of the autocorrelation's maximum; less is rounding, without noise
NOISE_DEVIATIONS = 6  # no noise exceeds this, even among tens of thousands of lags
MOST_NOISE = 0.05  # fraction of the maximum; above it the autocorrelation does not bound an object

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def autocorrelations(magnitudes):
    """Return the autocorrelation of each object, with lag 0 in the middle.

    It is the inverse transform of the intensity. Unmeasured pixels count as 0, which adds a smooth
    background but no edge.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes in FFT order, NaN where unmeasured.
    """
    axes = tuple(range(1, magnitudes.ndim))
    values = torch.fft.ifftn(magnitudes.nan_to_num(0.0).square(), dim=axes)
    return torch.fft.fftshift(values.abs(), dim=axes)


def autocorrelation_boxes(magnitudes, object_shape, threshold=None):
    """Return the sides of a box that holds each object.

    They follow from the extent of the autocorrelation, which is `2 n - 1` for an object of extent
    `n` (exactly so for non-negative objects). Noise covers all lags alike, so its level is measured
    on the darkest side of the grid, where an object inside its frame has no lags. The
    autocorrelation of a compact object falls off quadratically towards its rim; the part of the rim
    that is hidden by noise is added to the extent.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes in FFT order, NaN where unmeasured.
    object_shape : tuple of int
    threshold : float, optional
        Fraction of the maximum that counts as content; by default 1e-4, or more if noise requires
        it.

    Returns
    -------
    torch.Tensor of shape (n_samples, n_axes), integers, at most `object_shape`
    """
    values = autocorrelations(magnitudes.double())
    axes = tuple(range(1, values.ndim))
    peaks = values.amax(dim=axes)
    least = peaks.new_full(peaks.shape, LEAST_CONTENT if threshold is None else threshold)
    hidden = torch.zeros_like(least)
    if threshold is None:
        noise = NOISE_DEVIATIONS * _darkest_side(values) / torch.where(peaks > 0, peaks, 1.0)
        hidden = torch.where(noise > least, noise.clamp_max(MOST_NOISE).sqrt(), 0.0)
        least = torch.maximum(least, noise.clamp_max(MOST_NOISE))
    strong = values > along_samples(least * peaks, values)
    sizes = []
    for axis, limit in zip(axes, object_shape, strict=True):
        others = tuple(a for a in axes if a != axis)
        profile = strong.sum(dim=others) > 0 if others else strong
        lags = (
            torch.arange(values.shape[axis], device=values.device) - values.shape[axis] // 2
        ).abs()
        reach = (profile * lags).amax(dim=1)
        size = ((reach + 1) / (1 - hidden)).ceil().long()
        # an autocorrelation that fills the grid may have wrapped around, and then bounds nothing
        sizes.append(torch.where(reach < values.shape[axis] // 2, size, limit).clamp(max=limit))
    return torch.stack(sizes, dim=1)


def _darkest_side(values):
    """Return the level of the darkest side of an autocorrelation.

    The level is a root mean square. A side consists of the largest lags along one axis.
    """
    squares = values.square()
    sides = [
        squares.select(axis, 0).reshape(len(values), -1).mean(dim=1).sqrt()
        for axis in range(1, values.ndim)
    ]
    return torch.stack(sides, dim=1).amin(dim=1)


def placed_boxes(sizes, object_shape, content=None):
    """Return boxes as masks.

    They lie in the middle of the frame or, given `content`, where they hold most of its energy.

    Returns
    -------
    torch.Tensor of bool, shape (n_samples, *object_shape)
    """
    limits = torch.tensor(object_shape, device=sizes.device)
    starts = (limits - sizes) // 2 if content is None else _fullest_places(sizes, content)
    mask = torch.ones((len(sizes), *object_shape), dtype=torch.bool, device=sizes.device)
    for axis, size in enumerate(object_shape):
        index = torch.arange(size, device=sizes.device)
        within = (index >= starts[:, axis, None]) & (index < (starts + sizes)[:, axis, None])
        mask &= within.view(
            [len(sizes)] + [size if a == axis else 1 for a in range(len(object_shape))]
        )
    return mask


def _fullest_places(sizes, content):
    starts = []
    for box, sample in zip(sizes.tolist(), content, strict=True):
        summed = sample.abs().double().square()
        # sums over all positions of the box: differences of cumulative sums, axis by axis
        for axis, length in enumerate(box):
            total = functional.pad(summed.movedim(axis, -1).cumsum(-1), (1, 0))
            summed = (total[..., length:] - total[..., : total.shape[-1] - length]).movedim(
                -1, axis
            )
        starts.append(torch.stack(torch.unravel_index(summed.argmax(), summed.shape)))
    return torch.stack(starts)


def shrinkwrap(objects, sigma, threshold):
    """Return supports from the objects themselves (Marchesini et al., 2003).

    A pixel belongs to the support if the blurred modulus exceeds a fraction of its largest value.

    Parameters
    ----------
    objects : torch.Tensor of shape (n_samples, *object_shape)
    sigma : torch.Tensor of shape (n_samples,)
        Width of each Gaussian in pixels.
    threshold : torch.Tensor of shape (n_samples,)
        Fraction of the largest blurred value.

    Returns
    -------
    torch.Tensor of bool, shape (n_samples, *object_shape)

    Examples
    --------
    >>> import torch
    >>> objects = torch.tensor([[0.0, 0.0, 4.0, 0.0, 0.0]])
    >>> shrinkwrap(objects, sigma=torch.tensor([0.5]), threshold=torch.tensor([0.1]))
    tensor([[False,  True,  True,  True, False]])
    """
    n_samples, n_axes = len(objects), objects.ndim - 1
    radius = max(1, math.ceil(3 * float(sigma.max())))
    places = torch.arange(-radius, radius + 1, dtype=torch.float64, device=objects.device)
    # one batch of windows serves widths of all samples: each is cut off at its own three widths
    places = torch.where(
        places.abs() <= (3 * sigma.double()[:, None]).ceil().clamp_min(1), places, torch.inf
    )
    kernels = torch.exp(-0.5 * (places / sigma.double()[:, None]) ** 2)
    blurred = objects.abs()[None]
    kernels = (kernels / kernels.sum(1, keepdim=True)).to(blurred)
    for axis in range(n_axes):
        windows = kernels.view([n_samples, 1] + [-1 if a == axis else 1 for a in range(n_axes)])
        padding = [radius if a == axis else 0 for a in range(n_axes)]
        blurred = CONVOLUTIONS[n_axes](blurred, windows, padding=padding, groups=n_samples)
    blurred = blurred[0]
    return blurred > along_samples(threshold, blurred) * blurred.amax(
        dim=tuple(range(1, objects.ndim)), keepdim=True
    )
