"""Rings of equal frequency (shells in 3-D), to judge resolution."""

import numpy as np


def ring_radii(shape, centered):
    """Return the frequency of every Fourier pixel in cycles per pixel."""
    axes = [np.fft.fftfreq(n) for n in shape]
    if centered:
        axes = [np.fft.fftshift(axis) for axis in axes]
    return np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))


def ring_numbers(shape, centered):
    """Return the ring index of every Fourier pixel, and the ring count.

    Only complete rings are counted. Rings are one Fourier pixel of the shortest axis wide. An axis
    of one pixel has no frequencies and is ignored.
    """
    shortest = min([n for n in shape if n > 1], default=1)
    return np.rint(ring_radii(shape, centered) * shortest).astype(int), shortest // 2 + 1


def ring_sums(values, centered):
    """Compute the mean frequency and the sum of values on each ring.

    Rings reach up to the highest frequency that every axis has.
    """
    rings, n_rings = ring_numbers(values.shape, centered)
    counts = np.bincount(rings.ravel(), minlength=n_rings)[:n_rings]
    radii = np.bincount(
        rings.ravel(), ring_radii(values.shape, centered).ravel(), minlength=n_rings
    )[:n_rings]
    sums = np.bincount(rings.ravel(), np.asarray(values, dtype=float).ravel(), minlength=n_rings)[
        :n_rings
    ]
    return radii / np.maximum(counts, 1), sums
