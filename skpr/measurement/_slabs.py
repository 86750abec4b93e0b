"""Parts of a batch that fit a processor's cache.

All passes of a transform then find their input there.
"""

import math

import torch

from ._moduli import has_gradient

SLAB = 1 << 17  # pixels of a slab, whose spectrum takes 1 MiB in float32, about a core's cache
LARGE = 4  # slabs; a sample of more pixels is cut itself


def parts_of(fourier_shape, *arrays):
    """Return slices of samples, few enough that their spectra fit the cache.

    A GPU takes all samples at once, and so does whoever records gradients.

    Parameters
    ----------
    fourier_shape : tuple of int
    *arrays : torch.Tensor of shape (n_samples, ...)

    Returns
    -------
    list of slice
    """
    n_samples, n_pixels = len(arrays[0]), len(arrays[0]) * math.prod(fourier_shape)
    thickness = slab_thickness(n_samples, n_pixels)
    if thickness == n_samples or not _is_cut(arrays):
        return [slice(None)]
    return [slice(start, start + thickness) for start in range(0, n_samples, thickness)]


def _is_cut(arrays):
    return arrays[0].device.type == "cpu" and not any(map(has_gradient, arrays))


def by_slabs(function, arrays, axis, kept=None, terms=(), out=None):
    """Apply a function to arrays, crop the result and add terms.

    A single sample that is large is cut into slabs.

    Parameters
    ----------
    function : callable
        Function of one slab of each array that transforms along an axis and moves it last.
    arrays : list of torch.Tensor of shape (n_samples, ...)
    axis : int
        Axis that the function transforms. Slabs are cut along the first other one.
    kept : int, optional
        Length to which the last axis of the result is cropped.
    terms, out : see :meth:`PrunedTransform.spectrum`
    """
    cut, n_pixels = 1 + (axis == 1), arrays[0].numel()
    all_arrays = [*arrays, *(term for _, term in terms)]
    if n_pixels <= LARGE * SLAB or len(arrays[0]) > 1 or not _is_cut(all_arrays):
        found = function(*arrays)[..., :kept]
        return summed(found, terms, out) if terms else found
    thickness = slab_thickness(arrays[0].shape[cut], n_pixels)
    slabs = zip(*(values.split(thickness, cut) for values in arrays), strict=True)
    for number, parts in enumerate(slabs):
        found = function(*parts)[..., :kept]
        if out is None:
            out = found.new_empty(1, arrays[0].shape[cut], *found.shape[2:])
        target = out.narrow(1, number * thickness, found.shape[1])
        if terms:
            pieces = [(f, t.narrow(1, number * thickness, found.shape[1])) for f, t in terms]
            summed(found, pieces, target)
        else:
            target.copy_(found)
    return out


def slab_thickness(length, n_pixels):
    """Return the thickness of slabs that are nearly equal and fit the cache.

    Parameters
    ----------
    length : int
        Length of the axis along which slabs are cut.
    n_pixels : int
        Pixels of all slabs together.

    Returns
    -------
    int

    Examples
    --------
    >>> slab_thickness(33, 2 * SLAB), slab_thickness(64, SLAB)
    (17, 64)
    """
    if 2 * n_pixels < 3 * SLAB:
        return length
    return math.ceil(length / min(length, round(n_pixels / SLAB)))


def summed(values, terms, out=None):
    """Add terms, multiplied by their factors, to values."""
    for factor, term in terms:
        values = torch.add(values, term, alpha=factor, out=out)
    return values
