"""Check that magnitudes belong to the objects beside them."""

import math

import numpy as np

from .._callers import is_nested
from .._validation import warn_user
from ._forms import can_be_compared, warned_of_roots
from ._pairs import Pairs

NEAREST = 0.995  # correlation of pairs with |F y|; above it, pairs are certainly right
# Gain in correlation of pairs over non-pairs, relative to that expected from the likeness of the
# objects.
LEAST_GAIN = 0.25
CHANCE = 3.0  # standard deviations of the gain that chance explains
# Standard deviation of the gain among random pairings, relative to the expected gain; with more,
# the check has too little power.
LEAST_POWER = 0.15
# Correlation of the mean patterns; with less, X holds no magnitudes on this grid (it is cropped or
# standardised).
SAME_FAMILY = 0.96
UNALIKE = 0.1, 0.995  # range of the correlation of different objects' patterns that can be judged


def check_pairing(magnitudes, objects, whom):
    """Warn if patterns do not look like those of the objects beside them.

    Some magnitudes are correlated, on measured pixels, with `|F y|` of their own object and of
    others. Pairs correlate better than non-pairs, and the gain grows with the differences between
    the objects. Noise, a beam stop or partial coherence leave most of this gain; a permutation
    leaves nothing. Intensities in place of magnitudes are warned of first. Measurements whose mean
    pattern differs from that of the objects are not judged.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    objects : batch of shape (n_samples, *object_shape) or Pairs
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

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
    if is_nested(2):  # the enclosing estimator has already looked
        return False
    pairs = Pairs.of(magnitudes, objects)
    if not can_be_compared(pairs) or float(pairs.own.mean()) > NEAREST:
        return False
    if warned_of_roots(pairs, whom):
        return True
    if are_mispaired := _are_mispaired(pairs):
        warn_user(
            f"X and y passed to {whom} are clearly not pairs: the patterns in X are not the "
            "magnitudes of the objects in y, but of similar ones (|F y| resembles X of another "
            "sample as much as X of its own); check the order of the samples"
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
    # noise lowers all correlations by one factor, which non-pairs reveal: by_chance / alike
    promised = by_chance / alike * (1 - alike)
    # without the means of rows and columns, which no permutation of the pairs changes
    apart = found - found.mean(axis=0) - found.mean(axis=1, keepdims=True) + found.mean()
    deviation = float(apart.std(ddof=1)) / math.sqrt(len(own))  # of the mean of a random pairing
    gain = float(own.mean()) - by_chance
    return deviation < LEAST_POWER * promised and gain < min(
        LEAST_GAIN * promised, CHANCE * deviation
    )


def _correlations(first, second, known):
    """Correlations between all rows, over known pixels."""
    n_known = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = (first - (first * known).sum(axis=1, keepdims=True) / n_known) * known
    variances = known @ np.square(second).T - np.square(known @ second.T) / n_known
    norms = np.square(centred).sum(axis=1, keepdims=True) * np.maximum(variances, 0)
    return centred @ second.T / np.sqrt(np.where(norms > 0, norms, 1.0))


def _unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
