"""Hot pixels: isolated outliers against their neighbours and their mates on the other side of the
centre.
"""

import itertools
from numbers import Real

import numpy as np

from ._inversion import center_of_symmetry, unit_of

LEAST_SIZE = 16  # pixels along every axis: what is isolated in a smaller pattern cannot be told
LEAST_COUNTS = 12  # fewer are counting noise
LEAST_TOTAL = (
    1000  # of all other pixels, if none has many: what alone is bright may be the beam then
)
ABOVE_NEIGHBOURS = (
    12.0  # times the second brightest neighbour: no speckle of an oversampled pattern is so sharp
)
ABOVE_ALL = 4.0  # times all neighbours but the brightest together
ABOVE_SECOND = 2.0  # times the second brightest neighbour, where the mate on the other side is dark
ABOVE_MATE = 3.0  # times the brightest pixel about the mate
BRIGHT, LEAST_BRIGHT = (
    100,
    64,
)  # counts of pixels that tell how symmetric a pattern is, and how many there must be
N_SCALES = 10.0  # times the median asymmetry of these
SIGNIFICANCE = 6.0  # standard deviations of the counting noise
SYMMETRIC = 0.8  # confidence in the centre from which on mates are compared
CHUNK = 2**16  # pixels whose neighbours are looked at together


def hot_pixels(counts, center=None):
    r"""Find isolated outliers in a pattern.

    A pixel is hot if it has more than 12 times the counts of its second brightest neighbour, by
    more than the counting noise explains. Patterns of objects that are sampled at least twice have
    no peaks so sharp, but for the streaks of objects with straight edges. Those are symmetric.
    Where the centre is given, or sure by symmetry, mates on the other side of it therefore decide:
    a pixel is hot if it exceeds all pixels about its mate by a factor of 3, or of less, down to
    1.1, where bright pixels show how symmetric the pattern is. Without a sure centre (strained
    crystals), only neighbours count.

    The share of false ones in simulated patterns depends on the object. Of objects that fill their
    frame, at 1e9 photons and an oversampling of 1.5, 2 of 82,944 pixels were false (2.4 in 100,000)
    with the centre on a pixel, and 11 (1.3 in 10,000) with the centre between pixels; of dense
    patterns at an oversampling of 1, up to 1.6 in 10,000. Of outliers 20 times as bright as the
    pattern there, 90 % and more are found, nearly all where the centre is sure.

    Parameters
    ----------
    counts : array-like of shape fourier_shape
        One pattern, NaN where unmeasured, 2 or 3 axes. Exposures of one pattern, summed, show what
        is hot in all of them. Frames of a rocking curve, summed, show what is hot on the detector.
    center : tuple of float, optional
        Zero frequency, which is never hot.

    Returns
    -------
    ndarray of bool, shape fourier_shape

    Raises
    ------
    ValueError
        For counts that are no real numbers in 2 or 3 axes, or a centre outside of them.

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
        # peaks are left out, lest a hot pixel decides
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
    known = ~np.isnan(mates)  # a mate that was not measured proves nothing
    hot[tuple(places[known].T)] = values[known] > _bound(above, mates[known])
    return without_beam(hot, center)


def without_beam(hot, center):
    """Hot pixels but for those about zero frequency, where the beam is."""
    hot[tuple(slice(max(int(np.ceil(c)) - 1, 0), int(c) + 2) for c in center)] = False
    return hot


def check_counts(counts, name="counts"):
    """Counts as an array of real numbers, NaN where masked or not finite.

    Raises
    ------
    ValueError
        For anything but real numbers.
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
    """Factor by which a pixel may exceed the brightest about its mate, from the asymmetry of the
    bright ones.
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
    """Largest reading that so many times some counts explain, with the noise of both."""
    mean = factor * (counts + 1)
    return mean + SIGNIFICANCE * np.sqrt((1 + factor) * mean)


def _peaks(counts, measured, unit, factor):
    """Pixels that stand out of their neighbours.

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
    # along some axis both neighbours are darker, even if one is hot, too: quick, and few are left
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
    """Counts of pixels, second largest of their neighbours', sum of all but the largest, and how
    many were measured.
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
    """Brightest of the pixels next to some places and those themselves, in counts; NaN where none
    was measured.
    """
    offsets = np.array(list(itertools.product((-1, 0, 1), repeat=counts.ndim)))
    around = np.floor(places + 0.5).astype(int)[:, None] + offsets
    inside = ((around >= 0) & (around < counts.shape)).all(axis=-1)
    index = tuple(np.moveaxis(np.clip(around, 0, np.array(counts.shape) - 1), -1, 0))
    values = np.where(inside, counts[index].astype(float), np.nan) / unit
    unseen = np.isnan(values).mean(axis=1) > 0.5  # beside an edge
    return np.where(unseen, np.nan, np.where(np.isnan(values), -np.inf, values).max(axis=1))
