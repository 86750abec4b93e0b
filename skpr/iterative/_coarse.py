"""Middle of large patterns, for a cheaper search on larger object pixels.

The low frequencies of a pattern determine the same object at a lower resolution, with fewer pixels.
"""

import math

import numpy as np

LARGEST = 1 << 18  # pixels per pattern; the middle of a larger one is searched first
LEAST = 16  # pixels per axis; the middle is not halved below this


def middle_shape(fourier_shape):
    """Return the shape of the middle of a large pattern.

    Every axis is divided by the same power of two and keeps its parity, even or odd. A pattern that
    is not large keeps its shape.

    Examples
    --------
    >>> middle_shape((128, 128, 128)), middle_shape((2048, 2048)), middle_shape((64, 64))
    ((64, 64, 64), (512, 512), (64, 64))
    """
    shape, factor = tuple(fourier_shape), 1
    while math.prod(shape) > LARGEST and min(shape) > LEAST:
        factor *= 2

        shape = tuple(2 * (size // (2 * factor)) + size % 2 for size in fourier_shape)
    return shape


def middle_object_shape(object_shape, fourier_shape, middle):
    """Return the frame of the objects on the larger pixels."""
    # rounded up, so that no part of an object is cut off
    return tuple(
        min(math.ceil(n * few / many), few)
        for n, many, few in zip(object_shape, fourier_shape, middle, strict=True)
    )


def cut(values, shape, *, centered):
    """Return the middle of patterns.

    Parameters
    ----------
    values : ndarray of shape (n_samples, *fourier_shape)
    shape : tuple of int
        Shape of the middle.
    centered : bool
        Whether zero frequency is in the middle; otherwise it is at index 0. The returned array has
        the same layout.
    """
    for axis, few in enumerate(shape, 1):
        many = values.shape[axis]
        kept = np.arange(few) - few // 2
        kept = kept + many // 2 if centered else np.fft.ifftshift(kept) % many
        values = values.take(kept, axis)
    return values


def lifted(objects, fourier_shape, object_shape, middle):
    """Interpolate objects from the larger pixels to the original ones.

    Frequencies outside the middle are set to 0.

    Parameters
    ----------
    objects : ndarray of shape (n_objects, *middle_object_shape)
    fourier_shape, object_shape, middle : tuple of int
    """
    axes = tuple(range(1, objects.ndim))
    spectra = np.fft.fftshift(np.fft.fftn(objects, middle, axes=axes), axes=axes)
    widths = [(0, 0)]
    for many, few in zip(fourier_shape, middle, strict=True):
        before = many // 2 - few // 2
        widths.append((before, many - few - before))
    # padding keeps the values of the spectrum, so the objects still fit the measured magnitudes
    found = np.fft.ifftn(np.fft.ifftshift(np.pad(spectra, widths), axes=axes), axes=axes)
    found = found[(slice(None), *(slice(n) for n in object_shape))]
    if not np.iscomplexobj(objects):
        found = found.real
    return found.astype(objects.dtype)
