"""Detection of hot pixels.

They are isolated outliers against their neighbours and their Friedel mates.
"""

import itertools
from numbers import Real

import numpy as np

from ._inversion import center_of_symmetry, unit_of

LEAST_SIZE = 16  # pixels along every axis; smaller patterns do not show which pixels are isolated
LEAST_COUNTS = 12  # counts of a hot pixel; fewer may be counting noise
# sum of the counts of all other pixels, unless one of them has LEAST_COUNTS; in a darker pattern,
# a single bright pixel may be the beam
LEAST_TOTAL = 1000
# ratio to the second brightest neighbour; no speckle of an oversampled pattern is so sharp
ABOVE_NEIGHBOURS = 12.0
ABOVE_ALL = 4.0  # ratio to the sum of all neighbours but the brightest
ABOVE_SECOND = 2.0  # ratio to the second brightest neighbour, if the Friedel mate is dark
ABOVE_MATE = 3.0  # ratio to the brightest pixel around the mate
# minimum counts of pixels that show how symmetric a pattern is, and the minimum number of these
BRIGHT, LEAST_BRIGHT = 100, 64
N_SCALES = 10.0  # multiple of their median asymmetry, added to a factor of 1.1 for mates
SIGNIFICANCE = 6.0  # standard deviations of the counting noise
SYMMETRIC = 0.8  # minimum confidence in the centre at which mates are compared
CHUNK = 2**16  # number of pixels whose neighbours are compared at once


def hot_pixels(counts, center=None):
    r"""Find isolated outliers in a pattern.

    A pixel is hot if it has more than 12 times the counts of its second brightest neighbour, and
    counting noise does not explain the excess. Patterns with an oversampling of at least 2 have no
    peaks so sharp, except for the streaks of objects with straight edges. Streaks are symmetric
    about the centre. If the centre is given, or found by symmetry with sufficient confidence, the
    Friedel mates therefore decide: a pixel is hot if it exceeds all pixels around its mate by a
    factor of 3. The factor is smaller, down to 1.1, if bright pixels show that the pattern is
    highly symmetric. Without such a centre (strained crystals), only neighbours are compared.

    Parameters
    ----------
    counts : array-like of shape fourier_shape
        One pattern with 2 or 3 axes, NaN where unmeasured. The sum of the exposures of one pattern
        shows pixels that are hot in all of them; the sum of the frames of a rocking curve shows hot
        pixels of the detector.
    center : tuple of float, optional
        Position of zero frequency, which is never hot.

    Returns
    -------
    ndarray of bool, shape fourier_shape
        True for hot pixels.

    Raises
    ------
    ValueError
        If the counts are not real numbers in 2 or 3 axes, or the centre lies outside of them.

    Notes
    -----
    The rate of false positives in simulated patterns depends on the object. For objects that fill
    their frame, 1e9 photons per pattern and an oversampling of 1.5, 2 of 82,944 pixels were false
    positives (2.4 in 100,000) with the centre on a pixel, and 11 (1.3 in 10,000) with the centre
    between pixels. For dense patterns at an oversampling of 1, there were up to 1.6 in 10,000. At
    least 90 % of outliers 20 times as bright as the pattern are found, and nearly all if the centre
    is found with confidence.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(3.0, size=(32, 32))
    >>> counts[5, 8] = 500
    >>> np.argwhere(hot_pixels(counts))
    array([[5, 8]])
    """
    counts = check_counts(counts)
    if counts.ndim not in (2, 3):
        raise ValueError(f"counts has shape {counts.shape}; give one pattern, of 2 or 3 axes")
    if center is not None and not (
        np.shape(center) == (counts.ndim,)
        and all(
            isinstance(c, Real) and 0 <= c < size
            for c, size in zip(center, counts.shape, strict=True)
        )
    ):
        raise ValueError(
            f"center={center!r} is not valid; give one index inside {counts.shape} for each axis, "
            f"or None"
        )
    hot = np.zeros(counts.shape, dtype=bool)
    measured = np.isfinite(counts)
    lit = counts[measured & (counts > 0)]
    if min(counts.shape) < LEAST_SIZE or not len(lit):
        return hot
    unit, _ = unit_of(lit)
    places, values, seconds, sums = _peaks(counts, measured, unit, ABOVE_SECOND)
    sharp = (values > ABOVE_NEIGHBOURS * seconds) & (
        (values > _bound(ABOVE_NEIGHBOURS, seconds)) | (values > _bound(ABOVE_ALL, sums))
    )
    others = measured.copy()
    others[tuple(places[sharp].T)] = False
    rest = counts[others] / unit
    if rest.max(initial=0) < LEAST_COUNTS and rest.sum() < LEAST_TOTAL:
        return hot
    if center is None:
        # sharp peaks are left out, so that hot pixels do not decide the centre
        center, confidence = center_of_symmetry(counts, others)
    else:
        confidence = 1.0
    hot[tuple(places[sharp].T)] = True
    if confidence < SYMMETRIC:
        return hot
    above = _asymmetry(counts, others, center, unit)
    if above < ABOVE_MATE:
        places, values, _, _ = _peaks(counts, measured, unit, 1.0)
    mates = _brightest_about(counts, 2 * np.asarray(center) - places, unit)
    known = ~np.isnan(mates)  # an unmeasured mate does not decide
    hot[tuple(places[known].T)] = values[known] > _bound(above, mates[known])
    return without_beam(hot, center)


def without_beam(hot, center):
    """Remove the pixels of the beam, around zero frequency, from hot pixels."""
    hot[tuple(slice(max(int(np.ceil(c)) - 1, 0), int(c) + 2) for c in center)] = False
    return hot


def check_counts(counts, name="counts"):
    """Return counts as an array of real numbers.

    Masked values and infinities become NaN, and booleans integers.

    Raises
    ------
    ValueError
        If the counts are not real numbers.
    """
    if isinstance(counts, np.ma.MaskedArray):
        counts = counts.astype(np.result_type(counts.dtype, np.float32)).filled(np.nan)
    counts = np.asarray(counts)
    if counts.dtype.kind not in "uifb":
        raise ValueError(f"{name} holds values of type {counts.dtype}; counts are real numbers")
    if counts.dtype.kind == "f" and np.isinf(counts).any():
        counts = np.where(np.isinf(counts), np.nan, counts)
    return counts.astype(np.uint8) if counts.dtype.kind == "b" else counts


def _asymmetry(counts, known, center, unit):
    """Estimate how much a pixel may exceed its Friedel mate.

    The factor follows from the median asymmetry of bright pixels.
    """
    index = np.argwhere(known & (counts >= BRIGHT * unit))
    mates = np.floor(2 * np.asarray(center) - index + 0.5).astype(int)
    inside = ((mates >= 0) & (mates < counts.shape)).all(axis=1)
    index, mates = tuple(index[inside].T), tuple(mates[inside].T)
    both = known[mates]
    own, other = counts[index][both], counts[mates][both]
    if len(own) < LEAST_BRIGHT:
        return ABOVE_MATE
    return min(ABOVE_MATE, 1.1 + N_SCALES * float(np.median(np.abs(own - other) / (own + other))))


def _bound(factor, counts):
    """Return the largest plausible reading for a multiple of counts.

    The counting noise of the reading and of the counts is allowed for.
    """
    mean = factor * (counts + 1)
    # variance of the reading, `mean`, plus that of `factor` times Poisson counts, `factor * mean`
    return mean + SIGNIFICANCE * np.sqrt((1 + factor) * mean)


def _peaks(counts, measured, unit, factor):
    """Find pixels that stand out from their neighbours.

    Returns
    -------
    places : ndarray of int, shape (n_peaks, n_axes)
    values, seconds, sums : ndarray of shape (n_peaks,)
        Their counts, those of the second brightest neighbour, and of all neighbours but the
        brightest.
    """
    filled = np.zeros([size + 2 for size in counts.shape], dtype=np.float32)
    inner = (slice(1, -1),) * counts.ndim
    np.divide(counts, unit, out=filled[inner], where=measured, casting="unsafe")
    # quick first test, which few pixels pass: along some axis both neighbours are darker. It also
    # holds if another neighbour is hot, too
    lower = np.full(counts.shape, np.inf, dtype=np.float32)
    for axis in range(counts.ndim):
        before, after = list(inner), list(inner)
        before[axis], after[axis] = slice(-2), slice(2, None)
        np.minimum(lower, np.maximum(filled[tuple(before)], filled[tuple(after)]), out=lower)
    own = filled[inner]
    places = np.argwhere((own >= LEAST_COUNTS) & (own > factor * lower))
    known = np.pad(measured, 1)
    offsets = np.array([o for o in itertools.product((-1, 0, 1), repeat=counts.ndim) if any(o)])
    parts = [
        _among_neighbours(filled, known, places[i : i + CHUNK] + 1, offsets)
        for i in range(0, len(places), CHUNK)
    ]
    if not parts:
        return places, *[np.zeros(0)] * 3
    values, seconds, sums, enough = (np.concatenate(part) for part in zip(*parts, strict=True))
    kept = (enough > len(offsets) / 4) & (values > _bound(factor, seconds))
    return places[kept], values[kept], seconds[kept], sums[kept]


def _among_neighbours(filled, known, places, offsets):
    """Compare pixels with their neighbours.

    Returns
    -------
    own, second, rest : ndarray of shape (n_places,)
        Counts of the pixels, of their second brightest neighbours, and of all neighbours but the
        brightest.
    n_known : ndarray of int, shape (n_places,)
        Number of measured neighbours.
    """
    around = tuple(np.moveaxis(places[:, None] + offsets, -1, 0))
    counts = np.partition(filled[around], (-2, -1), axis=1)
    return (
        filled[tuple(places.T)],
        counts[:, -2],
        counts[:, :-1].sum(axis=1),
        known[around].sum(axis=1),
    )


def _brightest_about(counts, places, unit):
    """Return the brightest counts at and around each place.

    NaN where most of these pixels were not measured.
    """
    offsets = np.array(list(itertools.product((-1, 0, 1), repeat=counts.ndim)))
    around = np.floor(places + 0.5).astype(int)[:, None] + offsets
    inside = ((around >= 0) & (around < counts.shape)).all(axis=-1)
    index = tuple(np.moveaxis(np.clip(around, 0, np.array(counts.shape) - 1), -1, 0))
    values = np.where(inside, counts[index].astype(float), np.nan) / unit
    unseen = np.isnan(values).mean(axis=1) > 0.5  # for instance beyond the edge of the detector
    return np.where(unseen, np.nan, np.where(np.isnan(values), -np.inf, values).max(axis=1))
