"""The check of training pairs: magnitudes must be magnitudes, and those of the objects beside them."""

import math
from functools import lru_cache

import numpy as np
import torch

from .._layout import is_nested
from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._grid import Grid, fits
from ._transform import to_centred

N_LOOKED_AT, LEAST_PAIRS = 16, 6  # pairs, at even distances; fewer prove nothing
LEAST_PIXELS = 32  # of a pattern
LARGEST = 1 << 22  # Fourier pixels that a check may cost
TRANSFORMED = 1 << 15  # of them, or one pattern, that are transformed back
LEAST_GAIN = 0.25  # of pairs over non-pairs, relative to what the objects' own likeness promises
CHANCE = 3.0  # standard deviations of it that chance explains
LEAST_POWER = 0.15  # standard deviation of that gain among random pairings: with more, nothing can be said
SAME_FAMILY = 0.96  # correlation of the mean patterns: less, and X is no magnitude on this grid (cropped, standardised)
UNALIKE = 0.1, 0.995  # correlation of the patterns of different objects, outside of which nothing can be said
LEFT_BY_ROOT = 0.6  # of what the correlation with |F y| lacks to 1, where square roots correlate so much better
LEAST_CORRELATION = 0.7  # of the roots
LEAST_COUNT = 100  # the largest whole number of what are counts
ALWAYS_WHOLE = 1 << 22  # every larger number of single precision is a whole one
ROUNDING = 1e-12  # mean square of a transform relative to all, of patterns in single precision
ENDED = 1e-6  # mean square of what has ended, relative to that of what has not
ENDED_OF_LOGARITHM = 1e-2  # of logarithms undone: rounding grows, and noise is left
UNDONE = np.expm1, np.exp, lambda values: 10.0**values - 1, lambda values: 10.0**values
LARGEST_LOGARITHM = 80.0  # larger ones are no logarithms of magnitudes
ENDED_LESS = 1e-3  # the same, where both may be rounding


def check_pairing(magnitudes, objects, whom):
    """Warn where training pairs are plainly no pairs, or where intensities are given for magnitudes.

    Some magnitudes are correlated with `|F y|` of their own object and of others, on measured pixels. Those of pairs
    correlate better than others by as much as the objects differ from one another; noise, a beam stop or partial
    coherence leave most of this gain, a permutation nothing. Nothing is said of a measurement whose mean pattern is not
    that of the objects.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
    whom : str
        Name of the estimator, for the message.

    Warns
    -----
    UserWarning

    Examples
    --------
    >>> import warnings
    >>> y = np.random.default_rng(0).random((16, 32))
    >>> X = np.abs(np.fft.fft(y, n=64))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_pairing(X, y, "a network")
    ...     check_pairing(X, y[::-1], "a network")
    >>> len(caught), "not the magnitudes of the objects" in str(caught[0].message)
    (1, True)
    """
    if is_nested(2):  # the estimator around this one has looked
        return
    with usual_device():
        _check_pairs(_looked_at_pairs(magnitudes, objects), whom)


def _check_pairs(patterns, whom):
    if patterns is None:
        return
    found = _correlation(*patterns)
    if float(found.diagonal().mean()) > UNALIKE[1]:  # nothing is nearer
        return
    if not _warned_of_roots(patterns, found, whom) and _are_mispaired(found, *patterns):
        warn_user(
            f"X and y passed to {whom} are plainly no pairs: the patterns in X are not the magnitudes of the objects in"
            " y, but of others like them (|F y| resembles X in another sample as much as in its own); check the order "
            "of the samples"
        )


def check_not_intensities(magnitudes, whom, objects=None, *, usual=None):
    """Warn where magnitudes are plainly intensities or logarithms, see :func:`form_of`.

    Where their objects are known, these decide.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    whom : str
        Name of the estimator, for the message.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape), optional
    usual : str, optional
        Form of the patterns that an estimator was trained on, which is no mistake.

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
    """:func:`check_not_intensities`, whoever calls it."""
    patterns = None if objects is None else _looked_at_pairs(magnitudes, objects)
    if patterns is not None:
        return _warned_of_roots(patterns, _correlation(*patterns), whom)
    form = form_of(magnitudes)
    if form in ("magnitudes", usual):
        return False
    if form == "logarithms":
        warn_user(
            f"magnitudes passed to {whom} look like logarithms of magnitudes: undone, the inverse transform of "
            "their squares ends within the grid, as an autocorrelation does; pass the magnitudes themselves, such "
            "as np.expm1(X) of what np.log1p made"
        )
        return True
    why = "their inverse transform ends within the grid, as an autocorrelation does"
    if form == "counts":
        rows = _rows(len(magnitudes), math.prod(magnitudes.shape[1:]))
        largest = float(picked(magnitudes, rows).double().nan_to_num(0.0).max())
        why = f"they are whole numbers up to {largest:.0f}, as photon counts are"
    _warn_of_intensities(whom, why)
    return True


def form_of(patterns):
    """Form of patterns as far as they tell: whole numbers, transforms of autocorrelations, logarithms, or magnitudes.

    Parameters
    ----------
    patterns : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)

    Returns
    -------
    {"counts", "intensities", "logarithms", "magnitudes"}
        "magnitudes", where nothing tells that they are none.

    Examples
    --------
    >>> objects = np.random.default_rng(0).random((4, 16))
    >>> magnitudes = np.abs(np.fft.fft(objects, n=32))
    >>> form_of(magnitudes), form_of(magnitudes**2), form_of(np.log1p(magnitudes))
    ('magnitudes', 'intensities', 'logarithms')
    """
    values = picked(patterns, _rows(len(patterns), math.prod(patterns.shape[1:])))
    if values.is_complex():
        return "magnitudes"
    values = values.double()
    if _largest_count(values):
        return "counts"
    sizes = values.shape[1:]
    values = values[: max(1, TRANSFORMED // math.prod(sizes))].cpu().numpy()
    if min(sizes) < 8 or any(m % 2 for m in sizes) or not np.isfinite(values).all():
        return "magnitudes"
    values = values / _heights(values) if values.max() > LARGEST_LOGARITHM else values
    if _transform_autocorrelations(values):
        return "intensities"
    end, _ = _ends(np.square(values / _heights(values)))
    if np.median(end) < ROUNDING:
        return "magnitudes"
    for undone in UNDONE if values.max() > 1 else ():
        other_end, other_beyond = _ends(np.square(undone(values)))
        if np.mean((other_end < ENDED_OF_LOGARITHM * other_beyond) & (other_end < ENDED_LESS * end)) > 0.5:
            return "logarithms"
    return "magnitudes"


def _warn_of_intensities(whom, why):
    warn_user(
        f"magnitudes passed to {whom} look like intensities, the squares of magnitudes: {why}; pass np.sqrt(X) if they "
        "are"
    )


def _looked_at_pairs(magnitudes, objects):
    """Some patterns, those of their objects, the measured pixels and whether all are counts; None for no such pairs."""
    object_shape, fourier_shape = tuple(objects.shape[1:]), tuple(magnitudes.shape[1:])
    n_pixels = math.prod(fourier_shape)
    rows = _rows(len(magnitudes), n_pixels)
    if not fits(object_shape, fourier_shape) or len(rows) < LEAST_PAIRS or n_pixels < LEAST_PIXELS:
        return None
    measured, made = picked(magnitudes, rows).double().cpu(), picked(objects, rows).cpu()
    if measured.isinf().any() or (measured < 0).any():  # standardised, and no magnitudes of theirs
        return None
    is_count = _largest_count(measured) > 0
    made = made.to(torch.complex128 if made.is_complex() else torch.float64)
    measured, made = (batch / _peaks(batch) for batch in (measured, made))
    known = ~measured.isnan()
    computed = Grid(object_shape, fourier_shape, centered=False).magnitudes(made)
    measured, known = measured.nan_to_num(0.0).flatten(1), known.flatten(1).double()
    layouts = [layout.flatten(1) for layout in (to_centred(computed), computed)]
    computed = max(layouts, key=lambda layout: float((measured.mean(0) * layout.mean(0)).sum()))
    return measured, computed, known, is_count


def _largest_count(values):
    """The largest of whole numbers, if it is large enough for counts; else 0."""
    known = values.nan_to_num(0.0)
    largest, smallest = float(known.max()), float(torch.where(known > 0, known, torch.inf).min())
    are_whole = largest > LEAST_COUNT and smallest < ALWAYS_WHOLE and bool((known == known.round()).all())
    return largest if are_whole else 0.0


def _warned_of_roots(patterns, found, whom):
    """Whether the square roots of patterns correlate so much better with `|F y|` that these are intensities."""
    measured, computed, known, is_count = patterns
    own = float(found.diagonal().mean())
    root = float(_correlation(measured.sqrt(), computed, known).diagonal().mean())
    left = 1.0 if is_count else LEFT_BY_ROOT
    if root < LEAST_CORRELATION or not 1 - root < left * (1 - own):
        return False
    _warn_of_intensities(whom, "their square roots are nearer to |F y| than they are themselves")
    return True


def _are_mispaired(found, measured, computed, known, is_count):
    own = found.diagonal()
    others = ~torch.eye(len(own), dtype=torch.bool)
    alike = float(_correlation(computed, computed, known)[others].mean())
    families = torch.stack([_unit(measured).mean(0), _unit(computed * known).mean(0)])
    if not UNALIKE[0] < alike < UNALIKE[1] or not float(torch.corrcoef(families)[0, 1]) > SAME_FAMILY:
        return False
    by_chance = float(found[others].mean())
    promised = by_chance / alike * (1 - alike)
    apart = found - found.mean(dim=0) - found.mean(dim=1, keepdim=True) + found.mean()
    deviation = float(apart.std()) / math.sqrt(len(own))  # of the mean of a random pairing
    gain = float(own.mean()) - by_chance
    return deviation < LEAST_POWER * promised and gain < min(LEAST_GAIN * promised, CHANCE * deviation)


def _correlation(first, second, known, *_):
    """Correlation of each row of one matrix with each of another, over the pixels that the first ones know."""
    n_known = known.sum(dim=1, keepdim=True).clamp_min(1)
    centred = (first - (first * known).sum(dim=1, keepdim=True) / n_known) * known
    variances = known @ second.square().T - (known @ second.T).square() / n_known
    norms = centred.square().sum(dim=1, keepdim=True) * variances.clamp_min(0)
    return centred @ second.T / torch.where(norms > 0, norms, 1.0).sqrt()


def _transform_autocorrelations(intensities):
    """Whether patterns are transforms of functions that reach beyond an eighth of the grid, and end before its half.

    Most of them must be. That is where the autocorrelations of oversampled objects end. The inverse transform of
    magnitudes does not end, unless it is a symmetric object itself; then that of their squares ends, too.
    """
    end, beyond = _ends(intensities)
    if not (end < ENDED * beyond).any():
        return False
    squared, _ = _ends(np.square(intensities / _heights(intensities)))
    ends = (end < ENDED * beyond) & (end < ENDED_LESS * squared)
    speaking = ends | (end > ROUNDING)  # what ends before the eighth tells nothing
    return bool(ends.sum() > speaking.sum() / 2)


def _ends(patterns):
    """Mean square of the transform of each pattern at the end of the grid and beyond its eighth, relative to all."""
    powers = np.abs(np.fft.rfftn(patterns / _heights(patterns), axes=tuple(range(1, patterns.ndim))))
    powers = np.square(powers).reshape(len(patterns), -1)
    totals = np.maximum(powers.sum(axis=1), 1e-300)
    return [powers[:, index].mean(axis=1) / totals for index in _far_lags(patterns.shape[1:])]


def _heights(patterns):
    peaks = patterns.max(axis=tuple(range(1, patterns.ndim)), keepdims=True)
    return np.where(peaks > 0, peaks, 1.0)


@lru_cache(maxsize=64)
def _far_lags(sizes):
    """Flat indices of the lags at half the grid, and of those between its eighth and half."""
    lags = [np.abs(np.fft.fftfreq(m)) for m in sizes[:-1]] + [np.fft.rfftfreq(sizes[-1])]
    farthest = np.max(np.meshgrid(*lags, indexing="ij"), axis=0).ravel()
    return np.flatnonzero(farthest == 0.5), np.flatnonzero((farthest > 0.125) & (farthest < 0.5))


def _rows(n_samples, n_pixels):
    return even_rows(n_samples, min(N_LOOKED_AT, max(1, LARGEST // n_pixels)))


def _peaks(batch):
    peaks = batch.abs().nan_to_num(0.0).flatten(1).amax(dim=1)
    return torch.where(peaks > 0, peaks, 1.0).view([-1] + [1] * (batch.ndim - 1))


def _unit(rows):
    norms = rows.norm(dim=1, keepdim=True)
    return rows / torch.where(norms > 0, norms, 1.0)
