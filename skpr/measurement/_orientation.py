"""Check for transposed or mirrored objects in training pairs."""

import itertools
import math
from functools import lru_cache

import numpy as np

from .._callers import is_nested
from .._validation import warn_user
from ._pairs import Pairs

LEAST_PAIRS = 4  # pairs; fewer prove nothing
LEAST_PIXELS = 32  # pixels of a pattern; fewer prove nothing
LEAST_VALUES = 256  # pixels of all patterns
LIKENESS = 0.7  # correlation of patterns with those of turned objects; less proves nothing
LEFT = 0.7  # fraction of the correlation's distance from 1 that turning the objects may leave
LEAST_GAIN = 0.01  # gain in correlation
MOST = 0.8  # fraction of the pairs that must gain
CERTAIN = 3.0  # standard errors of the gain


def check_orientation(magnitudes, objects, whom):
    """Warn if targets look transposed or mirrored against their patterns.

    The magnitudes of some pairs are compared with `|F y|` of the objects as given, and of objects
    with axes swapped and mirrored. Only axes of the same length can be swapped. Objects with a
    single axis are not judged.

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
    >>> import warnings, numpy as np
    >>> y = np.random.default_rng(0).random((8, 16, 16))
    >>> X = np.abs(np.fft.fft2(y, (32, 32)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     right = check_orientation(X, y, "a network")
    ...     wrong = check_orientation(X, y.transpose(0, 2, 1), "a network")
    >>> right, wrong, "np.transpose(y, (0, 2, 1))" in str(caught[0].message)
    (False, True, True)
    """
    if is_nested(2):  # the enclosing estimator has already looked
        return False
    pairs = Pairs.of(magnitudes, objects)
    if (
        len(pairs.object_shape) < 2
        or not pairs.fit
        or pairs.n_pixels < LEAST_PIXELS
        or len(pairs) < LEAST_PAIRS
    ):
        return False
    if len(pairs) * pairs.n_pixels < LEAST_VALUES or not pairs.are_magnitudes:
        return False
    as_they_lie = pairs.own
    if float(as_they_lie.mean()) > 1 - LEAST_GAIN:
        return False
    found = _correlations(pairs)
    turned, best = max(
        found.items(), key=lambda item: float(item[1].mean()), default=(None, as_they_lie)
    )
    if turned is None or not _is_plain(best, as_they_lie):
        return False
    warn_user(
        f"X and y passed to {whom} plainly differ in orientation: |F y| resembles X more "
        f"(correlation {float(best.mean()):.2f} instead of {float(as_they_lie.mean()):.2f}) once "
        f"the axes of the objects are turned; give {_expression(*turned)} in place of y"
    )
    return True


def _is_plain(best, as_they_lie):
    gain = best - as_they_lie
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
    return (
        float(best.mean()) > LIKENESS
        and float(1 - best.mean()) < LEFT * float(1 - as_they_lie.mean())
        and float(gain.mean()) > max(LEAST_GAIN, CERTAIN * error)
        and float((gain > 0).mean()) >= MOST
    )


def _correlations(pairs):
    """Correlation of patterns with those of turned objects."""
    turns = _turns(pairs.object_shape, pairs.fourier_shape, pairs.objects_are_complex)
    centred = pairs.is_centred
    return {
        turn: pairs.correlation(
            pairs.computed[:, _turned_index(pairs.fourier_shape, *turn, centred)]
        )
        for turn in turns
    }


def _turns(object_shape, fourier_shape, are_complex):
    """Orders and mirrorings of the axes that change the pattern."""
    n_axes = len(object_shape)
    sizes = list(zip(object_shape, fourier_shape, strict=True))
    # a real object has the same pattern as its mirror image along all axes
    mirrors = itertools.product(*[(False, True)] * (n_axes if are_complex else n_axes - 1))
    mirrors = [
        tuple(a + n_axes - len(mirror) for a, is_turned in enumerate(mirror) if is_turned)
        for mirror in mirrors
    ]
    orders = [
        order
        for order in itertools.permutations(range(n_axes))
        if [sizes[axis] for axis in order] == sizes
    ]
    return [
        turn for turn in itertools.product(orders, mirrors) if turn != (tuple(range(n_axes)), ())
    ]


@lru_cache(maxsize=64)
def _turned_index(shape, order, axes, centred):
    """Flat pixel indices of a turned pattern."""
    index = np.arange(math.prod(shape)).reshape(shape).transpose(order)
    for axis in axes:
        size = index.shape[axis]
        zero = size // 2 if centred else 0
        index = index.take((2 * zero - np.arange(size)) % size, axis=axis)
    return index.ravel()


def _expression(order, axes):
    plain = order == tuple(range(len(order)))
    text = "y" if plain else f"np.transpose(y, {(0, *[1 + axis for axis in order])})"
    return f"np.flip({text}, {tuple(1 + axis for axis in axes)})" if axes else text
