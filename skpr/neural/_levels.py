"""Levels of resolution of an object and its pattern.

The middle of a pattern determines the object on larger pixels. A spectrum that ends abruptly
belongs to an object with ripples, which no frame holds. The middle is therefore weighted by a
Gaussian: its magnitudes are then those of the object blurred by nearly a Gaussian, which is as
compact as the object itself. Such a blurred object is the *low pass* of a level.

Values are kept: a low pass has the values of the object on larger pixels, so images of all levels
are of one order of magnitude. Images have shape (n_samples, n_channels, *object_shape) and are
real; patterns are in FFT order.
"""

import math

import torch
from torch.nn import functional

LEAST = 16  # pixels per axis; the middle of a pattern is not halved below this
EDGE = 3.0  # exponent of the Gaussian at the edge of the middle; .05 of the magnitude is left there

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def middles(fourier_shape):
    """Yield the shapes of the middles of a pattern, the whole first.

    Each is half as long as the one before along every axis, down to 16 pixels, and keeps the parity
    of the whole.

    Examples
    --------
    >>> list(middles((128, 40)))
    [(128, 40), (64, 20), (32, 16), (16, 16)]
    """
    shape, factor = None, 1
    while True:
        smaller = tuple(
            size if size <= LEAST else max(LEAST, 2 * (size // (2 * factor))) + size % 2
            for size in fourier_shape
        )
        if smaller == shape:
            return
        shape = smaller
        yield shape
        factor *= 2


class Level:
    """One resolution: the middle of a pattern and the object on its pixels.

    Parameters
    ----------
    fourier_shape : tuple of int
        Shape of the middle.
    full_object_shape, full_fourier_shape : tuple of int
        Shapes of the object and of the whole pattern.

    Attributes
    ----------
    object_shape : tuple of int
        Frame of the object on the pixels of this level.

    Examples
    --------
    >>> level = Level((16,), (32,), (64,))
    >>> level.object_shape, level.low_pass(torch.ones(1, 1, 32)).shape
    ((8,), torch.Size([1, 1, 8]))
    """

    def __init__(self, fourier_shape, full_object_shape, full_fourier_shape):
        self.fourier_shape = tuple(fourier_shape)
        self.full_fourier_shape = tuple(full_fourier_shape)
        # rounded up, so that no part of an object is cut off
        self.object_shape = tuple(
            min(math.ceil(n * few / many), few)
            for n, few, many in zip(
                full_object_shape, fourier_shape, full_fourier_shape, strict=True
            )
        )

    def cut(self, patterns):
        """Return the middle of patterns of shape (n_samples, *full_fourier_shape)."""
        for axis, few in enumerate(self.fourier_shape, 1):
            many = patterns.shape[axis]
            if few < many:
                below = few // 2  # number of negative frequencies
                parts = (0, few - below), (many - below, below)
                patterns = torch.cat([patterns.narrow(axis, *part) for part in parts], dim=axis)
        return patterns

    def magnitudes(self, patterns):
        """Compute the magnitudes of low passes from those of objects."""
        middle = self.cut(patterns)
        for axis, (few, many) in enumerate(self._axes(), 1):
            if few < many:
                frequencies = torch.fft.fftfreq(few, 1 / few, device=middle.device)
                weights = _gaussian(frequencies, few) * (few / many)
                middle = middle * weights.view([-1] + [1] * (middle.ndim - 1 - axis))
        return middle

    def low_pass(self, images):
        """Compute the low passes of images on the pixels of objects."""
        for axis, (few, many) in enumerate(self._axes(), 2):
            if few < many:
                length = self.object_shape[axis - 2]
                images = _resampled(images, axis, many, few, length, blurred=True)
        return images

    def lifted(self, images, coarser):
        """Interpolate images of a coarser level to the pixels of this one."""
        sizes = zip(coarser.fourier_shape, self.fourier_shape, self.object_shape, strict=True)
        for axis, (few, many, length) in enumerate(sizes, 2):
            if few < many:
                images = _resampled(images, axis, few, many, length)
        return images

    def _axes(self):
        return zip(self.fourier_shape, self.full_fourier_shape, strict=True)


def support_of(images, sigma, threshold):
    """Return the supports of images by shrinkwrap.

    A pixel belongs to the support if the blurred modulus exceeds a fraction of its largest value
    (Marchesini et al., 2003). All samples share one width.

    Parameters
    ----------
    images : torch.Tensor of shape (n_samples, n_channels, *object_shape)
    sigma : float
        Width of the Gaussian in pixels.
    threshold : float
        Fraction of the largest blurred value.

    Returns
    -------
    torch.Tensor of bool, shape (n_samples, *object_shape)

    Examples
    --------
    >>> support_of(torch.tensor([[[0.0, 0.0, 4.0, 0.0, 0.0]]]), 0.5, 0.1)
    tensor([[False,  True,  True,  True, False]])
    """
    n_axes = images.ndim - 2
    blurred = images.square().sum(dim=1, keepdim=True).sqrt()
    radius = math.ceil(3 * sigma)
    places = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-0.5 * (places / sigma).square())
    kernel = (kernel / kernel.sum()).to(blurred)
    for axis in range(n_axes):
        windows = kernel.view([1, 1] + [-1 if a == axis else 1 for a in range(n_axes)])
        padding = [radius if a == axis else 0 for a in range(n_axes)]
        blurred = CONVOLUTIONS[n_axes](blurred, windows, padding=padding)
    return (blurred > threshold * blurred.flatten(1).amax(1).view(-1, *[1] * (n_axes + 1)))[:, 0]


def _gaussian(frequencies, few):
    """Return the weights of frequencies, `exp(-EDGE)` at the edge."""
    return torch.exp(-EDGE * (frequencies / (few / 2)).square())


def _resampled(images, axis, old, new, length, *, blurred=False):
    """Resample one axis from a grid of `old` pixels to one of `new`.

    Both grids have one extent. Frequencies of the larger one alone are lost, or are 0.
    """
    spectrum = torch.fft.rfft(images.float(), n=old, dim=axis)
    kept = min(old, new) // 2 + 1
    spectrum = spectrum.narrow(axis, 0, kept)
    weights = torch.full((kept,), new / old, device=images.device)
    if blurred:
        weights = weights * _gaussian(torch.arange(kept, device=images.device), new)
    if old < new and old % 2 == 0:
        weights[-1] /= 2  # of the highest frequency the larger grid has two
    spectrum = spectrum * weights.view([-1] + [1] * (images.ndim - 1 - axis))
    return torch.fft.irfft(spectrum, n=new, dim=axis).narrow(axis, 0, length)
