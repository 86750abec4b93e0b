"""The check of training pairs: magnitudes must be magnitudes, and those of the objects beside them."""

import math

import numpy as np

from .._layout import is_nested
from .._validation import warn_user
from ._forms import can_be_compared, warned_of_roots
from ._pairs import Pairs

NEAREST = 0.995  # correlation of pairs with |F y| beyond which nothing is nearer
LEAST_GAIN = 0.25  # of pairs over non-pairs, relative to what the objects' own likeness promises
CHANCE = 3.0  # standard deviations of it that chance explains
LEAST_POWER = (
    0.15  # standard deviation of that gain among random pairings: with more, nothing can be said
)
SAME_FAMILY = 0.96  # correlation of the mean patterns: less, and X is no magnitude on this grid (cropped, standardised)
UNALIKE = (
    0.1,
    0.995,
)  # correlation of the patterns of different objects, outside of which nothing can be said


def check_pairing(magnitudes, objects, whom):
    """Warn where training pairs are plainly no pairs, or where intensities are given for
    magnitudes.

    Some magnitudes are correlated with `|F y|` of their own object and of others, on measured
    pixels. Those of pairs correlate better than others by as much as the objects differ from one
    another; noise, a beam stop or partial coherence leave most of this gain, a permutation nothing.
    Nothing is said of a measurement whose mean pattern is not that of the objects.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape), or Pairs
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
    >>> y = np.random.default_rng(0).random((16, 32))
    >>> X = np.abs(np.fft.fft(y, n=64))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     right = check_pairing(X, y, "a network")
    ...     wrong = check_pairing(X, y[::-1], "a network")
    >>> right, wrong, "not the magnitudes of the objects" in str(caught[0].message)
    (False, True, True)
    """
    if is_nested(2):  # the estimator around this one has looked
        return False
    pairs = Pairs.of(magnitudes, objects)
    if not can_be_compared(pairs) or float(pairs.own.mean()) > NEAREST:
        return False
    if warned_of_roots(pairs, whom):
        return True
    if are_mispaired := _are_mispaired(pairs):
        warn_user(
            f"X and y passed to {whom} are plainly no pairs: the patterns in X are not the "
            f"magnitudes of the objects in"
            " y, but of others like them (|F y| resembles X in another sample as much as in its "
            "own); check the order "
            "of the samples"
        )
    return are_mispaired


def _are_mispaired(pairs):
    measured, computed = pairs.measured, pairs.computed
    known = np.ones_like(measured) if pairs.known is None else pairs.known.astype(np.float64)
    found = _correlations(measured, computed, known)
    own = found.diagonal()
    others = ~np.eye(len(own), dtype=bool)
    alike = float(_correlations(computed * known, computed, known)[others].mean())
    families = [_unit(rows).mean(axis=0) for rows in (measured, computed * known)]
    if not UNALIKE[0] < alike < UNALIKE[1] or not np.corrcoef(families)[0, 1] > SAME_FAMILY:
        return False
    by_chance = float(found[others].mean())
    promised = by_chance / alike * (1 - alike)
    apart = found - found.mean(axis=0) - found.mean(axis=1, keepdims=True) + found.mean()
    deviation = float(apart.std(ddof=1)) / math.sqrt(len(own))  # of the mean of a random pairing
    gain = float(own.mean()) - by_chance
    return deviation < LEAST_POWER * promised and gain < min(
        LEAST_GAIN * promised, CHANCE * deviation
    )


def _correlations(first, second, known):
    """Correlation of each row of one matrix with each of another, over the pixels that the first
    ones know.
    """
    n_known = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = (first - (first * known).sum(axis=1, keepdims=True) / n_known) * known
    variances = known @ np.square(second).T - np.square(known @ second.T) / n_known
    norms = np.square(centred).sum(axis=1, keepdims=True) * np.maximum(variances, 0)
    return centred @ second.T / np.sqrt(np.where(norms > 0, norms, 1.0))


def _unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
