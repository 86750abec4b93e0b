"""The check for logarithms of patterns: undone, they are counts or transforms of autocorrelations."""

import numpy as np

from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._counting import counting_units

LOOKED_AT = 2  # patterns, at even distances
LEAST_LIT = 32  # pixels of the pattern that is looked at
LEAST_NUMBERS, LARGEST = 4, 200.0  # different counts that are judged, and the largest of them
TOLERANCE = 0.01  # of a count
ROUNDING = 1e-12  # power at the farthest lags of patterns of single precision
ENDED, ENDED_LESS = (
    1e-2,
    1e-3,
)  # power at the farthest lags relative to that between, and to that of the pattern as given
LARGEST_NATURAL, LARGEST_LOGARITHM = (
    80.0,
    400.0,
)  # larger ones are no logarithms, to any base but that of decibels
PEAKED = 12.0  # peak over mean of magnitudes, often; that of logarithms is a few
WAYS = {  # how magnitudes are made of logarithms; of intensities first, as squares of counts are whole numbers, too
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
    """Warn where patterns are plainly logarithms, and name the expression that undoes them.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    whom : str
        Name of the estimator, for the message.

    Returns
    -------
    bool
        Whether it warned.

    Warns
    -----
    UserWarning

    Examples
    --------
    >>> import warnings
    >>> magnitudes = np.sqrt(np.random.default_rng(0).poisson(3.0, (1, 16, 16)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_logarithms(magnitudes, "iterations"), check_logarithms(np.log1p(magnitudes), "iterations")
    (False, True)
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
    """Expression that makes square roots of counts of a pattern, if it plainly holds their
    logarithms; else None.

    Parameters
    ----------
    pattern : ndarray of shape fourier_shape
        Real; NaN where unmeasured.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (16, 16))
    >>> way_of_counts(np.log1p(np.sqrt(counts))), way_of_counts(10 * np.log10(1 + counts)), way_of_counts(counts**0.5)
    ('np.expm1(X)', 'np.sqrt(10**(X / 10) - 1)', None)
    """
    lit = pattern[pattern > 0]
    if len(lit) < LEAST_LIT or lit.max() > LARGEST_LOGARITHM:
        return None
    lit.sort()
    # a count comes many times: its logarithm is one number, as values that were not counted are
    # hardly ever
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
    """Whether small intensities are different whole numbers, a few at least; next to 0 may be what
    was never dark.
    """
    counts = intensities[(intensities > TOLERANCE) & (intensities < LARGEST)]
    whole = np.rint(counts)
    is_enough = len(np.unique(whole)) == len(counts) >= LEAST_NUMBERS
    return is_enough and bool((np.abs(counts - whole) < TOLERANCE).all())


def way_of_transforms(patterns):
    """Expression whose squares are transforms of autocorrelations, which end within the grid; None
    for no such.

    Most patterns must agree. Logarithms of patterns without noise are told in this way.

    Parameters
    ----------
    patterns : ndarray of shape (n_samples, *fourier_shape)

    Examples
    --------
    >>> magnitudes = np.abs(np.fft.fft(np.random.default_rng(0).random((4, 16)), n=32))
    >>> way_of_transforms(20 * np.log10(1 + magnitudes)), way_of_transforms(magnitudes)
    ('10**(X / 20) - 1', None)
    """
    sizes, largest = patterns.shape[1:], patterns.max(initial=0.0)
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
    """Power of the autocorrelations at each lag, relative to all."""
    axes = tuple(range(1, patterns.ndim))
    peaks = patterns.max(axis=axes, keepdims=True)
    powers = np.abs(np.fft.fftn(np.square(patterns / np.maximum(peaks, 1e-300)), axes=axes)) ** 2
    return powers / np.maximum(powers.sum(axis=axes, keepdims=True), 1e-300)
