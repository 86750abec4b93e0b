"""Registration of objects to fractions of a pixel."""

import numpy as np

from ..symmetry import flip, register
from ._powers import exponent_of, times_power

STEPS_PER_PIXEL = 20


def registered_finely(objects, reference, boundary):
    """Move objects onto the reference, to fractions of a pixel.

    The choice between an object and its flip comes last: for an object that is nearly its own flip,
    registration to whole pixels may choose the wrong one.
    """
    unit = max(exponent_of(objects), exponent_of(reference))
    objects, reference = (times_power(values, -unit) for values in (objects, reference))
    candidates = []
    for upright in (objects, flip(objects)):
        coarse, _ = register(upright, reference[None], phase=True, boundary=boundary, flip=False)
        candidates.append(
            np.stack([_moved_by_fraction(one, reference, boundary) for one in coarse])
        )
    axes = tuple(range(1, objects.ndim))
    distances = [
        (np.abs(candidate - reference) ** 2).sum(axis=axes, keepdims=True)
        for candidate in candidates
    ]
    return times_power(np.where(distances[1] < distances[0], *candidates[::-1]), unit)


def _moved_by_fraction(moving, reference, boundary):
    """Move an object by up to half a pixel per axis, and turn its phase.

    The object itself is returned if no fraction of a pixel brings it nearer to the reference.
    """
    grid = [
        n if wraps == "circular" else 2 * n for n, wraps in zip(moving.shape, boundary, strict=True)
    ]
    spectrum = np.fft.fftn(moving, s=grid, axes=range(moving.ndim))
    product = spectrum.conj() * np.fft.fftn(reference, s=grid, axes=range(moving.ndim))
    # the correlation is evaluated at the fractions alone, by a small matrix per axis, instead of by
    # a Fourier transform padded to twenty times the size (Guizar-Sicairos et al., 2008)
    fractions = np.arange(-STEPS_PER_PIXEL // 2, STEPS_PER_PIXEL // 2 + 1) / STEPS_PER_PIXEL
    for size in grid:  # each contraction takes the first axis and puts its fractions last
        product = np.tensordot(
            product, np.exp(2j * np.pi * np.outer(np.fft.fftfreq(size), fractions)), axes=(0, 0)
        )
    best = np.unravel_index(np.abs(product).argmax(), product.shape)
    shift = fractions[list(best)]
    if not shift.any():
        return moving
    for axis, (size, fraction) in enumerate(zip(grid, shift, strict=True)):
        ramp = np.exp(-2j * np.pi * np.fft.fftfreq(size) * fraction)
        spectrum = spectrum * ramp.reshape([-1 if a == axis else 1 for a in range(moving.ndim)])
    moved = np.fft.ifftn(spectrum)[tuple(slice(n) for n in moving.shape)]
    if not np.iscomplexobj(moving):
        return moved.real.astype(moving.dtype)
    return (moved * np.exp(1j * np.angle(product[best]))).astype(moving.dtype)
