"""Symmetry of patterns under inversion: the masked correlation of a pattern with its own mirror
image.
"""

import itertools
import math

import numpy as np
from scipy import fft

LARGEST_TRANSFORM = 2**21  # pixels; larger patterns are binned first
LEAST_ENERGY = (
    0.25  # of the variance of the pattern: pairs about a centre that hold less prove nothing
)
LEAST_PAIRS = 0.1  # of the measured pixels
RIVAL_DISTANCE = 2  # pixels from which on another centre is another one
# unbiased estimates of the variance of log(1 + c) by single readings c = 0, 1, ... of Poisson's
# law, from its power series in the mean; 1 / (c + 1.5) beyond
LOG_NOISE = 0.0, 0.480, 0.246, 0.236, 0.172, 0.158
NEARLY_COUNTS = 0.3  # smallest lit reading of counts, divided by a flat field or not
JUDGED, LEAST_JUDGED = (
    1e4,
    16,
)  # multiples of the smallest that are looked at, and how many there must be


def center_of_symmetry(counts, measured):
    """Centre about which a pattern is most symmetric, to half a pixel, and how sure it is.

    Large patterns are binned to find about where, and looked at in full there.

    Parameters
    ----------
    counts : ndarray of shape fourier_shape
    measured : ndarray of bool, shape fourier_shape
        Counts elsewhere do not matter.

    Returns
    -------
    center : tuple of float
    confidence : float
        See :func:`skpr.files.friedel_center`.
    """
    counts = np.where(measured, counts, np.zeros((), dtype=counts.dtype))
    binning = _binning(counts.shape)
    best, confidence = _most_symmetric(*_binned(counts, measured, binning))
    if max(binning) == 1:
        return tuple(s / 2 for s in best), confidence
    # the middle of block i of b pixels is pixel b i + (b - 1) / 2
    near = tuple(b * s + b - 1 for b, s in zip(binning, best, strict=True))
    reach = 3 * max(binning)
    window = _window_about(near, counts.shape, reach)
    inside = tuple(s - 2 * w.start for s, w in zip(near, window, strict=True))
    best, confidence = _most_symmetric(counts[window], measured[window], inside, reach)
    return tuple(s / 2 + w.start for s, w in zip(best, window, strict=True)), confidence


def unit_of(lit):
    """Unit of intensities that are not zero, and whether they are counts in it.

    Counts are whole multiples of the smallest, or numbers about 1 and more, such as counts divided
    by a flat field. The unit of anything else is the median."""
    smallest = float(lit.min())
    ratios = lit[lit < JUDGED * smallest] / smallest
    if len(ratios) >= LEAST_JUDGED and (np.abs(ratios - np.rint(ratios)) < 0.01).mean() > 0.99:
        return smallest, True
    are_counts = bool(smallest >= NEARLY_COUNTS and lit.max() >= 1)
    return (1.0 if are_counts else float(np.median(lit))), are_counts


def _binning(shape):
    """Pixels of a block along each axis, so that transforms of the doubled grid are quick."""
    factors = [1] * len(shape)
    while (
        math.prod(2 * -(-size // b) for size, b in zip(shape, factors, strict=True))
        > LARGEST_TRANSFORM
    ):
        longest = max(range(len(shape)), key=lambda axis: shape[axis] / factors[axis])
        factors[longest] *= 2
    return tuple(factors)


def _binned(counts, measured, binning):
    """Means of blocks over their measured pixels times the size; measured where half of a block is."""
    if all(b == 1 for b in binning):
        return counts, measured
    padding = [(0, -size % b) for size, b in zip(counts.shape, binning, strict=True)]
    blocks = list(
        itertools.chain(
            *((-(-size // b), b) for size, b in zip(counts.shape, binning, strict=True))
        )
    )
    axes = tuple(range(1, 2 * counts.ndim, 2))
    total = np.pad(counts, padding).reshape(blocks).sum(axis=axes)
    known = np.pad(measured, padding).reshape(blocks).sum(axis=axes)
    size = math.prod(binning)
    return total * size / np.maximum(known, 1), known >= size / 2


def _window_about(twice, shape, reach):
    """Slices about a centre, given twice, as large as is quick to transform."""
    side = int(LARGEST_TRANSFORM ** (1 / len(shape))) - reach
    slices = []
    for s, size in zip(twice, shape, strict=True):
        begin = min(max((s - side) // 2, 0), max(size - side, 0))
        slices.append(slice(begin, min(begin + side, size)))
    return tuple(slices)


def _most_symmetric(counts, measured, near=None, reach=None):
    """Twice the centre of the highest correlation with the inversion, and how sure it is.

    Parameters
    ----------
    counts, measured : ndarray of shape fourier_shape
        Zero where not measured.
    near : tuple of int or None
        Twice the centre to look about; everywhere if None.
    reach : int, optional
        Largest distance of twice the centre from `near`.
    """
    values, noise, known = _logarithm(counts, measured)
    sums, first = _pair_sums(values, noise, measured, near, reach)
    n_pairs, products, means, squares, fourth, noises = sums
    some = np.maximum(n_pairs, 1.0)
    variance = squares - means**2 / some
    whole = float((values**2).sum())
    valid = (
        (variance >= LEAST_ENERGY * whole)
        & (n_pairs >= LEAST_PAIRS * measured.sum())
        & (n_pairs > 2)
    )
    if not valid.any():
        valid = n_pairs > 2
    correlation = np.where(
        valid, (products - means**2 / some) / np.maximum(variance, 1e-12 * whole + 1e-300), -1.0
    )
    best = np.unravel_index(correlation.argmax(), correlation.shape)
    highest = correlation[best]
    distances = sum(
        np.square((x - b) / 2)
        for x, b in zip(np.ogrid[tuple(map(slice, valid.shape))], best, strict=True)
    )
    others = correlation[(distances >= RIVAL_DISTANCE**2) & valid]
    rival = float(others.max(initial=0.0))
    expected = 1 - noises[best] / variance[best] if known and variance[best] > 0 else 1.0
    expected = min(1.0, max(expected, highest))
    quality = (highest - rival) / max(expected - rival, 1e-12)
    # standard error of a correlation, with as many pairs as share most of the variance
    effective = variance[best] ** 2 / max(fourth[best], 1e-300) / 2
    error = math.sqrt(max(1 - expected**2, 1e-6) / max(effective, 1.0))
    significance = 1 - math.exp(-0.5 * ((highest - rival) / error) ** 2)
    twice = tuple(int(b) + f for b, f in zip(best, first, strict=True))
    return twice, float(np.clip(quality * significance, 0.0, 1.0))


def _logarithm(counts, measured):
    """Logarithms of counts less their mean, their variance by the noise of counting, and whether
    that is known.
    """
    lit = counts[measured & (counts > 0)]
    unit, known = unit_of(lit)
    counts = counts / unit
    values = np.log1p(counts)
    values = np.where(measured, values - values[measured].mean(), 0.0)
    noise = np.interp(counts, np.arange(len(LOG_NOISE)), LOG_NOISE)
    noise = np.where(counts < len(LOG_NOISE) - 1, noise, 1 / (counts + 1.5))
    return values, np.where(measured, noise, 0.0), known


def _pair_sums(values, noise, measured, near, reach):
    """Sums over pairs about every centre of 1, `v v'`, `v`, `v^2`, `v^4` and the noise, and the
    first centre, twice.

    A pixel is no pair with itself.
    """
    weights = measured.astype(float)
    shape = values.shape
    if near is None:
        first, sizes = (0,) * values.ndim, tuple(2 * m - 1 for m in shape)
        grid = [fft.next_fast_len(size, real=True) for size in sizes]
    else:
        first, sizes = tuple(s - reach for s in near), (2 * reach + 1,) * values.ndim
        grid = [
            fft.next_fast_len(m + abs(s - m + 1) + reach + 1, real=True)
            for m, s in zip(shape, near, strict=True)
        ]
    take = np.ix_(*(np.arange(f, f + n) % g for f, n, g in zip(first, sizes, grid, strict=True)))
    transformed = fft.rfftn(weights, grid)
    spectrum = fft.rfftn(values, grid)
    selves = weights, values**2, values, values**2, values**4, noise
    sums = []
    for number, own in enumerate(selves):
        product = (
            (transformed**2, spectrum**2, spectrum * transformed)[number] if number < 3 else None
        )
        product = fft.rfftn(own, grid) * transformed if product is None else product
        total = fft.irfftn(product, grid)[take]
        _take_selves_off(total, own, first)
        sums.append(total)
    return sums, first


def _take_selves_off(total, own, first):
    """Subtract from even places what a pixel contributes as its own mate."""
    even, source = [], []
    for f, n, m in zip(first, total.shape, own.shape, strict=True):
        begin = max(-(-f // 2), 0)
        end = min((f + n - 1) // 2, m - 1)
        even.append(slice(2 * begin - f, 2 * end - f + 1, 2))
        source.append(slice(begin, end + 1))
    total[tuple(even)] -= own[tuple(source)]
