"""Check for logarithms of magnitudes or intensities."""

import numpy as np

from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._counting import counting_units

LOOKED_AT = 2  # patterns, evenly spaced
LEAST_LIT = 32  # lit pixels of a pattern; fewer prove nothing
LEAST_NUMBERS, LARGEST = 4, 200.0  # least number of different counts, and the largest one judged
TOLERANCE = 0.01  # deviation of a count from a whole number
ROUNDING = 1e-12  # power at the farthest lags of patterns in single precision
# Power at the farthest lags, relative to that of intermediate lags and to that of the pattern as
# given.
ENDED, ENDED_LESS = 1e-2, 1e-3
# Largest plausible logarithm: natural, binary or decimal, and in decibels.
LARGEST_NATURAL, LARGEST_LOGARITHM = 80.0, 400.0
PEAKED = 12.0  # ratio of peak to mean, which magnitudes often exceed and logarithms do not
# Expressions that turn logarithms into magnitudes. Logarithms of intensities come first, because
# squares of counts are whole numbers, too.
WAYS = {
    "np.sqrt(np.expm1(X))": lambda values: np.sqrt(np.expm1(values)),
    "np.exp(X / 2)": lambda values: np.exp(values / 2),
    "np.expm1(X)": np.expm1,
    "np.exp(X)": np.exp,
    "np.sqrt(10**X - 1)": lambda values: np.sqrt(10**values - 1),
    "10**(X / 2)": lambda values: 10 ** (values / 2),
    "10**X - 1": lambda values: 10**values - 1,
    "10**X": lambda values: 10**values,
    "np.sqrt(10**(X / 10) - 1)": lambda values: np.sqrt(10 ** (values / 10) - 1),
    "10**(X / 20)": lambda values: 10 ** (values / 20),
    "10**(X / 20) - 1": lambda values: 10 ** (values / 20) - 1,
    "np.sqrt(np.exp2(X) - 1)": lambda values: np.sqrt(np.exp2(values) - 1),
    "np.exp2(X / 2)": lambda values: np.exp2(values / 2),
    "np.exp2(X) - 1": lambda values: np.exp2(values) - 1,
    "np.exp2(X)": np.exp2,
}


def check_logarithms(magnitudes, whom):
    """Warn if patterns look like logarithms of magnitudes or counts.

    The message names the expression that undoes them. Undone, the squares are counts or transforms
    of autocorrelations.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> magnitudes = np.sqrt(np.random.default_rng(0).poisson(3.0, (1, 16, 16)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     [check_logarithms(X, "iterations") for X in (magnitudes, np.log1p(magnitudes))]
    [False, True]
    >>> "np.expm1(X)" in str(caught[0].message)
    True
    """
    with usual_device():
        values = picked(magnitudes, even_rows(len(magnitudes), LOOKED_AT)).double().cpu().numpy()
    peak = float(np.nan_to_num(values, nan=0.0).max(initial=0.0))
    way = next((way for way in map(way_of_counts, values) if way is not None), None)
    why = "undone, their squares are counts"
    if (
        way is None
        and not counting_units(np.square(values.reshape(len(values), -1) / max(peak, 1e-300))).any()
    ):
        way, why = (
            way_of_transforms(values),
            "undone, their squares are transforms of autocorrelations",
        )
    if way is None:
        return False
    warn_user(f"magnitudes passed to {whom} look like logarithms: {why}; pass {way}")
    return True


def way_of_counts(pattern):
    """Expression that turns logarithms of counts into magnitudes.

    Parameters
    ----------
    pattern : ndarray of shape fourier_shape
        Real values; NaN where unmeasured.

    Returns
    -------
    str or None
        None if the pattern does not plainly hold logarithms of counts.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (16, 16))
    >>> way_of_counts(np.log1p(np.sqrt(counts)))
    'np.expm1(X)'
    >>> way_of_counts(10 * np.log10(1 + counts))
    'np.sqrt(10**(X / 10) - 1)'
    >>> way_of_counts(counts**0.5)
    """
    lit = pattern[pattern > 0]
    if len(lit) < LEAST_LIT or lit.max() > LARGEST_LOGARITHM:
        return None
    lit.sort()
    # a count occurs many times, and so does its logarithm; values that were not counted hardly ever
    # recur
    numbers = lit[np.flatnonzero(np.diff(lit, prepend=-np.inf) > 1e-6 * lit)]
    if len(numbers) < LEAST_NUMBERS or 2 * len(numbers) > len(lit) + LEAST_LIT:
        return None
    if _are_counts(numbers**2):
        return None
    with np.errstate(over="ignore"):
        return next(
            (way for way, undone in WAYS.items() if _are_counts(undone(numbers) ** 2)), None
        )


def _are_counts(intensities):
    """Whether small intensities are different whole numbers.

    Values next to 0 are left out: the rounding of undone zeros.
    """
    counts = intensities[(intensities > TOLERANCE) & (intensities < LARGEST)]
    whole = np.rint(counts)
    is_enough = len(np.unique(whole)) == len(counts) >= LEAST_NUMBERS
    return is_enough and bool((np.abs(counts - whole) < TOLERANCE).all())


def way_of_transforms(patterns):
    """Expression that turns noise-free logarithms into magnitudes.

    Squares of the right magnitudes are transforms of autocorrelations, which end within the grid.
    Most patterns must agree.

    Parameters
    ----------
    patterns : ndarray of shape (n_samples, *fourier_shape)
        Real values.

    Returns
    -------
    str or None
        None if no expression leads to such magnitudes.

    Examples
    --------
    >>> magnitudes = np.abs(np.fft.fft(np.random.default_rng(0).random((4, 16)), n=32))
    >>> way_of_transforms(20 * np.log10(1 + magnitudes)), way_of_transforms(magnitudes)
    ('10**(X / 20) - 1', None)
    """
    sizes, largest = patterns.shape[1:], patterns.max(initial=0.0)
    # the farthest lag, half the grid, exists only along even axes
    if min(sizes) < 8 or any(m % 2 for m in sizes) or not np.isfinite(patterns).all():
        return None
    if not 1 < largest < LARGEST_LOGARITHM or largest > PEAKED * patterns.mean():
        return None
    farthest = np.max(
        np.meshgrid(*[np.abs(np.fft.fftfreq(m)) for m in sizes], indexing="ij"), axis=0
    )
    end, between = farthest == 0.5, (farthest > 0.125) & (farthest < 0.5)
    given = _powers(patterns)[:, end].mean(axis=1)
    if np.median(given) < ROUNDING:  # magnitudes without noise
        return None
    found = {}
    for way, undone in WAYS.items():
        if "0)" not in way and largest > LARGEST_NATURAL:
            continue
        powers = _powers(undone(patterns))
        at_end, before = (
            powers[:, end].mean(axis=1),
            np.maximum(powers[:, between].mean(axis=1), 1e-300),
        )
        if ((at_end < ENDED * before) & (at_end < ENDED_LESS * given)).mean() > 0.5:
            found[way] = float(np.median(at_end / before))
    return min(found, key=found.get, default=None)


def _powers(patterns):
    """Relative power of the autocorrelations at each lag."""
    axes = tuple(range(1, patterns.ndim))
    peaks = patterns.max(axis=axes, keepdims=True)
    powers = np.abs(np.fft.fftn(np.square(patterns / np.maximum(peaks, 1e-300)), axes=axes)) ** 2
    return powers / np.maximum(powers.sum(axis=axes, keepdims=True), 1e-300)
