"""Centre of symmetry of patterns under inversion.

It maximizes the masked correlation of a pattern with its own mirror image.
"""

import itertools
import math

import numpy as np
from scipy import fft

LARGEST_TRANSFORM = 2**21  # pixels; larger patterns are binned first
# fraction of the variance of the pattern; centres whose pairs hold less are not considered
LEAST_ENERGY = 0.25
LEAST_PAIRS = 0.1  # fraction of the measured pixels; centres with fewer pairs are not considered
RIVAL_DISTANCE = 2  # pixels; centres closer than this to the best one are not its rivals
# unbiased estimates of the variance of log(1 + c) from a single Poisson reading c = 0, 1, ...,
# derived from the power series of the variance in the mean; 1 / (c + 1.5) for larger readings
LOG_NOISE = 0.0, 0.480, 0.246, 0.236, 0.172, 0.158
NEARLY_COUNTS = 0.3  # minimum nonzero reading of counts, possibly divided by a flat field
# readings up to this multiple of the smallest one are tested for being integer multiples of it, if
# there are at least so many
JUDGED, LEAST_JUDGED = 1e4, 16


def center_of_symmetry(counts, measured):
    """Find the centre of symmetry of a pattern, to half a pixel.

    Large patterns are binned for a first estimate, and searched at full resolution around it.

    Parameters
    ----------
    counts : ndarray of shape fourier_shape
        Counts of one pattern.
    measured : ndarray of bool, shape fourier_shape
        Measured pixels; counts of other pixels are ignored.

    Returns
    -------
    center : tuple of float
        Index along each axis, a multiple of 1/2.
    confidence : float
        Confidence from 0 to 1, see :func:`skpr.files.friedel_center`.
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
    """Return the unit of intensities, and whether they are counts.

    Counts are integer multiples of the smallest intensity, or numbers of about 1 and more, such as
    counts divided by a flat field. The unit of other intensities is their median.
    """
    smallest = float(lit.min())
    ratios = lit[lit < JUDGED * smallest] / smallest
    if len(ratios) >= LEAST_JUDGED and (np.abs(ratios - np.rint(ratios)) < 0.01).mean() > 0.99:
        return smallest, True
    are_counts = bool(smallest >= NEARLY_COUNTS and lit.max() >= 1)
    return (1.0 if are_counts else float(np.median(lit))), are_counts


def _binning(shape):
    """Return sizes of blocks for which transforms are small enough."""
    factors = [1] * len(shape)
    while (
        math.prod(2 * -(-size // b) for size, b in zip(shape, factors, strict=True))
        > LARGEST_TRANSFORM
    ):
        longest = max(range(len(shape)), key=lambda axis: shape[axis] / factors[axis])
        factors[longest] *= 2
    return tuple(factors)


def _binned(counts, measured, binning):
    """Bin a pattern, in units of counts per block.

    The mean over the measured pixels of a block is multiplied by the size of the block. A block is
    measured if at least half of its pixels are.
    """
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
    """Return slices about a centre, given as `twice` its index.

    They are as large as the limit on transforms allows.
    """
    side = int(LARGEST_TRANSFORM ** (1 / len(shape))) - reach
    slices = []
    for s, size in zip(twice, shape, strict=True):
        begin = min(max((s - side) // 2, 0), max(size - side, 0))
        slices.append(slice(begin, min(begin + side, size)))
    return tuple(slices)


def _most_symmetric(counts, measured, near=None, reach=None):
    """Find the centre with the highest correlation under inversion.

    Parameters
    ----------
    counts, measured : ndarray of shape fourier_shape
        Counts, zero where not measured, and measured pixels.
    near : tuple of int or None
        Twice the index of the centre to search around; None to search everywhere.
    reach : int, optional
        Largest distance from `near`, in half pixels.

    Returns
    -------
    twice : tuple of int
        Twice the index of the centre.
    confidence : float
        Confidence from 0 to 1.
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
    if not valid.any():  # no centre has enough pairs: take the best of all, with its confidence
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
    # standard error of a correlation; only the pairs that share most of the variance are effective
    effective = variance[best] ** 2 / max(fourth[best], 1e-300) / 2
    error = math.sqrt(max(1 - expected**2, 1e-6) / max(effective, 1.0))
    significance = 1 - math.exp(-0.5 * ((highest - rival) / error) ** 2)
    twice = tuple(int(b) + f for b, f in zip(best, first, strict=True))
    return twice, float(np.clip(quality * significance, 0.0, 1.0))


def _logarithm(counts, measured):
    """Return logarithms of counts, and their noise.

    The logarithms have their mean subtracted. The noise is their variance due to counting. The
    third result is whether the noise is known.
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
    """Sum over the pairs of opposite pixels about every centre.

    A pixel does not form a pair with itself.

    Returns
    -------
    sums : list of ndarray
        Sums of 1, `v v'`, `v`, `v^2`, `v^4` and the noise, for values `v` and `v'` of a pair.
    first : tuple of int
        Twice the index of the first centre.
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
    # the grid is long enough that circular products do not wrap around at the centres taken
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
    """Subtract contributions of pixels that are their own mates.

    They occur at even places, where the centre is on a pixel.
    """
    even, source = [], []
    for f, n, m in zip(first, total.shape, own.shape, strict=True):
        begin = max(-(-f // 2), 0)
        end = min((f + n - 1) // 2, m - 1)
        even.append(slice(2 * begin - f, 2 * end - f + 1, 2))
        source.append(slice(begin, end + 1))
    total[tuple(even)] -= own[tuple(source)]
