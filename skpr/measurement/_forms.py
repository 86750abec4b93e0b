"""Form of patterns: magnitudes, intensities, counts or logarithms."""

import math
from functools import lru_cache

import numpy as np
from scipy import fft

from .._callers import is_nested
from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._logarithms import WAYS, way_of_counts
from ._pairs import Pairs

N_LOOKED_AT = 16  # patterns, evenly spaced
LARGEST = 1 << 22  # Fourier pixels that a check may cost
TRANSFORMED = 1 << 15  # Fourier pixels, or one pattern, that are transformed back
FEW = 64  # pixels that are looked at first
LEAST_PAIRS = 6  # pairs; fewer prove nothing
LEAST_PIXELS = 32  # pixels of a pattern; fewer prove nothing
EXACT = 1e-9  # distance from 1 of a correlation with |F y| that nothing can improve
# Fraction of the correlation's distance from 1 that square roots leave if patterns are intensities.
LEFT_BY_ROOT = 0.6
LEAST_CORRELATION = 0.7  # correlation of the square roots
# The fraction for other forms, of which many are tried, and for the distance up to a scale: a blur
# or clipped peaks leave more than 0.018, and logarithms without noise next to nothing.
LEFT_BY_FORM = 0.01
LEAST_COUNT = 100  # largest value of a pattern; smaller whole numbers need not be counts
# Rounding of the square of a count's root, in units of the precision, and largest rounding at which
# whole numbers can be told from others.
SQUARED, TELLING = 8.0, 0.01
ALWAYS_WHOLE = 1 << 22  # larger numbers in single precision are always whole
ROUNDING = 1e-12  # relative mean square that rounding to single precision leaves in a transform
ENDED = 1e-6  # mean square at the end of the grid relative to that before, for autocorrelations
ENDED_OF_LOGARITHM = 1e-2  # the same for undone logarithms, which magnify rounding and noise
UNDONE = np.expm1, np.exp, lambda values: 10.0**values - 1, lambda values: 10.0**values
LARGEST_UNDONE = 1e100  # larger values of an undone form are not magnitudes
LARGEST_LOGARITHM = 80.0  # larger values are not logarithms of magnitudes
ENDED_LESS = 1e-3  # mean square at the end relative to that of the alternative form


def check_not_intensities(magnitudes, whom, objects=None, *, usual=None):
    """Warn where magnitudes are plainly intensities or logarithms.

    The form is judged by comparison with the objects where these are known, else by
    :func:`form_of`.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    whom : str, name of the estimator for the message
    objects : batch of shape (n_samples, *object_shape), optional
    usual : str, optional, form of the patterns the estimator was trained on, which is accepted

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = check_not_intensities(np.array([[0, 3, 1200, 3]]), "iterations")
    >>> "np.sqrt(X)" in str(caught[0].message)
    True
    """
    if is_nested(2):
        return False
    with usual_device():
        return warned_of_form(magnitudes, whom, objects, usual)


def warned_of_form(magnitudes, whom, objects=None, usual=None):
    """Warn of intensities, also inside another estimator."""
    pairs = None if objects is None else Pairs.of(magnitudes, objects)
    if pairs is not None and can_be_compared(pairs):
        return warned_by_pairs(pairs, whom)
    form = form_of(magnitudes)
    if form in ("magnitudes", usual):
        return False
    if form == "logarithms":
        warn_user(
            f"magnitudes passed to {whom} look like logarithms of magnitudes: undone, the inverse "
            "transform of their squares ends within the grid, as an autocorrelation does; pass the "
            "magnitudes themselves, such as np.expm1(X) if np.log1p was applied"
        )
        return True
    why = "their inverse transform ends within the grid, as an autocorrelation does"
    if form == "counts":
        largest = np.nanmax(_looked_at(magnitudes))
        why = f"they are whole numbers up to {largest:.0f}, as photon counts are"
    _warn_of_intensities(whom, why)
    return True


def form_of(patterns):
    """Return what patterns look like: magnitudes, intensities or logarithms.

    Counts are whole numbers; intensities, and the squares of undone logarithms, are transforms of
    autocorrelations, which end within the grid.

    Parameters
    ----------
    patterns : batch of shape (n_samples, *fourier_shape), NaN where unmeasured

    Returns
    -------
    {"counts", "intensities", "logarithms", "magnitudes"}
        Form; "magnitudes" where nothing speaks against it.

    Examples
    --------
    >>> objects = np.random.default_rng(0).random((4, 16))
    >>> magnitudes = np.abs(np.fft.fft(objects, n=32))
    >>> form_of(magnitudes), form_of(magnitudes**2), form_of(np.log1p(magnitudes))
    ('magnitudes', 'intensities', 'logarithms')
    """
    values = _looked_at(patterns)
    if np.iscomplexobj(values):
        return "magnitudes"
    if _are_counts(values):
        return "counts"
    sizes = values.shape[1:]
    values = values[: max(1, TRANSFORMED // math.prod(sizes))].astype(np.float64)
    # the farthest lag, half the grid, exists only along even axes
    if min(sizes) < 8 or any(m % 2 for m in sizes) or not np.isfinite(values).all():
        return "magnitudes"
    values = values / _heights(values) if values.max() > LARGEST_LOGARITHM else values
    end, _ = _ends(np.square(values / _heights(values)))
    if _transform_autocorrelations(values, end):
        return "intensities"
    if np.median(end) < ROUNDING:
        return "magnitudes"
    for undone in UNDONE if values.max() > 1 else ():
        other_end, other_beyond = _ends(np.square(undone(values)))
        if (
            np.mean(
                (other_end < ENDED_OF_LOGARITHM * other_beyond) & (other_end < ENDED_LESS * end)
            )
            > 0.5
        ):
            return "logarithms"
    return "magnitudes"


def can_be_compared(pairs):
    """Whether pairs allow a comparison of patterns with `|F y|`."""
    return (
        pairs.fit
        and len(pairs) >= LEAST_PAIRS
        and pairs.n_pixels >= LEAST_PIXELS
        and pairs.are_magnitudes
    )


def warned_by_pairs(pairs, whom):
    """Warn if another form of the patterns is much closer to `|F y|`.

    Parameters
    ----------
    pairs : Pairs
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> y = np.random.default_rng(0).random((8, 16))
    >>> pairs = Pairs(np.log1p(np.abs(np.fft.fft(y, n=32))), y)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = warned_by_pairs(pairs, "a network")
    >>> "np.expm1(X) is much closer to |F y|" in str(caught[0].message)
    True
    """
    return warned_of_roots(pairs, whom) or _warned_of_other_forms(pairs, whom)


def warned_of_roots(pairs, whom):
    """Warn if square roots are much closer to `|F y|`."""
    left = 1 - float(pairs.own.mean())
    if left < EXACT:
        return False
    root = float(pairs.correlation(pairs.computed, np.sqrt(pairs.measured)).mean())
    if (
        root < LEAST_CORRELATION
        or not 1 - root < (1.0 if _are_counts(pairs.values) else LEFT_BY_ROOT) * left
    ):
        return False
    _warn_of_intensities(whom, "their square roots are closer to |F y| than they are")
    return True


def _warned_of_other_forms(pairs, whom):
    left = 1 - float(pairs.own.mean())
    if left < EXACT:
        return False
    form = _closest_form(pairs, left)
    why = f"{form} is much closer to |F y| than X is"
    if form is None:
        form = next(filter(None, map(way_of_counts, pairs.values[:2])), None)  # noisy logarithms
        why = "undone, their squares are counts"
    if form is None:
        return False
    kind = "square roots" if form == "X**2" else "logarithms"
    warn_user(f"magnitudes passed to {whom} look like {kind} of magnitudes: {why}; pass {form}")
    return True


def _closest_form(pairs, left):
    """Expression that turns patterns into nearly `|F y|`, or None.

    Correlations do not know the offset that distinguishes `expm1` from `exp`; cosines do.
    """
    known = 1.0 if pairs.known is None else pairs.known
    computed = pairs.computed * known
    found = {}
    for form, undone in {"X**2": np.square, **WAYS}.items():
        with np.errstate(over="ignore"):
            values = np.nan_to_num(undone(pairs.values), nan=0.0, posinf=np.inf)
        if values.max() < LARGEST_UNDONE:
            values = values.reshape(len(pairs), -1)
            values = values / np.maximum(values.max(axis=1, keepdims=True), 1e-300)
            found[form] = _cosine(values * known, computed), values
    form = max(found, key=lambda form: found[form][0], default=None)
    if form is None:
        return None
    cosine, values = found[form]
    is_closer = 1 - float(pairs.correlation(pairs.computed, values).mean()) < LEFT_BY_FORM * left
    given = _cosine(pairs.measured, computed)
    return form if is_closer and 1 - cosine < LEFT_BY_FORM * (1 - given) else None


def _cosine(first, second):
    """Mean cosine of the angles between the rows of two arrays."""
    products, *powers = (
        np.einsum("ij,ij->i", one, other)
        for one, other in ((first, second), (first, first), (second, second))
    )
    norms = np.sqrt(powers[0] * powers[1])
    return float((products / np.where(norms > 0, norms, 1.0)).mean())


def _warn_of_intensities(whom, why):
    warn_user(
        f"magnitudes passed to {whom} look like intensities, the squares of magnitudes: {why}; "
        "pass np.sqrt(X) if they are"
    )


def _looked_at(patterns):
    n_pixels = math.prod(patterns.shape[1:])
    rows = even_rows(len(patterns), min(N_LOOKED_AT, max(1, LARGEST // n_pixels)))
    values = picked(patterns, rows).cpu().numpy()
    return values if values.dtype.kind in "fc" else values.astype(np.float64)


def _are_counts(values):
    """Whether all values are whole numbers of plausible size."""
    flat = values.reshape(-1)
    if np.isnan(flat).all():
        return False
    if not all(_are_whole(some) for some in (flat[:: max(1, len(flat) // FEW)], flat)):
        return False
    largest, smallest = np.nanmax(flat), np.nanmin(flat, where=flat > 0, initial=np.inf)
    return bool(largest > LEAST_COUNT and smallest < ALWAYS_WHOLE)


def _are_whole(values):
    """Whether values are whole numbers, up to rounding of roots.

    Large values, whose rounding is coarse, need only not contradict.
    """
    rounding = SQUARED * np.finfo(values.real.dtype).eps * np.abs(values)
    if not ((np.abs(values - np.round(values)) <= rounding) | np.isnan(values)).all():
        return False
    exact = values == np.round(values)
    tell = exact | (rounding <= TELLING)
    return bool(2 * np.count_nonzero(tell & (values > 0)) >= np.count_nonzero(values > 0))


def _transform_autocorrelations(intensities, end_of_squares):
    """Whether most patterns are transforms of autocorrelations.

    The autocorrelation of an oversampled object reaches beyond an eighth of the grid and ends
    before its half. The inverse transform of magnitudes does not end, unless it is a symmetric
    object itself; then that of their squares ends, too.
    """
    end, beyond = _ends(intensities)
    if not (end < ENDED * beyond).any():
        return False
    ends = (end < ENDED * beyond) & (end < ENDED_LESS * end_of_squares)
    speaking = ends | (end > ROUNDING)  # one that ends before the eighth tells nothing
    return bool(ends.sum() > speaking.sum() / 2)


def _ends(patterns):
    """Relative power of transforms at the farthest lags, and before."""
    powers = np.abs(fft.rfftn(patterns / _heights(patterns), axes=tuple(range(1, patterns.ndim))))
    powers = np.square(powers).reshape(len(patterns), -1)
    totals = np.maximum(powers.sum(axis=1), 1e-300)
    return [powers[:, index].mean(axis=1) / totals for index in _far_lags(patterns.shape[1:])]


def _heights(patterns):
    peaks = patterns.max(axis=tuple(range(1, patterns.ndim)), keepdims=True)
    return np.where(peaks > 0, peaks, 1.0)


@lru_cache(maxsize=64)
def _far_lags(sizes):
    """Flat indices of the farthest lags, and of lags before."""
    lags = [np.abs(np.fft.fftfreq(m)) for m in sizes[:-1]] + [np.fft.rfftfreq(sizes[-1])]
    farthest = np.max(np.meshgrid(*lags, indexing="ij"), axis=0).ravel()
    return np.flatnonzero(farthest == 0.5), np.flatnonzero((farthest > 0.125) & (farthest < 0.5))
